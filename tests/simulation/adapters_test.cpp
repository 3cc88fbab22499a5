// Several adapters, and adapters that lose their power, go, come back under another index: in every phase.
#include "stage.hpp"

namespace bleconnd::simulation {
namespace {

struct Two : Stage {
  Two() { add_second_adapter(); }
};

TEST(Adapters, TheOneThatHearsTheDeviceDials) {
  Two stage;
  stage.bluetoothd.hears(kSecond, kLamp);
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci1");
}

TEST(Adapters, FiveDecibelsAreNeededToSwitch) {
  for (auto [second, chosen] : {std::pair{-66, "ok hci0"}, {-65, "ok hci1"}}) {
    Two stage;
    stage.bluetoothd.hears(kFirst, kLamp, -70);
    stage.bluetoothd.hears(kSecond, kLamp, static_cast<std::int16_t>(second));
    EXPECT_EQ(stage.connect(kAlice, kLamp), chosen) << second;
  }
}

TEST(Adapters, ATieGoesToTheLastSuccessfulOne) {
  Two stage;
  stage.bluetoothd.hears(kSecond, kLamp);
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci1");
  stage.run_until_answered(stage.release(kAlice, kLamp));
  stage.run_for(60s);  // the object is forgotten
  stage.bluetoothd.hears(kFirst, kLamp);
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci1");
}

TEST(Adapters, ADeadOneIsLeftForAHealthyOne) {
  Two stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.hears(kSecond, kLamp);
  stage.bluetoothd.faults["Connect"].assign(1, {.answered = false});
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(5s)), "ok hci1") << "a failure costs 5 dB";
  EXPECT_EQ(stage.effects("attempt").size(), 1U);
}

TEST(Adapters, AfterADialTimeoutTheDeviceIsListenedForEverywhere) {
  Two stage;
  stage.keep_object(kLamp);  // known to the first, heard by the second
  stage.bluetoothd.hears(kSecond, kLamp);
  auto call = stage.establish(kAlice, kLamp, with_attempts(5s));
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci1");
  EXPECT_THAT(stage.effects("attempt"), ElementsAre("5.0 attempt 1: not-seen 1/4 again in 0.000"));
  EXPECT_LT(stage.seconds(call), 7.5);
}

TEST(Adapters, OneThatFailedIsAskedAfterTheOthersWereListenedTo) {
  Two stage;
  stage.keep_object(kLamp);
  stage.bluetoothd.hears(kSecond, kLamp);
  stage.bluetoothd.faults["Connect"] = {
      {.name = "org.bluez.Error.Failed", .text = "le-connection-abort-by-local"}};
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci1");
}

TEST(Adapters, OneThatFailedIsTriedAgainWhereNoOtherHearsTheDevice) {
  Two stage;
  stage.keep_object(kLamp);
  stage.bluetoothd.faults["Connect"].assign(
      2, {.name = "org.bluez.Error.Failed", .text = "le-connection-abort-by-local"});
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(12s);
  EXPECT_EQ(stage.count("Connect"), 3U);
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
}

TEST(Adapters, ThePinnedOneDials) {
  for (auto& pin : {std::string{"hci1"}, kSecond}) {
    Two stage;
    stage.bluetoothd.hears(kFirst, kLamp, -30);
    stage.bluetoothd.hears(kSecond, kLamp, -90);
    EXPECT_EQ(stage.connect(kAlice, kLamp, on_adapter(pin)), "ok hci1");
    EXPECT_THAT(stage.effects("hci0"), IsEmpty()) << "the other one does not even discover";
  }
}

TEST(Adapters, APinnedOneThatIsNotThereIsWaitedFor) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.hears(kSecond, kLamp);
  EXPECT_EQ(stage.connect(kAlice, kLamp, on_adapter("hci1")), "NotReady adapter-off");
  auto call = stage.establish(kAlice, kLamp, on_adapter("hci1"));
  stage.run_for(3s);
  stage.bluetoothd.plug(kSecond);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci1");
}

TEST(Adapters, TheOneThatHoldsTheBondDials) {
  Two stage;
  stage.bluetoothd.hears(kFirst, kLamp, -30);
  stage.bluetoothd.hears(kSecond, kLamp, -90);
  stage.bluetoothd.foreign_discovery(kFirst, true);
  stage.keep_object(kLamp, kSecond);
  stage.bluetoothd.bond(stage.lamp_at(kSecond));
  stage.run_for(1s);
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci1");
}

TEST(Adapters, AConnectedOneIsAdoptedBeforeAnyOther) {
  Two stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.hears(kSecond, kLamp);
  stage.keep_object(kLamp, kFirst);
  stage.keep_object(kLamp, kSecond);
  stage.bluetoothd.foreign_connect(stage.lamp_at(kSecond));
  stage.run_for(2s);
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci1 shared");
  EXPECT_EQ(stage.count("Connect"), 0U);
}

TEST(Adapters, IndexTenAndBeyond) {
  Stage stage;
  for (int i = 10; i < 21; ++i) stage.bluetoothd.plug("00:00:00:00:01:" + std::to_string(i));
  stage.run_for(1s);
  stage.bluetoothd.hears("00:00:00:00:01:19", kLamp);  // the eleventh
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci10");
}

// --- paths ---

// The kernel gives the lowest free index: a path is the next adapter's when the one that had it is unplugged.
TEST(Paths, OfAnAdapterThatWentIsNotDiscoveredOn) {
  Stage stage;
  stage.add_second_adapter();
  stage.settings.adapters[kSecond].ignore = true;
  stage.configure();
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.faults["Set"] = {{.answered = false}};
  EstablishOptions trusting;
  trusting.terms.trust = true;
  auto call = stage.establish(kAlice, kLamp, trusting);
  stage.run_for(1s);
  ASSERT_THAT(stage.effects("Trust"), ElementsAre(HasSubstr("Trust hci0/01")))
      << "heard, and not dialled yet";
  stage.begin();
  stage.bluetoothd.unplug(kFirst);
  stage.bluetoothd.unplug(kSecond);
  stage.bluetoothd.plug(kSecond);
  ASSERT_EQ(stage.bluetoothd.controller(kSecond).path, "/org/bluez/hci0");
  stage.bluetoothd.plug(kFirst);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci1");
  EXPECT_THAT(stage.effects("Discovery hci0"), IsEmpty());
}

TEST(Paths, AnObjectWhosePathHoldsAnotherAddressIsFoundByItsProperty) {
  Stage stage;
  stage.bluetoothd.make_object(kFirst, kLamp, "72:00:00:00:00:07");
  stage.bluetoothd.hears(kFirst, kLamp);
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  EXPECT_THAT(stage.effects(), ElementsAre("0.0 Connect hci0/07"));
}

TEST(Paths, ItIsHeardUnderItsPathToo) {
  Stage stage;
  stage.bluetoothd.make_object(kFirst, kLamp, "72:00:00:00:00:07");
  auto call = stage.establish(kAlice, kLamp, with_attempts(5s));
  stage.run_for(7s);
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
  EXPECT_THAT(stage.effects("onnect"),
              ElementsAre("0.0 Connect hci0/07", "5.0 Disconnect hci0/07", "7.2 Connect hci0/07"));
}

TEST(Paths, TheRouteOfTheLastLinkNeedsNoLookUp) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.connect(kAlice, kLamp);
  stage.run_until_answered(stage.release(kAlice, kLamp));
  stage.run_for(1s);
  stage.begin();
  auto call = stage.establish(kAlice, kLamp);
  stage.world.run_until([&] { return stage.count("Connect") > 0; }, 1s);
  EXPECT_EQ(stage.world.now() - call->asked, 0s);
  EXPECT_EQ(stage.count("GetManagedObjects"), 0U);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0 unverified");
}

TEST(Paths, AKnownRouteThatIsGoneIsLookedForAnew) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.connect(kAlice, kLamp);
  stage.run_until_answered(stage.release(kAlice, kLamp));
  stage.run_for(60s);
  EXPECT_EQ(stage.bluetoothd.object(stage.lamp_at()), nullptr);
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  EXPECT_THAT(stage.effects("attempt"), IsEmpty());
}

// --- power and plugs, phase by phase ---

// Where an attempt stands when something happens.
struct Phase {
  const char* name;
  Duration after;  // since the call; the lamp is heard from 2 s on
  const char* stage;
};
constexpr Phase kPhases[] = {{"look up", 1ms, "queued"},           {"discovering", 1s, "discovering"},
                             {"connecting", 2210ms, "connecting"}, {"linked", 2620ms, "connecting"},
                             {"resolving", 2800ms, "resolving"},   {"connected", 5s, "connected"},
                             {"backing off", 5s, "backing-off"}};
std::ostream& operator<<(std::ostream& out, const Phase& phase) {
  return out << phase.name;
}

struct Phased : Stage {
  explicit Phased(const Phase& phase, Setting setting = {}) : Stage{setting} {
    auto& peer = bluetoothd.peer(kLamp);
    peer.link_time = 200ms;
    const bool fails = std::string{phase.stage} == "backing-off";
    if (fails) keep_object(kLamp);
    if (fails)
      bluetoothd.faults["Connect"] = {{.name = "org.bluez.Error.Failed",
                                       .text = "le-connection-concurrent-connection-limit",
                                       .after = 2500ms}};
    call = establish(kAlice, kLamp);
    run_for(phase.after < 2s ? phase.after : Duration{2s});
    bluetoothd.hears(kFirst, kLamp);
    if (phase.after > 2s) run_for(phase.after - 2s);
    EXPECT_EQ(stage(kLamp), phase.stage) << ::testing::PrintToString(effects());
  }
  // Whatever happened: an answer, and a link, of this call or of the next one.
  void recovers() {
    bluetoothd.hears(kFirst, kLamp);
    run_until_answered(call);
    EXPECT_EQ(call->text().substr(0, 2), "ok") << call->message();
    run_for(10s);
    if (stage(kLamp) == "connected") return;
    EXPECT_EQ(connect(kAlice, kLamp).substr(0, 2), "ok");
  }
  CallHandle call;
};

class InPhase : public ::testing::TestWithParam<Phase> {};
INSTANTIATE_TEST_SUITE_P(Adapters, InPhase, ::testing::ValuesIn(kPhases));

TEST_P(InPhase, PowerOffAndOn) {
  for (bool success : {true, false}) {
    Phased stage{GetParam(), {.habits = {.success_when_power_goes = success}}};
    stage.bluetoothd.power(kFirst, false);
    stage.run_for(3s);
    EXPECT_NE(stage.stage(kLamp), "connecting");
    EXPECT_NE(stage.stage(kLamp), "discovering");
    const auto counted = stage.effects("attempt").size();
    stage.run_for(5s);
    EXPECT_EQ(stage.effects("attempt").size(), counted) << "an adapter that is off is waited for";
    stage.bluetoothd.power(kFirst, true);
    stage.recovers();
  }
}

TEST_P(InPhase, PowerOffAndOnWithinOneMillisecond) {
  Phased stage{GetParam()};
  stage.bluetoothd.power(kFirst, false);
  stage.bluetoothd.power(kFirst, true);
  stage.recovers();
}

TEST_P(InPhase, Unplug) {
  Phased stage{GetParam()};
  stage.bluetoothd.unplug(kFirst);
  stage.run_for(5s);
  stage.bluetoothd.plug(kFirst);
  stage.recovers();
}

TEST_P(InPhase, UnplugAndPlugUnderAnotherIndex) {
  Phased stage{GetParam()};
  stage.bluetoothd.unplug(kFirst);
  stage.bluetoothd.plug(kSecond);
  stage.run_for(1s);
  stage.bluetoothd.plug(kFirst);
  stage.run_for(1s);
  EXPECT_EQ(stage.bluetoothd.controller(kFirst).path, "/org/bluez/hci1");
  stage.recovers();
  if (std::string{GetParam().stage} != "connected") {
    EXPECT_THAT(stage.call->text(), HasSubstr("hci1"));
  }
}

TEST_P(InPhase, TwoAdaptersSwapTheirIndex) {
  Phased stage{GetParam()};
  stage.bluetoothd.plug(kSecond);
  stage.run_for(10ms);
  stage.bluetoothd.unplug(kFirst);
  stage.bluetoothd.unplug(kSecond);
  stage.bluetoothd.plug(kSecond);
  stage.bluetoothd.plug(kFirst);
  stage.recovers();
}

TEST_P(InPhase, UnplugWhileAnotherAdapterHearsTheDevice) {
  Phased stage{GetParam()};
  stage.bluetoothd.plug(kSecond);
  stage.bluetoothd.hears(kSecond, kLamp);
  stage.run_for(10ms);
  stage.bluetoothd.unplug(kFirst);
  stage.run_until_answered(stage.call, 20s);
  stage.run_for(3s);
  if (stage.stage(kLamp).empty()) {
    EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci1");
  }
  EXPECT_EQ(stage.stage(kLamp), "connected");
}

TEST_P(InPhase, BluetoothdIsKilled) {
  Phased stage{GetParam()};
  stage.bluetoothd.kill();
  stage.run_for(5s);
  EXPECT_TRUE(stage.stage(kLamp) == "queued" || stage.stage(kLamp).empty()) << stage.stage(kLamp);
  EXPECT_EQ(stage.effects("attempt").size(), std::string{GetParam().stage} == "backing-off" ? 1U : 0U);
  stage.bluetoothd.start();
  stage.recovers();
}

TEST_P(InPhase, BluetoothdIsRestartedByTerm) {
  Phased stage{GetParam()};
  stage.bluetoothd.terminate();
  stage.bluetoothd.start();
  stage.recovers();
}

TEST_P(InPhase, BluetoothdIsRestartedByKill) {
  Phased stage{GetParam()};
  stage.bluetoothd.kill();
  stage.bluetoothd.start();
  stage.recovers();
}

TEST_P(InPhase, TheCallerLeavesAndItsLeaseLingers) {
  Phased stage{GetParam()};
  stage.leave(kAlice);
  stage.run_for(20s);
  EXPECT_EQ(stage.stage(kLamp), "connected") << "the attempt goes on";
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0 shared");
  stage.run_for(60s);
  EXPECT_EQ(stage.stage(kLamp), "connected") << "the new call took the lease over";
}

TEST_P(InPhase, TheCallerLeavesForGood) {
  Phased stage{GetParam()};
  stage.leave(kAlice);
  stage.run_for(40s);
  EXPECT_EQ(stage.stage(kLamp), "");
  EXPECT_EQ(stage.bluetoothd.links(Program::ours) + stage.bluetoothd.dials(Program::ours), 0U);
}

TEST_P(InPhase, TheCallerLeavesWithoutLinger) {
  Phased stage{GetParam()};
  stage.set_linger(0s);
  stage.leave(kAlice);
  stage.run_for(5s);
  EXPECT_EQ(stage.stage(kLamp), "");
  EXPECT_EQ(stage.bluetoothd.links(Program::ours) + stage.bluetoothd.dials(Program::ours), 0U);
}

TEST_P(InPhase, TheCallerReleases) {
  Phased stage{GetParam()};
  const bool waits = stage.call->answers == 0;
  auto released = stage.release(kAlice, kLamp);
  stage.run_until_answered(released);
  EXPECT_EQ(released->text, "0");
  EXPECT_EQ(stage.bluetoothd.links(Program::ours) + stage.bluetoothd.dials(Program::ours), 0U)
      << "the answer comes when it is down";
  if (waits) {
    EXPECT_EQ(stage.call->text(), "Cancelled cancelled");
  }
  stage.run_for(1s);
  EXPECT_EQ(stage.stage(kLamp), "");
}

TEST_P(InPhase, RootDisconnects) {
  Phased stage{GetParam()};
  const bool waits = stage.call->answers == 0;
  auto ended = stage.disconnect(kLamp);
  stage.run_until_answered(ended);
  EXPECT_EQ(ended->text, "ok");
  EXPECT_EQ(stage.bluetoothd.links(Program::ours) + stage.bluetoothd.dials(Program::ours), 0U);
  if (waits) {
    EXPECT_EQ(stage.call->text(), "Cancelled cancelled");
  }
}

TEST_P(InPhase, TheDeviceIsRemoved) {
  Phased stage{GetParam()};
  stage.bluetoothd.foreign_remove(stage.lamp_at());
  stage.recovers();
}

TEST_P(InPhase, TheDaemonIsStopped) {
  Phased stage{GetParam()};
  stage.ends_idle = false;
  const bool connected = std::string{GetParam().stage} == "connected";
  stage.stop_daemon();
  EXPECT_EQ(stage.bluetoothd.dials(Program::ours), 0U);
  EXPECT_EQ(stage.bluetoothd.discoveries(Program::ours), 0U);
  EXPECT_EQ(stage.daemon().connections.sessions().size(), 0U);
  EXPECT_EQ(stage.bluetoothd.links(Program::ours), connected ? 1U : 0U) << "leased links stay up";
  if (!connected) {
    EXPECT_EQ(stage.call->text(), "Cancelled stopping");
  }
  EXPECT_EQ(stage.daemon().bluez.watches() + stage.daemon().bluez.ears() + stage.daemon().bluez.calls(), 0U);
  EXPECT_EQ(stage.connect(kBob, kLamp), "Cancelled stopping") << "no new work";
}

TEST_P(InPhase, TheDaemonIsStoppedAfterTheCallerLeft) {
  Phased stage{GetParam()};
  stage.ends_idle = false;
  stage.leave(kAlice);
  stage.stop_daemon();
  EXPECT_EQ(stage.bluetoothd.dials(Program::ours) + stage.bluetoothd.links(Program::ours), 0U)
      << "what only lingers is dropped";
}

TEST_P(InPhase, TheDaemonCrashesAndComesBack) {
  Phased stage{GetParam()};
  stage.crash_daemon();
  stage.run_for(500ms);
  stage.start_daemon();
  stage.run_for(100ms);
  EXPECT_THAT(stage.connect(kBob, kLamp), HasSubstr("ok hci0"));
  stage.run_until_answered(stage.release(kBob, kLamp));
  stage.run_until_answered(stage.release(kAlice, kLamp));  // hers was restored if she had her link
  stage.run_for(1s);
  EXPECT_EQ(stage.bluetoothd.links(Program::ours), 0U) << "what it left is ours to end";
}

}  // namespace
}  // namespace bleconnd::simulation
