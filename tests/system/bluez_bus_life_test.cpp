// bluetoothd and its adapters: found, lost, killed, replugged, on both message buses.
// Against the scripted org.bluez, in one process with it.
#include <csignal>
#include <cstdlib>

#include "bluez_bus_fixture.hpp"

namespace bleconnd::integration {
namespace {

using namespace std::chrono_literals;

TEST_F(BluezBusTest, ExploresWithoutReadingAllObjects) {
  fake.add_adapter("00:AA:01:00:00:01");
  fake.add_adapter("00:AA:01:00:00:02");
  fake.start();
  EXPECT_FALSE(bluez.stack().explored);
  begin();
  ASSERT_EQ(bluez.stack().adapters.size(), 2u);
  EXPECT_EQ(bluez.stack().owner, fake.unique_name());
  EXPECT_EQ(bluez.stack().adapters[1].path, "/org/bluez/hci1");
  EXPECT_EQ(bluez.stack().adapters[1].name, "hci1");
  EXPECT_EQ(bluez.stack().adapters[1].address, "00:AA:01:00:00:02");
  EXPECT_TRUE(bluez.stack().adapters[1].powered);
  EXPECT_NE(bluez.stack().adapters[0].power_epoch, bluez.stack().adapters[1].power_epoch);
  EXPECT_EQ(fake.count("GetManagedObjects"), 0u);
  EXPECT_EQ(world.bus.bluez_activations(), 0u);
}

TEST_F(BluezBusTest, WithoutBluetoothdCallsFailAtOnceAndActivateNothing) {
  bluez.begin();
  auto asked = wait(bluez.connect(lamp_path, kNever, unstoppable()));
  EXPECT_TRUE(asked.failed_by(Cause::stack_down));
  EXPECT_TRUE(wait(bluez.get_device(lamp_path, kNever, unstoppable())).failed_by(Cause::stack_down));
  EXPECT_EQ(world.bus.bluez_activations(), 0u);
  fake.add_adapter();
  fake.start();
  EXPECT_TRUE(until([&] { return bluez.stack().explored && bluez.stack().adapters.size() == 1; }));
}

TEST_F(BluezBusTest, BluetoothdKilledWhileConnected) {
  know_the_lamp(fake.add_adapter());
  auto device = watch(lamp_path);
  ASSERT_TRUE(wait(bluez.connect(lamp_path, in(10s), unstoppable())).ok());
  ASSERT_TRUE(until([&] { return device->seen().services_resolved; }));
  const auto epoch = bluez.stack().adapters[0].power_epoch;
  const auto owner = bluez.stack().owner;
  fake.swallow_next("GetAll");
  auto pending = start(bluez.get_device(lamp_path, kNever, unstoppable()));
  ASSERT_TRUE(until([&] { return fake.count("GetAll") >= 2; }));
  fake.kill();
  ASSERT_TRUE(until([&] { return bluez.stack().owner.empty(); }));
  ASSERT_TRUE(until([&] { return pending->has_value(); }));
  EXPECT_TRUE((*pending)->failed_by(Cause::stack_down));
  EXPECT_FALSE(device->seen().present || device->seen().connected || device->seen().services_resolved);
  EXPECT_FALSE(device->seen().gatt_whole);
  EXPECT_TRUE(device->seen().gatt.empty());
  EXPECT_EQ(device->seen().links_down, 1u);
  EXPECT_FALSE(bluez.stack().explored);
  EXPECT_TRUE(bluez.stack().adapters.empty());
  fake.come_back();
  ASSERT_TRUE(until([&] { return bluez.stack().explored && bluez.stack().any_powered(); }));
  EXPECT_NE(bluez.stack().owner, owner);
  EXPECT_GT(bluez.stack().adapters[0].power_epoch, epoch);
  EXPECT_EQ(world.bus.bluez_activations(), 0u);
}

TEST_F(BluezBusTest, BluetoothdKilledWhileItIsExplored) {
  fake.add_adapter();
  fake.start();
  fake.swallow_next("GetAll");
  bluez.begin();
  ASSERT_TRUE(until([&] { return fake.count("GetAll") == 1; }));
  fake.kill();
  ASSERT_TRUE(until([&] { return bluez.stack().owner.empty(); }));
  fake.come_back();
  ASSERT_TRUE(until([&] { return bluez.stack().explored && bluez.stack().any_powered(); }));
}

TEST_F(BluezBusTest, AdapterReplugsUnderAnotherIndex) {
  auto& one = fake.add_adapter("00:AA:01:00:00:01");
  auto& two = fake.add_adapter("00:AA:01:00:00:02");
  auto& lamp_there = fake.add_peripheral(lamp_address);
  fake.start();
  begin();
  one.discovered(lamp_there);
  auto device = watch(lamp_path);
  ASSERT_TRUE(wait(bluez.connect(lamp_path, in(10s), unstoppable())).ok());
  fake.unplug(one);
  ASSERT_TRUE(until([&] { return !bluez.stack().adapter("/org/bluez/hci0"); }));
  EXPECT_FALSE(device->seen().present || device->seen().connected);
  EXPECT_EQ(device->seen().links_down, 1u);
  fake.plug(one, 12);
  ASSERT_TRUE(until([&] {
    const auto* adapter = bluez.stack().adapter("/org/bluez/hci12");
    return adapter && adapter->powered;
  }));
  EXPECT_EQ(bluez.stack().adapter("/org/bluez/hci12")->address, "00:AA:01:00:00:01");
  fake.swap_indices(one, two);
  ASSERT_TRUE(until([&] {
    const auto* adapter = bluez.stack().adapter("/org/bluez/hci12");
    return adapter && adapter->address == "00:AA:01:00:00:02" && adapter->powered;
  }));
}

TEST_F(BluezBusTest, AdapterBeyondTheRuledOnesIsFoundByItsPower) {
  auto& one = fake.add_adapter("00:AA:01:00:00:01");
  fake.start();
  begin();
  fake.unplug(one);
  ASSERT_TRUE(until([&] { return bluez.stack().adapters.empty(); }));
  fake.plug(one, 20);
  ASSERT_TRUE(until([&] { return bluez.stack().adapter("/org/bluez/hci20") != nullptr; }));
  ASSERT_TRUE(until([&] { return bluez.stack().adapter("/org/bluez/hci20")->powered; }));
  settle();
  fake.unplug(one);
  EXPECT_TRUE(until([&] { return bluez.stack().adapters.empty(); }));
}

TEST_F(BluezBusTest, PowerOffAndOnIsAnotherEpoch) {
  auto& hci0 = fake.add_adapter();
  fake.start();
  begin();
  const auto epoch = bluez.stack().adapters[0].power_epoch;
  hci0.power_off();
  ASSERT_TRUE(until([&] { return !bluez.stack().any_powered(); }));
  hci0.power_on();
  ASSERT_TRUE(until([&] { return bluez.stack().any_powered(); }));
  EXPECT_GT(bluez.stack().adapters[0].power_epoch, epoch);
}

TEST_F(BluezBusTest, ALostBusEndsTheLoop) {
  fake.add_adapter();
  fake.start();
  begin();
  fake.swallow_next("GetAll");
  auto pending = start(bluez.get_device(lamp_path, kNever, unstoppable()));
  ASSERT_TRUE(until([&] { return fake.count("GetAll") == 2; }));
  kill(world.bus.pid(), SIGKILL);
  EXPECT_EQ(side.loop.run(), EXIT_FAILURE);
  fake.kill();
}

class BluezBusOnBroker : public BluezBusTest {
 protected:
  static WorldOptions broker() {
    auto options = fast();
    if (PrivateBus::broker_unavailable().empty())
      options.bus.broker = Broker::dbus_broker;  // else it is skipped
    return options;
  }
  BluezBusOnBroker() : BluezBusTest(broker()) {}
};

TEST_F(BluezBusOnBroker, ConnectRestartReconnect) {
  if (!PrivateBus::broker_unavailable().empty()) GTEST_SKIP() << PrivateBus::broker_unavailable();
  auto& hci0 = fake.add_adapter();
  auto& lamp_there = know_the_lamp(hci0);
  auto device = watch(lamp_path);
  ASSERT_TRUE(wait(bluez.connect(lamp_path, in(10s), unstoppable())).ok());
  fake.swallow_next("GetAll");
  auto pending = start(bluez.get_device(lamp_path, kNever, unstoppable()));
  ASSERT_TRUE(until([&] { return fake.count("GetAll") >= 2; }));
  fake.kill();
  ASSERT_TRUE(until([&] { return pending->has_value() && bluez.stack().owner.empty(); }));
  EXPECT_TRUE((*pending)->failed_by(Cause::stack_down));
  fake.come_back();
  ASSERT_TRUE(until([&] { return bluez.stack().explored && bluez.stack().any_powered(); }));
  for (unsigned round = 1; round <= 150; ++round) {
    hci0.discovered(lamp_there);
    const auto before = device->seen().removals;
    lamp_there.next_connects({object_vanishes(1ms)});
    std::stop_source stop;
    auto dialled = start(bluez.connect(lamp_path, kNever, stop.get_token()));
    ASSERT_TRUE(until([&] { return device->seen().removals != before || dialled->has_value(); })) << round;
    ASSERT_FALSE(dialled->has_value()) << round << (*dialled)->failure().said;
    stop.request_stop();
    ASSERT_TRUE(until([&] { return dialled->has_value(); }));
  }
  hci0.discovered(lamp_there);
  EXPECT_TRUE(wait(bluez.connect(lamp_path, in(10s), unstoppable())).ok());
}

}  // namespace
}  // namespace bleconnd::integration
