// GetManagedObjects of any objects: read within limits, and the services that are found in it are well-formed
// and the same when they are made into objects and found again.
#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "core/gatt_tree.hpp"
#include "expected_shapes.hpp"
#include "system/bluez_messages.hpp"
#include "system/bluez_paths.hpp"
#include "told_objects.hpp"

namespace {

using namespace bleconnd;
using fuzz::must_hold;

struct Limits {  // of bluez_messages.cpp
  bool operator()(bool) const { return true; }
  bool operator()(std::uint16_t) const { return true; }
  bool operator()(const std::string& text) const { return text.size() <= 512; }
  bool operator()(const ObjectPathText& path) const { return path.text.size() <= 512; }
  bool operator()(const std::vector<std::string>& list) const { return list.size() <= 128; }
  bool operator()(const std::vector<ObjectPathText>& list) const { return list.size() <= 128; }
  bool operator()(const std::vector<std::uint8_t>& bytes) const { return bytes.size() <= 512; }
};

// The type of a property is the expected one, or it is not there.
template <class T>
bool fits(const GattObject& object, const char* key) {
  const auto at = object.properties.find(key);
  return at == object.properties.end() || std::holds_alternative<T>(at->second);
}

// Paths of objects of which everything was told as BlueZ tells it, and of their parents as well.
std::set<std::string> complete_below(const GattObjects& objects, const std::string& device) {
  static constexpr std::pair<std::string_view, const char*> kKinds[] = {
      {"/servicexxxx", "org.bluez.GattService1"},
      {"/servicexxxx/charxxxx", "org.bluez.GattCharacteristic1"},
      {"/servicexxxx/charxxxx/descxxxx", "org.bluez.GattDescriptor1"}};
  std::set<std::string> complete;
  for (const auto& [path, object] : objects) {  // parents first
    if (!path.starts_with(device)) continue;
    const auto name = std::string_view{path}.substr(device.size());
    const auto parent = path.substr(0, path.rfind('/'));
    const auto uuid = object.properties.find("UUID");
    const bool has_uuid = uuid != object.properties.end() &&
                          std::holds_alternative<std::string>(uuid->second) &&
                          fuzz::has_shape(std::get<std::string>(uuid->second), fuzz::kUuidShape);
    const bool has_types = fits<bool>(object, "Primary") &&
                           fits<std::vector<ObjectPathText>>(object, "Includes") &&
                           fits<std::vector<std::string>>(object, "Flags");
    if (!has_uuid || !has_types || name.ends_with("0000")) continue;
    if (parent != device && !complete.contains(parent)) continue;
    for (const auto& [shape, interface] : kKinds)
      if (fuzz::has_shape(name, shape) && object.interface == interface) complete.insert(path);
  }
  return complete;
}

void services_below(const GattObjects& objects, const std::string& device) {
  const auto told = packed(objects, device);
  const auto services = told.database();
  const auto complete = complete_below(objects, device);
  must_hold(services.has_value() || complete.empty(), "services are found if they were told");
  if (!services) return;
  must_hold(well_formed(*services), "services are well-formed");
  fuzz::must_be_sound(*services, [](std::uint16_t) { return std::uint16_t{0}; });
  std::set<std::string> found;
  for (const auto& name : names_of(*services)) found.insert(path_of(name, device));
  must_hold(std::ranges::includes(found, complete), "what was told completely is found");
  must_hold(services->services.empty() || told.has_all(*services), "services are where they were");
  const auto made = objects_of(*services, device);
  must_hold(services->services.empty() == made.empty(), "services make objects");
  must_hold(made.size() <= objects.size(), "services make no more objects than they are of");
  if (!made.empty())
    must_hold(packed(made, device).database() == services, "services are found as they were made");
  must_hold(difference(*services, *services).empty(), "services are not different from themselves");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Message message;
  message.append(fuzz::told_objects({reinterpret_cast<const char*>(data), size}));
  auto* read = message.read();
  if (!read) return 0;
  GattObjects objects;
  std::set<std::string> devices;
  for_each_object(read, [&](std::string_view path) {
    const auto device = device_part(path);
    if (device.empty()) return skip_interfaces(read);
    devices.emplace(device);
    ObjectInterfaces interfaces;
    if (!read_interfaces(read, interfaces)) return false;
    if (!interfaces.gatt) return true;
    must_hold(interfaces.gatt->properties.size() <= 64, "an object has not too many properties");
    for (const auto& [key, value] : interfaces.gatt->properties)
      must_hold(key.size() <= 512 && std::visit(Limits{}, value), "keys and values have limits");
    objects.emplace(std::string{path}, std::move(*interfaces.gatt));
    return true;
  });
  for (const auto& device : devices) services_below(objects, device);
  return 0;
}
