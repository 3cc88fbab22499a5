// A Bluetooth device or adapter address (Core specification, BD_ADDR): 48 bits, printed as six hex pairs with
// colons. Parsing is the gate for everything that comes from callers and from BlueZ; file names and object
// paths are built from it.
#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bleconnd {

class DeviceAddress {
 public:
  // "AA:BB:CC:DD:EE:FF", any case. Nothing else: no dashes, no spaces, no path. 00:00:00:00:00:00 (no device)
  // and FF:FF:FF:FF:FF:FF (broadcast) are no devices.
  static std::optional<DeviceAddress> parse(std::string_view text);
  // Inverse of object_name(): nothing else is one.
  static std::optional<DeviceAddress> of_object_name(std::string_view name);

  std::string text() const;         // "AA:BB:CC:DD:EE:FF"
  std::string object_name() const;  // "dev_AA_BB_CC_DD_EE_FF", as BlueZ and we name objects

  auto operator<=>(const DeviceAddress&) const = default;

 private:
  explicit DeviceAddress(std::uint64_t bits) : bits_{bits} {}
  std::string joined(char separator) const;
  std::uint64_t bits_;  // 48; one number, since what is known of a device is looked up by it at every step
};

}  // namespace bleconnd
