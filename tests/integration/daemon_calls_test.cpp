// What callers get and what BlueZ is asked for it: connect, share, release, linger, look, restart.
// The lists of calls are whole: whatever the daemon asked for without need makes a test fail.
#include <csignal>

#include "daemon_fixture.hpp"

namespace bleconnd::integration {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::SizeIs;

const std::string kLinger = "[General]\nLingerSec=30\n";
const std::vector<std::string> kDialling{"Connect", "Disconnect"};

class DaemonCalls : public DaemonFixture {
 protected:
  json connections() { return value_of(client.manager("ListConnections")); }
  json leases() { return value_of(client.device_property(kLamp, "Leases")); }
};

class DaemonLinger : public DaemonCalls {
 protected:
  void SetUp() override { start(kLinger); }
};

TEST_F(DaemonCalls, first_connect_looks_listens_dials_and_stops_listening) {
  bluez.forget_calls();
  const auto reply = client.establish(kLamp);
  ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  EXPECT_EQ(reply->arguments[0], kOurPath);
  auto results = reply->arguments[1];
  EXPECT_GT(results["elapsed-usec"], 0);
  EXPECT_LT(results["elapsed-usec"], 10'000'000);
  results.erase("elapsed-usec");
  EXPECT_EQ(results, (json{{"state", "connected"},
                           {"adapter", "hci0"},
                           {"bluez-device", kBluezPath},
                           {"attempts", 1},
                           {"services-from-cache", false},
                           {"services-verified", true},
                           {"adopted", false},
                           {"shared", false}}));
  release_the_lamp();
  // The second look goes along with the dial; the services were there before the device was followed.
  EXPECT_THAT(bluez.called(), ElementsAre("GetAll " + kDev, "GetManagedObjects /", "SetDiscoveryFilter hci0",
                                          "StartDiscovery hci0", "GetAll " + kDev, "Connect " + kDev,
                                          "StopDiscovery hci0", "Disconnect " + kDev));
}

TEST_F(DaemonCalls, busctl_sees_every_result_with_its_type) {
  const auto answer = busctl({"EstablishConnection", "sa{sv}", kLamp, "0"});
  EXPECT_EQ(answer["type"], "oa{sv}");
  std::map<std::string, std::string> types;
  for (const auto& [key, value] : answer["data"][1].items()) types[key] = value["type"];
  EXPECT_EQ(types, (std::map<std::string, std::string>{{"state", "s"},
                                                       {"adapter", "s"},
                                                       {"bluez-device", "o"},
                                                       {"attempts", "u"},
                                                       {"elapsed-usec", "t"},
                                                       {"services-from-cache", "b"},
                                                       {"services-verified", "b"},
                                                       {"adopted", "b"},
                                                       {"shared", "b"}}));
}

TEST_F(DaemonCalls, second_connect_dials_the_remembered_path_at_once) {
  bluez.settings().timing.temporary = std::chrono::hours{1};
  connect_the_lamp();
  release_the_lamp();
  bluez.forget_calls();
  bluez.delay_next("Get", std::chrono::minutes{1});  // the look goes along: the dial does not wait for it
  const auto begun = std::chrono::steady_clock::now();
  connect_the_lamp();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds{2});
  EXPECT_THAT(bluez.called(), ElementsAre("Get " + kDev, "Connect " + kDev));
  release_the_lamp();
}

TEST_F(DaemonCalls, a_second_caller_shares_the_link) {
  connect_the_lamp();
  bluez.forget_calls();
  Client& second = world.client();
  const auto reply = second.establish(kLamp);
  EXPECT_EQ(value_of(reply), kOurPath);
  EXPECT_EQ(reply->arguments[1]["shared"], true);
  EXPECT_EQ(reply->arguments[1]["attempts"], 1);
  EXPECT_THAT(bluez.called(), IsEmpty());

  EXPECT_EQ(value_of(client.release(kLamp)), 1);
  EXPECT_TRUE(hci0.device(lamp)->connected());
  EXPECT_EQ(value_of(second.release(kLamp)), 0);
  EXPECT_FALSE(lamp.connected());  // answered when it is down
  EXPECT_EQ(world.outcome(second.release(kLamp)), kErrors + "NotConnected");
}

TEST_F(DaemonCalls, the_same_caller_holds_one_lease_however_often_it_calls) {
  connect_the_lamp();
  connect_the_lamp();
  EXPECT_EQ(value_of(client.release(kLamp)), 0);
}

TEST_F(DaemonCalls, a_caller_joins_the_running_attempt) {
  dials_wait_for_the_lamp();
  const auto first = client.establish(kLamp);
  ASSERT_TRUE(called_becomes("Connect", 1));
  Client& other = world.client();
  const auto second = other.establish(kLamp);
  EXPECT_EQ(value_of(other.device_property(kLamp, "Leases")),
            (json{{client.unique_name(), getuid(), ""}, {other.unique_name(), getuid(), ""}}));
  lamp.advertise(true);
  ASSERT_EQ(world.outcome(first), "ok") << first->message;
  ASSERT_EQ(world.outcome(second), "ok") << second->message;
  EXPECT_EQ(first->arguments[1]["shared"], false);
  EXPECT_EQ(second->arguments[1]["shared"], true);
  EXPECT_EQ(bluez.count("Connect"), 1u);
  other.leave();
  release_the_lamp();
}

TEST_F(DaemonCalls, each_joined_caller_keeps_its_own_timeout) {
  dials_wait_for_the_lamp();
  Client& hasty = world.client();
  const auto patient = client.establish(kLamp);
  const auto brief = hasty.establish(kLamp, {{"timeout", 1u}});
  EXPECT_EQ(world.outcome(brief), kErrors + "Timeout");
  EXPECT_THAT(brief->message, StartsWith("not-seen: no link within 1 s"));
  EXPECT_GE(brief->took, std::chrono::seconds{1});
  EXPECT_EQ(leases(), (json{{client.unique_name(), getuid(), ""}}));
  lamp.advertise(true);
  EXPECT_EQ(world.outcome(patient), "ok") << patient->message;
  EXPECT_EQ(bluez.count("Connect"), 1u);
  release_the_lamp();
}

TEST_F(DaemonCalls, release_cancels_the_callers_own_pending_call) {
  dials_wait_for_the_lamp();
  const auto call = client.establish(kLamp);
  ASSERT_TRUE(called_becomes("Connect", 1));
  const auto released = client.release(kLamp);
  EXPECT_EQ(value_of(released), 0);
  EXPECT_EQ(call->outcome(), kErrors + "Cancelled");
  EXPECT_THAT(call->message, StartsWith("cancelled: "));
  EXPECT_EQ(bluez.leftovers(), Leftovers{});
  EXPECT_THAT(bluez.called(kDialling), ElementsAre("Connect " + kDev, "Disconnect " + kDev));
}

TEST_F(DaemonCalls, release_leaves_the_calls_of_others_alone) {
  dials_wait_for_the_lamp();
  const auto mine = client.establish(kLamp);
  Client& other = world.client();
  const auto theirs = other.establish(kLamp);
  EXPECT_EQ(value_of(client.release(kLamp)), 1);
  EXPECT_EQ(world.outcome(mine), kErrors + "Cancelled");
  lamp.advertise(true);
  EXPECT_EQ(world.outcome(theirs), "ok");
  EXPECT_EQ(value_of(other.release(kLamp)), 0);
}

TEST_F(DaemonCalls, without_waiting_the_answer_comes_at_once_and_device1_tells_the_rest) {
  const auto reply = client.establish(kLamp, {{"wait", false}});
  ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  EXPECT_EQ(reply->arguments[1]["state"], "queued");
  EXPECT_EQ(reply->arguments[1]["adapter"], "");
  EXPECT_EQ(reply->arguments[1]["bluez-device"], "/");
  EXPECT_EQ(reply->arguments[1]["services-verified"], false);
  EXPECT_TRUE(told_state_becomes("connected"));
  const auto again = client.establish(kLamp, {{"wait", false}});
  ASSERT_EQ(world.outcome(again), "ok");
  EXPECT_EQ(again->arguments[1]["state"], "connected");
  EXPECT_EQ(again->arguments[1]["bluez-device"], kBluezPath);
  release_the_lamp();
}

TEST_F(DaemonCalls, what_contradicts_a_running_attempt_is_busy) {
  dials_wait_for_the_lamp();
  const auto first = client.establish(kLamp);
  Client& other = world.client();
  for (const Dictionary& options : {Dictionary{{"adapter", "hci0"}}, Dictionary{{"pair", true}}}) {
    const auto refused = other.establish(kLamp, options);
    EXPECT_EQ(world.outcome(refused), kErrors + "Busy");
    EXPECT_THAT(refused->message, StartsWith("busy: "));
  }
  EXPECT_THAT(leases(), SizeIs(1));
  lamp.advertise(true);
  EXPECT_EQ(world.outcome(first), "ok");
  release_the_lamp();
}

TEST_F(DaemonCalls, what_contradicts_a_link_is_busy) {
  connect_the_lamp();
  Client& other = world.client();
  EXPECT_EQ(world.outcome(other.establish(kLamp, {{"adapter", "hci1"}})), kErrors + "Busy");
  EXPECT_EQ(world.outcome(other.establish(kLamp, {{"pair", true}})), kErrors + "Busy");
  EXPECT_EQ(world.outcome(other.establish(kLamp, {{"adapter", "hci0"}})), "ok");
  EXPECT_EQ(world.outcome(other.establish(kLamp, {{"adapter", hci0.address()}})), "ok");
  EXPECT_EQ(value_of(other.release(kLamp)), 1);
  release_the_lamp();
}

TEST_F(DaemonCalls, manager_properties_and_lists_follow_the_link) {
  EXPECT_THAT(value_of(client.manager_property("Version")).get<std::string>(), Not(IsEmpty()));
  EXPECT_EQ(value_of(client.manager_property("Features")), (json{"EstablishConnection",
                                                                 "ReleaseConnection",
                                                                 "Disconnect",
                                                                 "GetServices",
                                                                 "ClearCache",
                                                                 "ClearAllCaches",
                                                                 "CloseStaleConnections",
                                                                 "Describe",
                                                                 "ListConnections",
                                                                 "force",
                                                                 "only-other-adapters",
                                                                 "GetStatistics",
                                                                 "ResetStatistics",
                                                                 "Reload",
                                                                 "timeout",
                                                                 "attempt-timeout",
                                                                 "max-attempts",
                                                                 "adapter",
                                                                 "lifetime",
                                                                 "priority",
                                                                 "use-services-cache",
                                                                 "required-uuids",
                                                                 "pair",
                                                                 "trust",
                                                                 "maintain",
                                                                 "wait",
                                                                 "label"}));
  EXPECT_EQ(value_of(client.manager_property("State")), "running");
  EXPECT_EQ(value_of(client.manager_property("Connections")), 0);
  EXPECT_EQ(connections(), json::array());

  connect_the_lamp();
  EXPECT_EQ(value_of(client.manager_property("Connections")), 1);
  EXPECT_EQ(connections(), (json{{kLamp, "connected", "hci0", 1, kOurPath}}));
  release_the_lamp();
  EXPECT_EQ(value_of(client.manager_property("Connections")), 0);
  EXPECT_EQ(connections(), json::array());
}

TEST_F(DaemonCalls, state_says_what_bluez_lacks) {
  hci0.power_off();
  EXPECT_TRUE(state_becomes("waiting-for-adapter"));
  hci0.power_on();
  EXPECT_TRUE(state_becomes("running"));
  bluez.kill();
  EXPECT_TRUE(state_becomes("waiting-for-bluez"));
  bluez.come_back();
  EXPECT_TRUE(state_becomes("running"));
}

TEST_F(DaemonCalls, device1_shows_the_link) {
  const auto reply = client.establish("aa:bb:cc:dd:ee:ff", {{"label", "kitchen"}});
  ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  const auto objects = value_of(client.daemon_objects());
  auto device = objects.at(kOurPath).at("org.bleconnd.Device1");
  EXPECT_GT(device["ConnectedSince"], 1'700'000'000'000'000);
  device.erase("ConnectedSince");
  EXPECT_EQ(device, (json{{"Address", kLamp},
                          {"State", "connected"},
                          {"Adapter", "hci0"},
                          {"BluezDevice", kBluezPath},
                          {"Attempt", 1},
                          {"QueuePosition", 0},
                          {"LastError", {"", ""}},
                          {"Leases", {{client.unique_name(), getuid(), "kitchen"}}},
                          {"ServicesCached", true},
                          {"ServicesVerified", true}}));
  release_the_lamp();
}

TEST_F(DaemonCalls, device1_is_found_by_introspection_while_it_is_there) {
  const auto introspected = [&](const std::string& path) {
    const auto reply =
        client.call({"org.bleconnd", path, "org.freedesktop.DBus.Introspectable"}, "Introspect");
    EXPECT_EQ(world.outcome(reply), "ok") << path;
    return reply->ok() ? reply->arguments[0].get<std::string>() : "";
  };
  connect_the_lamp();
  EXPECT_THAT(introspected("/org/bleconnd"), HasSubstr("<node name=\"dev_AA_BB_CC_DD_EE_FF\"/>"));
  const auto lamp_object = introspected(kOurPath);
  for (const auto* part :
       {"<interface name=\"org.bleconnd.Device1\">", "<property name=\"ConnectedSince\" type=\"t\"",
        "<signal name=\"AttemptFailed\">", "name=\"retry_in_usec\""})
    EXPECT_THAT(lamp_object, HasSubstr(part));
  release_the_lamp();
  EXPECT_THAT(introspected("/org/bleconnd"), Not(HasSubstr("dev_")));
}

TEST_F(DaemonCalls, signals_tell_the_whole_course) {
  client.forget_signals();
  connect_the_lamp();
  const auto told = [&](const std::string& line) {
    return world.until([&] { return std::ranges::count(client.described(), line) > 0; });
  };
  EXPECT_TRUE(told("PC /org/bleconnd {\"Connections\":1}"));
  ASSERT_TRUE(told_state_becomes("connected"));  // one that is released before is left out
  release_the_lamp();
  EXPECT_TRUE(told("PC /org/bleconnd {\"Connections\":0}"));
  ASSERT_TRUE(world.until([&] { return client.count_signals("InterfacesRemoved") == 1; }));
  // What lasted less than 20 ms can have been left out.
  auto course = std::vector<std::string>{"queued",
                                         "discovering",
                                         "connecting",
                                         "resolving",
                                         "connected",
                                         "disconnecting (released)",
                                         "disconnected (released)"};
  const auto states = told_states();
  std::erase_if(course, [&](auto& each) { return std::ranges::count(states, each) == 0; });
  EXPECT_EQ(states, course);
  EXPECT_THAT(states, IsSupersetOf({"discovering", "connected", "disconnected (released)"}));
  const auto first = client.signals("ConnectionStateChanged").front();
  EXPECT_EQ(first.path, "/org/bleconnd");
  EXPECT_EQ(first.arguments, (json{kOurPath, kLamp, states.front(), ""}));
  const auto lines = client.described();
  EXPECT_EQ(lines.front(), "IA " + kOurPath);
  EXPECT_THAT(lines, Contains("IR " + kOurPath));
  EXPECT_THAT(lines, Contains("Disconnected " + kOurPath + " [\"released\"]"));
  std::vector<std::string> properties;
  for (const auto& signal : client.signals("PropertiesChanged"))
    if (signal.path == kOurPath && signal.arguments[1].contains("State"))
      properties.push_back(signal.arguments[1]["State"]);
  EXPECT_THAT(properties, Contains("connected"));
}

// Of a link that comes and is released within the 20 ms in which signals are gathered only the object is
// told. A machine that is busy takes longer now and then.
TEST_F(DaemonCalls, a_link_that_is_released_at_once_is_not_told) {
  bluez.settings().timing.make_links_instant();
  hci0.discovered(lamp);
  const auto is_of_lamp = [](const std::string& line) { return line.find("dev_") != std::string::npos; };
  std::vector<std::string> told;
  for (int tries = 0; tries < 100; ++tries) {
    client.forget_signals();
    connect_the_lamp();
    release_the_lamp();
    ASSERT_TRUE(world.until([&] { return client.count_signals("InterfacesRemoved") == 1; }));
    told.clear();
    std::ranges::copy_if(client.described(), std::back_inserter(told), is_of_lamp);
    if (told.size() == 2) break;
  }
  EXPECT_THAT(told, ElementsAre("IA " + kOurPath, "IR " + kOurPath));
}

TEST_F(DaemonCalls, a_failed_attempt_is_told_with_its_back_off) {
  hci0.discovered(lamp);
  lamp.next_connects({aborts()});
  const auto reply = client.establish(kLamp);
  ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  EXPECT_EQ(reply->arguments[1]["attempts"], 2);
  const auto failures = client.signals("AttemptFailed");
  ASSERT_THAT(failures, SizeIs(1));
  EXPECT_EQ(failures[0].path, kOurPath);
  auto arguments = failures[0].arguments;
  EXPECT_THAT(arguments[4].get<std::string>(),
              StartsWith("seen-no-answer: BlueZ gave up the dial (failure 1 of 9, "));
  arguments.erase(4);
  EXPECT_EQ(arguments, (json{1, 9, kErrors + "Aborted", "seen-no-answer", 250'000}));
  EXPECT_EQ(value_of(client.device_property(kLamp, "LastError")), (json{"", ""}));
  release_the_lamp();
}

TEST_F(DaemonCalls, an_attempt_that_is_followed_at_once_is_not_told_as_the_last_one) {
  hci0.discovered(lamp);
  lamp.next_connects({succeeds_without_link()});
  ASSERT_EQ(world.outcome(client.establish(kLamp)), "ok");
  release_the_lamp();
  const auto failures = client.signals("AttemptFailed");
  ASSERT_THAT(failures, SizeIs(1));
  EXPECT_EQ(failures[0].arguments[5], 1) << "0 is the last one's";
}

TEST_F(DaemonCalls, a_link_that_ends_takes_its_leases_along) {
  connect_the_lamp();
  lamp.drop_link();
  ASSERT_TRUE(world.until([&] { return client.count_signals("Disconnected") == 1; }));
  EXPECT_EQ(client.signals("Disconnected")[0].arguments, (json{"link-lost"}));
  EXPECT_TRUE(told_state_becomes("disconnected (link-lost)"));
  EXPECT_EQ(world.outcome(client.release(kLamp)), kErrors + "NotConnected");
}

TEST_F(DaemonCalls, newer_bluez_says_why_a_link_ended) {
  bluez.settings().version = {83};
  for (const auto& [end, reason] :
       {std::pair{LinkEnd::remote, "link-lost-remote"}, {LinkEnd::timeout, "link-lost-timeout"}}) {
    connect_the_lamp();
    client.forget_signals();
    lamp.drop_link(end);
    ASSERT_TRUE(world.until([&] { return client.count_signals("Disconnected") == 1; }));
    EXPECT_EQ(client.signals("Disconnected")[0].arguments, (json{reason}));
  }
}

TEST_F(DaemonCalls, services_are_read_live_in_the_shape_of_bluez) {
  EXPECT_EQ(world.outcome(client.manager("GetServices", {Value{kLamp}})), kErrors + "NotCached");
  connect_the_lamp();
  const auto reply = client.manager("GetServices", {Value{kLamp}});
  const auto objects = value_of(reply);
  EXPECT_EQ(reply->arguments[1], (json{{"from-cache", false}, {"age-usec", 0}}));
  const auto all =
      value_of(client.call({"org.bluez", "/", "org.freedesktop.DBus.ObjectManager"}, "GetManagedObjects"));
  std::size_t gatt = 0;
  for (const auto& [path, interfaces] : all.items()) {
    if (!path.starts_with(kBluezPath + "/")) continue;
    ++gatt;
    ASSERT_TRUE(objects.contains(path)) << path;
    for (const auto& [name, properties] : objects[path].items())
      EXPECT_EQ(properties, interfaces[name]) << path;
  }
  EXPECT_EQ(objects.size(), gatt);
  EXPECT_GT(gatt, 5u);
  release_the_lamp();
  const auto offline = client.manager("GetServices", {Value{kLamp}});
  EXPECT_EQ(value_of(offline).size(), gatt);
  EXPECT_EQ(offline->arguments[1]["from-cache"], true);
}

TEST_F(DaemonCalls, disconnect_ends_the_link_for_every_holder) {
  connect_the_lamp();
  Client& other = world.client();
  ASSERT_EQ(world.outcome(other.establish(kLamp)), "ok");
  Client& administrator = world.client();
  EXPECT_EQ(world.outcome(administrator.manager("Disconnect", {Value{kLamp}})), "ok");
  EXPECT_EQ(bluez.leftovers(), Leftovers{});
  EXPECT_TRUE(told_state_becomes("disconnected (forced)"));
  EXPECT_EQ(world.outcome(client.release(kLamp)), kErrors + "NotConnected");
  EXPECT_EQ(world.outcome(other.release(kLamp)), kErrors + "NotConnected");
  EXPECT_EQ(world.outcome(administrator.manager("Disconnect", {Value{kLamp}})), kErrors + "NotConnected");
}

TEST_F(DaemonCalls, disconnect_ends_the_attempt_for_every_caller) {
  dials_wait_for_the_lamp();
  const auto first = client.establish(kLamp);
  const auto second = world.client().establish(kLamp);
  ASSERT_TRUE(called_becomes("Connect", 1));
  EXPECT_EQ(world.outcome(world.client().manager("Disconnect", {Value{kLamp}})), "ok");
  EXPECT_EQ(world.outcome(first), kErrors + "Cancelled");
  EXPECT_EQ(world.outcome(second), kErrors + "Cancelled");
  EXPECT_EQ(bluez.leftovers(), Leftovers{});
}

// --- linger ---

TEST_F(DaemonLinger, a_caller_that_comes_back_finds_the_link) {
  Client& first = world.client();
  ASSERT_EQ(world.outcome(first.establish(kLamp, {{"label", "cron"}})), "ok");
  first.leave();
  ASSERT_TRUE(world.until([&] { return leases() == (json{{"", getuid(), "cron"}}); }));
  EXPECT_TRUE(lamp.connected());
  const auto again = client.establish(kLamp);
  ASSERT_EQ(world.outcome(again), "ok");
  EXPECT_EQ(again->arguments[1]["shared"], true);
  EXPECT_EQ(bluez.count("Connect"), 1u);
  EXPECT_EQ(value_of(client.release(kLamp)), 0);
}

TEST_F(DaemonLinger, a_caller_that_comes_back_finds_the_running_attempt) {
  dials_wait_for_the_lamp();
  Client& first = world.client();
  (void)first.establish(kLamp);
  ASSERT_TRUE(called_becomes("Connect", 1));
  first.leave();
  ASSERT_TRUE(world.until([&] { return leases() == (json{{"", getuid(), ""}}); }));
  const auto again = client.establish(kLamp);
  ASSERT_TRUE(world.until([&] { return leases() == (json{{client.unique_name(), getuid(), ""}}); }));
  lamp.advertise(true);
  ASSERT_EQ(world.outcome(again), "ok") << again->message;
  EXPECT_EQ(again->arguments[1]["shared"], true);
  EXPECT_EQ(bluez.count("Connect"), 1u);
  EXPECT_EQ(value_of(client.release(kLamp)), 0);
}

TEST_F(DaemonLinger, another_caller_of_the_same_user_may_release_what_lingers) {
  Client& first = world.client();
  ASSERT_EQ(world.outcome(first.establish(kLamp)), "ok");
  first.leave();
  ASSERT_TRUE(world.until([&] { return leases() == (json{{"", getuid(), ""}}); }));
  EXPECT_EQ(value_of(client.release(kLamp)), 0);
  EXPECT_FALSE(lamp.connected());
}

TEST_F(DaemonCalls, without_linger_a_departure_drops_the_link) {
  Client& first = world.client();
  ASSERT_EQ(world.outcome(first.establish(kLamp)), "ok");
  first.leave();
  EXPECT_TRUE(told_state_becomes("disconnected (released)"));
  EXPECT_EQ(bluez.leftovers(), Leftovers{});
}

TEST_F(DaemonCalls, without_linger_a_departure_gives_up_the_attempt) {
  dials_wait_for_the_lamp();
  Client& first = world.client();
  (void)first.establish(kLamp);
  ASSERT_TRUE(called_becomes("Connect", 1));
  first.leave();
  EXPECT_TRUE(told_state_becomes("disconnected (cancelled)"));
  EXPECT_THAT(bluez.called(kDialling), ElementsAre("Connect " + kDev, "Disconnect " + kDev));
}

TEST_F(DaemonCalls, sighup_reads_the_linger_again) {
  world.folders.configure(kLinger + "Colour=red\n");
  world.daemon->process().send_signal(SIGHUP);
  ASSERT_TRUE(
      world.until([&] { return world.daemon->log().find("unknown key Colour") != std::string::npos; }));
  Client& first = world.client();
  ASSERT_EQ(world.outcome(first.establish(kLamp)), "ok");
  first.leave();
  EXPECT_TRUE(world.until([&] { return leases() == (json{{"", getuid(), ""}}); }));
  EXPECT_EQ(value_of(client.release(kLamp)), 0);
}

// --- ends and beginnings of the daemon ---

TEST_F(DaemonCalls, version_is_printed_without_a_bus) {
  ChildCommand command;
  command.arguments = {daemon_program(), "--version"};
  command.environment = {{"DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent"}};
  ChildProcess child{world.loop, command};
  ASSERT_TRUE(world.until([&] { return child.exit_status().has_value(); }));
  EXPECT_EQ(child.exit_status(), 0);
  EXPECT_EQ(child.output(),
            "bleconnd " + value_of(client.manager_property("Version")).get<std::string>() + "\n");
}

TEST_F(DaemonCalls, sigterm_leaves_leased_links_up_and_gives_up_the_rest) {
  connect_the_lamp();
  lamp.advertise(true);
  bluez.settings().timing.not_advertising = std::chrono::hours{1};
  Peripheral& absent = bluez.add_peripheral("AA:BB:CC:DD:EE:02");
  absent.advertise(false);
  hci0.discovered(absent);
  const auto pending = client.establish(absent.address);
  ASSERT_TRUE(called_becomes("Connect", 2));
  Client& listener = world.client();
  const auto unheard = listener.establish("AA:BB:CC:DD:EE:03");
  ASSERT_TRUE(world.until([&] { return bluez.leftovers().discovery_sessions == 1; }));

  EXPECT_EQ(world.daemon->end(SIGTERM), 0);
  EXPECT_EQ(world.outcome(pending), kErrors + "Cancelled");
  EXPECT_EQ(world.outcome(unheard), kErrors + "Cancelled");
  EXPECT_EQ(bluez.leftovers(), (Leftovers{.links = 1}));
  EXPECT_TRUE(world.daemon->said("STOPPING=1"));
}

TEST_F(DaemonLinger, sigterm_drops_links_that_nobody_on_the_bus_leases) {
  Client& first = world.client();
  ASSERT_EQ(world.outcome(first.establish(kLamp)), "ok");
  first.leave();
  ASSERT_TRUE(world.until([&] { return leases() == (json{{"", getuid(), ""}}); }));
  EXPECT_EQ(world.daemon->end(SIGTERM), 0);
  EXPECT_EQ(bluez.leftovers(), Leftovers{});
}

TEST_F(DaemonCalls, a_dial_left_behind_by_a_killed_daemon_is_ended_by_the_next) {
  dials_wait_for_the_lamp();
  const auto lost = client.establish(kLamp);
  ASSERT_TRUE(called_becomes("Connect", 1));
  EXPECT_EQ(world.daemon->end(SIGKILL), 128 + SIGKILL);
  EXPECT_EQ(world.outcome(lost), "org.freedesktop.DBus.Error.NoReply");
  start();
  ASSERT_TRUE(called_becomes("Disconnect", 1)) << "though nobody calls";
  const auto reply = client.establish(kLamp);
  ASSERT_TRUE(called_becomes("Connect", 2));
  EXPECT_THAT(bluez.called(kDialling),
              ElementsAre("Connect " + kDev, "Disconnect " + kDev, "Connect " + kDev));
  lamp.advertise(true);
  EXPECT_EQ(world.outcome(reply), "ok") << reply->message;
  release_the_lamp();
}

TEST_F(DaemonCalls, a_link_left_behind_by_a_killed_daemon_is_taken_over) {
  connect_the_lamp();
  EXPECT_EQ(world.daemon->end(SIGKILL), 128 + SIGKILL);
  start();
  bluez.forget_calls();
  const auto reply = client.establish(kLamp);
  ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  EXPECT_EQ(bluez.count("Connect"), 0u);
  release_the_lamp();
  EXPECT_FALSE(lamp.connected());
}

// --- other programs ---

TEST_F(DaemonCalls, a_foreign_dial_is_waited_for_and_its_link_shared) {
  dials_wait_for_the_lamp();
  Client& stranger = world.client();
  const auto foreign = stranger.bluez_device(kBluezPath, "Connect");
  ASSERT_TRUE(called_becomes("Connect", 1));
  const auto reply = client.establish(kLamp);
  ASSERT_TRUE(called_becomes("Connect", 2));
  lamp.advertise(true);
  ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  EXPECT_EQ(reply->arguments[1]["attempts"], 1);
  EXPECT_EQ(world.outcome(foreign), "ok");
  EXPECT_EQ(bluez.count("Disconnect"), 0u);
  EXPECT_EQ(client.count_signals("AttemptFailed"), 0u);

  release_the_lamp();
  EXPECT_TRUE(lamp.connected());
  EXPECT_EQ(bluez.count("Disconnect"), 0u);
  EXPECT_EQ(world.outcome(stranger.bluez_device(kBluezPath, "Disconnect")), "ok");
}

TEST_F(DaemonCalls, a_foreign_link_is_shared_and_left_up) {
  hci0.discovered(lamp);
  Client& stranger = world.client();
  ASSERT_EQ(world.outcome(stranger.bluez_device(kBluezPath, "Connect")), "ok");
  bluez.forget_calls();
  const auto reply = client.establish(kLamp);
  ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  EXPECT_EQ(reply->arguments[1]["shared"], true);
  release_the_lamp();
  EXPECT_TRUE(lamp.connected());
  EXPECT_THAT(bluez.called({"Connect", "Disconnect", "StartDiscovery"}), IsEmpty());
  EXPECT_EQ(world.outcome(stranger.bluez_device(kBluezPath, "Disconnect")), "ok");
}

}  // namespace
}  // namespace bleconnd::integration
