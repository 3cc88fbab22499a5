// bleconnd: puts the parts together and runs the loop. Objects first, then the name, then READY=1; BlueZ is
// looked at after that.
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "procedures/radio.hpp"
#include "service/call_limit.hpp"
#include "service/log_control.hpp"
#include "service/root_object.hpp"
#include "system/bluez_bus.hpp"
#include "system/bus_attachment.hpp"
#include "system/cache_directory.hpp"
#include "system/client_watch.hpp"
#include "system/configuration.hpp"
#include "system/dial_record_file.hpp"
#include "system/event_loop.hpp"
#include "system/journal.hpp"
#include "system/lease_record_file.hpp"
#include "system/options.hpp"
#include "system/readiness.hpp"
#include "system/resident_pages.hpp"
#include "system/sdbus_compat.hpp"
#include "system/sleep_watch.hpp"
#include "system/slot_record_file.hpp"
#include "system/statistics_file.hpp"

using namespace bleconnd;

namespace {

constexpr auto kShutDown =
    std::chrono::seconds{12};  // Disconnect takes 2 to 2.8 s a link, all at once; TimeoutStopSec= is 15 s

constexpr auto kStatus = std::chrono::milliseconds{250};  // quicker than somebody reads it

constexpr auto kSettled = std::chrono::seconds{1};  // behind the start; BlueZ has been looked at, too

constexpr auto kGoToSleep = std::chrono::seconds{4};  // logind waits for 5 s (InhibitDelayMaxSec=)

Task<Unit> tell_status(RootObject& root, EventLoop& loop) {
  std::string told;
  for (;;) {
    if (auto now = root.status(); now != told) notify_status(told = std::move(now));
    co_await root.status_changed().until(kNever, unstoppable());
    const auto next = loop.now() + kStatus;
    co_await sleep_until(loop, next, unstoppable());
  }
}

Task<Unit> shut_down(RootObject& root, CacheDirectory& cache, EventLoop& loop) {
  notify_stopping();
  const auto deadline = loop.now() + kShutDown;
  co_await root.connections().shut_down(kShutDown);
  co_await cache.settle(deadline);
  loop.stop();
  co_return Unit{};
}

int run(Journal& journal) {
  EventLoop loop;
  auto connection = sdbus::createSystemBusConnection();
  BusAttachment attachment{*connection, loop.event()};
  const CallLimit call_limit{bus::native(*connection)};
  DialRecordFile dials{runtime_directory(), bus::id(*connection), journal};
  CacheDirectory cache{cache_directory(), loop, journal};
  LeaseRecordFile leases{runtime_directory(), state_directory(), bus::id(*connection), journal};
  SlotRecordFile slots{state_directory(), journal};
  StatisticsFile statistics{state_directory(), loop, journal};
  BluezBus bluez{*connection, loop, journal};
  Radio radio{loop, bluez, dials, cache, leases, slots};
  ClientWatch clients{*connection, journal};
  const auto uid_of = [&](const sdbus::Message& call) { return clients.uid(call); };
  RootObject root{*connection, radio, statistics.statistics(), journal, uid_of, BLECONND_VERSION};
  root.tell_also("forged-signals", [&] { return bluez.forged_signals(); });
  LogControl log_control{*connection, journal, uid_of};
  clients.on_left([&](const std::string& name) { root.connections().caller_left(name); });

  SleepWatch sleep{*connection, loop, journal,
                   [&] { return root.connections().prepare_for_sleep(kGoToSleep); },
                   [&] { root.connections().wake_up(); }};

  auto log_level = journal.level();  // as the configuration has it
  bool configured = false;
  const auto configure = [&] {
    const auto read = read_configuration(configuration_directories());
    for (auto& warning : read.warnings)
      journal.tell(LogLevel::warning, {.kind = LogKind::configuration_wrong}, "{}", warning);
    if (read.incomplete && configured) return false;
    configured = true;
    root.connections().configure(read.values.settings);
    cache.configure({read.values.cache_entries, std::uint64_t{read.values.cache_mib} * 1024 * 1024});
    if (std::exchange(log_level, read.values.log_level) != read.values.log_level)
      journal.set_level(log_level);
    return true;
  };
  bool stopping = false;
  const auto reload = [&] {
    if (stopping) return;
    notify_reloading();
    const bool done = configure();
    (void)notify_ready();
    if (!done)
      return journal.tell(LogLevel::warning, {.kind = LogKind::configuration_wrong},
                          "the configuration cannot be read now, the one in force stays");
    journal.tell(LogLevel::info, {.kind = LogKind::configuration_read},
                 "the configuration has been read again");
  };
  configure();
  root.on_reload(reload);
  if (const auto restored = root.connections().restore(clients.present()); restored > 0)
    journal.tell(LogLevel::notice, {.kind = LogKind::leases_restored},
                 "leases of before that are restored: {}; their links are looked for", restored);
  Scope tasks{loop};
  auto stop = [&] {
    if (!std::exchange(stopping, true)) tasks.spawn(shut_down(root, cache, loop));
  };
  loop.on_signal(SIGTERM, stop);
  loop.on_signal(SIGINT, stop);
  loop.on_signal(SIGHUP, reload);
  loop.feed_watchdog();

  connection->requestName(bus::ServiceName{"org.bleconnd"});
  if (const int error = notify_ready()) {
    journal.tell(LogLevel::error, {.kind = LogKind::cannot_start},
                 "cannot start: systemd cannot be told ($NOTIFY_SOCKET): {}", std::strerror(error));
    return EXIT_FAILURE;
  }
  journal.tell(LogLevel::info, {.kind = LogKind::started}, "bleconnd {} is ready", BLECONND_VERSION);
  tasks.spawn(tell_status(root, loop));
  bluez.begin();
  sleep.begin();
  tasks.spawn(root.report_stale());
  const auto settled = loop.call_at(loop.now() + kSettled, [] {
    give_back_program_pages();
    notify_settled();
  });
  const int status = loop.run();
  if (status != EXIT_SUCCESS)
    journal.tell(LogLevel::error, {.kind = LogKind::bus_lost},
                 "the connection to the system bus is lost; bleconnd has to be started again");
  journal.tell(LogLevel::info, {.kind = LogKind::ended}, "bleconnd ends");
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  if (const auto done = carry_out_options(argc, argv, BLECONND_VERSION)) return *done;
  Journal journal;
  try {
    return run(journal);
  } catch (const sdbus::Error& error) {
    journal.tell(LogLevel::error, {.kind = LogKind::cannot_start},
                 "cannot start: {} ({}); is the system bus running, and may this user own org.bleconnd?",
                 std::string{error.getMessage()}, std::string{error.getName()});
    return EXIT_FAILURE;
  }
}
