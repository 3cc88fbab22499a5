// What the procedures are told, message by message, and what they hold.
#include "fake_bluez.hpp"

#include <algorithm>

#include "core/gatt_tree.hpp"
#include "fake_bluez_call.hpp"

namespace bleconnd::simulation {

void Line::send(World::Action arrives) {
  last_ = std::max(last_, world_.now() + world_.between(shortest_, longest_));
  world_.after(last_ - world_.now(), [lost = std::weak_ptr{whole_}, arrives = std::move(arrives)] {
    if (!lost.expired()) arrives();
  });
}

class FakeBluez::Watch final : public DeviceWatch {
 public:
  Watch(FakeBluez& port, std::string path) : port_{port}, path_{std::move(path)}, changed_{port.world_} {
    entry().watches.push_back(this);
  }
  Watch(const Watch&) = delete;
  ~Watch() override {
    auto& mine = entry();
    std::erase(mine.watches, this);
    mine.used = ++port_.numbers_;
    auto& seen = mine.seen;
    if (mine.watches.empty() && (!seen.current || !seen.present || seen.connected)) follow_no_more(seen);
    port_.forget_unwatched();
  }
  const std::string& path() const override { return path_; }
  const Observation& seen() const override { return port_.entries_.at(path_).seen; }
  Notice& changed() override { return changed_; }

 private:
  Entry& entry() { return port_.entries_[path_]; }
  FakeBluez& port_;
  std::string path_;
  Notice changed_;
};

class FakeBluez::Listener final : public Ear {
 public:
  Listener(FakeBluez& port, std::string on, DeviceAddress of, std::vector<std::string> at, Notice& wakes)
      : notice{wakes}, port_{port}, adapter_{std::move(on)}, address_{of.text()}, paths_{std::move(at)} {
    paths_.push_back(adapter_ + "/" + of.object_name());
    port_.ears_.push_back(this);
  }
  Listener(const Listener&) = delete;
  ~Listener() override { port_.ears_.remove(this); }
  const std::optional<Report>& heard() const override { return report; }

  // `address` is empty where nobody told it: the object was there before us.
  bool is_meant(const std::string& path, const std::string& address) const {
    if (!path.starts_with(adapter_ + "/")) return false;
    return address == address_ || std::find(paths_.begin(), paths_.end(), path) != paths_.end();
  }

  Notice& notice;
  std::optional<Report> report = {};

 private:
  FakeBluez& port_;
  std::string adapter_, address_;
  std::vector<std::string> paths_;
};

FakeBluez::FakeBluez(World& world, Bluetoothd& bluetoothd, Latency latency)
    : world_{world},
      bluetoothd_{bluetoothd},
      to_bluetoothd_{world, latency.shortest, latency.longest},
      from_bluetoothd_{world, latency.shortest, latency.longest},
      stack_changed_{world} {
  bluetoothd_.set_signals(this);
  if (!bluetoothd_.owner().empty()) owner_changed(bluetoothd_.owner());
}

FakeBluez::~FakeBluez() {
  bluetoothd_.set_signals(nullptr);
  bluetoothd_.client_left();
}

std::size_t FakeBluez::watches() const {
  std::size_t count = 0;
  for (auto& [path, entry] : entries_) count += entry.watches.size();
  return count;
}

std::uint64_t FakeBluez::last_disconnect(const std::string& path) const {
  auto found = disconnects_.find(path);
  return found == disconnects_.end() ? 0 : found->second;
}

// --- what the procedures hold ---

Outcome<std::unique_ptr<DeviceWatch>> FakeBluez::watch(const std::string& path) {
  if (rules_are_used_up) return Failure{Cause::limits, "no match rule is left"};
  return std::unique_ptr<DeviceWatch>{std::make_unique<Watch>(*this, path)};
}

bool FakeBluez::has_services(const std::string& path) const {
  auto found = entries_.find(path);
  return found != entries_.end() && !found->second.seen.gatt.empty();
}

bool FakeBluez::knows(const std::string& path) const {
  auto found = entries_.find(path);
  return found != entries_.end() && found->second.seen.present;
}

void FakeBluez::forget_unwatched() {
  for (;;) {
    auto oldest = entries_.end();
    std::size_t unwatched = 0;
    for (auto at = entries_.begin(); at != entries_.end(); ++at) {
      if (!at->second.watches.empty()) continue;
      ++unwatched;
      if (oldest == entries_.end() || at->second.used < oldest->second.used) oldest = at;
    }
    if (unwatched <= remembered) return;
    entries_.erase(oldest);
  }
}

Outcome<std::unique_ptr<Ear>> FakeBluez::listen(const std::string& adapter, DeviceAddress address,
                                                std::vector<std::string> paths, Notice& notice) {
  if (rules_are_used_up || adapter == no_rule_on) return Failure{Cause::limits, "no match rule is left"};
  return std::unique_ptr<Ear>{std::make_unique<Listener>(*this, adapter, address, std::move(paths), notice)};
}

// --- signals, as they are sent ---

void FakeBluez::owner_changed(const std::string& owner) {
  from_bluetoothd_.send([this, owner] { told_owner(owner); });
}

void FakeBluez::adapter_added(const AdapterState& adapter) {
  from_bluetoothd_.send([this, adapter] {
    if (!stack_.explored) return;
    auto all = stack_.adapters;
    std::erase_if(all, [&](auto& each) { return each.path == adapter.path; });
    all.push_back(adapter);
    all.back().power_epoch = adapter.powered ? ++epochs_ : 0;
    std::sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.index < b.index; });
    stack_.adapters = std::move(all);
    stack_changed_.notify();
  });
}

void FakeBluez::adapter_removed(const std::string& path) {
  from_bluetoothd_.send([this, path] {
    std::erase_if(stack_.adapters, [&](auto& each) { return each.path == path; });
    stack_changed_.notify();
  });
}

void FakeBluez::adapter_powered(const std::string& path, bool powered) {
  from_bluetoothd_.send([this, path, powered] {
    for (auto& each : stack_.adapters) {
      if (each.path != path || each.powered == powered) continue;
      each.powered = powered;
      if (powered) each.power_epoch = ++epochs_;
    }
    stack_changed_.notify();
  });
}

void FakeBluez::device_added(const DeviceState& device) {
  from_bluetoothd_.send([this, device] { told_device(device, true); });
}

void FakeBluez::device_changed(const Change& change) {
  from_bluetoothd_.send([this, change] { told_change(change); });
}

void FakeBluez::device_removed(const std::string& path) {
  from_bluetoothd_.send([this, path] { told_gone(path); });
}

void FakeBluez::services_added(const std::string& device, const GattObjects& objects) {
  from_bluetoothd_.send([this, device, objects] {
    auto entry = entries_.find(device);
    if (entry == entries_.end()) return;
    for (auto& [path, each] : objects)
      if (const auto part = part_of(path, each, device)) entry->second.seen.gatt.put(*part);
    ++entry->second.seen.gatt_changes;
    entry->second.seen.services_listed.reset();
    notify(entry->second);
  });
}

void FakeBluez::services_removed(const std::string& device, const GattObjects& objects) {
  from_bluetoothd_.send([this, device, objects] {
    auto entry = entries_.find(device);
    if (entry == entries_.end()) return;
    for (auto& [path, each] : objects)
      if (const auto part = part_of(path, each, device)) entry->second.seen.gatt.erase(part->name);
    ++entry->second.seen.gatt_changes;
    entry->second.seen.services_listed.reset();
    notify(entry->second);
  });
}

// --- the same, as they arrive ---

void FakeBluez::told_owner(const std::string& owner) {
  world_.trace("told: owner " + owner);
  stack_ = {.owner = owner, .explored = false, .adapters = {}};
  addresses_.clear();
  for (auto& [path, entry] : entries_) {
    auto& seen = entry.seen;
    set_connected(seen, false);
    seen.present = seen.bonded = seen.gatt_whole = false;
    seen.services_listed.reset();
    seen.gatt.clear();
  }
  std::erase_if(entries_, [](auto& each) { return each.second.watches.empty(); });
  for (auto* each : std::exchange(calls_, {})) each->owner_lost();
  stack_changed_.notify();
  for (auto& [path, entry] : entries_) notify(entry);
  if (!owner.empty()) explore();
}

void FakeBluez::explore() {
  to_bluetoothd_.send([this, owner = stack_.owner] {
    if (bluetoothd_.owner() != owner) return;
    auto adapters = bluetoothd_.adapters();
    from_bluetoothd_.send([this, owner, adapters] { told_adapters(owner, adapters); });
  });
}

void FakeBluez::told_adapters(const std::string& owner, std::vector<AdapterState> adapters) {
  if (stack_.owner != owner) return;
  for (auto& each : adapters)
    if (each.powered) each.power_epoch = ++epochs_;
  stack_.adapters = std::move(adapters);
  stack_.explored = true;
  stack_changed_.notify();
}

void FakeBluez::set_connected(Observation& seen, bool connected) {
  if (seen.connected == connected) return;
  seen.connected = connected;
  ++(connected ? seen.links_up : seen.links_down);
  if (connected)
    seen.end_reason.clear();
  else
    seen.services_resolved = false;
}

void FakeBluez::told_device(const DeviceState& device, bool new_object) {
  addresses_[device.path] = device.address;
  if (new_object && is_waited_for(device)) {
    entries_[device.path].used = ++numbers_;
    forget_unwatched();
  }
  if (auto found = entries_.find(device.path); found != entries_.end()) {
    auto& seen = found->second.seen;
    seen.present = true;
    if (new_object) {
      seen.gatt.clear();
      seen.services_listed.reset();
      seen.gatt_whole = true;  // followed since the object was made
    }
    seen.bonded = device.bonded;
    if (found->second.is_followed()) {
      set_connected(seen, device.connected);
      seen.services_resolved = device.services_resolved;
      if (!new_object) seen.current = true;  // what an object is made with is told before its rule is there
    }
    notify(found->second);
  }
  if (new_object && device.rssi) report(device.path, device.address, *device.rssi);
}

void FakeBluez::told_change(const Change& change) {
  auto found = entries_.find(change.path);
  if (found != entries_.end() && found->second.is_followed()) {
    auto& seen = found->second.seen;
    seen.present = true;
    if (!change.end_reason.empty()) seen.end_reason = change.end_reason;
    if (seen.connected && seen.services_resolved && change.connected == true &&
        change.services_resolved == false)
      set_connected(seen, false);  // the next link, as the real port sees it
    if (change.connected) set_connected(seen, *change.connected);
    if (change.services_resolved) seen.services_resolved = *change.services_resolved;
    if (change.bonded) seen.bonded = *change.bonded;
    world_.trace("told: " + change.path + (seen.connected ? " connected" : " not connected") +
                 (seen.services_resolved ? ", resolved" : ""));
    if (found->second.watches.empty()) follow_no_more(seen);
    notify(found->second);
  }
  if (change.rssi) report(change.path, addresses_[change.path], *change.rssi);
}

void FakeBluez::told_gone(const std::string& path) {
  addresses_.erase(path);
  auto found = entries_.find(path);
  if (found == entries_.end()) return;
  world_.trace("told: " + path + " is gone");
  auto& seen = found->second.seen;
  set_connected(seen, false);
  seen.present = seen.bonded = seen.gatt_whole = false;
  seen.services_listed.reset();
  seen.gatt.clear();
  ++seen.removals;
  notify(found->second);
}

bool FakeBluez::is_waited_for(const DeviceState& device) const {
  return std::any_of(ears_.begin(), ears_.end(),
                     [&](auto* ear) { return ear->is_meant(device.path, device.address); });
}

void FakeBluez::report(const std::string& path, const std::string& address, std::int16_t rssi) {
  if (auto found = entries_.find(path); found != entries_.end() && !found->second.watches.empty()) {
    found->second.seen.heard = world_.now();
    notify(found->second);
  }
  for (auto* ear : ears_) {
    if (!ear->is_meant(path, address)) continue;
    ear->report = Ear::Report{.path = path, .rssi = rssi, .at = world_.now()};
    ear->notice.notify();
  }
}

void FakeBluez::notify(Entry& entry) {
  for (auto* each : entry.watches) each->changed().notify();
}

// --- calls ---

void FakeBluez::called(const std::string& member, const std::string& path) {
  world_.trace("call " + member + " " + path);
  if (member == "Disconnect" || member == "CancelPairing") disconnects_[path] = numbers_ + 1;
  if (on_call) on_call(member, path);
}

Task<Outcome<DeviceState>> FakeBluez::get_device(std::string path, TimePoint deadline, std::stop_token stop) {
  auto ask = [this, path](const Reply<DeviceState>& reply) { bluetoothd_.get_device(path, reply); };
  auto apply = [this, path](const Outcome<DeviceState>& told) {
    if (told.ok()) told_device(told.value(), false);
    if (told.failed_by(Cause::object_gone) && knows(path)) told_gone(path);
  };
  called("GetAll", path);
  Call<DeviceState> call{*this, deadline, std::move(stop), ask, apply};
  co_return co_await call;
}

Task<Outcome<bool>> FakeBluez::get_connected(std::string path, TimePoint deadline, std::stop_token stop) {
  auto ask = [this, path](const Reply<bool>& reply) { bluetoothd_.get_connected(path, reply); };
  auto apply = [this, path](const Outcome<bool>& told) {
    const auto found = entries_.find(path);
    if (told.ok() && found != entries_.end() && found->second.is_followed()) {
      set_connected(found->second.seen, told.value());
      notify(found->second);
    }
    if (told.failed_by(Cause::object_gone) && knows(path)) told_gone(path);
  };
  called("Get", path);
  Call<bool> call{*this, deadline, std::move(stop), ask, apply};
  co_return co_await call;
}

Task<Outcome<std::vector<DeviceState>>> FakeBluez::find_devices(DeviceAddress address, TimePoint deadline,
                                                                std::stop_token stop) {
  auto ask = [this, address](const Reply<std::vector<DeviceState>>& reply) {
    bluetoothd_.find_devices(address, reply);
  };
  auto apply = [this](const Outcome<std::vector<DeviceState>>& told) {
    if (!told.ok()) return;
    for (auto& each : told.value()) told_device(each, false);
  };
  called("GetManagedObjects", address.text());
  Call<std::vector<DeviceState>> call{*this, deadline, std::move(stop), ask, apply};
  co_return co_await call;
}

Task<Outcome<>> FakeBluez::list_services(std::string path, TimePoint deadline, std::stop_token stop) {
  using Handles = std::vector<std::uint16_t>;
  auto ask = [this, path](const Reply<Handles>& reply) { bluetoothd_.list_services(path, reply); };
  auto apply = [this, path](const Outcome<Handles>& told) {
    const auto entry = entries_.find(path);
    if (!told.ok() || entry == entries_.end()) return;
    auto& seen = entry->second.seen;
    if (!told.value().empty()) {
      seen.services_listed = told.value();
      return;
    }
    seen.gatt.clear();
    seen.gatt_whole = true;
  };
  Call<Handles> call{*this, deadline, std::move(stop), ask, apply};
  const auto told = co_await call;
  if (!told.ok()) co_return told.failure();
  co_return Unit{};
}

Task<Outcome<GattObjects>> FakeBluez::read_services(std::string path, TimePoint deadline,
                                                    std::stop_token stop) {
  auto ask = [this, path](const Reply<GattObjects>& reply) { bluetoothd_.read_services(path, reply); };
  auto apply = [this, path](const Outcome<GattObjects>& told) {
    auto entry = entries_.find(path);
    if (told.failed_by(Cause::object_gone) && knows(path)) told_gone(path);
    if (!told.ok() || entry == entries_.end()) return;
    entry->second.seen.gatt = packed(told.value(), path);
    entry->second.seen.gatt_whole = true;
  };
  called("GetManagedObjects", path);
  Call<GattObjects> call{*this, deadline, std::move(stop), ask, apply};
  co_return co_await call;
}

Task<Outcome<std::vector<DeviceState>>> FakeBluez::all_devices(TimePoint deadline, std::stop_token stop) {
  auto ask = [this](const Reply<std::vector<DeviceState>>& reply) { bluetoothd_.all_devices(reply); };
  called("GetManagedObjects", "/");
  Call<std::vector<DeviceState>> call{*this, deadline, std::move(stop), ask};
  co_return co_await call;
}

Task<Outcome<std::vector<std::uint8_t>>> FakeBluez::read_value(std::string characteristic, TimePoint deadline,
                                                               std::stop_token stop) {
  auto ask = [this, characteristic](const Reply<std::vector<std::uint8_t>>& reply) {
    bluetoothd_.read_value(characteristic, reply);
  };
  called("ReadValue", characteristic);
  Call<std::vector<std::uint8_t>> call{*this, deadline, std::move(stop), ask};
  co_return co_await call;
}

Task<Outcome<>> FakeBluez::trust(std::string path, TimePoint deadline, std::stop_token stop) {
  auto ask = [this, path](const Reply<Unit>& reply) { bluetoothd_.set_trusted(path, reply); };
  called("Trust", path);
  Call<Unit> call{*this, deadline, std::move(stop), ask};
  co_return co_await call;
}

Task<Outcome<>> FakeBluez::remove_device(std::string path, TimePoint deadline, std::stop_token stop) {
  auto ask = [this, path](const Reply<Unit>& reply) { bluetoothd_.remove_device(path, reply); };
  called("RemoveDevice", path);
  Call<Unit> call{*this, deadline, std::move(stop), ask};
  co_return co_await call;
}

Task<Outcome<>> FakeBluez::connect(std::string path, TimePoint deadline, std::stop_token stop) {
  called("Connect", path);
  const auto number = ++numbers_;
  auto ask = [this, path, number](const Reply<Unit>& reply) {
    bluetoothd_.connect(path, Program::ours, number, reply);
  };
  Call<Unit> call{*this, deadline, std::move(stop), ask, {}, number};
  co_return co_await call;
}

Task<Outcome<>> FakeBluez::pair(std::string path, TimePoint deadline, std::stop_token stop) {
  called("Pair", path);
  const auto number = ++numbers_;
  auto ask = [this, path, number](const Reply<Unit>& reply) {
    bluetoothd_.pair(path, Program::ours, number, reply);
  };
  Call<Unit> call{*this, deadline, std::move(stop), ask, {}, number};
  co_return co_await call;
}

Task<Outcome<>> FakeBluez::disconnect(std::string path, TimePoint deadline, std::stop_token stop) {
  called("Disconnect", path);
  ++numbers_;
  auto ask = [this, path](const Reply<Unit>& reply) { bluetoothd_.disconnect(path, Program::ours, reply); };
  Call<Unit> call{*this, deadline, std::move(stop), ask};
  co_return co_await call;
}

Task<Outcome<>> FakeBluez::cancel_pairing(std::string path, TimePoint deadline, std::stop_token stop) {
  called("CancelPairing", path);
  ++numbers_;
  auto ask = [this, path](const Reply<Unit>& reply) { bluetoothd_.cancel_pairing(path, reply); };
  Call<Unit> call{*this, deadline, std::move(stop), ask};
  co_return co_await call;
}

Task<Outcome<>> FakeBluez::start_discovery(std::string adapter, TimePoint deadline, std::stop_token stop) {
  auto filter = [this, adapter](const Reply<Unit>& reply) {
    bluetoothd_.set_discovery_filter(adapter, reply);
  };
  Call<Unit> filtering{*this, deadline, std::move(stop), filter};
  auto filtered = co_await filtering;
  if (!filtered.ok()) co_return filtered;
  called("StartDiscovery", adapter);
  auto ask = [this, adapter](const Reply<Unit>& reply) {
    bluetoothd_.start_discovery(adapter, Program::ours, reply);
  };
  Call<Unit> call{*this, deadline, unstoppable(), ask};
  co_return co_await call;
}

Task<Outcome<>> FakeBluez::stop_discovery(std::string adapter, TimePoint deadline, std::stop_token stop) {
  called("StopDiscovery", adapter);
  auto ask = [this, adapter](const Reply<Unit>& reply) {
    bluetoothd_.stop_discovery(adapter, Program::ours, reply);
  };
  Call<Unit> call{*this, deadline, std::move(stop), ask};
  co_return co_await call;
}

}  // namespace bleconnd::simulation
