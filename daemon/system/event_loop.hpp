// The event loop of the daemon: an Executor on sd-event. One thread runs the bus, the timers, the signals and
// all coroutines. Coroutines are resumed from a queue of its own, which runs between two events, never inside
// a callback of the bus.
#pragma once
#include <systemd/sd-event.h>

#include <cstdint>
#include <deque>
#include <map>

#include "async/executor.hpp"
#include "system/sd_handles.hpp"

namespace bleconnd {

class EventLoop final : public Executor {
 public:
  EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  ~EventLoop() override;

  void post(std::coroutine_handle<> ready) override;
  void forget(std::coroutine_handle<> gone) noexcept override;
  TimePoint now() const override { return std::chrono::steady_clock::now(); }
  std::unique_ptr<Timer> call_at(TimePoint when, std::function<void()> due) override;

  // Until stop(), or until an attached bus connection is lost: 0 or the exit code that was given.
  int run();
  void stop(int exit_code = 0);

  // Runs `action` from the loop each time the process gets this signal. Before run(); once a signal.
  void on_signal(int number, std::function<void()> action);
  // Tells systemd that the loop turns, as often as $WATCHDOG_USEC asks; nothing where it is not set.
  void feed_watchdog();

  sd_event* event() const { return event_.get(); }

 private:
  class LoopTimer;
  using Timers = std::multimap<TimePoint, LoopTimer*>;

  bool has_ended() const;
  static int on_ready(sd_event_source* source, void* self);
  static int on_time(sd_event_source* source, std::uint64_t usec, void* self);
  Timers::iterator arm(TimePoint when, LoopTimer& timer);
  void disarm(Timers::iterator timer);
  void follow_first();

  std::unique_ptr<sd_event, Releasing<sd_event_unref>> event_;
  EventSource ready_source_;
  std::deque<std::coroutine_handle<>> ready_;
  EventSource time_source_;
  Timers timers_;  // armed ones
};

}  // namespace bleconnd
