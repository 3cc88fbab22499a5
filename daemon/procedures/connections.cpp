// Sessions come with the first call for an address and go when nobody wants it any more.
#include "procedures/connections.hpp"

#include <algorithm>

#include "core/gatt_tree.hpp"
#include "procedures/close_stale.hpp"
#include "procedures/end_link.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
constexpr auto kClearAll =
    18s;  // a caller with D-Bus' usual 25 s is answered; RemoveDevice takes milliseconds

constexpr auto kLookAll = 10s;

template <class T>
Task<Answer<T>> answer(Answer<T> with) {
  co_return with;
}

}  // namespace

template <class T>
Task<Answer<T>> Connections::when_ended(std::shared_ptr<DeviceSession> session, Answer<T> with) {
  const Ending counted{*this};
  if (!std::holds_alternative<Refusal>(with)) co_await session->until_ended();
  co_return with;
}

std::shared_ptr<DeviceSession> Connections::session(DeviceAddress address) {
  auto& session = sessions_[address];
  if (!session) {
    session = std::make_shared<DeviceSession>(radio_, address, events_);
    scope_.spawn(keep(session));
  }
  return session;
}

Task<Unit> Connections::keep(std::shared_ptr<DeviceSession> session) {
  co_await session->live();
  sessions_.erase(session->address());
  idle_.notify();
  co_return Unit{};
}

Task<Answer<Established>> Connections::establish(Caller caller, DeviceAddress address,
                                                 EstablishOptions options) {
  if (shutting_down_) return answer<Established>(refuse({Cause::stopping, {}}));
  if (caller.uid == Caller::kUnknown)
    return answer<Established>(refuse({Cause::cancelled, "the caller has left the bus"}));
  const auto* known = find(address);
  const bool has_lease = known && known->leased_by(caller, options.lifetime);
  const bool persistent = options.lifetime == Lifetime::persistent && !has_lease;
  const auto kind = persistent ? Quota::Kind::persistent : Quota::Kind::ordinary;
  if (auto objection = quota_.objection(caller.uid, kind, has_lease ? 1 : 2))
    return answer<Established>(refuse({Cause::limits, std::move(*objection)}));
  auto session = this->session(address);
  auto joined = session->join(caller, options, quota_);
  if (auto* refusal = std::get_if<Refusal>(&joined)) return answer<Established>(std::move(*refusal));
  auto waiting = std::move(std::get<0>(joined));
  if (options.wait || session->connected()) return wait({std::move(session), std::move(waiting)});
  auto queued = session->so_far(*waiting);
  if (options.terms.maintain) {
    session->declared(std::move(waiting));
    return answer<Established>(std::move(queued));
  }
  scope_.spawn(wait_unheard({std::move(session), std::move(waiting)}));
  return answer<Established>(std::move(queued));
}

Task<Answer<Established>> Connections::wait(Attended call) {
  co_return co_await call.session->wait(std::move(call.waiting));
}

// A caller that did not want to wait still sets the deadline of its attempt.
Task<Unit> Connections::wait_unheard(Attended call) {
  co_await call.session->wait(std::move(call.waiting));
  co_return Unit{};
}

Task<Answer<std::uint32_t>> Connections::release(Caller caller, DeviceAddress address,
                                                 std::optional<Lifetime> only) {
  auto found = sessions_.find(address);
  if (found == sessions_.end()) return answer<std::uint32_t>(refuse({Cause::not_connected, {}}));
  auto released = found->second->release(caller, only);
  const auto* remaining = std::get_if<std::uint32_t>(&released);
  const bool last = remaining && *remaining == 0;
  return last ? when_ended(found->second, std::move(released)) : answer(std::move(released));
}

Task<Answer<Unit>> Connections::disconnect(DeviceAddress address) {
  auto found = sessions_.find(address);
  if (found == sessions_.end()) return answer<Unit>(refuse({Cause::not_connected, {}}));
  auto ended = found->second->disconnect();
  return when_ended(found->second, std::move(ended));
}

Task<Answer<Connections::Admission>> Connections::admit(Caller caller) {
  if (auto objection = quota_.objection(caller.uid, Quota::Kind::ordinary))
    co_return refuse({Cause::limits, std::move(*objection)});
  auto hold = quota_.hold(caller.uid, Quota::Kind::ordinary);
  auto pass = co_await inquiries_.pass();
  co_return Admission{std::move(hold), std::move(pass)};
}

Task<Answer<std::uint32_t>> Connections::close_stale(Caller caller, DeviceAddress address,
                                                     bool only_other_adapters) {
  auto admitted = co_await admit(caller);
  if (auto* refusal = std::get_if<Refusal>(&admitted)) co_return std::move(*refusal);
  co_await bluez_looked_at(radio_);
  const auto held = [this, only_other_adapters](const DeviceState& object) {
    return is_held(object, only_other_adapters);
  };
  auto closed = co_await bleconnd::close_stale(radio_, address, held);
  if (!closed.ok()) co_return refuse(closed.failure());
  co_return closed.value();
}

// A session that is on its way to a link may be about to adopt this one.
bool Connections::is_held(const DeviceState& object, bool whole_adapter) const {
  const auto address = DeviceAddress::parse(object.address);
  const auto* adapter = radio_.stack().adapter(object.adapter);
  if (!address || !adapter) return false;
  if (radio_.settings.ignores(adapter->address)) return true;  // it is other programs'
  const auto* session = find(*address);
  if (!session) return whole_adapter && radio_.routes.last_adapter(*address) == adapter->address;
  if (session->is_restoring()) return true;
  switch (session->stage()) {
    case Stage::queued:
    case Stage::connecting:
    case Stage::resolving:
      return true;
    default:
      return session->bluez_device() == object.path || (whole_adapter && session->adapter() == adapter->name);
  }
}

Task<std::vector<DeviceState>> Connections::stale_links() {
  std::vector<DeviceState> stale;
  co_await bluez_looked_at(radio_);
  const auto deadline = radio_.now() + kLookAll;
  auto all = co_await radio_.bluez.all_devices(deadline, unstoppable());
  if (!all.ok()) co_return stale;
  for (auto& each : all.value()) {
    if (!each.connected || !each.low_energy || is_held(each, false)) continue;
    if (radio_.dials.link_left_behind(radio_.stack().owner, each.path)) continue;  // end_leftovers() ends it
    stale.push_back(std::move(each));
  }
  co_return stale;
}

Task<Answer<Services>> Connections::services(Caller caller, DeviceAddress address) {
  auto admitted = co_await admit(caller);
  if (auto* refusal = std::get_if<Refusal>(&admitted)) co_return std::move(*refusal);
  auto found = sessions_.find(address);
  if (found == sessions_.end() || !found->second->connected()) {
    auto entry = radio_.cache.load(address);
    if (!entry)
      co_return Refusal{
          Category::not_cached, "invalid",
          "invalid: no services are known of " + address.text() + "; connect it first: EstablishConnection"};
    if (entry->object.empty()) entry->object = address.object_name();  // a file may lack it
    const auto age = std::max(radio_.cache.now() - entry->read_at, std::chrono::seconds{0});
    co_return Services{objects_of(entry->services, cached_path(*entry)), true, age};
  }
  const auto path = found->second->bluez_device();
  const auto deadline = radio_.now() + std::chrono::seconds{10};
  auto read = co_await radio_.bluez.read_services(path, deadline, unstoppable());
  if (!read.ok()) co_return refuse(unanswered_within(10, read.failure()));
  co_return Services{std::move(read.value())};
}

// Under the adapter that it was last read through, wherever that is now.
std::string Connections::cached_path(const CacheEntry& entry) const {
  for (auto& adapter : radio_.stack().adapters)
    if (adapter.address == entry.adapter) return adapter.path + "/" + entry.object;
  return "/org/bluez/hci0/" + entry.object;
}

Task<Answer<Cleared>> Connections::clear_cache(Caller caller, DeviceAddress address, bool force) {
  auto admitted = co_await admit(caller);
  if (auto* refusal = std::get_if<Refusal>(&admitted)) co_return std::move(*refusal);
  Cleared cleared;
  const auto found = sessions_.find(address);
  const auto session = found == sessions_.end() ? nullptr : found->second;
  if (session && force && caller.uid != 0 && session->held_by_others(caller))
    co_return Refusal{Category::access_denied, "denied",
                      "denied: others hold a connection of " + address.text() +
                          ", and only root may take it away; leave out force, or ask root"};
  cleared.later = session && !force;
  // By force, too: until the link is down, its services can still be verified, and are not to be kept.
  if (session) session->forget_when_ended();
  const auto had_entry = co_await radio_.cache.remove(address);
  cleared.entries = had_entry ? 1 : 0;
  if (session) events_.changed(*session);
  // Meanwhile others can have come.
  const auto is_spared = [this, address, caller, force] {
    const auto* now = find(address);
    return now && (!force || (caller.uid != 0 && now->held_by_others(caller)));
  };
  if (!cleared.later) cleared.objects = co_await forget_in_bluez(radio_, address, force, is_spared);
  co_return cleared;
}

Task<Answer<Cleared>> Connections::clear_all_caches(Caller caller) {
  auto admitted = co_await admit(caller);
  if (auto* refusal = std::get_if<Refusal>(&admitted)) co_return std::move(*refusal);
  Cleared cleared;
  for (auto& [address, session] : sessions_) session->forget_when_ended();
  co_await bluez_looked_at(radio_);
  const auto deadline = radio_.now() + kClearAll;
  auto all = co_await radio_.bluez.all_devices(deadline, unstoppable());
  std::vector<std::pair<DeviceAddress, std::string>> removable;
  if (all.ok())
    for (auto& object : all.value())
      if (may_be_removed(object)) removable.emplace_back(*DeviceAddress::parse(object.address), object.path);
  cleared.entries = co_await radio_.cache.remove_all();
  for (auto& [address, session] : sessions_) events_.changed(*session);
  for (auto& [address, path] : removable) {
    if (sessions_.contains(address)) continue;  // since then
    auto gone = co_await radio_.bluez.remove_device(path, deadline, unstoppable());
    if (gone.ok()) ++cleared.objects;
  }
  co_return cleared;
}

bool Connections::may_be_removed(const DeviceState& object) const {
  const auto address = DeviceAddress::parse(object.address);
  const bool in_use = object.connected || object.bonded || object.trusted;
  const auto* adapter = radio_.stack().adapter(object.adapter);
  const bool ignored = adapter && radio_.settings.ignores(adapter->address);
  return address && !in_use && !ignored && !sessions_.contains(*address) && radio_.cache.has(*address);
}

void Connections::configure(const Settings& settings) {
  quota_.configure(settings.quota);
  radio_.configure(settings);
  for (auto& [address, session] : sessions_) session->settings_changed();
}

void Connections::caller_left(const std::string& name) {
  for (auto& [address, session] : sessions_) session->caller_left(name, radio_.settings.linger);
}

std::vector<const DeviceSession*> Connections::sessions() const {
  std::vector<const DeviceSession*> all;
  all.reserve(sessions_.size());
  for (auto& [address, session] : sessions_) all.push_back(session.get());
  return all;
}

const DeviceSession* Connections::find(DeviceAddress address) const {
  const auto at = sessions_.find(address);
  return at == sessions_.end() ? nullptr : at->second.get();
}

std::size_t Connections::restore(const std::set<std::string>& on_bus) {
  std::size_t restored = 0;
  for (auto& [address, kept] : radio_.leases.former()) {
    std::vector<Lease> leases;
    for (auto& each : kept) {
      Lease lease{.holder = {each.name, each.uid}, .label = each.label};
      if (each.persistent) lease.lifetime = Lifetime::persistent;
      lease.maintained = each.maintained;
      lease.lingers_to = each.lingers_to;
      if (!each.persistent && !each.lingers_to && !on_bus.contains(each.name))
        lease.lingers_to = radio_.now() + radio_.settings.linger;
      if (lease.lingers_to)
        lease.lingers_to = std::min(*lease.lingers_to, radio_.now() + radio_.settings.linger);
      if (lease.lingers_to && *lease.lingers_to <= radio_.now()) continue;
      lease.hold = quota_.hold(each.uid, each.persistent ? Quota::Kind::persistent : Quota::Kind::ordinary);
      leases.push_back(std::move(lease));
    }
    restored += leases.size();
    session(address)->restore(std::move(leases));  // also without any: then its link is dropped
  }
  auto left_behind = radio_.dials.left_behind();
  if (!left_behind.empty()) scope_.spawn(end_leftovers(std::move(left_behind)));
  for (auto& [adapter, learned] : radio_.slots.former())
    radio_.queue.restore(adapter, learned.limit, radio_.now() - learned.age);
  return restored;
}

// A former life was killed while it dialled, or before anybody was told of a link. Whoever has a session
// here, by a lease or by a call that came meanwhile, takes the dial or the link over or ends it himself.
Task<Unit> Connections::end_leftovers(std::vector<std::string> paths) {
  co_await bluez_looked_at(radio_);
  const auto is_over = [this](const std::string& path) {
    return !radio_.dials.link_left_behind(radio_.stack().owner, path);
  };
  for (;;) {
    for (auto& path : paths) {
      if (is_over(path)) continue;
      const auto deadline = radio_.now() + kLookAll;
      auto looked = co_await radio_.bluez.get_device(path, deadline, unstoppable());
      const bool held = looked.ok() && is_taken_over(looked.value());
      if (!held && looked.ok()) co_await end_left_behind(radio_, path, unstoppable());
      if (looked.failed_by(Cause::object_gone)) radio_.dials.cleared(path);
    }
    std::erase_if(paths, is_over);
    if (paths.empty()) break;
    co_await idle_.until(kNever, unstoppable());  // a session has ended
  }
  co_return Unit{};
}

// Not by one that may not use its adapter: that would wait for ever for a device that has a link elsewhere.
bool Connections::is_taken_over(const DeviceState& object) const {
  const auto address = DeviceAddress::parse(object.address);
  const auto* adapter = radio_.stack().adapter(object.adapter);
  const auto* session = address ? find(*address) : nullptr;
  if (!session || !adapter) return false;
  if (session->bluez_device() == object.path) return true;  // also where its adapter is ignored by now
  return session->may_use(*adapter) && is_held(object, false);
}

Task<Unit> Connections::prepare_for_sleep(Duration patience) {
  const auto deadline = radio_.now() + patience;
  radio_.queue.hold();
  radio_.discovery.hold();
  Notice wake{radio_.executor};
  Notice::Forward queue{radio_.queue.changes(), wake};
  Notice::Forward discovery{radio_.discovery.changes(), wake};
  while (!(radio_.queue.none_dials() && radio_.discovery.quiet()) && radio_.now() < deadline)
    co_await wake.until(deadline, unstoppable());
  co_return Unit{};
}

void Connections::wake_up() {
  radio_.discovery.go_on();
  radio_.queue.go_on();
  radio_.absentees.look_now();
}

Task<Unit> Connections::shut_down(Duration patience) {
  shutting_down_ = true;
  const auto deadline = radio_.now() + patience;
  for (auto& [address, session] : sessions_) session->shut_down();
  Notice::Forward discovery{radio_.discovery.changes(), idle_};
  while ((!sessions_.empty() || endings_ > 0 || !radio_.discovery.quiet()) && radio_.now() < deadline)
    co_await idle_.until(deadline, unstoppable());
  co_return Unit{};
}

}  // namespace bleconnd
