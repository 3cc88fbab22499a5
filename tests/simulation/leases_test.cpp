// Leases beyond one call and one life of the daemon.
#include "stage.hpp"

namespace bleconnd::simulation {
namespace {

EstablishOptions persistent() {
  EstablishOptions options;
  options.lifetime = Lifetime::persistent;
  return options;
}

struct Lit : Stage {
  Lit() { bluetoothd.hears(kFirst, kLamp); }
  ~Lit() override { run_until_answered(release(kAlice, kLamp)); }
  // The next life finds the link, and neither BlueZ nor the cache has its services.
  void restart_while_services_are_looked_for() {
    crash_daemon();
    bluetoothd.object(lamp_at())->resolved = false;
    cache.drop(*DeviceAddress::parse(kLamp));
    start_daemon();
    run_for(1s);
    ASSERT_EQ(stage(kLamp), "resolving");
  }
};

TEST(PersistentLease, KeepsTheLinkWithoutItsCaller) {
  Lit stage;
  stage.set_linger(0s);
  EXPECT_EQ(stage.connect(kAlice, kLamp, persistent()), "ok hci0");
  stage.leave(kAlice);
  stage.run_for(100s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0 shared");
}

// Its caller waits for services that are not of the cache, and leaves: there is a link, so nothing is owed.
TEST(PersistentLease, DialsNothingThoughItsCallerLeftAtALinkThatWasUp) {
  Lit stage;
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0");
  stage.run_until_answered(stage.release(kBob, kLamp));
  stage.run_for(5s);
  stage.bluetoothd.peer(kLamp).discovery_time = 10s;
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0 unverified");
  auto options = persistent();
  options.terms.use_cache = false;
  stage.establish(kAlice, kLamp, options);
  stage.run_for(100ms);
  stage.leave(kAlice);
  stage.run_for(20s);
  stage.run_until_answered(stage.release(kBob, kLamp));
  stage.begin();
  stage.bluetoothd.drop_link(kLamp);
  stage.run_for(20s);
  EXPECT_EQ(stage.count("Connect"), 0U);
}

// Right after a start, without bluetoothd: who called has left when it comes.
TEST(PersistentLease, DialsNothingForACallerWhoLeftBeforeBluetoothdCame) {
  Lit stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp, persistent()), "ok hci0");
  stage.bluetoothd.drop_link(kLamp);
  stage.run_for(2s);
  stage.crash_daemon();
  stage.bluetoothd.kill();
  stage.start_daemon();
  auto call = stage.establish(kBob, kLamp, with_timeout(5s));
  stage.run_until_answered(call);
  stage.begin();
  stage.bluetoothd.start();
  stage.run_for(30s);
  EXPECT_EQ(stage.count("Connect") + stage.count("StartDiscovery"), 0U);
}

TEST(PersistentLease, StaysWhenTheLinkEndsButDialsNothing) {
  Lit stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp, persistent()), "ok hci0");
  stage.bluetoothd.drop_link(kLamp);
  stage.run_for(60s);
  EXPECT_EQ(stage.stage(kLamp), "disconnected") << "the session is there";
  EXPECT_EQ(stage.count("Connect"), 1U);
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0");
  stage.leave(kBob);
  stage.run_for(60s);
  EXPECT_EQ(stage.stage(kLamp), "connected") << "the lease holds the next link, too";
}

TEST(PersistentLease, GoesOnWithTheAttemptWhenItsCallerLeaves) {
  Lit stage;
  stage.set_linger(0s);
  stage.bluetoothd.peer(kLamp).link_time = 2s;
  stage.establish(kAlice, kLamp, persistent());
  stage.run_for(1s);
  stage.leave(kAlice);
  stage.run_for(10s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
}

TEST(PersistentLease, ThatACallMadeGoesWithItsRefusal) {
  Lit stage;
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  auto options = persistent();
  options.terms.attempt_timeout = 2s;
  options.terms.max_attempts = 1;
  EXPECT_EQ(stage.connect(kAlice, kLamp, options), "NotFound not-seen");
  stage.run_for(1s);
  EXPECT_EQ(stage.stage(kLamp), "");
  EXPECT_TRUE(stage.leases.kept.empty());
}

TEST(PersistentLease, ThatWasThereBeforeOutlivesARefusedCall) {
  Lit stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp, persistent()), "ok hci0");
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  stage.bluetoothd.drop_link(kLamp);
  stage.run_for(60s);
  auto options = persistent();
  options.terms.attempt_timeout = 2s;
  options.terms.max_attempts = 1;
  EXPECT_EQ(stage.connect(kAlice, kLamp, options), "NotFound not-seen");
  EXPECT_EQ(stage.stage(kLamp), "disconnected");
}

TEST(PersistentLease, SurvivesTheDaemonAndABootWithoutALink) {
  Lit stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp, persistent()), "ok hci0");
  stage.leave(kAlice);
  stage.crash_daemon();
  stage.start_daemon();
  stage.run_for(2s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
  stage.crash_daemon();
  stage.bluetoothd.kill();
  stage.start_daemon();
  stage.run_for(30s);
  EXPECT_EQ(stage.stage(kLamp), "disconnected");
  stage.bluetoothd.start();
  stage.run_for(30s);
  EXPECT_EQ(stage.count("Connect"), 1U) << "only maintained leases dial";
}

TEST(Restored, LeaseOfAClientThatIsThereHoldsItsLink) {
  Lit stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.crash_daemon();
  stage.run_for(1s);
  stage.start_daemon();
  stage.run_for(1s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
  EXPECT_EQ(stage.daemon().radio.queue.slots().used(kFirst), 1U);
  stage.run_for(100s);
  EXPECT_EQ(stage.count("Connect"), 1U);
  EXPECT_EQ(stage.count("Disconnect"), 0U);
}

TEST(Restored, LeaseOfAClientThatLeftMeanwhileLingers) {
  Lit stage;
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0");
  stage.crash_daemon();
  stage.leave(kBob);
  stage.start_daemon();
  stage.run_for(20s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
  stage.run_for(20s);
  EXPECT_EQ(stage.stage(kLamp), "");
  EXPECT_EQ(stage.bluetoothd.links(Program::ours), 0U);
}

TEST(Restored, LingerGoesOnWhereItWas) {
  Lit stage;
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0");
  stage.leave(kBob);
  stage.run_for(20s);
  stage.crash_daemon();
  stage.start_daemon();
  stage.run_for(5s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
  stage.run_for(10s);
  EXPECT_EQ(stage.stage(kLamp), "");
}

TEST(Restored, ALingerThatIsOverDropsTheLink) {
  Lit stage;
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0");
  stage.crash_daemon();
  stage.leave(kBob);
  stage.settings.linger = 0s;
  stage.start_daemon();
  stage.run_for(5s);
  EXPECT_EQ(stage.bluetoothd.links(Program::ours), 0U);
  EXPECT_EQ(stage.stage(kLamp), "");
  EXPECT_TRUE(stage.leases.kept.empty());
}

// Whoever calls again before its link is found is told by the bus that we have gone.
TEST(Restored, LeaseOfACallThatWaitsGoesWithTheNextCrash) {
  Lit stage;
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0");
  stage.crash_daemon();
  stage.bluetoothd.object(stage.lamp_at())->resolved = false;
  stage.start_daemon();
  stage.run_for(1s);
  EXPECT_EQ(stage.leases.kept.size(), 1U);
  auto options = with_attempts(5s);
  options.terms.use_cache = false;
  auto call = stage.establish(kBob, kLamp, options);
  stage.run_for(1s);
  EXPECT_EQ(call->text(), "-");
  EXPECT_EQ(stage.leases.kept.size(), 0U);
  stage.run_until_answered(call);
  EXPECT_EQ(stage.leases.kept.size(), 1U);
}

// The daemon is restarted again before it has looked at the link.
TEST(Restored, AnEndDuringTheLookLeavesLinkAndLeaseToTheNextLife) {
  Lit stage;
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0");
  stage.run_for(1s);
  ASSERT_NO_FATAL_FAILURE(stage.restart_while_services_are_looked_for());
  stage.stop_daemon();
  EXPECT_EQ(stage.bluetoothd.links(Program::ours), 1U);
  EXPECT_EQ(stage.leases.kept.size(), 1U);
  stage.crash_daemon();
  stage.bluetoothd.object(stage.lamp_at())->resolved = true;
  stage.start_daemon();
  stage.run_for(1s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
}

// A maintained lease and another, whose link is still looked at: that the other ends starts no dial.
TEST(Restored, ALeaseThatEndsDuringTheLookChangesNothingForAMaintainedOne) {
  Lit stage;
  EstablishOptions options;
  options.terms.maintain = true;
  EXPECT_EQ(stage.connect(kAlice, kLamp, options), "ok hci0");
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0 shared");
  ASSERT_NO_FATAL_FAILURE(stage.restart_while_services_are_looked_for());
  EXPECT_EQ(stage.release(kBob, kLamp)->text, "-");
  stage.run_for(1s);
  EXPECT_EQ(stage.stage(kLamp), "resolving");
  EXPECT_EQ(stage.count("Connect"), 1U);
  stage.bluetoothd.drop_link(kLamp);
  stage.run_for(10s);
  EXPECT_EQ(stage.stage(kLamp), "connected") << "it is maintained";
  EXPECT_EQ(stage.count("Connect"), 2U);
}

// Its cache is to be cleared when the link has ended; who leaves then leaves the lease to the next life.
TEST(Restored, LeaseOfWhoLeavesWhileTheDaemonEndsIsKept) {
  Lit stage;
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0");
  stage.run_until_answered(stage.clear_cache(kBob, kLamp));
  stage.bluetoothd.faults["GetManagedObjects"] = {{.name = "org.bluez.Error.Failed", .after = 2s}};
  stage.world.after(1s, [&] { stage.leave(kBob); });
  stage.stop_daemon();
  EXPECT_EQ(stage.leases.kept.size(), 1U);
  stage.crash_daemon();
  stage.start_daemon();
  stage.run_for(5s);
  EXPECT_EQ(stage.stage(kLamp), "connected") << "it lingers";
}

// Two users ask for a persistent lease each: what becomes of one is nothing to the other.
TEST(PersistentLease, OfEachUserIsItsOwn) {
  Lit stage;
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  stage.uids = {{kBob, 1001}};
  auto hasty = persistent();
  hasty.timeout = 5s;
  auto first = stage.establish(kAlice, kLamp, hasty);
  auto second = stage.establish(kBob, kLamp, persistent());
  auto third = stage.establish(":1.3", kLamp, persistent());  // Alice's user
  stage.run_until_answered(first);
  EXPECT_EQ(first->text(), "Timeout not-seen");
  const auto& leases = stage.daemon().connections.find(*DeviceAddress::parse(kLamp))->leases();
  EXPECT_EQ(leases.size(), 2U);
  stage.release(":1.3", kLamp);
  stage.run_for(1s);
  EXPECT_EQ(third->text(), "Cancelled cancelled");
  EXPECT_EQ(leases.size(), 1U);
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.run_until_answered(second);
  EXPECT_EQ(second->text(), "ok hci0 shared");
  stage.uids[":1.4"] = 1002;
  EXPECT_EQ(stage.connect(":1.4", kLamp, persistent()), "ok hci0 shared");
  stage.run_until_answered(stage.release(":1.4", kLamp));
  stage.run_until_answered(stage.release(kBob, kLamp));
}

// Both wait when the link comes: each keeps the lease that it made.
TEST(PersistentLease, OfTwoUsersThatWaitForOneLinkAreBothKept) {
  Lit stage;
  stage.uids = {{kBob, 1001}};
  auto first = stage.establish(kAlice, kLamp, persistent());
  auto second = stage.establish(kBob, kLamp, persistent());
  stage.run_until_answered(second);
  stage.leave(kAlice);
  stage.leave(kBob);
  stage.run_for(100s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
  stage.run_until_answered(stage.release(kAlice, kLamp));
  EXPECT_EQ(stage.stage(kLamp), "connected");
  stage.run_until_answered(stage.release(kBob, kLamp));
  EXPECT_EQ(stage.stage(kLamp), "");
}

TEST(PersistentLease, ReleasedAloneCancelsOnlyItsCall) {
  Lit stage;
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  auto ordinary = stage.establish(kAlice, kLamp);
  auto lasting = stage.establish(kAlice, kLamp, persistent());
  stage.run_for(1s);
  auto released = stage.release(kAlice, kLamp, Lifetime::persistent);
  stage.run_until_answered(lasting);
  stage.run_until_answered(released);
  EXPECT_EQ(lasting->text(), "Cancelled cancelled");
  EXPECT_EQ(released->text, "1");
  EXPECT_EQ(ordinary->text(), "-");
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.run_until_answered(ordinary);
  EXPECT_EQ(ordinary->text(), "ok hci0");
}

TEST(Restored, LeaseEndsWhereTheLinkIsGone) {
  Lit stage;
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0");
  stage.crash_daemon();
  stage.bluetoothd.drop_link(kLamp);
  stage.start_daemon();
  stage.run_for(5s);
  EXPECT_EQ(stage.stage(kLamp), "");
  EXPECT_EQ(stage.count("Connect"), 1U);
  EXPECT_TRUE(stage.leases.kept.empty());
}

TEST(Restored, AttemptThatTheCrashEndedIsNotMadeAgain) {
  Lit stage;
  stage.bluetoothd.peer(kLamp).link_time = 5s;
  stage.establish(kBob, kLamp);
  stage.run_for(2s);
  stage.crash_daemon();
  EXPECT_TRUE(stage.leases.kept.empty()) << "its caller is told by the bus that we have gone";
  stage.start_daemon();
  stage.run_for(1s);
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0");
}

TEST(Restored, ACallBeforeTheLinkIsFoundSharesIt) {
  Lit stage;
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0");
  stage.crash_daemon();
  stage.start_daemon();
  EXPECT_THAT(stage.connect(kAlice, kLamp), HasSubstr("ok hci0"));
  EXPECT_EQ(stage.count("Connect"), 1U);
}

TEST(Restored, OrderlyEndKeepsLinkAndLease) {
  Lit stage;
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0");
  stage.stop_daemon();
  stage.crash_daemon();
  stage.start_daemon();
  stage.run_for(2s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
}

TEST(Joining, FiftyCallersOfOneDeviceAreOneDial) {
  Lit stage;
  std::vector<CallHandle> calls;
  for (int i = 0; i < 50; ++i) calls.push_back(stage.establish(":2." + std::to_string(i), kLamp));
  for (auto& call : calls) stage.run_until_answered(call);
  for (auto& call : calls) EXPECT_TRUE(call->ok());
  EXPECT_EQ(stage.count("Connect"), 1U);
}

TEST(Quotas, OfPersistentLeasesOneUserCannotTakeAnothers) {
  Lit stage;
  stage.uids = {{kBob, 1001}, {":7.1", 0}};
  for (int i = 0; i < 64; ++i) {
    const auto text =
        std::string{"BB:00:00:00:00:"} + "0123456789ABCDEF"[i / 16] + "0123456789ABCDEF"[i % 16];
    auto options = persistent();
    options.wait = false;
    options.timeout = 0s;
    stage.establish(kAlice, text, options);
  }
  stage.run_for(1s);
  EXPECT_EQ(stage.connect(kAlice, kLamp, persistent()), "LimitsExceeded busy");
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0") << "an ordinary lease is another matter";
  EXPECT_EQ(stage.connect(kBob, kLamp, persistent()), "ok hci0 shared");
  for (int i = 0; i < 64; ++i) {
    const auto text =
        std::string{"BB:00:00:00:00:"} + "0123456789ABCDEF"[i / 16] + "0123456789ABCDEF"[i % 16];
    stage.release(kAlice, text);
  }
  stage.run_until_answered(stage.release(kBob, kLamp));
}

TEST(Restored, ALinkThatIsStillLookedForIsNotStale) {
  Lit stage;
  stage.bluetoothd.peer(kLamp).discovery_time = 100ms;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.crash_daemon();
  stage.start_daemon();
  auto closed = stage.close_stale(kLamp);
  stage.run_until_answered(closed);
  EXPECT_EQ(closed->text, "0");
  stage.run_for(2s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
  EXPECT_EQ(stage.count("Disconnect"), 0U);
}

// --- refusals end what they made, and nothing else ---

TEST(PersistentLease, IsNotEndedByTheRefusalOfAnotherCallOfItsUser) {
  Lit stage;
  stage.bluetoothd.peer(kLamp).link_time = 8s;
  auto hasty = persistent();
  hasty.timeout = 4s;
  auto refused = stage.establish(kAlice, kLamp, hasty);
  stage.run_for(100ms);
  auto patient = stage.establish(kBob, kLamp, persistent());
  stage.run_until_answered(refused);
  EXPECT_FALSE(refused->ok());
  stage.run_until_answered(patient);
  EXPECT_EQ(patient->text(), "ok hci0 shared");
  stage.run_for(60s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
  auto missing = persistent();
  missing.required_uuids = {*full_uuid("dead")};
  EXPECT_EQ(stage.connect(kAlice, kLamp, missing), "ConnectionFailed services-incomplete");
  stage.run_for(60s);
  EXPECT_EQ(stage.stage(kLamp), "connected") << "it was there before that call";
}

TEST(Lease, IsNotEndedByTheRefusalOfASecondCallOfItsCaller) {
  Lit stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0 shared");
  EstablishOptions missing;
  missing.required_uuids = {*full_uuid("dead")};
  EXPECT_EQ(stage.connect(kAlice, kLamp, missing), "ConnectionFailed services-incomplete");
  stage.run_until_answered(stage.release(kBob, kLamp));
  stage.run_for(60s);
  EXPECT_EQ(stage.stage(kLamp), "connected");
}

TEST(Lease, OfACallerThatIsNoLongerThereIsNotMade) {
  Lit stage;
  stage.uids[kBob] = Caller::kUnknown;
  EXPECT_EQ(stage.connect(kBob, kLamp, persistent()), "Cancelled cancelled");
  EXPECT_EQ(stage.stage(kLamp), "");
}

// SIGTERM right behind a start: the next life looks at what the last one left.
TEST(Restored, TerminatedWhileItLooksForItsLinksTheDaemonLeavesThemToTheNext) {
  for (auto after : {0ms, 1ms, 5ms, 20ms, 60ms, 200ms}) {
    Lit stage;
    stage.bluetoothd.peer(kLamp).discovery_time = 100ms;
    EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
    stage.crash_daemon();
    stage.start_daemon();
    stage.run_for(after);
    stage.stop_daemon();
    stage.crash_daemon();  // the process is gone
    EXPECT_EQ(stage.leases.kept.size(), 1U) << after.count() << " ms";
    EXPECT_EQ(stage.bluetoothd.links(Program::ours), 1U) << after.count() << " ms";
    stage.start_daemon();
    stage.run_for(2s);
    EXPECT_EQ(stage.stage(kLamp), "connected") << after.count() << " ms";
    EXPECT_EQ(stage.count("Connect"), 1U);
  }
}

}  // namespace
}  // namespace bleconnd::simulation
