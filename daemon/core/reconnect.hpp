// When a maintained device is dialled again: soon after a loss, ever more rarely after failures in a row (a
// circuit breaker), and at once on a sign that it is back. Pure; time comes in.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/failure.hpp"

namespace bleconnd {

class Reconnect {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::milliseconds kLeast{250};
  static constexpr std::chrono::minutes kMost{5};
  // A link that lasted so long forgives the failures before it. Shorter ones are failures themselves: a
  // device that drops every link at once is dialled no more often than one that cannot be dialled.
  static constexpr std::chrono::seconds kStable{60};
  // So many failures in a row open the circuit: a sign that the device is back is then worth a dial only once
  // in kFresh. With kMost this bounds the dials of a device to 20 + 120 in its first hour and 12 + 120 in any
  // other.
  static constexpr std::uint32_t kOpenAfter = 5;
  static constexpr std::chrono::seconds kFresh{30};

  // What the administrator may change of it.
  struct Times {
    std::chrono::seconds longest{kMost};
    std::chrono::seconds stable{kStable};
    bool operator==(const Times&) const = default;
  };

  void connected(Time now) { up_since_ = now; }
  // `reason` as Device1.Disconnected tells it: link-lost, link-lost-timeout, link-lost-remote, adapter-off …
  void lost(std::string_view reason, Time now, const Times& times = {kMost, kStable});
  void failed(Cause cause, Time now, const Times& times = {kMost, kStable});
  // It was heard after it had been away, its adapter has come up, or bluetoothd is back: half-open.
  void sign(Time now);
  // A call with priority high, a success that lasted: as if nothing had failed.
  void forgive() { failures_ = 0; }

  Time due() const { return due_; }
  std::uint32_t failures() const { return failures_; }  // in a row
  bool is_open() const { return failures_ >= kOpenAfter; }

 private:
  void retry(std::chrono::milliseconds base, Time now, const Times& times);

  std::uint32_t failures_ = 0;
  Time due_{};    // at once
  Time tried_{};  // when the last try ended
  std::optional<Time> up_since_;
};

}  // namespace bleconnd
