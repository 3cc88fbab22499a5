// The examples of the client library, as they are, against the daemon.
#include <csignal>

#include "daemon_sharing_fixture.hpp"
#include "device.hpp"
#include "paths.hpp"

namespace bleconnd::integration {
namespace {

class Example : public SharingFixture {
 protected:
  std::unique_ptr<ChildProcess> run(std::vector<std::string> arguments) {
    arguments.front() = std::string{paths::examples} + "/" + arguments.front();
    ChildCommand command;
    command.arguments = std::move(arguments);
    command.environment = {{"DBUS_SYSTEM_BUS_ADDRESS", world.bus.address()}};
    return std::make_unique<ChildProcess>(world.loop, command);
  }
  std::string output_of(const std::vector<std::string>& arguments, int status = 0) {
    const auto program = run(arguments);
    EXPECT_TRUE(world.until([&] { return program->exit_status().has_value(); })) << program->output();
    EXPECT_EQ(program->exit_status(), status) << program->output();
    return program->output();
  }
  bool everything_is_given_up() {
    return world.until([&] { return value_of(client.manager("ListConnections")).empty(); });
  }
};

TEST_F(Example, services) {
  const auto output = output_of({"services", kLamp});
  EXPECT_THAT(output, HasSubstr("0000180a-0000-1000-8000-00805f9b34fb"));
  EXPECT_THAT(output, HasSubstr(kBluezPath + "/service"));
  EXPECT_TRUE(everything_is_given_up());
}

TEST_F(Example, disconnected) {
  const auto program = run({"disconnected", kLamp});
  ASSERT_TRUE(world.until([&] { return program->output().find("connected on hci0") != std::string::npos; }));
  lamp.drop_link();
  ASSERT_TRUE(world.until([&] { return program->exit_status().has_value(); }));
  EXPECT_THAT(program->output(), HasSubstr("ended: link-lost"));
}

TEST_F(Example, adapters) {
  EXPECT_THAT(output_of({"adapters", kLamp, "hci0"}), HasSubstr("round 3: hci0, " + kBluezPath));
  EXPECT_TRUE(everything_is_given_up());
}

TEST_F(Example, adapters_of_a_device_that_moves) {
  auto& hci1 = bluez.add_adapter();
  lamp.rssi_at[&hci1] = std::nullopt;
  const auto first = output_of({"adapters", kLamp});
  EXPECT_THAT(first, HasSubstr("round 3: hci0, " + kBluezPath));
  lamp.rssi_at[&hci0] = std::nullopt;
  lamp.rssi_at[&hci1] = int16_t{-50};
  bluez.fail_next("Connect", "org.bluez.Error.Failed", "le-connection-abort-by-local");
  EXPECT_THAT(output_of({"adapters", kLamp}), HasSubstr("hci1, /org/bluez/hci1/dev_"));
  EXPECT_TRUE(everything_is_given_up());
}

TEST_F(Example, categories) {
  EXPECT_THAT(output_of({"categories", kLamp}), HasSubstr("connected on hci0"));
  bluez.fail_next("Connect", "org.bluez.Error.NotSupported", "Not Supported");
  ASSERT_TRUE(everything_is_given_up());
  const auto output = output_of({"categories", kLamp}, 1);
  EXPECT_THAT(output, HasSubstr("more attempts do not help: not-supported"));
  EXPECT_THAT(output, HasSubstr("what to do: "));
}

TEST_F(Example, missing) {
  EXPECT_THAT(output_of({"missing", kLamp, "2a29"}), HasSubstr(kBluezPath + "/service"));
  ASSERT_TRUE(everything_is_given_up());
  EXPECT_THAT(output_of({"missing", kLamp, "ffff"}, 1), HasSubstr(kLamp + " has no ffff"));
  EXPECT_TRUE(everything_is_given_up());
}

TEST_F(Example, options) {
  bluez.fail_next("Connect", "org.bluez.Error.Failed", "le-connection-abort-by-local");
  const auto output = output_of({"options", kLamp});
  EXPECT_THAT(output, HasSubstr("attempt 1 of"));
  EXPECT_THAT(output, HasSubstr("connected on hci0, attempt 2"));
  EXPECT_TRUE(everything_is_given_up());
}

TEST_F(Example, gateway) {
  const auto program = run({"gateway", kLamp});
  const auto says = [&](const std::string& text) {
    return world.until([&] { return program->output().find(text) != std::string::npos; });
  };
  ASSERT_TRUE(says(kLamp + "  connected\n"));
  lamp.drop_link();
  EXPECT_TRUE(says("lost: link-lost\n" + kLamp + "  connected\n"));
  program->send_signal(SIGTERM);
  ASSERT_TRUE(world.until([&] { return program->exit_status().has_value(); }));
  EXPECT_EQ(program->exit_status(), 0);
  EXPECT_TRUE(everything_is_given_up());
}

}  // namespace
}  // namespace bleconnd::integration
