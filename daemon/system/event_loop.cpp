// The ready queue is a "defer" source that is switched on while something is ready. All timers are one
// CLOCK_MONOTONIC source, set to the first of them: nearly all are dropped before they are due, and sd-event
// would take each out of two heaps.
#include "system/event_loop.hpp"

#include <signal.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace bleconnd {
namespace {

// sd-event takes 0 for 250 ms. 1 ms is below what BlueZ's own timers keep.
constexpr std::uint64_t kAccuracyUsec = 1000;

std::uint64_t usec_of(TimePoint when) {
  // Rounded up: a timer that is due has never a deadline in the future.
  const auto usec = std::chrono::ceil<std::chrono::microseconds>(when.time_since_epoch()).count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(usec, 0));
}

int on_unix_signal(sd_event_source*, const signalfd_siginfo*, void* action) {
  (*static_cast<std::function<void()>*>(action))();
  return 0;
}

}  // namespace

class EventLoop::LoopTimer final : public Executor::Timer {
 public:
  LoopTimer(EventLoop& loop, TimePoint when, std::function<void()> due)
      : loop_{loop}, due_{std::move(due)}, place_{loop.arm(when, *this)} {}
  ~LoopTimer() override {
    if (due_) loop_.disarm(place_);
  }
  void fire() {
    const auto due = std::exchange(due_, nullptr);
    loop_.disarm(place_);
    due();  // it may drop this timer
  }

 private:
  EventLoop& loop_;
  std::function<void()> due_;  // none: it has been called
  Timers::iterator place_;
};

EventLoop::EventLoop() {
  // A reader of our stderr that goes away must not end the service.
  signal(SIGPIPE, SIG_IGN);
  sd_event* event{};
  must(sd_event_new(&event), "sd_event_new");
  event_.reset(event);
  sd_event_source* source{};
  must(sd_event_add_defer(event, &source, on_ready, this), "sd_event_add_defer");
  ready_source_.reset(source);
  must(sd_event_source_set_enabled(source, SD_EVENT_OFF), "sd_event_source_set_enabled");
  must(sd_event_add_time(event, &source, CLOCK_MONOTONIC, UINT64_MAX, kAccuracyUsec, on_time, this),
       "sd_event_add_time");
  time_source_.reset(source);
  must(sd_event_source_set_enabled(source, SD_EVENT_ON), "sd_event_source_set_enabled");
}

EventLoop::~EventLoop() = default;

// Whoever is destroyed behind the loop's end still wakes others and sets timers; sd-event refuses both then.
bool EventLoop::has_ended() const {
  return sd_event_get_state(event_.get()) == SD_EVENT_FINISHED;
}

void EventLoop::post(std::coroutine_handle<> ready) {
  if (has_ended()) return;
  ready_.push_back(ready);
  must(sd_event_source_set_enabled(ready_source_.get(), SD_EVENT_ONESHOT), "sd_event_source_set_enabled");
}

void EventLoop::forget(std::coroutine_handle<> gone) noexcept {
  std::erase(ready_, gone);
}

// What becomes ready meanwhile waits for the next turn, so that events of the bus are not held up by
// coroutines that never sleep.
int EventLoop::on_ready(sd_event_source* source, void* self) {
  auto& ready = static_cast<EventLoop*>(self)->ready_;
  for (auto turns = ready.size(); turns > 0 && !ready.empty(); --turns) {
    auto next = ready.front();
    ready.pop_front();
    next.resume();
  }
  if (!ready.empty())
    must(sd_event_source_set_enabled(source, SD_EVENT_ONESHOT), "sd_event_source_set_enabled");
  return 0;
}

std::unique_ptr<Executor::Timer> EventLoop::call_at(TimePoint when, std::function<void()> due) {
  if (has_ended()) return std::make_unique<Timer>();
  return std::make_unique<LoopTimer>(*this, when, std::move(due));
}

EventLoop::Timers::iterator EventLoop::arm(TimePoint when, LoopTimer& timer) {
  const auto place = timers_.emplace(when, &timer);
  if (place == timers_.begin()) follow_first();
  return place;
}

void EventLoop::disarm(Timers::iterator timer) {
  const bool was_first = timer == timers_.begin();
  timers_.erase(timer);
  if (was_first) follow_first();
}

// UINT64_MAX: never. The kernel is told once a turn of the loop at most.
void EventLoop::follow_first() {
  if (has_ended()) return;
  const auto usec = timers_.empty() ? UINT64_MAX : usec_of(timers_.begin()->first);
  must(sd_event_source_set_time(time_source_.get(), usec), "sd_event_source_set_time");
}

// At most as many as are due now: one that arms the next for now holds up nobody.
int EventLoop::on_time(sd_event_source*, std::uint64_t, void* self) {
  auto& loop = *static_cast<EventLoop*>(self);
  auto& timers = loop.timers_;
  const auto until = loop.now();
  auto due = std::distance(timers.begin(), timers.upper_bound(until));
  for (; due > 0 && !timers.empty() && timers.begin()->first <= until; --due) timers.begin()->second->fire();
  return 0;
}

int EventLoop::run() {
  return must(sd_event_loop(event_.get()), "sd_event_loop");
}

void EventLoop::stop(int exit_code) {
  must(sd_event_exit(event_.get(), exit_code), "sd_event_exit");
}

void EventLoop::on_signal(int number, std::function<void()> action) {
  auto owned = std::make_unique<std::function<void()>>(std::move(action));
  sd_event_source* source{};
  must(sd_event_add_signal(event_.get(), &source, number | SD_EVENT_SIGNAL_PROCMASK, on_unix_signal,
                           owned.get()),
       "sd_event_add_signal");
  must(sd_event_source_set_destroy_callback(
           source, [](void* held) { delete static_cast<std::function<void()>*>(held); }),
       "sd_event_source_set_destroy_callback");
  (void)owned.release();  // the source's own now
  must(sd_event_source_set_floating(source, 1), "sd_event_source_set_floating");
  sd_event_source_unref(source);
}

void EventLoop::feed_watchdog() {
  must(sd_event_set_watchdog(event_.get(), 1), "sd_event_set_watchdog");
}

}  // namespace bleconnd
