// Who dials when: one device at a time on an adapter, by priority, and what Adapter1 shows of it. That the
// line is kept is looked at in the moment in which Connect arrives at BlueZ.
#include "daemon_sharing_fixture.hpp"

namespace bleconnd::integration {
namespace {

using nlohmann::json;

class DaemonQueue : public QueueFixture {};

TEST_F(DaemonQueue, the_second_dial_begins_when_the_first_has_ended) {
  ASSERT_NO_FATAL_FAILURE(the_lamp_is_dialled());
  const auto other = queued(kSecond);
  EXPECT_EQ(property(kSecond, "QueuePosition"), 1);
  EXPECT_EQ(property(kLamp, "QueuePosition"), 0);
  bool lamp_is_dialled = true;
  bluez.when_called("Connect", [&] { lamp_is_dialled = hci0.device(lamp)->connecting(); });
  EXPECT_EQ(bluez.count("Connect"), 1u);
  lamp.advertise(true);
  expect_ok({lamp_call, other});
  EXPECT_FALSE(lamp_is_dialled);
  EXPECT_THAT(bluez.called({"Connect"}), ElementsAre(connect_of(kLamp), connect_of(kSecond)));
  EXPECT_EQ(property(kSecond, "QueuePosition"), 0);
  release({kLamp, kSecond});
}

TEST_F(DaemonQueue, a_dial_that_fails_lets_the_next_one_go) {
  lamp.next_connects({hangs()});
  lamp_call = client.establish(kLamp, {{"attempt-timeout", 1u}, {"max-attempts", 1u}});
  ASSERT_TRUE(called_becomes("Connect", 1));
  const auto other = queued(kSecond);
  EXPECT_EQ(world.outcome(lamp_call), kErrors + "NotFound");
  expect_ok({other});
  EXPECT_THAT(bluez.called({"Connect"}), ElementsAre(connect_of(kLamp), connect_of(kSecond)));
  release({kSecond});
}

TEST_F(DaemonQueue, high_goes_before_low) {
  ASSERT_NO_FATAL_FAILURE(the_lamp_is_dialled());
  const auto low = queued(kSecond, priority("low"));
  EXPECT_EQ(property(kSecond, "QueuePosition"), 1);
  const auto high = queued(kThird, priority("high"));
  EXPECT_EQ(property(kThird, "QueuePosition"), 1);
  EXPECT_EQ(property(kSecond, "QueuePosition"), 2);
  EXPECT_EQ(adapter("Queued"), (json{kThird, kSecond}));
  lamp.advertise(true);
  expect_ok({lamp_call, low, high});
  EXPECT_THAT(bluez.called({"Connect"}),
              ElementsAre(connect_of(kLamp), connect_of(kThird), connect_of(kSecond)));
  release({kLamp, kSecond, kThird});
}

TEST_F(DaemonQueue, a_joined_call_raises_its_device) {
  ASSERT_NO_FATAL_FAILURE(the_lamp_is_dialled());
  const auto normal = queued(kSecond);
  const auto low = queued(kThird, priority("low"));
  EXPECT_EQ(adapter("Queued"), (json{kSecond, kThird}));
  Client& other = world.client();
  const auto joined = other.establish(kThird, priority("high"));
  EXPECT_TRUE(world.until([&] { return adapter("Queued") == json{kThird, kSecond}; }));
  lamp.advertise(true);
  expect_ok({lamp_call, normal, low, joined});
  EXPECT_THAT(bluez.called({"Connect"}),
              ElementsAre(connect_of(kLamp), connect_of(kThird), connect_of(kSecond)));
  other.leave();
  EXPECT_TRUE(world.until([&] { return property(kThird, "Leases").size() == 1; }));
  release({kLamp, kSecond, kThird});
}

TEST_F(DaemonQueue, who_leaves_the_line_is_not_dialled) {
  ASSERT_NO_FATAL_FAILURE(the_lamp_is_dialled());
  const auto left = queued(kSecond);
  const auto stays = queued(kThird);
  EXPECT_EQ(property(kThird, "QueuePosition"), 2);
  EXPECT_EQ(value_of(client.release(kSecond)), 0);
  EXPECT_EQ(world.outcome(left), kErrors + "Cancelled");
  EXPECT_EQ(property(kThird, "QueuePosition"), 1);
  lamp.advertise(true);
  expect_ok({lamp_call, stays});
  EXPECT_THAT(bluez.called({"Connect"}), ElementsAre(connect_of(kLamp), connect_of(kThird)));
  release({kLamp, kThird});
}

TEST_F(DaemonQueue, another_adapter_does_not_wait) {
  Adapter& hci1 = bluez.add_adapter();
  Peripheral& farther = bluez.add_peripheral("AA:BB:CC:DD:EE:04");
  farther.rssi_at[&hci0] = std::nullopt;
  hci1.discovered(farther);
  ASSERT_NO_FATAL_FAILURE(the_lamp_is_dialled());
  const auto elsewhere = client.establish(farther.address);
  expect_ok({elsewhere});
  EXPECT_EQ(elsewhere->arguments[1]["adapter"], "hci1");
  EXPECT_FALSE(lamp_call->done);
  lamp.advertise(true);
  expect_ok({lamp_call});
  release({kLamp, farther.address});
}

TEST_F(DaemonQueue, adapter1_shows_who_dials_waits_and_holds) {
  EXPECT_EQ(adapter("Name"), "hci0");
  EXPECT_EQ(adapter("Address"), hci0.address());
  EXPECT_EQ(adapter("Dialling"), "");
  EXPECT_EQ(adapter("Queued"), json::array());
  EXPECT_EQ(adapter("Allocated"), json::array());
  EXPECT_EQ(adapter("Slots"), 0);
  EXPECT_EQ(adapter("SlotsFree"), 0);

  ASSERT_NO_FATAL_FAILURE(the_lamp_is_dialled());
  const auto other = queued(kSecond);
  EXPECT_EQ(adapter("Dialling"), kLamp);
  EXPECT_EQ(adapter("Queued"), (json{kSecond}));
  EXPECT_EQ(adapter("Allocated"), (json{kLamp}));

  lamp.advertise(true);
  expect_ok({lamp_call, other});
  EXPECT_EQ(adapter("Dialling"), "");
  EXPECT_EQ(adapter("Queued"), json::array());
  EXPECT_EQ(adapter("Allocated"), (json{kSecond, kLamp}));
  release({kLamp, kSecond});
  EXPECT_EQ(adapter("Allocated"), json::array());
}

TEST_F(DaemonQueue, adapter1_tells_what_changes_and_lives_as_long_as_bluez_has_the_adapter) {
  const auto has_object = [&] { return value_of(client.daemon_objects()).contains("/org/bleconnd/hci0"); };
  const auto told = [&](const json& wanted) {
    return std::ranges::any_of(client.signals("PropertiesChanged"), [&](const Signal& signal) {
      return signal.path == "/org/bleconnd/hci0" && signal.arguments[1].contains("Allocated") &&
             signal.arguments[1]["Allocated"] == wanted;
    });
  };
  EXPECT_TRUE(has_object());
  connect_the_lamp();
  EXPECT_TRUE(world.until([&] { return told(json{kLamp}); }));
  client.forget_signals();
  release_the_lamp();
  EXPECT_TRUE(world.until([&] { return told(json::array()); }));

  bluez.unplug(hci0);
  EXPECT_TRUE(world.until([&] { return !has_object(); }));
  bluez.plug(hci0);
  EXPECT_TRUE(world.until(has_object));
}

}  // namespace
}  // namespace bleconnd::integration
