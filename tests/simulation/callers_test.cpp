// What callers may rely on: joined calls, leases and their linger, release, orders of root, limits.
#include "stage.hpp"

namespace bleconnd::simulation {
namespace {

struct Lit : Stage {  // the lamp is heard
  Lit() { bluetoothd.hears(kFirst, kLamp); }
};

// --- joined calls ---

TEST(Joined, ACallOnALinkIsAnsweredAtOnce) {
  Lit stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  auto second = stage.establish(kBob, kLamp);
  stage.run_until_answered(second);
  EXPECT_EQ(second->text(), "ok hci0 shared");
  EXPECT_EQ(*second->answered, second->asked);
  EXPECT_EQ(stage.count("Connect"), 1U);
}

TEST(Joined, CallsOfARunGetOneLinkTogether) {
  Lit stage;
  auto first = stage.establish(kAlice, kLamp);
  stage.run_for(100ms);
  auto second = stage.establish(kBob, kLamp);
  stage.run_until_answered(second);
  EXPECT_EQ(first->text(), "ok hci0");
  EXPECT_EQ(second->text(), "ok hci0 shared");
  EXPECT_EQ(*first->answered, *second->answered);
  EXPECT_EQ(stage.count("Connect"), 1U);
}

TEST(Joined, EachKeepsItsOwnTimeout) {
  Stage stage;
  auto patient = stage.establish(kAlice, kLamp, with_timeout(30s));
  auto hasty = stage.establish(kBob, kLamp, with_timeout(5s));
  stage.run_for(10s);
  EXPECT_EQ(hasty->text(), "Timeout not-seen");
  EXPECT_EQ(patient->text(), "-");
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.run_until_answered(patient);
  EXPECT_EQ(patient->text(), "ok hci0");
  EXPECT_EQ(stage.daemon().connections.sessions().front()->leases().size(), 1U)
      << "a refused call holds no lease";
}

TEST(Joined, TheRunTakesTheLargestBudgets) {
  Stage stage;
  auto first = stage.establish(kAlice, kLamp, with_attempts(2s, 1));
  stage.run_for(1s);
  auto second = stage.establish(kBob, kLamp, with_attempts(5s, 3));
  stage.run_until_answered(second);
  EXPECT_THAT(stage.effects("attempt"),
              ElementsAre(HasSubstr("2.0 attempt 1: not-seen 1/3"), HasSubstr("7.0 attempt 2: not-seen 2/3"),
                          HasSubstr("12.0 attempt 3: not-seen 3/3")));
  EXPECT_EQ(first->text(), "NotFound not-seen");
}

TEST(Joined, TheBudgetsOfOneWhoLeftDoNotBindTheOthers) {
  Stage stage;
  auto greedy = stage.establish(kAlice, kLamp, with_attempts(2s, 100));
  auto modest = stage.establish(kBob, kLamp, with_attempts(2s, 2));
  stage.run_for(1s);
  stage.release(kAlice, kLamp);
  stage.run_until_answered(modest);
  EXPECT_EQ(modest->text(), "NotFound not-seen");
  EXPECT_EQ(stage.effects("attempt").size(), 2U);
}

TEST(Joined, ARunThatLingersKeepsItsBudgets) {
  Stage stage;
  stage.establish(kAlice, kLamp, with_attempts(3s, 7));
  stage.run_for(1s);
  stage.leave(kAlice);
  stage.run_for(60s);
  EXPECT_EQ(stage.effects("attempt").size(), 7U);
}

TEST(Joined, TheRunEndsWhenNobodyWaits) {
  Stage stage;
  auto first = stage.establish(kAlice, kLamp, with_timeout(3s));
  auto second = stage.establish(kBob, kLamp, with_timeout(4s));
  stage.run_until_answered(second);
  stage.run_for(100ms);
  EXPECT_EQ(stage.stage(kLamp), "");
  EXPECT_EQ(stage.bluetoothd.discoveries(Program::ours), 0U);
}

TEST(Joined, AnotherAdapterThanTheRunsIsBusy) {
  Lit stage;
  stage.add_second_adapter();
  auto first = stage.establish(kAlice, kLamp, on_adapter("hci0"));
  EXPECT_EQ(stage.connect(kBob, kLamp, on_adapter("hci1")), "Busy busy");
  EXPECT_EQ(first->text(), "-");
  EXPECT_EQ(stage.connect(kBob, kLamp, on_adapter(kFirst)), "ok hci0 shared")
      << "the same one by its address";
  EXPECT_EQ(stage.connect(":1.3", kLamp, on_adapter("hci1")), "Busy busy") << "the link is up elsewhere";
  EXPECT_EQ(stage.connect(":1.3", kLamp, on_adapter("hci0")), "ok hci0 shared");
}

TEST(Joined, APinOnARunOverAnyAdapterIsBusy) {
  Stage stage;
  stage.establish(kAlice, kLamp);
  EXPECT_EQ(stage.connect(kBob, kLamp, on_adapter("hci0")), "Busy busy");
}

TEST(Joined, PairingOnARunWithoutIsBusy) {
  Lit stage;
  auto first = stage.establish(kAlice, kLamp);
  EXPECT_EQ(stage.connect(kBob, kLamp, with_pairing()), "Busy busy");
  stage.run_until_answered(first);
  EXPECT_EQ(stage.connect(kBob, kLamp, with_pairing()), "Busy busy") << "the link has no bond";
}

TEST(Joined, PairingOnALinkWithABondIsNoContradiction) {
  Lit stage;
  stage.keep_object(kLamp);
  stage.bluetoothd.bond(stage.lamp_at());
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  EXPECT_EQ(stage.connect(kBob, kLamp, with_pairing()), "ok hci0 shared");
}

TEST(Joined, ARunThatIsBeingGivenUpContradictsNobody) {
  Lit stage;
  stage.add_second_adapter();
  stage.bluetoothd.hears(kSecond, kLamp);
  stage.bluetoothd.peer(kLamp).discovery_time = 10s;
  stage.establish(kAlice, kLamp, on_adapter("hci0"));
  stage.run_for(2s);
  EXPECT_EQ(stage.stage(kLamp), "resolving");
  stage.release(kAlice, kLamp);
  stage.run_for(1s);  // Disconnect takes 2 s
  EXPECT_EQ(stage.connect(kBob, kLamp, on_adapter("hci1")), "ok hci1") << "a run of its own, so not shared";
}

TEST(Joined, ACallDuringTheDisconnectGetsALinkOfItsOwn) {
  Lit stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  auto released = stage.release(kAlice, kLamp);
  stage.run_for(1s);
  EXPECT_EQ(stage.stage(kLamp), "disconnecting");
  auto queued = stage.establish(kBob, kLamp, without_waiting());
  stage.run_for(1ms);
  EXPECT_EQ(queued->text(), "so far queued");
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0 unverified shared");
  EXPECT_EQ(released->text, "0");
  EXPECT_EQ(stage.count("Connect"), 2U);
}

TEST(Joined, ACallThatJoinedADyingRunIsNotToldItsFailure) {
  Stage stage;
  stage.keep_object(kLamp);
  stage.establish(kAlice, kLamp, with_attempts(2s, 1));
  stage.run_for(1999500us);
  stage.release(kAlice, kLamp);  // while the attempt times out
  auto second = stage.establish(kBob, kLamp, with_attempts(20s));
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.run_until_answered(second);
  EXPECT_EQ(second->text(), "ok hci0");
}

// --- wait ---

TEST(Wait, FalseIsAnsweredOnceQueued) {
  Lit stage;
  auto call = stage.establish(kAlice, kLamp, without_waiting());
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "so far queued");
  EXPECT_EQ(*call->answered, call->asked);
  stage.run_for(5s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0 shared");
}

TEST(Wait, FalseOnALinkHasTheLink) {
  Lit stage;
  stage.connect(kBob, kLamp);
  EXPECT_EQ(stage.connect(kAlice, kLamp, without_waiting()), "ok hci0 shared");
}

TEST(Wait, FalseStillHasADeadline) {
  Stage stage;
  auto options = without_waiting();
  options.timeout = 5s;
  stage.establish(kAlice, kLamp, options);
  stage.run_for(6s);
  EXPECT_EQ(stage.stage(kLamp), "");
}

// --- leases and linger ---

TEST(Linger, AProgramThatGivesUpFindsItsLinkByCallingAgain) {
  Lit stage;
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  stage.establish(":1.7", kLamp);
  stage.run_for(25s);  // what busctl waits
  stage.leave(":1.7");
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.run_for(15s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
  EXPECT_EQ(stage.connect(":1.8", kLamp), "ok hci0 shared");
  EXPECT_EQ(stage.count("Disconnect"), 0U);
  stage.run_for(100s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
}

TEST(Linger, TheLinkGoesWhenNobodyCallsAgain) {
  Lit stage;
  stage.connect(kAlice, kLamp);
  stage.leave(kAlice);
  stage.run_for(29s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
  stage.run_for(2s);
  EXPECT_EQ(stage.stage(kLamp), "disconnecting");
  stage.run_for(3s);
  EXPECT_EQ(stage.stage(kLamp), "");
}

TEST(Linger, ARunThatIsTakenOverAfterItWasGivenUpHasItsOwnTerms) {
  Stage stage;
  stage.keep_object(kLamp);
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.peer(kLamp).discovery_time = 10s;
  stage.establish(kAlice, kLamp);
  stage.run_for(2s);
  stage.release(kAlice, kLamp);
  stage.run_for(500ms);
  stage.bluetoothd.peer(kLamp).discovery_time = 500ms;
  stage.establish(kBob, kLamp);  // joins while the old link goes down, and leaves before that is done
  stage.run_for(500ms);
  stage.leave(kBob);
  stage.run_for(10s);
  EXPECT_EQ(stage.stage(kLamp), "connected") << "its lease lingers, so its attempt goes on";
}

TEST(Linger, OneLeaseACallerHoweverOftenItCalls) {
  Lit stage;
  stage.connect(kAlice, kLamp);
  stage.connect(kAlice, kLamp);
  auto released = stage.release(kAlice, kLamp);
  stage.run_until_answered(released);
  EXPECT_EQ(released->text, "0");
  stage.run_for(1s);
  EXPECT_EQ(stage.stage(kLamp), "");
}

TEST(Linger, ALeaseEndsWithItsLink) {
  Lit stage;
  stage.connect(kAlice, kLamp);
  stage.bluetoothd.drop_link(kLamp);
  stage.run_for(1s);
  EXPECT_EQ(stage.stage(kLamp), "");
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0 unverified");
}

TEST(Linger, TheReasonOfALostLinkIsTold) {
  Stage stage{{.habits = {.tells_reason = true}}};
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.connect(kAlice, kLamp);
  stage.bluetoothd.drop_link(kLamp);
  stage.run_for(1s);
  EXPECT_THAT(stage.effects("link ended"), ElementsAre(HasSubstr("link-lost-remote")));
}

TEST(Linger, AReasonThatIsNoWordIsMadeOne) {
  Stage stage{{.habits = {.tells_reason = true}}};
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.connect(kAlice, kLamp);
  stage.bluetoothd.drop_link(kLamp, "Page 2 Gone");
  stage.run_for(1s);
  EXPECT_THAT(stage.effects("link ended"), ElementsAre(HasSubstr("link-lost-page---gone")));
}

// --- release ---

TEST(Release, OfNothingIsNotConnected) {
  Lit stage;
  auto released = stage.release(kAlice, kLamp);
  stage.run_until_answered(released);
  EXPECT_EQ(released->text, "NotConnected invalid");
  stage.connect(kBob, kLamp);
  released = stage.release(kAlice, kLamp);
  stage.run_until_answered(released);
  EXPECT_EQ(released->text, "NotConnected invalid");
  EXPECT_EQ(stage.stage(kLamp), "connected");
}

TEST(Release, AtOnceWhileOthersHoldTheLink) {
  Lit stage;
  stage.connect(kAlice, kLamp);
  stage.connect(kBob, kLamp);
  auto released = stage.release(kAlice, kLamp);
  stage.run_until_answered(released);
  EXPECT_EQ(released->text, "1");
  EXPECT_EQ(*released->answered, released->asked);
  EXPECT_EQ(stage.count("Disconnect"), 0U);
}

TEST(Release, TheLastOneIsAnsweredWhenTheLinkIsDown) {
  for (bool before_reply : {false, true}) {
    Stage stage{{.habits = {.connected_before_reply = before_reply}}};
    stage.bluetoothd.hears(kFirst, kLamp);
    stage.connect(kAlice, kLamp);
    auto released = stage.release(kAlice, kLamp);
    stage.run_until_answered(released);
    EXPECT_EQ(released->text, "0");
    EXPECT_EQ(stage.bluetoothd.links(Program::ours), 0U);
    EXPECT_NEAR(std::chrono::duration<double>(*released->answered - released->asked).count(), 2, 0.2);
  }
}

TEST(Release, OfOnesOwnLeaseBeforeALingeringOne) {
  Lit stage;
  stage.connect(kAlice, kLamp);
  stage.connect(kBob, kLamp);
  stage.leave(kBob);
  auto released = stage.release(kAlice, kLamp);
  stage.run_until_answered(released);
  EXPECT_EQ(released->text, "1") << "the lingering one is left";
  released = stage.release(kAlice, kLamp);
  stage.run_until_answered(released);
  EXPECT_EQ(released->text, "0") << "and this is it: it is of the same uid";
}

TEST(Release, OfALingeringLeaseOfAnotherUserIsRootsOnly) {
  Lit stage;
  stage.uids = {{kAlice, 1000}, {kBob, 1001}, {":1.3", 0}};
  stage.connect(kAlice, kLamp);
  stage.leave(kAlice);
  auto released = stage.release(kBob, kLamp);
  stage.run_until_answered(released);
  EXPECT_EQ(released->text, "NotConnected invalid");
  released = stage.release(":1.3", kLamp);
  stage.run_until_answered(released);
  EXPECT_EQ(released->text, "0");
}

TEST(Release, FailsTheCallersOwnCallOnly) {
  Stage stage;
  auto mine = stage.establish(kAlice, kLamp);
  auto mine_too = stage.establish(kAlice, kLamp);
  auto other = stage.establish(kBob, kLamp);
  stage.run_for(1s);
  auto released = stage.release(kAlice, kLamp);
  stage.run_until_answered(released);
  stage.run_for(10ms);
  EXPECT_EQ(released->text, "1");
  EXPECT_EQ(mine->text(), "Cancelled cancelled");
  EXPECT_EQ(mine_too->text(), "Cancelled cancelled");
  EXPECT_EQ(other->text(), "-");
}

TEST(Release, InTheInstantOfTheLinkLeavesNothing) {
  // Whatever comes first, the answer comes when the link is down.
  for (Duration at = 690ms; at < 720ms; at += 250us) {
    Stage stage;
    stage.keep_object(kLamp);
    stage.bluetoothd.hears(kFirst, kLamp);
    stage.establish(kAlice, kLamp);
    stage.run_for(at + 130ms);
    auto released = stage.release(kAlice, kLamp);
    stage.run_until_answered(released);
    EXPECT_EQ(released->text, "0");
    EXPECT_EQ(stage.bluetoothd.links(Program::ours), 0U) << clock_text(at);
  }
}

TEST(Release, TakesEffectBeforeTheCallBehindIt) {
  Lit stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  auto released = stage.release(kAlice, kLamp);
  auto again = stage.establish(kAlice, kLamp);  // in the same turn of the loop
  stage.run_until_answered(again);
  EXPECT_EQ(again->text(), "ok hci0 shared");
  EXPECT_EQ(released->text, "0");
  stage.run_for(100s);
  EXPECT_EQ(stage.stage(kLamp), "connected") << "the release was of the lease before";
}

// --- root ---

TEST(Disconnect, EndsTheLinkForEverybody) {
  Lit stage;
  stage.connect(kAlice, kLamp);
  stage.connect(kBob, kLamp);
  auto ended = stage.disconnect(kLamp);
  stage.run_until_answered(ended);
  EXPECT_EQ(ended->text, "ok");
  EXPECT_THAT(stage.effects("link ended"), ElementsAre(HasSubstr("forced")));
  stage.run_for(10ms);
  EXPECT_EQ(stage.stage(kLamp), "");
}

TEST(Disconnect, OfNothingIsNotConnected) {
  Stage stage;
  auto ended = stage.disconnect(kLamp);
  stage.run_until_answered(ended);
  EXPECT_EQ(ended->text, "NotConnected invalid");
}

TEST(Disconnect, ACallRightBehindItGetsANewLink) {
  Lit stage;
  stage.connect(kAlice, kLamp);
  stage.disconnect(kLamp);
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0 unverified");
  EXPECT_EQ(stage.count("Connect"), 2U);
}

// --- many ---

TEST(Many, CallsBeyondTheLimitAreRefusedAndTheOthersUnharmed) {
  Stage stage;
  std::vector<CallHandle> calls;
  for (std::size_t i = 0; i < Quota::kMost / 2; ++i)
    calls.push_back(stage.establish(":2." + std::to_string(i), kLamp));
  EXPECT_EQ(stage.connect(":3.1", kLamp), "LimitsExceeded busy");
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.run_until_answered(calls.back());
  for (auto& call : calls) EXPECT_TRUE(call->ok());
}

TEST(Many, TenThousandCallsOfOneClient) {
  Stage stage;
  std::vector<CallHandle> calls;
  for (int i = 0; i < 10'000; ++i) calls.push_back(stage.establish(kAlice, kLamp, with_attempts(2s, 1)));
  stage.run_for(10s);
  for (auto& call : calls) ASSERT_EQ(call->answers, 1);
  EXPECT_EQ(calls.front()->text(), "NotFound not-seen");
  EXPECT_EQ(calls.back()->text(), "LimitsExceeded busy");
}

TEST(Many, DevicesOnOneAdapterDialOneAtATimeInOrder) {
  Stage stage;
  std::vector<CallHandle> calls;
  std::size_t most = 0;
  for (int i = 10; i < 30; ++i) {
    const auto device = "AA:00:00:00:00:" + std::to_string(i);
    stage.bluetoothd.hears(kFirst, device);
    stage.keep_object(device);
    calls.push_back(stage.establish(kAlice, device));
  }
  while (stage.pending() > 0 && stage.world.step())
    most = std::max(most, stage.bluetoothd.dials(Program::ours));
  EXPECT_EQ(most, 1U);
  for (auto& call : calls) EXPECT_EQ(call->text(), "ok hci0");
}

TEST(Many, AnAbsentDeviceDoesNotHoldUpTheOthers) {
  Stage stage;
  stage.keep_object(kLamp);
  stage.keep_object(kLock);
  stage.bluetoothd.hears(kFirst, kLock);
  auto absent = stage.establish(kAlice, kLamp);
  auto present = stage.establish(kAlice, kLock);
  stage.run_until_answered(present);
  EXPECT_EQ(present->text(), "ok hci0");
  EXPECT_LT(stage.seconds(present), 5) << "a dial of a device that nobody hears gives way after 3 s";
  EXPECT_EQ(absent->answers, 0) << "it is listened for, and no attempt was counted";
  EXPECT_THAT(stage.effects("attempt"), IsEmpty());
}

// --- calls that only ask ---

TEST(Inquiries, HoweverManyThereAreFewAskBlueZAtATime) {
  Lit stage;
  std::vector<EndingHandle> asked;
  for (int i = 0; i < 1000; ++i) asked.push_back(stage.clear_cache(kAlice, kLock));
  std::size_t most = 0;
  const auto all_answered = [&] {
    most = std::max(most, stage.daemon().bluez.calls());
    return std::ranges::all_of(asked, [](auto& each) { return each->answers == 1; });
  };
  EXPECT_TRUE(stage.world.run_until(all_answered, 600s));
  EXPECT_LE(most, Inquiries::kAtOnce);
  EXPECT_GE(most, 1U);
}

TEST(Inquiries, CountAgainstTheirUser) {
  Lit stage;
  stage.daemon().bluez.stall(5s);
  std::vector<EndingHandle> asked;
  for (std::uint32_t i = 0; i < Quota::kMost + 1; ++i) asked.push_back(stage.clear_cache(kAlice, kLock));
  stage.run_for(1s);
  EXPECT_EQ(asked.back()->text, "LimitsExceeded busy");
  stage.uids[kBob] = 1001;
  asked.push_back(stage.clear_cache(kBob, kLock));
  stage.run_for(600s);
  EXPECT_EQ(asked.back()->answers, 1);
  EXPECT_NE(asked.back()->text, "LimitsExceeded busy");
}

// Answers and calls that come while others wait: first come, first served.
TEST(Inquiries, AreAnsweredInTheOrderInWhichTheyCame) {
  Lit stage;
  stage.world.set_interleaving(true);
  std::vector<EndingHandle> asked;
  for (int i = 0; i < 50; ++i) asked.push_back(stage.clear_cache(kAlice, kLock));
  std::size_t answered = 0;
  const auto all_answered = [&] {
    if (asked.size() < 200) asked.push_back(stage.clear_cache(kAlice, kLock));
    while (answered < asked.size() && asked[answered]->answers == 1) ++answered;
    return answered == asked.size();
  };
  EXPECT_TRUE(stage.world.run_until(all_answered, 600s));
  for (std::size_t i = 1; i < asked.size(); ++i) EXPECT_LE(*asked[i - 1]->answered, *asked[i]->answered) << i;
}

// --- rules ---

TEST(MatchRules, UsedUpAreALimitAndNoAttempt) {
  Lit stage;
  stage.daemon().bluez.rules_are_used_up = true;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "LimitsExceeded busy");
  stage.keep_object(kLamp);
  EXPECT_EQ(stage.connect(kAlice, kLamp), "LimitsExceeded busy");
  stage.daemon().bluez.rules_are_used_up = false;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
}

}  // namespace
}  // namespace bleconnd::simulation
