// Maintained links: nobody calls again, whatever restarts.
#include "daemon_sharing_fixture.hpp"
#include "device.hpp"

namespace bleconnd::integration {
namespace {

using nlohmann::json;

const Dictionary kMaintained{{"maintain", true}};

class DaemonMaintains : public LeaseFixture {
 protected:
  void five_are_connected(const Dictionary& options = kMaintained) {
    for (int i = 2; i < 6; ++i) others.push_back(&bluez.add_peripheral(address_of(i)));
    ASSERT_NO_FATAL_FAILURE(start(linger(0)));
    for (int i = 1; i < 6; ++i) {
      const auto reply = first.establish(address_of(i), options);
      ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
    }
    client.forget_signals();
  }
  static std::string address_of(int number) {
    return number == 1 ? kLamp : "AA:BB:CC:DD:EE:0" + std::to_string(number);
  }
  bool all_are(const std::string& state) {
    for (int i = 1; i < 6; ++i)
      if (!state_of(address_of(i), state)) return false;
    return true;
  }
  void release(Client& by, int all = 1) {
    for (int i = 1; i <= all; ++i) EXPECT_EQ(value_of(by.release(address_of(i))), 0);
  }
  std::vector<Peripheral*> others;
};

TEST_F(DaemonMaintains, a_link_that_is_lost) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  ASSERT_NO_FATAL_FAILURE(connect(first, kMaintained));
  lamp.drop_link();
  ASSERT_TRUE(told_state_becomes("disconnected (link-lost)"));
  EXPECT_TRUE(state_of(kLamp, "connected"));
  EXPECT_EQ(bluez.count("Connect"), 2u);
  EXPECT_EQ(leases(), json::array({lease(first)}));
  EXPECT_EQ(value_of(first.release(kLamp)), 0);
  EXPECT_FALSE(lamp.connected());
}

// However soon it is back, as with another call that dials at once: who watches properties alone would take
// the new link for the old one.
TEST_F(DaemonMaintains, a_link_that_is_lost_is_told_by_the_property_too) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  auto& timing = bluez.settings().timing;
  timing.link_up = timing.reply_after_link = timing.discover_services = timing.reread_services =
      timing.read_name = std::chrono::milliseconds{0};
  ASSERT_NO_FATAL_FAILURE(connect(first, kMaintained));
  ASSERT_TRUE(state_of(kLamp, "connected"));
  ASSERT_TRUE(world.until([&] { return client.count_signals("PropertiesChanged") > 0; }));
  client.forget_signals();
  lamp.drop_link();
  ASSERT_TRUE(told_state_becomes("disconnected (link-lost)"));
  ASSERT_EQ(world.outcome(client.establish(kLamp)), "ok");
  const auto states = [&] {
    std::vector<std::string> told;
    for (const auto& signal : client.signals("PropertiesChanged"))
      if (signal.arguments[1].contains("State")) told.push_back(signal.arguments[1]["State"]);
    return told;
  };
  EXPECT_TRUE(world.until([&] { return states().size() >= 2 && states().back() == "connected"; }))
      << ::testing::PrintToString(states());
  EXPECT_EQ(value_of(client.release(kLamp)), 1);
  EXPECT_EQ(value_of(first.release(kLamp)), 0);
}

TEST_F(DaemonMaintains, five_links_when_bluetoothd_is_killed) {
  ASSERT_NO_FATAL_FAILURE(five_are_connected());
  bluez.kill();
  ASSERT_TRUE(world.until([&] { return client.count_signals("Disconnected") == 5; }));
  EXPECT_TRUE(all_are("queued")) << "they wait for bluetoothd";
  bluez.come_back();
  EXPECT_TRUE(all_are("connected"));
  EXPECT_EQ(client.count_signals("AttemptFailed"), 0u);
  release(first, 5);
}

TEST_F(DaemonMaintains, five_links_when_the_daemon_is_killed) {
  ASSERT_NO_FATAL_FAILURE(five_are_connected());
  end_daemon();
  for (auto* other : others) other->drop_link();
  ASSERT_NO_FATAL_FAILURE(start_again(linger(0)));
  EXPECT_TRUE(all_are("connected"));
  EXPECT_EQ(bluez.count("Connect"), 4u) << "the fifth was adopted";
  EXPECT_EQ(leases(), json::array({lease(first)}));
  release(first, 5);
}

TEST_F(DaemonMaintains, five_links_when_the_adapter_is_plugged_in_elsewhere) {
  ASSERT_NO_FATAL_FAILURE(five_are_connected());
  bluez.unplug(hci0);
  ASSERT_TRUE(all_are("queued"));
  bluez.plug(hci0, 3);
  EXPECT_TRUE(all_are("connected"));
  EXPECT_EQ(property(kLamp, "Adapter"), "hci3");
  release(first, 5);
}

TEST_F(DaemonMaintains, a_persistent_lease_over_a_restart_of_the_host) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  auto options = kMaintained;
  options.insert({"lifetime", std::string{"persistent"}});
  ASSERT_NO_FATAL_FAILURE(connect(first, options));
  first.leave();
  ASSERT_NO_FATAL_FAILURE(restart_of_the_host(linger(0)));
  EXPECT_TRUE(state_of(kLamp, "connected"));
  EXPECT_EQ(leases(), json::array({lease("persistent")}));
  release(second);
}

TEST_F(DaemonMaintains, who_does_not_wait_is_served_when_the_device_comes) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  lamp.advertise(false);
  auto options = kMaintained;
  options.insert({"wait", false});
  ASSERT_NO_FATAL_FAILURE(connect(first, options));
  ASSERT_TRUE(state_of(kLamp, "backing-off"));
  lamp.advertise(true);
  EXPECT_TRUE(state_of(kLamp, "connected"));
  release(first);
}

TEST_F(DaemonMaintains, for_a_program_that_restarts_within_the_linger) {
  ASSERT_NO_FATAL_FAILURE(start(linger(30)));
  ASSERT_NO_FATAL_FAILURE(connect(first, kMaintained));
  first.leave();
  ASSERT_TRUE(has_left(first));
  lamp.drop_link();
  ASSERT_TRUE(told_state_becomes("disconnected (link-lost)"));
  ASSERT_TRUE(state_of(kLamp, "connected"));
  const auto again = second.establish(kLamp, kMaintained);
  ASSERT_EQ(world.outcome(again), "ok");
  EXPECT_EQ(leases(), json::array({lease(second)}));
  EXPECT_EQ(bluez.count("Connect"), 2u);
  release(second);
}

}  // namespace
}  // namespace bleconnd::integration
