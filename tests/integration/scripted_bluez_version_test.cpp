// The fake's version knob: texts, orders and properties that changed between BlueZ 5.61 and 5.83.
// One test body for all versions, so that a difference stands where it is expected.
#include "bluez_fixture.hpp"

namespace bleconnd::integration {
namespace {

using ::testing::ElementsAre;

class ScriptedVersion : public BluezFixture, public ::testing::WithParamInterface<int> {
 protected:
  ScriptedVersion() : BluezFixture(fast({GetParam()})) {}
};

TEST_P(ScriptedVersion, texts_and_orders_follow_the_version) {
  const int version = GetParam();
  discover_the_lamp();
  lamp.next_connects({aborts(), hangs()});
  auto reply = on_lamp("Connect");
  EXPECT_EQ(world.outcome(reply), failed);
  EXPECT_EQ(reply->message,
            version < 62 ? "Software caused connection abort" : "le-connection-abort-by-local");
  auto pending = on_lamp("Connect");
  const auto busy = on_lamp("Connect");
  EXPECT_EQ(world.outcome(busy), version < 81 ? failed : "org.bluez.Error.InProgress");
  EXPECT_EQ(busy->message, version < 81 ? "Operation already in progress" : "In Progress");
  EXPECT_EQ(world.outcome(on_lamp("Disconnect")), "ok");
  EXPECT_EQ(pending->message, version < 62 ? "Cancelled" : "br-connection-canceled");
  EXPECT_EQ(world.outcome(on_lamp("Connect")), "ok");
  (void)events_until(resolved);
  (void)on_lamp("Disconnect");
  const std::string unresolved = "PC " + dev + R"( {"ServicesResolved":false})";
  const std::string reason =
      "Disconnected " + dev + R"( ["org.bluez.Reason.Local","Connection terminated by local host"])";
  if (version < 79) {
    EXPECT_THAT(events_until(ended), ElementsAre(unresolved, "Disconnect → ok", ended));
  } else if (version < 83) {
    EXPECT_THAT(events_until("Disconnect → ok"), ElementsAre(unresolved, ended, "Disconnect → ok"));
  } else {
    EXPECT_THAT(events_until("Disconnect → ok"), ElementsAre(reason, unresolved, ended, "Disconnect → ok"));
  }
}

TEST_P(ScriptedVersion, a_lost_link_tells_its_reason_from_5_83_on) {
  connect_the_lamp();
  lamp.drop_link(LinkEnd::timeout);
  const auto events = events_until(down);
  const std::string reason = "Disconnected " + dev + R"( ["org.bluez.Reason.Timeout","Connection timeout"])";
  if (GetParam() < 83)
    EXPECT_THAT(events, ElementsAre(down));
  else
    EXPECT_THAT(events, ElementsAre(reason, down));
}

TEST_P(ScriptedVersion, properties_appear_with_their_version) {
  const int version = GetParam();
  lamp.services = small_gatt_tree();
  hci0.discovered(lamp);
  EXPECT_EQ(world.outcome(on_lamp("Connect")), "ok");
  ASSERT_TRUE(world.until([&] { return hci0.device(lamp)->services_resolved(); }));
  const auto all = client.call({"org.bluez", "/", "org.freedesktop.DBus.ObjectManager"}, "GetManagedObjects");
  ASSERT_EQ(world.outcome(all), "ok");
  const auto& objects = all->arguments[0];
  const auto& maker = objects.at(path + "/service000b/char000c").at("org.bluez.GattCharacteristic1");
  EXPECT_EQ(objects.at(path).at("org.bluez.Device1").contains("Bonded"), version >= 65);
  EXPECT_EQ(maker.contains("MTU"), version >= 62);
  EXPECT_EQ(maker.contains("Handle"), version >= 69);
  EXPECT_EQ(objects.contains(path + "/service0010"), version >= 80) << "Battery is claimed by a plugin";
}

INSTANTIATE_TEST_SUITE_P(versions, ScriptedVersion, ::testing::Values(61, 66, 79, 81, 83));

}  // namespace
}  // namespace bleconnd::integration
