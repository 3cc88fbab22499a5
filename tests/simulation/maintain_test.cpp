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

// Whatever it has missed, a window comes within the longest pause.
void expect_connected_when_heard(Stage& stage) {
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.run_for(Absentees::kMostPause + 15s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
}

TEST(Maintain, ConnectsAgainAfterALoss) {
  Maintained stage;
  stage.bluetoothd.drop_link(kLamp);
  stage.run_for(3s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
  EXPECT_EQ(stage.count("Connect"), 1U);
  EXPECT_EQ(stage.count("StartDiscovery"), 0U) << "BlueZ still has the object";
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

TEST(Maintain, WhoIsAwayBecauseAnotherProgramConnectedItIsAdopted) {
  Maintained stage;
  stage.goes_away(100s);
  ASSERT_EQ(stage.stage(kLamp), "backing-off");
  stage.keep_object(kLamp);
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.foreign_connect(stage.lamp_at());
  stage.begin();
  stage.run_for(Absentees::kMostPause + 15s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
  EXPECT_EQ(stage.count("Connect"), 0U);
  EXPECT_EQ(stage.bluetoothd.links(Program::foreign), 1U);
}

}  // namespace
}  // namespace bleconnd::simulation
