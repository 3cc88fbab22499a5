// The end of a link: phantoms and what BlueZ says of them, Disconnects in vain, what a former life left.
#include "stage.hpp"

namespace bleconnd::simulation {
namespace {

const Fault kNoAnswer{.answered = false};
const Fault kInVain{};  // answered, and nothing done

struct Lit : Stage {
  Lit() {
    bluetoothd.hears(kFirst, kLamp);
    keep_object(kLamp);
  }
  // A device that is not there is dialled when the daemon crashes, and its caller leaves.
  void leaves_a_dial_behind() {
    bluetoothd.hears_no_more(kFirst, kLamp);
    establish(kAlice, kLamp);
    run_for(1s);
    crash_daemon();
    leave(kAlice);
  }
};

TEST(Phantom, IsForgottenOnlyIfTheLookShowsItAgain) {
  struct {
    const char* what;
    std::function<void(Lit&)> at_the_look;
    bool is_told;
  } const rows[] = {
      {"its object has gone",
       [](Lit& stage) {
         stage.bluetoothd.faults["GetAll"] = {
             {.name = "org.freedesktop.DBus.Error.UnknownObject", .text = "Method \"GetAll\" doesn't exist"}};
       },
       false},
      {"it is down", [](Lit& stage) { stage.bluetoothd.drop_link(kLamp); }, false},
      {"BlueZ does not say",
       [](Lit& stage) {
         stage.bluetoothd.faults["GetAll"] = {{.name = "org.bluez.Error.Failed", .text = "what is this"}};
       },
       true},
  };
  for (auto& row : rows) {
    Lit stage;
    EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
    stage.bluetoothd.faults["Disconnect"] = {kInVain};
    stage.at_call("GetAll", [&] { row.at_the_look(stage); });
    auto released = stage.release(kAlice, kLamp);
    stage.run_until_answered(released);
    EXPECT_EQ(released->text, "0") << row.what;
    EXPECT_EQ(stage.count("RemoveDevice"), 0U) << row.what;
    EXPECT_EQ(stage.effects("phantom").size(), row.is_told ? 1U : 0U) << row.what;
    stage.bluetoothd.faults["GetAll"].clear();
    stage.bluetoothd.drop_link(kLamp);
  }
}

TEST(Phantom, OfABondedDeviceThatTheLastAttemptLeftIsTold) {
  Lit stage;
  stage.bluetoothd.bond(stage.lamp_at());
  stage.bluetoothd.peer(kLamp).first = {{.mute = true}};
  stage.bluetoothd.faults["Disconnect"] = {kInVain};
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(5s, 1)), "ConnectionFailed services-incomplete");
  stage.run_for(10s);
  EXPECT_THAT(stage.effects("phantom"), ElementsAre(HasSubstr("hci0/01")));
  EXPECT_EQ(stage.count("RemoveDevice"), 0U);
  stage.bluetoothd.drop_link(kLamp);
}

TEST(SilentLink, OfAnAttemptIsReportedToo) {
  Lit stage;
  stage.bluetoothd.peer(kLamp).first = {{.mute = true}};
  stage.bluetoothd.faults["Disconnect"] = {kNoAnswer, kNoAnswer};
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(5s, 1)), "ConnectionFailed services-incomplete");
  EXPECT_THAT(stage.effects("silent"), ElementsAre(HasSubstr("hci0/01")));
  EXPECT_EQ(stage.count("RemoveDevice"), 0U);
  stage.bluetoothd.drop_link(kLamp);
}

// Two Disconnects, the wait for the link, a look and RemoveDevice, all as slow as they may be.
TEST(Release, IsAnsweredAfterTwentySecondsThoughTheLinkStays) {
  Lit stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.bluetoothd.faults["Disconnect"] = {kNoAnswer, {.after = 4900ms}};
  stage.bluetoothd.faults["RemoveDevice"] = {kNoAnswer};
  stage.at_call("GetAll", [&] { stage.daemon().bluez.stall(4900ms); });
  auto released = stage.release(kAlice, kLamp);
  stage.run_until_answered(released);
  EXPECT_EQ(*released->answered - released->asked, 20s);
  stage.run_for(10s);
  EXPECT_EQ(stage.effects("phantom").size(), 1U);
  stage.bluetoothd.drop_link(kLamp);
}

TEST(Release, OfADaemonThatEndsIsAnsweredWithinItsPatience) {
  Lit stage;
  stage.ends_idle = false;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.bluetoothd.faults["Disconnect"] = {kNoAnswer, kNoAnswer};
  stage.release(kAlice, kLamp);
  const auto began = stage.world.now();
  stage.stop_daemon(3s);
  EXPECT_EQ(stage.world.now() - began, 3s);
  EXPECT_THAT(stage.dials.paths(), ElementsAre(stage.lamp_at())) << "the next life ends it";
}

// --- a dial that a former life left behind, and that the next one cannot end at once ---

TEST(FormerLife, ADialThatCannotBeEndedIsTriedAgainWhenASessionHasEnded) {
  for (const bool without_rules : {true, false}) {
    Lit stage;
    stage.leaves_a_dial_behind();
    stage.start_daemon();
    stage.daemon().bluez.rules_are_used_up = without_rules;
    if (!without_rules) stage.bluetoothd.faults["Disconnect"] = {kNoAnswer, kNoAnswer};
    stage.run_for(20s);
    EXPECT_EQ(stage.bluetoothd.dials(Program::ours), 1U);
    EXPECT_EQ(stage.dials.left_behind().size(), 1U);
    stage.daemon().bluez.rules_are_used_up = false;
    stage.bluetoothd.hears(kFirst, kLock);
    EXPECT_EQ(stage.connect(kBob, kLock), "ok hci0");
    stage.run_until_answered(stage.release(kBob, kLock));
    stage.run_for(5s);
    EXPECT_EQ(stage.bluetoothd.dials(Program::ours), 0U) << without_rules;
    EXPECT_EQ(stage.dials.left_behind().size(), 0U);
  }
}

TEST(FormerLife, ItsDialOfAnObjectWithoutAnAddressIsEnded) {
  Lit stage;
  stage.leaves_a_dial_behind();
  stage.bluetoothd.object(stage.lamp_at())->told_address = "not an address";
  stage.start_daemon();
  stage.run_for(5s);
  EXPECT_EQ(stage.bluetoothd.dials(Program::ours), 0U);
}

}  // namespace
}  // namespace bleconnd::simulation
