// Tables align by bytes: what is printed is ASCII.
#include "print.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

namespace bleconnctl {
namespace {

std::string text_of(const json& object, const char* key) {
  const auto at = object.find(key);
  if (at == object.end()) return {};
  return at->is_string() ? printable(at->get<std::string>()) : at->dump();
}

std::string joined(const json& list) {
  std::string text;
  for (auto& each : list) text += (text.empty() ? "" : ", ") + printable(each.get<std::string>());
  return text;
}

}  // namespace

Style style_of(const std::string& json_option) {
  Style style;
  style.as_json = !json_option.empty();
  style.pretty = json_option == "pretty";
  style.live = isatty(STDOUT_FILENO) && !style.as_json;
  const char* no_color = std::getenv("NO_COLOR");
  style.colours = style.live && !(no_color && *no_color);  // no-color.org: present and not empty
  return style;
}

std::string printable(const std::string& text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f)
      result += c;
    else
      result += fmt::format("\\x{:02X}", byte);
  }
  return result;
}

std::string coloured(const Style& style, const char* code, const std::string& text) {
  return style.colours ? fmt::format("\033[{}m{}\033[0m", code, text) : text;
}

void print(const Style& style, const json& value) {
  fmt::print("{}\n", value.dump(style.pretty ? 2 : -1, ' ', true, json::error_handler_t::replace));
}

void print(const Style& style, const bleconn::Error& error) {
  if (style.as_json) return print(style, to_json(error));
  std::fflush(stdout);  // in the order in which it was said, where both are one terminal
  fmt::print(stderr, "{}\n", printable(error.what()));
}

void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  for (auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    fmt::print("{}\n", line);
  }
}

json to_json(const bleconn::Services& services) {
  json all = json::array();
  for (auto& service : services.all()) {
    json characteristics = json::array();
    for (auto& each : service.characteristics) {
      json descriptors = json::array();
      for (auto& descriptor : each.descriptors)
        descriptors.push_back(
            {{"uuid", descriptor.uuid}, {"handle", descriptor.handle}, {"path", descriptor.path}});
      characteristics.push_back({{"uuid", each.uuid},
                                 {"handle", each.handle},
                                 {"path", each.path},
                                 {"flags", each.flags},
                                 {"descriptors", std::move(descriptors)}});
    }
    all.push_back({{"uuid", service.uuid},
                   {"handle", service.handle},
                   {"primary", service.primary},
                   {"path", service.path},
                   {"characteristics", std::move(characteristics)}});
  }
  return {{"from-cache", services.from_cache()},
          {"age-usec", services.age().count()},
          {"services", std::move(all)}};
}

json to_json(const bleconn::Error& error) {
  return {{"error", to_string(error.category())},
          {"token", error.token()},
          {"message", error.what()},
          {"advice", error.advice()}};
}

json to_json(const std::string& address, const bleconn::AttemptFailed& failed) {
  return {{"event", "attempt-failed"},
          {"address", address},
          {"attempt", failed.attempt},
          {"max-attempts", failed.max_attempts},
          {"error", to_string(failed.error.category())},
          {"token", failed.error.token()},
          {"message", failed.error.what()},
          {"retry-in-usec", failed.retry_in.count()}};
}

json parsed(const std::string& text) {
  auto value = json::parse(text, nullptr, false);
  if (value.is_discarded())
    throw bleconn::Error{bleconn::Category::unexpected,
                         "bleconnd's answer is no JSON; is it of the version of this bleconnctl?"};
  return value;
}

void print_tree(const Style& style, const bleconn::Services& services) {
  if (services.from_cache())
    fmt::print("{}\n", coloured(style, kDim,
                                fmt::format("from the cache, {} s old; the device is not connected",
                                            services.age().count() / 1'000'000)));
  for (auto& service : services.all()) {
    fmt::print("{}  0x{:04x}\n", printable(service.uuid), service.handle);
    for (auto& characteristic : service.characteristics) {
      std::string flags;
      for (auto& flag : characteristic.flags) flags += " " + printable(flag);
      fmt::print("  {}  0x{:04x} {}\n", printable(characteristic.uuid), characteristic.handle,
                 coloured(style, kDim, flags));
      for (auto& descriptor : characteristic.descriptors)
        fmt::print("    {}  0x{:04x}\n", printable(descriptor.uuid), descriptor.handle);
    }
  }
}

void explain(const Style& style, const json& described) {
  const auto& device = described.at("devices").at(0);
  fmt::print("{}\n", text_of(device, "address"));
  fmt::print("  state       {}\n", text_of(device, "state"));
  if (const auto waits = text_of(device, "waits-for"); !waits.empty())
    fmt::print("  waits for   {}\n", waits);
  if (device.value("queue-position", 0U) > 0)
    fmt::print("  in line     {}\n", device["queue-position"].dump());
  if (const auto error = text_of(device, "last-error"); !error.empty())
    fmt::print("  last error  {}\n", coloured(style, kBad, error));
  const auto leases = joined(device.value("leases", json::array()));
  fmt::print("  leases      {}\n", leases.empty() ? "none" : leases);
  auto services = text_of(device, "cached-services");
  if (!services.empty()) services += " ";
  services += "in the cache";
  if (device.contains("cache-age-sec")) services += ", " + text_of(device, "cache-age-sec") + " s old";
  fmt::print("  services    {}\n", device.value("services-cached", false) ? services : "not cached");
  for (auto& seen : device.value("seen", json::array())) {
    std::string traits;
    if (seen.contains("rssi-dbm")) traits += ", " + seen["rssi-dbm"].dump() + " dBm";
    for (const char* trait : {"connected", "bonded", "trusted"})
      if (seen.value(trait, false)) traits += std::string{", "} + trait;
    if (seen.value("recent-failures", 0U) > 0)
      traits += ", " + seen["recent-failures"].dump() + " failures of late";
    fmt::print("  BlueZ has   {}{}\n", text_of(seen, "adapter"), traits);
  }
  if (const auto now = text_of(device, "now"); !now.empty())
    fmt::print("  a call now  would {}\n", coloured(style, kGood, now));
  for (auto& adapter : described.value("adapters", json::array())) {
    if (adapter.value("ignored", false))
      fmt::print("  {}  ignored, by bleconnd.conf\n", text_of(adapter, "name"));
    if (const auto trouble = text_of(adapter, "trouble"); !trouble.empty())
      fmt::print("  {}  {}\n", text_of(adapter, "name"), coloured(style, kBad, trouble));
  }
}

void print_status(const Style& style, const json& described, const std::string& version,
                  const std::string& state) {
  fmt::print("bleconnd {}: {}\n", printable(version),
             coloured(style, state == "running" ? kGood : kBad, printable(state)));
  std::vector<std::vector<std::string>> rows{
      {"ADAPTER", "ADDRESS", "POWER", "LINKS", "SLOTS", "DIALS", "WAIT", ""}};
  for (auto& adapter : described.value("adapters", json::array())) {
    const auto slots = adapter.value("slots", 0U);
    const auto dialling = text_of(adapter, "dialling");
    rows.push_back({text_of(adapter, "name"), text_of(adapter, "address"),
                    adapter.value("powered", false) ? "on" : "off",
                    std::to_string(adapter["allocated"].size()), slots == 0 ? "?" : std::to_string(slots),
                    dialling.empty() ? "-" : dialling, std::to_string(adapter["queued"].size()),
                    adapter.value("ignored", false) ? "ignored" : text_of(adapter, "trouble")});
  }
  print_table(rows);
  fmt::print("devices: {}; leases and waiting calls: {}\n", described["devices"].size(),
             described["leases-and-calls"].dump());
}

void print_metrics(const std::map<std::string, std::uint64_t>& counters) {
  for (auto& [name, value] : counters) {
    std::string metric = "bleconnd_";
    for (const char c : name) metric += c == '-' ? '_' : c;
    const bool gauge = name.rfind("now-", 0) == 0;
    if (!gauge) metric += "_total";
    fmt::print("# TYPE {} {}\n{} {}\n", metric, gauge ? "gauge" : "counter", metric, value);
  }
}

int exit_code(bleconn::Category category) {
  switch (category) {
    case bleconn::Category::timeout:
      return 3;
    case bleconn::Category::daemon_not_running:
      return 8;
    case bleconn::Category::not_found:
    case bleconn::Category::not_cached:
    case bleconn::Category::not_connected:
      return 10;
    case bleconn::Category::invalid_args:
      return 2;
    default:
      return 4;
  }
}

}  // namespace bleconnctl
