// Describe in every state that its documentation names, held against dbus-interfaces/describe.schema.json.
#include "bluez_script.hpp"
#include "daemon_sharing_fixture.hpp"
#include "paths.hpp"
#include "temporary_directory.hpp"

namespace bleconnd::integration {
namespace {

class DaemonDescribeSchema : public SharingFixture {
 protected:
  // Of one device, or of all; kept.
  json described(const std::string& address) {
    const auto text = value_of(client.manager("Describe", {Value{address}}));
    answers.push_back(json::parse(text.is_string() ? text.get<std::string>() : "", nullptr, false));
    return answers.back();
  }
  json device(const std::string& address) {
    auto all = described(address);
    return all["devices"].size() == 1 ? all["devices"][0] : json::object();
  }
  bool told(const std::string& address, const std::function<bool(json)>& enough) {
    return world.until([&] {
      if (enough(device(address))) return true;
      answers.erase(answers.size() - 1);
      return false;
    });
  }
  void everything(const std::string& address) {
    described("");
    described(address);
  }
  // Every dial from now on, of each of these devices.
  static void fails(Peripheral& device) {
    for (int i = 0; i < 40; ++i) device.next_connects({aborts(std::chrono::milliseconds{20})});
  }

  void idle_and_heard() {
    everything(kSecond);
    Client& scanner = world.client();
    ASSERT_EQ(world.outcome(scanner.bluez_adapter(hci0.path(), "StartDiscovery")), "ok");
    EXPECT_TRUE(told(kLamp, [](json told_of) {
      return !told_of["seen"].empty() && told_of["seen"][0].contains("rssi-dbm") &&
             told_of["choices"][0]["chosen"];
    }));
    scanner.leave();
  }
  void connecting_connected_and_cached() {
    dials_wait_for_the_lamp();
    const auto call = client.establish(kLamp, {{"label", std::string{"kitchen \"1\""}}});
    ASSERT_TRUE(called_becomes("Connect", 1));
    EXPECT_TRUE(told(kLamp, [](json told_of) { return told_of["state"] == "connecting"; }));
    described("");
    lamp.advertise(true);
    ASSERT_EQ(world.outcome(call), "ok") << call->message;
    ASSERT_TRUE(world.until([&] { return property(kLamp, "ServicesCached") == true; }));
    EXPECT_EQ(device(kLamp)["state"], "connected");
    described("");
    release_the_lamp();
    EXPECT_TRUE(told(kLamp, [](json told_of) {
      return told_of["state"] == "none" && told_of.contains("cached-services") &&
             told_of.contains("cache-age-sec");
    }));
  }
  void a_link_of_another_program() {
    Client& stranger = world.client();
    const auto path = hci0.discovered(lamp).path();
    ASSERT_EQ(world.outcome(stranger.bluez_device(path, "Connect")), "ok");
    EXPECT_TRUE(told(kLamp, [](json told_of) {
      return told_of["now"] == "adopt the link that is up on hci0" &&
             told_of["choices"][0]["why"] == "the link is up there";
    }));
    connect_the_lamp();
    EXPECT_EQ(device(kLamp)["link-of-others"], true);
    release_the_lamp();
    ASSERT_EQ(world.outcome(stranger.bluez_device(path, "Disconnect")), "ok");
  }
  void waits_for_a_slot() {
    ASSERT_NO_FATAL_FAILURE(restart(slots(1), SIGTERM));
    Peripheral& other = another_lamp(kSecond);
    connect_the_lamp();
    const auto call = client.establish(other.address);
    EXPECT_TRUE(told(kSecond, [](json told_of) {
      return told_of.contains("waits-for") && told_of["choices"][0]["why"] == "has no slot free";
    }));
    described("");
    release_the_lamp();
    EXPECT_EQ(world.outcome(call), "ok") << call->message;
    EXPECT_EQ(value_of(client.release(kSecond)), 0);
  }
  void backs_off() {
    fails(lamp);
    const auto call = client.establish(kLamp, {{"maintain", true}, {"wait", false}});
    EXPECT_EQ(world.outcome(call), "ok") << call->message;
    EXPECT_TRUE(told(kLamp, [](json told_of) {
      return told_of["state"] == "backing-off" && told_of.contains("next-try-in-sec") &&
             told_of.contains("last-error") && told_of["failures-in-a-row"] > 0;
    }));
    described("");
  }
  void an_adapter_fails() {
    for (const auto* address : {"AA:BB:CC:DD:EE:04", "AA:BB:CC:DD:EE:05"}) {
      fails(another_lamp(address));
      EXPECT_NE(world.outcome(client.establish(address, {{"max-attempts", 1u}})), "ok");
    }
    EXPECT_TRUE(world.until([&] {
      auto all = described("");
      const bool failing =
          all["adapters"][0].contains("trouble") && all["adapters"][0].contains("avoided-for-sec");
      if (!failing) answers.erase(answers.size() - 1);
      return failing;
    }));
    EXPECT_EQ(value_of(client.release(kLamp)), 0);
  }
  void an_ignored_adapter() {
    world.folders.configure(linger(0) + "[Adapter " + hci0.address() + "]\nIgnore=yes\n");
    ASSERT_EQ(world.outcome(client.manager("Reload")), "ok");
    EXPECT_EQ(described("")["adapters"][0]["ignored"], true);
    EXPECT_EQ(device(kLamp)["choices"][0]["why"], "is ignored by the configuration");
    world.folders.configure(linger(0));
    ASSERT_EQ(world.outcome(client.manager("Reload")), "ok");
  }
  void without_adapter_and_bluetoothd() {
    hci0.power_off();
    ASSERT_TRUE(state_becomes("waiting-for-adapter"));
    auto off = device(kLamp);
    EXPECT_EQ(off["now"], "wait for an adapter that is on and not ignored");
    EXPECT_EQ(off["choices"][0]["why"], "is off");
    bluez.kill();
    ASSERT_TRUE(state_becomes("waiting-for-bluez"));
    everything(kLamp);
    bluez.come_back();
    hci0.power_on();
    ASSERT_TRUE(state_becomes("running"));
  }

  json answers = json::array();
};

TEST_F(DaemonDescribeSchema, is_what_every_answer_has_and_no_key_of_it_is_never_told) {
  ASSERT_NO_FATAL_FAILURE(idle_and_heard());
  ASSERT_NO_FATAL_FAILURE(connecting_connected_and_cached());
  ASSERT_NO_FATAL_FAILURE(a_link_of_another_program());
  ASSERT_NO_FATAL_FAILURE(waits_for_a_slot());
  ASSERT_NO_FATAL_FAILURE(backs_off());
  ASSERT_NO_FATAL_FAILURE(an_adapter_fails());
  ASSERT_NO_FATAL_FAILURE(an_ignored_adapter());
  ASSERT_NO_FATAL_FAILURE(without_adapter_and_bluetoothd());
  const TemporaryDirectory folder;
  const auto file = folder.write("answers.json", answers.dump());
  for (const char* mode : {"", "--self-test"}) {
    ChildCommand command;
    command.arguments = {paths::describe_schema};
    if (*mode) command.arguments.push_back(mode);
    command.arguments.insert(command.arguments.end(), {paths::schema, file});
    ChildProcess child{world.loop, command};
    EXPECT_TRUE(world.until([&] { return child.exit_status().has_value(); }, std::chrono::seconds{60}));
    EXPECT_EQ(child.exit_status(), 0) << mode << "\n" << child.output();
  }
}

}  // namespace
}  // namespace bleconnd::integration
