// The fake's Pair and CancelPairing over the bus, and its private addresses.
// Errors are BlueZ's names for the statuses of the kernel's management interface.
#include "bluez_fixture.hpp"

namespace bleconnd::integration {
namespace {

using ::testing::ElementsAre;

class ScriptedPairing : public BluezFixture {};

TEST_F(ScriptedPairing, pairing_connects_bonds_and_resolves_before_it_answers) {
  discover_the_lamp();
  (void)on_lamp("Pair");
  const auto events = events_until("Pair → ok");
  EXPECT_THAT(
      events,
      ElementsAre(up, "PC " + dev + R"( {"Bonded":true})", "IA " + service, "IA " + characteristic,
                  "PC " + dev + R"( {"Paired":true,"ServicesResolved":true,)" + uuids + "}", "Pair → ok"));
}

TEST_F(ScriptedPairing, pairing_fails_with_every_error_and_leaves_no_link) {
  for (const std::string error :
       {"AuthenticationRejected", "AuthenticationFailed", "AuthenticationTimeout"}) {
    hci0.discovered(lamp);
    lamp.next_pairs({pair_fails(error, "text")});
    EXPECT_EQ(world.outcome(on_lamp("Pair")), "org.bluez.Error." + error);
    EXPECT_EQ(bluez.leftovers(), Leftovers{});
  }
}

TEST_F(ScriptedPairing, pairing_without_end_is_ended_by_cancel_pairing) {
  discover_the_lamp();
  EXPECT_EQ(world.outcome(on_lamp("CancelPairing")), "org.bluez.Error.DoesNotExist");
  lamp.next_pairs({pair_never()});
  const auto pair = on_lamp("Pair");
  EXPECT_EQ(world.outcome(on_lamp("Pair")), "org.bluez.Error.InProgress");
  EXPECT_EQ(world.outcome(on_lamp("CancelPairing")), "ok");
  EXPECT_EQ(pair->outcome(), "org.bluez.Error.AuthenticationCanceled");
}

TEST_F(ScriptedPairing, pairing_reveals_the_identity_address_on_the_same_path) {
  lamp.private_address = true;
  lamp.identity = "00:11:22:33:44:55";
  discover_the_lamp();
  EXPECT_EQ(world.outcome(on_lamp("Pair")), "ok");
  const auto address = client.get({"org.bluez", path, "org.bluez.Device1"}, "Address");
  EXPECT_EQ(world.outcome(address), "ok");
  EXPECT_EQ(address->arguments[0], "00:11:22:33:44:55");
}

TEST_F(ScriptedPairing, a_mute_peer_loses_the_link_and_the_pairing_is_cancelled) {
  discover_the_lamp();
  lamp.next_pairs({pair_mute()});
  (void)on_lamp("Pair");
  EXPECT_THAT(events_until("Pair → org.bluez.Error.AuthenticationCanceled"),
              ElementsAre(up, ended, "Pair → org.bluez.Error.AuthenticationCanceled"));
}

TEST_F(ScriptedPairing, a_client_that_leaves_takes_its_pairing_with_it) {
  discover_the_lamp();
  lamp.next_pairs({pair_never()});
  Client& other = world.client();
  (void)other.bluez_device(path, "Pair");
  ASSERT_TRUE(world.until([&] { return bluez.leftovers().pending_pairs == 1; }));
  other.leave();
  EXPECT_TRUE(world.until([&] { return bluez.leftovers().pending_pairs == 0; }));
}

TEST_F(ScriptedPairing, a_rotated_private_address_is_a_new_object_and_the_old_one_expires) {
  lamp.private_address = true;
  EXPECT_EQ(world.outcome(on_adapter("StartDiscovery")), "ok");
  (void)events_until("IA " + dev);
  lamp.rotate_address("AA:BB:CC:DD:EE:77");
  (void)events_until("IA hci0/dev_AA_BB_CC_DD_EE_77");
  (void)events_until("IR " + dev);
}

}  // namespace
}  // namespace bleconnd::integration
