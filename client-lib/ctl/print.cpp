// Tables align by bytes: what is printed is ASCII.
#include "print.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

namespace bleconnctl {

std::string text_of(const json& object, const char* key) {
  const auto at = object.find(key);
  if (at == object.end()) return {};
  return at->is_string() ? printable(at->get<std::string>()) : at->dump();
}

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
