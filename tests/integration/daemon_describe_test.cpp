// What is told of devices and adapters that are shared: Describe as JSON, and Features. And the options that
// sharing brought, priority and lifetime: what is wrong with one is said by name and range.
#include "daemon_sharing_fixture.hpp"

namespace bleconnd::integration {
namespace {

using nlohmann::json;
using ::testing::IsSupersetOf;

const std::string kAbsent = "AA:BB:CC:DD:EE:02";

// --- Describe ---

class DaemonDescribe : public SharingFixture {
 protected:
  json described(const std::string& address) {
    const auto text = value_of(client.manager("Describe", {Value{address}}));
    const auto parsed = json::parse(text.is_string() ? text.get<std::string>() : "", nullptr, false);
    EXPECT_TRUE(parsed.is_object()) << text;
    EXPECT_TRUE(parsed.contains("adapters") && parsed.contains("devices")) << parsed;
    return parsed;
  }
  json device(const std::string& address) {
    const auto devices = described(address)["devices"];
    EXPECT_EQ(devices.size(), 1u) << devices;
    return devices.empty() ? json::object() : devices[0];
  }
};

TEST_F(DaemonDescribe, a_device_that_nobody_has_heard_of) {
  auto absent = device(kAbsent);
  EXPECT_EQ(absent["address"], kAbsent);
  EXPECT_EQ(absent["state"], "none");
  EXPECT_EQ(absent["seen"], json::array());
  EXPECT_EQ(absent["services-cached"], false);
  EXPECT_EQ(absent["now"], "discover on every adapter that is on, until it is heard");
  EXPECT_THAT(bluez.called({"Connect", "StartDiscovery"}), IsEmpty());
}

TEST_F(DaemonDescribe, a_device_before_during_and_after_its_link) {
  hci0.discovered(lamp);
  auto before = device(kLamp);
  ASSERT_EQ(before["seen"].size(), 1u) << before;
  EXPECT_EQ(before["seen"][0]["adapter"], "hci0");
  EXPECT_EQ(before["seen"][0]["path"], hci0.device(lamp)->path());
  EXPECT_FALSE(before["seen"][0].contains("rssi-dbm")) << before;
  EXPECT_EQ(before["seen"][0]["connected"], false);
  EXPECT_EQ(before["now"], "dial on hci0");

  const auto call = client.establish(kLamp, {{"label", std::string{"kitchen"}}});
  ASSERT_EQ(world.outcome(call), "ok") << call->message;
  auto during = device(kLamp);
  EXPECT_EQ(during["state"], "connected");
  EXPECT_EQ(during["adapter"], "hci0");
  EXPECT_EQ(during["seen"][0]["connected"], true);
  EXPECT_EQ(during["now"], "share the link that is up on hci0");
  ASSERT_EQ(during["leases"].size(), 1u) << during;
  for (const auto& part : {client.unique_name(), "uid " + std::to_string(getuid()), std::string{"kitchen"}})
    EXPECT_THAT(during["leases"][0].get<std::string>(), HasSubstr(part));

  release_the_lamp();
  auto after = device(kLamp);
  EXPECT_EQ(after["state"], "none");
  EXPECT_EQ(after["services-cached"], true);
}

TEST_F(DaemonDescribe, a_device_that_another_program_hears) {
  Client& scanner = world.client();
  ASSERT_EQ(world.outcome(scanner.bluez_adapter(hci0.path(), "StartDiscovery")), "ok");
  json seen;
  EXPECT_TRUE(world.until([&] {
    seen = device(kLamp)["seen"];
    return seen.size() == 1 && seen[0].contains("rssi-dbm");
  })) << seen;
  EXPECT_NEAR(seen[0].value("rssi-dbm", 0), lamp.rssi, 1);
  EXPECT_EQ(world.outcome(scanner.bluez_adapter(hci0.path(), "StopDiscovery")), "ok");
}

TEST_F(DaemonDescribe, everything) {
  auto at_rest = described("");
  EXPECT_EQ(at_rest["devices"], json::array());
  EXPECT_EQ(at_rest["bluetoothd"], true);
  EXPECT_EQ(at_rest["leases-and-calls"], 0);
  ASSERT_EQ(at_rest["adapters"].size(), 1u) << at_rest;
  EXPECT_EQ(at_rest["adapters"][0]["name"], "hci0");
  EXPECT_EQ(at_rest["adapters"][0]["address"], hci0.address());
  EXPECT_EQ(at_rest["adapters"][0]["powered"], true);

  dials_wait_for_the_lamp();
  const auto call = client.establish(kLamp);
  ASSERT_TRUE(called_becomes("Connect", 1));
  auto dialling = described("");
  EXPECT_EQ(dialling["adapters"][0]["dialling"], kLamp);
  EXPECT_EQ(dialling["adapters"][0]["allocated"], (json{kLamp}));
  EXPECT_EQ(dialling["adapters"][0]["links-of-others"], 0);
  ASSERT_EQ(dialling["devices"].size(), 1u) << dialling;
  EXPECT_EQ(dialling["devices"][0]["address"], kLamp);
  EXPECT_EQ(dialling["devices"][0]["state"], "connecting");
  EXPECT_EQ(dialling["devices"][0]["calls"], 1);
  EXPECT_EQ(dialling["leases-and-calls"], 2);
  EXPECT_EQ(device(kLamp)["now"], "join what runs: connecting");
  lamp.advertise(true);
  EXPECT_EQ(world.outcome(call), "ok") << call->message;
  release_the_lamp();
}

TEST_F(DaemonDescribe, a_device_that_waits_for_a_slot) {
  ASSERT_NO_FATAL_FAILURE(restart(slots(1), SIGTERM));
  Peripheral& other = another_lamp(kAbsent);
  connect_the_lamp();
  EXPECT_EQ(described("")["adapters"][0]["slots"], 1);
  EXPECT_EQ(described("")["adapters"][0]["slots-free"], 0);
  EXPECT_EQ(device(other.address)["now"], "wait for a slot: hci0 is full");
  const auto call = client.establish(other.address);
  ASSERT_TRUE(world.until([&] { return property(other.address, "QueuePosition") == 1; }));
  EXPECT_EQ(device(other.address)["queue-position"], 1);
  EXPECT_EQ(device(other.address)["waits-for"], "hci0 has 0 of 1 slots free");
  release_the_lamp();
  EXPECT_EQ(world.outcome(call), "ok") << call->message;
  EXPECT_EQ(value_of(client.release(other.address)), 0);
}

TEST_F(DaemonDescribe, every_adapter_and_what_speaks_for_or_against_it) {
  const auto choice = [](const std::string& adapter, bool chosen, const std::string& why) {
    return json{{"adapter", adapter}, {"chosen", chosen}, {"why", why}};
  };
  Adapter& hci1 = bluez.add_adapter();
  Adapter& hci2 = bluez.add_adapter();
  ASSERT_TRUE(world.until([&] { return described("")["adapters"].size() == 3; }));
  hci0.discovered(lamp);
  hci1.discovered(lamp);
  EXPECT_EQ(device(kLamp)["choices"],
            (json{choice("hci0", true, "nothing speaks for another one"),
                  choice("hci1", false, "no better than hci0"), choice("hci2", false, "has not heard it")}));
  connect_the_lamp();
  EXPECT_EQ(device(kLamp)["choices"], (json{choice("hci0", true, "the link is up there"),
                                            choice("hci1", false, "the link is up on hci0"),
                                            choice("hci2", false, "has not heard it")}));
  release_the_lamp();
  hci0.power_off();
  hci2.power_off();
  ASSERT_TRUE(world.until([&] { return described("")["adapters"][2]["powered"] == false; }));
  EXPECT_EQ(device(kLamp)["choices"],
            (json{choice("hci0", false, "is off"), choice("hci1", true, "BlueZ knows the device there alone"),
                  choice("hci2", false, "is off")}));
  EXPECT_EQ(device(kLamp)["now"], "dial on hci1");
}

TEST_F(DaemonDescribe, text_from_the_air_and_from_callers_stays_json) {
  const std::string label = "\"}]\\\n\x1b[2J";
  const auto call = client.establish(kLamp, {{"label", label}});
  ASSERT_EQ(world.outcome(call), "ok") << call->message;
  EXPECT_THAT(device(kLamp)["leases"][0].get<std::string>(), HasSubstr("\"}]"));
  EXPECT_EQ(described("")["devices"].size(), 1u);
  release_the_lamp();
}

TEST_F(DaemonDescribe, without_bluetoothd) {
  bluez.kill();
  ASSERT_TRUE(state_becomes("waiting-for-bluez"));
  EXPECT_EQ(described("")["bluetoothd"], false);
  EXPECT_EQ(described("")["adapters"], json::array());
  EXPECT_EQ(device(kLamp)["now"], "wait for bluetoothd");
  bluez.come_back();
  EXPECT_TRUE(state_becomes("running"));
}

TEST_F(DaemonDescribe, is_refused_like_every_method) {
  const auto wrong = client.manager("Describe", {Value{"lamp"}});
  EXPECT_EQ(world.outcome(wrong), kInvalidArgs);
  EXPECT_THAT(wrong->message, StartsWith("invalid: "));
  if (getuid() != 0) return;
  Client& stranger = world.client(nobody);
  EXPECT_EQ(world.outcome(stranger.manager("Describe", {Value{""}})), kDenied);
}

// --- options ---

TEST_F(DaemonDescribe, features_name_what_sharing_brought) {
  const auto features = value_of(client.manager_property("Features")).get<std::vector<std::string>>();
  EXPECT_THAT(features, IsSupersetOf({"Describe", "lifetime", "priority"}));
}

TEST_F(DaemonDescribe, wrong_priorities_and_lifetimes_are_refused_by_name_and_range) {
  const std::string priorities = "option priority must be s, low, normal or high, is ";
  const std::string lifetimes = "option lifetime must be s, caller or persistent, is ";
  const std::vector<std::tuple<std::string, Value, std::string>> wrong{
      {"priority", std::string{"urgent"}, priorities + "\"urgent\""},
      {"priority", std::string{""}, priorities + "\"\""},
      {"priority", std::string{"High"}, priorities + "\"High\""},
      {"priority", std::string{"lo\nw"}, priorities + "\"lo\\x0Aw\""},
      {"priority", 1u, priorities + "of type u"},
      {"priority", true, priorities + "of type b"},
      {"lifetime", std::string{"forever"}, lifetimes + "\"forever\""},
      {"lifetime", std::string{" caller"}, lifetimes + "\" caller\""},
      {"lifetime", ObjectPath{"/persistent"}, lifetimes + "of type o"},
      {"lifetime", std::vector<std::string>{"persistent"}, lifetimes + "of type as"},
  };
  for (const auto& [key, value, says] : wrong) {
    const auto reply = client.establish(kLamp, {{key, value}});
    EXPECT_EQ(world.outcome(reply), kInvalidArgs) << says;
    EXPECT_THAT(reply->message, HasSubstr(says));
  }
  EXPECT_EQ(client.count_signals("ConnectionStateChanged"), 0u);
}

}  // namespace
}  // namespace bleconnd::integration
