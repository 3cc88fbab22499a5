// Pending<T>: one operation under way. It completes once, by its event or by its stop token, and its
// coroutine is resumed through the executor. T is made from `Stopped` when the token fires first.
#pragma once
#include <coroutine>
#include <functional>
#include <optional>
#include <stop_token>
#include <utility>

#include "async/executor.hpp"

namespace bleconnd {

struct Stopped {};

// For what must be waited for to its end, such as giving up a dial.
inline std::stop_token unstoppable() {
  return {};
}

template <class T>
class Pending {
 public:
  Pending(Executor& executor, std::stop_token stop) : executor_{executor}, stop_{std::move(stop)} {}
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;
  virtual ~Pending() {
    if (waiter_) executor_.forget(waiter_);
  }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    if (stop_.stop_requested()) return complete(T{Stopped{}});
    start();
    if (value_) return;
    on_stop_.emplace(stop_, [this] {
      if (value_) return;
      abandon();
      complete(T{Stopped{}});
    });
  }
  T await_resume() {
    waiter_ = {};
    on_stop_.reset();
    return std::move(*value_);
  }

 protected:
  virtual void start() = 0;  // may complete() at once
  virtual void
  abandon() = 0;  // the stop token fired: end the operation, complete() will not be called any more
  void complete(T value) {
    if (value_) return;
    value_.emplace(std::move(value));
    executor_.post(waiter_);
  }
  bool completed() const { return value_.has_value(); }

  Executor& executor_;

 private:
  std::stop_token stop_;
  std::coroutine_handle<> waiter_;
  std::optional<T> value_;
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
};

}  // namespace bleconnd
