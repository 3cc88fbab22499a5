// What wears a connection out, and who tries to: calls without answers, rules, floods, forged and odd
// signals. Against the scripted org.bluez, in one process with it.
#include <algorithm>
#include <set>

#include "bluez_bus_fixture.hpp"
#include "captured_stderr.hpp"

namespace bleconnd::integration {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

// Dials as the daemon makes them: a look goes out right before Connect.
class Unanswered : public BluezBusTest {
 protected:
  Unanswered() : hci0{fake.add_adapter()}, lamp_there{know_the_lamp(hci0)}, device{watch(lamp_path)} {
    // Its rules are there, and it is known: it was found before, and the bus may tell that first or never.
    EXPECT_TRUE(wait(bluez.get_device(lamp_path, kNever, unstoppable())).ok());
  }
  // BlueZ removes the object, and never answers the Connect.
  void dial_in_vain() {
    hci0.discovered(lamp_there);
    ASSERT_TRUE(until([&] { return device->seen().present; }));
    lamp_there.next_connects({object_vanishes(1ms)});
    const auto before = device->seen().removals;
    auto looked = start(bluez.get_connected(lamp_path, kNever, unstoppable()));
    std::stop_source stop;
    auto dialled = start(bluez.connect(lamp_path, kNever, stop.get_token()));
    ASSERT_TRUE(until([&] { return device->seen().removals != before || dialled->has_value(); }));
    ASSERT_TRUE(until([&] { return looked->has_value(); }));
    ASSERT_TRUE((*looked)->ok()) << (*looked)->failure().said;
    ASSERT_FALSE(dialled->has_value()) << (*dialled)->failure().said;
    stop.request_stop();
    ASSERT_TRUE(until([&] { return dialled->has_value(); }));
  }
  std::set<std::string> lines() const {
    std::set<std::string> lines;
    for (auto& call : fake.calls())
      if (call.member == "Connect") lines.insert(call.sender);
    return lines;
  }

  Adapter& hci0;
  Peripheral& lamp_there;
  std::unique_ptr<DeviceWatch> device;
};

TEST_F(Unanswered, HundredsOfConnectsDoNotUseUpTheBus) {
  for (unsigned round = 1; round <= 200; ++round) ASSERT_NO_FATAL_FAILURE(dial_in_vain()) << round;
  auto& other = fake.add_peripheral("AA:BB:CC:DD:EE:01");
  EXPECT_EQ(lines().size(), 7u);  // ours for 32, then a fresh one for every 32
  hci0.discovered(other);
  EXPECT_TRUE(wait(bluez.connect(path_of("hci0", other.address), in(10s), unstoppable())).ok());
  EXPECT_TRUE(wait(bluez.disconnect(path_of("hci0", other.address), in(10s), unstoppable())).ok());
  fake.kill();
  ASSERT_TRUE(until([&] { return bluez.stack().owner.empty(); }));
  fake.come_back();
  ASSERT_TRUE(until([&] { return bluez.stack().explored && bluez.stack().any_powered(); }));
  hci0.discovered(lamp_there);
  EXPECT_TRUE(wait(bluez.connect(lamp_path, in(10s), unstoppable())).ok());
  EXPECT_EQ(fake.calls().back().sender, side.name());  // with another bluetoothd nothing is owed any more
}

// On a host with several adapters some dial is always under way: a line that is never idle is worn, too.
TEST_F(Unanswered, HundredsOfConnectsWhileOthersDialDoNotUseUpTheBus) {
  constexpr unsigned kRounds = 4 * DialLines::kLost;
  std::vector<std::shared_ptr<std::optional<Outcome<>>>> others;
  for (unsigned round = 0; round < kRounds; ++round) {
    ASSERT_NO_FATAL_FAILURE(dial_in_vain()) << round;
    if (round % (DialLines::kLost / 2) != 0) continue;
    auto& other = fake.add_peripheral("AA:BB:CC:DD:EE:" + std::to_string(10 + others.size()));
    other.next_connects({hangs()});
    hci0.discovered(other);
    others.push_back(start(bluez.connect(path_of("hci0", other.address), kNever, unstoppable())));
  }
  EXPECT_EQ(lines().size(), 4u);
  // Each is taken back over the line that it went out by.
  for (std::size_t i = 0; i < others.size(); ++i) {
    const auto path = path_of("hci0", "AA:BB:CC:DD:EE:" + std::to_string(10 + i));
    EXPECT_FALSE(others[i]->has_value());
    EXPECT_TRUE(wait(bluez.disconnect(path, in(10s), unstoppable())).ok());
    EXPECT_TRUE(until([&] { return others[i]->has_value(); }));
  }
}

// Two connections keep no order: over the spare one Connect waits until all that was sent before is read.
TEST_F(Unanswered, TheLookComesBeforeItsConnectOverAnyLine) {
  for (unsigned round = 0; round <= DialLines::kLost; ++round)
    ASSERT_NO_FATAL_FAILURE(dial_in_vain()) << round;
  ASSERT_EQ(lines().size(), 2u);
  hci0.discovered(lamp_there);
  ASSERT_TRUE(until([&] { return device->seen().present; }));
  fake.forget_calls();
  auto looked = start(bluez.get_connected(lamp_path, kNever, unstoppable()));
  auto dialled = start(bluez.connect(lamp_path, kNever, unstoppable()));
  // All that goes out without an answer has gone out, and through the bus.
  while (sd_event_run(side.loop.event(), 0) > 0) continue;
  (void)rules();
  while (fake.count("Get") == 0) checked(sd_event_run(world.loop.event(), 1000), "fake");
  while (sd_event_run(world.loop.event(), 0) > 0) continue;
  EXPECT_EQ(fake.count("Connect"), 0u);
  ASSERT_TRUE(until([&] { return dialled->has_value(); }));
  EXPECT_TRUE((*dialled)->ok());
  EXPECT_THAT(fake.called({"Get", "Connect"}),
              ElementsAre("Get hci0/dev_AA_BB_CC_DD_EE_FF", "Connect hci0/dev_AA_BB_CC_DD_EE_FF"));
}

TEST_F(BluezBusTest, ConnectAndDisconnectKeepTheirOrder) {
  auto& hci0 = fake.add_adapter();
  auto& lamp_there = know_the_lamp(hci0);
  lamp_there.next_connects({hangs()});
  auto dialled = start(bluez.connect(lamp_path, kNever, unstoppable()));
  auto stopped = start(bluez.stop_discovery("/org/bluez/hci0", kNever, unstoppable()));
  auto ended = start(bluez.disconnect(lamp_path, kNever, unstoppable()));
  ASSERT_TRUE(until([&] { return dialled->has_value() && ended->has_value(); }));
  EXPECT_TRUE((*dialled)->failed_by(Cause::aborted));
  EXPECT_TRUE((*ended)->ok());
  EXPECT_THAT(fake.called({"Connect", "StopDiscovery", "Disconnect"}),
              ElementsAre("Connect hci0/dev_AA_BB_CC_DD_EE_FF", "StopDiscovery hci0",
                          "Disconnect hci0/dev_AA_BB_CC_DD_EE_FF"));
}

TEST_F(BluezBusTest, ForgedSignalsChangeNothing) {
  know_the_lamp(fake.add_adapter());
  auto device = watch(lamp_path);
  ASSERT_TRUE(wait(bluez.connect(lamp_path, in(10s), unstoppable())).ok());
  ASSERT_TRUE(until([&] { return device->seen().services_resolved; }));
  auto& thief = world.client(nobody);
  const auto us = side.name();
  const auto before = device->seen();
  thief.forge_properties_changed(us, lamp_path, "org.bluez.Device1", {{"Connected", false}});
  thief.forge_object_removed(us, lamp_path);
  thief.forge_object_removed(us, "/org/bluez/hci0");
  thief.forge_owner_change(us, "org.bluez", fake.unique_name(), "");
  thief.forge_owner_change(us, "org.bluez", fake.unique_name(), thief.unique_name());
  ASSERT_TRUE(until([&] { return bluez.forged_signals() == 5; }));
  EXPECT_TRUE(device->seen().connected && device->seen().present);
  EXPECT_EQ(device->seen().removals, before.removals);
  EXPECT_EQ(device->seen().links_down, before.links_down);
  EXPECT_EQ(bluez.stack().owner, fake.unique_name());
  EXPECT_EQ(bluez.stack().adapters.size(), 1u);
}

TEST_F(BluezBusTest, AdvertisementsOfUnwatchedDevicesDoNotWakeUs) {
  fake.add_adapter();
  for (int each = 0; each < 30; ++each) {
    auto& noise = fake.add_peripheral("AA:BB:CC:00:00:" + std::to_string(10 + each));
    noise.changes_data = true;
  }
  fake.start();
  begin();
  { auto device = watch(lamp_path); }  // remembered: still no advertisements
  auto& program = world.client();
  program.watch_bluez();
  (void)program.bluez_adapter("/org/bluez/hci0", "StartDiscovery");
  settle();
  std::uint64_t before{};
  std::uint64_t after{};
  sd_event_get_iteration(side.loop.event(), &before);
  ASSERT_TRUE(world.loop.run_until([&] { return program.signals("PropertiesChanged").size() > 200; }));
  while (sd_event_run(side.loop.event(), 0) > 0) {
  }
  sd_event_get_iteration(side.loop.event(), &after);
  EXPECT_LT(after - before, 20u);
}

TEST_F(BluezBusTest, FewDevicesAreKeptCurrent) {
  auto& hci0 = fake.add_adapter();
  std::vector<std::string> paths;
  for (int each = 0; each < 12; ++each) {
    const auto address = "AA:BB:CC:00:00:" + std::to_string(10 + each);
    hci0.discovered(fake.add_peripheral(address));
    paths.push_back(path_of("hci0", address));
  }
  fake.start();
  begin();
  const auto base = rules();
  for (auto& path : paths) {
    auto device = watch(path);
    ASSERT_TRUE(wait(bluez.get_device(path, in(10s), unstoppable())).ok());
  }
  settle();
  EXPECT_EQ(rules(), base + 2 * paths.size() + DeviceMirror::kKeptCurrent);
  EXPECT_FALSE(watch(paths.front())->seen().current);
  EXPECT_TRUE(watch(paths.back())->seen().current);
}

TEST_F(BluezBusTest, DevicesThatAreHeardComeAmongTheFew) {
  auto& hci0 = fake.add_adapter();
  know_the_lamp(hci0);
  {
    auto device = watch(lamp_path);
    ASSERT_TRUE(wait(bluez.get_device(lamp_path, in(10s), unstoppable())).ok());
  }
  Notice wake{side.loop};
  std::vector<Outcome<std::unique_ptr<Ear>>> ears;
  std::vector<std::string> others;
  for (std::size_t each = 0; each < DeviceMirror::kKeptCurrent; ++each) {
    others.push_back("AA:BB:CC:00:00:" + std::to_string(10 + each));
    ears.push_back(bluez.listen("/org/bluez/hci0", *DeviceAddress::parse(others.back()), {}, wake));
  }
  settle();
  for (auto& other : others) hci0.discovered(fake.add_peripheral(other));
  ASSERT_TRUE(until([&] { return bluez.knows(path_of("hci0", others.back())); }));
  EXPECT_FALSE(watch(lamp_path)->seen().current);
}

TEST_F(BluezBusTest, RulesHaveALimitAndWatchesComeBeforeMemories) {
  fake.add_adapter();
  fake.start();
  begin();
  const auto base = rules();
  for (int each = 0; each < 80; ++each) watch(path_of("hci0", "AA:BB:CC:00:01:" + std::to_string(10 + each)));
  settle();
  EXPECT_EQ(rules(), base + 2 * DeviceMirror::kRemembered);
  std::vector<std::unique_ptr<DeviceWatch>> held;
  Outcome<std::unique_ptr<DeviceWatch>> last{Cause::cancelled};
  for (int each = 0; each < 200; ++each) {
    last = bluez.watch("/org/bluez/hci0/dev_" + std::to_string(each));
    if (!last.ok()) break;
    held.push_back(std::move(last.value()));
  }
  EXPECT_TRUE(last.failed_by(Cause::limits));
  EXPECT_GT(held.size(), 110u);
  settle();
  EXPECT_LE(rules(), MatchRules::kMost);
  held.clear();
  settle();
  EXPECT_EQ(rules(), base + 2 * DeviceMirror::kRemembered);
  EXPECT_TRUE(bluez.watch(lamp_path).ok());
  EXPECT_TRUE(bluez.watch("/org/bluez").failed_by(Cause::invalid));
  EXPECT_TRUE(bluez.watch("/org/bluez/hci0/dev_X/service0001").failed_by(Cause::invalid));
  EXPECT_TRUE(bluez.watch("/org/bluez/hci0x/dev_X").failed_by(Cause::invalid));
}

// Fewer than we would take. Of the three of a device the bus refuses one, two or all.
class BusOfFewRules : public BluezBusTest, public ::testing::WithParamInterface<unsigned> {
 protected:
  static WorldOptions few(unsigned rules) {
    auto options = fast();
    options.bus.match_rules = rules;
    return options;
  }
  BusOfFewRules() : BluezBusTest(few(GetParam())) {}
};
INSTANTIATE_TEST_SUITE_P(Rules, BusOfFewRules, ::testing::Values(60u, 61u, 62u));

TEST_P(BusOfFewRules, IsFoundOutAndNotAskedForMore) {
  Captured captured;
  fake.add_adapter();
  fake.start();
  begin();
  std::vector<std::unique_ptr<DeviceWatch>> held;
  Outcome<std::unique_ptr<DeviceWatch>> last{Cause::cancelled};
  for (int each = 10; each < 60; ++each) {
    last = bluez.watch(path_of("hci0", "AA:BB:CC:00:01:" + std::to_string(each)));
    if (!last.ok()) break;
    held.push_back(std::move(last.value()));
    settle();
  }
  EXPECT_TRUE(last.failed_by(Cause::limits));
  EXPECT_LE(held.size(), GetParam() / 3);
  EXPECT_THAT(captured.text(), ::testing::HasSubstr("the bus refused a match rule"));
}

// Devices that are remembered take rules too. Once the bus has refused some, who watches has all three.
TEST_P(BusOfFewRules, AreLeftToWhoWatches) {
  fake.add_adapter();
  fake.start();
  begin();
  for (int each = 10; each < 60; ++each) {
    const auto path = path_of("hci0", "AA:BB:CC:00:01:" + std::to_string(each));
    const auto watched = bluez.watch(path);
    settle();
    if (each < 40) continue;
    ASSERT_TRUE(watched.ok());
    const auto rules = world.client().match_rules_of(side.name());
    EXPECT_EQ(std::ranges::count_if(rules, [&](auto& rule) { return rule.find(path) != rule.npos; }), 3)
        << path;
  }
}

TEST_F(BluezBusTest, ManyCallsAtOnceQueueAndAreAnswered) {
  know_the_lamp(fake.add_adapter());
  std::vector<std::shared_ptr<std::optional<Outcome<DeviceState>>>> all;
  for (int each = 0; each < 500; ++each)
    all.push_back(start(bluez.get_device(lamp_path, in(20s), unstoppable())));
  ASSERT_TRUE(until([&] {
    for (auto& each : all)
      if (!each->has_value()) return false;
    return true;
  }));
  for (auto& each : all) ASSERT_TRUE((*each)->ok());
}

TEST_F(BluezBusTest, DeadlineAndStopEndAWaitAndLateAnswersAreForgotten) {
  know_the_lamp(fake.add_adapter());
  fake.swallow_next("GetAll");
  EXPECT_TRUE(wait(bluez.get_device(lamp_path, in(50ms), unstoppable())).failed_by(Cause::timeout));
  fake.delay_next("GetAll", 5s);
  EXPECT_TRUE(wait(bluez.get_device(lamp_path, in(20ms), unstoppable())).failed_by(Cause::timeout));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(wait(bluez.get_device(lamp_path, kNever, stop.get_token())).failed_by(Cause::cancelled));
  for (int each = 0; each < 100; ++each) settle();  // the late answer comes in between
  EXPECT_TRUE(wait(bluez.get_device(lamp_path, in(10s), unstoppable())).ok());
  { auto dropped = start(bluez.get_device(lamp_path, kNever, unstoppable())); }
}

TEST_F(BluezBusTest, EverythingIsDroppedInMidCall) {
  auto& lamp_there = know_the_lamp(fake.add_adapter());
  lamp_there.next_connects({hangs()});
  (void)start(bluez.connect(lamp_path, kNever, unstoppable()));
  (void)start(bluez.start_discovery("/org/bluez/hci0", kNever, unstoppable()));
  ASSERT_TRUE(until([&] { return fake.count("Connect") == 1; }));
}

TEST_F(BluezBusTest, OddSignalsOfBluetoothdItself) {
  auto& owner = world.client();
  auto named = owner.call({"org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus"},
                          "RequestName", {Value{std::string{"org.bluez"}}, Value{std::uint32_t{4}}});
  ASSERT_TRUE(until([&] { return named->done; }));
  bluez.begin();
  ASSERT_TRUE(until([&] { return bluez.stack().owner == owner.unique_name(); }));
  auto device = watch(lamp_path);
  const auto us = side.name();
  const std::string properties = "org.freedesktop.DBus.Properties";
  const std::string objects = "org.freedesktop.DBus.ObjectManager";
  const auto text = [](const char* value) { return Argument{Value{std::string{value}}}; };
  for (const auto* member : {"PropertiesChanged", "InterfacesAdded", "InterfacesRemoved", "Disconnected"}) {
    for (const auto& interface : {properties, objects, std::string{"org.bluez.Device1"}}) {
      owner.forge(us, lamp_path, interface, member, {});
      owner.forge(us, lamp_path, interface, member, {text("org.bluez.Device1")});
      owner.forge(us, lamp_path, interface, member, {text("org.bluez.Device1"), text("x")});
      owner.forge(us, lamp_path, interface, member, {Argument{Value{std::uint32_t{7}}}});
      owner.forge(us, lamp_path, interface, member, {Argument{Value{ObjectPath{lamp_path}}}});
      owner.forge(us, lamp_path, interface, member, {Argument{Value{ObjectPath{lamp_path}}}, text("x")});
      owner.forge(us, lamp_path, interface, member,
                  {Argument{Value{ObjectPath{"/org/bluez/hci0"}}}, text("x")});
    }
  }
  owner.forge_properties_changed(
      us, lamp_path, "org.bluez.Device1",
      {{"Connected", std::string{"yes"}}, {"RSSI", true}, {"Paired", std::int16_t{3}}});
  owner.forge_properties_changed(us, "/org/bluez/hci99999", "org.bluez.Adapter1", {{"Powered", true}});
  owner.forge_properties_changed(us, "/somewhere/else", "org.bluez.Device1", {{"Connected", true}});
  owner.forge_properties_changed(us, lamp_path, "org.bluez.Device1", {{"Connected", true}});
  ASSERT_TRUE(until([&] { return device->seen().connected; }));
  EXPECT_EQ(device->seen().links_up, 1u);
  EXPECT_EQ(device->seen().removals, 0u);
  EXPECT_TRUE(bluez.stack().adapters.empty());
  EXPECT_EQ(bluez.forged_signals(), 0u);
}

TEST_F(BluezBusTest, ClientsThatLeaveAndTheirUsers) {
  ClientWatch clients{*side.connection, side.journal};
  std::set<std::string> left;
  clients.on_left([&](const std::string& name) { left.insert(name); });
  fake.add_adapter();
  fake.start();
  begin();
  auto& first = world.client();
  auto& second = world.client(nobody);
  const auto name = first.unique_name();
  const auto other = second.unique_name();
  second.forge_owner_change(side.name(), other, other, "");
  first.leave();
  ASSERT_TRUE(until([&] { return left.contains(name); }));
  EXPECT_FALSE(left.contains(other));
}

}  // namespace
}  // namespace bleconnd::integration
