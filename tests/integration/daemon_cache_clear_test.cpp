// ClearCache: what goes at once and what goes with the end of the link, in every life of daemon and adapter.
// Afterwards the next connection discovers afresh.
#include "daemon_clear_fixture.hpp"

namespace bleconnd::integration {
namespace {

TEST_F(DaemonClear, a_known_device_is_discovered_afresh) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  EXPECT_EQ(objects_discovered_by([&] { EXPECT_TRUE(is_cached(connect())); }), 0u);
  release_the_lamp();
  EXPECT_EQ(clear(), true);
  EXPECT_THAT(files(), IsEmpty());
  EXPECT_FALSE(bluez_has_it());
  EXPECT_EQ(world.outcome(get_services()), kNotCached);
  EXPECT_TRUE(is_logged_once(kLamp + ": clear cache, asked by " + client.unique_name() + " (uid 0)"));
  EXPECT_TRUE(is_logged_once("1 entries and 1 objects of BlueZ removed"));
  expect_discovered_afresh();
}

TEST_F(DaemonClear, an_unknown_device_is_no_error) {
  EXPECT_EQ(clear(), false);
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  EXPECT_EQ(clear(), true);
  EXPECT_EQ(clear(), false);
}

TEST_F(DaemonClear, an_object_of_bluez_alone_counts) {
  hci0.discovered(lamp);
  EXPECT_EQ(clear(), true);
  EXPECT_FALSE(bluez_has_it());
}

TEST_F(DaemonClear, without_bluetoothd_the_entry_goes) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  bluez.kill();
  ASSERT_TRUE(state_becomes("waiting-for-bluez"));
  EXPECT_EQ(clear(), true);
  EXPECT_THAT(files(), IsEmpty());
}

class DaemonClearRestarted : public DaemonClear, public ::testing::WithParamInterface<int> {};

// At once, with nothing in memory and before BlueZ was looked at.
TEST_P(DaemonClearRestarted, right_behind_a_restart) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  world.daemon->end(GetParam());
  bluez.delay_next("Introspect", std::chrono::seconds{10});  // the first look takes 500 ms
  ASSERT_TRUE(world.start_daemon(daemon_program()));
  const auto cleared = clear(client);
  EXPECT_EQ(value_of(cleared), true);
  EXPECT_THAT(files(), IsEmpty());
  EXPECT_FALSE(bluez_has_it());
  ASSERT_TRUE(state_becomes("running"));
  look_at_rest();
  client.forget_signals();
  expect_discovered_afresh();
}

INSTANTIATE_TEST_SUITE_P(by, DaemonClearRestarted, ::testing::Values(SIGTERM, SIGKILL),
                         [](const auto& number) { return number.param == SIGTERM ? "sigterm" : "sigkill"; });

TEST_F(DaemonClear, on_hci10) {
  bluez.unplug(hci0);
  ASSERT_TRUE(state_becomes("waiting-for-adapter"));
  bluez.plug(hci0, 10);
  ASSERT_TRUE(state_becomes("running"));
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  ASSERT_NO_FATAL_FAILURE(restart(SIGKILL));
  EXPECT_EQ(clear(), true);
  EXPECT_THAT(bluez.called({"RemoveDevice"}), ElementsAre("RemoveDevice hci10"));
  EXPECT_FALSE(bluez_has_it());
  expect_discovered_afresh();
}

// --- a live link ---

TEST_F(DaemonClear, of_a_link_goes_on_and_bluez_forgets_at_its_end) {
  connect();
  EXPECT_EQ(clear(), true);
  EXPECT_TRUE(lamp.connected());
  EXPECT_EQ(bluez.count("RemoveDevice"), 0u);
  EXPECT_THAT(files(), IsEmpty());
  EXPECT_TRUE(is_logged_once("BlueZ's object follows when the link has ended"));
  release_the_lamp();
  EXPECT_TRUE(bluez_forgets());
  EXPECT_EQ(world.outcome(get_services()), kNotCached);
  expect_discovered_afresh();
}

TEST_F(DaemonClear, of_an_unverified_link_is_not_undone_by_its_verification) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  ASSERT_NO_FATAL_FAILURE(connect_unverified());
  EXPECT_EQ(clear(), true);
  resolve();
  EXPECT_TRUE(verified_is_told());
  EXPECT_EQ(bluez.count("RemoveDevice"), 0u);
  release_the_lamp();
  EXPECT_TRUE(bluez_forgets());
  EXPECT_THAT(files(), IsEmpty());
  expect_discovered_afresh();
}

TEST_F(DaemonClear, of_a_link_that_drops_by_itself) {
  connect();
  EXPECT_EQ(clear(), true);
  lamp.drop_link();
  EXPECT_TRUE(bluez_forgets());
  expect_discovered_afresh();
}

TEST_F(DaemonClear, of_an_attempt_is_not_undone_by_its_link) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  dials_wait_for_the_lamp();
  const auto reply = client.establish(kLamp);
  ASSERT_TRUE(called_becomes("Connect", 1));
  EXPECT_EQ(clear(), true);
  lamp.advertise(true);
  ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  EXPECT_TRUE(is_verified(reply->arguments[1]));
  release_the_lamp();
  EXPECT_TRUE(bluez_forgets());
  EXPECT_THAT(files(), IsEmpty());
  expect_discovered_afresh();
}

// BlueZ takes 2 s to end the link of what it removes, and its discovery ends meanwhile.
TEST_F(DaemonClear, by_force_is_not_undone_by_the_verification) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  ASSERT_NO_FATAL_FAILURE(connect_unverified());
  bluez.settings().timing.disconnect = std::chrono::seconds{10};
  bluez.when_called("RemoveDevice", [this] { bluez.later(std::chrono::seconds{1}, [this] { resolve(); }); });
  const auto cleared = clear(client, kForce);
  EXPECT_TRUE(verified_is_told());
  EXPECT_EQ(value_of(cleared), true);
  EXPECT_TRUE(bluez_forgets());
  EXPECT_TRUE(told_state_becomes("disconnected (link-lost)"));
  EXPECT_EQ(world.outcome(get_services()), kNotCached);
  expect_nothing_left();
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(DaemonClear, by_force_takes_the_callers_own_link_along) {
  connect();
  EXPECT_EQ(clear(kForce), true);
  EXPECT_TRUE(bluez_forgets());
  EXPECT_TRUE(told_state_becomes("disconnected (link-lost)"));
  EXPECT_TRUE(is_logged_once(kLamp + ": clear cache, by force, asked by"));
  EXPECT_EQ(world.outcome(get_services()), kNotCached);
  client.forget_signals();
  expect_discovered_afresh();
}

// --- wrong calls ---

TEST_F(DaemonClear, options_that_are_wrong_are_refused_by_name) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  const std::vector<std::pair<Dictionary, std::string>> wrong{
      {{{"force", 1u}}, "option force must be b, is of type u"},
      {{{"force", std::string{"true"}}}, "is of type s"},
      {{{"Force", true}}, "there is no option \"Force\""},
      {{{"force", true}, {"timeout", 5u}}, "there is no option \"timeout\""}};
  for (const auto& [options, says] : wrong) {
    const auto reply = clear(client, options);
    EXPECT_EQ(world.outcome(reply), kInvalidArgs);
    EXPECT_THAT(reply->message, HasSubstr(says));
  }
  EXPECT_TRUE(files_become(only_the_entry));
  EXPECT_EQ(bluez.count("RemoveDevice"), 0u);
}

}  // namespace
}  // namespace bleconnd::integration
