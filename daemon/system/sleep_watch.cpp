// org.freedesktop.login1.Manager: Inhibit and PrepareForSleep (systemd 252 to 257). Signals are believed only
// from the unique name that the bus driver names.
#include "system/sleep_watch.hpp"

#include <fcntl.h>

#include <string_view>
#include <utility>

#include "system/bluez_messages.hpp"
#include "system/event_loop.hpp"
#include "system/journal.hpp"
#include "system/sdbus_compat.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
constexpr char kLogin[] = "org.freedesktop.login1";
constexpr char kLoginPath[] = "/org/freedesktop/login1";
constexpr char kManager[] = "org.freedesktop.login1.Manager";
constexpr char kBus[] = "org.freedesktop.DBus";
constexpr auto kAnswer = 25s;  // as usual on D-Bus; nothing waits for it

}  // namespace

SleepWatch::SleepWatch(sdbus::IConnection& connection, EventLoop& loop, const Journal& journal,
                       Prepare prepare, std::function<void()> wake)
    : loop_{loop},
      journal_{journal},
      prepare_{std::move(prepare)},
      wake_{std::move(wake)},
      line_{bus::native(connection)},
      rules_{bus::native(connection), journal},
      owner_rule_{rules_.hold("type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                              "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                              "arg0='org.freedesktop.login1'")},
      sleep_rule_{rules_.hold("type='signal',sender='org.freedesktop.login1',path='/org/freedesktop/login1',"
                              "interface='org.freedesktop.login1.Manager',member='PrepareForSleep'")},
      changed_{loop},
      filter_{bus::native(connection), [this](sd_bus_message* signal) { on_signal(signal); }},
      tasks_{loop} {}

void SleepWatch::begin() {
  tasks_.spawn(find_login());
  tasks_.spawn(keep());
}

void SleepWatch::on_signal(sd_bus_message* signal) {
  const char* sender = sd_bus_message_get_sender(signal);
  if (!sender) return;
  if (sd_bus_message_is_signal(signal, kBus, "NameOwnerChanged") > 0) {
    std::string_view name, before, now;
    if (std::string_view{sender} != kBus || !read_text(signal, 's', name) || name != kLogin) return;
    if (read_text(signal, 's', before) && read_text(signal, 's', now)) login_is(std::string{now});
    return;
  }
  if (sd_bus_message_is_signal(signal, kManager, "PrepareForSleep") <= 0 || login_ != sender) return;
  int begins = 0;
  if (sd_bus_message_read_basic(signal, 'b', &begins) <= 0) return;
  goes_to_sleep_ = begins != 0;
  changed_.notify();
}

// A new logind knows nothing of our lock, nor of a sleep that the former one had begun.
void SleepWatch::login_is(std::string owner) {
  login_ = std::move(owner);
  goes_to_sleep_ = false;
  lock_ = Descriptor{};
  wants_lock_ = !login_.empty();
  changed_.notify();
}

Task<Unit> SleepWatch::keep() {
  for (;;) {
    if (goes_to_sleep_ && !asleep_) {
      asleep_ = true;
      journal_.tell(LogLevel::info, {.kind = LogKind::goes_to_sleep},
                    "the host suspends: dials and discovery end");
      co_await prepare_();
      lock_ = Descriptor{};
    } else if (!goes_to_sleep_ && asleep_) {
      asleep_ = false;
      journal_.tell(LogLevel::info, {.kind = LogKind::wakes_up}, "the host has woken");
      wake_();
      wants_lock_ = true;
    } else if (wants_lock_ && !asleep_) {
      wants_lock_ = false;
      tasks_.spawn(inhibit());
    } else {
      co_await changed_.until(kNever, unstoppable());
    }
  }
}

// Its name is known whether it gives a lock or not.
Task<Unit> SleepWatch::find_login() {
  auto message = line_.new_call(kBus, "/org/freedesktop/DBus", kBus, "GetNameOwner");
  if (message) sd_bus_message_append(message.get(), "s", kLogin);
  const auto read = [this](const DbusAnswer& answer) -> Outcome<> {
    if (!answer.ok()) return answer.failure();
    std::string_view owner;
    if (read_text(answer.value(), 's', owner)) login_ = owner;
    return Unit{};
  };
  DbusCall<Unit> call{loop_, line_, std::move(message), read, kNever, unstoppable()};
  (void)co_await call;
  co_return Unit{};
}

Task<Unit> SleepWatch::inhibit() {
  auto locked = co_await ask_for_lock();
  const bool no_logind = locked.failed_by(Cause::stack_down) || locked.failed_by(Cause::object_gone);
  if (!locked.ok() && !no_logind)
    journal_.warning("logind gave no delay inhibitor ({}): the host may suspend while a dial is under way",
                     locked.failed_by(Cause::timeout) ? "no answer within 25 s" : locked.failure().said);
  co_return Unit{};
}

Task<Outcome<>> SleepWatch::ask_for_lock() {
  auto message = line_.new_call(kLogin, kLoginPath, kManager, "Inhibit");
  if (message) {
    sd_bus_message_set_auto_start(message.get(), 0);
    sd_bus_message_append(message.get(), "ssss", "sleep", "bleconnd", "ends its dials and discovery",
                          "delay");
  }
  const auto read = [this](const DbusAnswer& answer) -> Outcome<> {
    if (!answer.ok()) return answer.failure();
    int lock = -1;
    if (sd_bus_message_read_basic(answer.value(), 'h', &lock) <= 0) return unreadable_answer();
    if (!asleep_) lock_ = Descriptor{fcntl(lock, F_DUPFD_CLOEXEC, 3)};
    return Unit{};
  };
  const auto deadline = loop_.now() + kAnswer;
  DbusCall<Unit> call{loop_, line_, std::move(message), read, deadline, unstoppable()};
  co_return co_await call;
}

}  // namespace bleconnd
