// Walks over the model: what may be in it, the names of its objects, what is found, what differs.
// Two databases are compared like sorted lists, level by level, an object by its handle and UUID.
#include "core/gatt_database.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

namespace bleconnd {
namespace {

// What a 16 or 32-bit UUID is short for: its digits, then this (Core specification, Vol 3, Part B, 2.5.1).
constexpr std::string_view kBaseUuid = "-0000-1000-8000-00805f9b34fb";
constexpr std::string_view kUuidShape = "00000000-0000-0000-0000-000000000000";
constexpr std::string_view kKinds[] = {"service", "char", "desc"};
constexpr std::size_t kHandleDigits = 4;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string hex(std::uint16_t value) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (int shift = 12; shift >= 0; shift -= 4) text += digits[(value >> shift) & 0xF];
  return text;
}

// The handle in "char000b", where `kind` is "char".
std::optional<std::uint16_t> parse_part(std::string_view part, std::string_view kind) {
  if (!part.starts_with(kind) || part.size() != kind.size() + kHandleDigits) return {};
  unsigned handle = 0;
  for (const char c : part.substr(kind.size())) {
    if (!is_digit(c) && !(c >= 'a' && c <= 'f')) return {};
    handle = handle * 16 + static_cast<unsigned>(is_digit(c) ? c - '0' : c - 'a' + 10);
  }
  if (handle == 0) return {};
  return static_cast<std::uint16_t>(handle);
}

std::uint16_t handle_of(std::uint16_t handle) {
  return handle;
}
template <class Object>
std::uint16_t handle_of(const Object& object) {
  return object.handle;
}

// Each one's handle is greater than the one's before, the first's greater than 0.
template <class Siblings>
bool in_order(const Siblings& siblings) {
  std::uint16_t before = 0;
  for (auto& each : siblings) {
    if (handle_of(each) <= before) return false;
    before = handle_of(each);
  }
  return true;
}

bool is_lower_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f');
}

bool is_full_uuid(std::string_view text) {
  if (text.size() != kUuidShape.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (kUuidShape[i] == '-' ? text[i] != '-' : !is_lower_hex(text[i])) return false;
  return true;
}

bool well_formed(const GattCharacteristic& characteristic) {
  const auto& [handle, value_handle, uuid, flags, descriptors] = characteristic;
  if (!is_full_uuid(uuid) || (value_handle && *value_handle <= handle)) return false;
  if (flags.size() > kGattFlagLimit || !std::ranges::all_of(flags, is_gatt_flag)) return false;
  return in_order(descriptors) && std::ranges::all_of(descriptors, is_full_uuid, &GattDescriptor::uuid);
}

bool well_formed(const GattService& service) {
  if (!is_full_uuid(service.uuid)) return false;
  if (service.includes.size() > kGattIncludeLimit || !in_order(service.includes)) return false;
  if (!in_order(service.characteristics)) return false;
  for (auto& each : service.characteristics)
    if (!well_formed(each)) return false;
  return true;
}

std::size_t object_count(const GattDatabase& database) {
  std::size_t count = database.services.size();
  for (auto& service : database.services) {
    count += service.characteristics.size();
    for (auto& characteristic : service.characteristics) count += characteristic.descriptors.size();
  }
  return count;
}

std::string_view kind_of(const GattService&) {
  return "service";
}
std::string_view kind_of(const GattCharacteristic&) {
  return "characteristic";
}
std::string_view kind_of(const GattDescriptor&) {
  return "descriptor";
}

class DifferenceLines {
 public:
  template <class Object>
  void add(char sign, const Object& object, std::string_view what = {}) {
    if (++count_ > kDifferenceLines) return;
    auto& line = lines_.emplace_back(1, sign);
    line.append(kind_of(object)).append(" 0x").append(hex(object.handle)).append(" ").append(object.uuid);
    line.append(what);
  }
  std::vector<std::string> lines() && {
    if (count_ > kDifferenceLines)
      lines_.back() = "and " + std::to_string(count_ - kDifferenceLines + 1) + " more";
    return std::move(lines_);
  }

 private:
  std::vector<std::string> lines_;
  std::size_t count_ = 0;
};

template <class Object>
void compare(const std::vector<Object>& before, const std::vector<Object>& after, DifferenceLines& lines);

void compare_pair(const GattDescriptor&, const GattDescriptor&, DifferenceLines&) {}

void compare_pair(const GattCharacteristic& before, const GattCharacteristic& after, DifferenceLines& lines) {
  const std::multiset<std::string_view> had(before.flags.begin(), before.flags.end());
  const std::multiset<std::string_view> has(after.flags.begin(), after.flags.end());
  std::string what;
  if (had != has) what += " flags";
  if (before.value_handle && after.value_handle && before.value_handle != after.value_handle)
    what += " value-handle";
  if (!what.empty()) lines.add('~', after, what);
  compare(before.descriptors, after.descriptors, lines);
}

void compare_pair(const GattService& before, const GattService& after, DifferenceLines& lines) {
  std::string what;
  if (before.primary != after.primary) what += after.primary ? " primary" : " secondary";
  if (before.includes != after.includes) what += " includes";
  if (!what.empty()) lines.add('~', after, what);
  compare(before.characteristics, after.characteristics, lines);
}

template <class Object>
void compare(const std::vector<Object>& before, const std::vector<Object>& after, DifferenceLines& lines) {
  auto was = before.begin();
  auto is = after.begin();
  while (was != before.end() || is != after.end()) {
    const bool went = is == after.end() || (was != before.end() && was->handle < is->handle);
    const bool came = was == before.end() || (is != after.end() && is->handle < was->handle);
    const bool both = !went && !came && was->uuid == is->uuid;
    if (both) compare_pair(*was, *is, lines);
    if (!both && !came) lines.add('-', *was);
    if (!both && !went) lines.add('+', *is);
    if (!came) ++was;
    if (!went) ++is;
  }
}

}  // namespace

bool is_gatt_flag(std::string_view text) {
  const auto harmless = [](char c) { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-'; };
  return !text.empty() && text.size() <= kGattFlagLength && std::ranges::all_of(text, harmless);
}

bool well_formed(const GattDatabase& database) {
  if (database.services.empty() || object_count(database) > kGattObjectLimit) return false;
  if (!in_order(database.services)) return false;
  for (auto& each : database.services)
    if (!well_formed(each)) return false;
  return true;
}

std::optional<GattName> GattName::parse(std::string_view text) {
  GattName name;
  std::uint16_t* const handles[] = {&name.service, &name.characteristic, &name.descriptor};
  for (std::size_t level = 0; level < std::size(handles); ++level) {
    const auto slash = text.find('/');
    const auto handle = parse_part(text.substr(0, slash), kKinds[level]);
    if (!handle) return {};
    *handles[level] = *handle;
    if (slash == text.npos) return name;
    text.remove_prefix(slash + 1);
  }
  return {};
}

std::string GattName::text() const {
  const std::uint16_t handles[] = {service, characteristic, descriptor};
  std::string text;
  for (std::size_t level = 0; level < depth(); ++level)
    text.append(level > 0 ? "/" : "").append(kKinds[level]).append(hex(handles[level]));
  return text;
}

std::vector<GattName> names_of(const GattDatabase& database) {
  std::vector<GattName> names;
  names.reserve(object_count(database));
  for (auto& service : database.services) {
    names.push_back({service.handle});
    for (auto& characteristic : service.characteristics) {
      names.push_back({service.handle, characteristic.handle});
      for (auto& descriptor : characteristic.descriptors)
        names.push_back({service.handle, characteristic.handle, descriptor.handle});
    }
  }
  return names;
}

std::optional<std::string> full_uuid(std::string_view text) {
  std::string uuid{text.size() == 4 ? "0000" : ""};
  uuid += text;
  if (text.size() == 4 || text.size() == 8) uuid += kBaseUuid;
  for (char& c : uuid)
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  if (!is_full_uuid(uuid)) return {};
  return uuid;
}

std::optional<GattName> find_characteristic(const GattDatabase& database, std::string_view service_uuid,
                                            std::string_view uuid) {
  const auto of = full_uuid(service_uuid);
  const auto sought = full_uuid(uuid);
  if (!of || !sought) return {};
  for (auto& service : database.services) {
    if (service.uuid != *of) continue;
    const auto found = std::ranges::find(service.characteristics, *sought, &GattCharacteristic::uuid);
    if (found != service.characteristics.end()) return GattName{service.handle, found->handle};
  }
  return {};
}

std::vector<std::string> missing(const GattDatabase& database, const std::vector<std::string>& uuids) {
  std::set<std::string_view> there;
  for (auto& service : database.services) {
    there.insert(service.uuid);
    for (auto& characteristic : service.characteristics) there.insert(characteristic.uuid);
  }
  std::vector<std::string> lacking;
  for (auto& each : uuids) {
    auto uuid = full_uuid(each).value_or(each);
    if (there.contains(uuid) || std::ranges::count(lacking, uuid) > 0) continue;
    lacking.push_back(std::move(uuid));
  }
  return lacking;
}

std::vector<std::string> difference(const GattDatabase& before, const GattDatabase& after) {
  DifferenceLines lines;
  compare(before.services, after.services, lines);
  return std::move(lines).lines();
}

}  // namespace bleconnd
