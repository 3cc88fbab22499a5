// CloseStaleConnections, the stale links that Describe tells of, and ClearAllCaches: what is nobody's, and
// what is left alone.
#include "stage.hpp"

namespace bleconnd::simulation {
namespace {

const std::string kBell = "AA:00:00:00:00:03";
const std::string kDoor = "AA:00:00:00:00:04";

struct Left : Stage {
  Left() { bluetoothd.hears(kFirst, kLamp); }
  // A link of another program: nobody leases it here.
  void link_of_others(const std::string& device) {
    bluetoothd.hears(kFirst, device);
    const auto path = bluetoothd.path(kFirst, device);
    if (!bluetoothd.object(path)) keep_object(device);
    bluetoothd.foreign_connect(path);
    run_for(3s);
    ASSERT_TRUE(bluetoothd.object(path)->connected);
    begin();
  }
  std::string text_of(const EndingHandle& ending) {
    EXPECT_TRUE(run_until_answered(ending));
    return ending->text;
  }
  // Its services are in the cache, and its link is down.
  void seen_before(const std::string& device) {
    bluetoothd.hears(kFirst, device);
    keep_object(device);
    ASSERT_THAT(connect(kAlice, device), HasSubstr("ok"));
    run_for(1s);
    run_until_answered(release(kAlice, device));
    run_for(4s);
  }
};

TEST(StaleLinks, AreClosed) {
  Left stage;
  stage.link_of_others(kLamp);
  EXPECT_EQ(stage.text_of(stage.stale_links()), "hci0/01");
  EXPECT_EQ(stage.text_of(stage.close_stale(kLamp)), "1");
  EXPECT_EQ(stage.count("Disconnect"), 1U);
  EXPECT_EQ(stage.bluetoothd.links(Program::foreign), 0U);
  EXPECT_EQ(stage.text_of(stage.stale_links()), "");
}

TEST(StaleLinks, AreNoneWhereNothingIsConnected) {
  Left stage;
  stage.keep_object(kLamp);
  stage.link_of_others(kLock);
  EXPECT_EQ(stage.text_of(stage.close_stale(kLamp)), "0");
  EXPECT_EQ(stage.count("Disconnect"), 0U);
  EXPECT_EQ(stage.text_of(stage.stale_links()), "hci0/02") << "another device's";
  EXPECT_EQ(stage.text_of(stage.close_stale(kLock)), "1");
}

TEST(StaleLinks, AreOfLowEnergyAndOfWhateverAddress) {
  Left stage;
  stage.link_of_others(kLamp);
  auto& object = *stage.bluetoothd.object(stage.lamp_at());
  object.low_energy = false;
  EXPECT_EQ(stage.text_of(stage.stale_links()), "") << "an audio link";
  object.low_energy = true;
  object.told_address = "not an address";
  EXPECT_EQ(stage.text_of(stage.stale_links()), "hci0/01");
}

TEST(StaleLinks, AreNotThoseThatAreLeased) {
  Left stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  EXPECT_EQ(stage.text_of(stage.close_stale(kLamp)), "0");
  EXPECT_EQ(stage.text_of(stage.stale_links()), "");
  EXPECT_EQ(stage.count("Disconnect"), 0U);
}

TEST(StaleLinks, AreNotThoseThatACallIsAboutToUse) {
  Left stage;
  stage.bluetoothd.peer(kLamp).discovery_time = 5s;
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(3s);
  ASSERT_EQ(stage.stage(kLamp), "resolving");
  EXPECT_EQ(stage.text_of(stage.close_stale(kLamp)), "0");
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
}

// Where a device was used last, a link may be another program's that came after us.
TEST(StaleLinks, OfOtherAdaptersOnlyLeaveTheOneThatWasUsedLast) {
  Left stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.run_until_answered(stage.release(kAlice, kLamp));
  stage.run_for(5s);
  stage.link_of_others(kLamp);
  EXPECT_EQ(stage.text_of(stage.close_stale(kLamp, true)), "0");
  EXPECT_EQ(stage.count("Disconnect"), 0U);
  EXPECT_EQ(stage.text_of(stage.close_stale(kLamp)), "1");
}

TEST(StaleLinks, OfOtherAdaptersOnlyAreThoseWhereItWasNotUsedLast) {
  Left stage;
  stage.seen_before(kLamp);
  stage.add_second_adapter();
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  stage.bluetoothd.hears(kSecond, kLamp);
  stage.keep_object(kLamp, kSecond);
  stage.bluetoothd.foreign_connect(stage.lamp_at(kSecond));
  stage.run_for(3s);
  EXPECT_EQ(stage.text_of(stage.close_stale(kLamp, true)), "1");
  EXPECT_EQ(stage.bluetoothd.links(Program::foreign), 0U);
}

// BlueZ shows a link that is none, beside the one in use: on another adapter, or at another path.
TEST(StaleLinks, BesideOneInUseAreForgotten) {
  for (const bool same_adapter : {false, true})
    for (const bool only_others : {false, true}) {
      Left stage;
      EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
      stage.add_second_adapter();
      auto& phantom = stage.bluetoothd.make_object(same_adapter ? kFirst : kSecond, kLamp, kBell);
      phantom.connected = true;
      const auto path = phantom.path;
      const bool is_left = same_adapter && only_others;
      EXPECT_EQ(stage.text_of(stage.close_stale(kLamp, only_others)), is_left ? "0" : "1");
      EXPECT_EQ(stage.bluetoothd.object(path) != nullptr, is_left);
      EXPECT_EQ(stage.stage(kLamp), "connected");
      if (is_left) phantom.connected = false;
    }
}

TEST(StaleLinks, AreNotThoseThatMayEndADialOfOurs) {
  Left stage;
  stage.add_second_adapter();
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  stage.keep_object(kLamp);
  auto call = stage.establish(kAlice, kLamp, with_attempts(10s, 1));
  stage.run_for(1s);
  ASSERT_EQ(stage.stage(kLamp), "connecting");
  stage.bluetoothd.hears(kSecond, kLamp);
  stage.keep_object(kLamp, kSecond);
  stage.bluetoothd.foreign_connect(stage.lamp_at(kSecond));
  stage.run_for(3s);
  ASSERT_EQ(stage.bluetoothd.links(Program::foreign), 1U);
  EXPECT_EQ(stage.text_of(stage.close_stale(kLamp)), "0");
  EXPECT_EQ(stage.bluetoothd.links(Program::foreign), 1U);
  stage.run_until_answered(call);
}

TEST(StaleLinks, OfAFormerLifeAreEndedAnyway) {
  Left stage;
  stage.bluetoothd.peer(kLamp).discovery_time = 10s;
  stage.establish(kAlice, kLamp);
  stage.world.run_until([&] { return stage.bluetoothd.links(Program::ours) == 1; }, 10s);
  stage.run_for(1s);
  stage.crash_daemon();
  stage.leave(kAlice);
  stage.start_daemon();
  EXPECT_EQ(stage.text_of(stage.stale_links()), "");
  stage.run_for(5s);
  EXPECT_EQ(stage.bluetoothd.links(Program::ours), 0U);
}

// BlueZ has told of two; what becomes of the second while the first is closed.
TEST(StaleLinks, ThatGoMeanwhileAreClosed) {
  for (int what = 0; what < 3; ++what) {
    Left stage;
    stage.add_second_adapter();
    stage.link_of_others(kLamp);
    auto& second = stage.bluetoothd.make_object(kSecond, kLamp);
    second.connected = true;
    auto closing = stage.close_stale(kLamp);
    stage.run_for(1s);
    if (what == 0) stage.bluetoothd.unplug(kSecond);
    if (what == 1) second.connected = false;
    if (what == 2) stage.daemon().bluez.rules_are_used_up = true;
    EXPECT_EQ(stage.text_of(closing), what == 2 ? "1" : "2") << what;
    EXPECT_EQ(stage.count("Disconnect"), 1U) << what;
    EXPECT_EQ(stage.count("RemoveDevice"), 0U) << what;
    if (what == 2) second.connected = false;
  }
}

TEST(StaleLinks, ThatStayAreNotCounted) {
  Left stage;
  stage.link_of_others(kLamp);
  const Fault refused{.name = "org.bluez.Error.Failed", .text = "no text that BlueZ is known to say"};
  stage.bluetoothd.faults["Disconnect"] = {refused, refused};
  EXPECT_EQ(stage.text_of(stage.close_stale(kLamp)), "0");
  EXPECT_EQ(stage.count("Disconnect"), 2U) << "once more where it was refused";
  EXPECT_EQ(stage.bluetoothd.links(Program::foreign), 1U);
  EXPECT_EQ(stage.text_of(stage.close_stale(kLamp)), "1");
}

TEST(StaleLinks, ThatBluezDoesNotTellAreAFailureAndNotNone) {
  Left stage;
  stage.link_of_others(kLamp);
  const Fault fault{.name = "org.freedesktop.DBus.Error.LimitsExceeded"};
  stage.bluetoothd.faults["GetManagedObjects"] = {fault};
  EXPECT_EQ(stage.text_of(stage.close_stale(kLamp)), "ConnectionFailed bluez-error");
  stage.bluetoothd.faults["GetManagedObjects"] = {{.answered = false}};
  EXPECT_EQ(stage.text_of(stage.close_stale(kLamp)), "ConnectionFailed bluez-error");
  stage.bluetoothd.faults["GetManagedObjects"] = {fault};
  EXPECT_EQ(stage.text_of(stage.stale_links()), "");
  EXPECT_EQ(stage.text_of(stage.close_stale(kLamp)), "1");
}

// A call that comes while they are looked at: its object stays, by force too, since another's lease is there.
TEST(ClearCache, LeavesTheObjectOfADeviceThatIsDialledMeanwhile) {
  for (const bool force : {false, true}) {
    Left stage;
    stage.seen_before(kLamp);
    stage.begin();
    CallHandle call;
    stage.at_call("GetManagedObjects", [&] {
      if (!call) call = stage.establish(kBob, kLamp);
    });
    auto cleared = stage.clear_cache(kAlice, kLamp, force);
    stage.run_until_answered(cleared);
    ASSERT_TRUE(call);
    stage.run_until_answered(call);
    EXPECT_EQ(call->text().substr(0, 2), "ok") << force;
    EXPECT_EQ(stage.count("RemoveDevice"), 0U) << force;
  }
}

TEST(ClearAllCaches, LeavesTheObjectsOfDevicesThatAreDialledMeanwhile) {
  Left stage;
  for (auto& device : {kLamp, kLock}) stage.seen_before(device);
  stage.begin();
  CallHandle call;
  stage.at_call("RemoveDevice", [&] {
    if (!call) call = stage.establish(kBob, kLock);
  });
  auto cleared = stage.clear_all_caches();
  stage.run_until_answered(cleared);
  ASSERT_TRUE(call);
  stage.run_until_answered(call);
  EXPECT_EQ(stage.count("RemoveDevice"), 1U) << "of the lamp";
}

TEST(StaleLinks, ThatIsAdoptedWhileItIsLookedAtStays) {
  Left stage;
  stage.link_of_others(kLamp);
  CallHandle call;
  stage.at_call("GetAll", [&] {
    if (!call) call = stage.establish(kBob, kLamp);
  });
  EXPECT_EQ(stage.text_of(stage.close_stale(kLamp)), "0");
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0 shared");
  EXPECT_EQ(stage.bluetoothd.links(Program::foreign), 1U);
}

// Two objects of one device; the adapter of the second goes while the first is removed.
TEST(ClearCache, OfAnAdapterThatGoesMeanwhileCountsWhatWent) {
  Left stage;
  stage.add_second_adapter();
  stage.seen_before(kLamp);
  stage.keep_object(kLamp, kSecond);
  auto& bluez = stage.daemon().bluez;
  bluez.on_call = [&stage, told = bluez.on_call](const std::string& member, const std::string& path) {
    told(member, path);
    if (member == "RemoveDevice") stage.bluetoothd.unplug(kSecond);
  };
  EXPECT_EQ(stage.text_of(stage.clear_cache(kAlice, kLamp)), "1 entries, 1 objects");
}

TEST(ClearAllCaches, LeavesTheObjectThatACallDials) {
  Left stage;
  stage.seen_before(kLamp);
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  stage.keep_object(kLamp);
  auto call = stage.establish(kAlice, kLamp, with_attempts(10s, 1));
  stage.run_for(1s);
  ASSERT_EQ(stage.stage(kLamp), "connecting");
  EXPECT_EQ(stage.text_of(stage.clear_all_caches()), "1 entries, 0 objects");
  EXPECT_NE(stage.bluetoothd.object(stage.lamp_at()), nullptr);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "NotFound not-seen");
  stage.run_for(1s);
  EXPECT_EQ(stage.bluetoothd.object(stage.lamp_at()), nullptr) << "when its attempt has ended";
}

TEST(ClearAllCaches, LeavesWhatHasNoAddress) {
  Left stage;
  stage.seen_before(kLamp);
  stage.bluetoothd.object(stage.lamp_at())->told_address = "not an address";
  EXPECT_EQ(stage.text_of(stage.clear_all_caches()), "1 entries, 0 objects");
  EXPECT_NE(stage.bluetoothd.object(stage.lamp_at()), nullptr);
}

// Of everybody together: it binds root, too.
TEST(Inquiries, BeyondTheLimitAskBluezNothing) {
  Left stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.settings.quota.all = 1;
  stage.configure();
  stage.begin();
  const auto refused = "LimitsExceeded busy";
  EXPECT_EQ(stage.text_of(stage.close_stale(kLamp)), refused);
  EXPECT_EQ(stage.text_of(stage.services(kLamp)), refused);
  EXPECT_EQ(stage.text_of(stage.clear_all_caches()), refused);
  EXPECT_EQ(stage.text_of(stage.clear_cache(kAlice, kLamp)), refused);
  EXPECT_EQ(stage.count("GetManagedObjects") + stage.count("GetAll"), 0U);
  EXPECT_TRUE(stage.cache.has(*DeviceAddress::parse(kLamp)));
}

TEST(ClearAllCaches, LeavesInBluezWhatIsInUse) {
  Left stage;
  for (auto& device : {kLock, kBell, kDoor, kLamp}) stage.seen_before(device);
  stage.bluetoothd.bond(stage.bluetoothd.path(kFirst, kLock));
  stage.bluetoothd.trust(stage.bluetoothd.path(kFirst, kBell));
  stage.link_of_others(kDoor);
  EXPECT_EQ(stage.text_of(stage.clear_all_caches()), "4 entries, 1 objects");
  for (auto& device : {kLock, kBell, kDoor})
    EXPECT_NE(stage.bluetoothd.object(stage.bluetoothd.path(kFirst, device)), nullptr) << device;
  EXPECT_EQ(stage.bluetoothd.object(stage.lamp_at()), nullptr);
  stage.bluetoothd.foreign_disconnect(stage.bluetoothd.path(kFirst, kDoor));
}

TEST(ClearAllCaches, ForgetsALeasedDeviceWhenItsLinkHasEnded) {
  Left stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.run_for(1s);
  EXPECT_EQ(stage.text_of(stage.clear_all_caches()), "1 entries, 0 objects");
  EXPECT_EQ(stage.stage(kLamp), "connected");
  stage.run_until_answered(stage.release(kAlice, kLamp));
  stage.run_for(5s);
  EXPECT_EQ(stage.bluetoothd.object(stage.lamp_at()), nullptr);
  EXPECT_FALSE(stage.cache.has(*DeviceAddress::parse(kLamp)));
}

TEST(ClearAllCaches, LeavesTheObjectsOfIgnoredAdapters) {
  Left stage;
  stage.seen_before(kLamp);
  stage.settings.adapters[kFirst].ignore = true;
  stage.configure();
  EXPECT_EQ(stage.text_of(stage.clear_all_caches()), "1 entries, 0 objects");
  EXPECT_NE(stage.bluetoothd.object(stage.lamp_at()), nullptr);
}

TEST(ClearAllCaches, CountsOnlyObjectsThatWent) {
  for (auto* member : {"RemoveDevice", "GetManagedObjects"}) {
    Left stage;
    stage.seen_before(kLamp);
    stage.bluetoothd.faults[member] = {Fault{.name = "org.bluez.Error.Failed"}};
    EXPECT_EQ(stage.text_of(stage.clear_all_caches()), "1 entries, 0 objects") << member;
    EXPECT_NE(stage.bluetoothd.object(stage.lamp_at()), nullptr) << member;
  }
}

}  // namespace
}  // namespace bleconnd::simulation
