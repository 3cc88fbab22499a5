// The calls that touch a session: establish (join and wait), release, disconnect, and callers that leave.
#include <algorithm>

#include "procedures/device_session.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
constexpr auto kEnded =
    20s;  // two Disconnects and the wait for the link; a caller with D-Bus' 25 s is answered

const Terms kNone{.attempt_timeout = 0s, .max_attempts = 0, .use_cache = false, .priority = Priority::low};

void widen(Terms& terms, const Terms& by) {
  terms.attempt_timeout = std::max(terms.attempt_timeout, by.attempt_timeout);
  terms.max_attempts = std::max(terms.max_attempts, by.max_attempts);
  terms.pair = terms.pair || by.pair;
  terms.trust = terms.trust || by.trust;
  terms.use_cache = terms.use_cache || by.use_cache;
  terms.priority = std::max(terms.priority, by.priority);
  if (terms.adapter.empty()) terms.adapter = by.adapter;
}

constexpr std::chrono::seconds kUnattended{20};  // as if nothing were asked for

bool same_adapter(const Stack& stack, const std::string& one, const std::string& other) {
  if (one == other) return true;
  for (auto& adapter : stack.adapters) {
    const auto names_it = [&](const std::string& text) {
      return text == adapter.name || text == adapter.address;
    };
    if (names_it(one) && names_it(other)) return true;
  }
  return false;
}

// Those that would do if they were not ignored: ", hci1 is on and ignored by bleconnd.conf".
std::string ignored_ones(const Radio& radio, const Terms& terms) {
  std::string names;
  for (auto& adapter : radio.stack().adapters)
    if (adapter.powered && radio.settings.ignores(adapter.address) && may_use({}, terms, adapter))
      names += ", " + adapter.name + " is on and ignored by bleconnd.conf";
  return names;
}

std::string whole_seconds(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count()) + " s";
}

}  // namespace

// --- establish ---

DeviceSession::Waiting::Waiting(DeviceSession& of, Caller by, EstablishOptions asked, Quota::Hold counted)
    : session{of},
      caller{std::move(by)},
      options{std::move(asked)},
      hold{std::move(counted)},
      began{of.radio_.now()},
      timeout{options.timeout.value_or(of.radio_.settings.timeout)},
      shared{of.link_goes_on() || of.run_goes_on() || of.somebody_waits()},
      wake{of.radio_.executor} {
  place = session.waiting_.insert(session.waiting_.end(), this);
}

DeviceSession::Waiting::~Waiting() {
  session.waiting_.erase(place);
  session.call_ends(*this);
}

std::variant<std::unique_ptr<DeviceSession::Waiting>, Refusal> DeviceSession::join(
    const Caller& caller, const EstablishOptions& options, Quota& quota) {
  if (auto refusal = contradiction(options)) return *refusal;
  const bool persistent = options.lifetime == Lifetime::persistent;
  auto waiting =
      std::make_unique<Waiting>(*this, caller, options, quota.hold(caller.uid, Quota::Kind::ordinary));
  terms_are(terms_of_waiting());
  auto hold = quota.hold(caller.uid, persistent ? Quota::Kind::persistent : Quota::Kind::ordinary);
  const auto maintained = options.terms.maintain ? std::optional{options.terms} : std::nullopt;
  const bool takes_over = leases_.next_expiry().has_value();
  const bool is_new = leases_.take(caller, options.label, options.lifetime, std::move(hold), maintained);
  (persistent ? waiting->made_persistent : waiting->made_lease) = is_new;
  if (takes_over) events_.lease_passes(*this, LeaseChange::taken_over, caller.name);
  if (options.terms.priority == Priority::high) reconnect_.forgive();
  leases_changed();
  return waiting;
}

Task<Answer<Established>> DeviceSession::wait(std::unique_ptr<Waiting> waiting) {
  for (;;) {
    if (waiting->refusal) co_return *waiting->refusal;
    if (can_serve(*waiting)) break;
    if (waiting->refusal) continue;
    const auto until = std::min(waiting->deadline(), not_ready_at(*waiting));
    if (radio_.now() >= until) {
      refuse_call(*waiting, overdue(*waiting));
      co_return *waiting->refusal;
    }
    co_await waiting->wake.until(until, unstoppable());
  }
  served(*waiting);
  co_return so_far(*waiting);
}

void DeviceSession::declared(std::unique_ptr<Waiting> waiting) {
  served(*waiting);
}

// Each call has its own idea of what is usable.
bool DeviceSession::can_serve(Waiting& waiting) {
  if (!link_goes_on()) return false;
  if (!link_->verified && !waiting.options.terms.use_cache) return false;
  const auto missing = lacking(waiting.options.required_uuids);
  if (missing.empty()) return true;
  if (!link_->verified) return false;  // what the cache lacks, the device may have
  const bool may_drop = !link_->foreign && !held_by_others(waiting.caller);
  if (may_drop && !waiting.discovered_again) {
    waiting.discovered_again = true;
    discover_again_ = true;
    changed_.notify();
    return false;
  }
  std::string said = "missing";
  for (auto& uuid : missing) said += " " + uuid;
  refuse_call(waiting, refuse({Cause::services_incomplete, said}));
  return false;
}

// What lingers or is persistent belongs to a user, not to a bus name.
bool DeviceSession::held_by_others(const Caller& caller) const {
  return std::ranges::any_of(leases_.all(), [&](auto& lease) {
    const bool of_user = lease.persistent() || lease.lingers_to;
    return of_user ? lease.holder.uid != caller.uid : lease.holder.name != caller.name;
  });
}

Established DeviceSession::so_far(const Waiting& waiting) const {
  const bool queued = stage_ == Stage::disconnected || stage_ == Stage::disconnecting;
  return {.stage = queued ? Stage::queued : stage_,
          .adapter = queued ? std::string{} : adapter_,
          .bluez_device = link_goes_on() ? bluez_device() : "/",
          .attempts = link_ ? link_->attempts : attempt_,
          .elapsed = radio_.now() - waiting.began,
          .services_from_cache = link_ && !link_->verified,
          .services_verified = services_verified(),
          .shared = waiting.shared || (link_ && link_->adopted),
          .adopted = link_ && link_->adopted};
}

// A call that got no link keeps no lease, unless another call of the same caller still waits, or the lease
// was there before it and still has a link, or is maintained.
void DeviceSession::call_ends(const Waiting& waiting) {
  const auto& name = waiting.caller.name;
  const auto other =
      std::ranges::find_if(waiting_, [&](auto* each) { return each->caller.name == name && !each->over(); });
  const bool waits_on = other != waiting_.end();
  if (waits_on && !waiting.served) (*other)->made_lease |= waiting.made_lease;
  const bool has_a_use = link_ || leases_.is_maintained(name);
  const bool stays = waiting.served || waits_on || (!waiting.made_lease && has_a_use);
  const bool ended = !stays && leases_.end(name);
  ended ? leases_changed() : reconsider();
}

// The largest of those who wait. An attempt that goes on for a lease that lingers keeps the terms of the call
// that left.
Terms DeviceSession::terms_of_waiting() const {
  if (!somebody_waits()) {
    auto terms = leases_.only_lasting() && leases_.maintained() ? terms_of_maintained() : terms_;
    terms.adopt_only = terms.adopt_only || restored_;  // whoever wanted more has left
    return terms;
  }
  const bool keeps = run_goes_on() && !terms_.adopt_only && !terms_.unattended && leases_.next_expiry();
  Terms terms = keeps ? terms_ : kNone;
  terms.adopt_only = terms.unattended = terms.yields = terms.maintain = false;
  for (auto* waiting : waiting_)
    if (!waiting->over()) widen(terms, waiting->options.terms);
  return terms;
}

Terms DeviceSession::terms_of_maintained() const {
  Terms terms = kNone;
  for (auto& lease : leases_.all())
    if (lease.maintained) widen(terms, *lease.maintained);
  terms.unattended = true;
  terms.yields = reconnect_.failures() > 0;
  terms.attempt_timeout =
      std::max(terms.attempt_timeout, kUnattended);  // a shorter one is a caller's patience
  terms.adopt_only = terms_.adopt_only && run_goes_on();
  return terms;
}

std::optional<Refusal> DeviceSession::contradiction(const EstablishOptions& options) const {
  const auto& asked = options.terms;
  if (link_goes_on()) {
    const auto& route = link_->route;
    if (!asked.adapter.empty() && asked.adapter != route.adapter_name &&
        asked.adapter != route.adapter_address)
      return refuse({Cause::busy, "the link is up on " + route.adapter_name});
    if (asked.pair && !link_->watch->seen().bonded)
      return refuse({Cause::busy, "the link is up without a bond"});
    if (options.insists_on_trust && !link_->trusted)
      return refuse({Cause::busy, "the link is up without trust"});
    return {};
  }
  if ((!run_goes_on() || terms_.adopt_only) && !somebody_waits()) return {};
  const auto terms = terms_of_waiting();
  if (!asked.adapter.empty() && !same_adapter(radio_.stack(), asked.adapter, terms.adapter))
    return refuse({Cause::busy, terms.adapter.empty() ? "others connect it on any adapter"
                                                      : "others connect it on " + terms.adapter});
  if (asked.pair && !terms.pair) return refuse({Cause::busy, "others connect it without pairing"});
  if (options.insists_on_trust && !terms.trust)
    return refuse({Cause::busy, "others connect it without trust"});
  return {};
}

TimePoint DeviceSession::not_ready_at(const Waiting& waiting) const {
  if (waiting.options.timeout || !running_ || waits_for_ == Cause::bluez_error) return kNever;
  return std::max(waiting.began, stands_still_since_) + radio_.settings.not_ready;
}

Refusal DeviceSession::overdue(const Waiting& waiting) const {
  const auto waited = whole_seconds(radio_.now() - waiting.began);
  if (running_ && waits_for_ != Cause::bluez_error) {
    const auto& missing = row(waits_for_);
    std::string token{missing.token};
    return {Category::not_ready, token,
            token + ": " + std::string{missing.happened} +
                (waits_for_ == Cause::adapter_off ? ignored_ones(radio_, terms_) : "") + " (waited " +
                waited + "); " + std::string{missing.advice}};
  }
  if (const auto lack = radio_.queue.lack_of_slots(address_); !lack.empty()) {
    const auto& full = row(Cause::slots_taken);
    std::string token{full.token};
    return {full.category, token,
            token + ": " + lack + " (waited " + waited + "); " + std::string{full.advice}};
  }
  const bool queued = radio_.queue.position(address_) > 0;
  const auto untried = queued ? Cause::adapter_busy : Cause::window_over;
  const auto cause = last_failure_ ? last_failure_->cause : untried;
  const auto& last = row(cause);
  std::string token{last.token};
  std::string tried = attempt_ > 1 ? std::to_string(attempt_ - 1) + " failed attempts, " : std::string{};
  tried += last_failure_ ? "last: " + std::string{last.happened} : "still " + std::string{text(stage_)};
  return {Category::timeout, token,
          token + ": no link within " + waited + " (" + tried + "); " + std::string{last.advice}};
}

// --- release, disconnect, departure ---

bool DeviceSession::cancel_calls(const std::string& name, bool only_persistent, Cause why) {
  bool any = false;
  for (auto* waiting : waiting_) {
    if (waiting->over() || (!name.empty() && waiting->caller.name != name)) continue;
    if (only_persistent && waiting->options.lifetime != Lifetime::persistent) continue;
    refuse_call(*waiting, refuse({why, {}}));
    waiting->wake.notify();
    any = true;
  }
  return any;
}

// A refused call takes the persistent lease with it that it made, unless another call of the user waits for
// it.
void DeviceSession::refuse_call(Waiting& waiting, Refusal refusal) {
  waiting.refusal = std::move(refusal);
  if (!std::exchange(waiting.made_persistent, false)) return;
  const auto heir = std::ranges::find_if(waiting_, [&](auto* other) {
    return !other->over() && other->caller.uid == waiting.caller.uid &&
           other->options.lifetime == Lifetime::persistent;
  });
  if (heir != waiting_.end()) {
    (*heir)->made_persistent = true;
  } else if (leases_.end_persistent(waiting.caller.uid)) {
    leases_changed();
  }
}

// Its lease has a link now, or was promised: no refusal of another call of the user ends it.
void DeviceSession::served(Waiting& waiting) {
  waiting.served = true;
  if (waiting.options.lifetime == Lifetime::persistent)
    for (auto* other : waiting_)
      if (other->caller.uid == waiting.caller.uid) other->made_persistent = false;
  keep_leases();
}

void DeviceSession::wake_callers() {
  for (auto* waiting : waiting_) waiting->wake.notify();
}

Answer<std::uint32_t> DeviceSession::release(const Caller& caller, std::optional<Lifetime> only) {
  const auto before = leases_.size();
  const bool had_call = cancel_calls(caller.name, only == Lifetime::persistent);
  const bool had_lease = leases_.size() < before || leases_.release(caller, only);
  if (!had_call && !had_lease) return refuse({Cause::not_connected, {}});
  leases_changed();
  return static_cast<std::uint32_t>(leases_.size());
}

Answer<Unit> DeviceSession::disconnect() {
  if (!link_ && !running_ && !wanted()) return refuse({Cause::not_connected, {}});
  forced_ = true;
  cancel_calls({});
  leases_.clear();
  leases_changed();
  return Unit{};
}

Task<Unit> DeviceSession::until_ended() {
  const auto deadline = radio_.now() + kEnded;
  while (is_ending() && radio_.now() < deadline) co_await changed_.until(deadline, unstoppable());
  co_return Unit{};
}

// A persistent lease needs nobody: its attempt goes on.
void DeviceSession::caller_left(const std::string& name, Duration linger) {
  const bool held = leases_.left(name, radio_.now(), radio_.now() + linger);
  for (auto* waiting : waiting_) {
    if (waiting->over() || waiting->caller.name != name) continue;
    if (waiting->options.lifetime != Lifetime::persistent) continue;
    waiting->made_persistent = false;
    pursued_ = pursued_ || !link_;
  }
  const bool called = cancel_calls(name);
  if (held) events_.lease_passes(*this, linger > 0s ? LeaseChange::lingers : LeaseChange::linger_ended, name);
  if (held || called) leases_changed();
}

void DeviceSession::shut_down() {
  shutting_down_ = true;
  cancel_calls({}, false, Cause::stopping);
  reconsider();
}

}  // namespace bleconnd
