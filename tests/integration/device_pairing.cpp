// Pair and CancelPairing of a device object.
// A peer that is away is never given up: mgmt's Pair Device has no time-out.
#include "adapter.hpp"
#include "device.hpp"

namespace bleconnd::integration {

void Device::pair(Message call) {
  const BluezVersion version = core_.settings.version;
  if (pairing_ || (connecting_ && version.connect_is_exclusive()))
    return core_.fail(call, "org.bluez.Error.InProgress", "In Progress");
  if (paired_ && version.pairs_bonded_le_correctly())
    return core_.fail(call, "org.bluez.Error.AlreadyExists", "Already Exists");
  if (paired_ || !adapter_.powered())  // before 5.79 the wrong bearer is chosen for a bonded device
    return core_.fail(call, "org.bluez.Error.AuthenticationFailed", "Authentication Failed");
  keep();
  pairing_ = true;
  pair_call_ = std::move(call);
  if (connected_) return begin_bonding(false);
  if (!in_reach()) return;
  adapter_.dial(*this, core_.settings.timing.link_up, [this] {
    link_up();
    begin_bonding(true);
  });
}

void Device::begin_bonding(bool own_link) {
  const PairStep step = peripheral_.pairs.take();
  if (step.kind == PairStep::Kind::never) return;
  const BluezTiming& timing = core_.settings.timing;
  const microseconds times[] = {timing.pair, step.after, {}, timing.pair_mute};
  pair_step_ = core_.after(times[static_cast<std::size_t>(step.kind)],
                           [this, step, own_link] { end_bonding(step, own_link); });
}

void Device::end_bonding(const PairStep& step, bool own_link) {
  if (step.kind == PairStep::Kind::natural) return bonded();
  if (step.kind == PairStep::Kind::mute) return link_lost(LinkEnd::local);
  pairing_ = false;
  const Message call = std::exchange(pair_call_, {});
  if (own_link) link_lost(LinkEnd::local);
  core_.fail(call, step.error, step.message);
}

void Device::bonded() {
  pairing_ = false;
  paired_ = true;
  if (!peripheral_.identity.empty() && address_ != peripheral_.identity) {  // the path stays
    address_ = peripheral_.identity;
    set("Address", address_);
    set("AddressType", std::string{"public"});
  }
  keep();
  if (core_.settings.version.has_bonded()) set("Bonded", true);
  core_.objects.flush();
  if (!resolved_) discover_services();
  set("Paired", true);
  core_.answer(std::exchange(pair_call_, {}));
}

void Device::fail_pairing(const std::string& error, const std::string& message) {
  if (!pairing_) return;
  pairing_ = false;
  pair_step_.cancel();
  adapter_.cancel_dial(*this);
  core_.fail(std::exchange(pair_call_, {}), error, message);
}

void Device::cancel_pairing(const Message& call) {
  if (!pairing_) return core_.fail(call, "org.bluez.Error.DoesNotExist", "Does Not Exist");
  fail_pairing("org.bluez.Error.AuthenticationCanceled", "Authentication Canceled");
  core_.answer(call);
}

void Device::client_gone(const std::string& bus_name) {
  if (!pairing_ || !pair_call_) return;
  if (text_or_empty(sd_bus_message_get_sender(pair_call_.get())) != bus_name) return;
  pairing_ = false;
  pair_step_.cancel();
  adapter_.cancel_dial(*this);
  pair_call_ = {};
}

}  // namespace bleconnd::integration
