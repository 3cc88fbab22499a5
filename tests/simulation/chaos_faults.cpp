// What goes wrong in a seeded run.
#include "chaos.hpp"

namespace bleconnd::simulation {

void Chaos::something_happens() {
  switch (world().number(14)) {
    case 13:
      if (happens("configuration")) configuration_changes();
      break;
    case 12:
      if (happens("sleep")) host_sleeps();
      break;
    case 0:
    case 1:
    case 2:
      if (happens("device")) device_fault();
      break;
    case 3:
    case 4:
      if (happens("adapter")) adapter_fault();
      break;
    case 5:
      if (happens("bluetoothd")) bluetoothd_fault();
      break;
    case 6:
    case 7:
    case 8:
      if (neighbours_ && happens("neighbour")) neighbour_acts();
      break;
    default:
      if (happens("call")) call_fault();
  }
  const bool burst = world().chance(30);
  later(0s, burst ? Duration{500ms} : Duration{15s}, [this] { something_happens(); });
}

Manner Chaos::some_manner() {
  Manner manner;
  auto& dice = world();
  switch (dice.number(7)) {
    case 0:
      manner.completes = false;
      break;
    case 1:
      manner.drops_after = any_of(std::vector<Duration>{0ms, 1ms, 5ms, 50ms, 500ms, 3s});
      break;
    case 2:
      manner.mute = true;
      break;
    case 3:
      manner.silent = true;
      manner.unresolved = dice.chance(30);
      break;
    case 4:
      manner.fails_unseen = true;
      break;
    case 5:
      manner.unresolved = true;
      break;
    default:
      manner.pairing = dice.chance(50) ? Manner::Pairing::rejected : Manner::Pairing::mute;
  }
  return manner;
}

void Chaos::device_fault() {
  const auto& device = any_of(devices_);
  auto& peer = bluetoothd().peer(device);
  switch (world().number(4)) {
    case 0:
      peer.services = 1 + static_cast<int>(world().number(3));
      if (world().chance(50)) peer.hash.assign(16, static_cast<std::uint8_t>(world().number(250)));
      if (world().chance(50)) bluetoothd().service_changed(device);
      break;
    case 1:
      for (auto& adapter : adapters_) bluetoothd().hears_no_more(adapter, device);
      later(0s, 40s, [this, device] {
        for (auto& [adapter, rssi] : heard_by_[device]) bluetoothd().hears(adapter, device, rssi);
      });
      break;
    case 2:
      for (auto count = 1 + world().number(3); count > 0; --count) peer.first.push_back(some_manner());
      break;
    default:
      bluetoothd().drop_link(device);
  }
}

void Chaos::adapter_fault() {
  // A bluetoothd that handles nothing tells of no adapter, either.
  if (world().now() < scene_.daemon().bluez.stalled_until()) return;
  const auto& adapter = any_of(adapters_);
  auto& controller = bluetoothd().controller(adapter);
  const auto longest = world().chance(30) ? Duration{1ms} : Duration{25s};
  switch (world().number(4)) {
    case 0:
      controller.blocked = true;
      bluetoothd().power(adapter, false);
      later(0s, longest, [this, adapter] {
        bluetoothd().controller(adapter).blocked = false;
        bluetoothd().power(adapter, true);
      });
      break;
    case 1:
      bluetoothd().unplug(adapter);
      later(0s, longest, [this, adapter] { bluetoothd().plug(adapter); });
      break;
    case 2:  // all of them, back in another order
      for (auto& each : adapters_) bluetoothd().unplug(each);
      for (auto& each : adapters_) later(0s, longest, [this, each] { bluetoothd().plug(each); });
      break;
    default:
      controller.slots = world().number(3);
  }
}

void Chaos::bluetoothd_fault() {
  switch (world().number(4)) {
    case 0:
      bluetoothd().kill();
      break;
    case 1:
      bluetoothd().terminate();
      break;
    case 2:
      if (neighbours_) return;  // they would be handled meanwhile
      scene_.daemon().bluez.stall(world().between(0s, 8s));
      return;
    default:
      bluetoothd().hold_properties(world().between(0s, 8s));
      return;
  }
  const auto longest = world().chance(30) ? Duration{1ms} : Duration{25s};
  later(0s, longest, [this] { bluetoothd().start(); });
}

// The kernel ends all links before it sleeps, and clocks stand still meanwhile.
void Chaos::host_sleeps() {
  if (scene_.is_asleep()) return;
  scene_.sleep();
  later(4s, 8s, [this] {
    if (!scene_.is_asleep()) return;
    for (auto& device : devices_) bluetoothd().drop_link(device);
    later(0s, 2s, [this] {
      if (scene_.is_asleep()) scene_.wake();
    });
  });
}

// A reload while anything is under way; one adapter or another is ignored until the next one.
void Chaos::configuration_changes() {
  for (auto& adapter : adapters_) scene_.settings.adapters[adapter].ignore = world().chance(30);
  scene_.settings.listen.pause = any_of(std::vector<std::chrono::seconds>{5s, 20s});
  scene_.settings.pauses.slot_refused = any_of(std::vector<std::chrono::milliseconds>{250ms, 4000ms});
  scene_.configure();
}

void Chaos::neighbour_acts() {
  const auto& adapter = any_of(adapters_);
  const auto path = bluetoothd().path(adapter, any_of(devices_));
  auto* object = bluetoothd().object(path);
  switch (world().number(7)) {
    case 0:
      if (bluetoothd().controller(adapter).powered && !bluetoothd().owner().empty())
        bluetoothd().foreign_discovery(adapter, world().chance(50));
      break;
    case 1:
      bluetoothd().foreign_remove(path);
      break;
    case 2:
      bluetoothd().foreign_disconnect(path);
      break;
    case 3:
      if (object) object->trusted = true;
      break;
    case 4:
      bluetoothd().foreign_pair(path);
      later(0s, 60s, [this, path] { bluetoothd().foreign_disconnect(path); });
      break;
    default:
      bluetoothd().foreign_connect(path);
      later(0s, 60s, [this, path] { bluetoothd().foreign_disconnect(path); });
  }
}

// Answers that BlueZ, or a bus, can give to each call. From BlueZ's source and measured on 5.66: an LE
// Connect that fails later says le-connection-abort-by-local whatever the cause; it says success without a
// link when its adapter goes; it is never answered when the object is removed, as it is at a failed link of
// an untrusted device; a pending Connect of anybody makes the next one InProgress; an unpowered adapter is an
// Input/output error; le-connection-* and br-connection-* are BlueZ >= 5.62. Aborts and lost answers are the
// most frequent, and twice in the list.
void Chaos::call_fault() {
  static const Fault kAborted{.name = "org.bluez.Error.Failed", .text = "le-connection-abort-by-local"};
  static const Fault kBusy{.name = "org.bluez.Error.InProgress", .text = "In Progress"};
  static const Fault kForgotten{.name = kBusy.name, .text = kBusy.text, .orphans = true};
  static const Fault kNotReady{.name = "org.bluez.Error.NotReady", .text = "Resource Not Ready"};
  static const Fault kGone{.name = "org.freedesktop.DBus.Error.UnknownObject", .text = "doesn't exist\n"};
  static const Fault kTimedOut{.name = "org.freedesktop.DBus.Error.NoReply", .text = "Method call timed out"};
  static const Fault kOther{.name = "org.bluez.Error.Failed", .text = "br-connection-unknown"};
  static const Fault kOtherButDone{
      .name = "org.bluez.Error.Failed", .text = "br-connection-unknown", .carried_out = true};
  static const Fault kSlots{.name = "org.bluez.Error.Failed",
                            .text = "le-connection-concurrent-connection-limit"};
  static const Fault kSocket{.name = "org.bluez.Error.Failed", .text = "Input/output error"};
  static const Fault kKeyMissing{.name = "org.bluez.Error.Failed", .text = "br-connection-key-missing"};
  static const Fault kProfile{.name = "org.bluez.Error.NotAvailable",
                              .text = "br-connection-profile-unavailable",
                              .carried_out = true};
  static const Fault kDenied{.name = "org.freedesktop.DBus.Error.AccessDenied",
                             .text = "Rejected send message"};
  static const Fault kPairFailed{.name = "org.bluez.Error.AuthenticationFailed",
                                 .text = "Authentication Failed"};
  static const Fault kPairTimedOut{.name = "org.bluez.Error.AuthenticationTimeout",
                                   .text = "Authentication Timeout"};
  static const Fault kNoPair{.name = "org.bluez.Error.DoesNotExist", .text = "Does Not Exist"};
  static const Fault kNoFilter{.name = "org.bluez.Error.NotSupported", .text = "Operation is not supported"};
  static const Fault kEmptySuccess{};
  static const Fault kLost{.answered = false};
  static const std::vector<std::pair<std::string, std::vector<Fault>>> kCalls{
      {"Connect",
       {kAborted, kBusy, kNotReady, kGone, kTimedOut, kOther, kOtherButDone, kSlots, kSocket, kEmptySuccess,
        kLost, kKeyMissing, kProfile, kDenied}},
      {"Connect", {kAborted, kAborted, kBusy, kOtherButDone, kSlots, kEmptySuccess, kLost}},
      {"Pair", {kBusy, kGone, kTimedOut, kOther, kEmptySuccess, kLost, kPairFailed, kPairTimedOut}},
      {"CancelPairing", {kNoPair, kTimedOut, kLost}},
      {"SetDiscoveryFilter", {kNoFilter, kNotReady, kTimedOut, kLost}},
      {"GetAll", {kTimedOut, kOther, kLost}},
      {"Get", {kTimedOut, kOther, kLost}},
      {"GetManagedObjects", {kTimedOut, kOther, kLost}},
      {"Introspect", {kTimedOut, kOther, kLost}},
      {"StartDiscovery", {kBusy, kNotReady, kTimedOut, kOther, kEmptySuccess, kLost}},
      {"StopDiscovery", {kForgotten, kTimedOut, kLost}},
      {"Disconnect", {kTimedOut, kLost}},
      {"ReadValue", {kTimedOut, kOther, kLost}},
      {"RemoveDevice", {kTimedOut, kOther, kLost}},
      {"Set", {kGone, kTimedOut, kLost}},
  };
  const auto& [member, faults] = any_of(kCalls);
  auto fault = any_of(faults);
  // Whose a link or a dial is, is known by looks and answers: BlueZ fails no look and no Disconnect of an
  // object that is there, and leaves no dial unanswered whose object stays.
  const bool dials = member == "Connect" || member == "Pair";
  const bool looks = member == "GetAll" || member == "Get";
  const bool tells_whose = looks || member == "Disconnect" || (dials && !fault.answered);
  if (neighbours_ && tells_whose) return;
  if (scene_.counts_others && member == "GetManagedObjects") return;
  fault.after = world().chance(30) && !fault.orphans ? world().between(0s, 25s) : Duration{0s};
  fault.dials = dials && (fault.after > 0s || !fault.answered);
  // A Disconnect or a StopDiscovery that is lost is made once more. BlueZ fails neither; two in a row are not
  // bargained for.
  const bool made_again = member == "Disconnect" || member == "StopDiscovery";
  auto& script = bluetoothd().faults[member];
  if (made_again && world().now() < spared_until_) return;
  if (made_again) spared_until_ = world().now() + 60s;
  script.push_back(fault);
  if (made_again) later(30s, 30s, [&script] { script.clear(); });  // if nobody has met it
  if (!world().chance(5)) return;
  scene_.daemon().bluez.rules_are_used_up = true;
  later(0s, 2s, [this] { scene_.daemon().bluez.rules_are_used_up = false; });
}

}  // namespace bleconnd::simulation
