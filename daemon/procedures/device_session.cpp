// The session's life: a run of attempts, a link, and what ends them.
#include "procedures/device_session.hpp"

#include <algorithm>
#include <cctype>

#include "async/scope.hpp"
#include "procedures/end_link.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
// Before what the cache has answered is verified: others' dials come first. A link that ends sooner says
// nothing about its services. Where all objects of BlueZ have to be read for that (30 ms with 1,000 devices,
// measured), one read serves the links that have come up within a second.
constexpr auto kVerify = 100ms;
constexpr auto kVerifyByRead = 1s;
constexpr auto kReadAgain = 10s;  // services that could not be read
constexpr auto kGattQuiet = 1s;  // a Service Changed adds and removes objects one by one, within milliseconds

constexpr auto kNoBluetoothd = 2s;  // its name is known within milliseconds, or it is not there
constexpr auto kExplored = 20s;     // a starved bluetoothd answers in seconds (measured, 5.66)

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// "org.bluez.Reason.Timeout" of Device1.Disconnected (BlueZ >= 5.83) -> "link-lost-timeout"; without one
// "link-lost".
std::string lost_reason(const std::string& end_reason) {
  const auto dot = end_reason.rfind('.');
  if (dot == std::string::npos) return "link-lost";
  std::string reason = "link-lost-";
  for (char c : end_reason.substr(dot + 1))
    reason += std::isalpha(static_cast<unsigned char>(c)) ? static_cast<char>(std::tolower(c)) : '-';
  return reason;
}

}  // namespace

DeviceSession::DeviceSession(Radio& radio, DeviceAddress address, SessionEvents& events)
    : radio_{radio}, address_{address}, events_{events}, changed_{radio.executor} {}

Task<Unit> DeviceSession::live() {
  events_.appeared(*this);
  while (link_ || wanted() || restored_) {
    if (link_) {
      co_await hold();
    } else if (restored_ || wants_it_now()) {
      co_await run();
    } else if (leases_.maintained()) {
      co_await reconnect();
    } else {
      co_await changed_.until(kNever, unstoppable());  // a persistent lease without a link
    }
    if (!link_ && forget_) {
      forget_ = false;
      co_await forget_in_bluez(radio_, address_, false);
    }
  }
  events_.gone(*this);
  co_return Unit{};
}

bool DeviceSession::wanted() const {
  if (shutting_down_) return false;
  return somebody_waits() || !leases_.empty();
}

// A persistent lease alone dials nothing.
bool DeviceSession::wants_it_now() const {
  if (shutting_down_) return false;
  return somebody_waits() || !leases_.only_lasting() || (pursued_ && !leases_.empty());
}

bool DeviceSession::wants_a_dial() const {
  return wants_it_now() || (!shutting_down_ && leases_.maintained());
}

bool DeviceSession::somebody_waits() const {
  return std::any_of(waiting_.begin(), waiting_.end(), [](auto* waiting) { return !waiting->over(); });
}

// A dial or a link that nobody wants any more, on its way down.
bool DeviceSession::is_ending() const {
  if (running_) return !run_goes_on();
  return link_ && !(link_goes_on() && wanted());
}

void DeviceSession::terms_are(Terms terms) {
  const bool reordered = terms.priority != terms_.priority || terms.yields != terms_.yields ||
                         terms.unattended != terms_.unattended;
  const bool moved = terms.adapter != terms_.adapter || terms.adopt_only != terms_.adopt_only;
  terms_ = std::move(terms);
  if (reordered) radio_.queue.reordered();
  if (!moved) return;
  radio_.queue.look_again(address_);
  changed_.notify();
}

// Whoever changes what is wanted calls this.
void DeviceSession::reconsider() {
  if (running_ && !restored_ && !wants_a_dial()) stop_run_.request_stop();
  // A link of a former life is looked for though its leases have ended: it has to be dropped.
  if (running_ && !wanted() && (!restored_ || shutting_down_)) stop_run_.request_stop();
  if (run_goes_on()) terms_are(terms_of_waiting());
  changed_.notify();
}

void DeviceSession::arm_linger() {
  linger_.reset();
  if (auto next = leases_.next_expiry())
    linger_ = radio_.executor.call_at(*next, [this] {
      if (leases_.expire(radio_.now())) events_.lease_passes(*this, LeaseChange::linger_ended, {});
      leases_changed();
    });
}

void DeviceSession::leases_changed() {
  arm_linger();
  keep_leases();
  events_.changed(*this);
  reconsider();
}

// For the next life of the daemon: persistent leases, and those that hold a link. A call that still waits
// will be told that we went, so its lease goes with us.
void DeviceSession::keep_leases() {
  if (left_up_) return;
  std::vector<KeptLease> leases;
  for (auto& lease : leases_.all()) {
    const auto& name = lease.holder.name;
    const auto waits_only = [&](const Waiting* call) {
      return call->caller.name == name && !call->served && (call->made_lease || !(lease.maintained || link_));
    };
    const bool holds = (link_ || restored_ || lease.maintained) &&
                       (lease.lingers_to || std::ranges::none_of(waiting_, waits_only));
    if (lease.persistent() || holds)
      leases.push_back(
          {lease.persistent(), name, lease.holder.uid, lease.label, lease.lingers_to, lease.maintained});
  }
  if (kept_ && leases == *kept_) return;
  kept_ = leases;
  radio_.leases.keep(address_, std::move(leases));
}

void DeviceSession::restore(std::vector<Lease> leases) {
  for (auto& lease : leases) leases_.restore(std::move(lease));
  restored_ = true;
  kept_.reset();
  // The linger of who has left begins to run; what is on record stays until the link is found or is not.
  arm_linger();
}

void DeviceSession::enter(Stage stage, const std::string& adapter, const std::string& reason) {
  if (stage == stage_ && adapter == adapter_) return;
  stage_ = stage;
  adapter_ = adapter;
  events_.stage_changed(*this, reason);
}

// --- the run ---

Task<Unit> DeviceSession::run() {
  if (restored_) co_await until_bluez_is_looked_at();
  if (restored_ && shutting_down_) {  // its leases and its link are for the next life to look at
    left_up_ = true;
    restored_ = false;
    co_return Unit{};
  }
  terms_are(terms_of_waiting());
  terms_.adopt_only = restored_ && !somebody_waits();
  stop_run_ = std::stop_source{};
  running_ = true;
  forced_ = false;
  run_began_ = radio_.now();
  last_failure_.reset();
  waits_for_ = Cause::bluez_error;
  enter(Stage::queued, {}, {});
  const auto stop = stop_run_.get_token();
  auto end = co_await establish_connection(radio_, address_, terms_, *this, stop);
  running_ = false;
  if (shutting_down_ && terms_.adopt_only) left_up_ = true;
  pursued_ = false;
  restored_ = false;
  place_.reset();
  if (auto* up = std::get_if<Link>(&end)) {
    link_.emplace(std::move(*up));
    services_as_linked();
    last_error_.reset();
    away_ = false;
    missed_ = 0;
    reconnect_.connected(radio_.now());
    keep_leases();
    enter(Stage::connected, link_->route.adapter_name, {});
  } else {
    const auto& failure = std::get<RunFailure>(end);
    end_run(stop.stop_requested() ? RunFailure{Failure{Cause::cancelled, {}}} : failure);
    wake_callers();
    if (failure.hung_up) co_await no_phantom(failure.hung_up);
  }
  wake_callers();
  changed_.notify();
  co_return Unit{};
}

// The callers have their answer; the next run shall not adopt what is on its way down.
Task<Unit> DeviceSession::no_phantom(std::shared_ptr<DeviceWatch> watch) {
  const LinkMark link{*watch};
  const auto ended = co_await bleconnd::until_ended(radio_, *watch, link);
  if (!ended) events_.link_stays(*this, watch->path(), true);
  co_return Unit{};
}

// Right after our start; without bluetoothd there is no link to look for.
Task<Unit> DeviceSession::until_bluez_is_looked_at() {
  Notice::Forward stack{radio_.bluez.stack_changed(), changed_};
  const auto began = radio_.now();
  while (!radio_.stack().explored && !somebody_waits() && !shutting_down_) {
    const auto until = began + (radio_.stack().owner.empty() ? kNoBluetoothd : kExplored);
    if (radio_.now() >= until) break;
    co_await changed_.until(until, unstoppable());
  }
  co_return Unit{};
}

void DeviceSession::end_run(const RunFailure& end) {
  attempt_ = 0;
  if (end.unattended) return end_unattended(end.failure);
  if (end.failure.cause == Cause::cancelled)  // who has joined since begins anew
    return enter(Stage::disconnected, {}, "cancelled");
  if (end.failure.cause ==
      Cause::not_connected) {  // the link of a former life has gone, and its leases with it
    end_leases();
    leases_changed();
    return enter(Stage::disconnected, {}, "link-lost");
  }
  reconnects_after(end.failure);
  // Everybody who waited gets this failure, and nobody keeps a lease on a link that is not there.
  last_error_ = refuse(end.failure, {end.count, end.bound, seconds(radio_.now() - run_began_)});
  for (auto* waiting : waiting_)
    if (!waiting->over()) refuse_call(*waiting, *last_error_);
  leases_.end_callers();
  leases_changed();
  enter(Stage::disconnected, {}, last_error_->token);
}

void DeviceSession::stage(Stage stage, const std::string& adapter) {
  enter(stage, adapter, {});
}

void DeviceSession::attempt(std::uint32_t number) {
  if (attempt_ == number) return;
  attempt_ = number;
  events_.changed(*this);
}

void DeviceSession::waits_for(Cause cause) {
  if (cause == waits_for_) return;
  const bool stood_still = waits_for_ != Cause::bluez_error;
  waits_for_ = cause;
  if (!stood_still) stands_still_since_ = radio_.now();
  wake_callers();  // they wait until another moment now
}

void DeviceSession::attempt_failed(const FailedAttempt& failed) {
  last_failure_ = failed.failure;
  last_error_ = refuse(failed.failure, {failed.count, failed.bound, seconds(radio_.now() - run_began_)});
  if (!terms_.unattended) return events_.attempt_failed(*this, failed, *last_error_);
  reconnects_after(failed.failure);
  auto goes_on = failed;
  goes_on.last = false;
  goes_on.retry_in = std::chrono::duration_cast<std::chrono::milliseconds>(reconnect_.due() - radio_.now());
  events_.attempt_failed(*this, goes_on, *last_error_);
}

// --- the link ---

Task<Unit> DeviceSession::hold() {
  const auto watch = link_->watch;  // its notice outlives the forward, also when the link ends here
  Notice::Forward device{watch->changed(), changed_};
  Notice::Forward stack{radio_.bluez.stack_changed(), changed_};
  phantom_ = discover_again_ = false;
  Scope following{radio_.executor};
  following.spawn(follow_services());
  const LinkMark link{*watch};
  for (;;) {
    if (auto reason = why_lost(link); !reason.empty()) {
      lost(reason);
      break;
    }
    if (shutting_down_ && !leases_.only_lingering()) {
      left_up_ = true;  // for those who are on the bus; its leases are on record for the next life
      link_.reset();
      break;
    }
    if (forced_ || !wanted()) {
      const std::string reason = forced_ ? "forced" : "released";
      co_await close(reason);
      break;
    }
    if (phantom_ || discover_again_) {
      co_await drop_services();
      break;
    }
    co_await changed_.until(kNever, unstoppable());
  }
  co_return Unit{};
}

std::string DeviceSession::why_lost(const LinkMark& link) const {
  const auto cause = broken(radio_.stack(), link_->route);
  if (cause != Cause::bluez_error) return std::string{row(cause).token};
  const auto& watch = *link_->watch;
  return link.is_still(watch) ? std::string{} : lost_reason(watch.seen().end_reason);
}

// Those of callers end with their link, but not those of calls that wait for the next one.
void DeviceSession::end_leases() {
  leases_.end_callers([this](const Lease& lease) {
    return std::ranges::any_of(waiting_, [&](const Waiting* waiting) {
      return !waiting->over() && waiting->caller.name == lease.holder.name;
    });
  });
}

// It went by itself. Leases end with their link; a call that came in the same moment starts a new run.
void DeviceSession::lost(const std::string& reason) {
  end_leases();
  reconnect_.lost(reason, radio_.now(), radio_.settings.reconnect);
  radio_.dials.ended(link_->route.path);
  link_over(reason);
  leases_changed();
}

// They did not come, and the link ends with its leases; or what a caller requires is missing: then BlueZ
// forgets the device as far as it may, and the next run discovers afresh.
Task<Unit> DeviceSession::drop_services() {
  const std::string reason = "services-incomplete";
  radio_.cache.drop(address_);  // the link does not wait for the disk
  if (phantom_) {
    end_leases();
    leases_changed();
    reconnect_.lost(reason, radio_.now(), radio_.settings.reconnect);
  }
  if (discover_again_) forget_ = true;
  co_await close(reason);
  co_return Unit{};
}

// Verifies the services of the link, keeps the cache up to date, and goes on with every Service Changed. Its
// frame stays as long as the link, and each wait in it takes room: what waits for less has a frame of its
// own.
Task<Unit> DeviceSession::follow_services() {
  const auto watch = link_->watch;
  Notice wake{radio_.executor};
  Notice::Forward device{watch->changed(), wake};
  Notice::Forward calls{changed_, wake};
  const Duration patience = terms_.attempt_timeout;
  co_await until_services_are_wanted(wake);
  bool gone = false;  // all of them, after they had been there
  for (bool again = false;; again = true) {
    const auto look = co_await look_at_services(patience, again);
    if (look.ok) {
      gone = false;
    } else if (look.failed_by == Cause::services_incomplete) {
      phantom_ = !link_->verified || std::exchange(gone, true);
      if (phantom_) {
        changed_.notify();
        co_return Unit{};
      }
    }
    const auto due = link_->verified && !gone ? kNever : radio_.now() + kReadAgain;
    while (watch->seen().gatt_changes == look.changes && radio_.now() < due)
      co_await wake.until(due, unstoppable());
    co_await until_gatt_is_quiet();
  }
}

// `wake`: the device's changes and the calls'.
Task<Unit> DeviceSession::until_services_are_wanted(Notice& wake) {
  const auto patience = link_->watch->seen().gatt_whole ? Duration{kVerify} : Duration{kVerifyByRead};
  const auto quiet = radio_.now() + patience;
  while (!link_->verified && !services_are_waited_for() && radio_.now() < quiet)
    co_await wake.until(quiet, unstoppable());
  co_return Unit{};
}

Task<Unit> DeviceSession::until_gatt_is_quiet() {
  const auto quiet = radio_.now() + kGattQuiet;
  co_await sleep_until(radio_.executor, quiet, unstoppable());
  co_return Unit{};
}

// What was read goes with this frame.
Task<DeviceSession::ServicesLook> DeviceSession::look_at_services(Duration patience, bool again) {
  const auto watch = link_->watch;
  auto read = co_await read_services(radio_, *watch, link_->route, patience, again, unstoppable());
  ServicesLook look{.changes = watch->seen().gatt_changes, .ok = read.ok()};
  if (!read.ok()) look.failed_by = read.failure().cause;
  if (!read.ok()) co_return look;
  look.changes = read.value().changes;
  services_are(read.value());
  co_return look;
}

void DeviceSession::services_as_linked() {
  auto services = std::exchange(link_->cached, {});
  if (!services) services = link_->watch->seen().gatt.database();
  if (services) services_.emplace(*services);
}

// All, as long as nothing is known of them.
std::vector<std::string> DeviceSession::lacking(const std::vector<std::string>& required) const {
  if (!services_ || required.empty()) return required;
  const auto services = services_->database();
  return services ? missing(*services, required) : required;
}

// By a call that the cache does not serve.
bool DeviceSession::services_are_waited_for() const {
  return std::ranges::any_of(waiting_, [this](const Waiting* call) {
    const auto& options = call->options;
    return !call->over() &&
           !(options.terms.use_cache && services_ && lacking(options.required_uuids).empty());
  });
}

void DeviceSession::services_are(const ServicesRead& read) {
  const auto changed =
      forget_ ? std::vector<std::string>{} : keep_services(radio_, address_, link_->route, services_, read);
  services_.emplace(read.services);
  link_->verified = true;
  events_.changed(*this);
  if (!changed.empty()) events_.services_changed(*this, changed);
  wake_callers();
}

Task<Unit> DeviceSession::close(std::string reason) {
  link_->slot->releasing();
  enter(Stage::disconnecting, link_->route.adapter_name, reason);
  const auto path = link_->route.path;
  const auto watch = link_->watch;
  bool stays = false;
  // Another program's link is not ours to end, except by the order of an administrator.
  if (!link_->foreign || forced_) {
    const LinkMark link{*watch};
    const auto ended = co_await hang_up(radio_, *watch);
    const auto down_by = radio_.now() + kLinkDown;
    while (why_lost(link).empty() && radio_.now() < down_by) co_await changed_.until(down_by, unstoppable());
    if (why_lost(link).empty()) {
      stays = !ended;
      bool gone = false;
      if (ended) gone = co_await forget_phantom(radio_, *watch, link, unstoppable());
      if (!gone) events_.link_stays(*this, path, ended);
    }
  }
  stays ? radio_.dials.outlived(path) : radio_.dials.ended(path);
  forced_ = false;
  link_over(reason);
  co_return Unit{};
}

void DeviceSession::link_over(const std::string& reason) {
  radio_.queue.let_go(std::move(*link_->slot), link_->watch);
  link_.reset();
  keep_leases();
  services_.reset();
  attempt_ = 0;
  events_.link_ended(*this, reason);
  enter(Stage::disconnected, {}, reason);
  changed_.notify();
}

}  // namespace bleconnd
