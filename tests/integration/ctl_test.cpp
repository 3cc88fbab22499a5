// bleconnctl, as people and scripts call it.
#include "ctl_fixture.hpp"
#include "paths.hpp"

namespace bleconnd::integration {
namespace {

class Ctl : public CtlFixture {};

TEST_F(Ctl, connect_says_where_and_how_long) {
  const auto output = output_of({"connect", kLamp});
  EXPECT_THAT(output, HasSubstr(kLamp + ": connected on hci0, attempt 1, "));
  EXPECT_THAT(output, HasSubstr(kBluezPath));
  EXPECT_THAT(output, HasSubstr("kept for LingerSec of main.conf; --hold"));
  EXPECT_TRUE(everything_is_given_up()) << "LingerSec=0";
}

TEST_F(Ctl, connect_tells_of_each_attempt_that_fails) {
  bluez.fail_next("Connect", "org.bluez.Error.Failed", "le-connection-abort-by-local");
  bluez.fail_next("Connect", "org.bluez.Error.Failed", "le-connection-abort-by-local");
  const auto output = output_of({"connect", "aa:bb:CC:dd:ee:ff"});
  EXPECT_THAT(output, HasSubstr(kLamp + ": attempt 1 failed, next in 0.25 s: seen-no-answer: "));
  EXPECT_THAT(output, HasSubstr("attempt 2 failed, next in 0.25 s: "));
  EXPECT_THAT(output, HasSubstr("connected on hci0, attempt 3"));
}

TEST_F(Ctl, connect_tells_that_the_next_attempt_comes_at_once) {
  lamp.next_connects({succeeds_without_link()});
  EXPECT_THAT(output_of({"connect", kLamp}), HasSubstr("attempt 1 failed, next at once: "));
}

TEST_F(Ctl, connect_holds_until_it_is_interrupted) {
  const auto program = run({"connect", "--hold", kLamp});
  ASSERT_TRUE(says(*program, "connected on hci0"));
  EXPECT_EQ(json_of({"list"})[0]["leases"], 1);
  EXPECT_TRUE(lamp.connected());
  program->send_signal(SIGINT);
  ASSERT_TRUE(ends(*program, 128 + SIGINT));
  EXPECT_FALSE(lamp.connected());
}

TEST_F(Ctl, connect_that_is_interrupted_gives_up) {
  restart(linger(30));
  lamp.advertise(false);
  for (const int number : {SIGINT, SIGTERM}) {
    const auto program = run({"connect", kLamp});
    ASSERT_TRUE(state_of(kLamp, "discovering"));
    program->send_signal(number);
    ASSERT_TRUE(ends(*program, 128 + number));
    EXPECT_TRUE(everything_is_given_up());
  }
}

TEST_F(Ctl, a_persistent_lease_that_is_held_is_let_go_only) {
  const auto program = run({"connect", "--hold", "--persistent", kLamp});
  ASSERT_TRUE(says(*program, "connected on hci0"));
  program->send_signal(SIGINT);
  ASSERT_TRUE(ends(*program, 128 + SIGINT));
  EXPECT_EQ(json_of({"list"})[0]["leases"], 1);
  EXPECT_TRUE(lamp.connected());
  EXPECT_EQ(output_of({"release", kLamp}), "0 leases left\n");
}

TEST_F(Ctl, a_held_link_that_ends_ends_it) {
  const auto program = run({"connect", "--hold", kLamp});
  ASSERT_TRUE(says(*program, "connected on hci0"));
  lamp.drop_link();
  ASSERT_TRUE(ends(*program, 4));
  EXPECT_THAT(program->output(), HasSubstr(kLamp + ": the link has ended: link-lost"));
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
  ASSERT_TRUE(ends(*program, 128 + SIGTERM));
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
  EXPECT_EQ(json_of({"stats"})["calls-answered/ok"], 1);
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
  EXPECT_EQ(json_of({"stats"})["links-ended/hci0/forced"], 1);
  output_of({"stats", "--reset"});
  EXPECT_FALSE(json_of({"stats"}).contains("links-ended/hci0/forced"));
  output_of({"connect", "--persistent", kLamp});
  EXPECT_TRUE(lamp.connected());
  EXPECT_EQ(output_of({"release", kLamp}), "0 leases left\n");
  EXPECT_FALSE(lamp.connected());
}

TEST_F(Ctl, explains_for_the_tired) {
  Adapter& hci1 = bluez.add_adapter();
  EXPECT_THAT(output_of({"explain", kLamp}),
              HasSubstr("  state       nobody wants it\n  leases      none\n  services    not cached\n"
                        "  seen by     no adapter, as far as BlueZ remembers\n"
                        "  a call now  would discover on every adapter that is on, until it is heard\n"
                        "              hci0: no, has not heard it\n"));
  hci1.power_off();
  ASSERT_EQ(world.outcome(client.establish(kLamp)), "ok");
  ASSERT_TRUE(world.until([&] { return output_of({"explain"}).find("hci1") != std::string::npos; }));
  const auto one = output_of({"explain", kLamp});
  EXPECT_THAT(one, HasSubstr("  state       connected on hci0\n"));
  EXPECT_THAT(one,
              HasSubstr("              hci0: yes, the link is up there\n              hci1: no, is off\n"));
  EXPECT_THAT(one, HasSubstr("hci0 " + hci0.address() + "\n  power       on\n  holds       1 link\n"));
  const auto all = output_of({"explain"});
  EXPECT_THAT(all, StartsWith(kLamp + "\n  state       connected on hci0\n"));
  EXPECT_THAT(all, HasSubstr("hci1 " + hci1.address() + "\n  power       off\n  holds       0 links\n"));
  EXPECT_EQ(value_of(client.release(kLamp)), 0);
  bluez.kill();
  ASSERT_TRUE(state_becomes("waiting-for-bluez"));
  EXPECT_EQ(output_of({"explain"}), "bluetoothd is not on the bus: systemctl status bluetooth\n");
  bluez.come_back();
  ASSERT_TRUE(state_becomes("running"));
}

// As Prometheus reads it: by its client library's parser, in a script that knows every label.
TEST_F(Ctl, metrics_are_open_metrics) {
  ASSERT_EQ(world.outcome(client.establish(kLamp)), "ok");
  ASSERT_EQ(world.outcome(client.establish(kSecond, {{"max-attempts", 1u}, {"attempt-timeout", 1u}})),
            kErrors + "NotFound");
  const auto text = output_of({"metrics"});
  ChildCommand reader;
  reader.arguments = {"sh", "-c", "exec \"$0\" <\"$1\"", paths::open_metrics, folder.write("metrics", text)};
  const ChildProcess program{world.loop, reader};
  ASSERT_TRUE(world.until([&] { return program.exit_status().has_value(); }));
  ASSERT_EQ(program.exit_status(), 0) << program.output() << text;
  const auto samples = json::parse(program.output());
  for (const auto& [sample, value] :
       std::map<std::string, double>{{"bleconnd_calls_total{}", 2},
                                     {"bleconnd_calls_answered_total{category=NotFound}", 1},
                                     {"bleconnd_attempts_failed_total{adapter=none,category=NotFound}", 1},
                                     {"bleconnd_links_up_total{adapter=hci0}", 1},
                                     {"bleconnd_call_seconds_bucket{adapter=hci0,category=ok,le=+Inf}", 1},
                                     {"bleconnd_call_seconds_bucket{adapter=hci0,category=ok,le=10.0}", 1},
                                     {"bleconnd_call_seconds_count{adapter=none,category=NotFound}", 1},
                                     {"bleconnd_connected{}", 1}})
    EXPECT_EQ(samples.value(sample, -1.0), value) << sample << "\n" << text;
  const auto counted = json_of({"stats"});
  for (const auto& [series, value] : counted.items()) {
    auto name = series.substr(0, series.find('/'));
    for (const std::string& suffix : std::vector<std::string>{"-bucket", "-count", "-sum-usec"})
      if (name.ends_with("-seconds" + suffix)) name.resize(name.size() - suffix.size());
    if (name.starts_with("now-")) name.erase(0, 4);
    std::ranges::replace(name, '-', '_');
    EXPECT_THAT(text, HasSubstr("# TYPE bleconnd_" + name + " "))
        << "every series of the daemon is known here";
  }
  EXPECT_EQ(text.find("EE:FF"), std::string::npos) << "no device";
  EXPECT_EQ(value_of(client.release(kLamp)), 0);
}

TEST_F(Ctl, connect_may_only_say_so) {
  lamp.advertise(false);
  const auto output = output_of({"connect", "--persistent", "--maintain", "--no-wait", "--label", "shed",
                                 "--adapter", "hci0", "--trust", kLamp});
  EXPECT_THAT(output, ::testing::MatchesRegex(kLamp + ": (queued|discovering)\n"));
  EXPECT_EQ(leases(), json::array({json::array({"persistent", getuid(), "shed"})})) << "every option is sent";
  lamp.advertise(true);
  EXPECT_TRUE(state_of(kLamp, "connected"));
  EXPECT_EQ(bluez.count("Set"), 1u) << "Trusted";
  output_of({"release", kLamp});
}

TEST_F(Ctl, monitors) {
  const auto program = run({"monitor"});
  ASSERT_TRUE(says(*program, "bleconnd  is there"));
  bluez.fail_next("Connect", "org.bluez.Error.Failed", "le-connection-abort-by-local");
  EXPECT_EQ(world.outcome(client.establish(kLamp)), "ok");
  EXPECT_TRUE(says(*program, kLamp + "  attempt 1 failed  seen-no-answer: "));
  EXPECT_TRUE(says(*program, kLamp + "  connected"));
  EXPECT_EQ(world.outcome(client.release(kLamp)), "ok");
  EXPECT_TRUE(says(*program, "disconnected  released"));
  end_daemon();
  EXPECT_TRUE(says(*program, "bleconnd  has left the bus"));
  program->send_signal(SIGINT);
  ends(*program, 128 + SIGINT);
}

TEST_F(Ctl, an_ignored_adapter_is_shown_as_such) {
  EXPECT_THAT(output_of({"status"}), ::testing::Not(HasSubstr("ignored")));
  world.folders.configure(linger(0) + "[Adapter " + hci0.address() + "]\nIgnore=yes\n");
  ASSERT_EQ(world.outcome(client.manager("Reload")), "ok");
  EXPECT_THAT(output_of({"status"}), ::testing::ContainsRegex("hci0 .* ignored"));
  const auto explained = output_of({"explain", kLamp});
  EXPECT_THAT(explained, HasSubstr("hci0 " + hci0.address() + "\n  state       ignored, by bleconnd.conf\n"));
  EXPECT_THAT(explained, HasSubstr("wait for an adapter that is on and not ignored"));
}

}  // namespace
}  // namespace bleconnd::integration
