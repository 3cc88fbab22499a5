// The phase that the cache brings: the link is up and answered, its services are not verified yet. Whoever
// leaves, whatever fails meanwhile, nothing is left over, and the next connection works.
#include "daemon_cache_fixture.hpp"
#include "device.hpp"

namespace bleconnd::integration {
namespace {

class UnverifiedLink : public CacheFixture {
 protected:
  void SetUp() override {
    CacheFixture::SetUp();
    learn_the_lamp();
  }
  bool ended(const std::string& reason) {
    return told_state_becomes("disconnected (" + reason + ")") &&
           world.until([&] { return bluez.leftovers() == Leftovers{} && daemon_objects().empty(); });
  }
  // What was not verified is neither true nor false: the entry stays.
  void expect_that_the_entry_serves() {
    resolve_later();
    EXPECT_TRUE(is_cached(connect()));
    resolve();
    EXPECT_TRUE(verified_is_told());
    release_the_lamp();
    EXPECT_EQ(client.count_signals("ServicesChanged"), 0u);
  }
};

TEST_F(UnverifiedLink, is_released) {
  ASSERT_NO_FATAL_FAILURE(connect_unverified());
  release_the_lamp();
  EXPECT_TRUE(ended("released"));
  expect_that_the_entry_serves();
}

TEST_F(UnverifiedLink, of_a_caller_that_leaves) {
  resolve_later();
  Client& other = world.client();
  ASSERT_EQ(world.outcome(other.establish(kLamp)), "ok");
  other.leave();
  EXPECT_TRUE(ended("released"));
  expect_that_the_entry_serves();
}

TEST_F(UnverifiedLink, of_a_caller_that_leaves_while_another_waits_for_the_services) {
  resolve_later();
  Client& other = world.client();
  const auto strict = client.establish(kLamp, {{"use-services-cache", false}});
  ASSERT_EQ(world.outcome(other.establish(kLamp)), "ok");
  other.leave();
  ASSERT_TRUE(world.until([&] {
    const auto leases = value_of(client.device_property(kLamp, "Leases"));
    return leases.size() == 1;
  }));
  EXPECT_FALSE(strict->done);
  resolve();
  EXPECT_EQ(world.outcome(strict), "ok") << strict->message;
  release_the_lamp();
}

TEST_F(UnverifiedLink, drops) {
  ASSERT_NO_FATAL_FAILURE(connect_unverified());
  lamp.drop_link();
  EXPECT_TRUE(ended("link-lost"));
  EXPECT_EQ(client.count_signals("Disconnected"), 1u);
  expect_that_the_entry_serves();
}

TEST_F(UnverifiedLink, drops_while_a_caller_waits_for_the_services) {
  resolve_later();
  const auto strict = client.establish(kLamp, {{"use-services-cache", false}});
  EXPECT_TRUE(is_cached(connect()));
  lamp.drop_link();
  EXPECT_EQ(world.outcome(strict), "ok") << strict->message;  // by another attempt
  EXPECT_TRUE(is_verified(strict->arguments[1]));
  release_the_lamp();
}

TEST_F(UnverifiedLink, goes_with_bluetoothd) {
  ASSERT_NO_FATAL_FAILURE(connect_unverified());
  bluez.kill();
  ASSERT_TRUE(state_becomes("waiting-for-bluez"));
  EXPECT_TRUE(ended("stack-down"));
  bluez.come_back();
  ASSERT_TRUE(state_becomes("running"));
  EXPECT_TRUE(is_verified(connect()));
  release_the_lamp();
}

TEST_F(UnverifiedLink, goes_with_its_adapter) {
  ASSERT_NO_FATAL_FAILURE(connect_unverified());
  hci0.power_off();
  ASSERT_TRUE(state_becomes("waiting-for-adapter"));
  // BlueZ tells that the link has gone before it tells that its adapter has: at once, or a moment before.
  EXPECT_TRUE(world.until([&] {
    const auto states = told_states();
    return !states.empty() &&
           (states.back() == "disconnected (link-lost)" || states.back() == "disconnected (adapter-off)");
  }));
  hci0.power_on();
  ASSERT_TRUE(state_becomes("running"));
  connect();
  release_the_lamp();
}

TEST_F(UnverifiedLink, stays_up_for_its_caller_over_sigterm) {
  ASSERT_NO_FATAL_FAILURE(connect_unverified());
  EXPECT_EQ(world.daemon->end(SIGTERM), 0);
  EXPECT_EQ(bluez.leftovers(), (Leftovers{.links = 1}));
  EXPECT_EQ(files(), only_the_entry);
}

// ServicesResolved never comes: such a link is a phantom, and its entry was wrong.
TEST_F(UnverifiedLink, that_is_never_resolved_is_dropped_with_its_entry) {
  resolve_later();
  ASSERT_TRUE(is_cached(connect({{"attempt-timeout", 1u}})));
  EXPECT_TRUE(ended("services-incomplete"));
  ASSERT_EQ(client.count_signals("Disconnected"), 1u);
  EXPECT_EQ(client.signals("Disconnected").front().arguments[0], "services-incomplete");
  EXPECT_TRUE(world.until([&] { return files().empty(); })) << "soon: the link does not wait for the disk";
  EXPECT_TRUE(is_verified(connect()));
  release_the_lamp();
}

TEST_F(UnverifiedLink, of_a_connect_that_drops_before_its_services) {
  // The answer comes in between, however busy the machine is.
  auto step = never_resolves();
  step.drop_after = std::chrono::seconds{20};
  lamp.next_connects({step});
  ASSERT_TRUE(is_cached(connect()));
  EXPECT_TRUE(ended("link-lost"));
  expect_that_the_entry_serves();
}

}  // namespace
}  // namespace bleconnd::integration
