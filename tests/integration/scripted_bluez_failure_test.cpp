// The fake's failures over the bus: errors, silence, lies and dropped links, each as BlueZ 5.66 has it.
// What a real radio does by chance is here a step of a script.
#include "bluez_fixture.hpp"

namespace bleconnd::integration {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

class ScriptedFailure : public BluezFixture {};

TEST_F(ScriptedFailure, unknown_object_ends_in_a_newline) {
  const auto reply = on_lamp("Connect");
  EXPECT_EQ(world.outcome(reply), "org.freedesktop.DBus.Error.UnknownObject");
  EXPECT_EQ(reply->message,
            "Method \"Connect\" with signature \"\" on interface \"org.bluez.Device1\" doesn't exist\n");
  EXPECT_EQ(world.outcome(client.bluez_device("/org/bluez/hci0", "Connect")),
            "org.freedesktop.DBus.Error.UnknownMethod");
}

TEST_F(ScriptedFailure, a_device_that_does_not_advertise_times_out_and_its_object_stays_for_good) {
  lamp.advertise(false);
  discover_the_lamp();
  const auto reply = on_lamp("Connect");
  EXPECT_EQ(world.outcome(reply), failed);
  EXPECT_EQ(reply->message, "le-connection-abort-by-local");
  EXPECT_FALSE(hci0.device(lamp)->temporary());
  EXPECT_EQ(bluez.leftovers(), Leftovers{});
}

TEST_F(ScriptedFailure, a_pending_connect_goes_on_when_the_device_is_heard) {
  lamp.advertise(false);
  discover_the_lamp();
  const auto reply = on_lamp("Connect");
  ASSERT_TRUE(world.until([&] { return bluez.count("Connect") == 1; }));
  lamp.advertise(true);
  EXPECT_EQ(world.outcome(reply), "ok");
}

TEST_F(ScriptedFailure, a_failed_link_of_an_untrusted_device_removes_it_and_never_answers) {
  discover_the_lamp();
  lamp.next_connects({link_fails()});
  const auto reply = on_lamp("Connect");
  EXPECT_THAT(events_until("IR " + dev), ElementsAre("IR " + dev));
  EXPECT_EQ(reply->outcome(), "pending");
  EXPECT_EQ(bluez.leftovers(), Leftovers{});
}

TEST_F(ScriptedFailure, a_failed_link_of_a_trusted_device_answers) {
  discover_the_lamp();
  hci0.device(lamp)->set_trusted(true);
  lamp.next_connects({link_fails()});
  EXPECT_EQ(world.outcome(on_lamp("Connect")), failed);
  EXPECT_NE(hci0.device(lamp), nullptr);
}

TEST_F(ScriptedFailure, a_full_controller_refuses_by_silence_or_by_an_error) {
  connect_the_lamp();
  hci0.slots = 1;
  Peripheral& other = bluez.add_peripheral("AA:BB:CC:DD:EE:01");
  hci0.discovered(other).set_trusted(true);
  EXPECT_EQ(world.outcome(client.bluez_device(hci0.device(other)->path(), "Connect")), failed);
  hci0.device(other)->set_trusted(false);
  const auto never = client.bluez_device(hci0.device(other)->path(), "Connect");
  (void)events_until("IR hci0/dev_AA_BB_CC_DD_EE_01");
  EXPECT_EQ(never->outcome(), "pending");
}

TEST_F(ScriptedFailure, a_second_connect_is_told_that_one_is_running_and_the_first_goes_on) {
  discover_the_lamp();
  const auto first = on_lamp("Connect");
  const auto second = on_lamp("Connect");
  EXPECT_EQ(world.outcome(second), failed);
  EXPECT_EQ(second->message, "Operation already in progress");
  EXPECT_EQ(world.outcome(first), "ok");
}

TEST_F(ScriptedFailure, disconnect_cancels_a_pending_connect_first) {
  discover_the_lamp();
  lamp.next_connects({hangs()});
  const auto connect = on_lamp("Connect");
  (void)on_lamp("Disconnect");
  EXPECT_THAT(events_until("Disconnect → ok"),
              ElementsAre("Connect → org.bluez.Error.Failed", "Disconnect → ok"));
  EXPECT_EQ(connect->message, "br-connection-canceled");
  EXPECT_EQ(bluez.leftovers(), Leftovers{});
}

TEST_F(ScriptedFailure, success_without_a_link) {
  discover_the_lamp();
  lamp.next_connects({succeeds_without_link()});
  (void)on_lamp("Connect");
  EXPECT_THAT(events_until("Connect → ok"), ElementsAre("Connect → ok"));
  const auto connected = client.get({"org.bluez", path, "org.bluez.Device1"}, "Connected");
  EXPECT_EQ(world.outcome(connected), "ok");
  EXPECT_EQ(connected->arguments[0], false);
}

TEST_F(ScriptedFailure, silent_success_is_seen_by_asking_only) {
  discover_the_lamp();
  lamp.next_connects({succeeds_silently()});
  (void)on_lamp("Connect");
  EXPECT_THAT(events_until(resolved),
              ElementsAre("Connect → ok", "IA " + service, "IA " + characteristic, resolved));
  const auto connected = client.get({"org.bluez", path, "org.bluez.Device1"}, "Connected");
  EXPECT_EQ(world.outcome(connected), "ok");
  EXPECT_EQ(connected->arguments[0], true);
  lamp.drop_link();
  EXPECT_THAT(events_until(down), Contains(down));
}

TEST_F(ScriptedFailure, a_link_that_drops_at_once_is_an_error_between_two_signals) {
  discover_the_lamp();
  lamp.next_connects({drops_at_once()});
  const auto reply = on_lamp("Connect");
  EXPECT_THAT(events_until(ended), ElementsAre(up, "Connect → org.bluez.Error.Failed", ended));
  EXPECT_EQ(reply->message, "br-connection-canceled");
}

TEST_F(ScriptedFailure, a_dial_whose_link_aborts_is_an_error_between_two_signals) {
  discover_the_lamp();
  lamp.next_connects({link_aborts()});
  const auto reply = on_lamp("Connect");
  EXPECT_THAT(events_until(ended), ElementsAre(up, "Connect → org.bluez.Error.Failed", ended));
  EXPECT_EQ(reply->message, "le-connection-abort-by-local");
}

TEST_F(ScriptedFailure, a_link_that_drops_before_the_services_never_resolves) {
  discover_the_lamp();
  lamp.next_connects({drops_before_services(), drops_while_discovering()});
  (void)on_lamp("Connect");
  EXPECT_THAT(events_until(ended), ElementsAre(up, "Connect → ok", ended));
  (void)on_lamp("Connect");
  const std::string all = "PC " + dev + R"( {"Connected":false,"ServicesResolved":false,)" + uuids + "}";
  EXPECT_THAT(events_until(all),
              ElementsAre(up, "Connect → ok", "IA " + service, "IA " + characteristic, all));
}

TEST_F(ScriptedFailure, a_mute_peer_resolves_without_services_and_drops) {
  discover_the_lamp();
  lamp.next_connects({is_mute()});
  (void)on_lamp("Connect");
  EXPECT_THAT(events_until(down),
              ElementsAre(up, "Connect → ok", "PC " + dev + R"( {"ServicesResolved":true})", down));
}

TEST_F(ScriptedFailure, a_late_error_belongs_to_no_attempt_any_more) {
  discover_the_lamp();
  lamp.next_connects({fails_late(3s)});
  const auto first = on_lamp("Connect");
  EXPECT_EQ(world.outcome(on_lamp("Disconnect")), "ok");
  EXPECT_EQ(first->outcome(), "pending");
  EXPECT_EQ(world.outcome(on_lamp("Connect")), "ok");
  EXPECT_EQ(world.outcome(first), failed);
  EXPECT_TRUE(hci0.device(lamp)->connected());
}

TEST_F(ScriptedFailure, a_late_reply_follows_the_link) {
  discover_the_lamp();
  lamp.next_connects({replies_late(2s)});
  (void)on_lamp("Connect");
  EXPECT_THAT(events_until("Connect → ok"),
              ElementsAre(up, "IA " + service, "IA " + characteristic, resolved, "Connect → ok"));
}

TEST_F(ScriptedFailure, links_are_created_one_after_another) {
  Peripheral& blocker = bluez.add_peripheral("AA:BB:CC:DD:EE:01");
  blocker.every_connect(link_fails());
  hci0.discovered(blocker).set_trusted(true);
  discover_the_lamp();
  (void)client.bluez_device(hci0.device(blocker)->path(), "Connect");
  (void)on_lamp("Connect");
  EXPECT_THAT(events_until("Connect → ok"),
              ElementsAre("Connect → org.bluez.Error.Failed", up, "Connect → ok"));
}

TEST_F(ScriptedFailure, a_client_that_leaves_does_not_stop_its_dial) {
  discover_the_lamp();
  Client& other = world.client();
  (void)other.bluez_device(path, "Connect");
  ASSERT_TRUE(world.until([&] { return bluez.count("Connect") == 1; }));
  other.leave();
  EXPECT_THAT(events_until(resolved), Contains(up));
}

TEST_F(ScriptedFailure, a_failed_link_may_answer_before_the_object_goes) {
  discover_the_lamp();
  lamp.next_connects({link_fails_with_an_answer()});
  (void)on_lamp("Connect");
  EXPECT_THAT(events_until("IR " + dev), ElementsAre("Connect → org.bluez.Error.Failed", "IR " + dev));
}

TEST_F(ScriptedFailure, a_link_may_stay_without_services_for_ever) {
  discover_the_lamp();
  lamp.next_connects({never_resolves()});
  EXPECT_EQ(world.outcome(on_lamp("Connect")), "ok");
  (void)on_lamp("Disconnect");
  EXPECT_THAT(events_until(ended), ElementsAre(up, "Connect → ok", "Disconnect → ok", ended));
}

TEST_F(ScriptedFailure, a_device_that_is_not_heard_blocks_nobody) {
  Peripheral& away = bluez.add_peripheral("AA:BB:CC:DD:EE:01");
  away.advertise(false);
  hci0.discovered(away);
  discover_the_lamp();
  const auto waiting = client.bluez_device(hci0.device(away)->path(), "Connect");
  EXPECT_EQ(world.outcome(on_lamp("Connect")), "ok");
  EXPECT_EQ(waiting->outcome(), "pending");
}

TEST_F(ScriptedFailure, remove_device_in_mid_connect_never_answers_the_connect) {
  discover_the_lamp();
  lamp.next_connects({hangs()});
  const auto connect = on_lamp("Connect");
  (void)on_adapter("RemoveDevice", {Value{ObjectPath{path}}});
  EXPECT_THAT(events_until("RemoveDevice → ok"), ElementsAre("IR " + dev, "RemoveDevice → ok"));
  EXPECT_EQ(connect->outcome(), "pending");
}

TEST_F(ScriptedFailure, remove_device_of_a_connected_one_takes_the_link_down_first) {
  connect_the_lamp();
  (void)on_adapter("RemoveDevice", {Value{ObjectPath{path}}});
  EXPECT_THAT(events_until("IR " + dev),
              ElementsAre("PC " + dev + R"( {"ServicesResolved":false})", "RemoveDevice → ok", ended,
                          "IR " + characteristic, "IR " + service, "IR " + dev));
}

TEST_F(ScriptedFailure, a_private_address_can_vanish_in_mid_connect) {
  lamp.private_address = true;
  discover_the_lamp();
  lamp.advertise(false);
  const auto connect = on_lamp("Connect");
  EXPECT_THAT(events_until("IR " + dev), Not(IsEmpty()));
  EXPECT_EQ(connect->outcome(), "pending");
}

}  // namespace
}  // namespace bleconnd::integration
