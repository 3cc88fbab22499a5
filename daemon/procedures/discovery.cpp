// The keeper of a discovery session: compares what is wanted with what runs, and acts on the difference.
#include "procedures/discovery.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
constexpr auto kAnswer =
    10s;  // StartDiscovery and StopDiscovery answer within milliseconds; mgmt may need a second under load
constexpr int kBusy = 10;         // StopDiscovery, a second apart
constexpr auto kStartAgain = 1s;  // after a StartDiscovery that BlueZ refused

}  // namespace

std::shared_ptr<Discovery::Session> Discovery::session(const std::string& adapter) {
  const auto* there = bluez_.stack().adapter(adapter);
  const auto address = there ? there->address : std::string{};
  auto& session = sessions_[adapter];
  if (!session || (there && session->address != address)) {
    session = std::make_shared<Session>(executor_, adapter, address);
    scope_.spawn(keep(session));
  }
  return session;
}

void Discovery::hold() {
  held_ = true;
  std::vector<std::string> adapters;
  adapters.reserve(sessions_.size());
  for (auto& [adapter, session] : sessions_) adapters.push_back(adapter);
  for (auto& adapter : adapters) holds_.emplace(adapter, pause(adapter));
}

void Discovery::go_on() {
  held_ = false;
  holds_.clear();
}

bool Discovery::quiet() const {
  return std::ranges::none_of(sessions_,
                              [](auto& each) { return each.second->acts || each.second->running_in != 0; });
}

bool Discovery::stuck(const AdapterState& adapter) const {
  const auto at = stuck_.find(adapter.path);
  return at != stuck_.end() && at->second == adapter.power_epoch;
}

Discovery::Token Discovery::join(const std::string& adapter) {
  const auto before = sessions_.find(adapter);
  const auto known = before == sessions_.end() ? nullptr : before->second;
  Token token{session(adapter)};
  if (held_ && token.session_ != known) {
    holds_.erase(adapter);
    holds_.emplace(adapter, pause(adapter));
  }
  token.session_->changed.notify();
  became_wanted_.notify();
  return token;
}

Discovery::Pause Discovery::pause(const std::string& adapter) {
  Pause pause{*this, session(adapter)};
  auto& session = *pause.session_;
  if (session.paused++ == 0) {
    if (executor_.now() - session.changed_at >= kRest) session.deaf_in_a_row = {};
    session.changed_at = executor_.now();
    session.starting.request_stop();  // not behind the dial's Connect
    session.changed.notify();
  }
  return pause;
}

void Discovery::resume(Session& session) {
  if (--session.paused > 0) return;
  const auto span = executor_.now() - session.changed_at;
  session.deaf += span;
  session.deaf_in_a_row = session.wanted > 0 ? session.deaf_in_a_row + span : Duration{};
  session.changed_at = executor_.now();
  session.changed.notify();
}

bool Discovery::wanted(const std::string& adapter) const {
  const auto at = sessions_.find(adapter);
  return at != sessions_.end() && at->second->wanted > 0;
}

TimePoint Discovery::rests_until(const std::string& adapter) const {
  const auto at = sessions_.find(adapter);
  if (at == sessions_.end()) return {};
  const auto& session = *at->second;
  const bool rests = session.wanted > 0 && session.paused == 0 && session.deaf_in_a_row >= kMostDeaf;
  return rests ? session.changed_at + kRest : TimePoint{};
}

Task<Unit> Discovery::keep(std::shared_ptr<Session> session) {
  Notice::Forward stack{bluez_.stack_changed(), session->changed};
  for (;;) {
    const auto powered_in = epoch(*session);
    if (session->running_in != powered_in)
      session->running_in = 0;  // it ended with the adapter's power or bluetoothd
    const bool wanted = session->wanted > 0 && session->paused == 0;
    session->acts = wanted ? powered_in && !session->running_in : session->running_in != 0;
    if (wanted && powered_in && !session->running_in) {
      co_await start(session);
      session->acts = false;
      changed_.notify();
    } else if (!wanted && session->running_in) {
      co_await end(session);
      session->acts = false;
      changed_.notify();
    } else if (session->wanted == 0 && session->paused == 0) {
      break;
    } else {
      co_await session->changed.until(kNever, unstoppable());
    }
  }
  const auto at = sessions_.find(session->adapter);
  if (at != sessions_.end() && at->second == session) sessions_.erase(at);
  changed_.notify();
  co_return Unit{};
}

// 0 without power, or when it has gone.
std::uint64_t Discovery::epoch(const Session& session) const {
  const auto* adapter = bluez_.stack().adapter(session.adapter);
  return adapter && adapter->powered && adapter->address == session.address ? adapter->power_epoch : 0;
}

Task<Unit> Discovery::start(std::shared_ptr<Session> session) {
  session->starting = std::stop_source{};
  const auto deadline = executor_.now() + kAnswer;
  auto started = co_await bluez_.start_discovery(session->adapter, deadline, session->starting.get_token());
  // A start that was not answered may have happened: it counts as running, so that it is stopped. It runs in
  // the epoch of its answer: a power cycle before it can be told after it was asked for.
  if (started.ok() || started.failed_by(Cause::timeout)) {
    session->running_in = epoch(*session);
    co_return Unit{};
  }
  if (started.failed_by(Cause::cancelled)) co_return Unit{};
  // "In progress" means a session of a former start of ours; BlueZ says so of every failed start too. Clear
  // it, then try again.
  if (started.failed_by(Cause::in_progress)) co_await end(session);
  const bool still_wanted = session->wanted > 0 && session->paused == 0;
  if (still_wanted) co_await session->changed.until(executor_.now() + kStartAgain, unstoppable());
  co_return Unit{};
}

// Whatever the answers, nothing of ours runs behind this, as far as BlueZ lets us: at most kBusy tries.
Task<Unit> Discovery::end(std::shared_ptr<Session> session) {
  session->running_in = 0;
  bool forgotten = false;
  std::optional<std::uint64_t>
      refused_in;  // power epoch of the last refusal; an answer that is lost says nothing
  bool ends = false;
  for (int tries = 0, lost = 0; tries < kBusy && !ends; ++tries) {
    const auto deadline = executor_.now() + kAnswer / 2;
    if (forgotten) (void)co_await bluez_.start_discovery(session->adapter, deadline, unstoppable());
    const auto stopped_by = executor_.now() + kAnswer / 2;
    const auto ended = co_await bluez_.stop_discovery(session->adapter, stopped_by, unstoppable());
    // "In progress": a start of ours is not done yet; or the kernel was busy with a dial, then BlueZ has
    // forgotten our session and scans on for nobody (measured, 5.66, kernel 6.12), and only a session that is
    // started anew can be stopped. An answer that was lost can have been that one: then not before the dial
    // is over, since there may be nothing to stop.
    forgotten = forgotten || ended.failed_by(Cause::in_progress);
    const bool says_none_runs =
        !ended.ok() && !ended.failed_by(Cause::timeout) && !ended.failed_by(Cause::bluez_error);
    if (lost > 0 && says_none_runs && !forgotten) {
      while (session->paused > 0 && epoch(*session) != 0)
        co_await session->changed.until(kNever, unstoppable());
      forgotten = true;
    }
    if (ended.failed_by(Cause::timeout)) {
      if (++lost == 2) break;
    } else if (ended.failed_by(Cause::bluez_error)) {
      refused_in = epoch(*session);
      if (++lost == 2) break;
    } else if (ended.ok() || !forgotten || epoch(*session) == 0) {
      ends = true;  // "No discovery started" and "not powered" say that nothing runs
    } else {
      refused_in = epoch(*session);
      co_await sleep_until(executor_, executor_.now() + kStartAgain, unstoppable());
    }
  }
  if (ends)
    stuck_.erase(session->adapter);
  else if (refused_in)
    stuck_.insert_or_assign(session->adapter, *refused_in);
  co_return Unit{};
}

}  // namespace bleconnd
