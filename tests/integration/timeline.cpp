// One sd-event timer, armed for the earliest action. One action a dispatch, so that calls that arrive are
// handled between actions and not after all of them.
#include "timeline.hpp"

#include <algorithm>

namespace bleconnd::integration {

Timeline::Timeline(Loop& loop, double speed, Action after_each)
    : speed_(speed), after_each_(std::move(after_each)) {
  sd_event_source* source = nullptr;
  const auto due = [](sd_event_source*, uint64_t, void* self) {
    static_cast<Timeline*>(self)->fire_one();
    return 0;
  };
  checked(sd_event_add_time(loop.event(), &source, CLOCK_MONOTONIC, UINT64_MAX, 1, due, this), "add timer");
  source_.reset(source);
}

microseconds Timeline::elapsed() const {
  return std::chrono::duration_cast<microseconds>(std::chrono::steady_clock::now() - start_);
}

Timeline::Appointment Timeline::after(microseconds delay, Action action) {
  const microseconds base = firing_.count() >= 0 ? firing_ : elapsed();
  const microseconds scaled{static_cast<int64_t>(static_cast<double>(delay.count()) / speed_)};
  const Key key{base + scaled, ++made_};
  agenda_->emplace(key, std::move(action));
  arm();
  return {agenda_, key};
}

void Timeline::fire_one() {
  if (!agenda_->empty() && agenda_->begin()->first.first <= elapsed()) {
    auto due = agenda_->extract(agenda_->begin());
    firing_ = due.key().first;
    due.mapped()();
    after_each_();
    firing_ = microseconds{-1};
  }
  arm();
}

void Timeline::pause(bool on) {
  paused_ = on;
  arm();
}

void Timeline::arm() {
  if (agenda_->empty() || paused_) {
    sd_event_source_set_enabled(source_.get(), SD_EVENT_OFF);
    return;
  }
  const auto at =
      std::chrono::duration_cast<microseconds>(start_.time_since_epoch()) + agenda_->begin()->first.first;
  sd_event_source_set_time(source_.get(), static_cast<uint64_t>(std::max<int64_t>(at.count(), 0)));
  sd_event_source_set_enabled(source_.get(), SD_EVENT_ONESHOT);
}

}  // namespace bleconnd::integration
