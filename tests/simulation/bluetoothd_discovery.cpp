// The air: reports of advertisers, the objects they make, discovery sessions.
#include "bluetoothd.hpp"

namespace bleconnd::simulation {

Peer& Bluetoothd::peer(const std::string& address) {
  const auto parsed = *DeviceAddress::parse(address);
  return peers_.try_emplace(parsed, Peer{.address = parsed}).first->second;
}

void Bluetoothd::hears(const std::string& adapter, const std::string& address, std::int16_t rssi) {
  auto& heard = peer(address);
  heard.heard_by[adapter] = rssi;
  listen(controller(adapter), heard);
}

void Bluetoothd::hears_no_more(const std::string& adapter, const std::string& address) {
  peer(address).heard_by.erase(adapter);
}

bool Bluetoothd::wants_reports(const Controller& controller, const Peer& peer) const {
  if (owner_.empty() || controller.path.empty() || !controller.powered) return false;
  if (!controller.discovering.empty() || controller.scans_for_nobody) return true;
  for (auto& [path, each] : objects_)  // the kernel's own scan, for a dial
    if (each->controller == &controller && each->peer == &peer && each->dial && !each->link) return true;
  return false;
}

void Bluetoothd::listen(Controller& controller, Peer& peer) {
  if (!peer.heard_by.contains(controller.address) || !wants_reports(controller, peer)) return;
  if (!reporting_.emplace(controller.address, peer.address).second) return;
  world_.after(about(peer.interval), [this, &controller, &peer] { report(controller, peer); });
}

void Bluetoothd::listen_everywhere() {
  for (auto& [at, controller] : controllers_)
    for (auto& [address, each] : peers_) listen(*controller, each);
}

void Bluetoothd::report(Controller& controller, Peer& peer) {
  reporting_.erase({controller.address, peer.address});
  auto heard_at = peer.heard_by.find(controller.address);
  if (heard_at == peer.heard_by.end() || !wants_reports(controller, peer)) return;
  // While the controller makes a link it does not scan.
  if (peer.linked_at.empty() && !controller.creating) {
    std::vector<Object*> known;
    for (auto* each : objects_of(controller))
      if (each->peer == &peer) known.push_back(each);
    if (!controller.discovering.empty()) {
      if (known.empty()) {
        auto& made = add_object(controller, peer, controller.path + "/" + peer.address.object_name());
        made.rssi = heard_at->second;
        known.push_back(&made);
        world_.trace("heard, made " + made.path);
        tell([&](Signals& to) { to.device_added(state(made)); });
      } else {
        for (auto* each : known) {
          each->rssi = heard_at->second;
          touch(*each).rssi = true;
        }
      }
      for (auto* each : known)
        if (each->temporary) expire_later(*each);
    }
    for (auto* each : known)
      if (each->dial) heard(*each);
  }
  listen(controller, peer);
}

void Bluetoothd::drop_link(const std::string& address, const std::string& reason) {
  for (auto& [path, each] : objects_)
    if (each->peer == &peer(address) && each->link) return link_down(*each, reason);
}

// --- sessions ---

void Bluetoothd::set_discovery_filter(const std::string& path, Reply<Unit> reply) {
  if (scripted("SetDiscoveryFilter", reply)) return;
  auto* on = at(path);
  if (!on) return unknown_object(reply, "org.bluez.Adapter1", "SetDiscoveryFilter");
  if (!on->powered) return fail(reply, "org.bluez.Error.NotReady", "Resource Not Ready");
  answer<Unit>(reply, Unit{});
}

void Bluetoothd::start_discovery(const std::string& path, Program by, Reply<Unit> reply) {
  if (scripted("StartDiscovery", reply)) return;
  auto* on = at(path);
  if (!on) return unknown_object(reply, "org.bluez.Adapter1", "StartDiscovery");
  if (!on->powered) return fail(reply, "org.bluez.Error.NotReady", "Resource Not Ready");
  if (!on->discovering.insert(by).second)
    return fail(reply, "org.bluez.Error.InProgress", "Operation already in progress");
  answer<Unit>(reply, Unit{});
  listen_everywhere();
}

void Bluetoothd::stop_discovery(const std::string& path, Program by, Reply<Unit> reply) {
  auto* on = at(path);
  const bool ours = by == Program::ours;  // what another program leaves behind is its own
  if (auto& script = faults["StopDiscovery"]; ours && on && !script.empty() && script.front().orphans) {
    on->scans_for_nobody = on->discovering.erase(by) > 0 && on->discovering.empty();
    if (!on->scans_for_nobody) script.pop_front();
  }
  if (ours && scripted("StopDiscovery", reply)) return;
  if (!on) return unknown_object(reply, "org.bluez.Adapter1", "StopDiscovery");
  if (!on->powered) return fail(reply, "org.bluez.Error.NotReady", "Resource Not Ready");
  if (on->discovering.erase(by) == 0) return fail(reply, "org.bluez.Error.Failed", "No discovery started");
  discovery_ended(*on);
  answer<Unit>(reply, Unit{});
}

void Bluetoothd::discovery_ended(Controller& controller) {
  if (!controller.discovering.empty()) return;
  controller.scans_for_nobody = false;
  for (auto* each : objects_of(controller)) each->rssi.reset();
}

void Bluetoothd::foreign_discovery(const std::string& adapter, bool on) {
  const auto path = controller(adapter).path;
  if (on) return start_discovery(path, Program::foreign, {});
  stop_discovery(path, Program::foreign, {});
}

}  // namespace bleconnd::simulation
