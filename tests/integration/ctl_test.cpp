// bleconnctl, as people and scripts call it.
#include <csignal>

#include "daemon_sharing_fixture.hpp"
#include "device.hpp"

namespace bleconnd::integration {
namespace {

class Ctl : public SharingFixture {
 protected:
  std::unique_ptr<ChildProcess> run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), BLECONNCTL);
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
  json json_of(std::vector<std::string> arguments, int status = 0) {
    arguments.insert(arguments.begin(), "--json=compact");
    return json::parse(output_of(arguments, status));
  }
  bool says(const ChildProcess& program, const std::string& text) {
    return world.until([&] { return program.output().find(text) != std::string::npos; });
  }
  bool everything_is_given_up() {
    return world.until([&] { return value_of(client.manager("ListConnections")).empty(); });
  }
};

TEST_F(Ctl, connect_says_where_and_how_long) {
  const auto output = output_of({"connect", kLamp});
  EXPECT_THAT(output, HasSubstr(kLamp + ": connected on hci0, attempt 1, "));
  EXPECT_THAT(output, HasSubstr(kBluezPath));
  EXPECT_THAT(output, HasSubstr("--hold"));
  EXPECT_TRUE(everything_is_given_up()) << "LingerSec=0";
}

TEST_F(Ctl, connect_tells_of_each_attempt_that_fails) {
  bluez.fail_next("Connect", "org.bluez.Error.Failed", "le-connection-abort-by-local");
  bluez.fail_next("Connect", "org.bluez.Error.Failed", "le-connection-abort-by-local");
  const auto output = output_of({"connect", kLamp});
  EXPECT_THAT(output, HasSubstr("attempt 1 failed, next in 0.25 s: seen-no-answer: "));
  EXPECT_THAT(output, HasSubstr("attempt 2 failed, next in 0.25 s: "));
  EXPECT_THAT(output, HasSubstr("connected on hci0, attempt 3"));
}

TEST_F(Ctl, connect_holds_until_it_is_interrupted) {
  const auto program = run({"connect", "--hold", kLamp});
  ASSERT_TRUE(says(*program, "connected on hci0"));
  EXPECT_EQ(json_of({"list"})[0]["leases"], 1);
  EXPECT_TRUE(lamp.connected());
  program->send_signal(SIGINT);
  ASSERT_TRUE(world.until([&] { return program->exit_status().has_value(); }));
  EXPECT_EQ(program->exit_status(), 0);
  EXPECT_FALSE(lamp.connected());
}

TEST_F(Ctl, connect_that_is_killed_leaves_nothing) {
  for (const bool connected : {false, true}) {
    lamp.advertise(connected);
    const auto program = run({"connect", "--hold", kLamp});
    ASSERT_TRUE(state_of(kLamp, connected ? "connected" : "discovering"));
    program->send_signal(SIGKILL);
    EXPECT_TRUE(everything_is_given_up());
    ASSERT_TRUE(world.until([&] { return !lamp.connected(); }));
  }
}

TEST_F(Ctl, a_held_maintained_link_is_told_of) {
  const auto program = run({"connect", "--hold", "--maintain", kLamp});
  ASSERT_TRUE(says(*program, "connected on hci0"));
  lamp.drop_link();
  EXPECT_TRUE(says(*program, "the link has ended"));
  EXPECT_TRUE(says(*program, "connected again on hci0"));
  program->send_signal(SIGTERM);
  ASSERT_TRUE(world.until([&] { return program->exit_status().has_value(); }));
}

TEST_F(Ctl, shows_what_there_is) {
  ASSERT_EQ(world.outcome(client.establish(kLamp)), "ok");
  EXPECT_THAT(output_of({"list"}), HasSubstr(kLamp + "  connected  hci0     1"));
  EXPECT_THAT(output_of({"status"}), HasSubstr("running"));
  EXPECT_THAT(output_of({"status"}), HasSubstr("hci0"));
  EXPECT_THAT(output_of({"services", kLamp}), HasSubstr("0000180a-0000-1000-8000-00805f9b34fb"));
  EXPECT_THAT(output_of({"explain", kLamp}),
              HasSubstr("a call now  would share the link that is up on hci0"));
  EXPECT_EQ(json_of({"services", kLamp})["from-cache"], false);
  EXPECT_EQ(json_of({"status"})["state"], "running");
  EXPECT_EQ(json_of({"explain", kLamp})["devices"][0]["state"], "connected");
  EXPECT_GE(json_of({"stats"})["calls-connected"], 1);
  EXPECT_THAT(output_of({"metrics"}),
              HasSubstr("# TYPE bleconnd_links_up_total counter\nbleconnd_links_up_total 1\n"));
  EXPECT_THAT(output_of({"metrics"}),
              HasSubstr("# TYPE bleconnd_now_connected gauge\nbleconnd_now_connected 1\n"));
  EXPECT_EQ(output_of({"log-level"}), "info\n");
  EXPECT_EQ(value_of(client.release(kLamp)), 0);
}

TEST_F(Ctl, changes_what_it_is_told_to) {
  ASSERT_EQ(world.outcome(client.establish(kLamp)), "ok");
  ASSERT_TRUE(world.until([&] { return property(kLamp, "ServicesCached") == true; }));
  EXPECT_EQ(output_of({"clear-cache", kLamp}), "1 cleared\n");
  output_of({"log-level", "debug"});
  EXPECT_EQ(output_of({"log-level"}), "debug\n");
  output_of({"disconnect", kLamp});
  EXPECT_FALSE(lamp.connected());
  EXPECT_GE(json_of({"stats"})["links-ended-forced"], 1);
  output_of({"stats", "--reset"});
  EXPECT_FALSE(json_of({"stats"}).contains("links-ended-forced"));
  output_of({"connect", "--persistent", kLamp});
  EXPECT_TRUE(lamp.connected());
  EXPECT_EQ(output_of({"release", kLamp}), "0 leases left\n");
  EXPECT_FALSE(lamp.connected());
}

TEST_F(Ctl, connect_may_only_say_so) {
  lamp.advertise(false);
  EXPECT_EQ(output_of({"connect", "--persistent", "--maintain", "--no-wait", kLamp}), kLamp + ": queued\n");
  lamp.advertise(true);
  EXPECT_TRUE(state_of(kLamp, "connected"));
  output_of({"release", kLamp});
}

TEST_F(Ctl, monitors) {
  const auto program = run({"monitor"});
  ASSERT_TRUE(looked_until([&] {
    client.establish(kLamp);
    return world.until([&] { return program->output().find(kLamp + "  connected") != std::string::npos; },
                       std::chrono::milliseconds{200});
  }));
  EXPECT_EQ(world.outcome(client.release(kLamp)), "ok");
  EXPECT_TRUE(says(*program, "disconnected  released"));
  program->send_signal(SIGINT);
  ASSERT_TRUE(world.until([&] { return program->exit_status().has_value(); }));
  EXPECT_EQ(program->exit_status(), 0);
}

TEST_F(Ctl, exit_codes) {
  lamp.advertise(false);
  EXPECT_THAT(output_of({"connect", "--attempt-timeout", "1", "--max-attempts", "1", kLamp}, 10),
              HasSubstr("not-seen: "));
  EXPECT_THAT(output_of({"connect", "--timeout", "1", kLamp}, 3), HasSubstr("not-seen: "));
  lamp.advertise(true);
  bluez.fail_next("Connect", "org.bluez.Error.NotSupported", "Not Supported");
  EXPECT_THAT(output_of({"connect", kLamp}, 4), HasSubstr("not-supported: "));
  EXPECT_THAT(output_of({"release", kLamp}, 10), HasSubstr("there is no such connection of yours"));
  EXPECT_THAT(output_of({"services", "AA:BB:CC:DD:EE:99"}, 10), HasSubstr("EstablishConnection"));
  EXPECT_EQ(json_of({"release", kLamp}, 10)["error"], "NotConnected");
  end_daemon();
  EXPECT_THAT(output_of({"list"}, 8), HasSubstr("systemctl start bleconnd"));
  EXPECT_THAT(output_of({"connect", kLamp}, 8), HasSubstr("systemctl start bleconnd"));
}

class CtlUsage : public Ctl, public ::testing::WithParamInterface<std::vector<std::string>> {};

TEST_P(CtlUsage, wrong_ends_with_2) {
  EXPECT_THAT(output_of(GetParam(), 2), ::testing::Not(IsEmpty()));
}

using Words = std::vector<std::string>;
INSTANTIATE_TEST_SUITE_P(each, CtlUsage,
                         ::testing::Values(Words{}, Words{"dance"}, Words{"connect"},
                                           Words{"connect", kLamp, "more"},
                                           Words{"connect", "--timeout", "0", kLamp},
                                           Words{"connect", "--max-attempts", "101", kLamp},
                                           Words{"connect", "--priority", "urgent", kLamp},
                                           Words{"connect", "lamp"}, Words{"services"},
                                           Words{"connect", "--no-wait", kLamp}, Words{"clear-cache"},
                                           Words{"clear-cache", "--all", kLamp}, Words{"log-level", "loud"},
                                           Words{"--json=xml", "list"}, Words{"list", "--fast"}));

}  // namespace
}  // namespace bleconnd::integration
