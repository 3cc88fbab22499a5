// sd-event with a predicate: one iteration at a time, the condition looked at after each.
// The remaining time bounds every wait, so a deadline needs no timer of its own. Files, other processes and
// the bus driver tell of nothing: kLook bounds it, too.
#include "loop.hpp"

#include <algorithm>
#include <utility>

namespace bleconnd::integration {

namespace {
constexpr std::chrono::microseconds kLook = std::chrono::milliseconds{20};
}

Loop::Loop() {
  checked(sd_event_new(&event_), "sd_event_new");
  sd_event_source* source = nullptr;
  const auto run = [](sd_event_source*, void* self) {
    static_cast<Loop*>(self)->run_actions();
    return 0;
  };
  checked(sd_event_add_defer(event_, &source, run, this), "sd_event_add_defer");
  actions_source_.reset(source);
  sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

Loop::~Loop() {
  actions_.clear();
  actions_source_.reset();
  sd_event_unref(event_);
}

bool Loop::run_until(const std::function<bool()>& condition, std::chrono::milliseconds deadline) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!condition()) {
    const auto left =
        std::chrono::duration_cast<std::chrono::microseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    checked(sd_event_run(event_, static_cast<uint64_t>(std::min(left, kLook).count())), "sd_event_run");
  }
  return true;
}

void Loop::soon(std::function<void()> action) {
  actions_.push_back(std::move(action));
  sd_event_source_set_enabled(actions_source_.get(), SD_EVENT_ONESHOT);
}

void Loop::run_actions() {
  for (const auto& action : std::exchange(actions_, {})) action();
}

}  // namespace bleconnd::integration
