// Each function changes one device's values, then wakes who waits for them, once.
// Who watches pins an entry; the rest is forgotten in the order of use when there are too many or rules run
// out.
#include "system/device_mirror.hpp"

#include <fmt/format.h>

#include <iterator>
#include <utility>
#include <vector>

#include "core/gatt_tree.hpp"
#include "system/bluez_paths.hpp"

namespace bleconnd {
namespace {

std::string object_rule(std::string_view path) {
  return fmt::format(
      "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.ObjectManager',arg0path='{}'", path);
}

// All that the object itself says: PropertiesChanged of Device1, and Device1.Disconnected of BlueZ >= 5.83.
// What else it says (its battery) comes rarely. One rule instead of two, since they are few.
std::string own_signals_rule(std::string_view path) {
  return fmt::format("type='signal',sender='org.bluez',path='{}'", path);
}

}  // namespace

class DeviceMirror::Watch final : public DeviceWatch {
 public:
  Watch(DeviceMirror& mirror, const std::string& path, Entry& entry)
      : mirror_{mirror}, path_{path}, entry_{entry} {
    if (entry_.watches++ == 0) mirror_.unwatched_.erase(entry_.place);
  }
  ~Watch() override { mirror_.unwatch(entry_); }
  const std::string& path() const override { return path_; }
  const Observation& seen() const override { return entry_.seen; }
  Notice& changed() override { return entry_.changed; }

 private:
  DeviceMirror& mirror_;
  const std::string& path_;
  Entry& entry_;
};

Outcome<std::unique_ptr<DeviceWatch>> DeviceMirror::watch(const std::string& path) {
  if (device_part(path) != path) return Failure{Cause::invalid, "no path of a device"};
  auto at = entries_.find(path);
  if (at == entries_.end()) at = follow(path, Confirmed::with_next);
  if (at == entries_.end()) return Failure{Cause::limits, "no match rule is left"};
  auto& entry = at->second;
  if (!entry.own_signals && make_room(1, &entry)) entry.own_signals = rules_.hold(own_signals_rule(path));
  if (!entry.own_signals) return Failure{Cause::limits, "no match rule is left"};
  return std::unique_ptr<DeviceWatch>{std::make_unique<Watch>(*this, at->first, entry)};
}

// Room for all that follow at once is made before the first: only the last of them is confirmed.
DeviceMirror::Entries::iterator DeviceMirror::follow(const std::string& path, Confirmed confirmed) {
  if (!make_room(confirmed == Confirmed::itself ? 2 : 3, nullptr)) return entries_.end();
  auto object = rules_.hold(object_rule(path), Confirmed::with_next);
  auto below = rules_.hold(object_rule(path + "/"), confirmed);
  if (!object || !below) return entries_.end();
  const auto at = entries_.try_emplace(path, executor_, std::move(*object), std::move(*below)).first;
  auto& entry = at->second;
  entry.path = &at->first;
  entry.place = unwatched_.insert(unwatched_.end(), &entry);
  return at;
}

// Those who watch come before those who are remembered.
bool DeviceMirror::make_room(std::size_t rules, const Entry* keep) {
  while (rules_.room() < rules)
    if (!forget_oldest(keep)) return false;
  return true;
}

bool DeviceMirror::forget_oldest(const Entry* keep) {
  auto oldest = unwatched_.begin();
  if (oldest != unwatched_.end() && *oldest == keep) ++oldest;
  if (oldest == unwatched_.end()) return false;
  entries_.erase(entries_.find(*(*oldest)->path));
  unwatched_.erase(oldest);
  return true;
}

void DeviceMirror::unwatch(Entry& entry) {
  if (--entry.watches > 0) return;
  entry.place = unwatched_.insert(unwatched_.end(), &entry);
  const bool stays_current = entry.seen.current && entry.seen.present && !entry.seen.connected;
  if (!stays_current) follow_no_more(entry);
  keep_few_current();
  forget_surplus();
}

// From now on nothing tells of its link; "not connected" is what makes everybody look before they rely on it.
void DeviceMirror::follow_no_more(Entry& entry) {
  entry.own_signals.reset();
  entry.seen.current = entry.seen.connected = entry.seen.services_resolved = false;
}

// Those before the last few are not current any more: one at most has become one of these.
void DeviceMirror::keep_few_current() {
  if (unwatched_.size() <= kKeptCurrent) return;
  follow_no_more(**std::prev(unwatched_.end(), kKeptCurrent + 1));
}

void DeviceMirror::forget_surplus() {
  if (unwatched_.size() > kRemembered) forget_oldest(nullptr);
}

void DeviceMirror::remember(const std::string& path) {
  if (follows(path)) return;
  if (follow(path, Confirmed::itself) == entries_.end()) return;
  keep_few_current();
  forget_surplus();
}

DeviceMirror::Entry* DeviceMirror::find(std::string_view path) {
  const auto at = entries_.find(path);
  return at == entries_.end() ? nullptr : &at->second;
}

bool DeviceMirror::follows(std::string_view path) const {
  return entries_.find(path) != entries_.end();
}

bool DeviceMirror::has_services(std::string_view path) const {
  const auto at = entries_.find(path);
  return at != entries_.end() && !at->second.seen.gatt.empty();
}

bool DeviceMirror::knows(std::string_view path) const {
  const auto at = entries_.find(path);
  return at != entries_.end() && at->second.seen.present;
}

// Edges of the link are counted, not signals: BlueZ leaves out some (Connected=true can be missing), and
// answers tell values too.
void DeviceMirror::take_values(Entry& entry, const DeviceProperties& properties) {
  auto& seen = entry.seen;
  entry.paired = properties.paired.value_or(entry.paired);
  entry.bonded = properties.bonded.value_or(entry.bonded);
  seen.bonded = entry.paired || entry.bonded;
  if (!entry.own_signals) return;
  if (properties.connected && *properties.connected != seen.connected) {
    seen.connected = *properties.connected;
    ++(seen.connected ? seen.links_up : seen.links_down);
    if (seen.connected) seen.end_reason.clear();
  }
  if (properties.services_resolved) seen.services_resolved = *properties.services_resolved;
  if (properties.connected == false) seen.services_resolved = false;
}

void DeviceMirror::added(std::string_view path, const DeviceProperties& properties) {
  auto* entry = find(path);
  if (!entry) return;
  auto& seen = entry->seen;
  seen.present = true;
  seen.gatt.clear();  // a new object has none yet
  seen.services_listed.reset();
  seen.gatt_whole = true;
  if (properties.reported) seen.heard = executor_.now();
  take_values(*entry, properties);
  entry->changed.notify();
}

void DeviceMirror::gone(Entry& entry) {
  auto& seen = entry.seen;
  if (seen.connected) ++seen.links_down;
  seen.present = seen.connected = seen.services_resolved = false;
  seen.bonded = entry.paired = entry.bonded = false;
  seen.gatt.clear();
  seen.gatt_whole = false;
  seen.services_listed.reset();
}

void DeviceMirror::removed(std::string_view path) {
  auto* entry = find(path);
  if (!entry) return;
  ++entry->seen.removals;
  gone(*entry);
  entry->changed.notify();
}

// BlueZ sends a change with the values that hold then, so one signal can tell of a link that was lost and of
// the next one: Connected is true again, and ServicesResolved is false, as it is while no link ends.
bool DeviceMirror::tells_of_next_link(const Observation& seen, const DeviceProperties& properties) {
  return seen.connected && seen.services_resolved && properties.connected == true &&
         properties.services_resolved == false;
}

void DeviceMirror::changed(std::string_view path, const DeviceProperties& properties) {
  auto* entry = find(path);
  if (!entry) return;
  auto& seen = entry->seen;
  seen.present = true;
  if (tells_of_next_link(seen, properties)) {
    ++seen.links_down;
    ++seen.links_up;
  }
  if (properties.reported) seen.heard = executor_.now();
  take_values(*entry, properties);
  if (entry->watches == 0) follow_no_more(*entry);  // it advertises, or is another program's: once is enough
  entry->changed.notify();
}

void DeviceMirror::link_ended(std::string_view path, std::string reason) {
  auto* entry = find(path);
  if (!entry || entry->watches == 0) return;
  entry->seen.end_reason = std::move(reason);
  entry->changed.notify();
}

void DeviceMirror::gatt_added(std::string_view path, const GattObject& object) {
  auto* entry = find(device_part(path));
  if (!entry) return;
  auto& seen = entry->seen;
  if (seen.gatt.size() < kGattObjectLimit) {
    if (const auto part = part_of(path, object, device_part(path))) seen.gatt.put(*part);
  } else {
    seen.gatt_whole = false;
  }
  ++seen.gatt_changes;
  seen.services_listed.reset();
  entry->changed.notify();
}

void DeviceMirror::gatt_removed(std::string_view path) {
  auto* entry = find(device_part(path));
  if (!entry) return;
  if (const auto name = name_of(path, device_part(path))) entry->seen.gatt.erase(*name);
  ++entry->seen.gatt_changes;
  entry->seen.services_listed.reset();
  entry->changed.notify();
}

void DeviceMirror::looked_at(std::string_view path, const DeviceProperties& properties) {
  auto* entry = find(path);
  if (!entry) return;
  entry->seen.present = true;
  take_values(*entry, properties);
  entry->seen.current = entry->own_signals.has_value();
  entry->changed.notify();
}

void DeviceMirror::connected_is(std::string_view path, bool connected) {
  auto* entry = find(path);
  if (!entry) return;
  DeviceProperties properties;
  properties.connected = connected;
  take_values(*entry, properties);
  entry->changed.notify();
}

void DeviceMirror::absent(std::string_view path) {
  if (knows(path)) removed(path);
}

void DeviceMirror::services_read(std::string_view path, const GattObjects& objects) {
  auto* entry = find(path);
  if (!entry) return;
  entry->seen.present = true;
  entry->seen.gatt = packed(objects, path);
  entry->seen.gatt_whole = objects.size() < kGattObjectLimit;
  entry->changed.notify();
}

void DeviceMirror::services_listed(std::string_view path, std::vector<std::uint16_t> handles) {
  if (handles.empty()) return services_read(path, {});
  auto* entry = find(path);
  if (!entry) return;
  entry->seen.present = true;
  entry->seen.services_listed = std::move(handles);
  entry->changed.notify();
}

std::vector<std::string> DeviceMirror::not_whole() const {
  std::vector<std::string> paths;
  for (auto& [path, entry] : entries_)
    if (entry.watches > 0 && !entry.seen.gatt_whole) paths.push_back(path);
  return paths;
}

void DeviceMirror::listed(const std::set<std::string, std::less<>>& paths) {
  for (auto& [path, entry] : entries_)
    if (!paths.contains(path)) absent(path);
}

void DeviceMirror::all_gone(std::string_view under) {
  for (auto& [path, entry] : entries_) {
    if (!under.empty() && adapter_part(path) != under) continue;
    gone(entry);
    entry.changed.notify();
  }
}

}  // namespace bleconnd
