// What accepted values look like, written anew from the documentation and not by calling the daemon: a rule
// that its own check loses is seen here.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <string_view>

#include "core/gatt_database.hpp"
#include "must_hold.hpp"

namespace bleconnd::fuzz {

inline constexpr std::string_view kUuidShape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
inline constexpr std::string_view kAddressShape = "XX:XX:XX:XX:XX:XX";
inline constexpr std::string_view kObjectShape = "dev_XX_XX_XX_XX_XX_XX";

// In a shape 'x' is a hexadecimal digit in lower case, 'X' one in upper case; all else is itself.
inline bool has_shape(std::string_view text, std::string_view shape) {
  const auto fits = [](char c, char like) {
    const bool digit = c >= '0' && c <= '9';
    if (like == 'x') return digit || (c >= 'a' && c <= 'f');
    if (like == 'X') return digit || (c >= 'A' && c <= 'F');
    return c == like;
  };
  return text.size() == shape.size() && std::equal(text.begin(), text.end(), shape.begin(), fits);
}

inline bool is_flag(std::string_view text) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789-";
  return !text.empty() && text.size() <= 64 && text.find_first_not_of(kAllowed) == text.npos;
}

// `floor`: of the handles of children, by the handle of their parent.
template <class Floor>
void must_be_sound(const GattDatabase& database, Floor floor) {
  std::size_t objects = 0;
  const auto is_next = [&](std::uint16_t& before, std::uint16_t handle) {
    must_hold(handle > before, "handles ascend");
    must_hold(++objects <= 2048, "there are not too many objects");
    before = handle;
  };
  std::uint16_t service_before = 0;
  for (const auto& service : database.services) {
    is_next(service_before, service.handle);
    must_hold(has_shape(service.uuid, kUuidShape), "a service has a full UUID");
    must_hold(service.includes.size() <= 128, "a service has not too many includes");
    must_hold(std::ranges::adjacent_find(service.includes, std::greater_equal{}) == service.includes.end(),
              "includes ascend");
    must_hold(std::ranges::count(service.includes, 0) == 0, "no include is 0");
    std::uint16_t characteristic_before = floor(service.handle);
    for (const auto& characteristic : service.characteristics) {
      is_next(characteristic_before, characteristic.handle);
      must_hold(has_shape(characteristic.uuid, kUuidShape), "a characteristic has a full UUID");
      must_hold(!characteristic.value_handle || *characteristic.value_handle > characteristic.handle,
                "a value is behind its declaration");
      must_hold(characteristic.flags.size() <= 32 && std::ranges::all_of(characteristic.flags, is_flag),
                "flags are harmless");
      std::uint16_t descriptor_before = floor(characteristic.handle);
      for (const auto& descriptor : characteristic.descriptors) {
        is_next(descriptor_before, descriptor.handle);
        must_hold(has_shape(descriptor.uuid, kUuidShape), "a descriptor has a full UUID");
      }
    }
  }
}

}  // namespace bleconnd::fuzz
