// One device: its object, link, services and reports, as BlueZ signals and answers them.
// Against the scripted org.bluez, in one process with it.
#include "bluez_bus_fixture.hpp"
#include "core/gatt_tree.hpp"

namespace bleconnd::integration {
namespace {

using namespace std::chrono_literals;

TEST_F(BluezBusTest, FirstConnectFollowedFromTheObjectOn) {
  auto& hci0 = fake.add_adapter();
  auto& lamp_there = fake.add_peripheral(lamp_address);
  fake.start();
  begin();
  auto device = watch(lamp_path);
  EXPECT_FALSE(device->seen().present);
  settle();
  hci0.discovered(lamp_there);
  ASSERT_TRUE(until([&] { return device->seen().present; }));
  EXPECT_TRUE(device->seen().gatt_whole);
  EXPECT_FALSE(device->seen().heard.has_value());  // made without a report
  EXPECT_TRUE(bluez.knows(lamp_path));
  EXPECT_TRUE(wait(bluez.connect(lamp_path, in(10s), unstoppable())).ok());
  EXPECT_TRUE(device->seen().connected);
  ASSERT_TRUE(until([&] { return device->seen().services_resolved; }));
  EXPECT_EQ(device->seen().links_up, 1u);
  EXPECT_TRUE(device->seen().gatt_whole);
  const auto followed = device->seen().gatt;
  ASSERT_FALSE(followed.empty());
  EXPECT_EQ(fake.count("GetManagedObjects"), 0u);
  auto read = wait(bluez.read_services(lamp_path, in(10s), unstoppable()));
  ASSERT_TRUE(read.ok());
  ASSERT_EQ(read.value().size(), followed.size());
  EXPECT_EQ(packed(read.value(), lamp_path).database(), followed.database());
  EXPECT_TRUE(wait(bluez.disconnect(lamp_path, in(10s), unstoppable())).ok());
  ASSERT_TRUE(until([&] { return !device->seen().connected; }));
  EXPECT_EQ(device->seen().links_down, 1u);
  EXPECT_FALSE(device->seen().services_resolved);
}

TEST_F(BluezBusTest, ATreeThatWasThereBeforeIsWholeOnceRead) {
  auto& hci0 = fake.add_adapter();
  auto& lamp_there = know_the_lamp(hci0);
  EXPECT_TRUE(wait(bluez.connect(lamp_path, in(10s), unstoppable())).ok());
  ASSERT_TRUE(until([&] { return hci0.device(lamp_there)->services_resolved(); }));
  auto device = watch(lamp_path);
  EXPECT_FALSE(device->seen().connected);
  auto state = wait(bluez.get_device(lamp_path, in(10s), unstoppable()));
  ASSERT_TRUE(state.ok());
  EXPECT_TRUE(state.value().connected && device->seen().connected && device->seen().services_resolved);
  EXPECT_FALSE(device->seen().gatt_whole);
  EXPECT_TRUE(wait(bluez.read_services(lamp_path, in(10s), unstoppable())).ok());
  EXPECT_TRUE(device->seen().gatt_whole);
  EXPECT_FALSE(device->seen().gatt.empty());
  // Service Changed while connected: the tree is replaced, and followed.
  GattTree next = small_gatt_tree();
  next.pop_back();
  const auto before = device->seen().gatt.size();
  lamp_there.change_services(next);
  ASSERT_TRUE(until([&] { return device->seen().gatt.size() < before; }));
  settle();
  auto read = wait(bluez.read_services(lamp_path, in(10s), unstoppable()));
  EXPECT_EQ(read.value().size(), device->seen().gatt.size());
  EXPECT_TRUE(device->seen().gatt_whole);
}

TEST_F(BluezBusTest, SilentConnectIsSeenByLooking) {
  auto& lamp_there = know_the_lamp(fake.add_adapter());
  auto device = watch(lamp_path);
  lamp_there.next_connects({succeeds_silently()});
  EXPECT_TRUE(wait(bluez.connect(lamp_path, in(10s), unstoppable())).ok());
  EXPECT_FALSE(device->seen().connected);
  auto state = wait(bluez.get_device(lamp_path, in(10s), unstoppable()));
  EXPECT_TRUE(state.value().connected);
  EXPECT_TRUE(device->seen().connected);
  EXPECT_EQ(device->seen().links_up, 1u);
}

TEST_F(BluezBusTest, ADeviceThatIsUsedAgainIsCurrentUntilItAdvertises) {
  auto& lamp_there = know_the_lamp(fake.add_adapter());
  lamp_there.changes_data = true;
  const auto base = rules();
  auto device = watch(lamp_path);
  EXPECT_FALSE(device->seen().current);
  ASSERT_TRUE(wait(bluez.get_device(lamp_path, in(10s), unstoppable())).ok());
  ASSERT_TRUE(wait(bluez.connect(lamp_path, in(10s), unstoppable())).ok());
  ASSERT_TRUE(until([&] { return device->seen().connected; }));
  ASSERT_TRUE(wait(bluez.disconnect(lamp_path, in(10s), unstoppable())).ok());
  ASSERT_TRUE(until([&] { return !device->seen().connected; }));
  device.reset();
  settle();
  EXPECT_EQ(rules(), base + 3);

  device = watch(lamp_path);
  EXPECT_TRUE(device->seen().current);
  lamp_there.next_connects({succeeds_silently()});
  ASSERT_TRUE(wait(bluez.connect(lamp_path, in(10s), unstoppable())).ok());
  EXPECT_FALSE(device->seen().connected);
  ASSERT_TRUE(until([&] { return device->seen().services_resolved; }));
  EXPECT_TRUE(wait(bluez.get_connected(lamp_path, in(10s), unstoppable())).value());
  EXPECT_TRUE(device->seen().connected);
  EXPECT_TRUE(device->seen().services_resolved) << "its signal came before this answer";
  EXPECT_EQ(device->seen().links_up, 2u);
  ASSERT_TRUE(wait(bluez.disconnect(lamp_path, in(10s), unstoppable())).ok());
  ASSERT_TRUE(until([&] { return !device->seen().connected; }));
  device.reset();
  settle();
  EXPECT_EQ(rules(), base + 3);

  auto& program = world.client();
  (void)program.bluez_adapter("/org/bluez/hci0", "StartDiscovery");
  ASSERT_TRUE(until([&] { return rules() == base + 2; }));
  EXPECT_FALSE(watch(lamp_path)->seen().current);
}

TEST_F(BluezBusTest, OfADeviceWhoseLinkWasLeftUpNothingIsCurrent) {
  know_the_lamp(fake.add_adapter());
  auto device = watch(lamp_path);
  ASSERT_TRUE(wait(bluez.get_device(lamp_path, in(10s), unstoppable())).ok());
  ASSERT_TRUE(wait(bluez.connect(lamp_path, in(10s), unstoppable())).ok());
  ASSERT_TRUE(until([&] { return device->seen().connected; }));
  device.reset();
  EXPECT_FALSE(watch(lamp_path)->seen().connected);
  EXPECT_FALSE(watch(lamp_path)->seen().current);
}

TEST_F(BluezBusTest, ALossAndTheNextLinkAreSeenInOneSignal) {
  auto& lamp_there = know_the_lamp(fake.add_adapter());
  auto device = watch(lamp_path);
  ASSERT_TRUE(wait(bluez.connect(lamp_path, in(10s), unstoppable())).ok());
  ASSERT_TRUE(until([&] { return device->seen().services_resolved; }));
  fake.withhold_signals(true);
  lamp_there.drop_link(LinkEnd::timeout);
  ASSERT_TRUE(wait(bluez.connect(lamp_path, in(10s), unstoppable())).ok());
  fake.withhold_signals(false);
  ASSERT_TRUE(until([&] { return device->seen().services_resolved; }));
  EXPECT_EQ(device->seen().links_down, 1u);
  EXPECT_EQ(device->seen().links_up, 2u);
}

TEST_F(BluezBusTest, RemovalDuringConnectIsNeverAnsweredButSeen) {
  auto& lamp_there = know_the_lamp(fake.add_adapter());
  auto device = watch(lamp_path);
  lamp_there.next_connects({object_vanishes()});
  std::stop_source stop;
  auto dialled = start(bluez.connect(lamp_path, kNever, stop.get_token()));
  ASSERT_TRUE(until([&] { return device->seen().removals == 1; }));
  EXPECT_FALSE(device->seen().present);
  EXPECT_FALSE(device->seen().gatt_whole);
  EXPECT_FALSE(bluez.knows(lamp_path));
  EXPECT_FALSE(dialled->has_value());
  stop.request_stop();
  ASSERT_TRUE(until([&] { return dialled->has_value(); }));
  EXPECT_TRUE((*dialled)->failed_by(Cause::cancelled));
}

TEST_F(BluezBusTest, EarHearsByPathAndByAddress) {
  fake.add_adapter();
  auto& lamp_there = fake.add_peripheral(lamp_address);
  lamp_there.path_address = "AA:BB:CC:00:00:01";
  lamp_there.changes_data = true;
  auto& noise = fake.add_peripheral("AA:BB:CC:DD:00:99");
  noise.changes_data = true;
  fake.start();
  begin();
  const auto rules_before = rules();
  Notice wake{side.loop};
  auto ear = bluez.listen("/org/bluez/hci0", lamp, {}, wake);
  ASSERT_TRUE(ear.ok());
  auto second = bluez.listen("/org/bluez/hci0", lamp, {}, wake);
  settle();
  EXPECT_EQ(rules(), rules_before + 2);
  ASSERT_TRUE(wait(bluez.start_discovery("/org/bluez/hci0", in(10s), unstoppable())).ok());
  ASSERT_TRUE(until([&] { return ear.value()->heard().has_value(); }));
  EXPECT_EQ(ear.value()->heard()->path, path_of("hci0", lamp_there.path_address));
  EXPECT_EQ(ear.value()->heard()->rssi, std::optional<std::int16_t>{-60});
  const auto first = ear.value()->heard()->at;
  settle();
  EXPECT_EQ(rules(), rules_before + 4);                                  // its object is followed from now on
  ASSERT_TRUE(until([&] { return ear.value()->heard()->at > first; }));  // by its path now
  auto device = watch(ear.value()->heard()->path);
  EXPECT_TRUE(device->seen().gatt_whole);
  ASSERT_TRUE(until([&] { return device->seen().heard && device->seen().present; }));
  device.reset();
  second = Cause::cancelled;
  settle();
  EXPECT_EQ(rules(), rules_before + 4);
  ear = Cause::cancelled;
  settle();
  EXPECT_EQ(rules(), rules_before + 2);  // of the device that is remembered
  EXPECT_TRUE(wait(bluez.stop_discovery("/org/bluez/hci0", in(10s), unstoppable())).ok());
  EXPECT_EQ(fake.leftovers(), Leftovers{});

  auto found = wait(bluez.find_devices(lamp, in(10s), unstoppable()));
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found.value().size(), 1u);
  EXPECT_EQ(found.value()[0].path, path_of("hci0", lamp_there.path_address));
  EXPECT_EQ(found.value()[0].address, lamp_address);
  EXPECT_EQ(found.value()[0].adapter, "/org/bluez/hci0");
}

TEST_F(BluezBusTest, UnknownObjectMakesAWatchedPathAbsent) {
  auto& hci0 = fake.add_adapter();
  auto& lamp_there = fake.add_peripheral(lamp_address);
  fake.start();
  begin();
  auto device = watch(lamp_path);
  settle();
  hci0.discovered(lamp_there);
  ASSERT_TRUE(until([&] { return device->seen().present; }));
  fake.fail_next("GetAll", "org.freedesktop.DBus.Error.UnknownObject", "Method \"GetAll\" doesn't exist\n");
  EXPECT_TRUE(wait(bluez.get_device(lamp_path, in(10s), unstoppable())).failed_by(Cause::object_gone));
  EXPECT_FALSE(device->seen().present);
  EXPECT_TRUE(wait(bluez.read_services(path_of("hci0", "AA:BB:CC:DD:EE:02"), in(10s), unstoppable()))
                  .failed_by(Cause::object_gone));
}

TEST_F(BluezBusTest, PairedAndDisconnectedReason) {
  fake.settings().version.minor = 83;
  auto& lamp_there = know_the_lamp(fake.add_adapter());
  auto device = watch(lamp_path);
  ASSERT_TRUE(wait(bluez.pair(lamp_path, in(10s), unstoppable())).ok());
  ASSERT_TRUE(until([&] { return device->seen().connected && device->seen().services_resolved; }));
  EXPECT_TRUE(device->seen().bonded);
  EXPECT_TRUE(wait(bluez.get_device(lamp_path, in(10s), unstoppable())).value().bonded);
  lamp_there.drop_link(LinkEnd::timeout);
  ASSERT_TRUE(until([&] { return !device->seen().connected; }));
  EXPECT_EQ(device->seen().end_reason, "org.bluez.Reason.Timeout");
  EXPECT_FALSE(wait(bluez.cancel_pairing(lamp_path, in(10s), unstoppable())).ok());
}

}  // namespace
}  // namespace bleconnd::integration
