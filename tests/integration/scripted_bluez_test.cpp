// The program scripted_bluez as others start it: it says when it is ready, fails as told, and ends on
// SIGTERM. The library behind it has its own tests beside this one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "paths.hpp"
#include "world.hpp"

namespace bleconnd::integration {
namespace {

using ::testing::HasSubstr;

class ScriptedBluezProgram : public ::testing::Test {
 protected:
  void start(std::vector<std::string> options) {
    options.insert(options.begin(), paths::scripted_bluez);
    ChildCommand command;
    command.arguments = std::move(options);
    command.environment = {{"DBUS_SYSTEM_BUS_ADDRESS", bus.address()}};
    program = std::make_unique<ChildProcess>(loop, std::move(command));
    ASSERT_TRUE(loop.run_until([&] { return program->output().find("is ready") != std::string::npos; }))
        << program->output();
  }
  std::string outcome(const PendingReply& reply) {
    loop.run_until([&] { return reply->done; });
    return reply->outcome();
  }

  Loop loop;
  PrivateBus bus{loop};
  std::unique_ptr<ChildProcess> program;
};

TEST_F(ScriptedBluezProgram, is_heard_in_discovery_fails_as_told_and_then_shows_its_services) {
  start({"--device", "00:11:22:33:44:55", "--name", "Sensor", "--fail", "1", "--adapters", "2", "--speed",
         "20"});
  Client client(loop, bus.address());
  client.watch_bluez();
  const std::string path = "/org/bluez/hci1/dev_00_11_22_33_44_55";
  EXPECT_EQ(outcome(client.bluez_device(path, "Connect")), "org.freedesktop.DBus.Error.UnknownObject");
  EXPECT_EQ(outcome(client.bluez_adapter("/org/bluez/hci1", "StartDiscovery")), "ok");
  ASSERT_TRUE(loop.run_until([&] { return !client.signals("InterfacesAdded").empty(); }));
  EXPECT_EQ(client.signals("InterfacesAdded")[0].arguments[1]["org.bluez.Device1"]["Name"], "Sensor");
  EXPECT_EQ(outcome(client.bluez_device(path, "Connect")), "org.bluez.Error.Failed");
  EXPECT_EQ(outcome(client.bluez_device(path, "Connect")), "ok");
  const auto is_resolved = [&] {
    const auto& events = client.events();
    return !events.empty() && events.back().find("\"ServicesResolved\":true") != std::string::npos;
  };
  EXPECT_TRUE(loop.run_until(is_resolved));
  const CallTarget maker{"org.bluez", path + "/service000b/char000c", "org.bluez.GattCharacteristic1"};
  const auto value = client.call(maker, "ReadValue", {Dictionary{}});
  EXPECT_EQ(outcome(value), "ok");
  EXPECT_EQ(value->arguments[0], (nlohmann::json{'A', 'c', 'm', 'e'}));
}

TEST_F(ScriptedBluezProgram, ends_in_order_on_sigterm) {
  start({});
  program->send_signal(SIGTERM);
  ASSERT_TRUE(loop.run_until([&] { return program->exit_status().has_value(); }));
  EXPECT_EQ(program->exit_status(), 0) << program->output();
  Client client(loop, bus.address());
  EXPECT_EQ(client.owner_of("org.bluez"), "");
}

TEST_F(ScriptedBluezProgram, refuses_what_it_does_not_know) {
  ChildCommand command;
  command.arguments = {paths::scripted_bluez, "--colour", "red"};
  ChildProcess wrong(loop, std::move(command));
  ASSERT_TRUE(loop.run_until([&] { return wrong.exit_status().has_value(); }));
  EXPECT_EQ(wrong.exit_status(), 2);
  EXPECT_THAT(wrong.output(), HasSubstr("--device ADDRESS"));
}

}  // namespace
}  // namespace bleconnd::integration
