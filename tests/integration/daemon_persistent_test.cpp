// Leases of lifetime persistent: they belong to a user and not to a bus name, outlive their caller, the
// daemon and the host, keep a link that somebody makes, and make none.
#include "daemon_sharing_fixture.hpp"

namespace bleconnd::integration {
namespace {

using nlohmann::json;

const Dictionary kPersistent{{"lifetime", std::string{"persistent"}}};

class DaemonPersistent : public LeaseFixture {};

TEST_F(DaemonPersistent, lease_needs_neither_its_caller_nor_the_daemon) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  ASSERT_NO_FATAL_FAILURE(connect(first, kPersistent));
  const auto persistent = json::array({lease("persistent")});
  EXPECT_EQ(leases(), persistent);
  first.leave();
  ASSERT_TRUE(has_left(first));
  EXPECT_EQ(leases(), persistent);
  ASSERT_NO_FATAL_FAILURE(restart(linger(0)));
  EXPECT_TRUE(state_of(kLamp, "connected"));
  EXPECT_EQ(leases(), persistent);
  EXPECT_TRUE(lamp.connected());
  EXPECT_EQ(bluez.count("Connect"), 0u);
  EXPECT_EQ(value_of(second.release(kLamp)), 0);
  EXPECT_FALSE(lamp.connected());
}

TEST_F(DaemonPersistent, lease_is_kept_over_a_restart_of_the_host_and_dials_nothing) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  ASSERT_NO_FATAL_FAILURE(connect(first, kPersistent));
  ASSERT_NO_FATAL_FAILURE(restart_of_the_host(linger(0)));
  EXPECT_TRUE(state_of(kLamp, "disconnected"));
  EXPECT_EQ(leases(), json::array({lease("persistent")}));
  EXPECT_THAT(bluez.called({"Connect", "StartDiscovery"}), IsEmpty());
  EXPECT_EQ(client.count_signals("AttemptFailed"), 0u);
  EXPECT_EQ(property(kLamp, "LastError"), (json{"", ""}));

  ASSERT_NO_FATAL_FAILURE(connect(second));  // somebody else's call makes the link that it keeps
  EXPECT_EQ(leases(), json::array({lease("persistent"), lease(second)}));
  EXPECT_EQ(value_of(second.release(kLamp)), 1);
  EXPECT_TRUE(lamp.connected());
  EXPECT_EQ(value_of(second.release(kLamp)), 0);
  EXPECT_FALSE(lamp.connected());
}

TEST_F(DaemonPersistent, lease_stays_when_its_link_is_lost) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  ASSERT_NO_FATAL_FAILURE(connect(first, kPersistent));
  lamp.drop_link();
  EXPECT_TRUE(told_state_becomes("disconnected (link-lost)"));
  EXPECT_EQ(leases(), json::array({lease("persistent")}));
  EXPECT_EQ(value_of(second.release(kLamp)), 0);
  EXPECT_EQ(bluez.count("Connect"), 1u);
}

TEST_F(DaemonPersistent, lease_goes_with_the_refusal_of_its_call) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  lamp.advertise(false);
  auto options = kPersistent;
  options.insert({{"max-attempts", 1u}, {"attempt-timeout", 1u}});
  EXPECT_EQ(world.outcome(first.establish(kLamp, options)), kErrors + "NotFound");
  ASSERT_NO_FATAL_FAILURE(restart(linger(0)));
  EXPECT_TRUE(property(kLamp, "State").is_null());
  EXPECT_EQ(world.outcome(first.release(kLamp)), kErrors + "NotConnected");
}

TEST_F(DaemonPersistent, lease_is_its_users_and_roots_to_release) {
  if (getuid() != 0) GTEST_SKIP() << "another user id needs root";
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  Client& operator_ = world.client(operator_uid);
  ASSERT_NO_FATAL_FAILURE(connect(first, kPersistent));
  EXPECT_EQ(world.outcome(operator_.release(kLamp)), kErrors + "NotConnected");
  ASSERT_NO_FATAL_FAILURE(connect(operator_, kPersistent));
  EXPECT_EQ(leases(), json::array({lease("persistent"), json::array({"persistent", operator_uid, ""})}));
  EXPECT_EQ(value_of(second.release(kLamp)), 1);  // root's own goes first
  EXPECT_EQ(leases(), json::array({json::array({"persistent", operator_uid, ""})}));
  EXPECT_EQ(value_of(second.release(kLamp)), 0);
  EXPECT_FALSE(lamp.connected());
}

}  // namespace
}  // namespace bleconnd::integration
