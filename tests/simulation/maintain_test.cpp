// Maintained devices: connected again after every loss, by nobody's call; rarely when it is in vain; listened
// for together while they are away.
#include "stage.hpp"

namespace bleconnd::simulation {
namespace {

EstablishOptions maintained(bool wait = true) {
  EstablishOptions options;
  options.terms.maintain = true;
  options.wait = wait;
  return options;
}

class Maintained : public Stage {
 public:
  Maintained() {
    bluetoothd.hears(kFirst, kLamp);
    EXPECT_EQ(connect(kAlice, kLamp, maintained()), "ok hci0");
    run_for(90s);  // a link that has lasted
    begin();
  }
  void goes_away(Duration span) {
    bluetoothd.hears_no_more(kFirst, kLamp);
    bluetoothd.drop_link(kLamp);
    run_for(span);
  }
};

EstablishOptions pinned(const std::string& adapter) {
  auto options = maintained(false);
  options.terms.adapter = adapter;
  return options;
}

// Whatever it has missed, a window comes within the longest pause.
void expect_connected_when_heard(Stage& stage) {
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.run_for(ListenTimes{}.longest_pause + 15s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
}

// Heard by both adapters; Alice's lease is pinned to the second one, which is unplugged.
struct PinnedToWhatIsGone : Stage {
  PinnedToWhatIsGone() {
    add_second_adapter();
    bluetoothd.hears(kFirst, kLamp);
    bluetoothd.hears(kSecond, kLamp);
    establish(kAlice, kLamp, pinned(kSecond));
    run_for(15s);
    EXPECT_EQ(stage(kLamp), "connected");
    bluetoothd.unplug(kSecond);
    run_for(30s);
    EXPECT_EQ(stage(kLamp), "queued");
    begin();
  }
};

TEST(Maintain, ThatStandsStillIsWokenByACallerWhoMayUseMore) {
  PinnedToWhatIsGone stage;
  auto call = stage.establish(kBob, kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0 shared");
  EXPECT_LT(stage.seconds(call), 5);
}

TEST(Maintain, ThatStandsStillIsWokenWhenItsPinIsLifted) {
  PinnedToWhatIsGone stage;
  stage.establish(kAlice, kLamp, maintained(false));
  stage.run_for(15s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
}

TEST(Maintain, ThatWaitsForASlotIsWokenWhenItsPinIsLifted) {
  Stage stage;
  stage.add_second_adapter();
  stage.limits = {{kSecond, 1}};
  stage.configure();
  for (auto& adapter : {kFirst, kSecond})
    for (auto& device : {kLamp, kLock}) stage.bluetoothd.hears(adapter, device);
  EXPECT_EQ(stage.connect(kBob, kLock, on_adapter(kSecond)), "ok hci1");
  stage.keep_object(kLamp, kSecond).rssi = -60;
  stage.establish(kAlice, kLamp, pinned(kSecond));
  stage.run_for(20s);
  EXPECT_EQ(stage.stage(kLamp), "queued");
  stage.establish(kAlice, kLamp, maintained(false));
  stage.run_for(20s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
}

TEST(Maintain, ThatIsAwayIsListenedForByTheAdapterOfItsNewPin) {
  Stage stage;
  stage.add_second_adapter();
  stage.establish(kAlice, kLamp, pinned(kFirst));
  stage.run_for(120s);
  stage.bluetoothd.hears(kSecond, kLamp);
  stage.establish(kAlice, kLamp, pinned(kSecond));
  stage.run_for(20s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
}

// One adapter is full and has the object; the other one, which has slots, hears the device: at once, or only
// later.
TEST(Maintain, OnAFullAdapterIsConnectedByAnotherOne) {
  for (const auto later : {0s, 600s}) {
    Stage stage;
    stage.add_second_adapter();
    stage.limits = {{kFirst, 1}};
    stage.configure();
    stage.bluetoothd.hears(kFirst, kLock);
    EXPECT_EQ(stage.connect(kBob, kLock, on_adapter(kFirst)), "ok hci0");
    stage.keep_object(kLamp).rssi = -60;
    if (later == 0s) stage.bluetoothd.hears(kSecond, kLamp);
    stage.establish(kAlice, kLamp, maintained(false));
    stage.run_for(later);
    stage.bluetoothd.hears(kSecond, kLamp);
    stage.run_for(later == 0s ? Duration{10s} : ListenTimes{}.longest_pause + 10s);
    EXPECT_EQ(stage.stage(kLamp), "connected") << later.count();
  }
}

TEST(Maintain, ThatIsAwayLeavesNoServicesWithBlueZWhenTheyAreForgotten) {
  Maintained stage;
  stage.goes_away(60s);
  stage.keep_object(kLamp);
  auto cleared = stage.clear_cache(kBob, kLamp, false);
  stage.run_until_answered(cleared);
  stage.run_for(2s);
  EXPECT_EQ(stage.count("RemoveDevice"), 1U) << "its next link reads them anew";
  expect_connected_when_heard(stage);
}

TEST(Maintain, ConnectsAgainAfterALoss) {
  Maintained stage;
  stage.bluetoothd.drop_link(kLamp);
  stage.run_for(3s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
  EXPECT_EQ(stage.count("Connect"), 1U);
  EXPECT_EQ(stage.count("StartDiscovery"), 0U) << "BlueZ still has the object";
}

TEST(Maintain, ThatBacksOffEndsWithTheDaemon) {
  Maintained stage;
  stage.bluetoothd.peer(kLamp).manner.completes = false;
  stage.bluetoothd.drop_link(kLamp);
  stage.world.run_until([&] { return stage.effects("attempt").size() == 3; }, 200s);
  stage.run_for(100ms);
  EXPECT_EQ(stage.stage(kLamp), "backing-off");
  stage.stop_daemon(3s);
  stage.start_daemon();
  stage.bluetoothd.peer(kLamp).manner.completes = true;
  stage.run_for(20s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
}

TEST(Maintain, EndsWithItsLease) {
  Maintained stage;
  auto released = stage.release(kAlice, kLamp);
  stage.run_until_answered(released);
  EXPECT_EQ(released->text, "0");
  stage.begin();
  stage.run_for(600s);
  EXPECT_EQ(stage.count("Connect"), 0U);
  EXPECT_EQ(stage.stage(kLamp), "");
}

TEST(Maintain, IsForTheLifeOfItsCallerAndTheLinger) {
  Maintained stage;
  stage.leave(kAlice);
  stage.bluetoothd.drop_link(kLamp);
  stage.run_for(5s);
  EXPECT_EQ(stage.stage(kLamp), "connected") << "it lingers, maintained";
  stage.run_for(60s);
  EXPECT_EQ(stage.stage(kLamp), "");
}

// The first linger would have ended earlier: its timer is not the last one.
TEST(Maintain, EndsAfterItsOwnLingerThoughAnotherLeaseEndedBefore) {
  Maintained stage;
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0 shared");
  stage.leave(kBob);
  stage.run_for(5s);
  stage.leave(kAlice);
  stage.bluetoothd.peer(kLamp).services = 0;
  stage.bluetoothd.service_changed(kLamp);
  stage.run_for(24s);
  EXPECT_NE(stage.stage(kLamp), "");
  stage.bluetoothd.peer(kLamp).services = 2;
  stage.run_for(20s);
  EXPECT_EQ(stage.stage(kLamp), "");
}

TEST(Maintain, WithoutItALinkThatIsLostStaysLost) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.run_for(90s);
  stage.begin();
  stage.bluetoothd.drop_link(kLamp);
  stage.run_for(60s);
  EXPECT_EQ(stage.count("Connect"), 0U);
}

TEST(Maintain, ADeviceThatDropsEveryLinkIsDialledEverMoreRarely) {
  Maintained stage;
  stage.bluetoothd.peer(kLamp).manner.drops_after = 50ms;
  stage.bluetoothd.drop_link(kLamp);
  stage.run_for(std::chrono::hours{1});
  const auto first = stage.count("Connect");
  EXPECT_GE(first, 8U);
  EXPECT_LE(first, 25U);
  stage.begin();
  stage.run_for(std::chrono::hours{1});
  EXPECT_LE(stage.count("Connect"), 13U);
  stage.bluetoothd.peer(kLamp).manner.drops_after.reset();
  stage.run_for(Reconnect::kMost + 10s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
}

TEST(Maintain, WhoIsAwayIsListenedForInWindows) {
  Maintained stage;
  stage.goes_away(std::chrono::hours{1});
  EXPECT_LE(stage.count("StartDiscovery"), 18U) << "10 s, then pauses of 20 s to 5 min";
  EXPECT_GE(stage.count("StartDiscovery"), 10U);
  EXPECT_LE(stage.count("Connect"), 2U);
  expect_connected_when_heard(stage);
}

TEST(Maintain, AHundredAwayCostTheRadioWhatOneDoes) {
  std::size_t windows[2] = {};
  for (int which = 0; which < 2; ++which) {
    Stage stage;
    const int devices = which == 0 ? 1 : 100;
    for (int i = 0; i < devices; ++i)
      stage.establish(kAlice, "AA:00:00:00:0" + std::to_string(i % 5) + ":" + std::to_string(10 + i / 5),
                      maintained(false));
    stage.run_for(std::chrono::hours{1});
    windows[which] = stage.count("StartDiscovery");
  }
  EXPECT_LE(windows[1], windows[0] + 1);
  EXPECT_GE(windows[0], 10U);
}

TEST(Maintain, DeclaredWithoutWaitingItIsConnectedWhenItIsThere) {
  Stage stage;
  auto call = stage.establish(kAlice, kLamp, maintained(false));
  stage.run_until_answered(call);
  EXPECT_TRUE(call->ok());
  stage.run_for(1000s);
  EXPECT_NE(stage.stage(kLamp), "");
  expect_connected_when_heard(stage);
}

TEST(Maintain, ACallThatIsRefusedLeavesNothing) {
  Stage stage;
  auto options = maintained();
  options.terms.attempt_timeout = 2s;
  options.terms.max_attempts = 1;
  EXPECT_EQ(stage.connect(kAlice, kLamp, options), "NotFound not-seen");
  stage.run_for(1s);
  EXPECT_EQ(stage.stage(kLamp), "");
}

TEST(Maintain, ACallThatIsRefusedLeavesWhatWasMaintainedBefore) {
  Maintained stage;
  stage.goes_away(60s);
  auto again = with_attempts(2s, 1);
  EXPECT_EQ(stage.connect(kAlice, kLamp, again), "NotFound not-seen");
  expect_connected_when_heard(stage);
}

TEST(Maintain, BluetoothdRestartsAndAllComeBack) {
  Stage stage;
  for (auto* device : {&kLamp, &kLock}) {
    stage.bluetoothd.hears(kFirst, *device);
    EXPECT_EQ(stage.connect(kAlice, *device, maintained()), "ok hci0");
  }
  stage.run_for(90s);
  stage.bluetoothd.terminate();
  stage.run_for(2s);
  stage.bluetoothd.start();
  stage.run_for(30s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
  EXPECT_EQ(stage.stage(kLock), "connected");
}

TEST(Maintain, TheDaemonCrashesAndItComesBack) {
  Maintained stage;
  stage.crash_daemon();
  stage.bluetoothd.drop_link(kLamp);
  stage.run_for(1s);
  stage.start_daemon();
  stage.run_for(30s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
}

TEST(Maintain, TheAdapterComesBackUnderAnotherIndex) {
  Maintained stage;
  stage.bluetoothd.unplug(kFirst);
  stage.bluetoothd.plug(kSecond);
  stage.run_for(1s);
  stage.bluetoothd.plug(kFirst);
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.run_for(30s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
}

TEST(Maintain, AnAdapterThatComesUpIsListenedToAtOnce) {
  for (const Duration off : {Duration{1s}, Duration{600s}, Duration{7200s}}) {
    Maintained stage;
    stage.goes_away(std::chrono::hours{1});
    stage.bluetoothd.power(kFirst, false);
    stage.run_for(off);
    stage.bluetoothd.hears(kFirst, kLamp);
    stage.bluetoothd.power(kFirst, true);
    stage.run_for(5s);
    EXPECT_EQ(stage.stage(kLamp), "connected") << clock_text(off);
  }
}

// Its object goes under the dial, and it is not heard again: it is away, and listened for.
TEST(Maintain, WhoIsRemovedUnderTheDialAndNotHeardIsAway) {
  Maintained stage;
  stage.bluetoothd.peer(kLamp).link_time = 1s;
  stage.bluetoothd.drop_link(kLamp);
  stage.world.run_until([&] { return stage.count("Connect") > 0; }, 5s);
  stage.run_for(100ms);
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  stage.bluetoothd.foreign_remove(stage.lamp_at());
  stage.run_for(600s);
  EXPECT_EQ(stage.stage(kLamp), "backing-off");
  EXPECT_EQ(stage.count("Connect"), 1U);
  EXPECT_GE(stage.count("StartDiscovery"), 3U);
  expect_connected_when_heard(stage);
}

// Two devices that are away, each pinned to one of two adapters, in one window.
TEST(Maintain, WhoIsPinnedIsListenedForOnItsAdapterOnly) {
  Stage stage;
  stage.add_second_adapter();
  for (auto& [device, adapter] : {std::pair{kLamp, "hci0"}, {kLock, "hci1"}}) {
    auto options = maintained(false);
    options.terms.adapter = adapter;
    stage.establish(kAlice, device, options);
  }
  stage.run_for(100s);
  stage.bluetoothd.hears(kSecond, kLamp);
  stage.bluetoothd.hears(kSecond, kLock);
  stage.run_for(ListenTimes{}.longest_pause + 15s);
  EXPECT_EQ(stage.stage(kLock), "connected");
  EXPECT_EQ(stage.stage(kLamp), "backing-off");
  EXPECT_THAT(stage.effects("Connect hci1/01"), IsEmpty());
  expect_connected_when_heard(stage);
}

TEST(Maintain, AWindowWithoutARuleIsInVainAndTheNextIsNot) {
  Maintained stage;
  stage.goes_away(70s);  // two windows, and the next is not yet due
  stage.daemon().bluez.rules_are_used_up = true;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.begin();
  stage.run_for(600s);
  EXPECT_EQ(stage.stage(kLamp), "backing-off");
  EXPECT_GE(stage.count("StartDiscovery"), 2U);
  EXPECT_EQ(stage.count("Connect"), 0U);
  stage.daemon().bluez.rules_are_used_up = false;
  expect_connected_when_heard(stage);
}

// --- an adapter that fails ---

std::string sensor(int number) {
  return "AA:00:00:00:00:" + std::to_string(10 + number);
}

// Ten sensors that are heard, and whose every dial fails at once.
struct Broken : Stage {
  explicit Broken(int sensors = 10) {
    for (int i = 0; i < sensors; ++i) {
      bluetoothd.hears(kFirst, sensor(i));
      keep_object(sensor(i)).rssi = -60;
      bluetoothd.peer(sensor(i)).manner.completes = false;
      establish(kAlice, sensor(i), maintained(false));
    }
  }
  bool fails() { return daemon().radio.queue.failing(kFirst); }
};

TEST(FailingAdapter, IsTriedRarelyHoweverManyAreMaintained) {
  Broken stage{40};  // each by itself would be tried once in 5 minutes
  stage.run_for(std::chrono::hours{2});
  EXPECT_TRUE(stage.fails());
  stage.begin();
  stage.run_for(std::chrono::hours{1});
  EXPECT_LE(stage.count("Connect"), 3600U / 30);
  EXPECT_GE(stage.count("Connect"), 3600U / 120 / 2);
  const auto tries = stage.effects("Connect ");
  for (std::size_t i = 1; i < tries.size(); ++i)
    EXPECT_GE(std::stod(tries[i]) - std::stod(tries[i - 1]), 30) << tries[i];
}

// Nobody has waited for it yet: one after the other was dialled.
struct BrokenOneByOne : Broken {
  BrokenOneByOne() : Broken{0} {
    for (int i = 0; i < 3; ++i) {
      bluetoothd.hears(kFirst, sensor(i));
      keep_object(sensor(i)).rssi = -60;
      bluetoothd.peer(sensor(i)).manner.completes = false;
    }
    for (int i = 0; i < 6; ++i) connect(kAlice, sensor(i % 3), with_attempts(5s, 1));
    EXPECT_TRUE(fails());
    begin();
  }
};

TEST(FailingAdapter, StaysOneWhenTheFirstEverWaits) {
  BrokenOneByOne stage;
  stage.establish(kBob, sensor(1), maintained(false));
  stage.run_for(25s);
  EXPECT_TRUE(stage.fails());
  EXPECT_EQ(stage.count("Connect"), 1U) << "the next one waits for 30 s at least, since it has failed";
}

TEST(FailingAdapter, IsNoneAfterAPowerCycle) {
  BrokenOneByOne stage;
  stage.bluetoothd.power(kFirst, false);
  stage.run_for(1s);
  stage.bluetoothd.power(kFirst, true);
  stage.run_for(1s);
  EXPECT_FALSE(stage.fails());
}

TEST(FailingAdapter, ThatWorksAgainConnectsThemAll) {
  Broken stage;
  stage.run_for(std::chrono::hours{1});
  for (int i = 0; i < 10; ++i) stage.bluetoothd.peer(sensor(i)).manner.completes = true;
  stage.run_for(Reconnect::kMost + AdapterCircuit::kMostPause + 20s);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(stage.stage(sensor(i)), "connected") << i;
  EXPECT_FALSE(stage.fails());
}

TEST(FailingAdapter, IsNotWhatTwoDevicesSay) {
  Broken stage{2};
  stage.run_for(std::chrono::hours{1});
  EXPECT_FALSE(stage.fails());
}

TEST(FailingAdapter, IsNotOneWithALink) {
  Broken stage{5};
  stage.bluetoothd.hears(kFirst, kLamp);
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0");
  stage.run_for(std::chrono::hours{1});
  EXPECT_FALSE(stage.fails());
}

TEST(FailingAdapter, GivesWayToOneThatWorks) {
  Broken stage;
  stage.run_for(600s);
  ASSERT_TRUE(stage.fails());
  stage.add_second_adapter();
  stage.bluetoothd.hears(kFirst, kLamp, -40);
  stage.bluetoothd.hears(kSecond, kLamp, -90);
  stage.keep_object(kLamp).rssi = -40;
  stage.begin();
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci1") << "though the other hears it better";
  EXPECT_THAT(stage.effects("Connect hci0/01"), IsEmpty());
}

TEST(FailingAdapter, IsTriedAtOnceByWhoeverAsks) {
  Broken stage;
  stage.run_for(600s);
  ASSERT_TRUE(stage.fails());
  stage.bluetoothd.peer(sensor(3)).manner.completes = true;
  auto call = stage.establish(kBob, sensor(3));
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0 shared") << "it joins the wait of the maintained lease";
  EXPECT_LT(stage.seconds(call), 25) << "an attempt of another device is in its way at most";
  EXPECT_FALSE(stage.fails());
}

TEST(FailingAdapter, HoldsNoCallBackThatJoinsAMaintainedLease) {
  Broken stage;
  stage.run_for(1200s);
  ASSERT_TRUE(stage.fails());
  const auto tries = stage.count("Connect");
  stage.world.run_until([&] { return stage.count("Connect") > tries; }, 200s);
  stage.run_for(21s);  // right behind a failed try
  for (int i = 0; i < 10; ++i) stage.bluetoothd.peer(sensor(i)).manner.completes = true;
  for (int i = 0; i < 10; ++i)
    if (stage.stage(sensor(i)) == "queued") {
      auto call = stage.establish(kBob, sensor(i), with_timeout(10s));
      stage.run_until_answered(call);
      EXPECT_EQ(call->text(), "ok hci0 shared");
      return;
    }
  FAIL() << "nobody waits";
}

TEST(FailingAdapter, IsForgivenByItsPowerCycle) {
  Broken stage;
  stage.run_for(600s);
  ASSERT_TRUE(stage.fails());
  stage.bluetoothd.power(kFirst, false);
  stage.run_for(1s);
  stage.bluetoothd.power(kFirst, true);
  stage.run_for(1s);
  EXPECT_FALSE(stage.fails());
}

TEST(FailingAdapter, WhoseDiscoveryDoesNotEndIsTold) {
  Stage stage;
  const Fault refusal{.name = "org.bluez.Error.Failed", .text = "Operation failed"};
  stage.bluetoothd.faults["StopDiscovery"] = {refusal, refusal};
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(2s, 1)), "NotFound not-seen");
  stage.run_for(20s);
  const auto& adapter = stage.daemon().bluez.stack().adapters.front();
  EXPECT_TRUE(stage.daemon().radio.discovery.stuck(adapter));
  stage.bluetoothd.power(kFirst, false);
  stage.run_for(1s);
  stage.bluetoothd.power(kFirst, true);
  stage.run_for(1s);
  EXPECT_FALSE(stage.daemon().radio.discovery.stuck(stage.daemon().bluez.stack().adapters.front()));
}

TEST(Maintain, WhoIsAwayBecauseAnotherProgramConnectedItIsAdopted) {
  Maintained stage;
  stage.goes_away(100s);
  ASSERT_EQ(stage.stage(kLamp), "backing-off");
  stage.keep_object(kLamp);
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.foreign_connect(stage.lamp_at());
  stage.begin();
  stage.bluetoothd.faults["GetManagedObjects"] = {{.name = "org.bluez.Error.Failed"}};  // of one window
  stage.run_for(2 * (ListenTimes{}.longest_pause + 15s));
  EXPECT_EQ(stage.stage(kLamp), "connected");
  EXPECT_EQ(stage.count("Connect"), 0U);
  EXPECT_EQ(stage.bluetoothd.links(Program::foreign), 1U);
}

// A dial that somebody has asked for lasts longer than the pause of the adapter: who yields is served behind
// it.
TEST(FailingAdapter, IsTriedWhenItsPauseEndsUnderADial) {
  Broken stage{5};
  stage.run_for(600s);
  ASSERT_TRUE(stage.fails());
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.keep_object(kLamp).rssi = -60;
  stage.bluetoothd.faults["Connect"] = {{.answered = false, .dials = true}};
  auto options = with_attempts(200s, 1);
  options.timeout = 600s;
  auto call = stage.establish(kBob, kLamp, options);
  stage.world.run_until([&] { return stage.stage(kLamp) == "connecting"; }, 60s);
  for (int i = 0; i < 5; ++i) stage.bluetoothd.peer(sensor(i)).manner.completes = true;
  stage.run_for(190s);
  EXPECT_EQ(stage.stage(kLamp), "connecting");
  stage.run_until_answered(call);
  stage.run_for(Reconnect::kMost + AdapterCircuit::kMostPause + 20s);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(stage.stage(sensor(i)), "connected") << i;
}

}  // namespace
}  // namespace bleconnd::simulation
