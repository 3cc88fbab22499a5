// BlueZ's GATT objects as it tells them: by path, with their properties.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace bleconnd {

struct ObjectPathText {
  std::string text;
};
// The types that BlueZ's GATT properties have: b q s o as ao ay.
using GattValue = std::variant<bool, std::uint16_t, std::string, ObjectPathText, std::vector<std::string>,
                               std::vector<ObjectPathText>, std::vector<std::uint8_t>>;
using GattProperties = std::map<std::string, GattValue, std::less<>>;
struct GattObject {
  std::string interface;  // org.bluez.GattService1, GattCharacteristic1, GattDescriptor1
  GattProperties properties;
};
using GattObjects = std::map<std::string, GattObject>;  // by object path

}  // namespace bleconnd
