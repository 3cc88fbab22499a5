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

// base, doubled with each failure in a row.
void Reconnect::retry(milliseconds base, Time now, const Times& times) {
  constexpr std::uint32_t enough = 19;  // 0.25 s x 2^19 is beyond the day that can be set
  const auto delay = base * (std::int64_t{1} << std::min(failures_, enough));
  tried_ = now;
  due_ = now + std::min<milliseconds>(delay, times.longest);
}

void Reconnect::lost(std::string_view reason, Time now, const Times& times) {
  const bool lasted = up_since_ && now - *up_since_ >= times.stable;
  failures_ = lasted ? 0 : failures_ + 1;
  up_since_.reset();
  retry(after_loss(reason), now, times);
}

void Reconnect::failed(Cause cause, Time now, const Times& times) {
  up_since_.reset();
  ++failures_;
  retry(row(cause).counter == Counter::hopeless ? milliseconds{times.longest} : kLeast, now, times);
}

void Reconnect::sign(Time now) {
  const auto soonest = is_open() ? tried_ + kFresh : now;
  due_ = std::min(due_, std::max(now, soonest));
}

}  // namespace bleconnd
