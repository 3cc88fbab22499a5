// Between two attempts: the link's end, the back-off, and what ends a back-off early. And the ends of calls:
// what is answered when their time is over.
#include "stage.hpp"

namespace bleconnd::simulation {
namespace {

constexpr const char* kFailed = "org.bluez.Error.Failed";

TEST(BackOff, LostLinksFourTimesAtOnceThenDoubling) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.peer(kLamp).manner.drops_after = 50ms;
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(20s, 4)), "Aborted link-lost");
  EXPECT_THAT(stage.effects("attempt"),
              ElementsAre(HasSubstr("1/9 again in 0.000"), HasSubstr("2/9 again in 0.000"),
                          HasSubstr("3/9 again in 0.000"), HasSubstr("4/9 again in 0.000"),
                          HasSubstr("5/9 again in 0.250"), HasSubstr("6/9 again in 0.500"),
                          HasSubstr("7/9 again in 1.000"), HasSubstr("8/9 again in 2.000"),
                          ::testing::EndsWith("9/9")));
}

// The time between a failure and the next Connect.
std::vector<Duration> pauses(const std::string& text, int times) {
  Stage stage;
  stage.keep_object(kLamp);
  std::vector<TimePoint> calls;
  stage.daemon().bluez.on_call = [&](auto& member, auto&) {
    if (member == "Connect") calls.push_back(stage.world.now());
  };
  for (int i = 0; i < times; ++i)
    stage.bluetoothd.faults["Connect"].push_back({.name = text.empty() ? "" : kFailed, .text = text});
  stage.establish(kAlice, kLamp, with_attempts(20s, 100));
  stage.world.run_until([&] { return calls.size() > static_cast<std::size_t>(times); }, 100s);
  std::vector<Duration> between;
  for (std::size_t i = 1; i < calls.size(); ++i)
    between.push_back(std::chrono::round<std::chrono::milliseconds>(calls[i] - calls[i - 1]));
  return between;
}

testing::Matcher<Duration> about(Duration wait) {
  return testing::AllOf(testing::Ge(wait), testing::Lt(wait + 20ms));
}

TEST(BackOff, WaitsByCause) {
  EXPECT_THAT(pauses("le-connection-abort-by-local", 2), ElementsAre(about(250ms), about(250ms)));
  EXPECT_THAT(pauses("what is this", 2), ElementsAre(about(250ms), about(250ms)));
  // success, and no link
  EXPECT_THAT(pauses("", 5), ElementsAre(about(0ms), about(0ms), about(0ms), about(0ms), about(250ms)));
  EXPECT_THAT(pauses("ESP_GATT_CONN_TIMEOUT", 2), ElementsAre(about(500ms), about(500ms)));
  EXPECT_THAT(pauses("ESP_GATT_ERROR", 2), ElementsAre(about(1s), about(1s)));
  EXPECT_THAT(pauses("le-connection-concurrent-connection-limit", 2), ElementsAre(about(4s), about(4s)));
  EXPECT_THAT(pauses("Operation already in progress", 6),
              ElementsAre(about(250ms), about(250ms), about(250ms), about(250ms), about(1s), about(1s)));
}

TEST(BackOff, TheNextDialWaitsUntilTheOldLinkIsDown) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.peer(kLamp).first = {Manner{.mute = true}};
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(5s)), "ok hci0");
  // Connected=false comes 2.1 s after Disconnect.
  EXPECT_THAT(stage.effects(),
              ElementsAre("0.0 StartDiscovery hci0", "0.2 Connect hci0/01", "0.2 StopDiscovery hci0",
                          "5.5 Disconnect hci0/01", "7.5 attempt 1: services-incomplete 1/4 again in 0.250",
                          HasSubstr("Connect hci0/01")));
}

// The first attempt has failed, and its link is up though Disconnect was answered.
struct LinkStays : Stage {
  LinkStays() {
    bluetoothd.hears(kFirst, kLamp);
    bluetoothd.peer(kLamp).first = {Manner{.mute = true}};
    bluetoothd.faults["Disconnect"] = {{.name = {}}};  // success, and nothing happens
    call = establish(kAlice, kLamp, with_attempts(5s, 2));
    world.run_until([&] { return !effects("attempt").empty(); }, 20s);
  }
  CallHandle call;
};

TEST(BackOff, TheLinkThatDoesNotGoDownIsWaitedForFiveSecondsThenForgotten) {
  LinkStays stage;
  const auto failed = stage.world.now();
  stage.world.run_until([&] { return stage.count("RemoveDevice") == 1; }, 20s);
  EXPECT_THAT(stage.world.now() - failed, about(5000ms));
  stage.run_until_answered(stage.call);
  EXPECT_EQ(stage.call->text(), "ok hci0");
}

TEST(BackOff, WhoIsGivenUpWhileTheOldLinkStaysIsAnsweredAtOnce) {
  LinkStays stage;
  stage.run_for(1s);
  stage.release(kAlice, kLamp);
  stage.run_until_answered(stage.call, 100ms);
  EXPECT_EQ(stage.call->text(), "Cancelled cancelled");
}

struct Early : Stage {
  Early() {
    keep_object(kLamp);
    bluetoothd.faults["Connect"] = {{.name = kFailed, .text = "le-connection-concurrent-connection-limit"}};
    call = establish(kAlice, kLamp);
    run_for(1s);
    EXPECT_EQ(stage(kLamp), "backing-off");
    EXPECT_EQ(count("Connect"), 1U);
  }
  CallHandle call;
};

TEST(BackOff, EndsWhenTheDeviceIsHeard) {
  Early stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.foreign_discovery(kFirst, true);
  stage.run_until_answered(stage.call);
  EXPECT_EQ(stage.call->text(), "ok hci0");
  EXPECT_LT(stage.seconds(stage.call), 2.5);
}

TEST(BackOff, EndsWhenAnotherProgramLinksTheDevice) {
  Early stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.foreign_connect(stage.lamp_at());
  stage.run_until_answered(stage.call);
  EXPECT_EQ(stage.call->text(), "ok hci0 shared");
  EXPECT_LT(stage.seconds(stage.call), 2.5);
  stage.bluetoothd.foreign_disconnect(stage.lamp_at());
}

TEST(BackOff, EndsWhenAnAdapterIsPowered) {
  Early stage;
  stage.bluetoothd.hears(kSecond, kLamp);
  stage.bluetoothd.plug(kSecond);
  stage.run_for(500ms);
  EXPECT_EQ(stage.count("GetManagedObjects") + stage.count("StartDiscovery") + stage.count("Connect"), 3U)
      << "the second attempt has begun";
}

// The lock has a link by then, or dials, on the lamp's adapter or on another one.
struct Refused : Stage {
  explicit Refused(const std::string& adapter, bool linked = true) {
    if (adapter == kSecond) add_second_adapter();
    bluetoothd.hears(adapter, kLock);
    bluetoothd.peer(kLock).manner.completes = linked;
    if (linked) {
      EXPECT_EQ(connect(kBob, kLock).substr(0, 2), "ok");
    }
    keep_object(kLamp);
    bluetoothd.faults["Connect"] = {{.name = kFailed, .text = "le-connection-concurrent-connection-limit"}};
    call = establish(kAlice, kLamp);
    run_for(1s);
    EXPECT_EQ(stage(kLamp), "backing-off");
    begin();
  }
  CallHandle call;
};

TEST(BackOff, BehindARefusedSlotEndsWhenALinkThereEnds) {
  for (auto& adapter : {kFirst, kSecond}) {
    Refused stage{adapter};
    stage.bluetoothd.drop_link(kLock);
    stage.run_for(500ms);
    EXPECT_EQ(stage.count("Connect"), adapter == kFirst ? 1U : 0U) << adapter;
  }
}

// A dial that is refused in its turn would wake the former one, and so on without a pause.
TEST(BackOff, BehindARefusedSlotDoesNotEndWithADial) {
  Refused stage{kFirst, false};
  auto dial = stage.establish(kBob, kLock, with_timeout(1s));
  stage.run_until_answered(dial);
  EXPECT_EQ(stage.count("Connect"), 1U) << "of the lock";
  stage.run_for(500ms);
  EXPECT_EQ(stage.count("Connect"), 1U);
  EXPECT_EQ(stage.stage(kLamp), "backing-off");
}

TEST(BackOff, EndsWhenBluetoothdIsBack) {
  Early stage;
  stage.bluetoothd.kill();
  stage.run_for(100ms);
  stage.bluetoothd.start();
  stage.run_for(100ms);
  EXPECT_EQ(stage.count("Connect"), 2U);
}

TEST(BackOff, TheLastFailurePaysNoWait) {
  Stage stage;
  stage.keep_object(kLamp);
  stage.bluetoothd.faults["Connect"].assign(
      9, {.name = kFailed, .text = "le-connection-concurrent-connection-limit"});
  auto call = stage.establish(kAlice, kLamp);
  stage.run_until_answered(call);
  EXPECT_THAT(stage.effects("attempt").back(), ::testing::EndsWith("9/9"));
  EXPECT_NEAR(stage.seconds(call), 8 * 4, 0.2);
}

// --- the deadline ---

TEST(Deadline, OfADeviceThatIsNotHeard) {
  Stage stage;
  auto call = stage.establish(kAlice, kLamp, with_timeout(7s));
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "Timeout not-seen");
  EXPECT_EQ(*call->answered - call->asked, 7s);
}

TEST(Deadline, HasTheTokenOfTheLastFailure) {
  Stage stage;
  stage.keep_object(kLamp);
  stage.bluetoothd.faults["Connect"].assign(
      9, {.name = kFailed, .text = "le-connection-concurrent-connection-limit"});
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_timeout(10s)), "Timeout no-slot");
}

TEST(Deadline, OfAForeignDialNamesIt) {
  Stage stage;
  stage.keep_object(kLamp);
  stage.bluetoothd.foreign_connect(stage.lamp_at());
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_timeout(10s)), "Timeout in-progress");
}

TEST(Deadline, IsAHundredAndTwentySecondsWhereNothingIsSaid) {
  Stage stage;
  auto call = stage.establish(kAlice, kLamp, with_attempts(100s));
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "Timeout not-seen");
  EXPECT_EQ(*call->answered - call->asked, 120s);
}

TEST(Deadline, ZeroIsNone) {
  Stage stage;
  auto options = with_attempts(100s);
  options.timeout = 0s;
  EXPECT_EQ(stage.connect(kAlice, kLamp, options), "-");
  stage.run_for(200s);
  EXPECT_EQ(stage.effects("attempt").size(), 4U);
}

TEST(Deadline, WithoutBluetoothdIsNotReadyAfterTwentySeconds) {
  Stage stage{{}, false};
  auto call = stage.establish(kAlice, kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "NotReady stack-down");
  EXPECT_EQ(*call->answered - call->asked, 20s);
}

TEST(Deadline, WithoutAPoweredAdapterIsNotReadyAfterTwentySeconds) {
  Stage stage;
  stage.bluetoothd.power(kFirst, false);
  stage.run_for(1s);
  auto call = stage.establish(kAlice, kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "NotReady adapter-off");
  EXPECT_EQ(*call->answered - call->asked, 20s);
}

TEST(Deadline, TwentySecondsInARowAreCountedAnew) {
  Stage stage;
  stage.bluetoothd.power(kFirst, false);
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(15s);
  stage.bluetoothd.power(kFirst, true);
  stage.run_for(1s);
  stage.bluetoothd.power(kFirst, false);
  const auto off = stage.world.now();
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "NotReady adapter-off");
  EXPECT_THAT(*call->answered - off, testing::AllOf(testing::Ge(20s), testing::Lt(20300ms)));
}

TEST(Deadline, BluetoothdThatComesAndGoesWithoutAnAdapterIsOneWait) {
  Stage stage{{}, false};
  stage.bluetoothd.unplug(kFirst);
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(10s);
  stage.bluetoothd.start();
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "NotReady adapter-off");
  EXPECT_EQ(*call->answered - call->asked, 20s);
}

TEST(Deadline, ACallersOwnTimeoutIsItsPatienceForAnAdapterToo) {
  Stage stage;
  stage.bluetoothd.power(kFirst, false);
  stage.bluetoothd.hears(kFirst, kLamp);
  auto patient = stage.establish(kAlice, kLamp, with_timeout(60s));
  auto hasty = stage.establish(kBob, kLamp, with_timeout(5s));
  stage.run_until_answered(hasty);
  EXPECT_EQ(hasty->text(), "NotReady adapter-off");
  stage.run_for(40s);
  stage.bluetoothd.power(kFirst, true);
  stage.run_until_answered(patient);
  EXPECT_EQ(patient->text(), "ok hci0");
  EXPECT_THAT(stage.effects("attempt"), IsEmpty()) << "waiting for an adapter is no attempt";
}

}  // namespace
}  // namespace bleconnd::simulation
