// What a user without rights can do: read, and nothing else. Signals that he forges are looked at for their
// sender and dropped, in every phase of a connection.
#include "daemon_fixture.hpp"

namespace bleconnd::integration {
namespace {

class DaemonAccess : public DaemonFixture {
 protected:
  void SetUp() override {
    if (getuid() != 0) GTEST_SKIP() << "another user id needs root";
    start();
  }
};

TEST_F(DaemonAccess, an_unprivileged_user_may_call_nothing) {
  connect_the_lamp();
  Client& stranger = world.client(nobody);
  EXPECT_EQ(world.outcome(stranger.establish(kLamp)), kDenied);
  EXPECT_EQ(world.outcome(stranger.release(kLamp)), kDenied);
  EXPECT_EQ(world.outcome(stranger.manager("Disconnect", {Value{kLamp}})), kDenied);
  EXPECT_EQ(world.outcome(stranger.manager("GetServices", {Value{kLamp}})), kDenied);
  EXPECT_EQ(world.outcome(stranger.manager("ListConnections")), kDenied);
  EXPECT_TRUE(lamp.connected());
  release_the_lamp();
}

TEST_F(DaemonAccess, an_unprivileged_user_may_read_everything) {
  connect_the_lamp();
  Client& stranger = world.client(nobody);
  for (const char* property : {"Version", "Features", "State", "Connections"})
    EXPECT_EQ(world.outcome(stranger.manager_property(property)), "ok") << property;
  EXPECT_EQ(value_of(stranger.device_property(kLamp, "State")), "connected");
  EXPECT_EQ(world.outcome(stranger.daemon_objects()), "ok");
  const auto all =
      stranger.call({"org.bleconnd", daemon_device_path(kLamp), "org.freedesktop.DBus.Properties"}, "GetAll",
                    {Value{"org.bleconnd.Device1"}});
  EXPECT_EQ(world.outcome(all), "ok");
  const auto seen =
      stranger.call({"org.bleconnd", "/org/bleconnd", "org.freedesktop.DBus.Introspectable"}, "Introspect");
  EXPECT_THAT(value_of(seen).get<std::string>(), HasSubstr("org.bleconnd.Manager1"));
  release_the_lamp();
}

TEST_F(DaemonAccess, properties_are_for_nobody_to_write) {
  const auto set = [](Client& by) {
    return by.call({"org.bleconnd", "/org/bleconnd", "org.freedesktop.DBus.Properties"}, "Set",
                   {Value{"org.bleconnd.Manager1"}, Value{"State"}, InVariant{std::string{"on fire"}}});
  };
  EXPECT_EQ(world.outcome(set(world.client(nobody))), kDenied);
  EXPECT_EQ(world.outcome(set(client)), "org.freedesktop.DBus.Error.PropertyReadOnly");
}

// --- forgery ---

class DaemonForgery : public DaemonAccess {
 protected:
  // Everything that would matter if it came from bluetoothd or the bus. Returns when the daemon has read it.
  void forge_everything() {
    Client& forger = world.client(nobody);
    const auto daemon = client.owner_of("org.bleconnd");
    const auto device = [&](const Dictionary& changed) {
      forger.forge_properties_changed(daemon, kBluezPath, "org.bluez.Device1", changed);
    };
    device({{"ServicesResolved", true}});
    device({{"Connected", true}, {"ServicesResolved", true}});
    device({{"ServicesResolved", false}, {"Connected", false}});
    device({{"RSSI", int16_t{-20}}});
    forger.forge(daemon, kBluezPath, "org.bluez.Device1", "Disconnected",
                 {Value{"org.bluez.Reason.Remote"}, Value{"forged"}});
    forger.forge_properties_changed(daemon, "/org/bluez/hci0", "org.bluez.Adapter1", {{"Powered", false}});
    forger.forge_object_removed(daemon, kBluezPath);
    forger.forge_object_removed(daemon, "/org/bluez/hci0");
    forger.forge_owner_change(daemon, "org.bluez", bluez.unique_name(), "");
    forger.forge_owner_change(daemon, "org.bluez", bluez.unique_name(), forger.unique_name());
    forger.forge_owner_change(daemon, client.unique_name(), client.unique_name(), "");
    // The bus keeps the order of one sender.
    EXPECT_EQ(value_of(forger.manager_property("State")), "running");
  }
  // State, BlueZ's view and what was told are the same after the forgery as before.
  void expect_no_effect() {
    const auto objects = value_of(client.daemon_objects());  // behind every signal sent so far
    const auto calls = bluez.called();
    const auto signals = client.described();
    const auto left = bluez.leftovers();
    forge_everything();
    EXPECT_EQ(value_of(client.daemon_objects()), objects);
    EXPECT_EQ(client.described(), signals);
    EXPECT_EQ(bluez.called(), calls);
    EXPECT_EQ(bluez.leftovers(), left);
  }
};

TEST_F(DaemonForgery, has_no_effect_while_idle) {
  expect_no_effect();
  connect_the_lamp();
  release_the_lamp();
  expect_no_effect();  // its path is remembered now
}

TEST_F(DaemonForgery, has_no_effect_while_discovering) {
  lamp.advertise(false);
  const auto reply = client.establish(kLamp);
  ASSERT_TRUE(world.until([&] { return hci0.discovering() && bluez.count("StartDiscovery") == 1; }));
  expect_no_effect();
  EXPECT_EQ(value_of(client.device_property(kLamp, "State")), "discovering");
  lamp.advertise(true);
  EXPECT_EQ(world.outcome(reply), "ok") << reply->message;
  EXPECT_EQ(reply->arguments[1]["attempts"], 1);
  release_the_lamp();
}

TEST_F(DaemonForgery, has_no_effect_while_connecting) {
  dials_wait_for_the_lamp();
  const auto reply = client.establish(kLamp);
  ASSERT_TRUE(called_becomes("Connect", 1));
  expect_no_effect();
  EXPECT_EQ(value_of(client.device_property(kLamp, "State")), "connecting");
  lamp.advertise(true);
  EXPECT_EQ(world.outcome(reply), "ok") << reply->message;
  EXPECT_EQ(reply->arguments[1]["attempts"], 1);
  release_the_lamp();
}

TEST_F(DaemonForgery, has_no_effect_while_resolving) {
  lamp.next_connects({never_resolves()});
  const auto reply = client.establish(kLamp);
  ASSERT_TRUE(told_state_becomes("resolving"));
  expect_no_effect();
  EXPECT_EQ(value_of(client.device_property(kLamp, "State")), "resolving");
  EXPECT_FALSE(reply->done);
  EXPECT_EQ(value_of(client.release(kLamp)), 0);
  EXPECT_EQ(world.outcome(reply), kErrors + "Cancelled");
}

TEST_F(DaemonForgery, has_no_effect_while_connected) {
  connect_the_lamp();
  ASSERT_TRUE(told_state_becomes("connected"));
  EXPECT_EQ(value_of(client.manager_property("Connections")), 1);
  expect_no_effect();
  EXPECT_EQ(value_of(client.device_property(kLamp, "State")), "connected");
  EXPECT_TRUE(lamp.connected());
  release_the_lamp();
}

}  // namespace
}  // namespace bleconnd::integration
