// The machine: bluetoothd's life, adapters, the objects of devices and how long they live.
#include "bluetoothd.hpp"

#include <algorithm>

#include "core/gatt_database.hpp"

namespace bleconnd::simulation {

Duration Bluetoothd::about(Duration usual) {
  return habits.jitter ? world_.between(usual / 2, usual * 2) : usual;
}

// --- property changes ---

Bluetoothd::Dirty& Bluetoothd::touch(const Object& object) {
  const bool first = dirty_.empty();
  auto [entry, fresh] = dirty_.try_emplace(object.path);
  if (fresh) dirty_order_.push_back(object.path);
  if (first) {
    const auto delay = std::max(about(habits.property_delay), held_until_ - world_.now());
    world_.after(delay, [this] { flush(); });
  }
  return entry->second;
}

void Bluetoothd::flush() {
  auto changed = std::exchange(dirty_, {});
  for (auto& path : std::exchange(dirty_order_, {})) {
    auto* of = object(path);
    if (!of) continue;
    const auto& what = changed.at(path);
    Signals::Change change{.path = path, .end_reason = what.reason};
    if (what.connected) change.connected = of->connected;
    if (what.resolved) change.services_resolved = of->resolved;
    if (what.bonded) change.bonded = of->bonded;
    if (what.rssi) change.rssi = of->rssi;
    tell([&](Signals& to) { to.device_changed(change); });
  }
}

// --- bluetoothd ---

void Bluetoothd::start() {
  if (!owner_.empty()) return;
  owner_ = ":1." + std::to_string(100 + ++starts_);
  world_.trace("bluetoothd starts as " + owner_);
  for (auto& [address, controller] : controllers_)
    if (!controller->path.empty()) restore(*controller);
  tell([&](Signals& to) { to.owner_changed(owner_); });
  for (auto& [address, controller] : controllers_) {
    if (controller->path.empty() || controller->powered || controller->blocked) continue;
    world_.after(about(300ms),
                 [this, address = address] { power(address, !this->controller(address).blocked); });
  }
}

void Bluetoothd::kill() {
  if (owner_.empty()) return;
  world_.trace("bluetoothd is killed");
  met(dials(Program::ours) > 0 ? "bluetoothd killed under a dial" : "bluetoothd killed");
  forget_everything();
  owner_.clear();
  tell([](Signals& to) { to.owner_changed({}); });
}

void Bluetoothd::terminate() {
  if (owner_.empty()) return;
  world_.trace("bluetoothd is terminated");
  met(dials(Program::ours) > 0 ? "bluetoothd ended under a dial" : "bluetoothd ended");
  flush();
  for (auto& [address, controller] : controllers_) {
    if (controller->path.empty()) continue;
    store(*controller);
    for (auto* each : objects_of(*controller))
      if (each->temporary && !each->connected) remove_object(*each);
    for (auto* each : objects_of(*controller)) {
      if (each->link) link_down(*each, "Local");
      each->dial.reset();  // the bus will answer it
    }
    flush();
    controller->powered = controller->wedged = false;
    tell([&, path = controller->path](Signals& to) { to.adapter_powered(path, false); });
    for (auto* each : objects_of(*controller)) remove_object(*each);
    tell([&, path = controller->path](Signals& to) { to.adapter_removed(path); });
  }
  forget_everything();
  owner_.clear();
  tell([](Signals& to) { to.owner_changed({}); });
}

void Bluetoothd::forget_everything() {
  for (auto& [address, controller] : controllers_) {
    if (!objects_of(*controller).empty()) store(*controller);
    controller->discovering.clear();
    controller->scans_for_nobody = false;
    controller->queue.clear();
    controller->creating = nullptr;
    controller->create_timer.reset();
  }
  for (auto& [path, each] : objects_)
    if (each->link) link_dies_in(*each->peer, 2s);  // measured after SIGKILL
  objects_.clear();
  dirty_.clear();
  dirty_order_.clear();
}

void Bluetoothd::link_dies_in(Peer& peer, Duration span) {
  peer.linked_at += " (dying)";
  world_.after(span, [this, &peer, was = peer.linked_at] {
    if (peer.linked_at != was) return;
    peer.linked_at.clear();
    listen_everywhere();
  });
}

void Bluetoothd::client_left() {
  for (auto& [address, controller] : controllers_) {
    controller->discovering.erase(Program::ours);
    discovery_ended(*controller);
  }
}

void Bluetoothd::met(const std::string& member, const Fault& fault) {
  auto how = !fault.answered ? "no answer" : fault.text.empty() ? "success" : fault.text;
  if (how.ends_with('\n')) how.pop_back();
  met(member + ": " + how + (fault.carried_out ? ", though done" : ""));
  if (fault.answered && fault.after > 0s) met("a late answer");
}

// --- adapters ---

Controller& Bluetoothd::controller(const std::string& address) {
  auto& controller = controllers_[address];
  if (!controller) controller = std::make_unique<Controller>(Controller{.address = address});
  return *controller;
}

Controller* Bluetoothd::at(const std::string& path) {
  for (auto& [address, controller] : controllers_)
    if (!path.empty() && controller->path == path) return controller.get();
  return nullptr;
}

std::vector<AdapterState> Bluetoothd::adapters() const {
  std::vector<AdapterState> all;
  for (auto& [address, controller] : controllers_)
    if (!controller->path.empty())
      all.push_back({.index = controller->index,
                     .path = controller->path,
                     .name = "hci" + std::to_string(controller->index),
                     .address = address,
                     .powered = controller->powered});
  std::sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.index < b.index; });
  return all;
}

void Bluetoothd::plug(const std::string& address) {
  auto& plugged = controller(address);
  if (!plugged.path.empty()) return;
  plugged.index = 0;
  while (at("/org/bluez/hci" + std::to_string(plugged.index))) ++plugged.index;
  plugged.path = "/org/bluez/hci" + std::to_string(plugged.index);
  world_.trace(address + " is plugged in as " + plugged.path);
  if (owner_.empty()) {
    plugged.powered = !plugged.blocked;
    return;
  }
  for (auto& each : adapters())
    if (each.address == address) tell([&](Signals& to) { to.adapter_added(each); });
  restore(plugged);
  for (auto* each : objects_of(plugged)) tell([&](Signals& to) { to.device_added(state(*each)); });
  world_.after(about(300ms), [this, address] {
    if (!controller(address).blocked) power(address, true);
  });
}

void Bluetoothd::unplug(const std::string& address) {
  auto& gone = controller(address);
  if (gone.path.empty()) return;
  world_.trace(gone.path + " is unplugged");
  const auto path = gone.path;
  gone.powered = gone.wedged = false;
  gone.discovering.clear();
  gone.scans_for_nobody = false;
  if (!owner_.empty()) {
    store(gone);
    for (auto* each : objects_of(gone))
      if (each->link) link_down(*each, "Local");
    flush();
    tell([&](Signals& to) { to.adapter_powered(path, false); });
    for (auto* each : objects_of(gone)) {
      if (!each->dial) continue;
      met("unplugged under a dial: success");
      dial_ends(*each, Unit{});  // without a link
    }
    for (auto* each : objects_of(gone)) remove_object(*each);
    tell([&](Signals& to) { to.adapter_removed(path); });
  }
  gone.path.clear();
}

void Bluetoothd::power(const std::string& address, bool on) {
  auto& switched = controller(address);
  if (switched.path.empty() || switched.powered == on) return;
  world_.trace(switched.path + (on ? " is powered" : " loses its power"));
  switched.powered = on;
  switched.wedged = false;
  if (owner_.empty()) return;
  const auto path = switched.path;
  if (on) {
    flush();
    tell([&](Signals& to) { to.adapter_powered(path, true); });
    return listen_everywhere();
  }
  switched.discovering.clear();
  switched.scans_for_nobody = false;
  for (auto* each : objects_of(switched))
    if (each->temporary && !each->connected) remove_object(*each);
  for (auto* each : objects_of(switched))
    if (each->link) link_down(*each, "Local");
  if (!habits.success_when_power_goes)
    for (auto* each : objects_of(switched)) {
      if (!each->dial) continue;
      met("power lost under a dial: failure");
      if (each->trusted || each->bonded)
        dial_aborts(*each);
      else
        remove_object(*each);
      link_failed();
    }
  flush();
  tell([&](Signals& to) { to.adapter_powered(path, false); });
  for (auto* each : objects_of(switched)) {
    if (!each->dial) continue;
    met("power lost under a dial: success");
    dial_ends(*each, Unit{});
    link_failed();
  }
}

// --- objects of devices ---

Object* Bluetoothd::object(const std::string& path) {
  auto found = objects_.find(path);
  return found == objects_.end() ? nullptr : found->second.get();
}

std::vector<Object*> Bluetoothd::objects_of(const Controller& controller) const {
  std::vector<Object*> all;
  for (auto& [path, each] : objects_)
    if (each->controller == &controller) all.push_back(each.get());
  return all;
}

std::string Bluetoothd::path(const std::string& adapter, const std::string& address) {
  for (auto* each : objects_of(controller(adapter)))
    if (each->peer == &peer(address)) return each->path;
  return controller(adapter).path + "/" + DeviceAddress::parse(address)->object_name();
}

DeviceState Bluetoothd::state(const Object& object) const {
  return {.path = object.path,
          .adapter = object.controller->path,
          .address = object.told_address.empty() ? object.address.text() : object.told_address,
          .connected = object.connected,
          .services_resolved = object.resolved,
          .bonded = object.bonded,
          .trusted = object.trusted,
          .low_energy = object.low_energy,
          .rssi = object.rssi};
}

Object& Bluetoothd::add_object(Controller& controller, Peer& peer, const std::string& path) {
  auto made = std::make_unique<Object>(
      Object{.path = path, .controller = &controller, .peer = &peer, .address = peer.address});
  auto& object = *made;
  objects_[path] = std::move(made);
  return object;
}

// A dial that waits for an answer never gets one.
void Bluetoothd::remove_object(Object& object) {
  flush();
  leave_queue(object);
  auto& controller = *object.controller;
  auto& peer = *object.peer;
  if (object.link) peer.linked_at.clear();
  if (object.dial) met("object removed under a dial");
  const auto path = object.path;
  world_.trace("removed " + path);
  objects_.erase(path);
  tell([&](Signals& to) { to.device_removed(path); });
  create_next(controller);
  listen_everywhere();
}

void Bluetoothd::expire_later(Object& object) {
  object.expiry.reset();
  if (!object.temporary || object.connected) return;
  object.expiry = world_.timer(habits.temporary, [this, &object] {
    met(object.dial ? "object expired under a dial" : "object expired");
    remove_object(object);
  });
}

Object& Bluetoothd::make_object(const std::string& adapter, const std::string& address,
                                const std::string& path_address) {
  auto& on = controller(adapter);
  const auto& in_path = path_address.empty() ? address : path_address;
  auto& made = add_object(on, peer(address), on.path + "/" + DeviceAddress::parse(in_path)->object_name());
  made.temporary = false;
  tell([&](Signals& to) { to.device_added(state(made)); });
  return made;
}

void Bluetoothd::bond(const std::string& path) {
  auto& object = *objects_.at(path);
  object.bonded = true;
  object.temporary = false;
  object.expiry.reset();
}

void Bluetoothd::store(Controller& controller) {
  controller.stored.clear();
  for (auto* each : objects_of(controller))
    if (!each->temporary) controller.stored[each->address] = {each->trusted, each->bonded};
}

void Bluetoothd::restore(Controller& controller) {
  for (auto& [address, stored] : controller.stored) {
    auto& object = add_object(controller, peers_.at(address), controller.path + "/" + address.object_name());
    object.temporary = false;
    object.trusted = stored.trusted;
    object.bonded = stored.bonded;
  }
  controller.stored.clear();
}

// --- reads ---

void Bluetoothd::get_device(const std::string& path, Reply<DeviceState> reply) {
  if (scripted("GetAll", reply)) return;
  auto* of = object(path);
  if (!of) return unknown_object(reply, "org.freedesktop.DBus.Properties", "GetAll");
  answer<DeviceState>(reply, state(*of));
}

void Bluetoothd::get_connected(const std::string& path, Reply<bool> reply) {
  if (scripted("Get", reply)) return;
  auto* of = object(path);
  if (!of) return unknown_object(reply, "org.freedesktop.DBus.Properties", "Get");
  answer<bool>(reply, state(*of).connected);
}

void Bluetoothd::find_devices(DeviceAddress address, Reply<std::vector<DeviceState>> reply) {
  if (scripted("GetManagedObjects", reply)) return;
  std::vector<DeviceState> found;
  for (auto& [path, each] : objects_)
    if (each->address == address || each->connected) found.push_back(state(*each));
  answer<std::vector<DeviceState>>(reply, std::move(found));
}

void Bluetoothd::all_devices(Reply<std::vector<DeviceState>> reply) {
  if (scripted("GetManagedObjects", reply)) return;
  std::vector<DeviceState> all;
  for (auto& [path, each] : objects_) all.push_back(state(*each));
  answer<std::vector<DeviceState>>(reply, std::move(all));
}

void Bluetoothd::list_services(const std::string& path, Reply<std::vector<std::uint16_t>> reply) {
  if (scripted("Introspect", reply)) return;
  auto* of = object(path);
  if (!of) return answer<std::vector<std::uint16_t>>(reply, Cause::object_gone);  // as an empty node is read
  std::vector<std::uint16_t> handles;
  for (auto& [each, object] : of->gatt) {
    const auto name = GattName::parse(std::string_view{each}.substr(path.size() + 1));
    if (name && name->depth() == 1) handles.push_back(name->service);
  }
  answer<std::vector<std::uint16_t>>(reply, std::move(handles));
}

void Bluetoothd::read_services(const std::string& path, Reply<GattObjects> reply) {
  if (scripted("GetManagedObjects", reply)) return;
  auto* of = object(path);
  if (!of) return answer<GattObjects>(reply, Cause::object_gone);  // as the port reads a list without it
  answer<GattObjects>(reply, of->gatt);
}

std::size_t Bluetoothd::dials(Program by) const {
  std::size_t count = 0;
  for (auto& [path, each] : objects_) count += each->dial && each->dial->program == by ? 1 : 0;
  return count;
}

std::size_t Bluetoothd::links(Program by) const {
  std::size_t count = 0;
  for (auto& [path, each] : objects_) count += each->link && each->link->program == by ? 1 : 0;
  return count;
}

std::size_t Bluetoothd::scans_for_nobody() const {
  std::size_t count = 0;
  for (auto& [address, controller] : controllers_) count += controller->scans_for_nobody ? 1 : 0;
  return count;
}

std::size_t Bluetoothd::discoveries(Program by) const {
  std::size_t count = 0;
  for (auto& [address, controller] : controllers_) count += controller->discovering.count(by);
  return count;
}

}  // namespace bleconnd::simulation
