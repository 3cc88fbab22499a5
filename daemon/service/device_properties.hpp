// Device1's properties: one table for what Properties.Get answers, what InterfacesAdded has, and what
// PropertiesChanged tells. Written value by value; a getter of sdbus-c++ is 4,000 instructions each
// (measured).
#pragma once
#include <systemd/sd-bus.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "procedures/device_session.hpp"

namespace bleconnd {

inline constexpr const char* kDevice1 = "org.bleconnd.Device1";

struct DeviceLease {
  std::string holder;  // a unique name; "persistent"; empty while it lingers
  std::uint32_t uid = 0;
  std::string label;
  bool operator==(const DeviceLease&) const = default;
};

struct DeviceValues {
  Stage stage = Stage::disconnected;
  std::string adapter, bluez_device;
  std::uint32_t attempt = 0;
  std::string error_name, error_message;
  std::vector<DeviceLease> leases;
  std::uint64_t connected_since = 0;
  bool services_cached = false;
  bool services_verified = false;
  // Not told when they change: one never does, and one dial moves everybody in the queue.
  std::string address;
  std::uint32_t queue_position = 0;
};

// Without the place in the queue, of which no change is told: it is counted among all who wait.
DeviceValues values_of(const DeviceSession& session, std::uint64_t connected_since);
DeviceValues all_values_of(const DeviceSession& session, std::uint64_t connected_since);

// One of them as `type` says, in a message where it belongs. False: there is none of this name.
bool write_value(sd_bus_message* to, std::string_view property, const DeviceValues& values);
// "a{sv}": all, or what differs.
void write_all(sd_bus_message* to, const DeviceValues& values);
bool differ(const DeviceValues& before, const DeviceValues& now);
void write_changed(sd_bus_message* to, const DeviceValues& before, const DeviceValues& now);

}  // namespace bleconnd
