// The fake's discovery, its object manager, introspection and properties, storms, and faults by method name.
// Error names and texts are those of gdbus and libdbus.
#include "bluez_fixture.hpp"

namespace bleconnd::integration {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class ScriptedObjects : public BluezFixture {};

TEST_F(ScriptedObjects, discovery_errors_are_per_client) {
  EXPECT_EQ(world.outcome(on_adapter("StopDiscovery")), failed);
  EXPECT_EQ(world.outcome(on_adapter("StartDiscovery")), "ok");
  const auto again = on_adapter("StartDiscovery");
  EXPECT_EQ(world.outcome(again), "org.bluez.Error.InProgress");
  EXPECT_EQ(again->message, "Operation already in progress");
  Client& other = world.client();
  EXPECT_EQ(world.outcome(other.bluez_adapter("/org/bluez/hci0", "StartDiscovery")), "ok");
  EXPECT_EQ(bluez.leftovers().discovery_sessions, 2u);
  other.leave();
  EXPECT_TRUE(world.until([&] { return bluez.leftovers().discovery_sessions == 1; }));
  EXPECT_EQ(world.outcome(on_adapter("StopDiscovery")), "ok");
  const auto stopped = on_adapter("StopDiscovery");
  EXPECT_EQ(world.outcome(stopped), failed);
  EXPECT_EQ(stopped->message, "No discovery started");
}

TEST_F(ScriptedObjects, discovery_is_told_after_the_reply_and_finds_the_device_with_its_rssi) {
  (void)on_adapter("StartDiscovery");
  EXPECT_THAT(events_until("IA " + dev),
              ElementsAre("StartDiscovery → ok", R"(PC hci0 {"Discovering":true})", "IA " + dev));
  EXPECT_EQ(client.signals("InterfacesAdded").back().arguments[1]["org.bluez.Device1"]["RSSI"], -60);
  (void)on_adapter("StopDiscovery");
  EXPECT_THAT(events_until("PC " + dev + R"( {} invalidated ["RSSI"])"), Contains("StopDiscovery → ok"));
}

TEST_F(ScriptedObjects, a_filter_switches_the_rssi_hysteresis_off) {
  EXPECT_EQ(world.outcome(on_adapter("SetDiscoveryFilter", {Dictionary{{"Transport", "le"}}})), "ok");
  EXPECT_EQ(world.outcome(on_adapter("StartDiscovery")), "ok");
  EXPECT_TRUE(world.until([&] { return client.count_signals("PropertiesChanged") > 5; }));
  EXPECT_THAT(client.described(), Contains("PC " + dev + R"( {"RSSI":-59})"));
  EXPECT_EQ(bluez.calls().front().arguments[0]["Transport"], "le");
}

TEST_F(ScriptedObjects, interfaces_added_and_removed_name_the_standard_interfaces_too) {
  discover_the_lamp();
  EXPECT_THAT(client.signals("InterfacesAdded").back().arguments[1], SizeIs(3));
  (void)on_adapter("RemoveDevice", {Value{ObjectPath{path}}});
  (void)events_until("RemoveDevice → ok");
  EXPECT_EQ(client.signals("InterfacesRemoved").back().arguments[1],
            (nlohmann::json{"org.freedesktop.DBus.Properties", "org.freedesktop.DBus.Introspectable",
                            "org.bluez.Device1"}));
}

TEST_F(ScriptedObjects, introspection_names_the_children_and_answers_where_nothing_is) {
  connect_the_lamp();
  const auto introspect = [&](const std::string& where) {
    const auto reply = client.call({"org.bluez", where, "org.freedesktop.DBus.Introspectable"}, "Introspect");
    EXPECT_EQ(world.outcome(reply), "ok");
    return reply->arguments[0].get<std::string>();
  };
  EXPECT_THAT(introspect("/"), AllOf(HasSubstr("<node name=\"org\"/>"), HasSubstr("GetManagedObjects")));
  EXPECT_THAT(introspect("/org/bluez"), HasSubstr("<node name=\"hci0\"/>"));
  EXPECT_THAT(introspect(path),
              AllOf(HasSubstr("<node name=\"service0020\"/>"), HasSubstr("org.bluez.Device1")));
  EXPECT_THAT(introspect(path + "/service0020"), HasSubstr("<node name=\"char0021\"/>"));
  EXPECT_THAT(introspect("/org/bluez/hci7"), AllOf(HasSubstr("<node>"), Not(HasSubstr("interface"))));
}

TEST_F(ScriptedObjects, properties_of_what_is_not_there) {
  discover_the_lamp();
  const CallTarget device{"org.bluez", path, "org.bluez.Device1"};
  EXPECT_EQ(world.outcome(client.get(device, "RSSI")), "org.freedesktop.DBus.Error.InvalidArgs");
  const CallTarget gone{"org.bluez", "/org/bluez/hci3", "org.bluez.Adapter1"};
  EXPECT_EQ(world.outcome(client.get(gone, "Powered")), "org.freedesktop.DBus.Error.UnknownObject");
}

TEST_F(ScriptedObjects, the_path_need_not_be_the_address) {
  lamp.path_address = "72:2C:DA:6A:45:51";
  hci0.discovered(lamp);
  (void)events_until("IA hci0/dev_72_2C_DA_6A_45_51");
  EXPECT_EQ(client.signals().back().arguments[1]["org.bluez.Device1"]["Address"], "AA:BB:CC:DD:EE:FF");
}

TEST_F(ScriptedObjects, starving_idle_handlers_withhold_changes_until_a_reply) {
  connect_the_lamp();
  bluez.withhold_signals(true);
  lamp.drop_link();
  const auto asked = client.get({"org.bluez", "/org/bluez/hci0", "org.bluez.Adapter1"}, "Powered");
  EXPECT_THAT(events_until("Get → ok"), ElementsAre(down, "Get → ok"));
  EXPECT_EQ(bluez.leftovers(), Leftovers{});
}

TEST_F(ScriptedObjects, a_storm_of_advertisers_is_one_object_each_and_then_reports) {
  bluez.settings().timing.advertising = 20s;  // at speed 50: 750 reports a second
  bluez.settings().timing.temporary = 1h;
  for (int i = 0; i < 300; ++i) {
    std::string address = "C0:00:00:00:0" + std::to_string(i / 100) + ":" + std::to_string(i % 100 / 10) +
                          std::to_string(i % 10);
    bluez.add_peripheral(address).changes_data = true;
  }
  EXPECT_EQ(world.outcome(on_adapter("StartDiscovery")), "ok");
  EXPECT_TRUE(world.until([&] { return client.count_signals("PropertiesChanged") > 600; }, 30s));
  EXPECT_THAT(client.signals("InterfacesAdded"), SizeIs(301));
}

TEST_F(ScriptedObjects, any_method_can_be_swallowed_delayed_failed_or_watched) {
  bluez.swallow_next("StartDiscovery");
  bluez.delay_next("StartDiscovery", 5s);
  bluez.fail_next("SetDiscoveryFilter", failed, "Invalid exchange");
  const auto swallowed = on_adapter("StartDiscovery");
  const auto delayed = on_adapter("StartDiscovery");
  const auto rejected = on_adapter("SetDiscoveryFilter", {Dictionary{}});
  EXPECT_EQ(world.outcome(rejected), failed);
  EXPECT_EQ(delayed->outcome(), "pending");
  EXPECT_EQ(world.outcome(delayed), "ok");
  EXPECT_EQ(swallowed->outcome(), "pending");
  bool seen = false;
  bluez.when_called("StopDiscovery", [&] { seen = hci0.discovery_sessions().size() == 1; });
  EXPECT_EQ(world.outcome(on_adapter("StopDiscovery")), "ok");
  EXPECT_TRUE(seen);
  EXPECT_THAT(bluez.called(), ElementsAre("StartDiscovery hci0", "StartDiscovery hci0",
                                          "SetDiscoveryFilter hci0", "StopDiscovery hci0"));
}

}  // namespace
}  // namespace bleconnd::integration
