// Connect, Pair and Disconnect: from the call over the kernel's queue to the link, its services, its end.
#include <algorithm>
#include <cstdio>

#include "bluetoothd.hpp"

namespace bleconnd::simulation {
namespace {

constexpr auto kAttach = 30ms;        // between the link and the answer
constexpr auto kRefusal = 50ms;       // of a controller without a free slot
constexpr auto kHangUp = 2s;          // DISCONNECT_TIMER
constexpr auto kAfterAnswer = 100ms;  // Connected=false comes this much behind Disconnect's answer (< 5.79)
constexpr auto kBonding = 700ms;
constexpr auto kLateObjects = 20ms;
constexpr auto kMuteAtt = 30s;
constexpr auto kMutePairing = 30200ms;

// A service with one characteristic at `handle`, 180N and 2aNN.
void add_service(GattObjects& all, const std::string& device, unsigned handle, const std::string& uuid,
                 const std::string& characteristic) {
  char name[32], below[32];
  std::snprintf(name, sizeof name, "/service%04x", handle);
  std::snprintf(below, sizeof below, "/char%04x", handle + 1);
  const auto base = std::string{"-0000-1000-8000-00805f9b34fb"};
  const auto service = device + name;
  all[service] = {"org.bluez.GattService1",
                  {{"UUID", "0000" + uuid + base}, {"Primary", true}, {"Device", ObjectPathText{device}}}};
  all[service + below] = {"org.bluez.GattCharacteristic1",
                          {{"UUID", "0000" + characteristic + base},
                           {"Service", ObjectPathText{service}},
                           {"Flags", std::vector<std::string>{"read"}}}};
}

GattObjects tree(const std::string& device, const Peer& peer) {
  GattObjects all;
  if (!peer.hash.empty()) add_service(all, device, 0x0001, "1801", "2b2a");
  for (int i = 1; i <= peer.services; ++i) {
    const auto digit = std::to_string(i);
    add_service(all, device, 0x10U * static_cast<unsigned>(i), "180" + digit, "2a0" + digit);
  }
  if (peer.nameless)
    for (auto& [path, each] : all) each.properties.erase("UUID");
  return all;
}

}  // namespace

// --- the dial ---

Failure Bluetoothd::aborted() const {
  return classify("org.bluez.Error.Failed", habits.texts_of_errno ? "Software caused connection abort"
                                                                  : "le-connection-abort-by-local");
}

Failure Bluetoothd::canceled(const Dial& dial, bool early) const {
  if (dial.pairing) return classify("org.bluez.Error.AuthenticationCanceled", "Authentication Canceled");
  const auto* text = !habits.texts_of_errno ? "br-connection-canceled"
                     : early                ? "Disconnected early"
                                            : "Cancelled";
  return classify("org.bluez.Error.Failed", text);
}

void Bluetoothd::connect(const std::string& path, Program by, std::uint64_t call, Reply<Unit> reply) {
  auto* of = object(path);
  world_.trace((by == Program::ours ? "arrives: Connect " : "another program: Connect ") + path +
               (!of                       ? ", no object"
                : of->dial                ? ", a dial stands"
                : of->connected           ? ", a link is up"
                : of->controller->powered ? ""
                                          : ", no power"));
  // A dial that stands is told at once, whatever else goes wrong: whose dial it is depends on it.
  if (of && of->dial) met("Connect: a dial stands");
  if (of && of->dial && habits.in_progress_by_name)
    return fail(reply, "org.bluez.Error.InProgress", "In Progress");
  if (of && of->dial) return fail(reply, "org.bluez.Error.Failed", "Operation already in progress");
  if (by == Program::ours && of && dials_in_vain("Connect", *of, call, reply)) return;
  // Where a link is up, BlueZ has nothing to wait for: a dial by script that would stand is answered.
  if (auto& script = faults["Connect"]; of && of->connected && !script.empty() && script.front().dials) {
    script.pop_front();
    return answer<Unit>(reply, Unit{});
  }
  if (by == Program::ours && scripted("Connect", reply)) return;
  if (!of) return unknown_object(reply, "org.bluez.Device1", "Connect");
  if (!of->controller->powered) met("Connect: no power");
  if (!of->controller->powered) return fail(reply, "org.bluez.Error.Failed", "Input/output error");
  if (of->connected) return answer<Unit>(reply, Unit{});
  dial(*of, by, call, std::move(reply), false);
}

void Bluetoothd::pair(const std::string& path, Program by, std::uint64_t call, Reply<Unit> reply) {
  auto* of = object(path);
  if (of && of->dial) return fail(reply, "org.bluez.Error.InProgress", "In Progress");
  if (by == Program::ours && of && dials_in_vain("Pair", *of, call, reply)) return;
  if (by == Program::ours && scripted("Pair", reply)) return;
  if (!of) return unknown_object(reply, "org.bluez.Device1", "Pair");
  if (of->bonded && !habits.bonded_pair_fails)
    return fail(reply, "org.bluez.Error.AlreadyExists", "Already Exists");
  if (of->bonded || !of->controller->powered)
    return fail(reply, "org.bluez.Error.AuthenticationFailed", "Authentication Failed");
  dial(*of, by, call, std::move(reply), true);
}

void Bluetoothd::dial(Object& of, Program by, std::uint64_t call, Reply<Unit> reply, bool pairing) {
  of.dial = std::make_unique<Dial>(Dial{
      .program = by, .call = call, .reply = std::move(reply), .pairing = pairing, .since = world_.now()});
  if (!of.peer->private_address) {  // Connect keeps no object of a private address (5.66)
    of.temporary = false;
    of.expiry.reset();
  }
  if (pairing && of.connected) {
    of.dial->timer = world_.timer(about(kBonding), [this, &of] { bonding_done(of); });
    return;
  }
  if (!pairing)
    of.dial->timer = world_.timer(habits.l2cap_timeout, [this, &of] {
      met("a dial of 40 s");
      dial_aborts(of);
    });
  listen(*of.controller, *of.peer);
}

// A dial by script, which is answered late, or never, and blocks others meanwhile.
bool Bluetoothd::dials_in_vain(const std::string& member, Object& of, std::uint64_t call,
                               const Reply<Unit>& reply) {
  auto& script = faults[member];
  if (script.empty() || !script.front().dials) return false;
  if (!of.controller->powered || of.dial || of.connected) return false;
  const auto fault = script.front();
  script.pop_front();
  met(member, fault);
  of.temporary = false;
  of.expiry.reset();
  of.dial = std::make_unique<Dial>(Dial{.program = Program::ours,
                                        .call = call,
                                        .reply = {},
                                        .pairing = member == "Pair",
                                        .since = world_.now()});
  if (fault.answered) of.dial->reply = reply;
  of.dial->in_vain = true;
  of.dial->timer = world_.timer(fault.answered ? fault.after : habits.l2cap_timeout, [this, &of, fault] {
    if (fault.name.empty()) return dial_ends(of, Unit{});
    dial_ends(of, classify(fault.name, fault.text));
  });
  return true;
}

void Bluetoothd::heard(Object& of) {
  auto& on = *of.controller;
  if (of.dial->in_vain) return;
  if (of.link || on.creating == &of) return;
  if (std::find(on.queue.begin(), on.queue.end(), &of) == on.queue.end()) on.queue.push_back(&of);
  create_next(on);
}

void Bluetoothd::create_next(Controller& on) {
  if (on.creating || on.queue.empty() || !on.powered || on.wedged) return;
  auto& of = *on.queue.front();
  on.queue.pop_front();
  on.creating = &of;
  of.dial->manner = of.peer->next_manner();
  std::size_t links = 0;
  for (auto* each : objects_of(on)) links += each->link ? 1 : 0;
  if (on.slots > 0 && links >= on.slots) {
    met("no slot");
    on.create_timer = world_.timer(about(kRefusal), [this, &of] { creation_failed(of); });
    return;
  }
  if (of.dial->manner.fails_unseen) {
    on.create_timer = world_.timer(about(of.peer->link_time), [this, &of] { failed_unseen(of); });
    return;
  }
  if (!of.dial->manner.completes) {
    on.create_timer = world_.timer(habits.create_timeout, [this, &of] { creation_failed(of); });
    return;
  }
  on.create_timer = world_.timer(about(of.peer->link_time), [this, &of] {
    const bool there = of.peer->heard_by.contains(of.controller->address) && of.peer->linked_at.empty();
    if (there) return link_up(of);
    of.controller->create_timer = world_.timer(habits.create_timeout, [this, &of] { creation_failed(of); });
  });
}

void Bluetoothd::leave_queue(Object& of) {
  auto& on = *of.controller;
  std::erase(on.queue, &of);
  if (on.creating != &of) return;
  on.creating = nullptr;
  on.create_timer.reset();
}

// mgmt "Connect Failed": an object that nothing keeps is removed at once, and its dial never answered.
void Bluetoothd::creation_failed(Object& of) {
  auto& on = *of.controller;
  const bool kept = of.trusted || of.bonded;
  met(kept ? "link not made: an answer" : "link not made: the object goes");
  if (of.dial->pairing && kept)
    dial_ends(of, classify("org.bluez.Error.ConnectionAttemptFailed", "Page Timeout"));
  else if (kept || habits.error_before_removal)
    dial_aborts(of);
  if (!kept) remove_object(of);
  create_next(on);
  link_failed();
}

// The dial stands until its 40 s are over.
void Bluetoothd::failed_unseen(Object& of) {
  auto& on = *of.controller;
  met(habits.wedges ? "link failed unseen: no more links" : "link failed unseen");
  of.dial->in_vain = true;
  on.wedged = habits.wedges;
  leave_queue(of);
  create_next(on);
}

// After this step: what has noticed it is still at work.
void Bluetoothd::link_failed() {
  if (!habits.failed_link_kills) return;
  world_.after(0s, [this, died = owner_] {
    if (owner_ != died || owner_.empty()) return;
    met("bluetoothd died of a failed link");
    kill();
    if (on_death) on_death();
  });
}

void Bluetoothd::dial_ends(Object& of, Outcome<> outcome) {
  leave_queue(of);
  auto ended = std::move(of.dial);
  answer<Unit>(ended->reply, std::move(outcome));
  create_next(*of.controller);
}

void Bluetoothd::dial_aborts(Object& of) {
  dial_ends(of, aborted());
}

// --- the link ---

void Bluetoothd::link_up(Object& of) {
  auto& on = *of.controller;
  on.creating = nullptr;
  on.create_timer.reset();
  of.link = std::make_unique<RadioLink>(
      RadioLink{.program = of.dial->program, .manner = of.dial->manner, .since = world_.now()});
  of.dial->timer.reset();
  of.peer->linked_at = of.path;
  of.connected = true;
  of.expiry.reset();
  of.rssi.reset();
  world_.trace("link up " + of.path);
  if (of.link->manner.silent) met("Connected=true not told");
  if (!of.link->manner.silent) touch(of).connected = true;
  if (const auto span = of.link->manner.drops_after)
    of.link->drop = world_.timer(*span, [this, &of] { link_down(of, "Remote"); });
  of.link->next = world_.timer(about(kAttach), [this, &of] { attached(of); });
  create_next(on);
}

void Bluetoothd::attached(Object& of) {
  if (of.dial && !of.dial->pairing) dial_ends(of, Unit{});
  if (of.link->manner.unresolved) return met("ServicesResolved never");
  if (!of.link->manner.mute) {
    of.link->next = world_.timer(about(of.peer->discovery_time), [this, &of] { discovered(of); });
    return;
  }
  of.link->next = world_.timer(kMuteAtt, [this, &of] {
    met("ServicesResolved a lie");
    of.resolved = true;
    touch(of).resolved = true;
    of.link->next = world_.timer(2s, [this, &of] { link_down(of, "Timeout"); });
  });
}

void Bluetoothd::discovered(Object& of) {
  services_are(of);
  of.resolved = true;
  touch(of).resolved = true;
  if (of.dial && of.dial->pairing)
    of.dial->timer = world_.timer(about(kBonding), [this, &of] { bonding_done(of); });
}

void Bluetoothd::services_are(Object& of) {
  const auto now = tree(of.path, *of.peer);
  GattObjects gone, made;
  for (auto& [path, each] : of.gatt)
    if (!now.contains(path)) gone[path] = each;
  for (auto& [path, each] : now)
    if (!of.gatt.contains(path)) made[path] = each;
  of.gatt = now;
  flush();
  if (!gone.empty()) tell([&](Signals& to) { to.services_removed(of.path, gone); });
  if (made.empty()) return;
  if (!habits.tells_objects_late) return tell([&](Signals& to) { to.services_added(of.path, made); });
  met("services told late");
  world_.after(kLateObjects, [this, path = of.path, made] {
    GattObjects there;
    if (const auto* still = object(path))
      for (auto& [name, each] : made)
        if (still->gatt.contains(name)) there[name] = each;
    if (!there.empty()) tell([&](Signals& to) { to.services_added(path, there); });
  });
}

void Bluetoothd::service_changed(const std::string& address) {
  for (auto& [path, each] : objects_)
    if (each->peer == &peer(address) && each->link && each->resolved) {
      met("services changed");
      services_are(*each);
    }
}

void Bluetoothd::read_value(const std::string& characteristic, Reply<std::vector<std::uint8_t>> reply) {
  if (scripted("ReadValue", reply)) return;
  auto* of = object(characteristic.substr(0, characteristic.find("/service")));
  if (!of || !of->gatt.contains(characteristic))
    return unknown_object(reply, "org.bluez.GattCharacteristic1", "ReadValue");
  if (!of->link) return fail(reply, "org.bluez.Error.Failed", "Not connected");
  answer<std::vector<std::uint8_t>>(reply, of->peer->hash);
}

void Bluetoothd::set_trusted(const std::string& path, Reply<Unit> reply) {
  if (scripted("Set", reply)) return;
  auto* of = object(path);
  if (!of) return unknown_object(reply, "org.freedesktop.DBus.Properties", "Set");
  of->trusted = true;
  of->temporary = false;
  of->expiry.reset();
  answer<Unit>(reply, Unit{});
}

void Bluetoothd::remove_device(const std::string& path, Reply<Unit> reply) {
  if (scripted("RemoveDevice", reply)) return;
  auto* of = object(path);
  if (!of) return fail(reply, "org.bluez.Error.DoesNotExist", "Does Not Exist");
  if (!of->controller->powered) return fail(reply, "org.bluez.Error.NotReady", "Resource Not Ready");
  remove(*of, std::move(reply));
}

void Bluetoothd::remove(Object& of, Reply<Unit> reply) {
  const auto gone = [this, path = of.path, reply](const Outcome<>&) {
    if (auto* still = object(path)) {
      still->controller->stored.erase(still->address);
      remove_object(*still);
    }
    answer<Unit>(reply, Unit{});
  };
  if (!of.link) return gone(Unit{});
  met("removed under a link");
  of.link->hanging_up.push_back(
      [this, gone](const Outcome<>& ended) { world_.after(Duration{1ms}, [gone, ended] { gone(ended); }); });
  if (!of.link->down) of.link->down = world_.timer(about(kHangUp), [this, &of] { link_down(of, "Local"); });
}

void Bluetoothd::bonding_done(Object& of) {
  switch (of.link->manner.pairing) {
    case Manner::Pairing::works:
      of.bonded = true;
      touch(of).bonded = true;
      return dial_ends(of, Unit{});
    case Manner::Pairing::rejected:
      met("Pair: rejected");
      return dial_ends(of, classify("org.bluez.Error.AuthenticationRejected", "Authentication Rejected"));
    case Manner::Pairing::mute:
      met("Pair: mute");
      of.dial->timer = world_.timer(kMutePairing, [this, &of] { link_down(of, "Local"); });
  }
}

void Bluetoothd::link_down(Object& of, const std::string& reason) {
  world_.trace("link down " + of.path);
  if (of.dial) {
    const bool early = world_.now() - of.link->since <= 1ms;
    met(early ? "link lost at once" : "link lost before the answer");
    dial_ends(of, of.dial->pairing || early ? canceled(*of.dial, early) : aborted());
    link_failed();
  } else if (!of.resolved && !of.link->down) {
    met("link lost before its services");
  }
  const auto ended = std::move(of.link);
  of.connected = false;
  of.resolved = false;
  auto& dirty = touch(of);
  dirty.connected = dirty.resolved = true;
  if (habits.tells_reason) dirty.reason = "org.bluez.Reason." + reason;
  of.peer->linked_at.clear();
  if (!of.trusted && !of.bonded) of.temporary = true;
  if (habits.drops_services && !of.bonded) drop_services(of);
  expire_later(of);
  for (auto& waiting : ended->hanging_up) answer<Unit>(waiting, Unit{});
  listen_everywhere();
}

void Bluetoothd::drop_services(Object& of) {
  const auto gone = std::exchange(of.gatt, {});
  if (gone.empty()) return;
  met("services gone with the link");
  tell([&](Signals& to) { to.services_removed(of.path, gone); });
}

// --- Disconnect ---

void Bluetoothd::disconnect(const std::string& path, Program by, Reply<Unit> reply) {
  if (by == Program::ours && scripted("Disconnect", reply)) return;
  auto* of = object(path);
  if (!of) return unknown_object(reply, "org.bluez.Device1", "Disconnect");
  // Nobody is told of a pairing on a link: whose the link is counts.
  const bool foreign =
      of->link ? of->link->program == Program::foreign : of->dial && of->dial->program == Program::foreign;
  if (by == Program::ours && foreign && on_foreign_ended) on_foreign_ended(*of);
  if (of->dial) dial_ends(*of, canceled(*of->dial));
  if (!of->link) return answer<Unit>(reply, Unit{});
  of->link->hanging_up.push_back(std::move(reply));
  if (!of->link->down) of->link->down = world_.timer(about(kHangUp), [this, of] { hang_up_done(*of); });
}

void Bluetoothd::hang_up_done(Object& of) {
  if (habits.connected_before_reply) return link_down(of, "Local");
  of.resolved = false;
  touch(of).resolved = true;
  for (auto& waiting : std::exchange(of.link->hanging_up, {})) answer<Unit>(waiting, Unit{});
  of.link->down = world_.timer(about(kAfterAnswer), [this, &of] { link_down(of, "Local"); });
}

void Bluetoothd::cancel_pairing(const std::string& path, Reply<Unit> reply) {
  if (scripted("CancelPairing", reply)) return;
  auto* of = object(path);
  if (!of) return unknown_object(reply, "org.bluez.Device1", "CancelPairing");
  if (!of->dial || !of->dial->pairing) return fail(reply, "org.bluez.Error.DoesNotExist", "Does Not Exist");
  dial_ends(*of, canceled(*of->dial));
  answer<Unit>(reply, Unit{});
}

// --- other programs ---

void Bluetoothd::foreign_connect(const std::string& path) {
  connect(path, Program::foreign, ++foreign_calls_, {});
}

void Bluetoothd::foreign_disconnect(const std::string& path) {
  disconnect(path, Program::foreign, {});
}

void Bluetoothd::foreign_remove(const std::string& path) {
  auto* of = object(path);
  if (of && of->controller->powered) remove(*of, {});
}

void Bluetoothd::foreign_pair(const std::string& path) {
  pair(path, Program::foreign, ++foreign_calls_, {});
}

}  // namespace bleconnd::simulation
