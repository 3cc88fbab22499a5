// Slots of main.conf: an adapter never gets more links than it may have, those of other programs included.
// Who finds it full waits for a free slot, and is dialled when the link that had it is down.
#include "daemon_sharing_fixture.hpp"

namespace bleconnd::integration {
namespace {

using nlohmann::json;

class DaemonSlots : public QueueFixture {
 protected:
  void SetUp() override { start_and_listen(slots(1)); }
};

TEST_F(DaemonSlots, a_full_adapter_is_waited_for_until_the_deadline) {
  connect_the_lamp();
  EXPECT_EQ(adapter("Slots"), 1);
  EXPECT_EQ(adapter("SlotsFree"), 0);
  const auto call = queued(kSecond, {{"timeout", 2u}});
  EXPECT_EQ(adapter("Queued"), (json{kSecond}));
  EXPECT_EQ(world.outcome(call), kErrors + "OutOfConnectionSlots");
  EXPECT_GE(call->took, std::chrono::seconds{2});
  EXPECT_THAT(call->message, StartsWith("no-slot: "));
  EXPECT_THAT(call->message, HasSubstr("hci0 has 0 of 1 slots free"));
  EXPECT_THAT(bluez.called({"Connect"}), ElementsAre(connect_of(kLamp)));
  EXPECT_TRUE(lamp.connected());
  release_the_lamp();
  EXPECT_EQ(adapter("SlotsFree"), 1);
}

TEST_F(DaemonSlots, a_freed_slot_is_dialled_when_its_link_is_down) {
  connect_the_lamp();
  const auto call = queued(kSecond);
  bool lamp_was_up = true;
  bluez.when_called("Connect", [&] { lamp_was_up = hci0.device(lamp)->connected(); });
  const auto released = client.release(kLamp);
  expect_ok({call});
  EXPECT_FALSE(lamp_was_up);
  EXPECT_EQ(value_of(released), 0);
  EXPECT_EQ(adapter("Allocated"), (json{kSecond}));
  EXPECT_THAT(bluez.called({"Connect", "Disconnect"}),
              ElementsAre(connect_of(kLamp), "Disconnect hci0/dev_AA_BB_CC_DD_EE_FF", connect_of(kSecond)));
  release({kSecond});
}

TEST_F(DaemonSlots, a_lost_link_frees_its_slot) {
  connect_the_lamp();
  const auto call = queued(kSecond);
  lamp.drop_link();
  expect_ok({call});
  release({kSecond});
}

TEST_F(DaemonSlots, a_slot_goes_to_the_highest_priority) {
  connect_the_lamp();
  const auto normal = queued(kSecond);
  const auto high = queued(kThird, priority("high"));
  release_the_lamp();
  expect_ok({high});
  EXPECT_FALSE(normal->done);
  release({kThird});
  expect_ok({normal});
  release({kSecond});
}

TEST_F(DaemonSlots, a_link_of_another_program_takes_one) {
  Client& stranger = world.client();
  const auto path = hci0.device(lamp)->path();
  ASSERT_EQ(world.outcome(stranger.bluez_device(path, "Connect")), "ok");
  bluez.forget_calls();
  const auto call = queued(kSecond);
  EXPECT_EQ(adapter("Allocated"), (json{kLamp}));
  EXPECT_THAT(bluez.called({"Connect"}), IsEmpty());
  ASSERT_EQ(world.outcome(stranger.bluez_device(path, "Disconnect")), "ok");
  expect_ok({call});
  release({kSecond});
}

TEST_F(DaemonSlots, sighup_reads_their_number_again) {
  connect_the_lamp();
  const auto call = queued(kSecond);
  world.folders.configure(slots(2));
  world.daemon->process().send_signal(SIGHUP);
  expect_ok({call});
  EXPECT_TRUE(lamp.connected());
  EXPECT_EQ(adapter("Slots"), 2);
  EXPECT_EQ(adapter("SlotsFree"), 0);
  release({kLamp});
  EXPECT_EQ(adapter("SlotsFree"), 1);
  release({kSecond});
}

TEST_F(DaemonSlots, of_a_restored_link_are_taken) {
  connect_the_lamp();
  ASSERT_NO_FATAL_FAILURE(restart(slots(1)));
  ASSERT_TRUE(state_of(kLamp, "connected"));
  EXPECT_EQ(adapter("SlotsFree"), 0);
  const auto call = queued(kSecond);
  EXPECT_THAT(bluez.called({"Connect"}), IsEmpty());
  release_the_lamp();
  expect_ok({call});
  release({kSecond});
}

TEST_F(DaemonSlots, are_in_the_status_that_systemctl_shows) {
  const auto status = [&](const std::string& text) {
    return world.until([&] { return world.daemon->status() == text; });
  };
  EXPECT_TRUE(status("0 connected, hci0 0/1 slots")) << world.daemon->status();
  connect_the_lamp();
  EXPECT_TRUE(status("1 connected, hci0 1/1 slots")) << world.daemon->status();
  const auto call = queued(kSecond);
  EXPECT_TRUE(status("1 connected, 1 connecting, hci0 1/1 slots")) << world.daemon->status();
  release_the_lamp();
  expect_ok({call});
  release({kSecond});
  EXPECT_TRUE(status("0 connected, hci0 0/1 slots")) << world.daemon->status();
  hci0.power_off();
  EXPECT_TRUE(status("0 connected, waiting-for-adapter, hci0 off")) << world.daemon->status();
  hci0.power_on();
  EXPECT_TRUE(status("0 connected, hci0 0/1 slots")) << world.daemon->status();
  world.folders.configure(slots(0));  // no limit is known
  world.daemon->process().send_signal(SIGHUP);
  EXPECT_TRUE(status("0 connected, hci0 on")) << world.daemon->status();
}

TEST_F(DaemonSlots, are_told_once_as_long_as_they_are_the_same) {
  connect_the_lamp();
  release_the_lamp();
  const auto& told = world.daemon->notifications();
  for (std::size_t i = 1; i < told.size(); ++i) {
    if (told[i].starts_with("STATUS=")) {
      EXPECT_NE(told[i], told[i - 1]);
    }
  }
}

}  // namespace
}  // namespace bleconnd::integration
