// The options that need to know the services: required-uuids, with one more discovery for what is missing,
// and trust, which makes BlueZ keep what it knows.
#include "daemon_cache_fixture.hpp"
#include "device.hpp"

namespace bleconnd::integration {
namespace {

using nlohmann::json;

const std::string kRemove = "RemoveDevice hci0";
const std::string kNowhere = "0000dead-0000-1000-8000-00805f9b34fb";
const std::vector<std::string> kDiscovering{"Connect", "RemoveDevice"};

Dictionary requires_all(std::vector<std::string> uuids) {
  return {{"required-uuids", std::move(uuids)}};
}

class RequiredUuids : public CacheFixture {
 protected:
  void expect_incomplete(const PendingReply& reply, const std::string& names) {
    EXPECT_EQ(world.outcome(reply), kErrors + "ConnectionFailed");
    EXPECT_THAT(reply->message, StartsWith("services-incomplete: "));
    EXPECT_THAT(reply->message, HasSubstr(names));
  }
};

TEST_F(RequiredUuids, that_are_there_are_answered_from_the_cache) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  resolve_later();
  const std::string shouted = "F0DE0002-1212-EFDE-1523-785FEABCD123";
  EXPECT_TRUE(is_cached(connect(requires_all({"180a", "00002A29", shouted, kOldUuid}))));
  EXPECT_THAT(bluez.called(kDiscovering), ElementsAre("Connect " + kDev));
  release_the_lamp();
}

TEST_F(RequiredUuids, that_only_the_cache_lacks_wait_for_the_services) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  lamp.change_services(other_services());
  resolve_later();
  const auto reply = client.establish(kLamp, requires_all({kNewUuid}));
  ASSERT_TRUE(told_state_becomes("connected"));
  EXPECT_FALSE(verified());
  EXPECT_FALSE(reply->done);
  resolve();
  ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  EXPECT_TRUE(is_verified(reply->arguments[1]));
  EXPECT_THAT(bluez.called(kDiscovering), ElementsAre("Connect " + kDev));
  release_the_lamp();
}

TEST_F(RequiredUuids, that_are_missing_are_discovered_once_more_and_then_named) {
  const auto reply = client.establish(kLamp, requires_all({"180a", "dead", kOldUuid, "beef"}));
  expect_incomplete(reply, "missing " + kNowhere + " 0000beef-");
  EXPECT_THAT(bluez.called(kDiscovering), ElementsAre("Connect " + kDev, kRemove, "Connect " + kDev));
  EXPECT_TRUE(told_state_becomes("disconnected (released)"));
  EXPECT_FALSE(lamp.connected());
}

// The first discovery was not whole, as with a peer that was busy.
TEST_F(RequiredUuids, that_the_second_discovery_finds_are_a_success) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  bluez.when_called("RemoveDevice", [&] { lamp.services = other_services(); });
  const auto results = connect(requires_all({kNewUuid}));
  EXPECT_TRUE(is_verified(results)) << results;
  EXPECT_THAT(bluez.called(kDiscovering), ElementsAre("Connect " + kDev, kRemove, "Connect " + kDev));
  release_the_lamp();
  EXPECT_TRUE(knows_object(kNewObject));
  EXPECT_FALSE(knows_object(kOldObject));
}

TEST_F(RequiredUuids, that_are_missing_on_the_link_of_another_are_named_at_once) {
  connect();
  bluez.forget_calls();
  Client& other = world.client();
  expect_incomplete(other.establish(kLamp, requires_all({"dead"})), "missing " + kNowhere);
  EXPECT_THAT(bluez.called({"Connect", "RemoveDevice", "Disconnect"}), IsEmpty());
  EXPECT_TRUE(lamp.connected());
  EXPECT_EQ(value_of(client.device_property(kLamp, "Leases")).size(), 1u);
  EXPECT_EQ(world.outcome(other.establish(kLamp, requires_all({kOldUuid}))), "ok");
  EXPECT_EQ(value_of(client.release(kLamp)), 1);
  EXPECT_EQ(value_of(other.release(kLamp)), 0);
}

TEST_F(RequiredUuids, that_are_missing_of_one_of_two_callers_leave_the_other_its_link) {
  Client& other = world.client();
  dials_wait_for_the_lamp();
  const auto demanding = client.establish(kLamp, requires_all({"dead"}));
  const auto modest = other.establish(kLamp);
  ASSERT_TRUE(called_becomes("Connect", 1));
  lamp.advertise(true);
  EXPECT_EQ(world.outcome(modest), "ok") << modest->message;
  expect_incomplete(demanding, "missing " + kNowhere);
  EXPECT_EQ(bluez.count("RemoveDevice"), 0u);
  EXPECT_EQ(value_of(other.release(kLamp)), 0);
}

TEST_F(RequiredUuids, of_a_bonded_device_are_discovered_again_without_its_removal) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp({{"pair", true}}));
  expect_incomplete(client.establish(kLamp, requires_all({"dead"})), "missing " + kNowhere);
  EXPECT_THAT(bluez.called(kDiscovering), ElementsAre("Connect " + kDev, "Connect " + kDev));
  ASSERT_NE(hci0.device(lamp), nullptr);
  EXPECT_TRUE(hci0.device(lamp)->paired());
}

TEST_F(RequiredUuids, may_be_none_or_sixty_four) {
  EXPECT_TRUE(is_verified(connect(requires_all({}))));
  EXPECT_TRUE(is_verified(connect(requires_all(std::vector<std::string>(64, "180a")))));
  release_the_lamp();
}

// --- trust ---

class Trust : public CacheFixture {};

TEST_F(Trust, is_set_before_the_dial) {
  bool trusted_at_the_dial = false;
  bluez.when_called("Connect", [&] { trusted_at_the_dial = hci0.device(lamp)->trusted(); });
  connect({{"trust", true}});
  EXPECT_TRUE(trusted_at_the_dial);
  EXPECT_THAT(bluez.called({"Set", "Connect"}), ElementsAre("Set " + kDev, "Connect " + kDev));
  for (const auto& call : bluez.calls())
    if (call.member == "Set") {
      EXPECT_EQ(call.arguments, (json{"org.bluez.Device1", "Trusted", true}));
    }
  release_the_lamp();
}

TEST_F(Trust, is_not_touched_without_the_option) {
  connect({{"trust", false}});
  release_the_lamp();
  connect();
  release_the_lamp();
  EXPECT_EQ(bluez.count("Set"), 0u);
}

TEST_F(Trust, keeps_what_bluez_knows_beyond_its_timeout) {
  Peripheral& other = bluez.add_peripheral("AA:BB:CC:DD:EE:02");
  for (const auto& [address, trust] : {std::pair{kLamp, true}, {other.address, false}}) {
    ASSERT_EQ(world.outcome(client.establish(address, {{"trust", trust}})), "ok");
    bluez.settings().timing.temporary = std::chrono::milliseconds{1};
    ASSERT_EQ(world.outcome(client.release(address)), "ok");
    bluez.settings().timing.temporary = std::chrono::hours{1};
  }
  ASSERT_TRUE(world.until([&] { return hci0.device(other) == nullptr; }));
  bluez.forget_calls();
  resolve_later();
  EXPECT_TRUE(is_cached(connect()));
  EXPECT_EQ(bluez.count("StartDiscovery"), 0u);
  release_the_lamp();
}

TEST_F(Trust, that_contradicts_the_link_is_busy) {
  connect();
  Client& other = world.client();
  EXPECT_EQ(world.outcome(other.establish(kLamp, {{"trust", true}})), kErrors + "Busy");
  EXPECT_EQ(bluez.count("Set"), 0u);
  release_the_lamp();
}

TEST_F(Trust, that_bluez_refuses_is_a_failed_attempt) {
  bluez.fail_next("Set", "org.bluez.Error.Failed", "Failed");
  const auto results = connect({{"trust", true}});
  EXPECT_EQ(results["attempts"], 2);
  EXPECT_TRUE(hci0.device(lamp)->trusted());
  release_the_lamp();
}

}  // namespace
}  // namespace bleconnd::integration
