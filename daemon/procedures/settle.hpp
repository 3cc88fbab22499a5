// Between two attempts: until the old link is gone, then the back-off, ended early by a sign that another try
// is worth it.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

#include "procedures/attempt.hpp"
#include "procedures/radio.hpp"

namespace bleconnd {

// What ends a wait early: the device is heard or linked, an adapter has come up, bluetoothd is back.
struct Hope {
  explicit Hope(const Stack& stack, const DeviceWatch* watch = nullptr);
  bool better_than(const Hope& before) const;

  std::optional<TimePoint> heard;
  std::uint32_t links_up = 0;
  std::string owner;
  std::uint64_t powered = 0;  // the newest power epoch
};

// Until Connected=false, 5 s at most; then what is still up is a phantom. Ok, or cancelled.
Task<Outcome<>> until_link_down(Radio& radio, DeviceWatch* watch, std::stop_token stop);

// What the attempt before it failed by.
struct Setback {
  Cause cause;
  std::string adapter;  // Adapter1.Address of the dial; empty: there was none
};

// The back-off. `watch` may be null: the device was not found. Behind another program's dial a report of the
// device is no sign: that dial hears it too, and with each report it would be asked for in vain. Behind a
// slot that was refused, the end of a link there is one. Ok, or cancelled.
Task<Outcome<>> back_off(Radio& radio, DeviceWatch* watch, std::chrono::milliseconds delay, Setback behind,
                         std::stop_token stop);

}  // namespace bleconnd
