// Whose link it is: holders that leave one by one, and holders that outlive the daemon. A link is dropped
// with its last lease and not before, and no lease costs a second Connect.
#include "daemon_sharing_fixture.hpp"

namespace bleconnd::integration {
namespace {

using nlohmann::json;
using ::testing::SizeIs;

class DaemonLeases : public LeaseFixture {};

// --- two holders ---

TEST_F(DaemonLeases, the_link_stays_for_the_one_of_two_that_has_not_crashed) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  ASSERT_NO_FATAL_FAILURE(two_hold_the_lamp());
  first.leave();
  EXPECT_TRUE(leases_become(json::array({lease(second)})));
  EXPECT_TRUE(lamp.connected());
  EXPECT_EQ(bluez.count("Disconnect"), 0u);

  second.leave();
  EXPECT_TRUE(told_state_becomes("disconnected (released)"));
  EXPECT_FALSE(lamp.connected());
  EXPECT_EQ(bluez.count("Connect"), 1u);
}

TEST_F(DaemonLeases, the_link_lingers_when_both_have_crashed) {
  ASSERT_NO_FATAL_FAILURE(start(linger(1)));
  ASSERT_NO_FATAL_FAILURE(two_hold_the_lamp());
  first.leave();
  EXPECT_TRUE(leases_become(json::array({lease(""), lease(second)})));
  EXPECT_TRUE(leases_become(json::array({lease(second)})));  // its linger is over
  EXPECT_TRUE(lamp.connected());

  const auto left_at = std::chrono::steady_clock::now();
  second.leave();
  EXPECT_TRUE(leases_become(json::array({lease("")})));
  EXPECT_EQ(bluez.count("Disconnect"), 0u);
  EXPECT_TRUE(told_state_becomes("disconnected (released)"));
  EXPECT_GE(std::chrono::steady_clock::now() - left_at, std::chrono::seconds{1});
}

TEST_F(DaemonLeases, fifty_callers_share_one_connect) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  std::vector<Client*> callers;
  for (int i = 0; i < 50; ++i) callers.push_back(&world.client());
  std::vector<PendingReply> calls;
  for (auto* caller : callers) calls.push_back(caller->establish(kLamp));
  std::size_t unshared = 0;
  for (const auto& call : calls) {
    ASSERT_EQ(world.outcome(call), "ok") << call->message;
    unshared += call->arguments[1]["shared"] == false ? 1 : 0;
  }
  EXPECT_EQ(unshared, 1u);
  EXPECT_EQ(bluez.count("Connect"), 1u);
  EXPECT_THAT(leases(), SizeIs(50));
  for (auto* caller : callers) caller->leave();
  EXPECT_TRUE(told_state_becomes("disconnected (released)"));
  EXPECT_EQ(bluez.count("Disconnect"), 1u);
}

// --- the daemon ends, the holders stay ---

class LeasesOfAFormerDaemon : public DaemonLeases, public ::testing::WithParamInterface<int> {};

TEST_P(LeasesOfAFormerDaemon, hold_their_link_in_the_next) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  ASSERT_NO_FATAL_FAILURE(connect(first, {{"label", std::string{"kitchen"}}}));
  ASSERT_NO_FATAL_FAILURE(restart(linger(0), GetParam()));
  EXPECT_TRUE(state_of(kLamp, "connected"));
  EXPECT_EQ(leases(), json::array({lease(first, "kitchen")}));
  EXPECT_EQ(property(kLamp, "BluezDevice"), hci0.device(lamp)->path());

  const auto joined = second.establish(kLamp);
  ASSERT_EQ(world.outcome(joined), "ok") << joined->message;
  EXPECT_EQ(joined->arguments[1]["shared"], true);
  EXPECT_EQ(value_of(second.release(kLamp)), 1);
  EXPECT_TRUE(lamp.connected());
  EXPECT_EQ(bluez.count("Connect"), 0u);
  EXPECT_EQ(value_of(first.release(kLamp)), 0);
  EXPECT_FALSE(lamp.connected());
}

TEST_P(LeasesOfAFormerDaemon, hold_their_link_in_the_one_after_the_next) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  ASSERT_NO_FATAL_FAILURE(two_hold_the_lamp());
  for (int life = 0; life < 2; ++life) {
    ASSERT_NO_FATAL_FAILURE(restart(linger(0), GetParam()));
    EXPECT_TRUE(state_of(kLamp, "connected"));
    EXPECT_EQ(leases(), json::array({lease(first), lease(second)}));
    EXPECT_EQ(bluez.count("Connect"), 0u);
  }
  first.leave();
  EXPECT_TRUE(leases_become(json::array({lease(second)})));
  EXPECT_TRUE(lamp.connected());
  second.leave();
  EXPECT_TRUE(told_state_becomes("disconnected (released)"));
}

TEST_P(LeasesOfAFormerDaemon, are_gone_with_a_link_that_ended_meanwhile) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  ASSERT_NO_FATAL_FAILURE(connect(first));
  end_daemon(GetParam());
  lamp.drop_link();
  ASSERT_NO_FATAL_FAILURE(start_again(linger(0)));
  EXPECT_TRUE(world.until([&] { return property(kLamp, "State").is_null(); }));
  EXPECT_EQ(world.outcome(first.release(kLamp)), kErrors + "NotConnected");
  EXPECT_EQ(bluez.count("Connect"), 0u);
}

INSTANTIATE_TEST_SUITE_P(ended, LeasesOfAFormerDaemon, ::testing::Values(SIGKILL, SIGTERM),
                         [](const auto& by) { return by.param == SIGKILL ? "by_sigkill" : "by_sigterm"; });

TEST_F(DaemonLeases, a_released_lease_is_not_restored) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  ASSERT_NO_FATAL_FAILURE(two_hold_the_lamp());
  ASSERT_EQ(value_of(first.release(kLamp)), 1);
  ASSERT_NO_FATAL_FAILURE(restart(linger(0)));
  EXPECT_TRUE(state_of(kLamp, "connected"));
  EXPECT_EQ(leases(), json::array({lease(second)}));
  EXPECT_EQ(value_of(second.release(kLamp)), 0);
}

// --- holders that leave while the daemon is down ---

TEST_F(DaemonLeases, who_left_while_the_daemon_was_down_lingers) {
  ASSERT_NO_FATAL_FAILURE(start(linger(3600)));
  ASSERT_NO_FATAL_FAILURE(connect(first));
  end_daemon();
  first.leave();
  ASSERT_TRUE(has_left(first));
  ASSERT_NO_FATAL_FAILURE(start_again(linger(3600)));
  EXPECT_TRUE(state_of(kLamp, "connected"));
  EXPECT_EQ(leases(), json::array({lease("")}));
  EXPECT_EQ(value_of(second.release(kLamp)), 0);  // the same user's
  EXPECT_EQ(bluez.count("Connect"), 0u);
}

TEST_F(DaemonLeases, who_left_while_the_daemon_was_down_loses_the_link_after_the_linger) {
  ASSERT_NO_FATAL_FAILURE(start(linger(1)));
  ASSERT_NO_FATAL_FAILURE(connect(first));
  end_daemon();
  first.leave();
  ASSERT_TRUE(has_left(first));
  const auto started_at = std::chrono::steady_clock::now();
  ASSERT_NO_FATAL_FAILURE(start_again(linger(1)));
  EXPECT_TRUE(told_state_becomes("disconnected (released)"));
  EXPECT_GE(std::chrono::steady_clock::now() - started_at, std::chrono::seconds{1});
  EXPECT_FALSE(lamp.connected());
}

TEST_F(DaemonLeases, without_linger_the_link_of_who_left_while_the_daemon_was_down_is_dropped) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  ASSERT_NO_FATAL_FAILURE(connect(first));
  end_daemon();
  first.leave();
  ASSERT_TRUE(has_left(first));
  ASSERT_NO_FATAL_FAILURE(start_again(linger(0)));
  EXPECT_TRUE(world.until([&] { return !lamp.connected(); }));
}

TEST_F(DaemonLeases, a_linger_that_ran_out_while_the_daemon_was_down_is_over) {
  ASSERT_NO_FATAL_FAILURE(start(linger(1)));
  ASSERT_NO_FATAL_FAILURE(connect(first));
  first.leave();
  ASSERT_TRUE(leases_become(json::array({lease("")})));
  end_daemon();
  bool is_over = false;
  bluez.later(std::chrono::seconds{40}, [&] { is_over = true; });  // 2 s of ours
  ASSERT_TRUE(world.until([&] { return is_over; }));
  ASSERT_NO_FATAL_FAILURE(start_again(linger(1)));
  EXPECT_TRUE(world.until([&] { return !lamp.connected(); }));
}

TEST_F(DaemonLeases, what_lingers_lingers_on_in_the_next_daemon) {
  ASSERT_NO_FATAL_FAILURE(start(linger(3600)));
  ASSERT_NO_FATAL_FAILURE(connect(first, {{"label", std::string{"cron"}}}));
  first.leave();
  ASSERT_TRUE(leases_become(json::array({lease("", "cron")})));
  ASSERT_NO_FATAL_FAILURE(restart(linger(3600)));
  EXPECT_TRUE(state_of(kLamp, "connected"));
  EXPECT_EQ(leases(), json::array({lease("", "cron")}));
  const auto again = second.establish(kLamp);
  ASSERT_EQ(world.outcome(again), "ok") << again->message;
  EXPECT_EQ(leases(), json::array({lease(second)}));
  EXPECT_EQ(value_of(second.release(kLamp)), 0);
  EXPECT_EQ(bluez.count("Connect"), 0u);
}

}  // namespace
}  // namespace bleconnd::integration
