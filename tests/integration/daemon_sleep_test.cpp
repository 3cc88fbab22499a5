// The host suspends, as logind tells it: nothing is dialled then, nothing is counted, and everything comes
// back.
#include <memory>

#include "daemon_sharing_fixture.hpp"
#include "device.hpp"
#include "fake_logind.hpp"

namespace bleconnd::integration {
namespace {

class DaemonSleeps : public QueueFixture {
 protected:
  void SetUp() override {
    logind = std::make_unique<FakeLogind>(world.loop, world.bus.address());
    ASSERT_NO_FATAL_FAILURE(QueueFixture::SetUp());
    ASSERT_TRUE(is_locked());
  }
  bool is_locked() {
    return world.until([&] { return logind->locked(); });
  }
  bool may_sleep() {
    return world.until([&] { return !logind->locked(); });
  }
  bool log_says(const std::string& text) {
    return world.until([&] { return world.daemon->log().find(text) != std::string::npos; });
  }
  std::unique_ptr<FakeLogind> logind;
};

TEST_F(DaemonSleeps, by_a_delay_inhibitor) {
  ASSERT_EQ(logind->asked().size(), 1u);
  EXPECT_EQ(logind->asked()[0],
            nlohmann::json::array({"sleep", "bleconnd", "ends its dials and discovery", "delay"}));
  logind->prepare_for_sleep(true);
  EXPECT_TRUE(may_sleep()) << "nothing is under way";
  logind->prepare_for_sleep(false);
  EXPECT_TRUE(is_locked()) << "for the next time";
}

TEST_F(DaemonSleeps, when_its_dial_has_ended_and_dials_in_the_order_of_priorities_after_it) {
  ASSERT_NO_FATAL_FAILURE(the_lamp_is_dialled());
  const auto low = queued(kSecond, priority("low"));
  const auto high = queued(kThird, priority("high"));
  bluez.forget_calls();
  client.forget_signals();
  logind->prepare_for_sleep(true);
  ASSERT_TRUE(may_sleep());
  EXPECT_EQ(bluez.count("Disconnect"), 1u);
  EXPECT_EQ(bluez.count("Connect"), 0u);
  lamp.advertise(true);
  logind->prepare_for_sleep(false);
  expect_ok({low, high, lamp_call});
  EXPECT_EQ(client.count_signals("AttemptFailed"), 0u);
  const auto calls = bluez.called({"Connect"});
  const auto at = [&](const std::string& address) {
    return std::ranges::find(calls, connect_of(address)) - calls.begin();
  };
  EXPECT_LT(at(kThird), at(kSecond));
  release({kLamp, kSecond, kThird});
}

TEST_F(DaemonSleeps, and_maintained_links_come_back) {
  const Dictionary maintained{{"maintain", true}};
  for (auto& address : {kLamp, kSecond, kThird})
    ASSERT_EQ(world.outcome(client.establish(address, maintained)), "ok");
  logind->prepare_for_sleep(true);
  ASSERT_TRUE(may_sleep());
  bluez.forget_calls();
  for (auto* each : {&lamp, &second, &third}) each->drop_link();
  for (auto& address : {kLamp, kSecond, kThird}) ASSERT_TRUE(state_of(address, "queued"));
  EXPECT_EQ(bluez.count("Connect"), 0u);
  logind->prepare_for_sleep(false);
  for (auto& address : {kLamp, kSecond, kThird}) EXPECT_TRUE(state_of(address, "connected"));
  release({kLamp, kSecond, kThird});
}

TEST_F(DaemonSleeps, not_because_somebody_says_so) {
  client.forge(client.owner_of("org.bleconnd"), "/org/freedesktop/login1", "org.freedesktop.login1.Manager",
               "PrepareForSleep", {Value{true}});
  ASSERT_EQ(world.outcome(client.establish(kLamp)), "ok");
  EXPECT_TRUE(logind->locked());
  release({kLamp});
}

TEST_F(DaemonSleeps, though_logind_restarts) {
  logind->prepare_for_sleep(true);
  ASSERT_TRUE(may_sleep());
  logind.reset();
  logind = std::make_unique<FakeLogind>(world.loop, world.bus.address());
  EXPECT_TRUE(is_locked());
  EXPECT_EQ(world.outcome(client.establish(kLamp)), "ok") << "a new logind is awake";
  release({kLamp});
}

class DaemonSleepsUnlocked : public DaemonSleeps {
 protected:
  void SetUp() override {
    logind = std::make_unique<FakeLogind>(world.loop, world.bus.address());
    logind->refuses = true;
    ASSERT_NO_FATAL_FAILURE(QueueFixture::SetUp());
  }
};

TEST_F(DaemonSleepsUnlocked, without_an_inhibitor_too) {
  EXPECT_TRUE(log_says("logind gave no delay inhibitor"));
  ASSERT_NO_FATAL_FAILURE(the_lamp_is_dialled());
  logind->prepare_for_sleep(true);
  EXPECT_TRUE(called_becomes("Disconnect", 1));
  lamp.advertise(true);
  logind->prepare_for_sleep(false);
  expect_ok({lamp_call});
  release({kLamp});
}

TEST_F(DaemonSleeps, and_ends_meanwhile_without_delay) {
  const std::string nobody = "AA:BB:CC:DD:EE:44";
  const auto waits = client.establish(nobody);
  ASSERT_TRUE(state_of(nobody, "discovering"));
  logind->prepare_for_sleep(true);
  ASSERT_TRUE(may_sleep());
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(world.daemon->end(SIGTERM), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{10}) << "not its whole patience";
}

}  // namespace
}  // namespace bleconnd::integration
