// The scripted world's clock: actions in order of their time, and of their making when the times are equal.
// Times are BlueZ's real ones; `speed` makes them pass faster, so that a 40 s time-out takes a test 2 s.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "loop.hpp"

namespace bleconnd::integration {

using std::chrono::microseconds;

class Timeline {
 public:
  using Action = std::function<void()>;

 private:
  using Key = std::pair<microseconds, uint64_t>;
  using Agenda = std::map<Key, Action>;

 public:
  // Something to come; dropping it cancels it.
  class Appointment {
   public:
    Appointment() = default;
    Appointment(std::shared_ptr<Agenda> agenda, Key key) : agenda_(std::move(agenda)), key_(key) {}
    Appointment(Appointment&& other) noexcept = default;
    Appointment& operator=(Appointment&& other) noexcept {
      cancel();
      agenda_ = std::exchange(other.agenda_, nullptr);
      key_ = other.key_;
      return *this;
    }
    ~Appointment() { cancel(); }
    void cancel() {
      if (agenda_) agenda_->erase(key_);
      agenda_.reset();
    }

   private:
    std::shared_ptr<Agenda> agenda_;
    Key key_;
  };

  // `after_each` runs after every action: BlueZ's idle handlers.
  Timeline(Loop& loop, double speed, Action after_each);

  [[nodiscard]] Appointment after(microseconds delay, Action action);
  // Nothing is due meanwhile; what was is due at the end of it.
  void pause(bool on);
  void set_speed(double speed) { speed_ = speed; }
  [[nodiscard]] microseconds elapsed() const;  // real time since the start, for records

 private:
  void fire_one();
  void arm();

  std::shared_ptr<Agenda> agenda_ = std::make_shared<Agenda>();
  double speed_;
  Action after_each_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  microseconds firing_{
      -1};  // planned time of the running action: delays count from there, so order never drifts
  uint64_t made_ = 0;
  bool paused_ = false;
  EventSource source_;
};

}  // namespace bleconnd::integration
