// Parsing and printing of Bluetooth addresses.
// Locale-free on purpose: the text becomes part of object paths and file names.
#include "core/address.hpp"

#include <algorithm>
#include <cstddef>

namespace bleconnd {
namespace {

constexpr std::string_view kObjectPrefix = "dev_";
constexpr std::size_t kPairs = 6;
constexpr std::size_t kTextLength = 17;  // six pairs, five colons
constexpr std::uint64_t kBroadcast = 0xFFFF'FFFF'FFFF;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::optional<DeviceAddress> DeviceAddress::parse(std::string_view text) {
  if (text.size() != kTextLength) return std::nullopt;
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < kPairs; ++i) {
    const auto high = hex_value(text[3 * i]);
    const auto low = hex_value(text[3 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    if (i > 0 && text[3 * i - 1] != ':') return std::nullopt;
    bits = bits << 8 | static_cast<std::uint64_t>(high * 16 + low);
  }
  if (bits == 0 || bits == kBroadcast) return std::nullopt;
  return DeviceAddress{bits};
}

std::optional<DeviceAddress> DeviceAddress::of_object_name(std::string_view name) {
  if (!name.starts_with(kObjectPrefix)) return std::nullopt;
  std::string text{name.substr(kObjectPrefix.size())};
  std::ranges::replace(text, '_', ':');
  const auto address = parse(text);
  return address && address->object_name() == name ? address : std::nullopt;
}

std::string DeviceAddress::joined(char separator) const {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string text(kTextLength, separator);
  auto rest = bits_;
  for (auto i = kPairs; i-- > 0; rest >>= 8) {
    text[3 * i] = digits[rest >> 4 & 0xF];
    text[3 * i + 1] = digits[rest & 0xF];
  }
  return text;
}

std::string DeviceAddress::text() const {
  return joined(':');
}

std::string DeviceAddress::object_name() const {
  return std::string{kObjectPrefix} + joined('_');
}

}  // namespace bleconnd
