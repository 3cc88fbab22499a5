// What the administrator sets, and sets again while the daemon runs: every key that procedures obey has an
// effect, and a reload drops no link, no lease and no place in the queue.
#include "stage.hpp"

namespace bleconnd::simulation {
namespace {

struct Two : Stage {
  Two() { add_second_adapter(); }
  void ignore(const std::string& adapter, bool now = true) {
    settings.adapters[adapter].ignore = now;
    configure();
  }
};

EstablishOptions kept(bool maintain = true) {
  EstablishOptions options;
  options.terms.maintain = maintain;
  options.wait = false;
  return options;
}

// --- defaults of calls ---

TEST(Settings, TheTimeoutOfACallThatNamesNone) {
  Stage stage;
  stage.settings.timeout = 7s;
  stage.configure();
  auto call = stage.establish(kAlice, kLamp);
  auto own = stage.establish(kBob, kLock, with_timeout(9s));
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "Timeout not-seen");
  EXPECT_NEAR(stage.seconds(call), 7, 0.01);
  stage.settings.timeout = 1s;
  stage.configure();
  stage.run_until_answered(own);
  EXPECT_NEAR(stage.seconds(own), 9, 0.01) << "its own, and a call under way keeps its timeout";
}

TEST(Settings, NoTimeoutAtAll) {
  Stage stage;
  stage.settings.timeout = 0s;
  stage.configure();
  auto options = with_attempts(300s, 100);
  auto call = stage.establish(kAlice, kLamp, options);
  stage.run_for(3000s);
  EXPECT_EQ(call->text(), "-");
}

TEST(Settings, HowLongACallWaitsForAnAdapter) {
  Stage stage;
  stage.bluetoothd.power(kFirst, false);
  stage.run_for(1s);
  stage.settings.not_ready = 3s;
  stage.configure();
  auto call = stage.establish(kAlice, kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "NotReady adapter-off");
  EXPECT_NEAR(stage.seconds(call), 3, 0.01);
  auto waiting = stage.establish(kAlice, kLamp);
  stage.run_for(1s);
  stage.settings.not_ready = 10s;
  stage.configure();
  stage.run_until_answered(waiting);
  EXPECT_NEAR(stage.seconds(waiting), 10, 0.01) << "also for calls that wait already";
}

TEST(Settings, ADefaultOfTrustContradictsNoLink) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  EstablishOptions by_default;
  by_default.terms.trust = true;
  EXPECT_EQ(stage.connect(kBob, kLamp, by_default), "ok hci0 shared");
  auto asked = by_default;
  asked.insists_on_trust = true;
  EXPECT_EQ(stage.connect(":1.3", kLamp, asked), "Busy busy");
}

// --- pauses ---

TEST(Settings, ThePauseAfterARefusedSlot) {
  for (auto [pause, again] : {std::pair{4000ms, "4.000"}, {1500ms, "1.500"}, {0ms, "0.000"}}) {
    Stage stage;
    stage.settings.pauses.slot_refused = pause;
    stage.configure();
    stage.keep_object(kLamp).rssi = -60;
    stage.bluetoothd.hears(kFirst, kLamp);
    stage.bluetoothd.faults["Connect"] = {
        {.name = "org.bluez.Error.Failed", .text = "br-connection-concurrent-connection-limit"}};
    EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
    EXPECT_THAT(stage.effects("attempt"), ElementsAre(HasSubstr(std::string{"again in "} + again)));
  }
}

TEST(Settings, HowOftenAbsentDevicesAreListenedFor) {
  struct {
    ListenTimes times;
    std::size_t windows;                     // in 100 s
  } const cases[] = {{{10s, 20s, 300s}, 3},  // 0, 30, 80
                     {{10s, 20s, 20s}, 4},   // 0, 30, 60, 90
                     {{5s, 5s, 5s}, 10}};
  for (auto& each : cases) {
    Stage stage;
    stage.settings.listen = each.times;
    stage.configure();
    stage.establish(kAlice, kLamp, kept());
    stage.run_for(100s);
    EXPECT_NEAR(static_cast<double>(stage.count("StartDiscovery")), static_cast<double>(each.windows), 1)
        << each.times.pause.count() << " " << each.times.longest_pause.count();
  }
}

TEST(Settings, HowRarelyAMaintainedDeviceThatFailsIsDialled) {
  std::map<std::int64_t, std::size_t> dials;
  for (auto longest : {10s, 300s}) {
    Stage stage;
    stage.settings.reconnect.longest = longest;
    stage.configure();
    stage.keep_object(kLamp).rssi = -60;
    stage.bluetoothd.hears(kFirst, kLamp);
    stage.bluetoothd.faults["Connect"].assign(
        1000, {.name = "org.bluez.Error.Failed", .text = "le-connection-abort-by-local"});
    stage.establish(kAlice, kLamp, kept());
    stage.run_for(200s);
    dials[longest.count()] = stage.count("Connect");
    stage.bluetoothd.faults.clear();
  }
  EXPECT_GT(dials[10], 2 * dials[300]) << dials[10] << " and " << dials[300];
}

TEST(Settings, ThePauseAfterManyLostLinks) {
  for (auto [longest, again] : {std::pair{2000ms, "again in 2.000"}, {500ms, "again in 0.500"}}) {
    Stage stage;
    stage.settings.pauses.link_lost_longest = longest;
    stage.configure();
    stage.bluetoothd.hears(kFirst, kLamp);
    Manner drops;
    drops.drops_after = 5ms;
    stage.bluetoothd.peer(kLamp).first.assign(8, drops);
    EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
    const auto attempts = stage.effects("attempt");
    ASSERT_EQ(attempts.size(), 8U);
    EXPECT_THAT(attempts.back(), HasSubstr(again));
  }
}

TEST(Settings, WhatALinkMustLastToForgive) {
  for (auto [stable, failures] : {std::pair{60s, 1U}, {5s, 0U}}) {
    Stage stage;
    stage.settings.reconnect.stable = stable;
    stage.configure();
    stage.bluetoothd.hears(kFirst, kLamp);
    stage.establish(kAlice, kLamp, kept());
    stage.run_for(30s);
    ASSERT_EQ(stage.stage(kLamp), "connected");
    stage.bluetoothd.drop_link(kLamp);
    stage.bluetoothd.faults["Connect"] = {
        {.name = "org.bluez.Error.Failed", .text = "le-connection-abort-by-local"}};
    stage.begin();
    stage.run_for(10s);
    // 0.25 s, doubled with each failure in a row: after the dial that failed, too.
    const auto again = failures == 1 ? "again in 1.000" : "again in 0.500";
    EXPECT_THAT(stage.effects("attempt"), ElementsAre(HasSubstr(again))) << stable.count();
  }
}

// --- services ---

TEST(Settings, ServicesThatAreTooOldAreReadAfresh) {
  for (auto [most, answer] :
       {std::pair{0s, "ok hci0 unverified"}, {3600s, "ok hci0"}, {9000s, "ok hci0 unverified"}}) {
    Stage stage;
    stage.settings.cache_age = most;
    stage.configure();
    stage.bluetoothd.hears(kFirst, kLamp);
    stage.bluetoothd.foreign_discovery(kFirst, true);  // BlueZ keeps the object
    EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
    stage.run_until_answered(stage.release(kAlice, kLamp));
    stage.run_for(7200s);
    EXPECT_EQ(stage.connect(kAlice, kLamp), answer) << most.count();
    stage.bluetoothd.foreign_discovery(kFirst, false);
  }
}

// --- ignored adapters ---

TEST(IgnoredAdapters, AreNotDiscoveredOnNorDialled) {
  Two stage;
  stage.ignore(kSecond);
  stage.bluetoothd.hears(kSecond, kLamp, -30);
  auto call = stage.establish(kAlice, kLamp, with_attempts(5s));
  stage.run_for(7s);
  EXPECT_THAT(stage.effects("StartDiscovery hci0"), ::testing::Not(IsEmpty()));
  EXPECT_THAT(stage.effects("hci1"), IsEmpty());
  stage.bluetoothd.hears(kFirst, kLamp, -90);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
  EXPECT_THAT(stage.effects("hci1"), IsEmpty());
}

TEST(IgnoredAdapters, AllButThoseThatAreNamed) {
  Two stage;
  stage.settings.only = {kSecond};
  stage.configure();
  stage.bluetoothd.hears(kFirst, kLamp, -30);
  stage.bluetoothd.hears(kSecond, kLamp, -90);
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci1");
  EXPECT_THAT(stage.effects("hci0"), IsEmpty());
  auto pinned = stage.establish(kAlice, kLock, on_adapter("hci0"));
  stage.run_until_answered(pinned);
  EXPECT_EQ(pinned->text(), "NotReady adapter-off");
  EXPECT_THAT(pinned->message(),
              HasSubstr("off or gone, hci0 is on and ignored by bleconnd.conf (waited 20 s); "));
}

TEST(IgnoredAdapters, KeepTheLinksThatAreThereWhenItBegins) {
  Two stage;
  stage.bluetoothd.hears(kSecond, kLamp);
  EXPECT_EQ(stage.connect(kAlice, kLamp, kept(true)).substr(0, 6), "so far");
  stage.run_for(10s);
  ASSERT_EQ(stage.stage(kLamp), "connected");
  stage.begin();
  stage.ignore(kSecond);
  stage.ignore(kSecond);  // twice is as once
  stage.run_for(600s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
  EXPECT_THAT(stage.effects("onnect"), IsEmpty());
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci1 shared") << "it is shared as before";
  stage.bluetoothd.drop_link(kLamp);
  stage.run_for(400s);
  EXPECT_EQ(stage.stage(kLamp), "backing-off");
  EXPECT_THAT(stage.effects("Connect hci1"), IsEmpty());
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.run_for(400s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
  EXPECT_THAT(stage.effects("Connect hci1"), IsEmpty());
}

TEST(IgnoredAdapters, AreLeftByThoseWhoWaitForThem) {
  Two stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.peer(kLamp).link_time = 10s;
  stage.keep_object(kLamp).rssi = -60;
  stage.keep_object(kLock).rssi = -60;
  stage.bluetoothd.hears(kFirst, kLock);
  auto lamp = stage.establish(kAlice, kLamp);
  stage.run_for(1s);
  auto lock = stage.establish(kBob, kLock);
  stage.run_for(1s);
  ASSERT_EQ(stage.stage(kLock), "queued");
  stage.ignore(kFirst);
  stage.bluetoothd.hears(kSecond, kLock);
  stage.run_until_answered(lock);
  EXPECT_EQ(lock->text(), "ok hci1");
  stage.run_until_answered(lamp);
  EXPECT_EQ(lamp->text(), "ok hci0") << "a dial that is under way goes on";
}

TEST(IgnoredAdapters, EndADiscoveryWindowThere) {
  Two stage;
  auto call = stage.establish(kAlice, kLamp, with_attempts(20s, 1));
  stage.run_for(2s);
  ASSERT_EQ(stage.effects("StartDiscovery").size(), 2U);
  stage.ignore(kSecond);
  stage.run_for(1s);
  EXPECT_THAT(stage.effects("StopDiscovery"), ElementsAre(HasSubstr("hci1")));
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
}

TEST(IgnoredAdapters, AreNamedOnlyToWhomTheyWouldServe) {
  for (const bool pinned : {false, true}) {
    Two stage;
    stage.ignore(kSecond);
    stage.bluetoothd.power(kFirst, false);
    stage.run_for(1s);
    auto call = stage.establish(kAlice, kLamp, pinned ? on_adapter("hci0") : EstablishOptions{});
    stage.run_until_answered(call);
    EXPECT_EQ(call->text(), "NotReady adapter-off");
    EXPECT_EQ(call->message().find("hci1 is on and ignored") != std::string::npos, !pinned);
    stage.bluetoothd.power(kFirst, true);
  }
}

TEST(IgnoredAdapters, AreWaitedForUntilTheyAreNotIgnoredAnyMore) {
  Stage stage;
  stage.settings.adapters[kFirst].ignore = true;
  stage.configure();
  stage.bluetoothd.hears(kFirst, kLamp);
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(5s);
  EXPECT_EQ(call->text(), "-");
  EXPECT_THAT(stage.effects("hci0"), IsEmpty());
  stage.settings.adapters.clear();
  stage.configure();
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
  EXPECT_LT(stage.seconds(call), 7);
}

// What a former life left there is nobody's any more; a maintained device is connected elsewhere.
TEST(IgnoredAdapters, LoseOurLinksWithTheNextStart) {
  Two stage;
  stage.bluetoothd.hears(kSecond, kLamp);
  stage.establish(kAlice, kLamp, kept());
  stage.run_for(10s);
  ASSERT_EQ(stage.stage(kLamp), "connected");
  stage.ignore(kSecond);
  stage.run_for(1s);
  stage.begin();
  stage.crash_daemon();
  stage.start_daemon();
  stage.run_for(10s);
  EXPECT_THAT(stage.effects("onnect"), ElementsAre(HasSubstr("Disconnect hci1")));
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.run_for(400s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
  EXPECT_THAT(stage.effects("Connect hci1"), IsEmpty());
  EXPECT_THAT(stage.effects("Connect hci0"), ElementsAre(HasSubstr("hci0/01")));
}

TEST(IgnoredAdapters, KeepTheLinksOfOtherPrograms) {
  Two stage;
  stage.ignore(kSecond);
  stage.bluetoothd.hears(kSecond, kLamp);
  stage.keep_object(kLamp, kSecond);
  stage.bluetoothd.foreign_connect(stage.lamp_at(kSecond));
  stage.run_for(2s);
  stage.begin();
  auto closed = stage.close_stale(kLamp);
  stage.run_until_answered(closed);
  EXPECT_EQ(closed->text, "0");
  auto cleared = stage.clear_cache(kAlice, kLamp, true);
  stage.run_until_answered(cleared);
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(2s, 1)), "NotFound not-seen") << "it is not adopted";
  EXPECT_THAT(stage.effects("hci1"), IsEmpty());
  EXPECT_NE(stage.bluetoothd.object(stage.lamp_at(kSecond)), nullptr);
}

// --- reloads ---

TEST(Settings, AReloadKeepsThePlacesInTheQueue) {
  Two stage;
  for (const char* last : {"10", "11", "12", "13"}) {
    const auto device = std::string{"AA:00:00:00:00:"} + last;
    stage.bluetoothd.hears(kFirst, device);
    stage.bluetoothd.peer(device).link_time = 2s;
    stage.keep_object(device).rssi = -60;
  }
  std::vector<CallHandle> calls;
  for (const char* last : {"12", "10", "13", "11"}) {
    calls.push_back(stage.establish(kAlice, std::string{"AA:00:00:00:00:"} + last));
    stage.run_for(100ms);
  }
  stage.configure();
  stage.ignore(kSecond);  // all look again for their device
  stage.run_for(100ms);
  stage.ignore(kSecond, false);
  for (auto& call : calls) {
    stage.run_until_answered(call);
    EXPECT_EQ(call->text(), "ok hci0");
  }
  std::vector<std::string> order;
  for (auto& line : stage.effects("Connect ")) order.push_back(line.substr(line.size() - 2));
  EXPECT_THAT(order, ElementsAre("12", "10", "13", "11"));
}

}  // namespace
}  // namespace bleconnd::simulation
