// The harness itself: the bus has the system bus's policy and limits, clients can be another user, children
// are watched. What these tests assert is what the integration tests take for granted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "world.hpp"

namespace bleconnd::integration {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

const CallTarget bluez_root{"org.bluez", "/", "org.freedesktop.DBus.ObjectManager"};

class Harness : public ::testing::TestWithParam<Broker> {
 protected:
  static WorldOptions options() {
    WorldOptions chosen;
    chosen.bus.broker = GetParam();
    return chosen;
  }
  void SetUp() override {
    const std::string reason = GetParam() == Broker::dbus_broker ? PrivateBus::broker_unavailable() : "";
    if (!reason.empty()) GTEST_SKIP() << reason;
    world = std::make_unique<World>(options());
    world->bluez.add_adapter();
    world->bluez.start();
  }
  std::unique_ptr<World> world;
};

TEST_P(Harness, any_user_may_call_bluez_but_not_own_a_name_or_call_the_daemon) {
  if (getuid() != 0) GTEST_SKIP() << "another user id needs root";
  Client& stranger = world->client(nobody);
  EXPECT_EQ(world->outcome(stranger.call(bluez_root, "GetManagedObjects")), "ok");
  const CallTarget driver{"org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus"};
  const auto uid = stranger.call(driver, "GetConnectionUnixUser", {Value{stranger.unique_name()}});
  EXPECT_EQ(world->outcome(uid), "ok");
  EXPECT_EQ(uid->arguments[0], nobody);
  EXPECT_EQ(world->outcome(stranger.call(driver, "RequestName", {Value{"org.bleconnd"}, Value{0u}})),
            "org.freedesktop.DBus.Error.AccessDenied");

  Client& owner = world->client();
  EXPECT_EQ(world->outcome(owner.call(driver, "RequestName", {Value{"org.bleconnd"}, Value{0u}})), "ok");
  EXPECT_EQ(world->outcome(stranger.manager("ListConnections")), "org.freedesktop.DBus.Error.AccessDenied");
  EXPECT_NE(world->outcome(stranger.manager_property("Version")), "org.freedesktop.DBus.Error.AccessDenied");
  EXPECT_EQ(geteuid(), 0u);
}

TEST_P(Harness, a_stranger_can_forge_unicast_signals_and_the_sender_gives_him_away) {
  if (getuid() != 0) GTEST_SKIP() << "another user id needs root";
  Client& victim = world->client();
  victim.watch_bluez();
  Client& stranger = world->client(nobody);
  stranger.forge_owner_change(victim.unique_name(), "org.bluez", world->bluez.unique_name(), "");
  stranger.forge_object_removed(victim.unique_name(), "/org/bluez/hci0");
  stranger.forge_properties_changed(victim.unique_name(), "/org/bluez/hci0", "org.bluez.Adapter1",
                                    {{"Powered", false}});
  ASSERT_TRUE(world->until([&] { return victim.signals().size() == 3; }));
  for (const auto& signal : victim.signals()) EXPECT_EQ(signal.sender, stranger.unique_name());
}

TEST_P(Harness, a_call_to_the_name_of_a_missing_bluetoothd_is_noticed) {
  if (GetParam() == Broker::dbus_broker) GTEST_SKIP() << "dbus-broker activates through systemd only";
  world->bluez.kill();
  Client& client = world->client();
  EXPECT_THAT(world->outcome(client.call(bluez_root, "GetManagedObjects")),
              HasSubstr("org.freedesktop.DBus.Error.Spawn."));
  EXPECT_EQ(world->bus.bluez_activations(), 1u);
}

TEST(HarnessActivation, a_call_to_a_bluetoothd_that_starts_waits_for_it) {
  World world{{.bluez = {}, .bus = {.bluez_starts = true}}};
  world.bluez.add_adapter();
  world.bluez.start();
  world.bluez.kill();
  const auto reply = world.client().call(bluez_root, "GetManagedObjects");
  const auto asked_for = [&] { return world.bus.bluez_activations() == 1; };
  for (int looks = 0; looks < 1000 && !world.until(asked_for, std::chrono::milliseconds{10}); ++looks)
    ;
  EXPECT_FALSE(reply->done);
  world.bluez.come_back();
  EXPECT_EQ(world.outcome(reply), "ok");
}

INSTANTIATE_TEST_SUITE_P(brokers, Harness, ::testing::Values(Broker::dbus_daemon, Broker::dbus_broker),
                         [](const auto& broker) {
                           return broker.param == Broker::dbus_daemon ? "dbus_daemon" : "dbus_broker";
                         });

TEST(HarnessLimits, a_connection_has_128_unanswered_calls_and_512_rules) {
  World world;
  world.bluez.add_adapter();
  world.bluez.start();
  Client& client = world.client();
  std::vector<PendingReply> replies;
  for (int i = 0; i < 129; ++i) world.bluez.swallow_next("GetManagedObjects");
  for (int i = 0; i < 129; ++i) replies.push_back(client.call(bluez_root, "GetManagedObjects"));
  EXPECT_EQ(world.outcome(replies.back()), "org.freedesktop.DBus.Error.LimitsExceeded");
  EXPECT_TRUE(world.until([&] { return world.bluez.count("GetManagedObjects") == 128; }));

  for (int i = 0; i < 512; ++i) client.watch("type='signal',arg0='" + std::to_string(i) + "'");
  EXPECT_THROW(client.watch("type='signal',arg0='too many'"), std::system_error);
  EXPECT_EQ(world.client().match_rules_of(client.unique_name()).size(), 512u);
  EXPECT_THAT(world.client().match_rules_of(client.unique_name()), Contains(HasSubstr("arg0='511'")));
}

TEST(HarnessDaemon, a_child_gets_its_folders_says_ready_and_leaves_its_status) {
  World world;
  DaemonOptions options;
  options.binary = "/bin/sh";
  options.bus_address = world.bus.address();
  options.main_conf = "[General]\nLingerSec=7\n";
  options.arguments = {"-c",
                       "cat ${CONFIGURATION_DIRECTORY%%:*}/main.conf; echo $DBUS_SYSTEM_BUS_ADDRESS; "
                       "touch $STATE_DIRECTORY/left; systemd-notify --ready --status=fine; exec sleep 60"};
  world.daemon = std::make_unique<DaemonProcess>(world.loop, world.folders, options);
  ASSERT_TRUE(world.daemon->wait_until_ready()) << world.daemon->log();
  EXPECT_EQ(world.daemon->status(), "fine");
  EXPECT_THAT(world.daemon->log(), HasSubstr("LingerSec=7"));
  EXPECT_THAT(world.daemon->log(), HasSubstr(world.bus.address()));
  EXPECT_EQ(access((world.folders.state() + "/left").c_str(), F_OK), 0);
  EXPECT_GE(world.daemon->open_files(), 3u);
  EXPECT_EQ(world.daemon->end(SIGTERM), 128 + SIGTERM);
}

TEST(HarnessDaemon, a_child_that_ends_early_is_not_waited_for) {
  World world;
  EXPECT_FALSE(world.start_daemon("/bin/false"));
  EXPECT_EQ(world.daemon->process().exit_status(), 1);
}

}  // namespace
}  // namespace bleconnd::integration
