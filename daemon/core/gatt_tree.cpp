// An object at a time: what it says of itself, as far as it is what BlueZ would make.
#include "core/gatt_tree.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

namespace bleconnd {
namespace {

constexpr std::string_view kService = "org.bluez.GattService1";
constexpr std::string_view kCharacteristic = "org.bluez.GattCharacteristic1";
constexpr std::string_view kDescriptor = "org.bluez.GattDescriptor1";

// A property as it is, `otherwise` where there is none, null where it has another type.
template <class T>
const T* property(const GattObject& object, const char* name, const T& otherwise) {
  const auto at = object.properties.find(name);
  return at == object.properties.end() ? &otherwise : std::get_if<T>(&at->second);
}

std::optional<std::string> uuid_of(const GattObject& object) {
  static const std::string none;
  const auto* uuid = property(object, "UUID", none);
  return uuid ? full_uuid(*uuid) : std::nullopt;
}

std::vector<std::uint16_t> services_at(const std::vector<ObjectPathText>& paths,
                                       std::string_view device_path) {
  std::vector<std::uint16_t> handles;
  for (auto& path : paths) {
    const auto name = name_of(path.text, device_path);
    if (name && name->depth() == 1) handles.push_back(name->service);
  }
  std::sort(handles.begin(), handles.end());
  handles.erase(std::unique(handles.begin(), handles.end()), handles.end());
  handles.resize(std::min(handles.size(), kGattIncludeLimit));
  return handles;
}

std::optional<GattService> service_of(const GattName& name, const GattObject& object,
                                      std::string_view device_path) {
  static const std::vector<ObjectPathText> none;
  static const bool by_default = true;
  auto uuid = uuid_of(object);
  const auto* primary = property(object, "Primary", by_default);
  const auto* includes = property(object, "Includes", none);
  if (object.interface != kService || !uuid || !primary || !includes) return {};
  return GattService{name.service, std::move(*uuid), *primary, services_at(*includes, device_path), {}};
}

std::optional<std::uint16_t> value_handle_of(const GattName& name, const GattObject& object) {
  const std::uint16_t none = 0;
  const auto* handle = property(object, "Handle", none);
  if (!handle || *handle <= name.characteristic) return {};
  return *handle;
}

std::optional<GattCharacteristic> characteristic_of(const GattName& name, const GattObject& object) {
  static const std::vector<std::string> none;
  auto uuid = uuid_of(object);
  const auto* told = property(object, "Flags", none);
  if (object.interface != kCharacteristic || !uuid || !told) return {};
  std::vector<std::string> flags;
  for (auto& flag : *told)
    if (is_gatt_flag(flag) && flags.size() < kGattFlagLimit) flags.push_back(flag);
  return GattCharacteristic{
      name.characteristic, value_handle_of(name, object), std::move(*uuid), std::move(flags), {}};
}

std::optional<GattDescriptor> descriptor_of(const GattName& name, const GattObject& object) {
  auto uuid = uuid_of(object);
  if (object.interface != kDescriptor || !uuid) return {};
  return GattDescriptor{name.descriptor, std::move(*uuid)};
}

template <class Object>
void set(GattPart& part, std::optional<Object> object) {
  if (object) part.object = std::move(*object);
}

GattObject object_of(const GattService& service, std::string_view device_path) {
  std::vector<ObjectPathText> includes;
  includes.reserve(service.includes.size());
  for (auto handle : service.includes) includes.push_back({path_of({handle}, device_path)});
  return {std::string{kService},
          {{"UUID", service.uuid},
           {"Device", ObjectPathText{std::string{device_path}}},
           {"Primary", service.primary},
           {"Includes", std::move(includes)},
           {"Handle", service.handle}}};
}

GattObject object_of(const GattCharacteristic& characteristic, std::string service_path) {
  return {std::string{kCharacteristic},
          {{"UUID", characteristic.uuid},
           {"Service", ObjectPathText{std::move(service_path)}},
           {"Flags", characteristic.flags},
           {"Handle", characteristic.value_handle.value_or(characteristic.handle)}}};
}

GattObject object_of(const GattDescriptor& descriptor, std::string characteristic_path) {
  return {std::string{kDescriptor},
          {{"UUID", descriptor.uuid},
           {"Characteristic", ObjectPathText{std::move(characteristic_path)}},
           {"Handle", descriptor.handle}}};
}

}  // namespace

std::optional<GattName> name_of(std::string_view path, std::string_view device_path) {
  if (!path.starts_with(device_path)) return {};
  path.remove_prefix(device_path.size());
  if (!path.starts_with('/')) return {};
  return GattName::parse(path.substr(1));
}

std::string path_of(const GattName& name, std::string_view device_path) {
  return std::string{device_path} + '/' + name.text();
}

std::optional<GattPart> part_of(std::string_view path, const GattObject& object,
                                std::string_view device_path) {
  const auto name = name_of(path, device_path);
  if (!name) return {};
  GattPart part{*name, object.interface == kService};
  if (name->depth() == 1) set(part, service_of(*name, object, device_path));
  if (name->depth() == 2) set(part, characteristic_of(*name, object));
  if (name->depth() == 3) set(part, descriptor_of(*name, object));
  return part;
}

PackedServices packed(const GattObjects& objects, std::string_view device_path) {
  PackedServices services;
  for (auto& [path, object] : objects)
    if (const auto part = part_of(path, object, device_path)) services.put(*part);
  return services;
}

GattObjects objects_of(const GattDatabase& database, std::string_view device_path) {
  GattObjects objects;
  for (auto& service : database.services) {
    const auto service_path = path_of({service.handle}, device_path);
    objects.emplace(service_path, object_of(service, device_path));
    for (auto& characteristic : service.characteristics) {
      const auto path = path_of({service.handle, characteristic.handle}, device_path);
      objects.emplace(path, object_of(characteristic, service_path));
      for (auto& descriptor : characteristic.descriptors)
        objects.emplace(path_of({service.handle, characteristic.handle, descriptor.handle}, device_path),
                        object_of(descriptor, path));
    }
  }
  return objects;
}

}  // namespace bleconnd
