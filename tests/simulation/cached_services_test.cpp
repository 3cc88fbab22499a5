// The services of a device between the cache, BlueZ's objects and the truth of the peer.
#include "stage.hpp"

namespace bleconnd::simulation {
namespace {

struct Lit : Stage {
  Lit() { bluetoothd.hears(kFirst, kLamp); }
  Peer& lamp() { return bluetoothd.peer(kLamp); }
  void release_lamp(const std::string& client = kAlice) { run_until_answered(release(client, kLamp)); }
  // Connected once, its services are in the cache, and the link is down.
  void seen_before() {
    ASSERT_EQ(connect(kAlice, kLamp), "ok hci0");
    run_for(1s);
    release_lamp();
    run_for(1s);
    ASSERT_EQ(bluetoothd.links(Program::ours), 0U);
    begin();
  }
  std::string known_services() {
    auto asked = services(kLamp);
    run_until_answered(asked);
    return asked->text;
  }
  std::string clear(bool force = false) {
    auto asked = clear_cache(kAlice, kLamp, force);
    run_until_answered(asked);
    return asked->text;
  }
};

EstablishOptions fresh() {
  EstablishOptions options;
  options.terms.use_cache = false;
  return options;
}

EstablishOptions requiring(const std::vector<std::string>& uuids) {
  EstablishOptions options;
  for (auto& uuid : uuids) options.required_uuids.push_back(*full_uuid(uuid));
  return options;
}

// --- answers from the cache ---

TEST(CachedServices, AnswerBeforeBluezHasResolvedThem) {
  Lit stage;
  stage.lamp().discovery_time = 5s;
  stage.seen_before();
  auto call = stage.establish(kAlice, kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0 unverified");
  EXPECT_LT(stage.seconds(call), 1.0);
  const auto& established = std::get<Established>(*call->answer);
  EXPECT_TRUE(established.services_from_cache);
  stage.run_for(6s);
  EXPECT_EQ(stage.connect(kBob, kLamp), "ok hci0 shared") << "verified meanwhile";
  EXPECT_THAT(stage.effects("services"), IsEmpty());
  EXPECT_EQ(stage.cache.writes, 1U) << "nothing is new";
}

TEST(CachedServices, AreUsedByTheNextLifeOfTheDaemon) {
  Lit stage;
  stage.lamp().discovery_time = 5s;
  stage.seen_before();
  stage.crash_daemon();
  stage.start_daemon();
  stage.run_for(1s);
  auto call = stage.establish(kAlice, kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0 unverified");
  EXPECT_LT(stage.seconds(call), 1.0);
}

TEST(CachedServices, WithoutBluezObjectsWaitForTheResolve) {
  Lit stage;
  stage.seen_before();
  stage.run_for(40s);  // the object goes
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  EXPECT_THAT(stage.effects("services"), IsEmpty());
}

TEST(CachedServices, AreNotForWhoWantsCertainty) {
  Lit stage;
  stage.lamp().discovery_time = 5s;
  stage.seen_before();
  auto sure = stage.establish(kBob, kLamp, fresh());
  auto quick = stage.establish(kAlice, kLamp);
  stage.run_until_answered(quick);
  EXPECT_EQ(quick->text(), "ok hci0 unverified shared");
  EXPECT_EQ(sure->text(), "-");
  stage.run_until_answered(sure);
  EXPECT_EQ(sure->text(), "ok hci0");
  EXPECT_FALSE(std::get<Established>(*sure->answer).services_from_cache);
}

// The entry is read while the dial waits for the radio.
TEST(CachedServices, ThatAreClearedDuringTheDialAreNotUsed) {
  Lit stage;
  stage.seen_before();
  stage.lamp().link_time = 1s;
  auto call = stage.establish(kAlice, kLamp);
  stage.run_for(500ms);
  ASSERT_EQ(stage.count("Connect"), 1U);
  stage.clear_cache(kAlice, kLamp, false);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
  EXPECT_FALSE(std::get<Established>(*call->answer).services_from_cache);
}

TEST(CachedServices, OfAMutePeerAreAPhantom) {
  Lit stage;
  stage.seen_before();
  stage.lamp().manner.mute = true;
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(5s)), "ok hci0 unverified");
  stage.run_for(20s);
  EXPECT_THAT(stage.effects("link ended"), ElementsAre(::testing::HasSubstr("services-incomplete")));
  EXPECT_EQ(stage.bluetoothd.links(Program::ours), 0U);
  EXPECT_FALSE(stage.cache.has(*DeviceAddress::parse(kLamp)));
  EXPECT_EQ(stage.stage(kLamp), "");
}

// --- verified against the truth ---

TEST(CachedServices, ThatChangedWhileAwayAreToldAndReplaced) {
  Lit stage;
  stage.lamp().discovery_time = 3s;
  stage.seen_before();
  stage.lamp().services = 3;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0 unverified");
  stage.run_for(10s);
  EXPECT_THAT(stage.effects("services changed"), ElementsAre("3.3 services changed: 1"));
  stage.release_lamp();
  EXPECT_EQ(stage.known_services(), "cached 3 under hci0/01");
}

TEST(CachedServices, WithAnotherDatabaseHashAreTold) {
  Lit stage;
  stage.lamp().hash.assign(16, 1);
  stage.seen_before();
  stage.connect(kAlice, kLamp);
  stage.run_for(10s);
  EXPECT_THAT(stage.effects("services changed"), IsEmpty());
  stage.release_lamp();
  stage.lamp().hash.assign(16, 2);
  stage.connect(kAlice, kLamp);
  stage.run_for(10s);
  EXPECT_EQ(stage.effects("services changed").size(), 1U);
}

TEST(CachedServices, AHashThatCannotBeReadChangesNothing) {
  Lit stage;
  stage.lamp().hash.assign(16, 1);
  stage.seen_before();
  stage.bluetoothd.faults["ReadValue"] = {{.name = "org.bluez.Error.Failed", .text = "Not connected"}};
  stage.connect(kAlice, kLamp);
  stage.run_for(10s);
  EXPECT_THAT(stage.effects("services changed"), IsEmpty());
  EXPECT_EQ(stage.cache.load(*DeviceAddress::parse(kLamp))->hash, std::vector<std::uint8_t>(16, 1));
}

TEST(CachedServices, ServiceChangedOfALinkUpdatesTheEntry) {
  Lit stage;
  stage.connect(kAlice, kLamp);
  stage.run_for(5s);
  stage.lamp().services = 1;
  stage.bluetoothd.service_changed(kLamp);
  stage.run_for(5s);
  EXPECT_EQ(stage.effects("services changed").size(), 1U);
  EXPECT_EQ(stage.cache.load(*DeviceAddress::parse(kLamp))->services.services.size(), 1U);
  EXPECT_EQ(stage.known_services(), "live 1");
}

TEST(CachedServices, OfALinkThatBlueZDoesNotTellOfAreAFailureOfBlueZ) {
  Lit stage;
  stage.connect(kAlice, kLamp);
  stage.run_for(5s);
  stage.bluetoothd.faults["GetManagedObjects"] = {{.answered = false}};
  EXPECT_EQ(stage.known_services(), "ConnectionFailed bluez-error") << "the caller set no time";
}

TEST(CachedServices, AgeByTheHourIsOneWriteAnHour) {
  Lit stage;
  stage.seen_before();
  for (int i = 0; i < 5; ++i) {
    stage.connect(kAlice, kLamp);
    stage.run_for(2s);
    stage.release_lamp();
  }
  EXPECT_EQ(stage.cache.writes, 1U);
  stage.run_for(3700s);
  stage.connect(kAlice, kLamp);
  stage.run_for(2s);
  EXPECT_EQ(stage.cache.writes, 2U);
}

TEST(CachedServices, DecideBetweenAdaptersThatTie) {
  Lit stage;
  stage.add_second_adapter();
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  stage.bluetoothd.hears(kSecond, kLamp);
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci1");
  stage.release_lamp();
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.trust(stage.lamp_at(kSecond));
  stage.keep_object(kLamp, kFirst);
  stage.daemon().radio.routes = {};  // nothing else speaks for either
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci1 unverified");
}

TEST(CachedServices, OfAnEntryThatIsFarAheadOrHasNoneAreNotUsed) {
  for (const bool ahead : {true, false}) {
    Lit stage;
    stage.settings.cache_age = 3600s;
    stage.configure();
    stage.lamp().discovery_time = 5s;
    stage.seen_before();
    auto entry = *stage.cache.load(*DeviceAddress::parse(kLamp));
    if (ahead) entry.read_at += 7200s;
    if (!ahead) entry.services = {};
    stage.cache.save(*DeviceAddress::parse(kLamp), entry);
    if (!ahead) stage.crash_daemon();  // so that BlueZ's objects are looked at
    if (!ahead) stage.start_daemon();
    stage.run_for(1s);
    EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0") << ahead;
  }
}

// A clock that was wrong: what is read now is the newest all the same.
TEST(CachedServices, ReadAheadOfTheirTimeGetTheTimeOfTheNextRead) {
  Lit stage;
  stage.seen_before();
  auto entry = *stage.cache.load(*DeviceAddress::parse(kLamp));
  entry.read_at += 600s;
  stage.cache.save(*DeviceAddress::parse(kLamp), entry);
  stage.connect(kAlice, kLamp);
  stage.run_for(2s);
  EXPECT_LE(stage.cache.load(*DeviceAddress::parse(kLamp))->read_at, stage.cache.now());
}

TEST(CachedServices, MoveWithTheObject) {
  Lit stage;
  stage.seen_before();
  stage.bluetoothd.foreign_remove(stage.lamp_at());
  stage.bluetoothd.make_object(kFirst, kLamp, kLock);
  stage.run_for(1s);
  stage.connect(kAlice, kLamp);
  stage.run_for(2s);
  stage.release_lamp();
  EXPECT_EQ(stage.known_services(), "cached 2 under hci0/02");
}

TEST(CachedServices, AHashOfTheWrongSizeIsNone) {
  Lit stage;
  stage.lamp().hash.assign(3, 1);
  stage.seen_before();
  EXPECT_TRUE(stage.cache.load(*DeviceAddress::parse(kLamp))->hash.empty());
}

// Between the answer of Connect and that of the look for BlueZ's objects.
TEST(CachedServices, OfALinkThatIsLostMeanwhileAnswerNobody) {
  Lit stage;
  stage.seen_before();
  stage.crash_daemon();
  stage.start_daemon();  // which has not followed the objects
  stage.run_for(1s);
  stage.lamp().first = {{.drops_after = 32ms}};
  stage.bluetoothd.faults["Introspect"] = {{.name = "org.bluez.Error.Failed", .text = "what is this"}};
  auto call = stage.establish(kAlice, kLamp);
  stage.run_until_answered(call);
  EXPECT_THAT(stage.effects("attempt"), ElementsAre(HasSubstr("attempt 1: link-lost")));
  EXPECT_THAT(call->text(), HasSubstr("ok hci0"));
}

TEST(Services, WithoutAnyUuidCannotBeKeptUntilTheyHaveOne) {
  Lit stage;
  stage.lamp().nameless = true;
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.run_for(5s);
  EXPECT_FALSE(stage.cache.has(*DeviceAddress::parse(kLamp)));
  stage.lamp().nameless = false;
  stage.lamp().services = 3;
  stage.bluetoothd.service_changed(kLamp);
  stage.run_for(15s);
  EXPECT_TRUE(stage.cache.has(*DeviceAddress::parse(kLamp)));
  EXPECT_THAT(stage.effects("services changed"), IsEmpty()) << "there was nothing before";
}

TEST(RequiredUuids, OfServicesWithoutAnyUuidAreMissing) {
  Lit stage;
  stage.lamp().nameless = true;
  EXPECT_EQ(stage.connect(kAlice, kLamp, requiring({"1801"})), "ConnectionFailed services-incomplete");
}

// --- required-uuids ---

TEST(RequiredUuids, ThatAreThereAreNoMatter) {
  Lit stage;
  EXPECT_EQ(stage.connect(kAlice, kLamp, requiring({"1801", "2a02"})), "ok hci0");
}

TEST(RequiredUuids, ThatAreMissingAreDiscoveredOnceMoreAndThenNamed) {
  Lit stage;
  auto call = stage.establish(kAlice, kLamp, requiring({"1801", "180f"}));
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ConnectionFailed services-incomplete");
  EXPECT_THAT(call->message(), ::testing::HasSubstr("missing 0000180f-0000-1000-8000-00805f9b34fb"));
  EXPECT_EQ(stage.count("Connect"), 2U);
  EXPECT_EQ(stage.count("RemoveDevice"), 1U);
  stage.run_for(5s);
  EXPECT_EQ(stage.bluetoothd.links(Program::ours), 0U);
}

TEST(RequiredUuids, ThatTheDeviceHasByNowAreFound) {
  Lit stage;
  stage.seen_before();
  stage.lamp().services = 3;
  EXPECT_EQ(stage.connect(kAlice, kLamp, requiring({"1803"})), "ok hci0");
  EXPECT_EQ(stage.count("Connect"), 1U) << "the resolve of this link shows it";
}

TEST(RequiredUuids, NeverCostOthersTheirLink) {
  Lit stage;
  stage.connect(kBob, kLamp);
  EXPECT_EQ(stage.connect(kAlice, kLamp, requiring({"180f"})), "ConnectionFailed services-incomplete");
  EXPECT_EQ(stage.count("Disconnect"), 0U);
  EXPECT_EQ(stage.stage(kLamp), "connected");
}

// --- services of a device that is away ---

TEST(Services, AreLiveOrCachedOrUnknown) {
  Lit stage;
  EXPECT_EQ(stage.known_services(), "NotCached invalid");
  stage.connect(kAlice, kLamp);
  EXPECT_EQ(stage.known_services(), "live 2");
  stage.run_for(1s);
  stage.release_lamp();
  EXPECT_EQ(stage.known_services(), "cached 2 under hci0/01");
}

// --- ClearCache ---

TEST(ClearCache, TakesTheEntryAndBluezObject) {
  Lit stage;
  stage.seen_before();
  EXPECT_EQ(stage.clear(), "1 entries, 1 objects");
  EXPECT_EQ(stage.known_services(), "NotCached invalid");
  EXPECT_EQ(stage.bluetoothd.object(stage.lamp_at()), nullptr);
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  EXPECT_EQ(stage.clear(true), "1 entries, 1 objects") << "the link is taken away, too";
}

TEST(ClearCache, WorksRightAfterARestart) {
  Lit stage;
  stage.seen_before();
  stage.crash_daemon();
  stage.start_daemon();
  EXPECT_EQ(stage.clear(), "1 entries, 1 objects") << "BlueZ is not looked at yet";
}

TEST(ClearCache, WithoutBluetoothdTakesTheEntry) {
  Lit stage;
  stage.seen_before();
  stage.bluetoothd.kill();
  stage.run_for(1s);
  EXPECT_EQ(stage.clear(), "1 entries, 0 objects");
}

TEST(ClearCache, OfALinkTakesBluezObjectWhenItHasEnded) {
  Lit stage;
  stage.connect(kAlice, kLamp);
  stage.run_for(1s);
  EXPECT_EQ(stage.clear(), "1 entries, 0 objects, later");
  stage.run_for(5s);
  EXPECT_NE(stage.bluetoothd.object(stage.lamp_at()), nullptr);
  EXPECT_FALSE(stage.cache.has(*DeviceAddress::parse(kLamp))) << "nothing writes it again";
  stage.release_lamp();
  stage.run_for(5s);
  EXPECT_EQ(stage.bluetoothd.object(stage.lamp_at()), nullptr);
}

TEST(ClearCache, LeavesWhatIsBondedOrTrustedInBluezUnlessForced) {
  Lit stage;
  stage.seen_before();
  stage.bluetoothd.bond(stage.lamp_at());
  EXPECT_EQ(stage.clear(), "1 entries, 0 objects");
  EXPECT_NE(stage.bluetoothd.object(stage.lamp_at()), nullptr);
  EXPECT_EQ(stage.clear(true), "0 entries, 1 objects");
  EXPECT_EQ(stage.bluetoothd.object(stage.lamp_at()), nullptr);
}

TEST(ClearCache, ByForceOfWhatOthersHoldIsForRoot) {
  Lit stage;
  stage.connect(kBob, kLamp);
  EXPECT_EQ(stage.clear(true), "AccessDenied denied");
  EXPECT_EQ(stage.stage(kLamp), "connected");
  stage.uids[kAlice] = 0;
  EXPECT_EQ(stage.clear(true), "1 entries, 1 objects");
}

TEST(ClearCache, OfAllTakesEveryDeviceWithAnEntry) {
  Lit stage;
  stage.bluetoothd.hears(kFirst, kLock);
  stage.seen_before();
  stage.keep_object(kLock);  // somebody else's: it has no entry
  auto cleared = stage.clear_all_caches();
  stage.run_until_answered(cleared);
  EXPECT_EQ(cleared->text, "1 entries, 1 objects");
  EXPECT_NE(stage.bluetoothd.object(stage.bluetoothd.path(kFirst, kLock)), nullptr);
}

// --- trust ---

TEST(Trust, KeepsObjectAndServicesBeyondTheLink) {
  Lit stage;
  EstablishOptions options;
  options.terms.trust = options.insists_on_trust = true;
  EXPECT_EQ(stage.connect(kAlice, kLamp, options), "ok hci0");
  stage.run_for(1s);
  stage.release_lamp();
  stage.run_for(100s);
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0 unverified");
  EXPECT_EQ(stage.count("Trust"), 1U);
  EXPECT_EQ(stage.connect(kBob, kLamp, options), "Busy busy") << "this link was made without";
}

TEST(Trust, OfALinkOrARunThatHasItIsShared) {
  Lit stage;
  EstablishOptions options;
  options.terms.trust = options.insists_on_trust = true;
  auto first = stage.establish(kAlice, kLamp, options);
  auto joined = stage.establish(kBob, kLamp, options);
  stage.run_until_answered(first);
  stage.run_until_answered(joined);
  EXPECT_EQ(joined->text(), "ok hci0 shared");
  EXPECT_EQ(stage.connect(":1.3", kLamp, options), "ok hci0 shared");
  EXPECT_EQ(stage.count("Trust"), 1U);
}

TEST(Trust, OnARunWithoutIsBusy) {
  Lit stage;
  EstablishOptions options;
  options.terms.trust = options.insists_on_trust = true;
  stage.establish(kAlice, kLamp);
  EXPECT_EQ(stage.connect(kBob, kLamp, options), "Busy busy");
  EXPECT_EQ(stage.count("Trust"), 0U);
}

}  // namespace
}  // namespace bleconnd::simulation
