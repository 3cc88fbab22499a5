// The rules, top down.
// Handles ascend inside their parents, which makes each one unique there.
#include "system/cache_rules.hpp"

#include <algorithm>

namespace bleconnd {
namespace {

constexpr std::string_view kObjectPrefix = "dev_";

bool is_lower_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

// "0000180f-0000-1000-8000-00805f9b34fb"
bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !is_lower_hex(text[i])) return false;
  }
  return true;
}

bool is_address(const std::string& text) {
  const auto parsed = DeviceAddress::parse(text);
  return parsed && parsed->text() == text;
}

bool is_object_name(std::string text) {
  if (!text.starts_with(kObjectPrefix)) return false;
  text.erase(0, kObjectPrefix.size());
  if (text.find(':') != std::string::npos) return false;
  std::replace(text.begin(), text.end(), '_', ':');
  return is_address(text);
}

bool is_flag(std::string_view text) {
  const auto fits = [](char c) { return c > ' ' && c <= '~'; };
  return !text.empty() && text.size() <= kLongestFlag && std::all_of(text.begin(), text.end(), fits);
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
  if (characteristic.flags.size() > kMostFlags) return at(place, ".flags: more than 32");
  for (const auto& flag : characteristic.flags)
    if (!is_flag(flag)) return at(place, ".flags: not 1 to 48 printable characters");
  auto before = characteristic.handle;
  place.descriptor = 0;
  for (const auto& each : characteristic.descriptors) {
    if (++objects > kMostCachedObjects) return at(place, ": more than 2048 objects");
    if (auto complaint = about_attribute(place, each.handle, before, each.uuid); !complaint.empty())
      return complaint;
    before = each.handle;
    ++place.descriptor;
  }
  return {};
}

std::string about_service(CachePlace place, const GattService& service, std::size_t& objects) {
  if (service.includes.size() > kMostCachedObjects) return at(place, ".includes: more than 2048");
  if (std::find(service.includes.begin(), service.includes.end(), 0) != service.includes.end())
    return at(place, ".includes: 0");
  auto before = service.handle;
  place.characteristic = 0;
  for (const auto& each : service.characteristics) {
    if (++objects > kMostCachedObjects) return at(place, ": more than 2048 objects");
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
  if (!entry.object.empty() && !is_object_name(entry.object)) return "object: not dev_ and an address";
  if (!entry.hash.empty() && entry.hash.size() != kHashBytes) return "hash: not 16 bytes";
  const auto read_at = entry.read_at.time_since_epoch().count();
  if (read_at < 0) return "read-at: before 1970";
  if (read_at > kLatestReadAt) return "read-at: after 2099";
  std::size_t objects = 0;
  std::uint16_t before = 0;
  CachePlace place{.service = 0};
  for (const auto& each : entry.services.services) {
    if (++objects > kMostCachedObjects) return at(place, ": more than 2048 objects");
    auto complaint = about_attribute(place, each.handle, before, each.uuid);
    if (complaint.empty()) complaint = about_service(place, each, objects);
    if (!complaint.empty()) return complaint;
    before = each.handle;
    ++place.service;
  }
  return {};
}

}  // namespace bleconnd
