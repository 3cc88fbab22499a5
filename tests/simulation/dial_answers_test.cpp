// What comes between Connect and its end: an answer that only half is true, a look that fails, an adapter, an
// object or a caller that goes in between.
#include "stage.hpp"

namespace bleconnd::simulation {
namespace {

constexpr const char* kFailed = "org.bluez.Error.Failed";
const Fault kNoAnswer{.answered = false};
const Fault kUnknown{.name = kFailed, .text = "what is this"};
const Fault kProfile{.name = "org.bluez.Error.NotAvailable", .text = "br-connection-profile-unavailable"};

struct Known : Stage {  // an object, and the lamp is heard
  explicit Known(Setting setting = {}) : Stage{setting} {
    bluetoothd.hears(kFirst, kLamp);
    keep_object(kLamp);
  }
  ~Known() {
    for (auto& left : to_come_) EXPECT_LE(*left, 0) << "calls that did not come";
  }
  // Happens when the nth of these calls from now on is on its way to BlueZ.
  void at_call(const std::string& which, int nth, std::function<void()> happens) {
    at_calls({which}, nth, std::move(happens));
  }
  // The nth look at the device: at all that it has, or at its link alone.
  void at_look(int nth, std::function<void()> happens) {
    at_calls({"GetAll", "Get"}, nth, std::move(happens));
  }
  // What waited for the adapter goes on, and no attempt was counted.
  void connects_when_powered_again(const CallHandle& call) {
    bluetoothd.power(kFirst, true);
    run_until_answered(call);
    EXPECT_EQ(call->text(), "ok hci0");
    EXPECT_THAT(effects("attempt"), IsEmpty());
  }
  // The route is known, so that an attempt dials without a look-up; and another program has a link.
  void seen_before_and_linked_by_others() {
    EXPECT_EQ(connect(kAlice, kLamp), "ok hci0");
    run_until_answered(release(kAlice, kLamp));
    run_for(1s);
    bluetoothd.foreign_connect(lamp_at());
    run_for(2s);
    EXPECT_EQ(bluetoothd.links(Program::foreign), 1U);
    begin();
  }

 private:
  void at_calls(const std::vector<std::string>& any_of, int nth, std::function<void()> happens) {
    const auto& left = to_come_.emplace_back(std::make_shared<int>(nth));
    for (auto& which : any_of)
      Stage::at_call(which, [happens, left] {
        if (--*left == 0) happens();
      });
  }
  std::vector<std::shared_ptr<int>> to_come_;
};

// --- between the turn and the dial: Trust is on its way ---

EstablishOptions with_trust() {
  EstablishOptions options;
  options.terms.trust = true;
  return options;
}

TEST(Dial, OfAnAdapterThatLostItsPowerMeanwhileDoesNotBegin) {
  Known stage;
  stage.at_call("Trust", 1, [&] { stage.bluetoothd.power(kFirst, false); });
  auto call = stage.establish(kAlice, kLamp, with_trust());
  stage.run_for(5s);
  EXPECT_EQ(stage.count("Connect"), 0U);
  stage.connects_when_powered_again(call);
}

TEST(Dial, OfAHostThatIsAboutToSleepDoesNotBegin) {
  Known stage;
  stage.at_call("Trust", 1, [&] { stage.sleep(); });
  auto call = stage.establish(kAlice, kLamp, with_trust());
  stage.run_for(5s);
  EXPECT_EQ(stage.count("Connect"), 0U);
  stage.wake();
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
  EXPECT_THAT(stage.effects("attempt"), IsEmpty());
}

TEST(Dial, OfACallerThatGaveUpMeanwhileDoesNotBegin) {
  Known stage;
  stage.at_call("Trust", 1, [&] { stage.release(kAlice, kLamp); });
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_trust()), "Cancelled cancelled");
  stage.run_for(5s);
  EXPECT_EQ(stage.count("Connect"), 0U);
}

TEST(Pairing, OfAnAdapterThatLostItsPowerWhileTheBondWasLookedForIsWaitedFor) {
  Known stage;
  // Look-up, the look before Pair, the one beside it; then bonded, Pair fails, and it is looked again.
  stage.at_call("Pair", 1, [&] { stage.bluetoothd.bond(stage.lamp_at()); });
  stage.at_look(4, [&] { stage.bluetoothd.power(kFirst, false); });
  auto call = stage.establish(kAlice, kLamp, with_pairing());
  stage.run_for(5s);
  EXPECT_EQ(stage.count("Connect"), 0U);
  stage.connects_when_powered_again(call);
}

// --- success, and what the look behind it shows ---

struct Meanwhile {
  const char* what;
  std::function<void(Known&)> happens;
  std::string counted;  // the attempt, if it counts
};

TEST(Dial, ASuccessWithoutALinkIsWhatTheLookShows) {
  const Meanwhile rows[] = {
      {"the power went", [](Known& stage) { stage.bluetoothd.power(kFirst, false); }, ""},
      {"the object went", [](Known& stage) { stage.bluetoothd.foreign_remove(stage.lamp_at()); },
       "seen-no-answer"},
      {"nothing", [](Known&) {}, "link-lost"},
      {"the look is not answered", [](Known& stage) { stage.bluetoothd.faults["GetAll"] = {kNoAnswer}; },
       "bluez-error"},
  };
  for (auto& row : rows) {
    Known stage;
    stage.bluetoothd.faults["Connect"] = {{.after = 10ms}};
    stage.at_look(3, [&] { row.happens(stage); });
    auto call = stage.establish(kAlice, kLamp);
    stage.run_for(20s);
    stage.bluetoothd.power(kFirst, true);
    stage.run_until_answered(call);
    EXPECT_EQ(call->text(), "ok hci0") << row.what;
    if (row.counted.empty())
      EXPECT_THAT(stage.effects("attempt"), IsEmpty()) << row.what;
    else
      EXPECT_THAT(stage.effects("attempt"), ElementsAre(HasSubstr("attempt 1: " + row.counted))) << row.what;
  }
}

// Another program's link came and went before our Connect was answered.
TEST(Dial, ASuccessBehindALinkThatCameAndWentIsALostLink) {
  Known stage;
  stage.bluetoothd.faults["Connect"] = {{.after = 2s}};
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(100ms);
  stage.bluetoothd.foreign_connect(stage.lamp_at());
  stage.run_for(1s);
  ASSERT_EQ(stage.bluetoothd.links(Program::foreign), 1U);
  stage.bluetoothd.drop_link(kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
  EXPECT_THAT(stage.effects("attempt"), ElementsAre(HasSubstr("attempt 1: link-lost")));
}

TEST(Dial, OnALinkOfOthersThatEndsBeforeTheAnswerGetsOneOfItsOwn) {
  Known stage;
  stage.seen_before_and_linked_by_others();
  stage.bluetoothd.faults["Connect"] = {{.after = 300ms}};
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(100ms);
  stage.bluetoothd.drop_link(kLamp);
  stage.run_until_answered(call);
  EXPECT_THAT(call->text(), HasSubstr("ok hci0"));
  EXPECT_THAT(call->text(), Not(HasSubstr("shared")));
  EXPECT_EQ(stage.bluetoothd.links(Program::ours), 1U);
}

TEST(Dial, OnALinkOfOthersThatEndsBeforeTheDialIsLookedForOnceMore) {
  Known stage;
  stage.bluetoothd.foreign_connect(stage.lamp_at());
  stage.run_for(2s);
  stage.begin();
  // Look-up; then the one before its link is shared.
  stage.at_look(2, [&] { stage.bluetoothd.drop_link(kLamp); });
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  EXPECT_THAT(stage.effects("attempt"), IsEmpty());
  EXPECT_EQ(stage.count("Connect"), 1U);
  EXPECT_EQ(stage.bluetoothd.links(Program::ours), 1U);
}

// --- given up at once: one more look, behind which an answer would be known ---

TEST(Dial, WhoseObjectGoesDuringTheLastLookIsNotTakenBack) {
  Known stage;
  stage.bluetoothd.peer(kLamp).link_time = 10s;
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(300ms);
  ASSERT_EQ(stage.count("Connect"), 1U);
  stage.at_look(1, [&] { stage.bluetoothd.foreign_remove(stage.lamp_at()); });
  stage.run_until_answered(stage.release(kAlice, kLamp));
  EXPECT_EQ(call->text(), "Cancelled cancelled");
  stage.run_for(5s);
  EXPECT_EQ(stage.count("Disconnect"), 0U) << "there is nothing to take back";
  EXPECT_EQ(stage.bluetoothd.dials(Program::ours), 0U);
}

// --- a look that fails on a link of another program ---

TEST(Dial, AnErrorWhoseLookFailsEndsNoLinkOfOthers) {
  Known stage;
  stage.seen_before_and_linked_by_others();
  stage.bluetoothd.faults["Connect"] = {kProfile};
  stage.at_look(2, [&] { stage.bluetoothd.faults["GetAll"] = {kUnknown}; });
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(20s, 1)), "ConnectionFailed bluez-error");
  stage.run_for(5s);
  EXPECT_EQ(stage.count("Disconnect"), 0U);
  EXPECT_EQ(stage.bluetoothd.links(Program::foreign), 1U);
}

TEST(Pairing, WhoseLookFailsEndsNoLinkOfOthers) {
  Known stage;
  stage.bluetoothd.foreign_connect(stage.lamp_at());
  stage.run_for(2s);
  // Look-up, the link, the look before Pair, the one beside it; then the one behind its answer.
  stage.at_look(5, [&] { stage.bluetoothd.faults["GetAll"] = {kUnknown}; });
  auto options = with_pairing();
  options.terms.max_attempts = 1;
  EXPECT_EQ(stage.connect(kAlice, kLamp, options), "ok hci0 shared") << "it is bonded by then";
  EXPECT_EQ(stage.count("Pair"), 1U);
  EXPECT_EQ(stage.count("Disconnect"), 0U);
  EXPECT_EQ(stage.bluetoothd.links(Program::foreign), 1U);
}

// --- refusals ---

// BlueZ answers so a moment before it tells of the power.
TEST(Dial, NotPoweredIsBelievedWhenTheValueSaysSoToo) {
  Known stage;
  stage.bluetoothd.faults["Connect"] = {
      {.name = "org.bluez.Error.NotReady", .text = "Resource Not Ready", .after = 10ms}};
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(100ms);
  stage.bluetoothd.power(kFirst, false);
  stage.run_for(10s);
  EXPECT_EQ(stage.count("Connect"), 1U);
  stage.connects_when_powered_again(call);
}

// hci0 has a link and refuses at once; BlueZ's answer came before the object goes, which is waited for.
TEST(Dial, OfACallerThatGivesUpWhileTheObjectMayGoIsCancelled) {
  Known stage;
  stage.bluetoothd.hears(kFirst, kLock);
  EXPECT_EQ(stage.connect(kBob, kLock), "ok hci0");
  stage.bluetoothd.faults["Connect"] = {
      {.name = kFailed, .text = "le-connection-abort-by-local", .after = 10ms}};
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(100ms);
  EXPECT_EQ(call->text(), "-");
  stage.run_until_answered(stage.release(kAlice, kLamp), 50ms);
  EXPECT_EQ(call->text(), "Cancelled cancelled");
  EXPECT_EQ(stage.count("Connect"), 2U);
}

// It is heard and not dialled for 5 s; Disconnect takes longer than the attempt.
TEST(Dial, ThatBluetoothdForgotIsNotAskedForAnewWhenTheAttemptIsOver) {
  Known stage;
  stage.bluetoothd.foreign_discovery(kFirst, true);
  stage.bluetoothd.faults["Connect"] = {{.answered = false, .dials = true}};
  stage.bluetoothd.faults["Disconnect"] = {kNoAnswer};
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(6s, 1)), "NotFound seen-no-answer");
  EXPECT_EQ(stage.count("Connect"), 1U);
  EXPECT_EQ(stage.bluetoothd.dials(Program::ours), 0U);
}

// --- between the link and the answer ---

TEST(Resolve, IsCancelledDuringItsLastLook) {
  Known stage;
  stage.bluetoothd.peer(kLamp).manner.unresolved = true;
  auto call = stage.establish(kAlice, kLamp, with_attempts(5s));
  stage.world.run_until([&] { return stage.stage(kLamp) == "resolving"; }, 5s);
  stage.run_for(4900ms);
  stage.bluetoothd.faults["GetAll"] = {kNoAnswer};
  stage.run_for(1s);
  auto released = stage.release(kAlice, kLamp);
  stage.run_until_answered(released);
  EXPECT_EQ(call->text(), "Cancelled cancelled");
  EXPECT_EQ(stage.bluetoothd.links(Program::ours), 0U);
  EXPECT_LT(*released->answered - released->asked, 3s);
}

TEST(Resolve, DuringWhichTheAdapterLosesItsPowerIsNoAttempt) {
  Known stage;
  stage.keep_object(kLock);
  stage.at_call("GetManagedObjects", 1, [&] {
    stage.daemon().bluez.stall(3s);
    stage.bluetoothd.power(kFirst, false);
  });
  stage.bluetoothd.habits.tells_objects_late = true;  // so that they are read
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(5s);
  EXPECT_EQ(stage.count("GetManagedObjects"), 1U);
  stage.connects_when_powered_again(call);
}

// BlueZ tells the values of both links in one signal, while their objects are read.
TEST(Resolve, OfALinkThatIsAnotherOneByThenIsLost) {
  Known stage;
  stage.bluetoothd.habits.tells_objects_late = true;
  stage.at_call("GetManagedObjects", 1, [&] {
    stage.daemon().bluez.stall(3s);
    stage.bluetoothd.hold_properties(1s);
    stage.bluetoothd.drop_link(kLamp);
    stage.bluetoothd.foreign_connect(stage.lamp_at());
  });
  auto call = stage.establish(kAlice, kLamp);
  stage.run_until_answered(call);
  EXPECT_THAT(stage.effects("attempt"), ElementsAre(HasSubstr("attempt 1: link-lost")));
  EXPECT_EQ(call->text(), "ok hci0 shared");
}

// A characteristic that is there without its service.
TEST(Resolve, WithoutAServiceIsIncomplete) {
  Known stage;
  stage.bluetoothd.peer(kLamp).first = {{.unresolved = true}};
  auto call = stage.establish(kAlice, kLamp, with_attempts(5s));
  stage.world.run_until([&] { return stage.stage(kLamp) == "resolving"; }, 5s);
  stage.run_for(1s);
  auto& lamp = *stage.bluetoothd.object(stage.lamp_at());
  lamp.gatt[lamp.path + "/service0010/char0011"] = {"org.bluez.GattCharacteristic1", {}};
  lamp.resolved = true;  // not signalled: the look at the end of the attempt shows it
  stage.run_until_answered(call);
  EXPECT_THAT(stage.effects("attempt"), ElementsAre(HasSubstr("attempt 1: services-incomplete")));
  EXPECT_EQ(call->text(), "ok hci0");
}

}  // namespace
}  // namespace bleconnd::simulation
