// The daemon, bluetoothd and the bus are killed and stopped at random moments under fifty clients that call,
// release and leave; on both buses. When it is calm, everybody who is still there has an answer, the device
// connects, and nothing is left over.
#include <csignal>

#include "chaos_report.hpp"
#include "daemon_sharing_fixture.hpp"
#include "daemon_storm.hpp"

namespace bleconnd::integration {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kClients = 50;
constexpr std::size_t kDevices = 12;
constexpr int kActs = 300;  // of a round

class DaemonChaos : public SharingFixture, public ::testing::WithParamInterface<Broker> {
 protected:
  DaemonChaos() : SharingFixture(fast_on(GetParam())) {}
  void SetUp() override {
    if (GetParam() != world.bus.broker()) GTEST_SKIP() << PrivateBus::broker_unavailable();
    for (std::size_t number = 1; number < kDevices; ++number)
      hci0.discovered(bluez.add_peripheral(device(number)));
  }

  static std::string device(std::size_t number) {
    if (number == 0) return kLamp;
    return "AA:BB:CC:DD:00:" + std::string{number < 10 ? "0" : "1"} + std::to_string(number % 10);
  }

  // --- the clients ---

  struct Asked {
    std::size_t client;
    std::string method;
    std::chrono::seconds timeout;  // of the call; without one: what a release may take
    PendingReply reply;
  };

  void client_calls(Dice& dice) {
    const auto number = dice.below(kClients);
    auto& who = *clients_[number];
    const auto& address = device(dice.below(kDevices));
    const std::chrono::seconds timeout{1 + dice.below(5)};
    if (dice.chance(33)) {
      asked_.push_back({number, "ReleaseConnection", 20s, who.release(address)});
    } else {
      Dictionary options{{"timeout", static_cast<std::uint32_t>(timeout.count())}};
      if (dice.chance(20)) options["wait"] = false;
      if (dice.chance(20)) options["use-services-cache"] = false;
      asked_.push_back({number, "EstablishConnection", timeout, who.establish(address, options)});
    }
    ++report_.calls[asked_.back().method];
  }

  void client_leaves(Dice& dice) {
    const auto number = dice.below(kClients);
    clients_[number]->leave();
    std::erase_if(asked_, [&](const Asked& each) {
      if (each.client != number) return false;
      if (each.reply->done) count(each);
      if (!each.reply->done) ++report_.left_alone;
      return true;
    });
    clients_[number]->join();
  }

  void count(const Asked& each) {
    report_.answered(each.method, each.reply->outcome(), each.reply->took);
    // Beside its time-out a call waits while somebody is stopped (1.5 s at most each time) and for a link's
    // end.
    EXPECT_LE(each.reply->took, each.timeout + 10s) << each.method << ": " << each.reply->outcome();
  }

  // Dials end in every way, links go, devices fall silent and come back.
  void the_air_changes(Dice& dice) {
    static const std::vector<ConnectStep> kSteps{
        aborts(),       drops_at_once(), drops_before_services(), never_resolves(),       hangs(),
        is_swallowed(), link_fails(),    object_vanishes(),       succeeds_without_link()};
    auto& one = *bluez.air()[dice.below(bluez.air().size())];
    const auto kind = dice.below(4);
    if (kind == 0) one.drop_link();
    if (kind == 1) one.advertise(dice.chance(50));
    if (kind > 1) one.next_connects({dice.any_of(kSteps)});
  }

  // Everybody who is still there.
  void expect_answers() {
    world.until([&] { return std::ranges::all_of(asked_, [](auto& each) { return each.reply->done; }); },
                60s);
    for (const auto& each : asked_) {
      EXPECT_TRUE(each.reply->done) << "a client that is still there has no answer to " << each.method;
      if (each.reply->done) count(each);
      if (!each.reply->done) ++report_.unanswered;
    }
    asked_.clear();
  }

  // The world goes on, and clients go on calling, for a few events; now and then for longer than a time-out.
  void some_time(Dice& dice) {
    for (auto calls = dice.below(8); calls > 0; --calls) client_calls(dice);
    const auto time = dice.chance(8) ? 300 + dice.below(1200) : 1 + dice.below(60);
    world.until([] { return false; }, std::chrono::milliseconds{time});
  }

  // --- the strikes ---

  void strike(Dice& dice) {
    switch (dice.below(6)) {
      case 0:
        ++report_.struck["bleconnd killed"];
        look_at_the_daemon();
        EXPECT_EQ(world.daemon->end(SIGKILL), 128 + SIGKILL);
        if (dice.chance(50)) some_time(dice);
        start_the_next_daemon();
        break;
      case 1:
        ++report_.struck["bleconnd stopped"];
        world.daemon->process().send_signal(SIGSTOP);
        some_time(dice);
        world.daemon->process().send_signal(SIGCONT);
        break;
      case 2:
        ++report_.struck["bluetoothd killed"];
        bluez.kill();
        some_time(dice);
        bluez.come_back();
        break;
      case 3:
        ++report_.struck["bluetoothd stopped"];
        bluez.stop();
        some_time(dice);
        bluez.resume();
        break;
      case 4:
        ++report_.struck["bus killed"];
        the_bus_is_killed(dice);
        break;
      default:
        ++report_.struck["bus stopped"];
        world.bus.stop();
        some_time(dice);
        world.bus.resume();
    }
  }

  // The next one finds the same folders.
  void start_the_next_daemon() { EXPECT_TRUE(world.start_daemon(daemon_program())) << world.daemon->log(); }

  // Everybody loses their connection. bluetoothd and the daemon end then, and are started again by systemd;
  // the clients hear that their calls have failed, and come again.
  void the_bus_is_killed(Dice& dice) {
    look_at_the_daemon();
    world.bus.kill();
    bluez.kill();
    world.until([&] { return world.daemon->process().exit_status().has_value(); });
    EXPECT_EQ(world.daemon->process().exit_status(), EXIT_FAILURE);
    EXPECT_THAT(world.daemon->log(), HasSubstr("the connection to the system bus is lost"));
    expect_sound(world.daemon->log());
    expect_answers();
    world.bus.come_back();
    client.join();
    client.watch_daemon();
    for (auto* each : clients_) each->join();
    const bool bluetoothd_first = dice.chance(50);
    if (bluetoothd_first) bluez.come_back();
    start_the_next_daemon();
    if (!bluetoothd_first) bluez.come_back();
  }

  static void expect_sound(const std::string& log) {
    EXPECT_THAT(log, ::testing::Not(HasSubstr("Sanitizer")));
    EXPECT_THAT(log, ::testing::Not(HasSubstr("runtime error:")));
  }
  void look_at_the_daemon() {
    expect_sound(world.daemon->log());
    report_.most_resident = std::max(report_.most_resident, world.daemon->process().status("VmHWM"));
  }

  // --- the calm ---

  void calm() {
    for (const auto& each : bluez.air()) {
      each->connects = {};
      each->advertise(true);
      hci0.discovered(*each);
    }
    EXPECT_TRUE(state_becomes("running"));
    expect_answers();
    for (auto* each : clients_) each->leave();
    clients_.clear();
    // What a writer left that was killed goes with the next one.
    (void)value_of(client.manager("ClearCache", {Value{kLamp}, Dictionary{}}));
    connect_the_lamp();
    release_the_lamp();
  }

  void expect_nothing_left_of_the_round() {
    world.until([&] { return world.daemon->process().children().empty(); });  // that write the cache
    expect_nothing_left();
    EXPECT_EQ(value_of(client.manager("ListConnections")), json::array());
    EXPECT_EQ(adapter("Allocated"), json::array());
    EXPECT_EQ(adapter("Queued"), json::array());
    EXPECT_EQ(adapter("Dialling"), "");
    EXPECT_EQ(adapter("SlotsFree"), adapter("Slots"));
  }

  void round(std::uint64_t seed) {
    ASSERT_NO_FATAL_FAILURE(start());
    if (report_.resident_at_start == 0) {
      report_.resident_at_start = world.daemon->process().status("VmRSS");
      report_.files_at_start = world.daemon->open_files();
    }
    Dice dice{seed};
    while (clients_.size() < kClients) clients_.push_back(&world.client());
    for (int act = 0; act < kActs && !HasFailure(); ++act) {
      const auto kind = dice.below(10);
      if (kind == 0) client_leaves(dice);
      if (kind == 1) the_air_changes(dice);
      if (kind > 1) client_calls(dice);
      if (dice.chance(20)) some_time(dice);
      if (dice.chance(4)) strike(dice);
    }
    ASSERT_NO_FATAL_FAILURE(calm());
    expect_nothing_left_of_the_round();
    look_at_the_daemon();
    report_.resident_at_end = world.daemon->process().status("VmRSS");
    report_.files_at_end = world.daemon->open_files();
    EXPECT_EQ(world.daemon->end(SIGTERM), 0) << world.daemon->log();
    expect_sound(world.daemon->log());
    client.forget_signals();
    client.forget_events();
    bluez.forget_calls();
  }

  std::vector<Client*> clients_;
  std::vector<Asked> asked_;
  ChaosReport report_;
};

std::string name_of_bus(Broker broker) {
  return broker == Broker::dbus_daemon ? "dbus_daemon" : "dbus_broker";
}

TEST_P(DaemonChaos, leaves_nothing_behind_and_everybody_answered) {
  const auto rounds = storm(12s, 300s, [&](std::uint64_t seed) {
    round(seed);
    return !HasFailure();
  });
  report_.print(std::to_string(kClients) + " clients, " + std::to_string(kDevices) + " devices, " +
                    name_of_bus(GetParam()),
                rounds, !HasFailure());
}

// dbus-daemon lets 128 calls of a connection wait; it refuses the others itself.
TEST_P(DaemonChaos, two_hundred_calls_of_one_client_at_once_are_answered_each) {
  ASSERT_NO_FATAL_FAILURE(start());
  std::vector<PendingReply> replies;
  for (std::size_t number = 0; number < 200; ++number)
    replies.push_back(client.establish(device(number % kDevices)));
  EXPECT_TRUE(world.until([&] { return std::ranges::all_of(replies, [](auto& each) { return each->done; }); },
                          std::chrono::seconds{60}));
  const auto ok = std::ranges::count_if(replies, [](auto& each) { return each->ok(); });
  const auto refused = std::ranges::count_if(
      replies, [](auto& each) { return each->error == "org.freedesktop.DBus.Error.LimitsExceeded"; });
  EXPECT_GE(ok, 100);
  EXPECT_EQ(ok + refused, 200);
  for (std::size_t number = 0; number < kDevices; ++number)
    EXPECT_EQ(world.outcome(client.release(device(number))), "ok") << device(number);
  world.until([&] { return world.daemon->process().children().empty(); });
}

// As the storm's bluetoothd is stopped inside of the test, one that is a process, by the kernel.
TEST_P(DaemonChaos, a_bluetoothd_that_is_stopped_by_the_kernel_leaves_nothing_behind_either) {
  ChildCommand command;
  command.arguments = {paths::scripted_bluez, "--device", kLamp, "--speed", "20"};
  command.environment = {{"DBUS_SYSTEM_BUS_ADDRESS", world.bus.address()}};
  ChildProcess bluetoothd{world.loop, command};
  ASSERT_TRUE(world.until([&] { return bluetoothd.output().find("is ready") != std::string::npos; }));
  ASSERT_TRUE(world.start_daemon(daemon_program())) << world.daemon->log();
  ASSERT_TRUE(state_becomes("running"));
  look_at_rest();
  while (clients_.size() < kClients) clients_.push_back(&world.client());
  Dice dice{1};
  for (int times = 0; times < 8; ++times) {
    // In the last ones for longer than their time-out of a second.
    for (auto* each : clients_)
      asked_.push_back({0, "EstablishConnection", 1s, each->establish(kLamp, {{"timeout", 1u}})});
    world.until([] { return false; }, std::chrono::milliseconds{dice.below(30)});
    bluetoothd.send_signal(SIGSTOP);
    world.until([] { return false; }, std::chrono::milliseconds{times < 6 ? dice.below(100) : 1200});
    bluetoothd.send_signal(SIGCONT);
    expect_answers();
    for (auto* each : clients_) asked_.push_back({0, "ReleaseConnection", 10s, each->release(kLamp)});
    expect_answers();
  }
  EXPECT_GE(report_.answers["ok"], 100u);
  const CallTarget device{"org.bluez", kBluezPath, "org.bluez.Device1"};
  const CallTarget adapter{"org.bluez", "/org/bluez/hci0", "org.bluez.Adapter1"};
  EXPECT_TRUE(world.until([&] {
    const auto connected = client.get(device, "Connected");  // an error: the object has gone
    return world.outcome(connected) != "ok" || connected->arguments[0] == false;
  }));
  EXPECT_TRUE(world.until([&] { return value_of(client.get(adapter, "Discovering")) == false; }));
}

INSTANTIATE_TEST_SUITE_P(buses, DaemonChaos, ::testing::Values(Broker::dbus_daemon, Broker::dbus_broker),
                         [](const auto& broker) { return name_of_bus(broker.param); });

}  // namespace
}  // namespace bleconnd::integration
