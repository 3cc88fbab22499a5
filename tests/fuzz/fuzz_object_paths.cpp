// The readers of BlueZ's object paths against any text: what they find is a part of the path, is found again
// in itself, and makes the same path when it is written.
#include <cctype>
#include <cstdint>
#include <string>

#include "core/address.hpp"
#include "core/gatt_database.hpp"
#include "expected_shapes.hpp"
#include "system/bluez_paths.hpp"

namespace {

using namespace bleconnd;
using fuzz::has_shape;
using fuzz::must_hold;

void one_path(std::string_view path) {
  if (const auto index = adapter_index(path)) {
    must_hold(*index <= 0xFFFF, "an index has 16 bits");
    must_hold("/org/bluez/hci" + std::to_string(*index) == path, "an adapter's path has one spelling");
    must_hold(adapter_part(path).empty(), "an adapter is below none");
  }
  const auto adapter = adapter_part(path);
  const auto device = device_part(path);
  must_hold(path.starts_with(adapter), "an adapter's part begins the path");
  must_hold(adapter.empty() || adapter_index(adapter).has_value(), "an adapter's part is an adapter");
  must_hold(path.starts_with(device), "a device's part begins the path");
  if (device.empty()) return;
  must_hold(device_part(device) == device, "a device's part is a device");
  must_hold(adapter_part(device) == adapter, "a device is where its path is");
  must_hold(device == path || path[device.size()] == '/', "a device's part is whole");
  must_hold(device.find('/', adapter.size() + 1) == device.npos, "a device is right below its adapter");
}

std::string in_case(std::string_view text, int (*change)(int)) {
  std::string changed;
  for (const char each : text) changed += static_cast<char>(change(static_cast<unsigned char>(each)));
  return changed;
}

void one_name(std::string_view text) {
  if (const auto name = GattName::parse(text)) {
    must_hold(name->text() == text, "a GATT object's name has one spelling");
    must_hold(name->service != 0, "no handle is 0");
  }
  if (const auto address = DeviceAddress::parse(text)) {
    must_hold(address->text() == in_case(text, std::toupper), "an address is written as it was read");
    must_hold(has_shape(address->text(), fuzz::kAddressShape), "an address has its shape");
    must_hold(has_shape(address->object_name(), fuzz::kObjectShape), "an object's name has its shape");
    must_hold(address->text() != "00:00:00:00:00:00" && address->text() != "FF:FF:FF:FF:FF:FF",
              "an address is a device's");
  }
  if (const auto uuid = full_uuid(text)) {
    must_hold(full_uuid(*uuid) == uuid, "a full UUID is full");
    must_hold(has_shape(*uuid, fuzz::kUuidShape), "a UUID has its shape");
    must_hold(uuid->find(in_case(text, std::tolower)) != uuid->npos, "a UUID is that of the text");
  }
}

// A child of that name: its tag may be cut off behind it.
bool has_node(std::string_view introspection, const std::string& name) {
  const auto tag = "<node name=\"" + name;
  return introspection.find(tag + '"') != introspection.npos || introspection.ends_with(tag);
}

void one_introspection(std::string_view text) {
  const auto names = adapter_names(text);
  must_hold(names.size() <= 128, "there are not too many adapters");
  for (const auto& name : names) {
    must_hold(adapter_index("/org/bluez/" + name).has_value(), "a name is an adapter's");
    must_hold(has_node(text, name), "an adapter is a child");
  }
  const auto handles = service_handles(text);
  must_hold(handles.size() <= 2048, "there are not too many services");
  for (const auto handle : handles) {
    must_hold(handle != 0, "no service has the handle 0");
    must_hold(has_node(text, GattName{handle}.text()), "a service is a child");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  one_path(text);
  one_name(text);
  const auto device = device_part(text);
  if (!device.empty() && device.size() < text.size()) one_name(text.substr(device.size() + 1));
  one_introspection(text);
  return 0;
}
