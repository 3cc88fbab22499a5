// Bounded memory of routes: a few failures an adapter, a thousand devices.
#include "core/route_memory.hpp"

#include <algorithm>

namespace bleconnd {

RouteMemory::Device& RouteMemory::use(DeviceAddress device, Time now) {
  if (!devices_.contains(device) && devices_.size() >= kMaxDevices) {
    auto by_use = [](const auto& a, const auto& b) { return a.second.used < b.second.used; };
    devices_.erase(std::min_element(devices_.begin(), devices_.end(), by_use));
  }
  auto& entry = devices_[device];
  entry.used = now;
  return entry;
}

void RouteMemory::failed(DeviceAddress device, const std::string& adapter_address, Time now) {
  auto& entry = use(device, now).failures[adapter_address];
  if (now - entry.last > kRecent) entry.count = 0;
  entry.count = std::min(entry.count + 1, kMaxFailures);
  entry.last = now;
}

void RouteMemory::succeeded(DeviceAddress device, const std::string& adapter_address, const std::string& path,
                            Time now) {
  auto& entry = use(device, now);
  entry.failures.erase(adapter_address);
  entry.last_adapter = adapter_address;
  entry.last_path = path;
}

std::uint32_t RouteMemory::failures(DeviceAddress device, const std::string& adapter_address,
                                    Time now) const {
  auto entry = devices_.find(device);
  if (entry == devices_.end()) return 0;
  auto failures = entry->second.failures.find(adapter_address);
  if (failures == entry->second.failures.end() || now - failures->second.last > kRecent) return 0;
  return failures->second.count;
}

std::string RouteMemory::last_adapter(DeviceAddress device) const {
  auto entry = devices_.find(device);
  return entry == devices_.end() ? std::string{} : entry->second.last_adapter;
}

std::string RouteMemory::last_path(DeviceAddress device) const {
  auto entry = devices_.find(device);
  return entry == devices_.end() ? std::string{} : entry->second.last_path;
}

}  // namespace bleconnd
