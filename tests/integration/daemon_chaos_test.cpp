// The daemon and bluetoothd are killed and stopped at random moments under fifty clients that call, release
// and leave. When it is calm, everybody who is still there has an answer, the device connects, and nothing is
// left over.
#include <csignal>
#include <map>

#include "daemon_sharing_fixture.hpp"
#include "daemon_storm.hpp"

namespace bleconnd::integration {
namespace {

constexpr std::size_t kClients = 50;
constexpr std::size_t kDevices = 12;
constexpr int kActs = 400;  // of a round

class DaemonChaos : public SharingFixture {
 protected:
  void SetUp() override {
    for (std::size_t number = 1; number < kDevices; ++number)
      hci0.discovered(bluez.add_peripheral(device(number)));
  }

  static std::string device(std::size_t number) {
    if (number == 0) return kLamp;
    return "AA:BB:CC:DD:00:" + std::string{number < 10 ? "0" : "1"} + std::to_string(number % 10);
  }

  struct Asked {
    std::size_t client;
    PendingReply reply;
  };

  void client_acts(Dice& dice) {
    const auto number = dice.below(kClients);
    auto& who = *clients_[number];
    const auto& address = device(dice.below(kDevices));
    const auto kind = dice.below(10);
    if (kind == 0) {
      who.leave();
      std::erase_if(asked_, [&](const Asked& each) { return each.client == number; });
      clients_[number] = &world.client();
      ++did_["a client left"];
    } else if (kind < 4) {
      asked_.push_back({number, who.release(address)});
    } else {
      Dictionary options{{"timeout", static_cast<std::uint32_t>(1 + dice.below(20))}};
      if (dice.chance(20)) options["wait"] = false;
      if (dice.chance(20)) options["use-services-cache"] = false;
      asked_.push_back({number, who.establish(address, options)});
    }
  }

  void strike(Dice& dice) {
    switch (dice.below(4)) {
      case 0:  // the next one finds the same folders; calls to the old one are answered by the bus
        ++did_["daemon killed"];
        EXPECT_EQ(world.daemon->end(SIGKILL), 128 + SIGKILL);
        EXPECT_TRUE(world.start_daemon(daemon_program())) << world.daemon->log();
        break;
      case 1:
        ++did_["daemon stopped"];
        world.daemon->process().send_signal(SIGSTOP);
        some_time(dice);
        world.daemon->process().send_signal(SIGCONT);
        break;
      case 2:
        ++did_["bluetoothd killed"];
        bluez.kill();
        some_time(dice);
        bluez.come_back();
        break;
      default:
        ++did_["bus stopped"];
        kill(world.bus.pid(), SIGSTOP);
        some_time(dice);
        kill(world.bus.pid(), SIGCONT);
    }
  }

  // The world goes on, and clients go on calling, for the time of a few events.
  void some_time(Dice& dice) {
    world.until([] { return false; }, std::chrono::milliseconds{1 + dice.below(60)});
  }

  void calm() {
    for (std::size_t number = 1; number < kDevices; ++number) hci0.discovered(*peripheral(number));
    EXPECT_TRUE(state_becomes("running"));
    world.until([&] { return std::ranges::all_of(asked_, [](auto& each) { return each.reply->done; }); },
                std::chrono::seconds{60});
    for (const auto& each : asked_) {
      EXPECT_TRUE(each.reply->done) << "a client that is still there has no answer";
      ++did_["answer " + each.reply->outcome()];
    }
    asked_.clear();
    for (auto* each : clients_) each->leave();
    clients_.clear();
    connect_the_lamp();
    release_the_lamp();
  }

  // Match rules of the daemon that runs now, without those of the 64 devices used last.
  std::size_t adapter_rules() {
    const auto rules = client.match_rules_of(client.owner_of("org.bleconnd"));
    EXPECT_FALSE(rules.empty());
    return static_cast<std::size_t>(std::ranges::count_if(rules, is_no_object_rule));
  }

  Peripheral* peripheral(std::size_t number) {
    for (const auto& each : bluez.air())
      if (each->address == device(number)) return each.get();
    return nullptr;
  }

  void round(std::uint64_t seed) {
    ASSERT_NO_FATAL_FAILURE(start());
    const auto rules_at_rest = adapter_rules();
    Dice dice{seed};
    while (clients_.size() < kClients) clients_.push_back(&world.client());
    for (int act = 0; act < kActs && !HasFailure(); ++act) {
      client_acts(dice);
      if (dice.chance(20)) some_time(dice);
      if (dice.chance(4)) strike(dice);
    }
    ASSERT_NO_FATAL_FAILURE(calm());
    // The last of the daemons was started under fire, under a name of its own.
    looked_until([&] { return world.daemon->process().children().empty(); });  // that write the cache
    expect_nothing_left();
    EXPECT_TRUE(looked_until([&] { return adapter_rules() <= rules_at_rest; }))
        << adapter_rules() << " rules, " << rules_at_rest << " at rest";
    EXPECT_THAT(world.daemon->log(), ::testing::Not(HasSubstr("Sanitizer")));
    EXPECT_EQ(world.daemon->end(SIGTERM), 0) << world.daemon->log();
    client.forget_signals();
    bluez.forget_calls();
  }

  std::vector<Client*> clients_;
  std::vector<Asked> asked_;
  std::map<std::string, std::size_t> did_;
};

TEST_F(DaemonChaos, leaves_nothing_behind_and_everybody_answered) {
  const auto rounds = storm(std::chrono::seconds{30}, std::chrono::seconds{300}, [&](std::uint64_t seed) {
    round(seed);
    return !HasFailure();
  });
  std::cout << rounds << " rounds of " << kActs << " acts, " << kClients << " clients, " << kDevices
            << " devices\n";
  for (const auto& [what, count] : did_) std::cout << "  " << count << "  " << what << "\n";
}

// The bus lets 128 calls of a connection wait; it refuses the others itself.
TEST_F(DaemonChaos, two_hundred_calls_of_one_client_at_once_are_answered_each) {
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
  looked_until([&] { return world.daemon->process().children().empty(); });
}

}  // namespace
}  // namespace bleconnd::integration
