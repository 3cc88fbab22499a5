// A record: the three handles of the name, its kind, the length of the rest; the UUID; then the handles of
// the included services, or the value handle (0: not known) and the flags with a space between two.
#include "core/packed_services.hpp"

#include <algorithm>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace bleconnd {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kHead = 9;
constexpr std::size_t kUuid = 16;
// Which alternative of GattPart::object it is, and what it says of itself.
constexpr std::uint8_t kAlternative = 0b0011;
constexpr std::uint8_t kIsService = 0b0100;
constexpr std::uint8_t kIsPrimary = 0b1000;

void add(Bytes& to, std::uint16_t value) {
  to.push_back(static_cast<std::uint8_t>(value & 0xFF));
  to.push_back(static_cast<std::uint8_t>(value >> 8));
}
std::uint16_t handle_at(const std::uint8_t* bytes) {
  return static_cast<std::uint16_t>(bytes[0] | bytes[1] << 8);
}

int digit(char c) {
  return c <= '9' ? c - '0' : c - 'a' + 10;
}

void add_uuid(Bytes& to, std::string_view text) {
  int high = -1;
  for (const char c : text) {
    if (c == '-') continue;
    if (high >= 0) to.push_back(static_cast<std::uint8_t>(high << 4 | digit(c)));
    high = high < 0 ? digit(c) : -1;
  }
}
std::string uuid_at(const std::uint8_t* bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < kUuid; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += digits[bytes[i] >> 4];
    text += digits[bytes[i] & 0xF];
  }
  return text;
}

struct Record {
  GattName name;
  std::uint8_t kind;
  std::span<const std::uint8_t> rest;
  std::size_t size() const { return kHead + rest.size(); }
};

Record record_at(const Bytes& bytes, std::size_t at) {
  const auto* head = bytes.data() + at;
  return {{handle_at(head), handle_at(head + 2), handle_at(head + 4)},
          head[6],
          {head + kHead, handle_at(head + 7)}};
}

// --- into a record ---

std::uint8_t says(const std::monostate&, Bytes&) {
  return 0;
}
std::uint8_t says(const GattService& service, Bytes& rest) {
  add_uuid(rest, service.uuid);
  for (auto handle : service.includes) add(rest, handle);
  return service.primary ? kIsPrimary : 0;
}
std::uint8_t says(const GattCharacteristic& characteristic, Bytes& rest) {
  add_uuid(rest, characteristic.uuid);
  add(rest, characteristic.value_handle.value_or(0));
  for (auto& flag : characteristic.flags) {
    if (&flag != &characteristic.flags.front()) rest.push_back(' ');
    rest.insert(rest.end(), flag.begin(), flag.end());
  }
  return 0;
}
std::uint8_t says(const GattDescriptor& descriptor, Bytes& rest) {
  add_uuid(rest, descriptor.uuid);
  return 0;
}

Bytes packed(const GattPart& part) {
  Bytes rest;
  auto kind = static_cast<std::uint8_t>(part.object.index());
  kind |= std::visit([&](auto& object) { return says(object, rest); }, part.object);
  if (part.is_service) kind |= kIsService;
  Bytes record;
  add(record, part.name.service);
  add(record, part.name.characteristic);
  add(record, part.name.descriptor);
  record.push_back(kind);
  add(record, static_cast<std::uint16_t>(rest.size()));
  record.insert(record.end(), rest.begin(), rest.end());
  return record;
}

// --- out of records ---

GattService service_of(const Record& record) {
  GattService service{
      record.name.service, uuid_at(record.rest.data()), (record.kind & kIsPrimary) != 0, {}, {}};
  for (auto at = kUuid; at + 1 < record.rest.size(); at += 2)
    service.includes.push_back(handle_at(record.rest.data() + at));
  return service;
}

GattCharacteristic characteristic_of(const Record& record) {
  GattCharacteristic characteristic{record.name.characteristic, {}, uuid_at(record.rest.data()), {}, {}};
  if (const auto handle = handle_at(record.rest.data() + kUuid)) characteristic.value_handle = handle;
  const auto text = record.rest.subspan(kUuid + 2);
  for (auto at = text.begin(); at != text.end();) {
    const auto end = std::find(at, text.end(), ' ');
    characteristic.flags.emplace_back(at, end);
    at = end == text.end() ? end : end + 1;
  }
  return characteristic;
}

// The parent is the last one there, unless it was left out.
template <class Object>
Object* last(std::vector<Object>& siblings, std::uint16_t handle) {
  return !siblings.empty() && siblings.back().handle == handle ? &siblings.back() : nullptr;
}

void add_object(GattDatabase& database, const Record& record) {
  const auto what = record.kind & kAlternative;
  if (what == 0) return;
  if (what == 1) return database.services.push_back(service_of(record));
  auto* service = last(database.services, record.name.service);
  if (!service) return;
  if (what == 2) return service->characteristics.push_back(characteristic_of(record));
  auto* characteristic = last(service->characteristics, record.name.characteristic);
  if (characteristic)
    characteristic->descriptors.push_back({record.name.descriptor, uuid_at(record.rest.data())});
}

}  // namespace

PackedServices::PackedServices(const GattDatabase& database) {
  for (auto& service : database.services) {
    put({{service.handle},
         true,
         GattService{service.handle, service.uuid, service.primary, service.includes, {}}});
    for (auto& each : service.characteristics) {
      put({{service.handle, each.handle},
           false,
           GattCharacteristic{each.handle, each.value_handle, each.uuid, each.flags, {}}});
      for (auto& descriptor : each.descriptors)
        put({{service.handle, each.handle, descriptor.handle}, false, descriptor});
    }
  }
}

std::size_t PackedServices::find(const GattName& name) const {
  std::size_t at = 0;
  while (at < bytes_.size()) {
    const auto record = record_at(bytes_, at);
    if (record.name >= name) break;
    at += record.size();
  }
  return at;
}

void PackedServices::put(const GattPart& part) {
  const auto at = find(part.name);
  erase_at(at, part.name);
  const auto record = packed(part);
  bytes_.reserve(bytes_.size() + record.size());  // exactly: insert() alone would double
  bytes_.insert(bytes_.begin() + static_cast<std::ptrdiff_t>(at), record.begin(), record.end());
  ++count_;
}

void PackedServices::erase(const GattName& name) {
  erase_at(find(name), name);
}

void PackedServices::erase_at(std::size_t at, const GattName& name) {
  if (at == bytes_.size()) return;
  const auto record = record_at(bytes_, at);
  if (record.name != name) return;
  const auto begin = bytes_.begin() + static_cast<std::ptrdiff_t>(at);
  bytes_.erase(begin, begin + static_cast<std::ptrdiff_t>(record.size()));
  --count_;
}

bool PackedServices::has_service() const {
  for (std::size_t at = 0; at < bytes_.size(); at += record_at(bytes_, at).size())
    if (record_at(bytes_, at).kind & kIsService) return true;
  return false;
}

// Both are in order of names.
bool PackedServices::has_all(const GattDatabase& database) const {
  std::size_t at = 0;
  for (auto& name : names_of(database)) {
    while (at < bytes_.size() && record_at(bytes_, at).name < name) at += record_at(bytes_, at).size();
    if (at == bytes_.size() || record_at(bytes_, at).name != name) return false;
  }
  return !database.services.empty();
}

std::optional<GattDatabase> PackedServices::database() const {
  GattDatabase database;
  for (std::size_t at = 0; at < bytes_.size(); at += record_at(bytes_, at).size())
    add_object(database, record_at(bytes_, at));
  if (!well_formed(database)) return {};
  return database;
}

}  // namespace bleconnd
