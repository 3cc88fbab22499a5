// GetManagedObjects of any objects: read within limits, and the services that are found in it are well-formed
// and the same when they are made into objects and found again.
#include <cstdint>
#include <set>
#include <string>
#include <variant>

#include "must_hold.hpp"
#include "procedures/gatt_tree.hpp"
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

void services_below(const GattObjects& objects, const std::string& device) {
  const auto services = database_of(objects, device);
  if (!services) return;
  must_hold(well_formed(*services), "services are well-formed");
  must_hold(services->services.empty() || all_exist(*services, objects, device),
            "services are where they were");
  const auto made = objects_of(*services, device);
  must_hold(services->services.empty() == made.empty(), "services make objects");
  must_hold(made.size() <= objects.size(), "services make no more objects than they are of");
  if (!made.empty()) must_hold(database_of(made, device) == services, "services are found as they were made");
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
