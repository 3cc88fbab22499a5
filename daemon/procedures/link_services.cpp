// The cache beside BlueZ: its objects say what can be used, its reads say what is true.
#include "procedures/link_services.hpp"

#include <algorithm>

#include "core/gatt_tree.hpp"
#include "procedures/resolve.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
constexpr auto kRead = 10s;  // one read of all objects, or of one value: an ATT request takes 30 s at most,
                             // and a hash that is not told by then is not waited for
// All of it, so that a caller with D-Bus' usual 25 s is answered: RemoveDevice of a link takes 2.7 s
// (measured, 5.66).
constexpr auto kForget = 17s;
constexpr auto kLookedAt = 2s;  // milliseconds, or BlueZ is not there
constexpr auto kOlder = 1h;  // how much older than true an entry may call itself: one write an hour at most

// The device's own word for "these services": it changes with any of them (Core specification, Vol 3, Part G,
// 7.3).
Task<std::vector<std::uint8_t>> read_hash(Radio& radio, std::string characteristic, std::stop_token stop) {
  const auto deadline = radio.now() + kRead;
  auto read = co_await radio.bluez.read_value(std::move(characteristic), deadline, stop);
  if (!read.ok() || read.value().size() != kDatabaseHashSize) co_return std::vector<std::uint8_t>{};
  co_return std::move(read.value());
}

// BlueZ makes a service's other objects with it, in one go, and removes them with it.
bool are_there(const GattDatabase& services, const Observation& seen) {
  if (seen.gatt_whole) return seen.gatt.has_all(services);
  const auto is_listed = [&](const GattService& service) {
    return std::ranges::count(*seen.services_listed, service.handle) > 0;
  };
  return seen.services_listed && !services.services.empty() &&
         std::ranges::all_of(services.services, is_listed);
}

// Also what is that far ahead: the clock was wrong then or is now, and it would be young for years.
bool is_too_old(const Radio& radio, const CacheEntry& entry) {
  const auto most = radio.settings.cache_age;
  const auto age = radio.cache.now() - entry.read_at;
  return most > 0s && (age > most || age < -most);
}

}  // namespace

std::optional<CacheEntry> young_entry(Radio& radio, DeviceAddress device) {
  auto entry = radio.cache.load(device);
  if (entry && is_too_old(radio, *entry)) entry.reset();
  return entry;
}

Task<std::optional<GattDatabase>> cached_services(Radio& radio, DeviceWatch& watch, Route route,
                                                  DeviceAddress device, std::optional<CacheEntry> entry,
                                                  std::stop_token stop) {
  if (!entry || !radio.cache.has(device)) co_return std::nullopt;
  co_await look_for_services(radio, watch, route, stop);
  if (!are_there(entry->services, watch.seen())) co_return std::nullopt;
  co_return std::move(entry->services);
}

Task<Unit> look_for_services(Radio& radio, DeviceWatch& watch, Route route, std::stop_token stop) {
  if (watch.seen().gatt_whole || watch.seen().services_listed) co_return Unit{};
  const auto deadline = radio.now() + kRead;
  (void)co_await radio.bluez.list_services(route.path, deadline, stop);
  co_return Unit{};
}

Task<Outcome<ServicesRead>> read_services(Radio& radio, DeviceWatch& watch, Route route, Duration patience,
                                          bool again, std::stop_token stop) {
  auto resolved = co_await resolve(radio, watch, route, patience, stop);
  if (!resolved.ok()) co_return resolved.failure();
  if (again) {
    const auto deadline = radio.now() + kRead;
    auto read = co_await radio.bluez.read_services(route.path, deadline, stop);
    if (!read.ok()) co_return read.failure();
  }
  auto services = watch.seen().gatt.database();
  if (!services) co_return Failure{Cause::limits, "more objects than are kept, or none with a UUID"};
  ServicesRead read{std::move(*services), watch.seen().gatt_changes, {}};
  const auto hash = find_characteristic(read.services, kGenericAttributeUuid, kDatabaseHashUuid);
  if (!hash) co_return read;
  auto characteristic = path_of(*hash, route.path);
  read.hash = co_await read_hash(radio, std::move(characteristic), stop);
  co_return read;
}

std::vector<std::string> keep_services(Radio& radio, DeviceAddress device, const Route& route,
                                       const std::optional<PackedServices>& told, const ServicesRead& read) {
  CacheEntry now{.services = read.services,
                 .hash = read.hash,
                 .adapter = route.adapter_address,
                 .object = route.path.substr(route.path.rfind('/') + 1),
                 .read_at = radio.cache.now()};
  const auto entry = radio.cache.load(device);
  std::vector<std::string> changed;
  if (entry) {
    changed = difference(entry->services, read.services);
    const bool both_hashed = !entry->hash.empty() && !read.hash.empty();
    if (changed.empty() && both_hashed && entry->hash != read.hash) changed = {"~database hash"};
    if (now.hash.empty() && changed.empty()) now.hash = entry->hash;  // one that could not be read this time
  }
  if (changed.empty() && told)
    if (const auto before = told->database()) changed = difference(*before, read.services);
  const bool moved = entry && (entry->adapter != now.adapter || entry->object != now.object);
  const bool new_hash = entry && entry->hash != now.hash;
  const bool older = entry && (now.read_at - entry->read_at >= kOlder || now.read_at < entry->read_at);
  if (!entry || !changed.empty() || moved || new_hash || older) radio.cache.save(device, std::move(now));
  return changed;
}

Task<Unit> bluez_looked_at(Radio& radio) {
  const auto deadline = radio.now() + kLookedAt;
  while (!radio.stack().explored && radio.now() < deadline)
    co_await radio.bluez.stack_changed().until(deadline, unstoppable());
  co_return Unit{};
}

Task<std::uint32_t> forget_in_bluez(Radio& radio, DeviceAddress device, bool force,
                                    std::function<bool()> is_spared) {
  std::uint32_t removed = 0;
  co_await bluez_looked_at(radio);
  const auto deadline = radio.now() + kForget;
  // Not by adapter: right after our start none is known yet.
  auto objects = co_await radio.bluez.find_devices(device, deadline, unstoppable());
  if (!objects.ok()) co_return removed;
  for (auto& object : objects.value()) {
    if (object.address != device.text()) continue;
    const auto* adapter = radio.stack().adapter(object.adapter);
    if (adapter && radio.settings.ignores(adapter->address)) continue;  // another program's
    if (!force && (object.connected || object.bonded || object.trusted)) continue;
    if (is_spared && is_spared()) break;
    auto gone = co_await radio.bluez.remove_device(object.path, deadline, unstoppable());
    if (gone.ok()) ++removed;
  }
  co_return removed;
}

}  // namespace bleconnd
