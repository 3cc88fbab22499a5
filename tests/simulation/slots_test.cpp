// How many links an adapter holds: counted for everybody, learned from refusals, given back when the link is
// down.
#include <cctype>

#include "stage.hpp"

namespace bleconnd::simulation {
namespace {

std::string device(int number) {
  return "AA:00:00:00:00:" + std::to_string(number);
}

struct Limited : Stage {
  explicit Limited(std::uint32_t limit = 2) {
    limits = {{kFirst, limit}};
    daemon().radio.queue.configure(limits);
    for (int i = 10; i < 20; ++i) bluetoothd.hears(kFirst, device(i));
  }
};

TEST(Slots, AFullAdapterQueuesAndDialsWhenTheLinkIsDown) {
  Limited stage;
  EXPECT_EQ(stage.connect(kAlice, device(10)), "ok hci0");
  EXPECT_EQ(stage.connect(kAlice, device(11)), "ok hci0");
  auto third = stage.establish(kBob, device(12));
  stage.run_for(30s);
  EXPECT_EQ(third->answers, 0);
  EXPECT_EQ(stage.stage(device(12)), "queued");
  EXPECT_EQ(stage.count("Connect"), 2U);
  stage.begin();
  stage.release(kAlice, device(10));
  stage.world.run_until([&] { return stage.count("Connect") > 0; }, 10s);
  const auto* down = stage.bluetoothd.object(stage.bluetoothd.path(kFirst, device(10)));
  EXPECT_FALSE(down && down->connected) << "not at the answer of Disconnect, but when the link is down";
  stage.run_until_answered(third);
  EXPECT_EQ(third->text(), "ok hci0");
}

TEST(Slots, AtTheDeadlineTheAnswerHasTheNumbers) {
  Limited stage;
  stage.connect(kAlice, device(10));
  stage.connect(kAlice, device(11));
  auto third = stage.establish(kBob, device(12), with_timeout(40s));
  stage.run_until_answered(third);
  EXPECT_EQ(third->text(), "OutOfConnectionSlots no-slot");
  EXPECT_EQ(third->message(),
            "no-slot: hci0 has 0 of 2 slots free (waited 40 s); release a connection or add an adapter");
  EXPECT_THAT(stage.effects("attempt"), IsEmpty()) << "waiting is no attempt";
}

TEST(Slots, PositionsAreTheSameWhileNoneIsFree) {
  Limited stage{1};
  stage.connect(kAlice, device(10));
  for (int i : {11, 12}) stage.establish(kBob, device(i));
  stage.run_for(5s);
  auto& queue = stage.daemon().radio.queue;
  EXPECT_EQ(queue.position(*DeviceAddress::parse(device(11))), 1U);
  EXPECT_EQ(queue.position(*DeviceAddress::parse(device(12))), 2U);
}

// One of the two adapters that both waited for has no power by then. The first was granted the slot that this
// freed, and waits for the other adapter alone; the second still waits for both.
TEST(Slots, TheAnswerNamesOnlyAdaptersThatLackASlot) {
  Limited stage{1};
  stage.add_second_adapter();
  stage.limits = {{kFirst, 1}, {kSecond, 1}};
  stage.configure();
  for (int i : {11, 12, 13}) stage.bluetoothd.hears(kSecond, device(i));
  for (auto& adapter : {kFirst, kSecond})
    for (int i : {12, 13}) stage.keep_object(device(i), adapter).rssi = -60;
  EXPECT_EQ(stage.connect(kAlice, device(10)), "ok hci0");
  EXPECT_EQ(stage.connect(kAlice, device(11)), "ok hci1");
  auto first = stage.establish(kBob, device(12), with_timeout(40s));
  auto second = stage.establish(kBob, device(13), with_timeout(40s));
  stage.run_for(20s);
  auto& queue = stage.daemon().radio.queue;
  EXPECT_EQ(queue.queued(kSecond).size(), 2U);
  stage.bluetoothd.power(kSecond, false);
  stage.run_for(1s);
  EXPECT_EQ(queue.queued(kSecond).size(), 1U);
  stage.run_until_answered(second);
  for (auto& call : {first, second})
    EXPECT_THAT(call->message(), HasSubstr("no-slot: hci0 has 0 of 1 slots free (waited 40 s)"));
}

TEST(Slots, WhoWaitsForOneCostsNothing) {
  Limited stage;
  stage.connect(kAlice, device(10));
  stage.connect(kAlice, device(11));
  stage.run_for(5s);
  const auto timers = stage.world.daemon_timers();
  stage.establish(kBob, device(12));
  stage.run_for(20s);
  EXPECT_EQ(stage.bluetoothd.discoveries(Program::ours), 0U);
  EXPECT_EQ(stage.daemon().bluez.ears(), 0U);
  EXPECT_EQ(stage.daemon().bluez.watches(), 2U) << "of the two links";
  EXPECT_EQ(stage.world.daemon_timers(), timers + 1) << "its own deadline";
}

TEST(Slots, WhoListensForADeviceThatWasDialledHasNoWatch) {
  Stage stage;
  stage.keep_object(kLamp);
  stage.establish(kAlice, kLamp, with_attempts(5s));
  stage.run_for(7s);
  EXPECT_EQ(stage.stage(kLamp), "discovering");
  EXPECT_EQ(stage.count("Connect"), 1U);
  EXPECT_EQ(stage.daemon().bluez.watches(), 0U);
}

TEST(Slots, AnotherAdapterThatHearsTheDeviceIsTriedFirst) {
  Limited stage{1};
  stage.add_second_adapter();
  stage.bluetoothd.hears(kSecond, device(11), -85);
  EXPECT_EQ(stage.connect(kAlice, device(10)), "ok hci0");
  EXPECT_EQ(stage.connect(kBob, device(11)), "ok hci1");
}

TEST(Slots, OneThatComesUpMeanwhileToo) {
  Limited stage{1};
  EXPECT_EQ(stage.connect(kAlice, device(10)), "ok hci0");
  auto call = stage.establish(kBob, device(11));
  stage.run_for(5s);
  EXPECT_EQ(call->answers, 0);
  stage.bluetoothd.plug(kSecond);
  stage.bluetoothd.hears(kSecond, device(11));
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci1");
  EXPECT_LT(stage.seconds(call), 8);
}

TEST(Slots, OfAWaiterGoToWhicheverAdapterIsFreeFirst) {
  Limited stage{1};
  stage.limits = {{kFirst, 1}, {kSecond, 1}};
  stage.daemon().radio.queue.configure(stage.limits);
  stage.add_second_adapter();
  for (int i = 10; i < 20; ++i) stage.bluetoothd.hears(kSecond, device(i));
  for (auto& adapter : {kFirst, kSecond})
    for (int i : {10, 11, 12}) stage.keep_object(device(i), adapter).rssi = adapter == kFirst ? -40 : -80;
  stage.connect(kAlice, device(10));
  stage.connect(kAlice, device(11));
  auto third = stage.establish(kBob, device(12));
  stage.run_for(5s);
  stage.release(kAlice, device(11));
  stage.run_until_answered(third);
  EXPECT_EQ(third->text(), "ok hci1");
}

TEST(Slots, LinksOfOtherProgramsCountAndFreeTheirsWhenTheyEnd) {
  Limited stage{1};
  stage.keep_object(device(10)).rssi = -60;
  stage.bluetoothd.foreign_connect(stage.bluetoothd.path(kFirst, device(10)));
  stage.run_for(3s);
  ASSERT_EQ(stage.bluetoothd.links(Program::foreign), 1U);
  auto call = stage.establish(kAlice, device(11));
  stage.run_for(20s);
  EXPECT_EQ(stage.count("Connect"), 0U);
  EXPECT_EQ(call->answers, 0);
  stage.bluetoothd.foreign_disconnect(stage.bluetoothd.path(kFirst, device(10)));
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
}

// BlueZ tells of it only when it is asked: so it is counted once more by whoever has waited.
TEST(Slots, ALinkOfAnotherProgramThatComesUpMeanwhileCounts) {
  Limited stage{1};
  stage.keep_object(device(10)).rssi = -60;
  EXPECT_EQ(stage.connect(kAlice, device(11)), "ok hci0");
  auto call = stage.establish(kAlice, device(12), with_timeout(600s));
  stage.run_for(20s);
  EXPECT_EQ(stage.stage(device(12)), "queued");
  stage.bluetoothd.foreign_connect(stage.bluetoothd.path(kFirst, device(10)));
  stage.run_for(20s);
  ASSERT_EQ(stage.bluetoothd.links(Program::foreign), 1U);
  stage.begin();
  stage.release(kAlice, device(11));
  stage.run_for(100s);
  EXPECT_EQ(stage.count("Connect"), 0U);
  EXPECT_EQ(stage.stage(device(12)), "queued");
  stage.bluetoothd.foreign_disconnect(stage.bluetoothd.path(kFirst, device(10)));
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
}

TEST(Slots, AreLearnedFromRefusalsOfTwoDevicesAndThenWaitedFor) {
  Stage stage;
  stage.bluetoothd.controller(kFirst).slots = 1;
  for (int i = 10; i < 14; ++i) stage.bluetoothd.hears(kFirst, device(i));
  stage.bluetoothd.peer(device(12)).interval = 60ms;  // not in step with the others
  EXPECT_EQ(stage.connect(kAlice, device(10)), "ok hci0");
  auto second = stage.establish(kBob, device(11));
  auto third = stage.establish(kBob, device(12));
  stage.run_for(20s);
  EXPECT_EQ(second->answers + third->answers, 0) << "both wait, and fail no more";
  EXPECT_EQ(stage.daemon().radio.queue.slots().limit(kFirst, stage.world.now()), 1U);
  EXPECT_EQ(stage.slots.entries.at(kFirst).first, 1U) << "kept for the next life";
  EXPECT_LE(stage.effects("no-slot").size(), 4U);
  stage.release(kAlice, device(10));
  stage.run_for(10s);
  EXPECT_EQ(second->answers + third->answers, 1);
}

TEST(Slots, ALearnedLimitIsTriedAgainAfterTenMinutes) {
  Stage stage;
  stage.bluetoothd.controller(kFirst).slots = 1;
  for (int i = 10; i < 14; ++i) stage.bluetoothd.hears(kFirst, device(i));
  stage.bluetoothd.peer(device(12)).interval = 60ms;  // not in step with the others
  stage.connect(kAlice, device(10));
  auto second = stage.establish(kBob, device(11), with_timeout(3600s));
  auto third = stage.establish(kBob, device(12), with_timeout(3600s));
  stage.run_for(60s);
  stage.bluetoothd.controller(kFirst).slots = 0;  // it was another host's device that held it
  stage.run_for(500s);
  EXPECT_EQ(second->answers + third->answers, 0);
  stage.run_for(60s);
  EXPECT_EQ(second->answers + third->answers, 1);
  stage.run_for(600s);
  EXPECT_EQ(second->answers + third->answers, 2);
}

TEST(Slots, ARestartedDaemonKnowsWhatWasLearned) {
  Stage stage;
  stage.slots.learned(kFirst, 1);
  for (int i = 10; i < 14; ++i) stage.bluetoothd.hears(kFirst, device(i));
  stage.crash_daemon();
  stage.start_daemon();
  stage.run_for(1s);
  EXPECT_EQ(stage.connect(kAlice, device(10)), "ok hci0");
  auto call = stage.establish(kBob, device(11));
  stage.run_for(20s);
  EXPECT_EQ(stage.count("Connect"), 1U);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "OutOfConnectionSlots no-slot");
}

TEST(Slots, ARefusalThatBlueZNamesIsAnAttempt) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.faults["Connect"] = {
      {.name = "org.bluez.Error.Failed", .text = "le-connection-concurrent-connection-limit"}};
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  EXPECT_THAT(stage.effects("attempt"), ElementsAre(HasSubstr("attempt 1: no-slot 1/9 again in 4.000")));
  EXPECT_EQ(stage.daemon().radio.queue.slots().limit(kFirst, stage.world.now()), 0U);
}

struct Loss {
  const char* what;
  void (*happens)(Stage&);
};
class WhateverEndsALink : public ::testing::TestWithParam<Loss> {};

TEST_P(WhateverEndsALink, FreesItsSlot) {
  Limited stage{1};
  EXPECT_EQ(stage.connect(kAlice, device(10)), "ok hci0");
  EXPECT_TRUE(stage.daemon().radio.queue.full(kFirst));
  GetParam().happens(stage);
  stage.run_for(10s);
  EXPECT_FALSE(stage.daemon().radio.queue.full(kFirst));
  EXPECT_EQ(stage.connect(kBob, device(11)), "ok hci0");
}

INSTANTIATE_TEST_SUITE_P(
    Each, WhateverEndsALink,
    ::testing::Values(Loss{"the peer", [](Stage& stage) { stage.bluetoothd.drop_link(device(10)); }},
                      Loss{"its object goes",
                           [](Stage& stage) {
                             stage.bluetoothd.foreign_remove(stage.bluetoothd.path(kFirst, device(10)));
                           }},
                      Loss{"the power",
                           [](Stage& stage) {
                             stage.bluetoothd.power(kFirst, false);
                             stage.run_for(1s);
                             stage.bluetoothd.power(kFirst, true);
                           }},
                      Loss{"the adapter, back under another index",
                           [](Stage& stage) {
                             stage.bluetoothd.unplug(kFirst);
                             stage.bluetoothd.plug(kSecond);
                             stage.bluetoothd.unplug(kSecond);
                             stage.run_for(1s);
                             stage.bluetoothd.plug(kFirst);
                           }},
                      Loss{"bluetoothd",
                           [](Stage& stage) {
                             stage.bluetoothd.kill();
                             stage.run_for(1s);
                             stage.bluetoothd.start();
                           }},
                      Loss{"a release", [](Stage& stage) { stage.release(kAlice, device(10)); }},
                      Loss{"root", [](Stage& stage) { stage.disconnect(device(10)); }}),
    [](auto& each) {
      std::string name;
      for (const char* c = each.param.what; *c; ++c)
        if (std::isalnum(static_cast<unsigned char>(*c))) name += *c;
      return name;
    });

TEST(Slots, AnObjectThatBlueZForgotMeanwhileIsLookedForAgainWithoutAFailure) {
  Limited stage{1};
  EXPECT_EQ(stage.connect(kAlice, device(10)), "ok hci0");
  auto call = stage.establish(kBob, device(11), with_timeout(600s));
  stage.run_for(100s);  // temporary objects live 30 s
  EXPECT_EQ(stage.bluetoothd.object(stage.bluetoothd.path(kFirst, device(11))), nullptr);
  stage.release(kAlice, device(10));
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
  EXPECT_THAT(stage.effects("attempt"), IsEmpty());
}

TEST(Slots, ALinkThatIsUpIsSharedHoweverFullTheAdapterIs) {
  Limited stage{1};
  EXPECT_EQ(stage.connect(kAlice, device(10)), "ok hci0");
  EXPECT_EQ(stage.connect(kBob, device(10)), "ok hci0 shared");
}

TEST(Slots, AnothersLinkThatOutlivesOurLeaseIsFollowedToItsEnd) {
  Limited stage{1};
  stage.bluetoothd.make_object(kFirst, device(10));
  stage.bluetoothd.foreign_connect(stage.bluetoothd.path(kFirst, device(10)));
  stage.run_for(2s);
  EXPECT_EQ(stage.connect(kAlice, device(10)), "ok hci0 shared");
  auto call = stage.establish(kBob, device(11), with_timeout(600s));
  stage.run_for(2s);
  EXPECT_EQ(stage.stage(device(11)), "queued");
  stage.run_until_answered(stage.release(kAlice, device(10)));
  stage.run_for(10s);
  EXPECT_EQ(stage.stage(device(11)), "queued") << "the other program still has the slot";
  stage.bluetoothd.foreign_disconnect(stage.bluetoothd.path(kFirst, device(10)));
  stage.run_until_answered(call, 30s);
  EXPECT_EQ(call->text(), "ok hci0");
}

}  // namespace
}  // namespace bleconnd::simulation
