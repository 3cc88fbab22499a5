// The dial: a call under way beside the values that can overtake it.
#include "procedures/dial.hpp"

#include <algorithm>
#include <optional>

#include "async/scope.hpp"
#include "procedures/end_link.hpp"
#include "procedures/listen_for.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
constexpr auto kPairing =
    35s;  // BlueZ ends a mute peer's pairing after 30.2 s, an absent one's never (measured, 5.66)
constexpr auto kHangUp =
    10s;  // Disconnect answers when the link is down: 2 to 2.8 s (DISCONNECT_TIMER, measured on 5.66)
constexpr auto kFence = 3s;    // for a look that has to come back before a dial is given up
constexpr auto kCatchUp = 1s;  // an answer that only makes sense with a signal: the signal may be behind it
constexpr auto kAtOnce = 1s;  // a controller without a free slot refuses within 0.2 s, an absent device takes
                              // 4 s and more (measured)
constexpr auto kObjectGoes = 200ms;  // behind an answer that came first: within 50 ms (measured, 5.66)
constexpr auto kHearAgain =
    3s;  // whether a device whose object went is still there: twice the slowest usual advertising interval
// A device that nobody has heard is dialled while the radio is free; when others want it, this long since the
// dial began: a device that is there has answered by then, even one that advertises every 1.28 s.
constexpr auto kUnheard = 3s;

// The kernel dials a device as soon as it hears it, and hears nothing while it does, for 4 s (Linux 6.1) or
// 20 s (6.12). One that is heard again so much later is dialled no more, though nobody was told: 6.12 ignores
// a Connection Complete with an error and waits for BlueZ's 40 s, while a new Connect dials at once
// (measured). Reports come where another program discovers.
constexpr auto kForgotten = 5s;

// What is under way: the answers are values that the dial looks at beside all others.
struct Answers {
  std::optional<Outcome<bool>> before;  // whether there was a link just before the dial
  std::optional<Outcome<>> reply;
};

// Sent right before Connect, which does not wait for it: bluetoothd answers in order. It tells whose link a
// success means, and the watch its first values. Not even a watch that is current knows whose: the signal of
// another program's link can be missing, too.
Task<Unit> look(Bluez& bluez, DeviceWatch& watch, std::string path, Answers& answers, Notice& wake) {
  if (watch.seen().current) {
    answers.before.emplace(co_await bluez.get_connected(path, kNever, unstoppable()));
  } else {
    const auto device = co_await bluez.get_device(path, kNever, unstoppable());
    if (device.ok())
      answers.before.emplace(device.value().connected);
    else
      answers.before.emplace(device.failure());
  }
  wake.notify();
  co_return Unit{};
}

Task<Unit> ask(Radio& radio, Route route, bool pair, Answers& answers, Notice& wake) {
  // Another bluetoothd can have come since this was spawned.
  if (broken(radio.stack(), route) != Cause::bluez_error) co_return Unit{};
  if (pair) {
    answers.reply.emplace(co_await radio.bluez.pair(route.path, kNever, unstoppable()));
  } else {
    answers.reply.emplace(co_await radio.bluez.connect(route.path, kNever, unstoppable()));
  }
  wake.notify();
  co_return Unit{};
}

class Dial {
 public:
  Dial(Radio& radio, DeviceWatch& watch, Route route, bool pair)
      : radio_{radio},
        watch_{watch},
        route_{std::move(route)},
        pair_{pair},
        wake_{radio.executor},
        device_changed_{watch.changed(), wake_},
        queue_changed_{radio.queue.changes(), wake_},
        listeners_changed_{radio.discovery.became_wanted(), wake_},
        stack_changed_{radio.bluez.stack_changed(), wake_},
        links_up_{watch.seen().links_up},
        losses_{watch.seen().links_down},
        removals_{watch.seen().removals},
        begun_{radio.now()} {}

  // Asks BlueZ and waits for an answer or for what ends the dial without one.
  Task<Outcome<Dialled>> call(Duration patience, std::vector<Discovery::Token> discovering,
                              std::stop_token stop) {
    // The turn was waited for: what has ended meanwhile is not dialled.
    if (auto cause = broken(radio_.stack(), route_); cause != Cause::bluez_error) co_return cause;
    if (stop.stop_requested()) co_return Cause::cancelled;
    if (radio_.queue.held()) co_return Cause::adapter_off;
    const auto deadline = radio_.now() + patience;
    Scope asking{radio_.executor};
    radio_.dials.dialling(route_.owner, route_.path);
    // Keepers and askers run in the order in which they are woken here. StopDiscovery goes right behind
    // Connect, but before Pair: behind it BlueZ 5.66 and 5.82 refuse it and the scan goes on for ever
    // (measured).
    std::optional<Discovery::Pause> radio_is_taken;
    if (pair_) radio_is_taken.emplace(radio_.discovery.pause(route_.adapter));
    asking.spawn(look(radio_.bluez, watch_, route_.path, answers_, wake_));
    asking.spawn(ask(radio_, route_, pair_, answers_, wake_));
    if (!pair_) radio_is_taken.emplace(radio_.discovery.pause(route_.adapter));
    discovering.clear();
    for (;;) {
      if (removed() && !answers_.before) went_before_ = true;
      if (auto cause = broken(radio_.stack(), route_); cause != Cause::bluez_error)
        co_return co_await broken_off(cause);
      if (removed() && !went_before_) co_return ended(Cause::removed_unheard);
      if (answers_.reply) co_return co_await answered();
      if (went_before_ && answers_.before && answers_.before->ok()) co_return co_await met_another();
      if (radio_.queue.held()) co_return co_await give_up(Cause::adapter_off);
      if (radio_.now() >= deadline) co_return co_await give_up(timed_out());
      if (heard_on_and_on()) {
        forgotten_ = true;
        co_return co_await give_up(Cause::dial_timeout_heard);
      }
      const bool in_the_way = !heard() && others_wait();
      if (in_the_way && radio_.now() >= begun_ + kUnheard) co_return co_await give_up(Cause::adapter_busy);
      const auto until = in_the_way ? std::min(deadline, begun_ + kUnheard) : deadline;
      auto woken = co_await wake_.until(until, stop);
      if (woken.by == Notice::Woken::stopped) co_return co_await give_up(Cause::cancelled);
    }
  }

  // It was given up before its time, to be asked for anew.
  bool forgotten() const { return forgotten_; }
  bool at_once() const { return radio_.now() - begun_ < kAtOnce; }

  // Whether BlueZ removes the object within a moment.
  Task<bool> object_goes(std::stop_token stop) {
    const auto until = radio_.now() + kObjectGoes;
    while (!removed() && radio_.now() < until) {
      auto woken = co_await wake_.until(until, stop);
      if (woken.by == Notice::Woken::stopped) break;
    }
    co_return removed();
  }

 private:
  bool others_wait() const {
    return radio_.queue.awaited(route_.adapter_address) || radio_.discovery.wanted(route_.adapter);
  }
  bool removed() const { return watch_.seen().removals != removals_; }
  bool link_came_up() const { return watch_.seen().links_up != links_up_; }
  bool heard() const { return route_.heard || (watch_.seen().heard && *watch_.seen().heard >= begun_); }
  bool heard_on_and_on() {
    const auto& last = watch_.seen().heard;
    if (pair_ || watch_.seen().connected || !last || *last <= begun_) return false;
    if (!first_heard_) first_heard_ = last;
    return *last - *first_heard_ >= kForgotten;
  }
  // And is still the same link.
  bool was_up() const {
    return answers_.before && answers_.before->ok() && answers_.before->value() &&
           watch_.seen().links_down == losses_;
  }
  bool refused_by(Cause cause) const { return answers_.reply && answers_.reply->failed_by(cause); }

  Failure ended(Cause cause, std::string said = {}) {
    stays_ ? radio_.dials.outlived(route_.path) : radio_.dials.ended(route_.path);
    return Failure{cause, std::move(said)};
  }

  Dialled linked() {
    if (was_up()) {
      radio_.dials.ended(route_.path);
    } else {
      radio_.dials.linked(route_.path);
    }
    return Dialled{was_up()};
  }

  Cause timed_out() const { return heard() ? Cause::dial_timeout_heard : Cause::dial_timeout_unheard; }

  // Without an answer: a refusal by "in progress", or the look, can still be on its way. Without them a
  // Disconnect could end another program's dial or link, so one more answer is waited for, which comes behind
  // both.
  Task<Outcome<Dialled>> give_up(Cause cause) {
    if (!answers_.before || at_once()) {
      const auto until = radio_.now() + kFence;
      (void)co_await radio_.bluez.get_device(route_.path, until, unstoppable());
    }
    const bool nothing_there = removed() && answers_.before && !went_before_;
    if (!nothing_there && !refused_by(Cause::in_progress)) co_await take_back();
    co_return ended(cause);
  }

  // Connect came behind the removal, to a new object at the same path.
  Task<Outcome<Dialled>> met_another() {
    co_await take_back();
    co_return ended(Cause::object_gone);
  }

  Task<Unit> hang_up_here() {
    const auto gone = co_await hang_up(radio_, watch_);
    stays_ = !gone;
    co_return Unit{};
  }

  Task<Unit> take_back() {
    if (pair_) {
      const auto until = radio_.now() + kHangUp;
      (void)co_await radio_.bluez.cancel_pairing(route_.path, until, unstoppable());
    }
    if (!was_up()) co_await hang_up_here();
    co_return Unit{};
  }

  // The adapter or bluetoothd went. What is left of the dial on an adapter that is still there is taken back
  // all the same.
  Task<Outcome<Dialled>> broken_off(Cause cause) {
    // An adapter that is back at once: Connect came behind the removal, and can have met another object.
    if (cause == Cause::adapter_off && went_before_ && !answers_.reply) {
      const auto until = radio_.now() + kFence;
      (void)co_await radio_.bluez.get_device(route_.path, until, unstoppable());
    }
    const bool gone = went_before_ ? answers_.reply.has_value() : removed();
    const bool may_linger = cause == Cause::adapter_off && radio_.stack().adapter(route_.adapter) && !gone;
    if (may_linger) co_await hang_up_here();
    co_return ended(cause);
  }

  Task<Outcome<Dialled>> answered() {
    const auto& reply = *answers_.reply;
    // BlueZ >= 5.67 calls a link that is up "in progress", too.
    const bool up_already = !pair_ && was_up() && reply.failed_by(Cause::in_progress);
    if (!reply.ok() && !reply.failed_by(Cause::already_so) && !up_already)
      co_return co_await refused(reply.failure());
    // Success without a link is what an adapter that goes away answers; the signal of a link can be missing.
    // So look.
    if (link_came_up() && watch_.seen().connected) co_return linked();
    const auto until = radio_.now() + kHangUp;
    auto looked = co_await radio_.bluez.get_device(route_.path, until, unstoppable());
    if (auto cause = broken(radio_.stack(), route_); cause != Cause::bluez_error) co_return ended(cause);
    if (removed()) co_return ended(Cause::removed_unheard);
    if (!looked.ok()) {  // whatever there is, nobody will hold it
      if (!was_up()) co_await hang_up_here();
      const auto failure = unanswered_within(10, looked.failure());
      co_return ended(failure.cause, failure.said);
    }
    if (!looked.value().connected) co_return ended(link_came_up() ? Cause::link_lost : Cause::no_link);
    co_return linked();
  }

  Task<Outcome<Dialled>> refused(Failure failure) {
    // "Not powered" and "no bluetoothd" are believed when the values say so too; otherwise they count, or
    // they would be asked for ever.
    if (failure.cause == Cause::adapter_off || failure.cause == Cause::stack_down) {
      const auto until = radio_.now() + kCatchUp;
      while (broken(radio_.stack(), route_) == Cause::bluez_error && radio_.now() < until)
        co_await wake_.until(until, unstoppable());
      co_return ended(broken(radio_.stack(), route_), failure.said);
    }
    if (failure.cause == Cause::timeout) {  // a bus that limits how long calls may take: BlueZ dials on
      co_await take_back();
      co_return ended(timed_out(), failure.said);
    }
    if (pair_) {  // a failed pairing can leave its link up
      if (!was_up() && failure.cause != Cause::in_progress) co_await hang_up_here();
      co_return ended(failure.cause, failure.said);
    }
    // An error about something else than the link (a BR/EDR profile of a dual-mode device): the resolve will
    // judge the link.
    if (failure.cause == Cause::bluez_error) {
      const auto until = radio_.now() + kHangUp;
      auto looked = co_await radio_.bluez.get_device(route_.path, until, unstoppable());
      if (looked.ok() && looked.value().connected) co_return linked();
      if (!looked.ok() && !was_up()) co_await hang_up_here();  // a link, for all we know
    }
    if (failure.cause == Cause::aborted && link_came_up()) failure.cause = Cause::link_lost;
    co_return ended(failure.cause, failure.said);
  }

  Radio& radio_;
  DeviceWatch& watch_;
  Route route_;
  bool pair_;
  Answers answers_;
  Notice wake_;
  Notice::Forward device_changed_;
  Notice::Forward queue_changed_;
  Notice::Forward listeners_changed_;
  Notice::Forward stack_changed_;
  std::uint32_t links_up_;
  std::uint32_t losses_;
  std::uint32_t removals_;
  bool stays_ = false;        // Disconnect was in vain
  bool went_before_ = false;  // the object went before our calls were read
  bool forgotten_ = false;
  TimePoint begun_;
  std::optional<TimePoint> first_heard_;  // since then
};

// A controller that refuses a further link at once though it holds some has no slot left: the sign of it,
// since BlueZ has no word for it.
Task<bool> is_full(Radio& radio, Route route, DeviceAddress device, std::stop_token stop) {
  const auto links = co_await radio.census.links(route.adapter_address, device, stop);
  if (links == 0 || broken(radio.stack(), route) != Cause::bluez_error) co_return false;
  if (radio.queue.refused(route.adapter_address, device, links))
    radio.slots.learned(route.adapter_address, radio.queue.slots().limit(route.adapter_address, radio.now()));
  co_return true;
}

// The object went while Connect was pending. Why, is told by how fast it went and whether the device is still
// heard.
Task<Failure> explain_removal(Radio& radio, DeviceAddress device, const Terms& terms, std::stop_token stop) {
  const auto deadline = radio.now() + kHearAgain;
  std::vector<DeviceState> known;
  auto heard = co_await listen_for(radio, device, terms, known, deadline, stop);
  if (heard.ok()) co_return Failure{Cause::removed_heard_again, {}};
  if (heard.failed_by(Cause::window_over)) co_return Failure{Cause::removed_unheard, {}};
  co_return heard.failure();  // the object went with its adapter or bluetoothd
}

// The controller took the dial: it has a slot for it. A refusal can come late on a slow host, so a removal
// says nothing.
bool has_a_slot(const Outcome<Dialled>& dialled) {
  return dialled.ok() || dialled.failed_by(Cause::link_lost) ||
         dialled.failed_by(Cause::dial_timeout_heard) || dialled.failed_by(Cause::dial_timeout_unheard);
}

// Pair or Connect, and why its object went.
Task<Outcome<Dialled>> dial_once(Radio& radio, DeviceWatch& watch, Route route, DeviceAddress device,
                                 const Terms& terms, bool pair, std::vector<Discovery::Token> discovering,
                                 std::optional<DialQueue::Turn>& turn, std::stop_token stop) {
  const Duration patience = pair ? Duration{kPairing} : Duration{terms.attempt_timeout};
  const auto deadline = radio.now() + patience;
  std::optional<Dial> attempt;
  Outcome<Dialled> dialled{Cause::dial_timeout_unheard};
  do {
    attempt.emplace(radio, watch, route, pair);
    const auto left = deadline - radio.now();
    dialled = co_await attempt->call(left, std::move(discovering), stop);
    discovering.clear();
  } while (attempt->forgotten() && radio.now() < deadline);
  const bool at_once = attempt->at_once();
  const bool aborted = dialled.failed_by(Cause::aborted);
  const bool removed = dialled.failed_by(Cause::removed_unheard);
  if (at_once && (aborted || removed)) {
    // With the turn: the next dial shall know what this one has taught.
    const bool full = co_await is_full(radio, route, device, stop);
    turn.reset();
    if (full && removed) co_return Cause::removed_at_once;
    // BlueZ's race: now and then the refusal of a controller without a slot is answered before the object
    // goes.
    const bool goes = full && co_await attempt->object_goes(stop);
    if (goes) co_return Cause::removed_at_once;
  }
  if (has_a_slot(dialled)) radio.queue.not_refused(route.adapter_address);
  if (!removed) co_return dialled;
  turn.reset();
  co_return co_await explain_removal(radio, device, terms, stop);
}

// Pair instead of Connect where there is no bond yet. `invalid`: there is one, so Connect. Looked at before,
// since Pair of a bonded LE device fails on BlueZ < 5.79 (it takes the BR/EDR bearer), and after, since
// "already paired" is an error there.
Task<Outcome<Dialled>> pair_first(Radio& radio, DeviceWatch& watch, Route route, DeviceAddress device,
                                  const Terms& terms, std::vector<Discovery::Token>& discovering,
                                  std::optional<DialQueue::Turn>& turn, std::stop_token stop) {
  const auto until = radio.now() + kHangUp;
  auto before = co_await radio.bluez.get_device(route.path, until, stop);
  if (!before.ok()) co_return unanswered_within(10, before.failure());
  // Granted on a full adapter, for the link that another program had there; it has ended since.
  const bool has_link = before.value().connected && watch.seen().connected;
  if (!has_link && radio.queue.overdrawn(route.adapter_address)) co_return Cause::slots_taken;
  if (before.value().bonded) co_return Cause::invalid;
  auto paired =
      co_await dial_once(radio, watch, route, device, terms, true, std::move(discovering), turn, stop);
  if (paired.ok() || paired.failed_by(Cause::cancelled) || !turn) co_return paired;
  if (broken(radio.stack(), route) != Cause::bluez_error) co_return paired;
  const auto again = radio.now() + kHangUp;
  auto after = co_await radio.bluez.get_device(route.path, again, stop);
  if (after.ok() && after.value().bonded) co_return Cause::invalid;
  co_return paired;
}

}  // namespace

Task<Outcome<Dialled>> dial(Radio& radio, DeviceWatch& watch, Route route, DeviceAddress device,
                            const Terms& terms, std::vector<Discovery::Token> discovering,
                            std::optional<DialQueue::Turn>& turn, std::stop_token stop) {
  if (terms.pair) {
    auto paired = co_await pair_first(radio, watch, route, device, terms, discovering, turn, stop);
    if (!paired.failed_by(Cause::invalid)) co_return paired;
  }
  co_return co_await dial_once(radio, watch, route, device, terms, false, std::move(discovering), turn, stop);
}

}  // namespace bleconnd
