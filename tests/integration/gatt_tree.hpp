// The services of a scripted peripheral, and the org.bluez objects that stand for them. Paths follow BlueZ:
// start handle of the service, declaration handle of the characteristic, handle of the descriptor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bluez_settings.hpp"
#include "object_table.hpp"

namespace bleconnd::integration {

struct GattDescriptor {
  uint16_t handle = 0;
  std::string uuid;
  Bytes value;
  bool operator==(const GattDescriptor&) const = default;
};

struct GattCharacteristic {
  uint16_t handle = 0;
  std::string uuid;
  std::vector<std::string> flags;
  Bytes value;
  std::vector<GattDescriptor> descriptors;
  bool operator==(const GattCharacteristic&) const = default;
};

struct GattService {
  uint16_t handle = 0;
  std::string uuid;
  std::vector<GattCharacteristic> characteristics;
  bool operator==(const GattService&) const = default;
};

using GattTree = std::vector<GattService>;

// 180A → 0000180a-0000-1000-8000-00805f9b34fb
[[nodiscard]] std::string uuid_of(uint16_t number);

// GAP, GATT with Service Changed, Device Information, Battery and a vendor service; what most sensors have.
[[nodiscard]] GattTree small_gatt_tree();

[[nodiscard]] std::vector<std::string> service_uuids(const GattTree& tree);

// Without the values: they are read, not discovered.
[[nodiscard]] bool same_structure(GattService one, GattService other);

// Claimed by a plugin of bluetoothd and therefore not on D-Bus before 5.80.
[[nodiscard]] bool is_exported(const GattService& service, BluezVersion version);

// Adds the objects of one service, parent first, and returns their paths in that order.
[[nodiscard]] std::vector<std::string> export_service(ObjectTable& objects, const std::string& device_path,
                                                      const GattService& service, BluezVersion version);

// What a read finds now, at the paths that export_service() gave.
void refresh_values(ObjectTable& objects, const GattService& service, const std::vector<std::string>& paths);

}  // namespace bleconnd::integration
