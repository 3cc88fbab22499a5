// Other programs on the same bluetoothd: their dials and links are theirs. What a former life of the daemon
// left behind is ours.
#include "stage.hpp"

namespace bleconnd::simulation {
namespace {

struct Neighbour : Stage {
  Neighbour() {
    bluetoothd.hears(kFirst, kLamp);
    keep_object(kLamp);
  }
  void foreign_link() {
    bluetoothd.foreign_connect(lamp_at());
    run_for(2s);
    ASSERT_EQ(bluetoothd.links(Program::foreign), 1U);
    begin();
  }
  // We have had a link there ourselves.
  void foreign_link_on_a_known_route() {
    EXPECT_EQ(connect(kAlice, kLamp), "ok hci0");
    run_until_answered(release(kAlice, kLamp));
    run_for(1s);
    foreign_link();
  }
  void daemon_and_caller_are_killed() {
    run_for(1s);
    crash_daemon();
    leave(kAlice);
    run_for(1s);
  }
  bool foreign_link_is_up() { return bluetoothd.links(Program::foreign) == 1; }
};

TEST(ForeignLink, IsAdoptedWhenItsServicesAreThere) {
  Neighbour stage;
  stage.foreign_link();
  auto call = stage.establish(kAlice, kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0 shared");
  EXPECT_THAT(stage.effects(), IsEmpty()) << "nothing is asked of BlueZ but look-ups";
}

// What is kept current of a device that was used would say that there is no link.
TEST(ForeignLink, WhoseSignalIsMissingIsNotTakenForOurs) {
  Neighbour stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.run_until_answered(stage.release(kAlice, kLamp));
  stage.run_for(5s);
  stage.bluetoothd.peer(kLamp).discovery_time = 10s;  // nor of its services yet
  stage.bluetoothd.peer(kLamp).first = {Manner{.silent = true}};
  stage.foreign_link();
  auto call = stage.establish(kAlice, kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(stage.count("Get"), 1U) << "else it was not current";
  EXPECT_EQ(call->text(), "ok hci0 unverified shared");
  stage.run_until_answered(stage.release(kAlice, kLamp));
  stage.run_for(5s);
  EXPECT_EQ(stage.count("Disconnect"), 0U);
  EXPECT_TRUE(stage.foreign_link_is_up());
}

// It comes up while we wait behind its dial, on a known route, and only its services are told.
TEST(ForeignLink, WhoseServicesWereToldBeforeItselfIsAdoptedAtOnce) {
  Neighbour stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.run_until_answered(stage.release(kAlice, kLamp));
  stage.run_for(5s);
  auto& peer = stage.bluetoothd.peer(kLamp);
  peer.first = {Manner{.silent = true}};
  peer.link_time = 100ms;
  peer.discovery_time = 20ms;
  stage.begin();
  stage.bluetoothd.foreign_connect(stage.lamp_at());
  EstablishOptions options;
  options.terms.use_cache = false;
  auto call = stage.establish(kAlice, kLamp, options);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0 shared");
  EXPECT_GT(stage.count("Get"), 0U) << "else it was not current";
  EXPECT_EQ(stage.count("GetAll"), 0U);
  EXPECT_LT(stage.seconds(call), 3);
}

TEST(ForeignLink, StaysWhenItsLastLeaseEnds) {
  Neighbour stage;
  stage.foreign_link();
  stage.connect(kAlice, kLamp);
  auto released = stage.release(kAlice, kLamp);
  stage.run_until_answered(released);
  EXPECT_EQ(released->text, "0");
  stage.run_for(10s);
  EXPECT_TRUE(stage.foreign_link_is_up());
  EXPECT_EQ(stage.stage(kLamp), "");
}

TEST(ForeignLink, StaysWhenItsAdoptionIsCancelled) {
  Neighbour stage;
  stage.bluetoothd.peer(kLamp).discovery_time = 10s;
  stage.foreign_link();
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(1s);
  EXPECT_EQ(stage.stage(kLamp), "resolving");
  stage.release(kAlice, kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "Cancelled cancelled");
  stage.run_for(5s);
  EXPECT_TRUE(stage.foreign_link_is_up());
}

TEST(ForeignLink, WithoutServicesIsAPhantom) {
  Neighbour stage;
  stage.bluetoothd.peer(kLamp).first = {Manner{.mute = true}};
  stage.foreign_link();
  auto call = stage.establish(kAlice, kLamp, with_attempts(5s));
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
  EXPECT_THAT(stage.effects(),
              ElementsAre("5.0 Disconnect hci0/01", HasSubstr("attempt 1: services-incomplete 1/4"),
                          HasSubstr("Connect hci0/01")));
}

TEST(ForeignLink, WhoseServicesCannotBeReadIsNoPhantom) {
  Neighbour stage;
  stage.foreign_link();
  stage.bluetoothd.faults["GetManagedObjects"] = {{.name = "org.bluez.Error.Failed", .text = "what is this"}};
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0 shared");
  EXPECT_THAT(stage.effects(), ElementsAre(HasSubstr("attempt 1: bluez-error 1/4")));
  EXPECT_TRUE(stage.foreign_link_is_up());
}

TEST(ForeignLink, EndsByOrderOfRoot) {
  Neighbour stage;
  stage.foreign_link();
  stage.connect(kAlice, kLamp);
  auto ended = stage.disconnect(kLamp);
  stage.run_until_answered(ended);
  EXPECT_EQ(ended->text, "ok");
  EXPECT_FALSE(stage.foreign_link_is_up());
}

TEST(ForeignLink, ThatIsLostEndsTheLease) {
  Neighbour stage;
  stage.foreign_link();
  stage.connect(kAlice, kLamp);
  stage.bluetoothd.foreign_disconnect(stage.lamp_at());
  stage.run_for(5s);
  EXPECT_THAT(stage.effects(), ElementsAre(HasSubstr("link ended: link-lost")));
  EXPECT_EQ(stage.stage(kLamp), "");
}

// The first attempt on a known route dials without a look-up; the link that is there is still another
// program's.
TEST(ForeignLink, IsRecognizedOnAKnownRoute) {
  Neighbour stage;
  stage.foreign_link_on_a_known_route();
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0 shared");
  stage.run_until_answered(stage.release(kAlice, kLamp));
  stage.run_for(5s);
  EXPECT_TRUE(stage.foreign_link_is_up());
}

// BlueZ 5.67 and newer say so of a link that is up.
TEST(ForeignLink, ThatIsCalledInProgressIsAdopted) {
  Neighbour stage;
  stage.foreign_link_on_a_known_route();
  stage.bluetoothd.faults["Connect"] = {{.name = "org.bluez.Error.InProgress", .text = "In Progress"}};
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0 shared");
  EXPECT_EQ(stage.count("Connect"), 1U);
  EXPECT_THAT(stage.effects("attempt"), IsEmpty());
}

TEST(ForeignLink, IsNotEndedByACancelOnAKnownRoute) {
  Neighbour stage;
  stage.foreign_link_on_a_known_route();
  auto call = stage.establish(kAlice, kLamp);
  stage.world.run_until([&] { return stage.count("Connect") > 0; }, 10s);
  stage.release(kAlice, kLamp);
  stage.run_until_answered(call);
  stage.run_for(5s);
  EXPECT_TRUE(stage.foreign_link_is_up());
}

TEST(ForeignLink, IsPairedOnRequest) {
  Neighbour stage;
  stage.foreign_link();
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_pairing()), "ok hci0 shared");
  EXPECT_TRUE(stage.bluetoothd.object(stage.lamp_at())->bonded);
  EXPECT_TRUE(stage.foreign_link_is_up());
}

TEST(ForeignLink, StaysWhenItsPairingFails) {
  Neighbour stage;
  stage.bluetoothd.peer(kLamp).manner.pairing = Manner::Pairing::rejected;
  stage.foreign_link();
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_pairing()), "ConnectionFailed auth-failed");
  stage.run_for(5s);
  EXPECT_TRUE(stage.foreign_link_is_up());
}

// --- dials ---

TEST(ForeignDial, IsAdoptedWhenItConnects) {
  Neighbour stage;
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  stage.bluetoothd.foreign_connect(stage.lamp_at());
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(3s);
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0 shared");
  EXPECT_LT(stage.seconds(call), 4.1);
  EXPECT_THAT(stage.effects("attempt"), IsEmpty()) << "it is waited for without counting";
  EXPECT_EQ(stage.count("Disconnect"), 0U);
  stage.run_until_answered(stage.release(kAlice, kLamp));
  stage.run_for(5s);
  EXPECT_TRUE(stage.foreign_link_is_up());
}

TEST(ForeignDial, ThatConnectsBehindOurRefusalIsAdoptedAtOnce) {
  Neighbour stage;
  stage.bluetoothd.foreign_connect(stage.lamp_at());
  stage.run_for(280ms);  // the link comes up at 300 ms
  auto call = stage.establish(kAlice, kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0 shared");
  EXPECT_LT(stage.seconds(call), 1.5);
}

TEST(ForeignDial, CountsAfterOneAttemptTimeoutOfIt) {
  for (bool by_name : {false, true}) {
    Stage stage{{.habits = {.in_progress_by_name = by_name}}};
    stage.keep_object(kLamp);
    stage.bluetoothd.foreign_connect(stage.lamp_at());
    auto call = stage.establish(kAlice, kLamp, with_attempts(5s));
    stage.run_until_answered(call);
    EXPECT_EQ(call->text(), "ConnectionFailed in-progress");
    EXPECT_EQ(stage.effects("in-progress").size(), 4U);
    EXPECT_NEAR(stage.seconds(call), 20 + 3, 2);
    EXPECT_EQ(stage.count("Disconnect"), 0U);
  }
}

TEST(ForeignDial, IsNotCancelledWhenOurCallerGivesUpInTheSameInstant) {
  for (Duration at = 0ms; at < 8ms; at += 500us) {
    Neighbour stage;
    stage.bluetoothd.hears_no_more(kFirst, kLamp);
    stage.bluetoothd.foreign_connect(stage.lamp_at());
    auto call = stage.establish(kAlice, kLamp);
    stage.run_for(at);
    stage.release(kAlice, kLamp);
    stage.run_until_answered(call);
    stage.run_for(1s);
    EXPECT_EQ(stage.bluetoothd.dials(Program::foreign), 1U) << clock_text(at);
  }
}

TEST(ForeignDisconnect, OfOurDialIsATransientFailure) {
  Neighbour stage;
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(2s);
  stage.bluetoothd.foreign_disconnect(stage.lamp_at());
  stage.run_for(100ms);
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
  EXPECT_THAT(stage.effects("attempt"), ElementsAre(HasSubstr("attempt 1: seen-no-answer 1/9")));
}

TEST(ForeignDisconnect, OfOurLinkEndsItsLeases) {
  Neighbour stage;
  stage.connect(kAlice, kLamp);
  stage.bluetoothd.foreign_disconnect(stage.lamp_at());
  stage.run_for(5s);
  EXPECT_THAT(stage.effects("link ended"), ElementsAre(HasSubstr("link-lost")));
  auto released = stage.release(kAlice, kLamp);
  stage.run_until_answered(released);
  EXPECT_EQ(released->text, "NotConnected invalid");
}

// --- a former life ---

TEST(FormerLife, ItsDialIsClearedAndDialledAnew) {
  Neighbour stage;
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  stage.establish(kAlice, kLamp);
  stage.run_for(1s);
  stage.crash_daemon();
  stage.run_for(1s);
  EXPECT_EQ(stage.bluetoothd.dials(Program::ours), 1U) << "nobody ends a dial whose program died";
  stage.start_daemon();
  stage.begin();
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.peer(kLamp).interval = 3s;
  auto call = stage.establish(kBob, kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
  EXPECT_THAT(stage.effects(),
              ElementsAre("0.0 Connect hci0/01", "0.0 Disconnect hci0/01", "0.2 Connect hci0/01"));
  EXPECT_THAT(stage.effects("attempt"), IsEmpty());
}

TEST(FormerLife, ItsDialIsEndedThoughNobodyCalls) {
  for (const bool persistent : {false, true}) {
    Neighbour stage;
    EstablishOptions options;
    if (persistent) options.lifetime = Lifetime::persistent;
    stage.bluetoothd.hears_no_more(kFirst, kLamp);
    stage.establish(kAlice, kLamp, options);
    stage.daemon_and_caller_are_killed();
    ASSERT_EQ(stage.bluetoothd.dials(Program::ours), 1U);
    stage.start_daemon();
    stage.begin();
    stage.run_for(5s);
    EXPECT_EQ(stage.bluetoothd.dials(Program::ours), 0U);
    EXPECT_EQ(stage.count("Disconnect"), 1U);
    EXPECT_EQ(stage.count("Connect"), 0U);
    stage.release(kAlice, kLamp);
  }
}

TEST(FormerLife, ItsLinkThatNobodyWasToldOfIsEnded) {
  Neighbour stage;
  stage.bluetoothd.peer(kLamp).discovery_time = 10s;
  stage.establish(kAlice, kLamp);
  stage.world.run_until([&] { return stage.bluetoothd.links(Program::ours) == 1; }, 10s);
  stage.daemon_and_caller_are_killed();
  ASSERT_EQ(stage.bluetoothd.links(Program::ours), 1U);
  stage.start_daemon();
  stage.run_for(5s);
  EXPECT_EQ(stage.bluetoothd.links(Program::ours), 0U);
}

TEST(FormerLife, ItsLinkIsAdoptedAsOurs) {
  Neighbour stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.crash_daemon();
  stage.start_daemon();
  stage.run_for(1s);
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0 shared");
  EXPECT_EQ(stage.count("Connect"), 1U);
  stage.run_until_answered(stage.release(kBob, kLamp));
  EXPECT_EQ(stage.bluetoothd.links(Program::ours), 1U) << "the lease of who is still there was restored";
  stage.run_until_answered(stage.release(kAlice, kLamp));
  stage.run_for(1s);
  EXPECT_EQ(stage.bluetoothd.links(Program::ours), 0U) << "what nobody leases is dropped";
}

TEST(OwnLink, ThatDisconnectDidNotEndIsStillOurs) {
  Neighbour stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.bluetoothd.faults["Disconnect"] = {{.answered = false}, {.answered = false}};
  stage.run_until_answered(stage.release(kAlice, kLamp));
  ASSERT_EQ(stage.bluetoothd.links(Program::ours), 1U);
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0 shared");
  stage.run_until_answered(stage.release(kBob, kLamp));
  stage.run_for(1s);
  EXPECT_EQ(stage.bluetoothd.links(Program::ours), 0U);
}

// --- links that do not end ---

// BlueZ tells values, not edges (5.66): of a link that is lost and of the next one in one signal, that
// Connected is true and ServicesResolved false.
TEST(OwnLink, WhoseLossIsToldTogetherWithTheNextLinkIsLost) {
  Neighbour stage;
  stage.bluetoothd.peer(kLamp).discovery_time = 10s;
  ASSERT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.begin();
  stage.bluetoothd.hold_properties(3s);
  stage.bluetoothd.drop_link(kLamp);
  stage.bluetoothd.foreign_connect(stage.lamp_at());
  stage.run_for(5s);
  ASSERT_TRUE(stage.foreign_link_is_up());
  EXPECT_THAT(stage.effects(), ElementsAre(HasSubstr("link ended: link-lost")));
  EXPECT_EQ(stage.stage(kLamp), "");
}

TEST(Phantom, ThatStaysUpAfterItsReleaseIsForgotten) {
  Neighbour stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.bluetoothd.faults["Disconnect"] = {{}};  // answered, and nothing done
  stage.begin();
  stage.run_until_answered(stage.release(kAlice, kLamp));
  stage.run_for(1s);
  EXPECT_THAT(stage.effects(), ElementsAre("0.0 Disconnect hci0/01", "5.0 RemoveDevice hci0/01",
                                           HasSubstr("link ended: released")));
  EXPECT_EQ(stage.bluetoothd.links(Program::ours), 0U);
}

TEST(Phantom, OfABondedOrTrustedDeviceIsNeverForgotten) {
  for (const bool bonded : {false, true}) {
    Neighbour stage;
    EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
    bonded ? stage.bluetoothd.bond(stage.lamp_at()) : stage.bluetoothd.trust(stage.lamp_at());
    stage.bluetoothd.faults["Disconnect"] = {{}};
    stage.run_until_answered(stage.release(kAlice, kLamp));
    stage.run_for(1s);
    EXPECT_EQ(stage.count("RemoveDevice"), 0U);
    EXPECT_THAT(stage.effects("phantom"), ElementsAre(HasSubstr("hci0/01")));
    stage.bluetoothd.drop_link(kLamp);
  }
}

TEST(Phantom, OfTheLastAttemptOrOfAMaintainedDeviceIsForgottenToo) {
  for (const bool maintained : {false, true}) {
    Neighbour stage;
    stage.bluetoothd.peer(kLamp).first = {{.mute = true}};
    stage.bluetoothd.faults["Disconnect"] = {{}};
    auto options = with_attempts(5s, 1);
    options.terms.use_cache = false;
    options.terms.maintain = maintained;
    options.wait = !maintained;
    auto call = stage.establish(kAlice, kLamp, options);
    stage.run_until_answered(call);
    stage.run_for(60s);
    EXPECT_EQ(stage.count("RemoveDevice"), 1U);
    EXPECT_EQ(stage.stage(kLamp), maintained ? "connected" : "");
  }
}

// Its own has gone down in the meantime, and another program has made one at the same path.
TEST(Phantom, IsNotTheLinkOfAnotherProgram) {
  Neighbour stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.bluetoothd.faults["Disconnect"] = {{.answered = false}};
  auto released = stage.release(kAlice, kLamp);
  stage.run_for(2s);
  stage.bluetoothd.drop_link(kLamp);
  stage.foreign_link();
  stage.run_until_answered(released);
  stage.run_for(20s);
  EXPECT_EQ(stage.count("RemoveDevice"), 0U);
  EXPECT_TRUE(stage.foreign_link_is_up());
}

TEST(Phantom, IsForgottenBetweenTwoAttempts) {
  Neighbour stage;
  stage.bluetoothd.peer(kLamp).first = {{.mute = true}};
  stage.bluetoothd.faults["Disconnect"] = {{}};
  auto options = with_attempts(5s);
  options.terms.use_cache = false;
  EXPECT_EQ(stage.connect(kAlice, kLamp, options), "ok hci0");
  EXPECT_EQ(stage.count("RemoveDevice"), 1U);
  EXPECT_THAT(stage.effects("attempt"), ElementsAre(HasSubstr("services-incomplete")));
}

TEST(SilentLink, WhoseDisconnectIsNotAnsweredIsReported) {
  Neighbour stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.bluetoothd.faults["Disconnect"] = {{.answered = false}, {.answered = false}};
  stage.run_until_answered(stage.release(kAlice, kLamp));
  EXPECT_THAT(stage.effects("silent"), ElementsAre(HasSubstr("hci0/01")));
  EXPECT_EQ(stage.count("RemoveDevice"), 0U) << "who does not answer is not asked for more";
  stage.bluetoothd.drop_link(kLamp);
}

TEST(SilentLink, WhoseServicesAreGoneForGoodEnds) {
  Neighbour stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.run_for(5s);
  stage.begin();
  stage.bluetoothd.peer(kLamp).services = 0;
  stage.bluetoothd.service_changed(kLamp);
  stage.run_for(60s);
  EXPECT_THAT(stage.effects("link ended"), ElementsAre(HasSubstr("services-incomplete")));
  EXPECT_EQ(stage.stage(kLamp), "");
}

TEST(SilentLink, WhoseServicesComeBackInTimeStays) {
  Neighbour stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.run_for(5s);
  stage.bluetoothd.peer(kLamp).services = 0;
  stage.bluetoothd.service_changed(kLamp);
  stage.run_for(5s);
  stage.bluetoothd.peer(kLamp).services = 3;
  stage.bluetoothd.service_changed(kLamp);
  stage.run_for(60s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
}

TEST(FormerLife, OfAnotherBluetoothdSaysNothing) {
  Neighbour stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.crash_daemon();
  stage.bluetoothd.kill();
  stage.run_for(5s);
  stage.bluetoothd.start();
  stage.foreign_link();
  stage.start_daemon();
  stage.run_for(1s);
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0 shared");
  stage.run_until_answered(stage.release(kBob, kLamp));
  stage.run_for(5s);
  EXPECT_TRUE(stage.foreign_link_is_up());
}

}  // namespace
}  // namespace bleconnd::simulation
