// Describe in sentences: first the devices, then the adapters, then what is missing altogether. An older or a
// newer daemon leaves keys out: so does this.
#include <fmt/format.h>

#include "print.hpp"

namespace bleconnctl {
namespace {

std::string joined(const json& list) {
  std::string text;
  for (auto& each : list) text += (text.empty() ? "" : ", ") + printable(each.get<std::string>());
  return text;
}

void line(const char* name, const std::string& text) {
  if (!text.empty()) fmt::print("  {:<10}  {}\n", name, text);
}

std::string services_of(const json& device) {
  if (!device.value("services-cached", false)) return "not cached";
  auto text = text_of(device, "cached-services");
  text += text.empty() ? "in the cache" : " in the cache";
  if (device.contains("cache-age-sec")) text += ", " + text_of(device, "cache-age-sec") + " s old";
  return text;
}

std::string sighting(const json& seen) {
  auto text = text_of(seen, "adapter");
  if (seen.contains("rssi-dbm")) text += ", " + seen["rssi-dbm"].dump() + " dBm";
  for (const char* trait : {"connected", "bonded", "trusted"})
    if (seen.value(trait, false)) text += std::string{", "} + trait;
  if (seen.value("recent-failures", 0U) > 0)
    text += ", " + seen["recent-failures"].dump() + " failures of late";
  return text;
}

std::string state_of(const json& device) {
  auto text = text_of(device, "state");
  if (text == "none") return "nobody wants it";
  if (const auto adapter = text_of(device, "adapter"); !adapter.empty()) text += " on " + adapter;
  if (text_of(device, "state") != "connected" && device.value("attempt", 0U) > 1)
    text += ", attempt " + device["attempt"].dump();
  return text + (device.value("link-of-others", false) ? ", by another program" : "");
}

void explain_device(const Style& style, const json& device) {
  fmt::print("{}\n", text_of(device, "address"));
  line("state", state_of(device));
  line("waits for", text_of(device, "waits-for"));
  if (device.value("queue-position", 0U) > 0) line("in line", device["queue-position"].dump());
  if (const auto error = text_of(device, "last-error"); !error.empty())
    line("last error", coloured(style, kBad, error));
  if (device.value("failures-in-a-row", 0U) > 0)
    line("failures", device["failures-in-a-row"].dump() + " in a row");
  if (device.contains("next-try-in-sec")) line("next try", "in " + device["next-try-in-sec"].dump() + " s");
  const auto leases = joined(device.value("leases", json::array()));
  line("leases", leases.empty() ? "none" : leases);
  line("services", services_of(device));
  for (auto& seen : device.value("seen", json::array())) line("seen by", sighting(seen));
  if (device.contains("seen") && device["seen"].empty())
    line("seen by", "no adapter, as far as BlueZ remembers");
  if (const auto now = text_of(device, "now"); !now.empty())
    line("a call now", "would " + coloured(style, kGood, now));
  for (auto& choice : device.value("choices", json::array()))
    line("", text_of(choice, "adapter") + (choice.value("chosen", false) ? ": yes, " : ": no, ") +
                 text_of(choice, "why"));
}

std::string slots_of(const json& adapter) {
  const auto links = adapter.value("allocated", json::array()).size();
  const auto others = adapter.value("links-of-others", 0U);
  auto text = fmt::format("{} {}", links, links == 1 ? "link" : "links");
  if (others > 0) text += fmt::format(", {} of other programs", others);
  if (adapter.value("slots", 0U) > 0)
    text += fmt::format(", {} of {} slots free", adapter.value("slots-free", 0U), adapter.value("slots", 0U));
  return text;
}

void explain_adapter(const Style& style, const json& adapter) {
  auto head = text_of(adapter, "name") + " " + text_of(adapter, "address");
  fmt::print("{}\n", head);
  if (adapter.value("ignored", false)) line("state", "ignored, by bleconnd.conf");
  line("power", adapter.value("powered", false) ? "on" : coloured(style, kBad, "off"));
  line("holds", slots_of(adapter));
  line("dials", text_of(adapter, "dialling"));
  line("in line", joined(adapter.value("queued", json::array())));
  auto trouble = text_of(adapter, "trouble");
  if (trouble.empty()) return;
  if (adapter.contains("avoided-for-sec"))
    trouble += "; maintained devices try it again in " + text_of(adapter, "avoided-for-sec") + " s";
  line("trouble", coloured(style, kBad, trouble));
}

}  // namespace

void explain(const Style& style, const json& described) {
  for (auto& device : described.at("devices")) explain_device(style, device);
  const auto adapters = described.value("adapters", json::array());
  for (auto& adapter : adapters) explain_adapter(style, adapter);
  if (!described.value("bluetoothd", true))
    fmt::print("{}\n", coloured(style, kBad, "bluetoothd is not on the bus: systemctl status bluetooth"));
  else if (described.contains("adapters") && adapters.empty())
    fmt::print("{}\n", coloured(style, kBad, "bluetoothd has no adapter: bluetoothctl list, rfkill list"));
}

}  // namespace bleconnctl
