// One table has the families. A flat name is NAME/LABEL/LABEL; of a histogram NAME-bucket/…/BOUND, -count and
// -sum-usec.
#include "metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <tuple>
#include <vector>

namespace bleconnctl {
namespace {

enum class Type { counter, gauge, histogram };

struct Family {
  std::string_view flat;  // as GetStatistics has it
  Type type;
  std::vector<std::string_view> labels;
  std::string_view help;
};

const std::vector<Family> kFamilies{
    {"attempts-failed", Type::counter, {"adapter", "category"}, "Attempts to connect that failed."},
    {"call-seconds",
     Type::histogram,
     {"adapter", "category"},
     "From a call of EstablishConnection to its answer."},
    {"calls", Type::counter, {}, "Calls of EstablishConnection."},
    {"calls-answered", Type::counter, {"category"}, "Answers to EstablishConnection."},
    {"dial-seconds", Type::histogram, {"adapter"}, "From a dial to its link."},
    {"dials", Type::counter, {"adapter"}, "Dials: calls of BlueZ's Connect or Pair."},
    {"failures", Type::counter, {"token"}, "Attempts that failed, by cause."},
    {"forged-signals", Type::counter, {}, "Signals that claimed to be BlueZ's and were ignored."},
    {"links-ended", Type::counter, {"adapter", "reason"}, "Links that ended, or were ended."},
    {"links-up", Type::counter, {"adapter"}, "Links that came up, or were adopted."},
    {"now-connected", Type::gauge, {}, "Devices that are connected."},
    {"now-devices", Type::gauge, {}, "Devices that are leased, attempted or connected."},
    {"now-leases-and-calls", Type::gauge, {}, "Leases and calls that wait."},
    {"services-changed", Type::counter, {}, "Devices whose services were not those of before."},
    {"services-from-cache", Type::counter, {}, "Answers with services of the cache, not yet verified."},
    {"services-seconds",
     Type::histogram,
     {"adapter"},
     "From a link to its services, where they were waited for."},
    {"services-verified",
     Type::counter,
     {},
     "Links whose services were read and compared with those that were told."},
    {"slot-waits", Type::counter, {}, "Dials that had to wait for a free slot."},
    {"turn-waits", Type::counter, {}, "Dials that had to wait for others on the same adapter."},
};

std::vector<std::string> parts_of(std::string_view text) {
  std::vector<std::string> parts;
  for (auto slash = text.find('/'); slash != std::string_view::npos; slash = text.find('/')) {
    parts.emplace_back(text.substr(0, slash));
    text.remove_prefix(slash + 1);
  }
  parts.emplace_back(text);
  return parts;
}

std::string escaped(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    if (c == '\n')
      text += "\\n";
    else
      text += c;
  }
  return text;
}

// {adapter="hci0",le="1.0"}
std::string labels_of(const Family& family, const std::vector<std::string>& parts,
                      const std::string& bound = {}) {
  std::string text;
  for (std::size_t i = 0; i < family.labels.size(); ++i)
    text += fmt::format("{}{}=\"{}\"", text.empty() ? "" : ",", family.labels[i], escaped(parts[i + 1]));
  if (!bound.empty()) text += fmt::format("{}le=\"{}\"", text.empty() ? "" : ",", escaped(bound));
  return text.empty() ? text : "{" + text + "}";
}

// OpenMetrics wants "1.0", where the daemon says "1".
std::string canonical(const std::string& bound) {
  const bool whole = !bound.empty() && bound.find_first_not_of("0123456789") == std::string::npos;
  return whole ? bound + ".0" : bound;
}

std::string metric_name(std::string_view flat) {
  std::string name = "bleconnd_";
  if (flat.substr(0, 4) == "now-") flat.remove_prefix(4);
  for (const char c : flat) name += c == '-' ? '_' : c;
  return name;
}

// All samples of a histogram, each label set together: its buckets in order, then _count and _sum.
std::string histogram(const Family& family, const std::map<std::string, std::uint64_t>& flat) {
  const std::string base{family.flat};
  const auto name = metric_name(family.flat);
  std::string text;
  for (const auto& [series, count] : flat) {
    const auto parts = parts_of(series);
    if (parts[0] != base + "-count" || parts.size() != family.labels.size() + 1) continue;
    const auto labels = series.substr(parts[0].size());  // "/hci0/ok"
    const auto prefix = base + "-bucket" + labels + "/";
    std::vector<std::tuple<double, std::string, std::uint64_t>> buckets;
    for (auto at = flat.lower_bound(prefix);
         at != flat.end() && at->first.compare(0, prefix.size(), prefix) == 0; ++at) {
      const auto bound = at->first.substr(prefix.size());
      buckets.emplace_back(std::strtod(bound.c_str(), nullptr), bound, at->second);
    }
    std::sort(buckets.begin(), buckets.end());
    for (const auto& [value, bound, up_to] : buckets)
      text += fmt::format("{}_bucket{} {}\n", name, labels_of(family, parts, canonical(bound)), up_to);
    const auto sum = flat.find(base + "-sum-usec" + labels);
    const auto usec = sum == flat.end() ? 0 : sum->second;
    text += fmt::format("{}_count{} {}\n", name, labels_of(family, parts), count);
    text += fmt::format("{}_sum{} {}.{:06}\n", name, labels_of(family, parts), usec / 1'000'000,
                        usec % 1'000'000);
  }
  return text;
}

std::string plain(const Family& family, const std::map<std::string, std::uint64_t>& flat) {
  const auto name = metric_name(family.flat) + (family.type == Type::counter ? "_total" : "");
  std::string text;
  for (const auto& [series, value] : flat) {
    const auto parts = parts_of(series);
    if (parts[0] == family.flat && parts.size() == family.labels.size() + 1)
      text += fmt::format("{}{} {}\n", name, labels_of(family, parts), value);
  }
  return text;
}

}  // namespace

std::string open_metrics(const std::map<std::string, std::uint64_t>& flat) {
  std::string text;
  for (const auto& family : kFamilies) {
    const bool is_histogram = family.type == Type::histogram;
    const auto samples = is_histogram ? histogram(family, flat) : plain(family, flat);
    if (samples.empty()) continue;
    const auto name = metric_name(family.flat);
    const auto* type = is_histogram ? "histogram" : family.type == Type::gauge ? "gauge" : "counter";
    text += fmt::format("# TYPE {} {}\n", name, type);
    if (is_histogram) text += fmt::format("# UNIT {} seconds\n", name);
    text += fmt::format("# HELP {} {}\n{}", name, family.help, samples);
  }
  return text + "# EOF\n";
}

}  // namespace bleconnctl
