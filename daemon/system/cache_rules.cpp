// The rules, top down.
// Handles ascend inside their parents, which makes each one unique there.
#include "system/cache_rules.hpp"

#include <algorithm>
#include <utility>

namespace bleconnd {
namespace {

bool is_uuid(const std::string& text) {
  return full_uuid(text) == text;
}

bool is_address(const std::string& text) {
  const auto parsed = DeviceAddress::parse(text);
  return parsed && parsed->text() == text;
}

std::string at(CachePlace place, const char* what) {
  return place.text() + what;
}

// Of one attribute: `before` is the handle before it.
std::string about_attribute(CachePlace place, std::uint16_t handle, std::uint16_t before,
                            const std::string& uuid) {
  if (handle <= before) return at(place, ".handle: not above the one before it");
  if (!is_uuid(uuid)) return at(place, ".uuid: not 128 bits in lower case");
  return {};
}

std::string about_characteristic(CachePlace place, const GattCharacteristic& characteristic,
                                 std::size_t& objects) {
  if (characteristic.value_handle == 0) return at(place, ".value-handle: 0");
  if (characteristic.flags.size() > kGattFlagLimit) return at(place, ".flags: more than 32");
  for (const auto& flag : characteristic.flags)
    if (!is_gatt_flag(flag)) return at(place, ".flags: not 1 to 64 lower-case letters, digits and dashes");
  auto before = characteristic.handle;
  place.descriptor = 0;
  for (const auto& each : characteristic.descriptors) {
    if (++objects > kGattObjectLimit) return at(place, ": more than 2048 objects");
    if (auto complaint = about_attribute(place, each.handle, before, each.uuid); !complaint.empty())
      return complaint;
    before = each.handle;
    ++place.descriptor;
  }
  return {};
}

std::string about_service(CachePlace place, const GattService& service, std::size_t& objects) {
  if (service.includes.size() > kGattIncludeLimit) return at(place, ".includes: more than 128");
  std::uint16_t included = 0;
  for (const auto handle : service.includes)
    if (handle <= std::exchange(included, handle)) return at(place, ".includes: not in ascending order");
  auto before = service.handle;
  place.characteristic = 0;
  for (const auto& each : service.characteristics) {
    if (++objects > kGattObjectLimit) return at(place, ": more than 2048 objects");
    auto complaint = about_attribute(place, each.handle, before, each.uuid);
    if (complaint.empty()) complaint = about_characteristic(place, each, objects);
    if (!complaint.empty()) return complaint;
    before = each.handle;
    ++place.characteristic;
  }
  return {};
}

}  // namespace

std::string CachePlace::text() const {
  std::string text;
  const auto add = [&](const char* list, std::size_t index) {
    if (index == kNone) return;
    if (!text.empty()) text += '.';
    text += std::string{list} + '[' + std::to_string(index) + ']';
  };
  add("services", service);
  add("characteristics", characteristic);
  add("descriptors", descriptor);
  return text;
}

std::string complaint_about(const CacheEntry& entry) {
  if (!entry.adapter.empty() && !is_address(entry.adapter)) return "adapter: not an address in upper case";
  if (!entry.object.empty() && !DeviceAddress::of_object_name(entry.object))
    return "object: not dev_ and an address";
  if (!entry.hash.empty() && entry.hash.size() != kDatabaseHashSize) return "hash: not 16 bytes";
  const auto read_at = entry.read_at.time_since_epoch().count();
  if (read_at < 0) return "read-at: before 1970";
  if (read_at > kLatestReadAt) return "read-at: after 2099";
  std::size_t objects = 0;
  std::uint16_t before = 0;
  CachePlace place{.service = 0};
  for (const auto& each : entry.services.services) {
    if (++objects > kGattObjectLimit) return at(place, ": more than 2048 objects");
    auto complaint = about_attribute(place, each.handle, before, each.uuid);
    if (complaint.empty()) complaint = about_service(place, each, objects);
    if (!complaint.empty()) return complaint;
    before = each.handle;
    ++place.service;
  }
  // Nothing else may get to who works with it, whatever the rules above leave out.
  if (!well_formed(entry.services)) return "services: none, or not what they must be like";
  return {};
}

}  // namespace bleconnd
