// Only the parts that have a meaning are checked: the adapter's index, the prefix of a device.
// Addresses in paths are not read: the Address property counts.
#include "system/bluez_paths.hpp"

#include <charconv>
#include <cstdint>

#include "core/gatt_database.hpp"
#include "ports/bluez.hpp"

namespace bleconnd {
namespace {

constexpr std::string_view kRoot = "/org/bluez/";
constexpr std::size_t kNameLimit = 16;    // of "hci65535" and what is longer than any name of an adapter
constexpr std::size_t kNamesLimit = 128;  // adapters of one host

template <class See>
void for_each_node(std::string_view introspection, See see) {
  static constexpr std::string_view kNode = "<node name=\"";
  for (auto at = introspection.find(kNode); at != introspection.npos; at = introspection.find(kNode)) {
    introspection.remove_prefix(at + kNode.size());
    see(introspection.substr(0, introspection.find('"')));
  }
}

}  // namespace

std::vector<std::string> adapter_names(std::string_view introspection) {
  std::vector<std::string> names;
  for_each_node(introspection, [&](std::string_view name) {
    const auto path = std::string{kRoot} + std::string{name.substr(0, kNameLimit)};
    if (adapter_index(path) && names.size() < kNamesLimit) names.emplace_back(name);
  });
  return names;
}

std::vector<std::uint16_t> service_handles(std::string_view introspection) {
  std::vector<std::uint16_t> handles;
  for_each_node(introspection, [&](std::string_view name) {
    const auto service = GattName::parse(name);
    if (service && service->depth() == 1 && handles.size() < kGattObjectLimit)
      handles.push_back(service->service);
  });
  return handles;
}

std::optional<unsigned> adapter_index(std::string_view path) {
  static constexpr std::string_view kAdapter = "/org/bluez/hci";
  if (!path.starts_with(kAdapter)) return {};
  const auto digits = path.substr(kAdapter.size());
  std::uint16_t index{};  // the kernel's index has 16 bits
  const auto* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, index);
  const bool plain = digits == "0" || !digits.starts_with('0');
  if (digits.empty() || !plain || parsed.ec != std::errc{} || parsed.ptr != end) return {};
  return index;
}

std::string_view adapter_part(std::string_view path) {
  if (!path.starts_with(kRoot)) return {};
  const auto slash = path.find('/', kRoot.size());
  if (slash == path.npos) return {};
  const auto adapter = path.substr(0, slash);
  return adapter_index(adapter) ? adapter : std::string_view{};
}

std::string_view device_part(std::string_view path) {
  const auto adapter = adapter_part(path);
  if (adapter.empty() || !path.substr(adapter.size()).starts_with("/dev_")) return {};
  return path.substr(0, path.find('/', adapter.size() + 1));
}

}  // namespace bleconnd
