// InterfacesAdded and PropertiesChanged of Device1, written value by value. sd-bus would ask a getter of
// sdbus-c++ for each, which is 4,000 instructions a value (measured), and a connect has thirty of them.
#pragma once
#include <systemd/sd-bus.h>

#include <cstdint>
#include <string>
#include <vector>

namespace bleconnd {

struct DeviceLease {
  std::string holder;  // a unique name; "persistent"; empty while it lingers
  std::uint32_t uid = 0;
  std::string label;
  bool operator==(const DeviceLease&) const = default;
};

// Device1's properties that change.
struct DeviceValues {
  std::string state, adapter, bluez_device, error_name, error_message;
  std::uint32_t attempt = 0;
  std::vector<DeviceLease> leases;
  std::uint64_t connected_since = 0;
  bool services_cached = false;
  bool services_verified = false;
  bool operator==(const DeviceValues&) const = default;
};

// All of them, with those that signals do not tell of.
void emit_device_added(sd_bus* bus, const std::string& path, const std::string& address,
                       std::uint32_t queue_position, const DeviceValues& values);
// Those that differ; nothing if none does.
void emit_device_changed(sd_bus* bus, const std::string& path, const DeviceValues& before,
                         const DeviceValues& now);

}  // namespace bleconnd
