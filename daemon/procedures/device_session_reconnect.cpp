// A maintained device without a link, while nobody waits for it.
#include <algorithm>

#include "procedures/device_session.hpp"
#include "procedures/settle.hpp"

namespace bleconnd {
// Until it is time, or somebody wants it now; then one dial.
Task<Unit> DeviceSession::reconnect() {
  Notice::Forward stack{radio_.bluez.stack_changed(), changed_};
  enter(Stage::backing_off, {}, {});
  Hope before{radio_.stack()};
  while (leases_.maintained() && !wants_it_now() && !shutting_down_ && !forget_) {
    const Hope now{radio_.stack()};
    if (now.better_than(before)) reconnect_.sign(radio_.now());
    before = now;
    away_or_back();
    if (!away_ && radio_.now() >= reconnect_.due()) {
      co_await run();
      break;
    }
    const auto until = away_ ? kNever : reconnect_.due();
    co_await changed_.until(until, unstoppable());
  }
  place_.reset();
  if (!link_ && !leases_.maintained()) enter(Stage::disconnected, {}, {});
  co_return Unit{};
}

// Who is away has a place among the absentees, and is back when it was heard there.
void DeviceSession::away_or_back() {
  if (place_ && place_->adapter() != terms_of_maintained().adapter) {
    place_.reset();
    missed_ = 0;  // on the adapters that it is to be heard by now
  }
  if (away_ && !place_) place_ = radio_.absentees.join(address_, terms_of_maintained(), missed_, changed_);
  if (!place_) return;
  missed_ = place_->missed();
  if (!place_->heard()) return;
  place_.reset();
  away_ = false;
  reconnect_.sign(radio_.now());
}

void DeviceSession::reconnects_after(const Failure& failure) {
  const auto cause = failure.cause;
  away_ =
      cause == Cause::window_over || cause == Cause::dial_timeout_unheard || cause == Cause::removed_unheard;
  reconnect_.failed(cause, radio_.now(), radio_.settings.reconnect);
  // Who is heard in every window and never when it is dialled opens no more windows than who is not heard.
  if (away_ && reconnect_.is_open()) missed_ = std::max(missed_, reconnect_.failures());
}

// A dial has failed, and that was told; or it is not there, and nothing was tried.
void DeviceSession::end_unattended(const Failure& failure) {
  if (failure.cause == Cause::window_over) away_ = true;
  enter(Stage::backing_off, {}, {});
}

}  // namespace bleconnd
