// Connect of a device object, up to the link: what follows from the world, and what a script makes of it.
// Kernel and controller are in here too: waiting to hear the device, one link at a time, lack of slots.
#include "adapter.hpp"
#include "device.hpp"

namespace bleconnd::integration {
void Device::connect(Message call) {
  const BluezVersion version = core_.settings.version;
  if (connecting_ || (pairing_ && version.connect_is_exclusive())) {
    if (version.connect_is_exclusive()) return core_.fail(call, "org.bluez.Error.InProgress", "In Progress");
    return core_.fail(call, failed, "Operation already in progress");
  }
  if (connected_) return core_.answer(call);
  const ConnectStep step = peripheral_.connects.take();
  if (step.kind == ConnectStep::Kind::swallow) return;
  keep();
  if (!adapter_.powered()) return core_.fail(call, failed, "Input/output error");
  if (step.kind == ConnectStep::Kind::late_error) {
    adapter_.fail_later(call, step.after, step.error, step.message.empty() ? abort_text() : step.message);
    return;
  }
  step_ = step;
  connecting_ = true;
  connect_call_ = std::move(call);
  if (temporary_ && version.connect_restarts_temporary_timer()) restart_temporary_timer();
  start_dial();
}

void Device::start_dial() {
  switch (step_.kind) {
    case ConnectStep::Kind::fail:
      return step_after(step_.after, [this] { fail_connect(step_.error, step_.message); });
    case ConnectStep::Kind::vanish:
      return step_after(step_.after, [this] { vanish(); });
    case ConnectStep::Kind::success_without_link:
      return step_after(step_.after, [this] { connect_succeeds_without_link(); });
    case ConnectStep::Kind::slots_full:
      return refuse_for_lack_of_slots();
    case ConnectStep::Kind::hang:
      return;
    case ConnectStep::Kind::link_fails:
      return link_never_completes();
    default:
      break;
  }
  // BlueZ's own L2CAP time-out runs from the call, whatever the kernel waits for.
  step_after(core_.settings.timing.not_advertising, [this] { fail_connect(failed, {}); });
  if (in_reach()) return create_link();
  peripheral_.waiting_.insert(this);  // the kernel's accept list: others are not blocked
}

void Device::heard_while_dialling() {
  if (!in_reach()) return;
  peripheral_.waiting_.erase(this);
  create_link();
}

void Device::create_link() {
  if (adapter_.is_full()) return refuse_for_lack_of_slots();
  adapter_.dial(*this, core_.settings.timing.link_up, [this] { link_up(); });
}

void Device::refuse_for_lack_of_slots() {
  const BluezTiming& timing = core_.settings.timing;
  if (trusted_ || paired_) return step_after(timing.refused_trusted, [this] { fail_connect(failed, {}); });
  step_after(timing.refused_untrusted, [this] { vanish(); });
}

void Device::link_never_completes() {
  const BluezTiming& timing = core_.settings.timing;
  const auto time = core_.settings.kernel == Kernel::linux_6_12 ? timing.link_fails_6_12 : timing.link_fails;
  adapter_.dial(*this, time, [this] {
    const bool kept = trusted_ || paired_;
    if (kept || step_.error_before_removal) fail_connect(failed, {});
    if (!kept) vanish();
  });
}

std::string Device::abort_text() const {
  return core_.settings.version.named_connection_errors() ? "le-connection-abort-by-local"
                                                          : "Software caused connection abort";
}

void Device::fail_connect(const std::string& error, const std::string& message) {
  stop_dialling();
  core_.fail(std::exchange(connect_call_, {}), error, message.empty() ? abort_text() : message);
}

void Device::connect_aborts() {
  fail_connect(failed, {});
}

void Device::connect_succeeds_without_link() {
  stop_dialling();
  core_.answer(std::exchange(connect_call_, {}));
}

void Device::stop_dialling() {
  steps_.clear();
  peripheral_.waiting_.erase(this);
  adapter_.cancel_dial(*this);
  connecting_ = false;
}

}  // namespace bleconnd::integration
