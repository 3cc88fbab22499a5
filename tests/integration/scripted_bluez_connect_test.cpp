// The fake's Connect, Disconnect and Pair over the bus: order of signals and replies, errors, and silence.
// Each test names the behaviour of BlueZ 5.66 that it imitates; other versions say so.
#include "bluez_fixture.hpp"

namespace bleconnd::integration {
namespace {

using ::testing::ElementsAre;

class ScriptedConnect : public BluezFixture {};

TEST_F(ScriptedConnect, first_connect_tells_the_link_then_replies_then_shows_services_parent_first) {
  lamp.gap_name = "Lamp 2";
  discover_the_lamp();
  (void)on_lamp("Connect");
  const std::string named = "PC " + dev + R"( {"Alias":"Lamp 2","Name":"Lamp 2"})";
  EXPECT_THAT(events_until(named),
              ElementsAre(up, "Connect → ok", "IA " + service, "IA " + characteristic, resolved, named));
}

TEST_F(ScriptedConnect, reconnect_finds_the_service_objects_still_there) {
  connect_the_lamp();
  (void)on_lamp("Disconnect");
  (void)events_until(ended);
  (void)on_lamp("Connect");
  const std::string again = "PC " + dev + R"( {"ServicesResolved":true})";
  EXPECT_THAT(events_until(again), ElementsAre(up, "Connect → ok", again));
}

TEST_F(ScriptedConnect, reconnect_after_a_change_of_the_database_replaces_the_service) {
  connect_the_lamp();
  lamp.drop_link();
  (void)events_until(down);
  lamp.change_services({{0x0030, uuid_of(0x1805), {}}});
  (void)on_lamp("Connect");
  const std::string now = R"("UUIDs":["00001805-0000-1000-8000-00805f9b34fb"])";
  const std::string again = "PC " + dev + R"( {"ServicesResolved":true})";
  EXPECT_THAT(events_until(again),
              ElementsAre(up, "Connect → ok", "IR " + characteristic, "IR " + service,
                          "PC " + dev + " {" + now + "}", "IA " + dev + "/service0030", again));
}

TEST_F(ScriptedConnect, service_changed_while_connected_leaves_services_resolved_alone) {
  connect_the_lamp();
  lamp.change_services({{0x0030, uuid_of(0x1805), {}}});
  const std::string now = R"("UUIDs":["00001805-0000-1000-8000-00805f9b34fb"])";
  EXPECT_THAT(events_until("IA " + dev + "/service0030"),
              ElementsAre("IR " + characteristic, "IR " + service, "PC " + dev + " {" + now + "}",
                          "IA " + dev + "/service0030"));
}

TEST_F(ScriptedConnect, disconnect_replies_before_connected_becomes_false) {
  connect_the_lamp();
  (void)on_lamp("Disconnect");
  EXPECT_THAT(events_until(ended),
              ElementsAre("PC " + dev + R"( {"ServicesResolved":false})", "Disconnect → ok", ended));
}

TEST_F(ScriptedConnect, disconnect_of_what_is_not_connected_succeeds_at_once) {
  discover_the_lamp();
  EXPECT_EQ(world.outcome(on_lamp("Disconnect")), "ok");
}

TEST_F(ScriptedConnect, a_lost_link_is_one_signal) {
  connect_the_lamp();
  lamp.drop_link();
  EXPECT_THAT(events_until(down), ElementsAre(down));
}

TEST_F(ScriptedConnect, an_object_nobody_keeps_goes_with_its_services_after_the_temporary_timeout) {
  connect_the_lamp();
  lamp.drop_link();
  EXPECT_THAT(events_until("IR " + dev),
              ElementsAre(down, "IR " + characteristic, "IR " + service, "IR " + dev));
}

TEST_F(ScriptedConnect, trust_keeps_the_object) {
  connect_the_lamp();
  ASSERT_EQ(world.outcome(set(path, "org.bluez.Device1", "Trusted", true)), "ok");
  lamp.drop_link();
  ASSERT_TRUE(world.until([&] { return !hci0.device(lamp)->connected(); }));
  EXPECT_FALSE(hci0.device(lamp)->temporary());
}

TEST_F(ScriptedConnect, another_programs_link_and_its_end_are_seen_as_changes) {
  discover_the_lamp();
  hci0.device(lamp)->connect();
  EXPECT_THAT(events_until(resolved), ElementsAre(up, "IA " + service, "IA " + characteristic, resolved));
  hci0.device(lamp)->disconnect();
  EXPECT_THAT(events_until(ended), ElementsAre("PC " + dev + R"( {"ServicesResolved":false})", ended));
}

}  // namespace
}  // namespace bleconnd::integration
