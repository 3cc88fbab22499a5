// The readers of BlueZ's property maps against messages of any keys, types and values: what is read is what
// was told last with the type that belongs to the key.
#include <cstdint>
#include <optional>
#include <string>

#include "must_hold.hpp"
#include "system/bluez_messages.hpp"
#include "told_objects.hpp"

namespace {

using namespace bleconnd;
using fuzz::Message;
using fuzz::must_hold;
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
  must_hold(is.rssi.has_value() == (last(told, "RSSI", "n") != nullptr), "RSSI is there if it was told");
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

void removed_interfaces(const std::vector<fuzz::ToldInterface>& told) {
  Message message;
  message.append_names(told);
  auto* read = message.read();
  RemovedInterfaces is;
  if (!read || !read_removed(read, is)) return;
  bool device = false;
  for (const auto& each : told) device = device || each.name == kDeviceInterface;
  must_hold(is.device == device, "a device is removed if that was told");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  for (const auto& object : fuzz::told_objects(text)) {
    removed_interfaces(object.interfaces);
    for (const auto& interface : object.interfaces) {
      bool plain = true;
      for (const auto& property : interface.properties) plain = plain && is_plain(property);
      device_properties(interface.properties, plain);
      adapter_properties(interface.properties, plain);
    }
  }
  return 0;
}
