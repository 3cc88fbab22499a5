// What messages of org.bluez say, read member by member into plain values. Types that we do not know are
// skipped, texts and lists have limits, a malformed message reads as false. (As variants, 10,000 objects cost
// 174 MiB and 0.7 s, measured.)
#pragma once
#include <systemd/sd-bus.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ports/bluez.hpp"

namespace bleconnd {

inline constexpr char kAdapterInterface[] = "org.bluez.Adapter1";
inline constexpr char kDeviceInterface[] = "org.bluez.Device1";

// Properties that a message names; the others have not changed, or are not there.
struct AdapterProperties {
  std::optional<std::string> address;
  std::optional<bool> powered;
};
struct DeviceProperties {
  std::optional<std::string> address;
  std::optional<bool> connected;
  std::optional<bool> services_resolved;
  std::optional<bool> paired;
  std::optional<bool> bonded;
  std::optional<bool> trusted;
  std::optional<std::int16_t> rssi;
  std::optional<std::string> address_type;  // "public" or "random"
  bool has_class = false;                   // Class: told by an inquiry, so by BR/EDR alone
  // Something that only a report from the air changes: RSSI, ManufacturerData, ServiceData.
  bool reported = false;
};

// The interfaces of one object. At most one of BlueZ's objects' kinds is set.
struct ObjectInterfaces {
  std::optional<AdapterProperties> adapter;
  std::optional<DeviceProperties> device;
  std::optional<GattObject> gatt;
  std::optional<bool> le_connected;  // of org.bluez.Bearer.LE1, beside Device1 (BlueZ >= 5.84)
};
struct RemovedInterfaces {
  bool adapter = false;
  bool device = false;
  bool gatt = false;
};

// Each reads on from where the message stands.
bool read_properties(sd_bus_message* message, AdapterProperties& to);  // a{sv}
bool read_properties(sd_bus_message* message, DeviceProperties& to);   // a{sv}
bool read_interfaces(sd_bus_message* message, ObjectInterfaces& to);   // a{sa{sv}}
bool read_removed(sd_bus_message* message, RemovedInterfaces& to);     // as
bool read_text(sd_bus_message* message, char type,
               std::string_view& to);  // s or o; valid while the message is

// GetManagedObjects: `object` is called for each, with its path; it reads the interfaces, or skips them by
// `skip_interfaces`.
bool for_each_object(sd_bus_message* message, const std::function<bool(std::string_view path)>& object);
bool skip_interfaces(sd_bus_message* message);

}  // namespace bleconnd
