// The readers of BlueZ's property maps against messages of any keys, types and values: what is read is what
// was told last with the type that belongs to the key.
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>

#include "must_hold.hpp"
#include "system/bluez_messages.hpp"
#include "told_objects.hpp"

namespace {

using namespace bleconnd;
using fuzz::Message;
using fuzz::must_hold;
using fuzz::ToldInterface;
using fuzz::ToldProperty;

constexpr std::size_t kTextLimit = 512;  // of bluez_messages.cpp

const ToldProperty* last(const std::vector<ToldProperty>& told, std::string_view key, std::string_view type) {
  const ToldProperty* found = nullptr;
  for (const auto& each : told)
    if (each.key == key && each.type == type) found = &each;
  return found;
}

std::optional<bool> truth(const std::vector<ToldProperty>& told, std::string_view key) {
  const auto* found = last(told, key, "b");
  if (!found) return {};
  return (std::strtoll(found->value.c_str(), nullptr, 10) & 1) != 0;
}

std::optional<std::int16_t> number(const std::vector<ToldProperty>& told, std::string_view key) {
  const auto* found = last(told, key, "n");
  if (!found) return {};
  return static_cast<std::int16_t>(std::strtoll(found->value.c_str(), nullptr, 10));
}

bool is_told(const std::vector<ToldProperty>& told, std::string_view key) {
  return std::ranges::count(told, key, &ToldProperty::key) > 0;
}

// A text beyond the limit is none.
bool same_text(const std::vector<ToldProperty>& told, std::string_view key,
               const std::optional<std::string>& read) {
  const auto* found = last(told, key, "s");
  if (!found || !read) return !found && !read;
  return *read == (found->value.size() > kTextLimit ? std::string{} : found->value);
}

bool is_plain(const ToldProperty& property) {
  for (const char each : property.key + property.value)
    if (static_cast<unsigned char>(each) >= 0x80) return false;
  return true;
}

void device_properties(const std::vector<ToldProperty>& told, bool plain) {
  Message message;
  message.append(told);
  auto* read = message.read();
  if (!read) return;
  DeviceProperties is;
  if (!read_properties(read, is)) return must_hold(!plain, "what is well-formed is read");
  must_hold(is.connected == truth(told, "Connected"), "Connected is what was told");
  must_hold(is.services_resolved == truth(told, "ServicesResolved"), "ServicesResolved is what was told");
  must_hold(is.paired == truth(told, "Paired"), "Paired is what was told");
  must_hold(is.bonded == truth(told, "Bonded"), "Bonded is what was told");
  must_hold(is.trusted == truth(told, "Trusted"), "Trusted is what was told");
  must_hold(is.rssi == number(told, "RSSI"), "RSSI is what was told");
  must_hold(is.has_class == is_told(told, "Class"), "a class is there if it was told");
  const bool reported =
      is_told(told, "RSSI") || is_told(told, "ManufacturerData") || is_told(told, "ServiceData");
  must_hold(is.reported == reported, "a report is one of the air");
  must_hold(same_text(told, "Address", is.address), "Address is what was told");
  must_hold(same_text(told, "AddressType", is.address_type), "AddressType is what was told");
  must_hold(sd_bus_message_at_end(read, 1) > 0, "all of it was read");
}

void adapter_properties(const std::vector<ToldProperty>& told, bool plain) {
  Message message;
  message.append(told);
  auto* read = message.read();
  if (!read) return;
  AdapterProperties is;
  if (!read_properties(read, is)) return must_hold(!plain, "what is well-formed is read");
  must_hold(is.powered == truth(told, "Powered"), "Powered is what was told");
  must_hold(same_text(told, "Address", is.address), "Address is what was told");
  must_hold(sd_bus_message_at_end(read, 1) > 0, "all of it was read");
}

bool has(const std::vector<ToldInterface>& told, std::string_view name) {
  return std::ranges::count(told, name, &ToldInterface::name) > 0;
}
bool has_gatt(const std::vector<ToldInterface>& told) {
  return has(told, "org.bluez.GattService1") || has(told, "org.bluez.GattCharacteristic1") ||
         has(told, "org.bluez.GattDescriptor1");
}

void removed_interfaces(const std::vector<ToldInterface>& told) {
  Message message;
  message.append_names(told);
  auto* read = message.read();
  RemovedInterfaces is;
  if (!read || !read_removed(read, is)) return;
  must_hold(is.adapter == has(told, kAdapterInterface), "an adapter is removed if that was told");
  must_hold(is.device == has(told, kDeviceInterface), "a device is removed if that was told");
  must_hold(is.gatt == has_gatt(told), "a GATT object is removed if that was told");
}

void one_object(const std::vector<ToldInterface>& told) {
  Message message;
  message.append(told);
  auto* read = message.read();
  ObjectInterfaces is;
  if (!read || !read_interfaces(read, is)) return;
  must_hold(is.adapter.has_value() == has(told, kAdapterInterface), "an adapter is there if it was told");
  must_hold(is.device.has_value() == has(told, kDeviceInterface), "a device is there if it was told");
  must_hold(is.gatt.has_value() == has_gatt(told), "a GATT object is there if it was told");
  std::vector<ToldProperty> bearers;
  for (const auto& each : told)
    if (each.name == "org.bluez.Bearer.LE1") std::ranges::copy(each.properties, std::back_inserter(bearers));
  must_hold(is.le_connected == truth(bearers, "Connected"), "a bearer is connected if that was told");
  must_hold(sd_bus_message_at_end(read, 1) > 0, "all of it was read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  for (const auto& object : fuzz::told_objects(text)) {
    removed_interfaces(object.interfaces);
    one_object(object.interfaces);
    for (const auto& interface : object.interfaces) {
      bool plain = true;
      for (const auto& property : interface.properties) plain = plain && is_plain(property);
      device_properties(interface.properties, plain);
      adapter_properties(interface.properties, plain);
    }
  }
  return 0;
}
