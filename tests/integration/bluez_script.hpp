// What a peripheral does when bluetoothd dials or pairs with it: one step a call, taken from a queue, then a
// default. Times are BlueZ's real ones; the timeline makes them shorter.
#pragma once

#include <chrono>
#include <deque>
#include <initializer_list>
#include <optional>
#include <string>

#include "bluez_settings.hpp"

namespace bleconnd::integration {

inline const char* const failed = "org.bluez.Error.Failed";

struct ConnectStep {
  enum class Kind {
    natural,               // follows from the world: heard or not, free slots, other dials
    fail,                  // an error reply, the object stays
    hang,                  // pending until somebody disconnects
    swallow,               // never answered, nothing pending either
    late_error,            // an error reply after `after`, whatever happens in between
    vanish,                // the object is removed, never a reply
    link_fails,            // heard, but the link never completes
    slots_full,            // the controller refuses
    success_without_link,  // a method return, and Connected stays false
  };
  enum class Services { natural, mute, never };  // mute: ServicesResolved=true without objects

  Kind kind = Kind::natural;
  std::chrono::microseconds after{};
  std::string error;
  std::string message;  // empty: BlueZ's text for an aborted connection, as its version has it
  bool silent = false;  // Connected becomes true without a signal
  bool drops_at_once = false;
  bool aborts_with_link = false;      // drops_at_once: which of the two errors that race is told
  bool error_before_removal = false;  // link_fails, untrusted: the race in which an error is sent first
  bool objects_after_drop = false;    // service objects are added although the link is gone
  Services services = Services::natural;
  std::optional<std::chrono::microseconds> drop_after;  // since the link is up
  std::chrono::microseconds extra_reply_delay{};        // the reply comes later than the link
};

inline ConnectStep succeeds() {
  return {};
}

inline ConnectStep fails(std::string message, std::chrono::microseconds after = 100ms,
                         std::string error = failed) {
  ConnectStep step;
  step.kind = ConnectStep::Kind::fail;
  step.after = after;
  step.error = std::move(error);
  step.message = std::move(message);
  return step;
}
inline ConnectStep aborts(std::chrono::microseconds after = 100ms) {
  return fails({}, after);
}

inline ConnectStep of_kind(ConnectStep::Kind kind, std::chrono::microseconds after = {}) {
  ConnectStep step;
  step.kind = kind;
  step.after = after;
  return step;
}
inline ConnectStep hangs() {
  return of_kind(ConnectStep::Kind::hang);
}
inline ConnectStep is_swallowed() {
  return of_kind(ConnectStep::Kind::swallow);
}
inline ConnectStep object_vanishes(std::chrono::microseconds after = 100ms) {
  return of_kind(ConnectStep::Kind::vanish, after);
}
inline ConnectStep link_fails() {
  return of_kind(ConnectStep::Kind::link_fails);
}
inline ConnectStep link_fails_with_an_answer() {  // the race in which the error precedes the removal
  ConnectStep step = link_fails();
  step.error_before_removal = true;
  return step;
}
inline ConnectStep finds_no_slot() {
  return of_kind(ConnectStep::Kind::slots_full);
}
inline ConnectStep succeeds_without_link(std::chrono::microseconds after = 100ms) {
  return of_kind(ConnectStep::Kind::success_without_link, after);
}
inline ConnectStep fails_late(std::chrono::microseconds after) {
  ConnectStep step = fails({}, after);
  step.kind = ConnectStep::Kind::late_error;
  return step;
}
inline ConnectStep succeeds_silently() {
  ConnectStep step;
  step.silent = true;
  return step;
}
inline ConnectStep replies_late(std::chrono::microseconds delay) {
  ConnectStep step;
  step.extra_reply_delay = delay;
  return step;
}
inline ConnectStep drops_at_once() {
  ConnectStep step;
  step.drops_at_once = true;
  return step;
}
// The usual abort: the link is lost as it comes up. BlueZ 5.66 and 5.82 tell Connected=true, the error 10 ms
// later, and 10 ms after that Connected=false (measured, link lost after 1 and 5 ms).
inline ConnectStep link_aborts() {
  ConnectStep step = drops_at_once();
  step.aborts_with_link = true;
  return step;
}
// Counted from the link; services need 450 ms the first time and 200 ms later, so 120 ms is before them.
inline ConnectStep drops_after(std::chrono::microseconds after) {
  ConnectStep step;
  step.drop_after = after;
  return step;
}
inline ConnectStep drops_before_services() {
  return drops_after(120ms);
}
inline ConnectStep drops_while_discovering() {
  ConnectStep step = drops_before_services();
  step.objects_after_drop = true;
  return step;
}
inline ConnectStep is_mute() {
  ConnectStep step;
  step.services = ConnectStep::Services::mute;
  return step;
}
inline ConnectStep never_resolves() {
  ConnectStep step;
  step.services = ConnectStep::Services::never;
  return step;
}

struct PairStep {
  enum class Kind { natural, fail, never, mute };
  Kind kind = Kind::natural;
  std::chrono::microseconds after{};
  std::string error;
  std::string message;
};

// For example pair_fails("AuthenticationRejected", "Authentication Rejected").
inline PairStep pair_fails(const std::string& error, std::string message,
                           std::chrono::microseconds after = 500ms) {
  return {PairStep::Kind::fail, after, "org.bluez.Error." + error, std::move(message)};
}
inline PairStep pair_never() {
  return {PairStep::Kind::never, {}, {}, {}};
}
inline PairStep pair_mute() {
  return {PairStep::Kind::mute, {}, {}, {}};
}

template <class Step>
class Script {
 public:
  void queue(std::initializer_list<Step> steps) { queue_.insert(queue_.end(), steps); }
  void repeat(Step step) { default_ = std::move(step); }
  Step take() {
    if (queue_.empty()) return default_;
    Step step = queue_.front();
    queue_.pop_front();
    return step;
  }
  [[nodiscard]] std::size_t left() const { return queue_.size(); }

 private:
  std::deque<Step> queue_;
  Step default_;
};

}  // namespace bleconnd::integration
