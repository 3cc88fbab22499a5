// Discovery sessions that BlueZ starts or ends late, or not at all, and what dials and adapters they cost.
#include "stage.hpp"

namespace bleconnd::simulation {
namespace {

constexpr const char* kFailed = "org.bluez.Error.Failed";
const Fault kNoAnswer{.answered = false};
const Fault kRefused{.name = kFailed, .text = "Operation failed"};
const Fault kBusy{.name = "org.bluez.Error.InProgress", .text = "Operation already in progress"};

std::size_t ours(Stage& stage) {
  return stage.bluetoothd.discoveries(Program::ours);
}

// The dial has the radio when it is answered, so nothing is waited for; it goes on when the dial is over.
TEST(Discovering, AStartThatIsRefusedBehindADialIsTriedAgainAfterIt) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.keep_object(kLamp);
  stage.bluetoothd.faults["StartDiscovery"] = {{.name = kFailed, .text = "Operation failed", .after = 300ms}};
  auto listens = stage.establish(kBob, kLock, with_attempts(100s));
  stage.run_for(100ms);
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.run_for(100ms);
  EXPECT_EQ(stage.count("StartDiscovery"), 2U) << "not a second later";
  EXPECT_EQ(ours(stage), 1U);
  stage.bluetoothd.hears(kFirst, kLock);
  stage.run_until_answered(listens);
  EXPECT_EQ(listens->text(), "ok hci0");
}

TEST(Discovering, AStopThatIsNeverAnsweredIsGivenUpAndClearedByTheNextSession) {
  Stage stage;
  stage.bluetoothd.faults["StopDiscovery"] = {kNoAnswer, kNoAnswer};
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(2s, 1)), "NotFound not-seen");
  stage.run_for(30s);
  EXPECT_EQ(stage.count("StopDiscovery"), 2U);
  EXPECT_EQ(ours(stage), 1U) << "for all that can be known it has ended";
  EXPECT_FALSE(stage.daemon().radio.discovery.stuck(stage.daemon().bluez.stack().adapters.front()))
      << "an answer that is lost says nothing";
  stage.bluetoothd.hears(kFirst, kLock);
  EXPECT_EQ(stage.connect(kAlice, kLock), "ok hci0");
  stage.run_for(5s);
  EXPECT_EQ(ours(stage), 0U);
}

TEST(Discovering, ARefusedStopEndsWithTheAdaptersPower) {
  Stage stage;
  stage.bluetoothd.faults["StopDiscovery"].assign(20, kBusy);
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(2s, 1)), "NotFound not-seen");
  stage.run_for(1500ms);
  const auto tries = stage.count("StopDiscovery");
  EXPECT_EQ(tries, 2U);
  stage.bluetoothd.power(kFirst, false);
  stage.run_for(30s);
  EXPECT_EQ(stage.count("StopDiscovery"), tries + 1) << "nothing runs without power";
  stage.bluetoothd.faults["StopDiscovery"].clear();
  stage.bluetoothd.power(kFirst, true);
  stage.run_for(1s);
  EXPECT_FALSE(stage.daemon().radio.discovery.stuck(stage.daemon().bluez.stack().adapters.front()));
}

// Its scan stands in the way of every dial; the object and the last link speak for it all the same.
TEST(Discovering, AnAdapterWhereItDoesNotEndGivesWayToAnother) {
  for (const bool known_route : {false, true}) {
    Stage stage;
    stage.bluetoothd.hears(kFirst, kLamp, -40);
    if (known_route) {
      EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
      stage.run_until_answered(stage.release(kAlice, kLamp));
      stage.run_for(5s);
    }
    stage.bluetoothd.faults["StopDiscovery"] = {kRefused, kRefused};
    EXPECT_EQ(stage.connect(kAlice, kLock, with_attempts(2s, 1)), "NotFound not-seen");
    stage.run_for(5s);
    stage.add_second_adapter();
    stage.bluetoothd.hears(kSecond, kLamp, -80);
    EXPECT_THAT(stage.connect(kAlice, kLamp), HasSubstr("ok hci1")) << known_route;
    stage.bluetoothd.power(kFirst, false);  // which ends it
    stage.run_for(1s);
    stage.bluetoothd.power(kFirst, true);
  }
}

TEST(Discovering, WithoutARuleForAnAdapterTheOthersListen) {
  Stage stage;
  stage.add_second_adapter();
  stage.daemon().bluez.no_rule_on = "/org/bluez/hci1";
  stage.bluetoothd.hears(kSecond, kLamp, -40);
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(3s);
  EXPECT_THAT(stage.effects("Discovery"), ElementsAre("0.0 StartDiscovery hci0"));
  stage.bluetoothd.hears(kFirst, kLamp, -80);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
}

}  // namespace
}  // namespace bleconnd::simulation
