// A connection that the cache answers: before BlueZ has resolved the services, verified afterwards, also in
// the next life of the daemon. What is different is told and replaces the entry.
#include "daemon_cache_fixture.hpp"
#include "device.hpp"

namespace bleconnd::integration {
namespace {

using nlohmann::json;

class DaemonCache : public CacheFixture {};

TEST_F(DaemonCache, the_second_connection_is_answered_before_the_services_are_resolved) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  ASSERT_NO_FATAL_FAILURE(connect_unverified());
  EXPECT_FALSE(verified());
  EXPECT_EQ(value_of(client.device_property(kLamp, "ServicesCached")), true);
  EXPECT_EQ(value_of(client.device_property(kLamp, "State")), "connected");
  resolve();
  EXPECT_TRUE(verified_is_told());
  EXPECT_TRUE(verified());
  EXPECT_EQ(client.count_signals("ServicesChanged"), 0u);
  EXPECT_EQ(std::ranges::count(told_states(), "resolving"), 0);
  EXPECT_THAT(bluez.called({"Connect", "StartDiscovery"}), ElementsAre("Connect " + kDev));
  const auto again = connect();
  EXPECT_TRUE(is_verified(again));
  EXPECT_EQ(again["shared"], true);
  release_the_lamp();
}

TEST_F(DaemonCache, results_have_their_types_from_the_cache_too) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  resolve_later();
  const auto answer = busctl({"EstablishConnection", "sa{sv}", kLamp, "0"});
  EXPECT_EQ(answer["type"], "oa{sv}");
  auto results = answer["data"][1];
  results.erase("elapsed-usec");
  const auto typed = [](const char* type, const json& data) { return json{{"type", type}, {"data", data}}; };
  EXPECT_EQ(results, (json{{"state", typed("s", "connected")},
                           {"adapter", typed("s", "hci0")},
                           {"bluez-device", typed("o", "/org/bluez/" + kDev)},
                           {"attempts", typed("u", 1)},
                           {"services-from-cache", typed("b", true)},
                           {"services-verified", typed("b", false)},
                           {"adopted", typed("b", false)},
                           {"shared", typed("b", false)}}));
}

TEST_F(DaemonCache, an_unchanged_entry_is_not_written_again) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  const auto before = inode();
  connect();
  ASSERT_TRUE(verified_is_told());
  release_the_lamp();
  expect_nothing_left();
  EXPECT_EQ(inode(), before);
}

// --- other lives ---

class DaemonCacheRestart : public CacheFixture, public ::testing::WithParamInterface<int> {};

TEST_P(DaemonCacheRestart, of_the_daemon_answers_from_the_entry) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  ASSERT_NO_FATAL_FAILURE(restart(GetParam()));
  ASSERT_NO_FATAL_FAILURE(connect_unverified());
  EXPECT_FALSE(verified());
  resolve();
  EXPECT_TRUE(verified_is_told());
  EXPECT_EQ(client.count_signals("ServicesChanged"), 0u);
  EXPECT_THAT(bluez.called({"Connect", "StartDiscovery"}), ElementsAre("Connect " + kDev));
  release_the_lamp();
}

TEST_P(DaemonCacheRestart, of_the_daemon_in_an_unverified_link_takes_it_over) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  ASSERT_NO_FATAL_FAILURE(connect_unverified());
  ASSERT_NO_FATAL_FAILURE(restart(GetParam()));
  EXPECT_TRUE(lamp.connected());
  const auto results = connect();
  EXPECT_TRUE(is_cached(results)) << results;
  EXPECT_EQ(results["shared"], true);
  EXPECT_EQ(bluez.count("Connect"), 0u);
  resolve();
  EXPECT_TRUE(verified_is_told());
  release_the_lamp();
  EXPECT_FALSE(lamp.connected());
}

INSTANTIATE_TEST_SUITE_P(by, DaemonCacheRestart, ::testing::Values(SIGTERM, SIGKILL),
                         [](const auto& number) { return number.param == SIGTERM ? "sigterm" : "sigkill"; });

// What is on its way to the disk is written before the end.
TEST_F(DaemonCache, sigterm_right_behind_the_first_connection_keeps_its_services) {
  ASSERT_TRUE(is_verified(connect()));
  ASSERT_NO_FATAL_FAILURE(restart(SIGTERM));
  EXPECT_TRUE(std::filesystem::exists(entry_file()));
  connect();
  release_the_lamp();
  EXPECT_EQ(client.count_signals("ServicesChanged"), 0u);
}

// Trusted, so that BlueZ has the object of the device again, but none of its services.
TEST_F(DaemonCache, after_a_restart_of_bluetoothd_the_answer_waits_for_the_services) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp({{"trust", true}}));
  ASSERT_NO_FATAL_FAILURE(restart_bluetoothd());
  client.forget_signals();
  resolve_later();
  const auto reply = client.establish(kLamp);
  ASSERT_TRUE(resolving_is_told());
  EXPECT_TRUE(lamp.connected());
  EXPECT_FALSE(reply->done);
  resolve();
  ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  EXPECT_TRUE(is_verified(reply->arguments[1]));
  EXPECT_EQ(client.count_signals("ServicesChanged"), 0u);
  release_the_lamp();
}

TEST_F(DaemonCache, what_changed_while_bluetoothd_was_away_is_told) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp({{"trust", true}}));
  ASSERT_NO_FATAL_FAILURE(restart_bluetoothd());
  client.forget_signals();
  lamp.change_services(other_services());
  EXPECT_TRUE(is_verified(connect()));
  EXPECT_TRUE(change_is_told());
  release_the_lamp();
  EXPECT_TRUE(knows_object(kNewObject));
}

TEST_F(DaemonCache, who_does_not_want_the_cache_waits_for_the_services) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  resolve_later();
  const auto reply = client.establish(kLamp, {{"use-services-cache", false}});
  ASSERT_TRUE(resolving_is_told());
  EXPECT_FALSE(reply->done);
  resolve();
  ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  EXPECT_TRUE(is_verified(reply->arguments[1]));
  release_the_lamp();
}

TEST_F(DaemonCache, each_caller_has_its_own_idea_of_the_cache) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  resolve_later();
  Client& strict = world.client();
  const auto waits = strict.establish(kLamp, {{"use-services-cache", false}});
  EXPECT_TRUE(is_cached(connect()));
  EXPECT_FALSE(waits->done);
  resolve();
  ASSERT_EQ(world.outcome(waits), "ok") << waits->message;
  EXPECT_TRUE(is_verified(waits->arguments[1]));
  EXPECT_EQ(value_of(client.release(kLamp)), 1);
  EXPECT_EQ(value_of(strict.release(kLamp)), 0);
}

// --- changes ---

TEST_F(DaemonCache, services_that_changed_while_away_are_told_and_replace_the_entry) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  lamp.change_services(other_services());
  ASSERT_NO_FATAL_FAILURE(connect_unverified());
  EXPECT_EQ(client.count_signals("ServicesChanged"), 0u);
  resolve();
  EXPECT_TRUE(change_is_told());
  EXPECT_EQ(client.signals("ServicesChanged").front().path, kOurPath);
  EXPECT_TRUE(verified_is_told());
  EXPECT_TRUE(is_logged_once("services changed: "));
  EXPECT_TRUE(is_logged_once("-service 0x0020 " + kOldUuid));
  EXPECT_TRUE(is_logged_once("+service 0x0030 " + kNewUuid));
  release_the_lamp();
  EXPECT_TRUE(knows_object(kNewObject));
  EXPECT_FALSE(knows_object(kOldObject));
  ASSERT_NO_FATAL_FAILURE(restart(SIGTERM));
  EXPECT_TRUE(knows_object(kNewObject));
}

TEST_F(DaemonCache, service_changed_on_the_link_is_told_and_replaces_the_entry) {
  ASSERT_TRUE(is_verified(connect()));
  lamp.change_services(other_services());
  EXPECT_TRUE(change_is_told());
  EXPECT_TRUE(verified());
  lamp.change_services(small_gatt_tree());
  EXPECT_TRUE(world.until([&] { return client.count_signals("ServicesChanged") == 2; }));
  lamp.change_services(other_services());
  EXPECT_TRUE(world.until([&] { return client.count_signals("ServicesChanged") == 3; }));
  release_the_lamp();
  EXPECT_TRUE(knows_object(kNewObject));
  EXPECT_FALSE(knows_object(kOldObject));
}

GattTree tree_with_hash(uint8_t each_byte) {
  auto tree = small_gatt_tree();
  tree[1].characteristics[0].descriptors.clear();  // makes room for the handles of the hash
  tree[1].characteristics.push_back({0x000a, uuid_of(0x2b2a), {"read"}, Bytes(16, each_byte), {}});
  return tree;
}

TEST_F(DaemonCache, another_database_hash_is_a_change_of_the_same_structure) {
  lamp.services = tree_with_hash(0x11);
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  EXPECT_EQ(entry()["hash"], "11111111111111111111111111111111");
  connect();
  ASSERT_TRUE(verified_is_told());
  EXPECT_EQ(bluez.count("ReadValue"), 1u);
  release_the_lamp();
  EXPECT_EQ(client.count_signals("ServicesChanged"), 0u);

  lamp.services = tree_with_hash(0x22);
  EXPECT_TRUE(is_cached(connect()));
  EXPECT_TRUE(change_is_told());
  EXPECT_TRUE(is_logged_once("services changed: ~database hash"));
  release_the_lamp();
  EXPECT_TRUE(world.until([&] { return entry()["hash"] == "22222222222222222222222222222222"; }));
}

TEST_F(DaemonCache, a_hash_that_cannot_be_read_is_no_change) {
  lamp.services = tree_with_hash(0x11);
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  bluez.fail_next("ReadValue", "org.bluez.Error.Failed", "Operation failed with ATT error: 0x0e");
  connect();
  EXPECT_TRUE(verified_is_told());
  release_the_lamp();
  EXPECT_EQ(client.count_signals("ServicesChanged"), 0u);
  EXPECT_EQ(entry()["hash"], "11111111111111111111111111111111");
}

}  // namespace
}  // namespace bleconnd::integration
