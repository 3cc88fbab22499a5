// The retry loop, and one attempt: locate or discover, dial, resolve.
#include "procedures/establish_connection.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "async/scope.hpp"
#include "core/retry_budget.hpp"
#include "procedures/dial.hpp"
#include "procedures/end_link.hpp"
#include "procedures/link_services.hpp"
#include "procedures/listen_for.hpp"
#include "procedures/locate.hpp"
#include "procedures/resolve.hpp"
#include "procedures/settle.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
constexpr auto kElsewhere =
    5s;  // how long other adapters are listened to, after a failure on the one that has the object

struct Target {
  std::vector<Route> routes;  // the best first; never empty
  std::vector<Discovery::Token> discovering;
};

std::vector<std::string> adapters_of(const std::vector<Route>& routes) {
  std::vector<std::string> adapters;
  adapters.reserve(routes.size());
  for (auto& route : routes) adapters.push_back(route.adapter_address);
  return adapters;
}

// One run of attempts for one device; what the next attempt must know of the last.
class Run {
 public:
  Run(Radio& radio, DeviceAddress device, const Terms& terms, Progress& progress)
      : radio_{radio}, device_{device}, terms_{terms}, progress_{progress} {}

  // `self` is this run: it lives as long as its attempts.
  Task<std::variant<Link, RunFailure>> attempts([[maybe_unused]] std::unique_ptr<Run> self,
                                                std::stop_token stop) {
    for (;;) {
      progress_.attempt(attempt_);
      auto ready = co_await adapter_ready(stop);
      if (!ready.ok()) co_return RunFailure{ready.failure()};
      auto tried = co_await once(stop);
      if (tried.ok()) co_return std::move(tried.value());
      auto end = co_await recover(tried.failure(), stop);
      if (end) co_return std::move(*end);
    }
  }

 private:
  // What a failed attempt means; none: the next one may begin.
  Task<std::optional<RunFailure>> recover(Failure of_attempt, std::stop_token stop) {
    const auto failure = weigh(std::move(of_attempt));
    if (failure.cause == Cause::cancelled) {
      // Whoever waits for the end waits until the link is down, not until Disconnect is answered.
      if (!foreign_) (void)co_await until_link_down(radio_, watch_.get(), unstoppable());
      co_return failed(failure);
    }
    // No failure, but what a former life's link has come to.
    if (failure.cause == Cause::not_connected) co_return RunFailure{failure};
    if (terms_.unattended && failure.cause == Cause::window_over) co_return RunFailure{failure, 0, 0, true};
    const auto decision = budget_.after(failure.cause, terms_.max_attempts, radio_.settings.pauses);
    const bool counted = row(failure.cause).counter != Counter::none;
    if (counted) report(failure, decision);
    if (failure.cause == Cause::in_progress) progress_.held_up(failure);
    if (decision.give_up || (counted && terms_.unattended)) {
      auto end = failed(failure);
      end.count = decision.failure;
      end.bound = decision.bound;
      end.unattended = terms_.unattended;
      co_return end;
    }
    if (counted) ++attempt_;
    last_ = failure.cause;
    auto down = co_await until_link_down(radio_, watch_.get(), stop);
    if (!down.ok()) co_return failed(down.failure());
    const auto link = std::exchange(hung_up_, std::nullopt);
    if (link) (void)co_await forget_phantom(radio_, *watch_, *link, stop);
    if (decision.delay > 0ms) progress_.stage(Stage::backing_off, {});
    const Setback behind{failure.cause, dialled_on_};
    auto settled = co_await back_off(radio_, watch_.get(), decision.delay, behind, stop);
    if (!settled.ok()) co_return RunFailure{settled.failure()};
    co_return std::nullopt;
  }

  // Waits, without an attempt, for bluetoothd and a powered adapter that may be used.
  Task<Outcome<>> adapter_ready(std::stop_token stop) {
    while (!stop.stop_requested()) {
      const auto missing = what_is_missing();
      if (missing != Cause::bluez_error && terms_.adopt_only) co_return Cause::not_connected;
      progress_.waits_for(missing);
      if (missing == Cause::bluez_error) co_return Unit{};
      watch_.reset();
      progress_.stage(Stage::queued, {});
      Notice wake{radio_.executor};
      const Notice::Forward stack{radio_.bluez.stack_changed(), wake};
      const Notice::Forward terms{progress_.terms_changed(), wake};
      co_await wake.until(kNever, stop);
    }
    co_return Cause::cancelled;
  }

  Cause what_is_missing() const {
    if (radio_.stack().owner.empty() || !radio_.stack().explored) return Cause::stack_down;
    for (auto& adapter : radio_.stack().adapters)
      if (adapter.powered && radio_.may_use(terms_, adapter)) return Cause::bluez_error;
    return Cause::adapter_off;
  }

  // Looking for a turn or a slot is no attempt: what has changed while it waited is looked for again.
  Task<Outcome<Link>> once(std::stop_token stop) {
    for (;;) {
      radio_.queue.arrive(ticket_);
      auto target = co_await find_target(stop);
      if (!target.ok()) co_return target.failure();
      const auto& routes = target.value().routes;
      const bool adopts = routes.front().connected && !terms_.pair;
      std::optional<LinkCensus::Interest> interest;
      std::optional<DialQueue::Grant> grant;
      waited_ = false;
      if (!adopts) {
        interest.emplace(radio_.census);
        auto turn = co_await wait_for_turn(target.value(), stop);
        if (!turn.ok()) co_return turn.failure();
        if (!turn.value()) continue;
        grant.emplace(std::move(*turn.value()));
      }
      const auto& chosen = grant ? route_on(routes, grant->adapter) : routes.front();
      if (grant && broken(radio_.stack(), chosen) != Cause::bluez_error) continue;
      auto* granted = grant ? &*grant : nullptr;
      auto& discovering = target.value().discovering;
      auto tried = co_await at(chosen, std::move(discovering), granted, stop);
      if (std::exchange(vanished_, false)) continue;
      // BlueZ forgets devices that nobody discovers: after a wait that is no news about this one.
      if (!waited_ || !tried.failed_by(Cause::object_gone)) co_return tried;
    }
  }

  // A turn and a slot for one of the routes. None: the device is to be looked for again.
  Task<Outcome<std::optional<DialQueue::Grant>>> wait_for_turn(Target& target, std::stop_token stop) {
    const auto adapters = adapters_of(target.routes);
    co_await radio_.census.bring_up_to_date(adapters, device_, stop);
    for (auto& route : target.routes)
      if (route.heard) radio_.queue.heard(route.adapter_address);
    auto at_once = radio_.queue.turn_now(device_, terms_, adapters, ticket_);
    if (at_once) co_return at_once;
    waited_ = true;
    // Who waits holds nothing that costs: no discovery, no match rule.
    target.discovering.clear();
    watch_.reset();
    progress_.stage(Stage::queued, {});
    const auto place = ticket_;
    // Nobody's time runs out, so other adapters are listened to again and again.
    std::unique_ptr<Executor::Timer> elsewhere;
    if (terms_.unattended)
      elsewhere = radio_.executor.call_at(radio_.now() + radio_.settings.listen.longest_pause,
                                          [this] { radio_.queue.look_again(device_); });
    auto turn = co_await radio_.queue.turn(device_, terms_, adapters, ticket_, stop);
    if (!turn.ok() || !turn.value()) co_return turn;
    co_await radio_.census.bring_up_to_date(adapters, device_, stop);
    if (!radio_.queue.overdrawn(turn.value()->adapter)) co_return turn;
    ticket_ = place;
    co_return std::optional<DialQueue::Grant>{};
  }

  static const Route& route_on(const std::vector<Route>& routes, const std::string& adapter) {
    for (auto& route : routes)
      if (route.adapter_address == adapter) return route;
    return routes.front();
  }

  // One attempt on this route. Without a grant there is a link already, or so it seemed.
  Task<Outcome<Link>> at(Route route, std::vector<Discovery::Token> discovering, DialQueue::Grant* grant,
                         std::stop_token stop) {
    auto watched = radio_.bluez.watch(route.path);
    if (!watched.ok()) co_return watched.failure();
    watch_ = std::move(watched.value());
    std::optional<DialQueue::Turn> turn;
    std::optional<DialQueue::Slot> slot;
    if (grant) {
      turn.emplace(std::move(grant->turn));
      slot.emplace(std::move(grant->slot));
      dialled_on_ = route.adapter_address;
    } else {
      slot.emplace(radio_.queue.adopted(route.adapter_address, device_));
    }
    dialled_ = false;
    auto up = co_await bring_up(route, std::move(discovering), turn, *slot, stop);
    turn.reset();
    if (!up.ok()) {
      if (dialled_) radio_.queue.dial_failed(route.adapter_address, device_, up.failure().cause);
      radio_.queue.let_go(std::move(*slot), watch_);
      if (!vanished_ && blames_route(up.failure().cause))
        radio_.routes.failed(device_, route.adapter_address, radio_.now());
      co_return up.failure();
    }
    radio_.queue.dial_succeeded(route.adapter_address);
    radio_.routes.succeeded(device_, route.adapter_address, route.path, radio_.now());
    Link link{.route = route, .watch = std::move(watch_), .attempts = attempt_};
    link.adopted = adopted_;
    link.foreign = foreign_;
    link.trusted = trusted_;
    link.verified = !cached_;
    link.cached = std::move(cached_);
    link.slot.emplace(std::move(*slot));
    co_return link;
  }

  // The routes to dial, and the discovery sessions that are to end behind the dial.
  Task<Outcome<Target>> find_target(std::stop_token stop) {
    if (attempt_ == 1 && !terms_.adopt_only) {
      auto route = known_route(radio_, device_, terms_);
      if (route && !radio_.queue.busy(route->adapter_address)) co_return one_way(std::move(*route));
    }
    auto objects = co_await find_objects(radio_, device_, terms_, stop);
    if (!objects.ok()) co_return objects.failure();
    auto routes = rank_routes(radio_, device_, terms_, objects.value());
    const bool is_up = !routes.empty() && routes.front().connected;
    if (terms_.adopt_only && !is_up) co_return co_await none_to_adopt(routes, stop);
    if (!routes.empty() && (is_up || !listen_first(routes.front(), objects.value())))
      co_return Target{std::move(routes), {}};

    const bool must_be_heard = routes.empty() || was_unanswered() || stands_in_the_way(routes.front());
    // The absentees are listened for together.
    if (terms_.unattended && must_be_heard) co_return Cause::window_over;
    if (terms_.unattended && !all_full(routes)) co_return Target{std::move(routes), {}};
    progress_.stage(Stage::discovering, {});
    watch_.reset();  // its rules: a device that is away is listened for by those of its adapters
    const auto window = must_be_heard ? Duration{terms_.attempt_timeout} : Duration{kElsewhere};
    const auto deadline = radio_.now() + window;
    auto heard = co_await listen_for(radio_, device_, terms_, objects.value(), deadline, stop);
    if (heard.failed_by(Cause::window_over) && !must_be_heard) co_return Target{std::move(routes), {}};
    if (!heard.ok()) co_return heard.failure();
    auto chosen = rank_routes(radio_, device_, terms_, heard.value().objects);
    if (chosen.empty()) co_return Cause::adapter_off;  // the adapter that heard it went the same moment
    for (auto& route : chosen) route.heard = true;
    co_return Target{std::move(chosen), std::move(heard.value().tokens)};
  }

  // A dial of the former life can be pending where there is no link.
  Task<Failure> none_to_adopt(std::vector<Route> routes, std::stop_token stop) {
    for (auto& route : routes) {
      if (!radio_.dials.dial_left_behind(route.owner, route.path)) continue;
      co_await end_left_behind(radio_, route.path, stop);
    }
    co_return Failure{Cause::not_connected, {}};
  }

  static Target one_way(Route route) {
    Target target;
    target.routes.push_back(std::move(route));
    return target;
  }

  // An object can be there though the device is not (a failed Connect makes it permanent), and its adapter
  // can be the wrong one.
  bool was_unanswered() const {
    return last_ == Cause::dial_timeout_heard || last_ == Cause::dial_timeout_unheard ||
           last_ == Cause::window_over || last_ == Cause::adapter_busy;
  }
  // A dial of a device that is away would keep those who wait for the radio for a whole attempt timeout.
  bool stands_in_the_way(const Route& route) const {
    return !route.heard && radio_.queue.busy(route.adapter_address);
  }
  bool listen_first(const Route& route, const std::vector<DeviceState>& objects) const {
    if (was_unanswered() || stands_in_the_way(route)) return true;
    const bool failed_here = radio_.routes.failures(device_, route.adapter_address, radio_.now()) > 0;
    const bool full_here = radio_.queue.full(route.adapter_address);
    const auto* adapter = radio_.stack().adapter(route.adapter);
    const bool avoided_here = adapter && radio_.avoids(*adapter);
    return (failed_here || full_here || avoided_here) && unseen_adapter(radio_, terms_, objects);
  }

  // A wait for a slot can be long, and an adapter that has not seen the device may have one.
  bool all_full(const std::vector<Route>& routes) const {
    return std::ranges::all_of(
        routes, [this](const Route& route) { return radio_.queue.full(route.adapter_address); });
  }

  Task<Outcome<>> bring_up(Route route, std::vector<Discovery::Token> discovering,
                           std::optional<DialQueue::Turn>& turn, DialQueue::Slot& slot,
                           std::stop_token stop) {
    progress_.stage(Stage::connecting, route.adapter_name);
    if (route.connected) {
      discovering.clear();
      // A watch that has just begun knows no values yet; a link that is no longer there is dialled.
      const auto until = radio_.now() + 10s;
      auto looked = co_await radio_.bluez.get_device(route.path, until, stop);
      if (!looked.ok()) co_return unanswered_within(10, looked.failure());
      route.connected = looked.value().connected;
    }
    adopt(route, route.connected);
    if (terms_.trust) {
      const auto until = radio_.now() + 10s;
      auto trusted = co_await radio_.bluez.trust(route.path, until, stop);
      if (!trusted.ok()) co_return unanswered_within(10, trusted.failure());
      trusted_ = true;
    }
    entry_.reset();
    Scope ahead{radio_.executor};
    if (!route.connected || terms_.pair) {
      if (!turn) {  // the link ended while we looked: then it is looked for once more, and dialled
        vanished_ = true;
        co_return Cause::link_lost;
      }
      ahead.spawn(look_for_services(radio_, *watch_, route, stop));
      if (terms_.use_cache) ahead.spawn(read_entry());
      dialled_ = true;
      auto dialled =
          co_await dial(radio_, *watch_, route, device_, terms_, std::move(discovering), turn, stop);
      turn.reset();
      if (!dialled.ok()) co_return co_await after_refusal(route, dialled.failure());
      adopt(route, dialled.value().was_up);
      slot.connected();
    }
    // Services that are resolved, and all known by signals, are verified without a read.
    const bool known = watch_->seen().services_resolved && watch_->seen().gatt_whole;
    if (terms_.use_cache && !known) {
      if (!entry_) entry_ = young_entry(radio_, device_);
      cached_ = co_await cached_services(radio_, *watch_, route, device_, std::move(*entry_), stop);
      if (cached_ && watch_->seen().connected) co_return Unit{};
      cached_.reset();
    }
    progress_.stage(Stage::resolving, route.adapter_name);
    const Duration patience = terms_.attempt_timeout;
    auto resolved = co_await resolve(radio_, *watch_, route, patience, stop);
    if (resolved.ok()) co_return resolved;
    // The daemon ends while it looks at a link of its former life: the next one does that.
    if (terms_.adopt_only && resolved.failed_by(Cause::cancelled)) co_return resolved;
    // A link without services is a phantom, whoever made it; otherwise it stays with the program that made
    // it.
    const bool phantom = resolved.failed_by(Cause::services_incomplete);
    const bool lost = resolved.failed_by(Cause::link_lost) || !watch_->seen().connected;
    const bool leave = lost || (foreign_ && !phantom);
    if (!leave) {
      progress_.stage(Stage::disconnecting, route.adapter_name);
      co_await end(route);
    } else {
      radio_.dials.ended(route.path);
    }
    co_return resolved;
  }

  // While the dial waits for the radio, behind Connect, which goes out first.
  Task<Unit> read_entry() {
    const auto soon = radio_.now();
    co_await sleep_until(radio_.executor, soon, unstoppable());
    entry_ = young_entry(radio_, device_);
    co_return Unit{};
  }

  void adopt(const Route& route, bool was_up) {
    adopted_ = was_up;
    foreign_ = was_up && !radio_.dials.link_left_behind(route.owner, route.path);
  }

  RunFailure failed(const Failure& failure) {
    RunFailure end{failure};
    if (hung_up_ && hung_up_->is_still(*watch_)) end.hung_up = watch_;
    return end;
  }

  // "In progress" is another program's dial, which is never cancelled, unless a former life of ours left it
  // behind.
  Task<Outcome<>> after_refusal(Route route, Failure failure) {
    if (failure.cause == Cause::in_progress && radio_.dials.dial_left_behind(route.owner, route.path)) {
      co_await end(route);
    }
    co_return failure;
  }

  Task<Unit> end(Route route) {
    const LinkMark link{*watch_};
    const auto ended = co_await hang_up(radio_, *watch_);
    ended ? radio_.dials.ended(route.path) : radio_.dials.outlived(route.path);
    if (ended) hung_up_ = link;
    if (!ended) progress_.link_stays(route);
    co_return Unit{};
  }

  static bool blames_route(Cause cause) {
    switch (cause) {
      case Cause::object_gone:
      case Cause::in_progress:
      case Cause::adapter_off:
      case Cause::adapter_busy:
      case Cause::stack_down:
      case Cause::slots_taken:
      case Cause::cancelled:
        return false;
      default:
        return true;
    }
  }

  // Another program's dial is waited for without counting, but not for longer than one attempt timeout.
  Failure weigh(Failure failure) {
    if (failure.cause != Cause::in_progress) {
      in_progress_since_.reset();
      return failure;
    }
    if (!in_progress_since_) in_progress_since_ = radio_.now();
    if (radio_.now() - *in_progress_since_ < terms_.attempt_timeout) return failure;
    in_progress_since_.reset();
    return {Cause::in_progress_too_long, failure.said};
  }

  void report(const Failure& failure, const RetryBudget::Decision& decision) {
    progress_.attempt_failed({.attempt = attempt_,
                              .failure = failure,
                              .count = decision.failure,
                              .bound = decision.bound,
                              .last = decision.give_up,
                              .retry_in = decision.delay});
  }

  Radio& radio_;
  DeviceAddress device_;
  const Terms& terms_;
  Progress& progress_;
  RetryBudget budget_;
  std::uint32_t attempt_ = 1;
  std::optional<Cause> last_;
  std::string dialled_on_;  // Adapter1.Address; of the last dial
  bool dialled_ = false;    // in this attempt; what fails before it says nothing of the adapter
  std::optional<TimePoint> in_progress_since_;
  bool adopted_ = false;
  bool foreign_ = false;
  std::optional<std::optional<CacheEntry>> entry_;  // of the cache, when it has been read
  std::optional<GattDatabase> cached_;
  bool trusted_ = false;
  bool vanished_ = false;
  bool waited_ = false;              // for the turn of this attempt
  std::optional<LinkMark> hung_up_;  // Disconnect was answered, at the end of this attempt
  DialQueue::Ticket ticket_;
  std::shared_ptr<DeviceWatch> watch_;  // of the last dial, followed between attempts too
};

}  // namespace

Task<std::variant<Link, RunFailure>> establish_connection(Radio& radio, DeviceAddress device,
                                                          const Terms& terms, Progress& progress,
                                                          std::stop_token stop) {
  auto run = std::make_unique<Run>(radio, device, terms, progress);
  auto& begun = *run;
  return begun.attempts(std::move(run), std::move(stop));
}

}  // namespace bleconnd
