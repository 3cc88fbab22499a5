// One line each time, of which the last whole one counts: "all {…}". A crash while it is written costs a
// minute.
#include "system/statistics_file.hpp"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "system/journal.hpp"

namespace bleconnd {
namespace {

using nlohmann::json;
constexpr char kKey[] = "all";
constexpr std::size_t kMostName = 128;

std::optional<std::uint64_t> number(const json& value) {
  if (!value.is_number_unsigned()) return {};
  return value.get<std::uint64_t>();
}

// Its buckets and the sum: [0, 2, …, 1230000]
std::optional<Histogram> histogram(const json& value) {
  Histogram read;
  if (!value.is_array() || value.size() != read.buckets.size() + 1) return {};
  for (std::size_t i = 0; i < value.size(); ++i) {
    const auto each = number(value[i]);
    if (!each) return {};
    (i < read.buckets.size() ? read.buckets.at(i) : read.sum_usec) = *each;
  }
  return read;
}

}  // namespace

std::string statistics_text(const Statistics& statistics) {
  json all{{"counters", statistics.counters()}, {"histograms", json::object()}};
  for (const auto& [series, kept] : statistics.histograms()) {
    json row = kept.buckets;
    row.push_back(kept.sum_usec);
    all["histograms"][series] = std::move(row);
  }
  return all.dump(-1, ' ', true, json::error_handler_t::replace);
}

bool read_statistics(const std::string& text, Statistics& statistics) {
  const auto all = json::parse(text, nullptr, false);
  if (!all.is_object() || !all.contains("counters") || !all.contains("histograms")) return false;
  const auto &counters = all["counters"], &histograms = all["histograms"];
  if (!counters.is_object() || !histograms.is_object()) return false;
  Statistics read;
  for (const auto& [series, value] : counters.items()) {
    const auto counter = number(value);
    if (!counter || series.size() > kMostName) return false;
    read.restore(series, *counter);
  }
  for (const auto& [series, value] : histograms.items()) {
    const auto row = histogram(value);
    if (!row || series.size() > kMostName) return false;
    read.restore(series, *row);
  }
  for (const auto& [series, value] : read.counters()) statistics.restore(series, value);
  for (const auto& [series, value] : read.histograms()) statistics.restore(series, value);
  return true;
}

StatisticsFile::StatisticsFile(const std::string& state, EventLoop& loop, const Journal& journal,
                               Duration rest)
    : loop_{loop},
      rest_{rest},
      lines_{state.empty() ? std::string{} : state + "/statistics", "bleconnd statistics 1", journal} {
  const auto kept = lines_.read();
  const auto all = kept.find(kKey);
  std::error_code error;
  const bool is_there =
      !state.empty() && std::filesystem::file_size(state + "/statistics", error) > 0 && !error;
  const bool is_read = all != kept.end() && read_statistics(all->second, statistics_);
  if (!is_read && is_there && lines_.usable())
    journal.tell(LogLevel::warning, {.kind = LogKind::record_damaged},
                 "the statistics are damaged, they begin at zero");
  statistics_.on_change([this] { changed(); });
}

StatisticsFile::~StatisticsFile() {
  if (!kept_) write();
}

void StatisticsFile::changed() {
  kept_ = false;
  if (!timer_) timer_ = loop_.call_at(loop_.now() + rest_, [this] { write(); });
}

void StatisticsFile::write() {
  timer_.reset();
  kept_ = true;
  lines_.put(kKey, statistics_text(statistics_));
}

}  // namespace bleconnd
