// BluezBus on a private bus against the scripted org.bluez, both in this process: a test sees values change
// and the calls that were made. The daemon's loop and the fake's are turned in alternation until a condition
// holds.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "async/scope.hpp"
#include "system/bluez_bus.hpp"
#include "system/bus_attachment.hpp"
#include "system/client_watch.hpp"
#include "system/event_loop.hpp"
#include "system/journal.hpp"
#include "system/sdbus_compat.hpp"
#include "world.hpp"

namespace bleconnd::integration {

// The part of the daemon that is tested, on a connection of its own.
struct Side {
  explicit Side(const std::string& address) {
    setenv("DBUS_SYSTEM_BUS_ADDRESS", address.c_str(), 1);
    journal.set_level(LogLevel::error);
    connection = sdbus::createSystemBusConnection();
    attachment = std::make_unique<BusAttachment>(*connection, loop.event());
    bluez = std::make_unique<BluezBus>(*connection, loop, journal);
  }
  std::string name() const {
    const char* name{};
    sd_bus_get_unique_name(bus::native(*connection), &name);
    return name;
  }
  Journal journal;
  EventLoop loop;
  std::unique_ptr<sdbus::IConnection> connection;
  std::unique_ptr<BusAttachment> attachment;
  std::unique_ptr<BluezBus> bluez;
};

class BluezBusTest : public ::testing::Test {
 protected:
  static WorldOptions fast() {
    WorldOptions options;
    options.bluez.speed = 50;
    return options;
  }
  explicit BluezBusTest(const WorldOptions& options = fast())
      : world(options), fake(world.bluez), side(world.bus.address()), bluez(*side.bluez) {}
  ~BluezBusTest() override {
    if (HasFailure()) ADD_FAILURE() << world.report();
  }

  bool until(const std::function<bool()>& condition,
             std::chrono::milliseconds patience = std::chrono::seconds(20)) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      checked(sd_event_run(world.loop.event(), 0), "fake");
      checked(sd_event_run(side.loop.event(), 1000), "side");
    }
    return true;
  }
  // Nothing is on its way any more: our connection has been asked and answered through the bus, and so has
  // the fake's.
  void settle() {
    auto done = start(bluez.get_device(path_of("hci0", "00:11:22:33:44:66"), kNever, unstoppable()));
    EXPECT_TRUE(until([&] { return done->has_value(); }));
  }

  template <class T>
  static Task<Unit> store(Task<T> task, std::shared_ptr<std::optional<T>> to) {
    to->emplace(co_await task);
    co_return Unit{};
  }
  template <class T>
  std::shared_ptr<std::optional<T>> start(Task<T> task) {
    auto result = std::make_shared<std::optional<T>>();
    tasks.spawn(store(std::move(task), result));
    return result;
  }
  template <class T>
  T wait(Task<T> task, std::chrono::milliseconds patience = std::chrono::seconds(20)) {
    auto result = start(std::move(task));
    if (!until([&] { return result->has_value(); }, patience)) throw std::runtime_error{"never answered"};
    return std::move(**result);
  }

  void begin() {
    bluez.begin();
    ASSERT_TRUE(until([&] { return bluez.stack().explored; }));
  }
  // bluetoothd runs, and this adapter of it finds the lamp.
  Peripheral& know_the_lamp(Adapter& on) {
    auto& there = fake.add_peripheral(lamp_address);
    fake.start();
    begin();
    on.discovered(there);
    return there;
  }
  static std::string path_of(const std::string& adapter, std::string address) {
    for (char& each : address)
      if (each == ':') each = '_';
    return "/org/bluez/" + adapter + "/dev_" + address;
  }
  TimePoint in(std::chrono::milliseconds delay) const { return side.loop.now() + delay; }
  std::unique_ptr<DeviceWatch> watch(const std::string& path) {
    auto watched = bluez.watch(path);
    EXPECT_TRUE(watched.ok());
    return std::move(watched.value());
  }
  std::size_t rules() { return world.client().match_rules_of(side.name()).size(); }

  World world;
  ScriptedBluez& fake;
  Side side;
  BluezBus& bluez;
  Scope tasks{side.loop};
  const std::string lamp_address = "AA:BB:CC:DD:EE:FF";
  const std::string lamp_path = path_of("hci0", lamp_address);
  const DeviceAddress lamp = *DeviceAddress::parse("AA:BB:CC:DD:EE:FF");
};

}  // namespace bleconnd::integration
