// First the shape (members and their types), then the values, then the rules that the writer keeps as well.
#include "system/cache_file.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "system/cache_rules.hpp"

namespace bleconnd {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using Type = json::value_t;

constexpr char kVersion[] = "bleconnd-gatt-cache";
constexpr std::size_t kDeepest = 8;  // descriptors are at 7

struct Member {
  const char* name;
  Type type;
  bool required;
};
constexpr Member kFileMembers[] = {
    {kVersion, Type::number_unsigned, true},  {"address", Type::string, true},
    {"adapter", Type::string, false},         {"object", Type::string, false},
    {"read-at", Type::number_unsigned, true}, {"hash", Type::string, false},
    {"services", Type::array, true},
};
constexpr Member kServiceMembers[] = {
    {"handle", Type::number_unsigned, true}, {"uuid", Type::string, true},
    {"primary", Type::boolean, true},        {"includes", Type::array, false},
    {"characteristics", Type::array, false},
};
constexpr Member kCharacteristicMembers[] = {
    {"handle", Type::number_unsigned, true},
    {"value-handle", Type::number_unsigned, false},
    {"uuid", Type::string, true},
    {"flags", Type::array, false},
    {"descriptors", Type::array, false},
};
constexpr Member kDescriptorMembers[] = {
    {"handle", Type::number_unsigned, true},
    {"uuid", Type::string, true},
};

const char* name_of(Type type) {
  switch (type) {
    case Type::number_unsigned:
      return "not a whole number from 0 on";
    case Type::boolean:
      return "not true or false";
    case Type::string:
      return "not a string";
    default:
      return "not a list";
  }
}

// Brackets outside strings, also in a text that is no JSON.
bool deeper_than(std::size_t limit, std::string_view text) {
  std::size_t depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '\\')
      ++i;
    else if (c == '"')
      quoted = !quoted;
    else if (!quoted && (c == '[' || c == '{') && ++depth > limit)
      return true;
    else if (!quoted && (c == ']' || c == '}') && depth > 0)
      --depth;
  }
  return false;
}

class Reader {
 public:
  std::string complaint;  // the first one

  // An object with these members and no others.
  bool shaped(const json& value, const CachePlace& place, std::span<const Member> members) {
    if (!value.is_object()) return fail(place, {}, "not an object");
    std::size_t known = 0;
    for (const auto& member : members) {
      const auto at = value.find(member.name);
      const bool there = at != value.end();
      if (!there && member.required) return fail(place, member.name, "missing");
      if (there && at->type() != member.type) return fail(place, member.name, name_of(member.type));
      if (there) ++known;
    }
    return known == value.size() || fail(place, {}, "a member that the schema does not know");
  }

  bool handle(const json& value, const CachePlace& place, const char* name, std::uint16_t& to) {
    if (!value.is_number_unsigned()) return fail(place, name, name_of(Type::number_unsigned));
    const auto number = value.get<std::uint64_t>();
    if (number > std::numeric_limits<std::uint16_t>::max()) return fail(place, name, "above 65535");
    to = static_cast<std::uint16_t>(number);
    return true;
  }

  bool descriptor(const json& value, const CachePlace& place, GattDescriptor& to) {
    if (!shaped(value, place, kDescriptorMembers)) return false;
    to.uuid = value["uuid"].get<std::string>();
    return handle(value["handle"], place, "handle", to.handle);
  }

  bool characteristic(const json& value, CachePlace place, GattCharacteristic& to) {
    if (!shaped(value, place, kCharacteristicMembers)) return false;
    to.uuid = value["uuid"].get<std::string>();
    if (!handle(value["handle"], place, "handle", to.handle)) return false;
    if (value.contains("value-handle") &&
        !handle(value["value-handle"], place, "value-handle", to.value_handle.emplace()))
      return false;
    for (const auto& each : list(value, "flags")) {
      if (!each.is_string()) return fail(place, "flags", "not strings");
      to.flags.push_back(each.get<std::string>());
    }
    place.descriptor = 0;
    for (const auto& each : list(value, "descriptors")) {
      if (!descriptor(each, place, to.descriptors.emplace_back())) return false;
      ++place.descriptor;
    }
    return true;
  }

  bool service(const json& value, CachePlace place, GattService& to) {
    if (!shaped(value, place, kServiceMembers)) return false;
    to.uuid = value["uuid"].get<std::string>();
    to.primary = value["primary"].get<bool>();
    if (!handle(value["handle"], place, "handle", to.handle)) return false;
    for (const auto& each : list(value, "includes"))
      if (!handle(each, place, "includes", to.includes.emplace_back())) return false;
    place.characteristic = 0;
    for (const auto& each : list(value, "characteristics")) {
      if (!characteristic(each, place, to.characteristics.emplace_back())) return false;
      ++place.characteristic;
    }
    return true;
  }

  bool hash(const std::string& text, std::vector<std::uint8_t>& to) {
    constexpr std::string_view digits = "0123456789abcdef";
    if (text.size() != 2 * kDatabaseHashSize) return fail({}, "hash", "not 16 bytes");
    for (std::size_t i = 0; i < text.size(); i += 2) {
      const auto high = digits.find(text[i]);
      const auto low = digits.find(text[i + 1]);
      if (high == digits.npos || low == digits.npos) return fail({}, "hash", "not hexadecimal in lower case");
      to.push_back(static_cast<std::uint8_t>(high * 16 + low));
    }
    return true;
  }

  bool file(const json& value, DeviceAddress device, CacheEntry& to) {
    if (!value.is_object() || !value.contains(kVersion)) return fail({}, {}, "not a file of this cache");
    if (value[kVersion] != kCacheFileVersion) return fail({}, kVersion, "another version");
    if (!shaped(value, {}, kFileMembers)) return false;
    if (value["address"] != device.text()) return fail({}, "address", "not that of the file's name");
    to.adapter = value.value("adapter", "");
    to.object = value.value("object", "");
    const auto seconds = std::min<std::uint64_t>(value["read-at"].get<std::uint64_t>(), kLatestReadAt + 1);
    to.read_at = std::chrono::sys_seconds{std::chrono::seconds{static_cast<std::int64_t>(seconds)}};
    if (value.contains("hash") && !hash(value["hash"].get<std::string>(), to.hash)) return false;
    CachePlace place{.service = 0};
    for (const auto& each : value["services"]) {
      if (!service(each, place, to.services.services.emplace_back())) return false;
      ++place.service;
    }
    return true;
  }

  bool fail(const CachePlace& place, const std::string& member, const char* what) {
    complaint = place.text();
    if (!complaint.empty() && !member.empty()) complaint += '.';
    complaint += member;
    if (!complaint.empty()) complaint += ": ";
    complaint += what;
    return false;
  }

 private:
  static const json& list(const json& of, const char* name) {
    static const json none = json::array();
    const auto at = of.find(name);
    return at == of.end() ? none : *at;
  }
};

CacheFile refused(std::string why) {
  return {{}, std::move(why)};
}

std::string hex(const std::vector<std::uint8_t>& bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (auto byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 0xF];
  }
  return text;
}

// Members by name: nested braces mean a list or an object, depending on the compiler.
ordered_json attribute(std::uint16_t handle, const std::string& uuid) {
  auto object = ordered_json::object();
  object["handle"] = handle;
  object["uuid"] = uuid;
  return object;
}

ordered_json written(const GattCharacteristic& characteristic) {
  auto object = attribute(characteristic.handle, characteristic.uuid);
  if (characteristic.value_handle) object["value-handle"] = *characteristic.value_handle;
  if (!characteristic.flags.empty()) object["flags"] = characteristic.flags;
  for (const auto& each : characteristic.descriptors)
    object["descriptors"].push_back(attribute(each.handle, each.uuid));
  return object;
}

ordered_json written(const GattService& service) {
  auto object = attribute(service.handle, service.uuid);
  object["primary"] = service.primary;
  if (!service.includes.empty()) object["includes"] = service.includes;
  for (const auto& each : service.characteristics) object["characteristics"].push_back(written(each));
  return object;
}

}  // namespace

CacheFile parse_cache_file(std::string_view text, DeviceAddress device) {
  if (text.size() > kMostCacheFileBytes) return refused("longer than 262144 bytes");
  if (deeper_than(kDeepest, text)) return refused("nested deeper than 8");
  json parsed;
  try {
    parsed = json::parse(text);
  } catch (const json::parse_error& error) {
    return refused("no JSON at byte " + std::to_string(error.byte));
  } catch (const json::exception&) {
    return refused("a number that is too large");
  }
  CacheEntry entry;
  Reader reader;
  if (!reader.file(parsed, device, entry)) return refused(std::move(reader.complaint));
  if (auto complaint = complaint_about(entry); !complaint.empty()) return refused(std::move(complaint));
  return {std::move(entry), {}};
}

std::string cache_file_text(DeviceAddress device, const CacheEntry& entry) {
  auto file = ordered_json::object();
  file[kVersion] = kCacheFileVersion;
  file["address"] = device.text();
  if (!entry.adapter.empty()) file["adapter"] = entry.adapter;
  if (!entry.object.empty()) file["object"] = entry.object;
  file["read-at"] = entry.read_at.time_since_epoch().count();
  if (!entry.hash.empty()) file["hash"] = hex(entry.hash);
  auto services = ordered_json::array();
  for (const auto& each : entry.services.services) services.push_back(written(each));
  file["services"] = std::move(services);
  return file.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace bleconnd
