// ClearCache and ClearAllCaches: what BlueZ is asked to keep goes by force only, and who may ask for that.
#include "daemon_clear_fixture.hpp"

namespace bleconnd::integration {
namespace {

// --- what BlueZ is asked to keep ---

class DaemonClearKept : public DaemonClear, public ::testing::WithParamInterface<std::string> {};

TEST_P(DaemonClearKept, keeps_its_object_without_force) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp({{GetParam(), true}}));
  EXPECT_EQ(clear(), true);
  EXPECT_THAT(files(), IsEmpty());
  EXPECT_EQ(bluez.count("RemoveDevice"), 0u);
  EXPECT_EQ(clear(), false);
  ASSERT_TRUE(bluez_has_it());
  resolve_later();
  const auto reply = client.establish(kLamp);
  ASSERT_TRUE(resolving_is_told());
  EXPECT_FALSE(reply->done);
  resolve();
  EXPECT_EQ(world.outcome(reply), "ok") << reply->message;
  release_the_lamp();

  EXPECT_EQ(clear(kForce), true);
  EXPECT_TRUE(bluez_forgets());
  client.forget_signals();
  expect_discovered_afresh();
}

INSTANTIATE_TEST_SUITE_P(that_is, DaemonClearKept, ::testing::Values("trust", "pair"),
                         [](const auto& option) { return option.param; });

// --- who may ---

class DaemonClearAccess : public DaemonClear {
 protected:
  void SetUp() override {
    if (getuid() != 0) GTEST_SKIP() << "another user id needs root";
    DaemonClear::SetUp();
  }
  Client& user() { return world.client(operator_uid); }
};

TEST_F(DaemonClearAccess, by_force_is_roots_while_others_hold_the_link) {
  connect();
  Client& another = user();
  const auto refused = clear(another, kForce);
  EXPECT_EQ(world.outcome(refused), kDenied);
  EXPECT_THAT(refused->message, StartsWith("denied: "));
  EXPECT_TRUE(lamp.connected());
  EXPECT_TRUE(files_become(only_the_entry));
  // Also when it holds the link itself.
  ASSERT_EQ(world.outcome(another.establish(kLamp)), "ok");
  EXPECT_EQ(world.outcome(clear(another, kForce)), kDenied);
  EXPECT_EQ(value_of(clear(another)), true);
  EXPECT_TRUE(lamp.connected());
  EXPECT_EQ(value_of(another.release(kLamp)), 1);
  EXPECT_EQ(clear(kForce), true);
  EXPECT_TRUE(bluez_forgets());
}

TEST_F(DaemonClearAccess, by_force_is_everybodys_when_nobody_else_holds_the_link) {
  Client& another = user();
  ASSERT_EQ(world.outcome(another.establish(kLamp)), "ok");
  EXPECT_EQ(value_of(clear(another, kForce)), true);
  EXPECT_TRUE(bluez_forgets());
  EXPECT_TRUE(is_logged_once("(uid 1)"));
}

TEST_F(DaemonClearAccess, of_all_is_roots) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  EXPECT_EQ(world.outcome(user().manager("ClearAllCaches")), kDenied);
  EXPECT_EQ(world.outcome(world.client(nobody).manager("ClearAllCaches")), kDenied);
  EXPECT_EQ(world.outcome(clear(world.client(nobody))), kDenied);
  EXPECT_TRUE(files_become(only_the_entry));
  EXPECT_TRUE(bluez_has_it());
}

// --- all ---

TEST_F(DaemonClear, of_all_counts_what_was_known) {
  EXPECT_EQ(value_of(client.manager("ClearAllCaches")), 0);
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  Peripheral& second = bluez.add_peripheral("AA:BB:CC:DD:EE:02");
  Peripheral& linked = bluez.add_peripheral("AA:BB:CC:DD:EE:03");
  Peripheral& stranger = bluez.add_peripheral("AA:BB:CC:DD:EE:04");
  hci0.discovered(stranger);
  ASSERT_EQ(world.outcome(client.establish(second.address, {{"trust", true}})), "ok");
  ASSERT_EQ(world.outcome(client.release(second.address)), "ok");
  ASSERT_EQ(world.outcome(client.establish(linked.address)), "ok");

  EXPECT_EQ(value_of(client.manager("ClearAllCaches")), 3);
  EXPECT_THAT(files(), IsEmpty());
  EXPECT_FALSE(bluez_has_it());
  EXPECT_NE(hci0.device(second), nullptr);    // trusted
  EXPECT_NE(hci0.device(stranger), nullptr);  // not ours to remove
  EXPECT_TRUE(linked.connected());
  ASSERT_EQ(world.outcome(client.release(linked.address)), "ok");
  EXPECT_TRUE(world.until([&] { return hci0.device(linked) == nullptr; }));
  EXPECT_EQ(value_of(client.manager("ClearAllCaches")), 0);
  expect_discovered_afresh();
}

}  // namespace
}  // namespace bleconnd::integration
