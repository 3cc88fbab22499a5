// The fake's adapters and its life on the bus: discovery, power, unplug, restart of bluetoothd, faults by
// method. Orders are those measured on BlueZ 5.66.
#include "bluez_fixture.hpp"

namespace bleconnd::integration {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class ScriptedLife : public BluezFixture {
 protected:
  const std::string off_only = R"(PC hci0 {"Powered":false})";
  PendingReply power(bool on) { return set("/org/bluez/hci0", "org.bluez.Adapter1", "Powered", on); }
};

TEST_F(ScriptedLife, power_off_removes_temporary_objects_then_replies_then_tells) {
  connect_the_lamp();
  Peripheral& other = bluez.add_peripheral("AA:BB:CC:DD:EE:01");
  hci0.discovered(other);
  (void)events_until("IA hci0/dev_AA_BB_CC_DD_EE_01");
  (void)power(false);
  EXPECT_THAT(events_until(off_only),
              ElementsAre("IR hci0/dev_AA_BB_CC_DD_EE_01", down, "Set → ok", off_only));
  EXPECT_EQ(world.outcome(on_adapter("StartDiscovery")), "org.bluez.Error.NotReady");
  hci0.device(lamp)->set_trusted(true);
  const auto connect = on_lamp("Connect");
  EXPECT_EQ(world.outcome(connect), failed);
  EXPECT_EQ(connect->message, "Input/output error");
  (void)power(true);
  const auto busy = power(true);
  EXPECT_EQ(world.outcome(busy), "org.bluez.Error.Busy");
  EXPECT_EQ(busy->message, "");
  EXPECT_TRUE(world.until([&] { return hci0.powered(); }));
}

TEST_F(ScriptedLife, power_off_in_mid_connect_is_a_success_on_kernel_6_1) {
  discover_the_lamp();
  lamp.next_connects({hangs()});
  const auto connect = on_lamp("Connect");
  ASSERT_TRUE(world.until([&] { return hci0.device(lamp)->connecting(); }));
  (void)power(false);
  EXPECT_THAT(events_until("Connect → ok"), ElementsAre("Set → ok", off_only, "Connect → ok"));
}

TEST_F(ScriptedLife, power_off_in_mid_connect_on_kernel_6_12) {
  bluez.settings().kernel = Kernel::linux_6_12;
  Peripheral& kept = bluez.add_peripheral("AA:BB:CC:DD:EE:01");
  hci0.discovered(kept).set_trusted(true);
  discover_the_lamp();
  lamp.next_connects({hangs()});
  kept.next_connects({hangs()});
  const auto never = on_lamp("Connect");
  const auto aborted = client.bluez_device(hci0.device(kept)->path(), "Connect");
  ASSERT_TRUE(world.until([&] { return bluez.leftovers().pending_connects == 2; }));
  (void)power(false);
  EXPECT_THAT(events_until(off_only),
              ElementsAre("Connect → org.bluez.Error.Failed", "IR " + dev, "Set → ok", off_only));
  EXPECT_EQ(never->outcome(), "pending");
  EXPECT_EQ(aborted->outcome(), failed);
}

TEST_F(ScriptedLife, unplug_while_connected) {
  connect_the_lamp();
  bluez.unplug(hci0);
  EXPECT_THAT(events_until("IR hci0"),
              ElementsAre(down, "IR " + characteristic, "IR " + service, "IR " + dev, off_only, "IR hci0"));
}

TEST_F(ScriptedLife, unplug_in_mid_connect_is_a_success) {
  discover_the_lamp();
  lamp.next_connects({hangs()});
  (void)on_lamp("Connect");
  ASSERT_TRUE(world.until([&] { return hci0.device(lamp)->connecting(); }));
  bluez.unplug(hci0);
  EXPECT_THAT(events_until("IR hci0"), ElementsAre(off_only, "Connect → ok", "IR " + dev, "IR hci0"));
}

TEST_F(ScriptedLife, replug_takes_the_lowest_free_index_and_brings_stored_devices_back) {
  discover_the_lamp();
  hci0.device(lamp)->set_trusted(true);
  EXPECT_EQ(world.outcome(on_lamp("Connect")), "ok");
  Adapter& second = bluez.add_adapter();
  EXPECT_EQ(second.path(), "/org/bluez/hci1");
  bluez.unplug(hci0);
  Adapter& third = bluez.add_adapter();
  EXPECT_EQ(third.path(), "/org/bluez/hci0");
  (void)events_until("IA hci0");
  bluez.plug(hci0);
  EXPECT_THAT(events_until(R"(PC hci2 {"Powered":true})"),
              ElementsAre("IA hci2", "IA hci2/dev_AA_BB_CC_DD_EE_FF", R"(PC hci2 {"Powered":true})"));
}

TEST_F(ScriptedLife, any_index_can_be_chosen) {
  bluez.unplug(hci0);
  bluez.plug(hci0, 12);
  EXPECT_THAT(events_until(R"(PC hci12 {"Powered":true})"),
              ElementsAre(off_only, "IR hci0", "IA hci12", R"(PC hci12 {"Powered":true})"));
}

TEST_F(ScriptedLife, two_adapters_swap_their_index) {
  Adapter& second = bluez.add_adapter("00:00:00:00:00:02");
  bluez.swap_indices(hci0, second);
  (void)events_until(R"(PC hci1 {"Powered":true})");
  const auto address = client.get({"org.bluez", "/org/bluez/hci0", "org.bluez.Adapter1"}, "Address");
  EXPECT_EQ(world.outcome(address), "ok");
  EXPECT_EQ(address->arguments[0], "00:00:00:00:00:02");
}

TEST_F(ScriptedLife, a_killed_bluetoothd_says_nothing_and_comes_back_with_stored_devices) {
  connect_the_lamp();
  hci0.device(lamp)->set_trusted(true);
  Peripheral& other = bluez.add_peripheral("AA:BB:CC:DD:EE:01");
  other.next_connects({hangs()});
  hci0.discovered(other);
  const auto connect = client.bluez_device(hci0.device(other)->path(), "Connect");
  ASSERT_TRUE(world.until([&] { return hci0.device(other)->connecting(); }));
  client.watch("type='signal',member='NameOwnerChanged',arg0='org.bluez'");
  client.forget_events();
  const std::string old_name = bluez.unique_name();
  bluez.kill();
  EXPECT_EQ(world.outcome(connect), "org.freedesktop.DBus.Error.NoReply");
  ASSERT_TRUE(world.until([&] { return client.count_signals("NameOwnerChanged") == 1; }));
  EXPECT_THAT(client.signals("InterfacesRemoved"), SizeIs(0));
  EXPECT_THAT(client.signals("NameOwnerChanged").back().arguments, ElementsAre("org.bluez", old_name, ""));
  EXPECT_TRUE(lamp.connected()) << "the kernel drops the link later";
  bluez.come_back();
  (void)events_until("IA " + dev);
  EXPECT_NE(bluez.unique_name(), old_name);
  const auto all = client.call({"org.bluez", "/", "org.freedesktop.DBus.ObjectManager"}, "GetManagedObjects");
  ASSERT_EQ(world.outcome(all), "ok");
  EXPECT_EQ(all->arguments[0].at(path).at("org.bluez.Device1").at("Connected"), false);
  EXPECT_FALSE(all->arguments[0].contains(path + "/service0020"));
  EXPECT_TRUE(world.until([&] { return !lamp.connected(); }));
}

TEST_F(ScriptedLife, a_terminated_bluetoothd_removes_everything_in_order) {
  connect_the_lamp();
  client.watch("type='signal',member='NameOwnerChanged',arg0='org.bluez'");
  bluez.terminate();
  ASSERT_TRUE(world.until([&] { return client.count_signals("NameOwnerChanged") == 1; }));
  const auto events = client.events();
  ASSERT_THAT(events, SizeIs(8));
  EXPECT_THAT(std::vector<std::string>(events.begin(), events.end() - 1),
              ElementsAre(down, off_only, "IR " + characteristic, "IR " + service, "IR " + dev, "IR hci0",
                          "IR /org/bluez"));
  bluez.come_back();
  EXPECT_TRUE(world.until([&] { return hci0.powered(); }));
}

TEST_F(ScriptedLife, bluetoothd_can_die_in_the_middle_of_a_call) {
  discover_the_lamp();
  bluez.when_called("Connect", [&] { bluez.kill(); });
  EXPECT_EQ(world.outcome(on_lamp("Connect")), "org.freedesktop.DBus.Error.NoReply");
}

TEST_F(ScriptedLife, links_of_an_earlier_owner_are_there_at_the_start) {
  hci0.discovered(lamp).already_connected();
  const auto all = client.call({"org.bluez", "/", "org.freedesktop.DBus.ObjectManager"}, "GetManagedObjects");
  ASSERT_EQ(world.outcome(all), "ok");
  EXPECT_EQ(all->arguments[0].at(path).at("org.bluez.Device1").at("ServicesResolved"), true);
  EXPECT_TRUE(all->arguments[0].contains(path + "/service0020/char0021"));
  EXPECT_EQ(bluez.leftovers().links, 1u);
}

class WithoutGattCache : public BluezFixture {
 protected:
  static WorldOptions options() {
    WorldOptions chosen = fast();
    chosen.bluez.cache = GattCache::no;
    return chosen;
  }
  WithoutGattCache() : BluezFixture(options()) {}
};

TEST_F(WithoutGattCache, disconnect_removes_the_services_at_once) {
  connect_the_lamp();
  (void)on_lamp("Disconnect");
  const std::string all_gone = "PC " + dev + R"( {"Connected":false,"UUIDs":[]})";
  EXPECT_THAT(events_until(all_gone),
              ElementsAre("PC " + dev + R"( {"ServicesResolved":false})", "Disconnect → ok",
                          "IR " + characteristic, "IR " + service, all_gone));
}

}  // namespace
}  // namespace bleconnd::integration
