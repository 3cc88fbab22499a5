// Builds and removes GattService1, GattCharacteristic1 and GattDescriptor1 objects.
// MTU is there while the link is up only and changes without a signal: the device sets it, not this file.
#include "gatt_tree.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace bleconnd::integration {
namespace {

std::string child_path(const std::string& parent, const char* kind, uint16_t handle) {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "/%s%04x", kind, handle);
  return parent + name.data();
}

Dictionary with_handle(Dictionary properties, uint16_t handle, BluezVersion version) {
  if (version.has_handle()) properties["Handle"] = handle;
  return properties;
}

void export_characteristic(ObjectTable& objects, const std::string& service_path,
                           const GattCharacteristic& characteristic, BluezVersion version,
                           std::vector<std::string>& paths) {
  const std::string path = child_path(service_path, "char", characteristic.handle);
  Dictionary properties{{"UUID", characteristic.uuid},
                        {"Service", ObjectPath{service_path}},
                        {"Value", characteristic.value},
                        {"Flags", characteristic.flags}};
  if (std::ranges::count(characteristic.flags, "notify") +
          std::ranges::count(characteristic.flags, "indicate") >
      0)
    properties["Notifying"] = false;
  objects.add(path, "org.bluez.GattCharacteristic1",
              with_handle(std::move(properties), characteristic.handle, version));
  paths.push_back(path);
  for (const auto& descriptor : characteristic.descriptors) {
    const std::string descriptor_path = child_path(path, "desc", descriptor.handle);
    objects.add(
        descriptor_path, "org.bluez.GattDescriptor1",
        with_handle(
            {{"UUID", descriptor.uuid}, {"Characteristic", ObjectPath{path}}, {"Value", descriptor.value}},
            descriptor.handle, version));
    paths.push_back(descriptor_path);
  }
}

void forget_values(GattService& service) {
  for (auto& characteristic : service.characteristics) {
    characteristic.value.clear();
    for (auto& descriptor : characteristic.descriptors) descriptor.value.clear();
  }
}

}  // namespace

std::string uuid_of(uint16_t number) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "0000%04x-0000-1000-8000-00805f9b34fb", number);
  return text.data();
}

GattTree small_gatt_tree() {
  const std::string vendor = "f0de0001-1212-efde-1523-785feabcd123";
  const std::string vendor_value = "f0de0002-1212-efde-1523-785feabcd123";
  const GattDescriptor changed_cccd{0x000a, uuid_of(0x2902), {0, 0}};
  const GattDescriptor battery_cccd{0x0013, uuid_of(0x2902), {0, 0}};
  const GattDescriptor vendor_cccd{0x0023, uuid_of(0x2902), {0, 0}};
  return {
      {0x0001, uuid_of(0x1800), {{0x0002, uuid_of(0x2a00), {"read"}, {'L', 'a', 'm', 'p'}, {}}}},
      {0x0007, uuid_of(0x1801), {{0x0008, uuid_of(0x2a05), {"indicate"}, {}, {changed_cccd}}}},
      {0x000b,
       uuid_of(0x180a),
       {{0x000c, uuid_of(0x2a29), {"read"}, {'A', 'c', 'm', 'e'}, {}},
        {0x000e, uuid_of(0x2a24), {"read"}, {'M', '1'}, {}}}},
      {0x0010, uuid_of(0x180f), {{0x0011, uuid_of(0x2a19), {"read", "notify"}, {87}, {battery_cccd}}}},
      {0x0020, vendor, {{0x0021, vendor_value, {"read", "write", "notify"}, {0}, {vendor_cccd}}}},
  };
}

std::vector<std::string> service_uuids(const GattTree& tree) {
  std::vector<std::string> uuids;
  for (const auto& service : tree) uuids.push_back(service.uuid);
  return uuids;
}

bool same_structure(GattService one, GattService other) {
  forget_values(one);
  forget_values(other);
  return one == other;
}

bool is_exported(const GattService& service, BluezVersion version) {
  if (version.exports_claimed_services()) return true;
  return service.uuid != uuid_of(0x1800) && service.uuid != uuid_of(0x180f) &&
         service.uuid != uuid_of(0x1812);
}

std::vector<std::string> export_service(ObjectTable& objects, const std::string& device_path,
                                        const GattService& service, BluezVersion version) {
  const std::string path = child_path(device_path, "service", service.handle);
  objects.add(path, "org.bluez.GattService1",
              with_handle({{"UUID", service.uuid},
                           {"Device", ObjectPath{device_path}},
                           {"Primary", true},
                           {"Includes", std::vector<ObjectPath>{}}},
                          service.handle, version));
  std::vector<std::string> paths{path};
  for (const auto& characteristic : service.characteristics)
    export_characteristic(objects, path, characteristic, version, paths);
  return paths;
}

void refresh_values(ObjectTable& objects, const GattService& service, const std::vector<std::string>& paths) {
  auto path = paths.begin();
  for (const auto& characteristic : service.characteristics) {
    objects.set_quietly(*++path, "org.bluez.GattCharacteristic1", "Value", characteristic.value);
    for (const auto& descriptor : characteristic.descriptors)
      objects.set_quietly(*++path, "org.bluez.GattDescriptor1", "Value", descriptor.value);
  }
}

}  // namespace bleconnd::integration
