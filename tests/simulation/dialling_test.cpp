// One dial, its discovery and its end, message by message: late and missing signals, answers that come late
// or never, pairing, StopDiscovery.
#include "stage.hpp"

namespace bleconnd::simulation {
namespace {

constexpr const char* kFailed = "org.bluez.Error.Failed";

struct Known : Stage {  // an object, and the lamp is heard
  explicit Known(Setting setting = {}) : Stage{setting} {
    bluetoothd.hears(kFirst, kLamp);
    keep_object(kLamp);
  }
};

// --- values, not edges ---

TEST(Dial, ALinkThatIsNotSignalledIsLookedFor) {
  Known stage;
  stage.bluetoothd.peer(kLamp).manner.silent = true;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  EXPECT_THAT(stage.effects("attempt"), IsEmpty());
  stage.bluetoothd.drop_link(kLamp);
  stage.run_for(1s);
  EXPECT_THAT(stage.effects("link ended"), ElementsAre(HasSubstr("link-lost")));
}

TEST(Dial, SignalsThatStarveAreNotWaitedFor) {
  Known stage;
  stage.bluetoothd.hold_properties(8s);
  auto call = stage.establish(kAlice, kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
  EXPECT_THAT(stage.effects("attempt"), IsEmpty());
}

TEST(Dial, AnAnswerThatComesLateIsNotTakenForTheNextDials) {
  Known stage;
  stage.bluetoothd.faults["Connect"] = {
      {.name = kFailed, .text = "le-connection-abort-by-local", .after = 6s}};
  auto call = stage.establish(kAlice, kLamp, with_attempts(5s));
  stage.bluetoothd.peer(kLamp).link_time = 2s;
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
  EXPECT_THAT(stage.effects("attempt"), ElementsAre("5.0 attempt 1: not-seen 1/4 again in 0.000"));
}

TEST(Dial, ADisconnectThatIsNotAnsweredIsAskedForAgain) {
  Known stage;
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  stage.bluetoothd.faults["Disconnect"] = {{.answered = false}};
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(3s, 1)), "NotFound not-seen");
  EXPECT_THAT(stage.effects(), ElementsAre("0.0 Connect hci0/01", "3.0 Disconnect hci0/01",
                                           "8.0 Disconnect hci0/01", "8.0 attempt 1: not-seen 1/1"));
}

TEST(Dial, IsGivenUpByDisconnectBeforeTheCallIsAnswered) {
  Known stage;
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(5s);
  EXPECT_EQ(stage.bluetoothd.dials(Program::ours), 1U);
  auto released = stage.release(kAlice, kLamp);
  stage.run_until_answered(released);
  EXPECT_EQ(stage.bluetoothd.dials(Program::ours), 0U);
  EXPECT_THAT(stage.effects("onnect"), ElementsAre("0.0 Connect hci0/01", "5.0 Disconnect hci0/01"));
}

// Another program discovers, so it is seen that the device is heard and not dialled.
TEST(Dial, ThatBluetoothdForgotIsAskedForAnewWithinTheAttempt) {
  Known stage;
  stage.bluetoothd.foreign_discovery(kFirst, true);
  stage.bluetoothd.faults["Connect"] = {{.answered = false, .dials = true}};
  auto call = stage.establish(kAlice, kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
  EXPECT_THAT(stage.effects(),
              ElementsAre("0.0 Connect hci0/01", "5.2 Disconnect hci0/01", "5.2 Connect hci0/01"));
}

TEST(Dial, OfADeviceThatTakesNoLinkIsAskedForAnewUntilTheAttemptsTimeIsOver) {
  Known stage;
  stage.bluetoothd.foreign_discovery(kFirst, true);
  for (int i = 0; i < 20; ++i)
    stage.bluetoothd.faults["Connect"].push_back({.answered = false, .dials = true});
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(12s, 2)), "NotFound seen-no-answer");
  EXPECT_THAT(stage.effects("attempt"), ElementsAre("12.0 attempt 1: seen-no-answer 1/2 again in 0.000",
                                                    HasSubstr("attempt 2: seen-no-answer 2/2")));
  EXPECT_EQ(stage.count("Connect"), 6U);
}

TEST(Dial, OfAFewReportsIsNotAskedForAnew) {
  Known stage;
  stage.bluetoothd.foreign_discovery(kFirst, true);
  stage.bluetoothd.faults["Connect"] = {{.answered = false, .dials = true}};
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(4s);
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  stage.run_for(15s);
  EXPECT_THAT(stage.effects(), ElementsAre("0.0 Connect hci0/01"));
}

TEST(Dial, AStalledBluetoothdIsGivenUpToo) {
  Known stage;
  auto& bluez = stage.daemon().bluez;
  bluez.on_call = [&](const std::string& member, const std::string&) {
    if (member == "Connect") bluez.stall(60s);
  };
  auto call = stage.establish(kAlice, kLamp, with_timeout(10s));
  stage.run_until_answered(call);
  EXPECT_EQ(call->text().substr(0, 7), "Timeout");
  EXPECT_EQ(*call->answered - call->asked, 10s);
}

TEST(Dial, ABusThatAnswersForASlowBluetoothdHasNotEndedTheDial) {
  Known stage;
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  stage.bluetoothd.faults["Connect"] = {{.name = "org.freedesktop.DBus.Error.NoReply",
                                         .text = "Message did not receive a reply (timeout by message bus)",
                                         .after = 2s}};
  auto call = stage.establish(kAlice, kLamp, with_attempts(20s, 1));
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "NotFound not-seen");
  EXPECT_THAT(stage.effects("onnect"), ElementsAre("0.0 Connect hci0/01", "2.0 Disconnect hci0/01"));
}

TEST(Dial, ALinkWhoseLookFailsIsNotLeftBehind) {
  for (auto* text : {"what is this", ""}) {
    Known stage;
    stage.bluetoothd.peer(kLamp).manner.silent = true;
    // The look of the first attempt, the one beside Connect, the one behind the answer.
    stage.bluetoothd.faults["GetAll"] = {{.name = kFailed, .text = text, .carried_out = true},
                                         {.name = kFailed, .text = text, .carried_out = true},
                                         {.name = kFailed, .text = text, .carried_out = true}};
    EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
    EXPECT_EQ(stage.effects("attempt").size(), 1U);
    stage.run_until_answered(stage.release(kAlice, kLamp));
    stage.run_for(1s);
    EXPECT_EQ(stage.bluetoothd.links(Program::ours), 0U);
  }
}

TEST(Dial, AnErrorAboutSomethingElseThanTheLinkIsNoFailure) {
  for (bool silent : {false, true}) {
    Known stage;
    stage.bluetoothd.peer(kLamp).manner.silent = silent;
    stage.bluetoothd.faults["Connect"] = {{.name = "org.bluez.Error.NotAvailable",
                                           .text = "br-connection-profile-unavailable",
                                           .carried_out = true}};
    EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
    stage.run_until_answered(stage.release(kAlice, kLamp));
    stage.run_for(1s);
    EXPECT_EQ(stage.bluetoothd.links(Program::ours), 0U) << "it was ours";
  }
}

TEST(Dial, AnErrorWhoseLookFailsLeavesNoLinkBehind) {
  Known stage;
  stage.bluetoothd.faults["Connect"] = {{.name = "org.bluez.Error.NotAvailable",
                                         .text = "br-connection-profile-unavailable",
                                         .carried_out = true}};
  auto call = stage.establish(kAlice, kLamp, with_attempts(20s, 1));
  stage.run_for(50ms);
  stage.bluetoothd.faults["GetAll"] = {{.name = kFailed, .text = "what is this"}};
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ConnectionFailed bluez-error");
  stage.run_for(3s);
  EXPECT_EQ(stage.bluetoothd.links(Program::ours), 0U);
}

// Its removal is told while Connect is on its way to nothing.
TEST(Dial, AnObjectThatWentJustBeforeIsGoneAndNotRemovedMeanwhile) {
  Known stage;
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(2500us);
  EXPECT_EQ(stage.count("Connect"), 1U);
  stage.bluetoothd.foreign_remove(stage.lamp_at());
  stage.run_until_answered(call);
  EXPECT_THAT(stage.effects("attempt"), ElementsAre("0.0 attempt 1: removed 1/9 again in 0.000"));
  EXPECT_EQ(call->text(), "ok hci0");
}

TEST(Dial, AConnectThatMeetsANewObjectIsTakenBack) {
  Known stage;
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(2500us);  // Connect is sent, and not read yet
  stage.bluetoothd.foreign_remove(stage.lamp_at());
  stage.keep_object(kLamp);
  stage.run_until_answered(call);
  EXPECT_THAT(stage.effects("onnect"),
              ElementsAre("0.0 Connect hci0/01", "0.0 Disconnect hci0/01", "0.0 Connect hci0/01"));
  EXPECT_THAT(stage.effects("attempt"), ElementsAre("0.0 attempt 1: removed 1/9 again in 0.000"));
  EXPECT_EQ(call->text(), "ok hci0");
}

TEST(Dial, AlreadyConnectedIsLookedAt) {
  Known stage;
  stage.bluetoothd.faults["Connect"] = {
      {.name = "org.bluez.Error.AlreadyConnected", .text = "Already Connected", .carried_out = true}};
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
}

TEST(Dial, AnObjectOfAPrivateAddressThatExpiresDuringTheDial) {
  Stage stage;
  auto& peer = stage.bluetoothd.peer(kLamp);
  peer.private_address = true;
  stage.bluetoothd.hears(kFirst, kLamp);
  auto call = stage.establish(kAlice, kLamp, with_attempts(40s));
  stage.world.run_until([&] { return stage.count("Connect") > 0; }, 5s);
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  stage.run_for(36s);  // 30 s, and 3 s of listening
  EXPECT_THAT(stage.effects("attempt"), ElementsAre(HasSubstr("attempt 1: removed 1/9")));
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
}

TEST(Dial, AnAdapterThatWasSwitchedWhileItsTurnWasWaitedForIsNotDialled) {
  Stage stage;
  for (int i = 10; i < 18; ++i) {
    const auto device = "AA:00:00:00:00:" + std::to_string(i);
    stage.keep_object(device);
    stage.establish(kBob, device, with_attempts(30s));
  }
  stage.run_for(1s);
  EXPECT_EQ(stage.bluetoothd.dials(Program::ours), 1U);
  stage.keep_object(kLamp);
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(1s);
  stage.bluetoothd.power(kFirst, false);
  stage.bluetoothd.power(kFirst, true);
  stage.run_for(2s);
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.leave(kBob);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
}

TEST(Dial, ATurnThatIsGivenUpIsPassedOn) {
  Stage stage;
  std::vector<CallHandle> calls;
  for (int i = 10; i < 30; ++i) {
    const auto device = "AA:00:00:00:00:" + std::to_string(i);
    stage.keep_object(device);
    calls.push_back(stage.establish(":1." + std::to_string(i), device, with_attempts(30s)));
  }
  stage.run_for(1s);
  for (int i = 29; i > 10; --i) {
    stage.release(":1." + std::to_string(i), "AA:00:00:00:00:" + std::to_string(i));
    stage.run_for(1ms);
  }
  stage.run_for(1s);
  EXPECT_EQ(stage.bluetoothd.dials(Program::ours), 1U);
}

// --- pairing ---

TEST(Pairing, InsteadOfConnectWhereThereIsNoBond) {
  Known stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_pairing()), "ok hci0");
  EXPECT_TRUE(stage.bluetoothd.object(stage.lamp_at())->bonded);
  EXPECT_THAT(stage.effects(), ElementsAre("0.0 Pair hci0/01"));
}

TEST(Pairing, ABondedDeviceIsConnected) {
  Known stage;
  stage.bluetoothd.bond(stage.lamp_at());
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_pairing()), "ok hci0");
  EXPECT_THAT(stage.effects(), ElementsAre("0.0 Connect hci0/01"));
}

TEST(Pairing, RejectedIsHopeless) {
  Known stage;
  stage.bluetoothd.peer(kLamp).manner.pairing = Manner::Pairing::rejected;
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_pairing()), "ConnectionFailed auth-failed");
  EXPECT_EQ(stage.effects("attempt").size(), 1U);
  stage.run_for(3s);
  EXPECT_EQ(stage.bluetoothd.links(Program::ours), 0U) << "a failed pairing can leave its link up";
}

TEST(Pairing, OfAnAbsentDeviceIsGivenUpAfterThirtyFiveSeconds) {
  Known stage;
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  auto options = with_pairing();
  options.terms.max_attempts = 1;
  auto call = stage.establish(kAlice, kLamp, options);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "NotFound not-seen");
  EXPECT_THAT(stage.effects(), ElementsAre("0.0 Pair hci0/01", "35.0 CancelPairing hci0/01",
                                           "35.0 Disconnect hci0/01", "35.0 attempt 1: not-seen 1/1"));
}

TEST(Pairing, OfAMutePeerEndsByBlueZ) {
  Known stage;
  stage.bluetoothd.peer(kLamp).manner.pairing = Manner::Pairing::mute;
  auto options = with_pairing();
  options.terms.max_attempts = 1;
  EXPECT_EQ(stage.connect(kAlice, kLamp, options).substr(0, 2) != "ok", true);
  EXPECT_EQ(stage.bluetoothd.dials(Program::ours), 0U);
}

TEST(Pairing, IsCancelledWithItsCaller) {
  Known stage;
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  stage.establish(kAlice, kLamp, with_pairing());
  stage.run_for(5s);
  stage.run_until_answered(stage.release(kAlice, kLamp));
  EXPECT_THAT(stage.effects(),
              ElementsAre("0.0 Pair hci0/01", "5.0 CancelPairing hci0/01", "5.0 Disconnect hci0/01"));
  EXPECT_EQ(stage.bluetoothd.dials(Program::ours), 0U);
}

TEST(Pairing, AlreadyPairedMeansConnect) {
  Known stage;
  stage.bluetoothd.faults["GetAll"] = {};
  auto call = stage.establish(kAlice, kLamp, with_pairing());
  stage.run_for(3ms);
  stage.bluetoothd.bond(stage.lamp_at());  // between the look and Pair
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
  EXPECT_THAT(stage.effects("attempt"), IsEmpty());
}

TEST(Pairing, AnObjectRemovedMeanwhileIsExplainedAsForConnect) {
  Known stage;
  auto call = stage.establish(kAlice, kLamp, with_pairing());
  stage.run_for(100ms);
  stage.bluetoothd.foreign_remove(stage.lamp_at());
  stage.run_until_answered(call);
  EXPECT_THAT(stage.effects("attempt"), ElementsAre(HasSubstr("attempt 1: seen-no-answer 1/9")));
  EXPECT_EQ(call->text(), "ok hci0");
}

// --- discovery ---

TEST(Discovering, StopsRightBehindConnect) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.connect(kAlice, kLamp);
  EXPECT_THAT(stage.effects(),
              ElementsAre("0.0 StartDiscovery hci0", "0.2 Connect hci0/01", "0.2 StopDiscovery hci0"));
}

TEST(Discovering, PausesForADialThoughAnotherWaitsToBeHeard) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  auto other = stage.establish(kBob, kLock, with_attempts(100s));
  stage.run_for(1s);
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.run_for(100ms);
  EXPECT_EQ(stage.count("StopDiscovery"), 1U);
  EXPECT_EQ(stage.count("StartDiscovery"), 2U) << "when the dial was over";
  stage.bluetoothd.hears(kFirst, kLock);
  stage.run_until_answered(other);
  stage.run_for(100ms);
  EXPECT_EQ(stage.count("StopDiscovery"), 2U);
}

// A dial that begins while SetDiscoveryFilter is still to be answered: StartDiscovery is not sent behind its
// Connect, where the kernel would scan between the dial's own scans until StopDiscovery is answered.
TEST(Discovering, DoesNotStartBehindAConnect) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.connect(kAlice, kLamp);
  stage.release(kAlice, kLamp);
  stage.run_for(5s);
  stage.bluetoothd.faults["SetDiscoveryFilter"] = {{.after = 300ms}};
  auto other = stage.establish(kBob, kLock, with_attempts(100s));
  stage.run_for(100ms);
  stage.begin();
  EXPECT_THAT(stage.connect(kAlice, kLamp), HasSubstr("ok hci0"));
  stage.run_for(1s);
  EXPECT_THAT(stage.effects(), ElementsAre(HasSubstr("Connect hci0/01"), HasSubstr("StartDiscovery hci0")));
}

TEST(Discovering, IsSharedByAll) {
  Stage stage;
  for (int i = 10; i < 40; ++i)
    stage.establish(kAlice, "AA:00:00:00:00:" + std::to_string(i), with_attempts(10s, 1));
  stage.run_for(5s);
  EXPECT_EQ(stage.count("StartDiscovery"), 1U);
  stage.run_for(10s);
  EXPECT_EQ(stage.count("StopDiscovery"), 1U);
}

TEST(Discovering, AStartThatIsRefusedIsTriedAgain) {
  for (auto* text : {"Operation already in progress", "what is this"}) {
    Stage stage;
    stage.bluetoothd.hears(kFirst, kLamp);
    const auto* name = std::string{text} == "what is this" ? kFailed : "org.bluez.Error.InProgress";
    stage.bluetoothd.faults["StartDiscovery"].assign(3, {.name = name, .text = text});
    auto call = stage.establish(kAlice, kLamp);
    stage.run_until_answered(call);
    EXPECT_EQ(call->text(), "ok hci0");
    EXPECT_THAT(stage.effects("attempt"), IsEmpty());
  }
}

TEST(Discovering, ASessionOfAFormerStartIsCleared) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  // BlueZ has started, and says that it has not: it turns every failure of mgmt into this answer.
  stage.bluetoothd.faults["StartDiscovery"] = {
      {.name = "org.bluez.Error.InProgress", .text = "Operation already in progress", .carried_out = true}};
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.run_for(1s);
  EXPECT_EQ(stage.bluetoothd.discoveries(Program::ours), 0U);
}

TEST(Discovering, AStartThatIsNotAnsweredIsStopped) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.faults["StartDiscovery"] = {
      {.name = {}, .after = 60s, .answered = true, .carried_out = false}};
  auto call = stage.establish(kAlice, kLamp, with_attempts(4s, 1));
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "NotFound not-seen");
  stage.run_for(10s);
  EXPECT_EQ(stage.count("StopDiscovery"), 1U);
}

TEST(Discovering, AStopThatIsRefusedIsTriedAgain) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  // While BlueZ works on something of ours.
  stage.bluetoothd.faults["StopDiscovery"].assign(
      2, {.name = "org.bluez.Error.InProgress", .text = "Operation already in progress"});
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.run_for(5s);
  EXPECT_EQ(stage.bluetoothd.discoveries(Program::ours), 0U);
}

TEST(Discovering, AStopThatIsNotAnsweredIsTriedAgain) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.faults["StopDiscovery"] = {{.answered = false}};
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.run_for(20s);
  EXPECT_EQ(stage.bluetoothd.discoveries(Program::ours), 0U);
}

// BlueZ 5.66 on a kernel that is busy with a dial: the session is forgotten, and the adapter scans on.
TEST(Discovering, AStopThatIsRefusedLeavesNoScanForNobody) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.faults["StopDiscovery"] = {
      {.name = "org.bluez.Error.InProgress", .text = "Operation already in progress", .orphans = true}};
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  EXPECT_EQ(stage.bluetoothd.scans_for_nobody(), 1U);
  stage.run_for(5s);
  EXPECT_EQ(stage.bluetoothd.scans_for_nobody(), 0U);
  EXPECT_EQ(stage.bluetoothd.discoveries(Program::ours), 0U);
}

// bluetoothd was stopped meanwhile: the next answer says that no discovery was started.
TEST(Discovering, AStopWhoseRefusalComesTooLateLeavesNoScanForNobody) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.faults["StopDiscovery"] = {{.answered = false, .orphans = true}};
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  EXPECT_EQ(stage.bluetoothd.scans_for_nobody(), 1U);
  stage.run_for(10s);
  EXPECT_EQ(stage.bluetoothd.scans_for_nobody(), 0U);
  EXPECT_EQ(stage.bluetoothd.discoveries(Program::ours), 0U);
}

// The dial that it was stopped for goes on, and the adapter goes.
TEST(Discovering, AStopWhoseAnswerIsLostEndsWithItsAdapter) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.peer(kLamp).link_time = 15s;
  stage.bluetoothd.faults["StopDiscovery"] = {{.answered = false, .orphans = true}};
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(8s);
  EXPECT_EQ(stage.stage(kLamp), "connecting");
  EXPECT_EQ(stage.count("StopDiscovery"), 2U);
  stage.bluetoothd.unplug(kFirst);
  stage.run_for(2s);
  stage.bluetoothd.plug(kFirst);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
  EXPECT_EQ(stage.bluetoothd.scans_for_nobody(), 0U);
}

// Refused, then not answered, then nothing to stop: as if the session that was started anew had ended by
// itself.
TEST(Discovering, AStopThatIsRefusedThenLostIsTriedUntilItIsDone) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.faults["StopDiscovery"] = {
      {.name = "org.bluez.Error.InProgress", .text = "Operation already in progress", .orphans = true},
      {.answered = false},
      {.name = "org.bluez.Error.Failed", .text = "No discovery started"}};
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.run_for(30s);
  EXPECT_EQ(stage.bluetoothd.scans_for_nobody(), 0U);
  EXPECT_EQ(stage.bluetoothd.discoveries(Program::ours), 0U);
}

TEST(Discovering, AnAdapterThatComesUpMeanwhileListensToo) {
  Stage stage;
  stage.bluetoothd.hears(kSecond, kLamp);
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(5s);
  stage.bluetoothd.plug(kSecond);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci1");
  EXPECT_THAT(stage.effects("attempt"), IsEmpty());
}

TEST(Discovering, SlowerAdaptersAreWaitedForAMoment) {
  Stage stage;
  stage.add_second_adapter();
  stage.bluetoothd.hears(kFirst, kLamp, -80);
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(400ms);
  stage.bluetoothd.hears(kSecond, kLamp, -50);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0") << "300 ms after the first report it is decided";
}

TEST(Discovering, OfAnotherProgramIsLeftAlone) {
  Stage stage;
  stage.bluetoothd.foreign_discovery(kFirst, true);
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.run_for(1s);
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.run_until_answered(stage.release(kAlice, kLamp));
  EXPECT_EQ(stage.bluetoothd.discoveries(Program::foreign), 1U);
  EXPECT_EQ(stage.count("StartDiscovery"), 0U) << "the object is there already";
}

// --- look-ups ---

TEST(LookUp, ThatIsNotAnsweredIsAConnectErrorAfterTenSeconds) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.faults["GetAll"] = {{.answered = false}};
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  EXPECT_THAT(stage.effects("attempt"), ElementsAre("10.0 attempt 1: bluez-error 1/4 again in 0.250"));
}

TEST(LookUp, OfTheServicesThatFailsDropsTheLink) {
  Known stage;
  const Fault unknown{.name = kFailed, .text = "what is this"};
  stage.bluetoothd.faults["Introspect"] = {unknown};
  stage.bluetoothd.faults["GetManagedObjects"] = {unknown};
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  EXPECT_THAT(stage.effects("attempt"), ElementsAre(HasSubstr("attempt 1: bluez-error 1/4")));
}

}  // namespace
}  // namespace bleconnd::simulation
