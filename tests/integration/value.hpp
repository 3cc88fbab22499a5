// The D-Bus values that org.bluez and the tests send, and a reader that turns any message into JSON. Sending
// is typed, so that a test can send a wrong type on purpose; receiving is not, so that tests stay short.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

#include "sd_bus_types.hpp"

namespace bleconnd::integration {

struct ObjectPath {
  std::string text;
  auto operator<=>(const ObjectPath&) const = default;
};
using Bytes = std::vector<uint8_t>;

// b y n q i u t s o as ay ao a{qv of ay} a{sv of ay}
using Value = std::variant<bool, uint8_t, int16_t, uint16_t, int32_t, uint32_t, uint64_t, std::string,
                           ObjectPath, std::vector<std::string>, Bytes, std::vector<ObjectPath>,
                           std::map<uint16_t, Bytes>, std::map<std::string, Bytes>>;
using Dictionary = std::map<std::string, Value>;  // a{sv}

// One argument of a call: bare, in a variant (Properties.Set), or an a{sv}.
struct InVariant {
  Value value;
};
using Argument = std::variant<Value, InVariant, Dictionary>;

[[nodiscard]] std::string signature_of(const Value& value);
void append(sd_bus_message* message, const Value& value);
void append_variant(sd_bus_message* message, const Value& value);
void append(sd_bus_message* message, const Dictionary& dictionary);
void append(sd_bus_message* message, const Argument& argument);

// The arguments of a message from its start, as a JSON array; variants stand for what is in them.
[[nodiscard]] nlohmann::json read_arguments(sd_bus_message* message);

}  // namespace bleconnd::integration
