// Readers over sd-bus' cursor. Each returns whether the message could be read on; values of another type than
// expected are skipped.
#include "system/bluez_messages.hpp"

#include <algorithm>
#include <utility>

namespace bleconnd {
namespace {

// Longer than any text that we use; names from the air have 248 bytes at most.
constexpr std::size_t kTextLimit = 512;
constexpr std::size_t kBytesLimit = 512;  // longest attribute value (Core specification Vol 3 Part F, 3.2.9)
constexpr std::size_t kListLimit = 128;   // Flags has below 20 entries, Includes as many as a service has
constexpr std::size_t kPropertyLimit = 64;  // a GATT object has below 10

// A dictionary of `entry` ("{sv}" …): `read` is called with each key and reads the value.
template <class Read>
bool for_each_entry(sd_bus_message* message, const char* entry, Read read) {
  if (sd_bus_message_enter_container(message, 'a', entry) <= 0) return false;
  const std::string types{std::string_view{entry}.substr(1, std::string_view{entry}.size() - 2)};
  for (;;) {
    const int entered = sd_bus_message_enter_container(message, 'e', types.c_str());
    if (entered < 0) return false;
    if (entered == 0) return sd_bus_message_exit_container(message) >= 0;
    std::string_view key;
    if (!read_text(message, types[0], key) || !read(key)) return false;
    if (sd_bus_message_exit_container(message) < 0) return false;
  }
}

bool skip_value(sd_bus_message* message) {
  return sd_bus_message_skip(message, "v") >= 0;
}

// What the next value, a variant, holds: its type as text, or null.
const char* variant_type(sd_bus_message* message) {
  const char* contents{};
  char type{};
  return sd_bus_message_peek_type(message, &type, &contents) > 0 && type == 'v' ? contents : nullptr;
}

template <class Read>
bool within_variant(sd_bus_message* message, const char* type, Read read) {
  return sd_bus_message_enter_container(message, 'v', type) > 0 && read() &&
         sd_bus_message_exit_container(message) >= 0;
}

bool read_basic(sd_bus_message* message, bool& to) {
  int value{};
  if (sd_bus_message_read_basic(message, 'b', &value) <= 0) return false;
  to = value != 0;
  return true;
}
bool read_basic(sd_bus_message* message, std::int16_t& to) {
  return sd_bus_message_read_basic(message, 'n', &to) > 0;
}
bool read_basic(sd_bus_message* message, std::string& to) {
  std::string_view text;
  if (!read_text(message, 's', text)) return false;
  if (text.size() <= kTextLimit) to = text;
  return true;
}

// The variant's value if it has the type that belongs to it; else the variant is skipped and nothing said.
template <class T>
bool take(sd_bus_message* message, const char* type, std::optional<T>& to) {
  const char* is = variant_type(message);
  if (!is) return false;
  if (std::string_view{is} != type) return skip_value(message);
  T value{};
  if (!within_variant(message, type, [&] { return read_basic(message, value); })) return false;
  to = std::move(value);
  return true;
}

template <class T, class Make>
bool read_list(sd_bus_message* message, char type, std::vector<T>& to, Make make) {
  const char contents[] = {type, 0};
  if (sd_bus_message_enter_container(message, 'a', contents) <= 0) return false;
  for (;;) {
    const int more = sd_bus_message_at_end(message, 0);
    if (more < 0) return false;
    if (more > 0) return sd_bus_message_exit_container(message) >= 0;
    std::string_view text;
    if (!read_text(message, type, text)) return false;
    if (to.size() < kListLimit && text.size() <= kTextLimit) to.push_back(make(text));
  }
}

bool read_bytes(sd_bus_message* message, std::vector<std::uint8_t>& to) {
  const void* bytes{};
  std::size_t size{};
  if (sd_bus_message_read_array(message, 'y', &bytes, &size) < 0) return false;
  const auto* first = static_cast<const std::uint8_t*>(bytes);
  if (size > 0) to.assign(first, first + std::min(size, kBytesLimit));
  return true;
}

bool read_gatt_value(sd_bus_message* message, std::string_view type, std::optional<GattValue>& to) {
  const auto as_text = [](std::string_view text) { return std::string{text}; };
  const auto as_path = [](std::string_view text) { return ObjectPathText{std::string{text}}; };
  std::string_view text;
  if (type == "b") {
    bool value{};
    return read_basic(message, value) && (to = value, true);
  }
  if (type == "q") {
    std::uint16_t value{};
    return sd_bus_message_read_basic(message, 'q', &value) > 0 && (to = value, true);
  }
  if (type == "s")
    return read_text(message, 's', text) && (text.size() > kTextLimit || (to = as_text(text), true));
  if (type == "o")
    return read_text(message, 'o', text) && (text.size() > kTextLimit || (to = as_path(text), true));
  if (type == "as") return read_list(message, 's', to.emplace().emplace<std::vector<std::string>>(), as_text);
  if (type == "ao")
    return read_list(message, 'o', to.emplace().emplace<std::vector<ObjectPathText>>(), as_path);
  return read_bytes(message, to.emplace().emplace<std::vector<std::uint8_t>>());
}

bool is_gatt_type(std::string_view type) {
  static constexpr std::string_view kTypes[] = {"b", "q", "s", "o", "as", "ao", "ay"};
  return std::find(std::begin(kTypes), std::end(kTypes), type) != std::end(kTypes);
}

bool is_gatt_interface(std::string_view interface) {
  return interface == "org.bluez.GattService1" || interface == "org.bluez.GattCharacteristic1" ||
         interface == "org.bluez.GattDescriptor1";
}

bool read_gatt_properties(sd_bus_message* message, GattProperties& to) {
  return for_each_entry(message, "{sv}", [&](std::string_view key) {
    const char* is = variant_type(message);
    if (!is) return false;
    if (!is_gatt_type(is) || to.size() >= kPropertyLimit || key.size() > kTextLimit)
      return skip_value(message);
    const std::string type{is};
    std::optional<GattValue> value;
    if (!within_variant(message, type.c_str(), [&] { return read_gatt_value(message, type, value); }))
      return false;
    if (value) to.insert_or_assign(std::string{key}, std::move(*value));
    return true;
  });
}

bool read_bearer(sd_bus_message* message, std::optional<bool>& connected) {
  return for_each_entry(message, "{sv}", [&](std::string_view key) {
    return key == "Connected" ? take(message, "b", connected) : skip_value(message);
  });
}

}  // namespace

bool read_text(sd_bus_message* message, char type, std::string_view& to) {
  const char* text{};
  if (sd_bus_message_read_basic(message, type, &text) <= 0) return false;
  to = text;
  return true;
}

bool read_properties(sd_bus_message* message, AdapterProperties& to) {
  return for_each_entry(message, "{sv}", [&](std::string_view key) {
    if (key == "Address") return take(message, "s", to.address);
    if (key == "Powered") return take(message, "b", to.powered);
    return skip_value(message);
  });
}

bool read_properties(sd_bus_message* message, DeviceProperties& to) {
  return for_each_entry(message, "{sv}", [&](std::string_view key) {
    if (key == "RSSI" || key == "ManufacturerData" || key == "ServiceData") to.reported = true;
    if (key == "RSSI") return take(message, "n", to.rssi);
    if (key == "Address") return take(message, "s", to.address);
    if (key == "Connected") return take(message, "b", to.connected);
    if (key == "ServicesResolved") return take(message, "b", to.services_resolved);
    if (key == "Paired") return take(message, "b", to.paired);
    if (key == "Bonded") return take(message, "b", to.bonded);
    if (key == "Trusted") return take(message, "b", to.trusted);
    if (key == "AddressType") return take(message, "s", to.address_type);
    if (key == "Class") to.has_class = true;
    return skip_value(message);
  });
}

bool read_interfaces(sd_bus_message* message, ObjectInterfaces& to) {
  return for_each_entry(message, "{sa{sv}}", [&](std::string_view interface) {
    if (interface == kAdapterInterface) return read_properties(message, to.adapter.emplace());
    if (interface == kDeviceInterface) return read_properties(message, to.device.emplace());
    if (interface == "org.bluez.Bearer.LE1") return read_bearer(message, to.le_connected);
    if (!is_gatt_interface(interface)) return sd_bus_message_skip(message, "a{sv}") >= 0;
    to.gatt.emplace().interface = interface;
    return read_gatt_properties(message, to.gatt->properties);
  });
}

bool skip_interfaces(sd_bus_message* message) {
  return sd_bus_message_skip(message, "a{sa{sv}}") >= 0;
}

bool read_removed(sd_bus_message* message, RemovedInterfaces& to) {
  if (sd_bus_message_enter_container(message, 'a', "s") <= 0) return false;
  for (;;) {
    const int more = sd_bus_message_at_end(message, 0);
    if (more < 0) return false;
    if (more > 0) return sd_bus_message_exit_container(message) >= 0;
    std::string_view interface;
    if (!read_text(message, 's', interface)) return false;
    to.adapter |= interface == kAdapterInterface;
    to.device |= interface == kDeviceInterface;
    to.gatt |= is_gatt_interface(interface);
  }
}

bool for_each_object(sd_bus_message* message, const std::function<bool(std::string_view path)>& object) {
  return for_each_entry(message, "{oa{sa{sv}}}", object);
}

}  // namespace bleconnd
