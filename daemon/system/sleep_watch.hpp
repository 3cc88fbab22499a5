// The host's sleep, as systemd-logind tells it. A delay inhibitor of logind's is held while the host is
// awake, so that it sleeps when we are ready for it, or after logind's own patience (InhibitDelayMaxSec=, 5
// s). Without a logind nobody is asked, and nothing is lost but the warning.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "async/notice.hpp"
#include "async/scope.hpp"
#include "system/dbus_call.hpp"
#include "system/descriptor.hpp"
#include "system/match_rules.hpp"
#include "system/signal_filter.hpp"

namespace sdbus {
class IConnection;
}

namespace bleconnd {

class EventLoop;
class Journal;

class SleepWatch {
 public:
  using Prepare = std::function<Task<Unit>()>;
  // `prepare` is awaited before the host may sleep; `wake` is called when it has woken, or does not sleep
  // after all.
  SleepWatch(sdbus::IConnection& connection, EventLoop& loop, const Journal& journal, Prepare prepare,
             std::function<void()> wake);
  SleepWatch(const SleepWatch&) = delete;
  SleepWatch& operator=(const SleepWatch&) = delete;

  void begin();  // once, after READY=1

 private:
  void on_signal(sd_bus_message* signal);
  void login_is(std::string owner);
  Task<Unit> keep();
  Task<Unit> inhibit();
  Task<Outcome<>> ask_for_lock();
  Task<Unit> find_login();

  EventLoop& loop_;
  const Journal& journal_;
  Prepare prepare_;
  std::function<void()> wake_;
  DbusLine line_;
  MatchRules rules_;
  std::optional<MatchRules::Held> owner_rule_;
  std::optional<MatchRules::Held> sleep_rule_;
  std::string login_;  // logind's unique name, as far as it is known
  bool goes_to_sleep_ = false;
  bool asleep_ = false;     // or about to be
  bool wants_lock_ = true;  // to be asked for
  Descriptor lock_;
  Notice changed_;
  SignalFilter filter_;
  Scope tasks_;  // goes first
};

}  // namespace bleconnd
