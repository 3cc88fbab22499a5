// The waits of maintained devices.
#include "core/reconnect.hpp"

#include <algorithm>

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

// What the end of a link says of the next dial (Device1.Disconnected of BlueZ >= 5.83; before, nothing is
// said).
milliseconds after_loss(std::string_view reason) {
  if (reason == "link-lost-local") return 5s;            // a program of this host ended it, on purpose
  if (reason == "link-lost-remote") return 1s;           // the device ended it, mostly to sleep or to restart
  if (reason == "link-lost-authentication") return 60s;  // its key does not fit; dialling does not mend that
  return Reconnect::kLeast;                              // supervision timeout, adapter, bluetoothd, unknown
}

}  // namespace

// base, doubled with each failure in a row, at most kMost.
void Reconnect::retry(milliseconds base, Time now) {
  constexpr std::uint32_t enough = 11;  // 0.25 s x 2^11 is beyond kMost
  const auto delay = base * (1U << std::min(failures_, enough));
  tried_ = now;
  due_ = now + std::min<milliseconds>(delay, kMost);
}

void Reconnect::lost(std::string_view reason, Time now) {
  const bool lasted = up_since_ && now - *up_since_ >= kStable;
  failures_ = lasted ? 0 : failures_ + 1;
  up_since_.reset();
  retry(after_loss(reason), now);
}

void Reconnect::failed(Cause cause, Time now) {
  up_since_.reset();
  ++failures_;
  retry(row(cause).counter == Counter::hopeless ? milliseconds{kMost} : kLeast, now);
}

void Reconnect::sign(Time now) {
  const auto soonest = is_open() ? tried_ + kFresh : now;
  due_ = std::min(due_, std::max(now, soonest));
}

}  // namespace bleconnd
