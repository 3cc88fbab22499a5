// Counts failed attempts and decides whether there is another. Pure and synchronous: the procedure does the
// waiting. The counters and bounds are the contract of the Python library: 4 attempts by default, 9 transient
// failures.
#pragma once
#include <chrono>
#include <cstdint>

#include "core/backoff.hpp"
#include "core/failure.hpp"

namespace bleconnd {

class RetryBudget {
 public:
  struct Decision {
    bool give_up;
    std::chrono::milliseconds delay;  // 0 when giving up: the last failure pays no wait
    std::uint32_t failure;            // n of "failure n of m", its place in its counter; 0: not counted
    std::uint32_t bound;              // m
  };

  // Timeouts and connect errors share the bound `max_attempts` (1–100); transient failures have
  // transient_bound(). The first failure that reaches either bound ends the run. Hopeless ones give up at
  // once; uncounted ones (adapter off, bluetoothd away, another program's dial) never do. `max_attempts` is
  // passed each time since callers who join may raise it, and callers who leave may lower it again.
  Decision after(Cause cause, std::uint32_t max_attempts, const Pauses& pauses = {});

  // min(9, 2 · max_attempts + 1)
  static std::uint32_t transient_bound(std::uint32_t max_attempts);

 private:
  void count(Cause cause, Counter counter);

  std::uint32_t attempts_ = 0;  // timeouts + connect errors
  std::uint32_t transient_ = 0;
  std::uint32_t links_lost_ = 0;
  std::uint32_t in_progress_ = 0;  // in a row
};

}  // namespace bleconnd
