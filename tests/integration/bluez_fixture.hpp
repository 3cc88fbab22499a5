// The fixture of the tests of the fake: a private bus, a scripted BlueZ with hci0, one lamp, one client that
// watches. A failed test prints the course of events.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "world.hpp"

namespace bleconnd::integration {

class BluezFixture : public ::testing::Test {
 protected:
  static WorldOptions fast(BluezVersion version = {}) {
    WorldOptions options;
    options.bluez.version = version;
    options.bluez.speed = 50;
    return options;
  }

  explicit BluezFixture(const WorldOptions& options = fast())
      : world(options),
        bluez(world.bluez),
        hci0(bluez.add_adapter()),
        lamp(bluez.add_peripheral("AA:BB:CC:DD:EE:FF")),
        client(world.client()) {
    lamp.services = {{0x0020, uuid_of(0x180a), {{0x0021, uuid_of(0x2a29), {"read"}, {'A'}, {}}}}};
    bluez.start();
    client.watch_bluez();
  }
  ~BluezFixture() override {
    if (HasFailure()) ADD_FAILURE() << world.report();
  }

  PendingReply on_lamp(const std::string& member) { return client.bluez_device(path, member); }
  PendingReply on_adapter(const std::string& member, const std::vector<Argument>& arguments = {}) {
    return client.bluez_adapter("/org/bluez/hci0", member, arguments);
  }
  PendingReply set(const std::string& object, const std::string& interface, const std::string& name,
                   Value value) {
    return client.call({"org.bluez", object, "org.freedesktop.DBus.Properties"}, "Set",
                       {Value{interface}, Value{name}, InVariant{std::move(value)}});
  }
  // Events that the client saw, once the last one is `last`.
  std::vector<std::string> events_until(const std::string& last) {
    EXPECT_TRUE(world.until([&] { return !client.events().empty() && client.events().back() == last; }))
        << "never came: " << last << "; seen: " << ::testing::PrintToString(client.events());
    const auto seen = client.events();
    client.forget_events();
    return seen;
  }
  void connect_the_lamp() {
    hci0.discovered(lamp);
    (void)on_lamp("Connect");
    ASSERT_TRUE(world.until([&] { return !client.events().empty() && client.events().back() == resolved; }));
    client.forget_events();
  }
  void discover_the_lamp() {
    hci0.discovered(lamp);
    (void)events_until("IA " + dev);
  }

  const std::string path = "/org/bluez/hci0/dev_AA_BB_CC_DD_EE_FF";
  const std::string dev = "hci0/dev_AA_BB_CC_DD_EE_FF";
  const std::string service = dev + "/service0020";
  const std::string characteristic = service + "/char0021";
  const std::string uuids = R"("UUIDs":["0000180a-0000-1000-8000-00805f9b34fb"])";
  const std::string resolved = "PC " + dev + R"( {"ServicesResolved":true,)" + uuids + "}";
  const std::string down = "PC " + dev + R"( {"Connected":false,"ServicesResolved":false})";
  const std::string up = "PC " + dev + R"( {"Connected":true})";
  const std::string ended = "PC " + dev + R"( {"Connected":false})";

  World world;
  ScriptedBluez& bluez;
  Adapter& hci0;
  Peripheral& lamp;
  Client& client;
};

}  // namespace bleconnd::integration
