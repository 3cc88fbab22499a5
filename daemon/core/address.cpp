// Parsing and printing of Bluetooth addresses.
// Locale-free on purpose: the text becomes part of object paths and file names.
#include "core/address.hpp"

#include <algorithm>
#include <cstddef>

namespace bleconnd {
namespace {

constexpr std::string_view kObjectPrefix = "dev_";
constexpr std::size_t kTextLength = 17;  // six pairs, five colons

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::string joined(const std::array<std::uint8_t, 6>& bytes, char separator) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string text;
  text.reserve(kTextLength);
  for (auto byte : bytes) {
    if (!text.empty()) text += separator;
    text += digits[byte >> 4];
    text += digits[byte & 0xF];
  }
  return text;
}

}  // namespace

std::optional<DeviceAddress> DeviceAddress::parse(std::string_view text) {
  if (text.size() != kTextLength) return std::nullopt;
  std::array<std::uint8_t, 6> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto high = hex_value(text[3 * i]);
    const auto low = hex_value(text[3 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    if (i > 0 && text[3 * i - 1] != ':') return std::nullopt;
    bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  constexpr std::array<std::uint8_t, 6> none{};
  constexpr std::array<std::uint8_t, 6> broadcast{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
  if (bytes == none || bytes == broadcast) return std::nullopt;
  return DeviceAddress{bytes};
}

std::optional<DeviceAddress> DeviceAddress::of_object_name(std::string_view name) {
  if (!name.starts_with(kObjectPrefix)) return std::nullopt;
  std::string text{name.substr(kObjectPrefix.size())};
  std::ranges::replace(text, '_', ':');
  const auto address = parse(text);
  return address && address->object_name() == name ? address : std::nullopt;
}

std::string DeviceAddress::text() const {
  return joined(bytes_, ':');
}

std::string DeviceAddress::object_name() const {
  return std::string{kObjectPrefix} + joined(bytes_, '_');
}

}  // namespace bleconnd
