// What runs coroutines: a ready queue and a clock. The daemon's is an sd-event loop, the simulation's an
// agenda in virtual time. Coroutines are resumed from the ready queue only, never inside a library's
// callback, whose stack may still use what they destroy.
#pragma once
#include <chrono>
#include <coroutine>
#include <functional>
#include <memory>

namespace bleconnd {

using TimePoint = std::chrono::steady_clock::time_point;  // CLOCK_MONOTONIC: never jumps, stands still while
                                                          // the host sleeps
using Duration = std::chrono::steady_clock::duration;
inline constexpr TimePoint kNever = TimePoint::max();

class Executor {
 public:
  // An armed timer; dropping it disarms it. It goes before its executor.
  class Timer {
   public:
    virtual ~Timer() = default;
  };

  virtual ~Executor() = default;
  virtual void post(std::coroutine_handle<> ready) = 0;
  virtual void forget(
      std::coroutine_handle<> gone) noexcept = 0;  // it was destroyed: it must not be resumed any more
  virtual TimePoint now() const = 0;
  // Calls `due`, which is not empty, once at `when` or as soon as possible after it; never inside call_at().
  virtual std::unique_ptr<Timer> call_at(TimePoint when, std::function<void()> due) = 0;
};

}  // namespace bleconnd
