// GATT objects come in any order; their paths say what belongs to what (BlueZ: serviceXXXX/charXXXX/descXXXX,
// hex handles).
#include "read.hpp"

#include <cstdlib>
#include <map>

#include "names.hpp"

namespace bleconn {
namespace {

struct Object {
  std::string interface;
  std::string uuid;
  std::uint16_t handle = 0;
  bool primary = true;
  std::vector<std::string> flags;
};
using Objects = std::map<std::string, Object>;

// In the path where BlueZ tells none: ".../char0015" -> 0x15.
std::uint16_t handle_in(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos || path.size() < slash + 9) return 0;
  return static_cast<std::uint16_t>(std::strtoul(path.c_str() + path.size() - 4, nullptr, 16));
}

bool read_object(sd_bus_message* message, Objects& objects) {
  const char* path{};
  if (sd_bus_message_read_basic(message, 'o', &path) <= 0) return false;
  if (sd_bus_message_enter_container(message, 'a', "{sa{sv}}") <= 0) return false;
  while (sd_bus_message_enter_container(message, 'e', "sa{sv}") > 0) {
    const char* interface {};
    if (sd_bus_message_read_basic(message, 's', &interface) <= 0) return false;
    Object object;
    object.interface = interface;
    object.handle = handle_in(path);
    const bool whole = for_each_entry(message, [&](const std::string& key, Value value) {
      if (key == "UUID") object.uuid = value.text();
      if (key == "Handle" && value.number() != 0) object.handle = static_cast<std::uint16_t>(value.number());
      if (key == "Primary") object.primary = value.is_true();
      if (key == "Flags") object.flags = value.texts();
    });
    if (!whole || sd_bus_message_exit_container(message) < 0) return false;
    if (object.interface.rfind("org.bluez.Gatt", 0) == 0) objects.insert_or_assign(path, std::move(object));
  }
  return sd_bus_message_exit_container(message) >= 0;
}

template <class T>
T* parent_of(std::vector<T>& all, const std::string& path) {
  for (auto& each : all)
    if (path.rfind(each.path + "/", 0) == 0) return &each;
  return nullptr;
}

}  // namespace

bool Value::read(sd_bus_message* message, Value& value) {
  const char* contents{};
  char type{};
  if (sd_bus_message_peek_type(message, &type, &contents) <= 0 || type != 'v') return false;
  const std::string shape{contents};
  if (sd_bus_message_enter_container(message, 'v', contents) <= 0) return false;
  union {
    std::uint8_t y;
    std::uint16_t q;
    std::int16_t n;
    std::uint32_t u;
    std::int32_t i;
    int b;
    std::int64_t x;
    std::uint64_t t;
    const char* s;
  } basic{};
  if (shape == "as" || shape == "ao") {
    if (sd_bus_message_enter_container(message, 'a', shape == "as" ? "s" : "o") < 0) return false;
    while (sd_bus_message_read_basic(message, shape[1], &basic) > 0) value.texts_.emplace_back(basic.s);
    if (sd_bus_message_exit_container(message) < 0) return false;
  } else if (shape.size() == 1 && std::string_view{"ynqiuxtbsog"}.find(shape[0]) != std::string_view::npos) {
    if (sd_bus_message_read_basic(message, shape[0], &basic) <= 0) return false;
    switch (shape[0]) {
      case 'y':
        value.number_ = basic.y;
        break;
      case 'q':
        value.number_ = basic.q;
        break;
      case 'n':
        value.number_ = basic.n;
        break;
      case 'u':
        value.number_ = basic.u;
        break;
      case 'i':
        value.number_ = basic.i;
        break;
      case 'b':
        value.number_ = basic.b;
        break;
      case 'x':
        value.number_ = basic.x;
        break;
      case 't':
        value.number_ = static_cast<std::int64_t>(basic.t);
        break;
      default:
        value.text_ = basic.s;
    }
  } else if (sd_bus_message_skip(message, shape.c_str()) < 0) {
    return false;
  }
  return sd_bus_message_exit_container(message) >= 0;
}

bool Reader::services(sd_bus_message* message, Services& services) {
  Objects objects;
  if (sd_bus_message_enter_container(message, 'a', "{oa{sa{sv}}}") <= 0) return false;
  while (sd_bus_message_enter_container(message, 'e', "oa{sa{sv}}") > 0)
    if (!read_object(message, objects) || sd_bus_message_exit_container(message) < 0) return false;
  if (sd_bus_message_exit_container(message) < 0) return false;
  const bool whole = for_each_entry(message, [&](const std::string& key, Value value) {
    if (key == "from-cache") services.from_cache_ = value.is_true();
    if (key == "age-usec") services.age_ = std::chrono::microseconds{value.number()};
  });
  if (!whole) return false;
  // A path sorts before those below it.
  for (auto& [path, object] : objects) {
    if (object.interface == "org.bluez.GattService1") {
      services.services_.push_back({object.uuid, path, object.handle, object.primary, {}});
    } else if (auto* service = parent_of(services.services_, path)) {
      if (object.interface == "org.bluez.GattCharacteristic1")
        service->characteristics.push_back({object.uuid, path, object.handle, object.flags, {}});
      else if (auto* characteristic = parent_of(service->characteristics, path))
        characteristic->descriptors.push_back({object.uuid, path, object.handle});
    }
  }
  return true;
}

const Service* Services::service(std::string_view uuid) const& noexcept {
  const auto wanted = full_uuid(uuid);
  for (const auto& each : services_)
    if (each.uuid == wanted) return &each;
  return nullptr;
}

const Characteristic* Services::characteristic(std::string_view uuid) const& noexcept {
  const auto wanted = full_uuid(uuid);
  for (const auto& service : services_)
    for (const auto& each : service.characteristics)
      if (each.uuid == wanted) return &each;
  return nullptr;
}

}  // namespace bleconn
