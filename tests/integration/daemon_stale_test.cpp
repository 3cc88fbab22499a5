// Links that BlueZ has and nobody leases here.
#include "daemon_sharing_fixture.hpp"
#include "device.hpp"

namespace bleconnd::integration {
namespace {

class DaemonStale : public LeaseFixture {
 protected:
  PendingReply close(const std::string& address, const Dictionary& options = {}) {
    return client.manager("CloseStaleConnections", {Value{address}, options});
  }
  // By another program, which stays.
  void connected_by_another(Peripheral& device, Adapter& adapter) {
    const auto path = adapter.discovered(device).path();
    ASSERT_EQ(world.outcome(other.bluez_device(path, "Connect")), "ok");
    ASSERT_TRUE(device.connected());
  }
  Client& other = world.client();
};

TEST_F(DaemonStale, are_closed_whoever_made_them_and_leased_ones_are_not) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  auto& lock = bluez.add_peripheral(kSecond);
  ASSERT_NO_FATAL_FAILURE(connected_by_another(lock, hci0));
  ASSERT_NO_FATAL_FAILURE(connect(first));
  EXPECT_EQ(value_of(close(kLamp)), 0);
  EXPECT_TRUE(lamp.connected());
  EXPECT_EQ(value_of(close(kSecond)), 1);
  EXPECT_FALSE(lock.connected());
  EXPECT_EQ(value_of(close(kSecond)), 0);
  EXPECT_EQ(value_of(first.release(kLamp)), 0);
  EXPECT_THAT(world.daemon->log(), HasSubstr(kSecond + ": close stale connections, asked by"));
}

TEST_F(DaemonStale, on_other_adapters_only) {
  auto& hci1 = bluez.add_adapter();
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  ASSERT_NO_FATAL_FAILURE(connect(first, {{"adapter", std::string{"hci0"}}}));
  EXPECT_EQ(value_of(first.release(kLamp)), 0);
  ASSERT_NO_FATAL_FAILURE(connected_by_another(lamp, hci0));
  const Dictionary others{{"only-other-adapters", true}};
  EXPECT_EQ(value_of(close(kLamp, others)), 0) << "it is used on hci0";
  EXPECT_EQ(value_of(close(kLamp)), 1);
  ASSERT_NO_FATAL_FAILURE(connected_by_another(lamp, hci1));
  EXPECT_EQ(value_of(close(kLamp, others)), 1);
  EXPECT_FALSE(lamp.connected());
}

TEST_F(DaemonStale, are_reported_at_the_start) {
  if (!bluez.running()) bluez.start();
  ASSERT_NO_FATAL_FAILURE(connected_by_another(lamp, hci0));
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  EXPECT_TRUE(world.until([&] {
    return world.daemon->log().find(kLamp + " is connected (/org/bluez/" + kDev +
                                    "), and nobody leases it here") != std::string::npos;
  }));
  EXPECT_TRUE(lamp.connected());
  EXPECT_EQ(value_of(close(kLamp)), 1);
}

TEST_F(DaemonStale, are_roots_to_close) {
  if (getuid() != 0) GTEST_SKIP() << "another user id needs root";
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  const auto reply =
      world.client(operator_uid).manager("CloseStaleConnections", {Value{kLamp}, Dictionary{}});
  EXPECT_EQ(world.outcome(reply), kDenied);
}

TEST_F(DaemonStale, wrong_arguments_are_refused) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  EXPECT_EQ(world.outcome(close("AA:BB")), kInvalidArgs);
  EXPECT_EQ(world.outcome(close(kLamp, {{"force", true}})), kInvalidArgs);
  EXPECT_EQ(world.outcome(close(kLamp, {{"only-other-adapters", 1u}})), kInvalidArgs);
  EXPECT_EQ(value_of(close("AA:BB:CC:DD:EE:77")), 0) << "BlueZ knows none";
}

}  // namespace
}  // namespace bleconnd::integration
