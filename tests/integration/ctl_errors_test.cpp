// How bleconnctl ends when it cannot do what it is told to: exit code, and one sentence that says what to do.
#include "ctl_fixture.hpp"
#include "fake_daemon.hpp"

namespace bleconnd::integration {
namespace {

using ::testing::Not;

class CtlErrors : public CtlFixture {};

TEST_F(CtlErrors, of_a_device) {
  lamp.advertise(false);
  EXPECT_THAT(error_of({"connect", "--attempt-timeout", "1", "--max-attempts", "1", kLamp}, 10),
              StartsWith("not-seen: "));
  EXPECT_THAT(error_of({"connect", "--timeout", "1", kLamp}, 3), StartsWith("not-seen: "));
  lamp.advertise(true);
  bluez.fail_next("Connect", "org.bluez.Error.NotSupported", "Not Supported");
  EXPECT_THAT(error_of({"connect", kLamp}, 4), StartsWith("not-supported: "));
  EXPECT_THAT(error_of({"release", kLamp}, 10), HasSubstr("there is no such connection of yours"));
  EXPECT_THAT(error_of({"disconnect", kLamp}, 10), Not(IsEmpty()));
  EXPECT_THAT(error_of({"services", "AA:BB:CC:DD:EE:99"}, 10), HasSubstr("EstablishConnection"));
}

TEST_F(CtlErrors, what_the_daemon_takes_for_wrong_is_wrong_usage) {
  EXPECT_THAT(error_of({"connect", "--require", "lamp", kLamp}, 2), HasSubstr("required-uuids"));
  EXPECT_THAT(error_of({"connect", "--label", std::string(65, 'x'), kLamp}, 2), HasSubstr("label"));
}

TEST_F(CtlErrors, without_bluetoothd) {
  bluez.terminate();
  ASSERT_TRUE(state_becomes("waiting-for-bluez"));
  EXPECT_THAT(error_of({"connect", "--timeout", "1", kLamp}, 4), StartsWith("stack-down: "));
  EXPECT_THAT(error_of({"close-stale", kLamp}, 4), HasSubstr("bluetoothd"));
}

TEST_F(CtlErrors, without_rights) {
  if (getuid() != 0) GTEST_SKIP() << "only root can be somebody else";
  ASSERT_EQ(world.outcome(client.establish(kLamp)), "ok");
  for (const Words& command :
       {Words{"connect", kLamp}, Words{"list"}, Words{"explain", kLamp}, Words{"stats", "--reset"},
        Words{"disconnect", kLamp}, Words{"log-level", "debug"}}) {
    const auto told = told_by(command, {}, nobody);
    EXPECT_EQ(told.status, 4) << command[0];
    EXPECT_THAT(told.error, StartsWith("denied: ")) << command[0];
    EXPECT_THAT(told.error, HasSubstr("sudo")) << command[0];
    EXPECT_EQ(told.out, "");
  }
  EXPECT_EQ(told_by({"log-level"}, {}, nobody).out, "info\n") << "everybody may read properties";
  EXPECT_TRUE(lamp.connected());
  EXPECT_EQ(value_of(client.release(kLamp)), 0);
}

TEST_F(CtlErrors, of_a_daemon_that_does_not_answer) {
  world.daemon->process().send_signal(SIGSTOP);
  EXPECT_EQ(error_of({"stats"}, 3, {{"SYSTEMD_BUS_TIMEOUT", "200ms"}}),
            "bleconnd has not answered for 0.2 s; systemctl status bleconnd\n");
  world.daemon->process().send_signal(SIGCONT);
}

TEST_F(CtlErrors, without_a_daemon) {
  end_daemon();
  for (const Words& command :
       {Words{"connect", kLamp}, Words{"disconnect", kLamp}, Words{"release", kLamp}, Words{"list"},
        Words{"status"}, Words{"explain", kLamp}, Words{"services", kLamp}, Words{"clear-cache", kLamp},
        Words{"close-stale", kLamp}, Words{"stats"}, Words{"metrics"}, Words{"log-level"}, Words{"monitor"}})
    EXPECT_THAT(error_of(command, 8), HasSubstr("systemctl start bleconnd")) << command[0];
}

TEST_F(CtlErrors, without_a_bus) {
  for (const Words& command : {Words{"connect", kLamp}, Words{"list"}, Words{"stats"}, Words{"monitor"}})
    EXPECT_THAT(error_of(command, 8, {{"DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere"}}),
                HasSubstr("is dbus running?"));
}

// --- answers of a daemon that is none ---

class CtlAnswers : public CtlFixture {
 protected:
  void SetUp() override {}
  void answers_describe_with(const std::string& text) {
    fake.emplace(world.loop, world.bus.address(), [text](const std::string& member, sd_bus_message* call) {
      if (member == "Describe") sd_bus_reply_method_return(call, "s", text.c_str());
    });
  }
  std::optional<FakeDaemon> fake;
};

TEST_F(CtlAnswers, that_is_no_json) {
  answers_describe_with("{\"devices\": [");
  EXPECT_THAT(error_of({"explain", kLamp}, 4), HasSubstr("no JSON"));
  EXPECT_EQ(json_of({"explain", kLamp}, 4)["error"], "Unexpected");
}

TEST_F(CtlAnswers, that_is_other_json) {
  answers_describe_with("{\"devices\": 5}");
  EXPECT_THAT(error_of({"explain", kLamp}, 4), Not(HasSubstr("terminate")));
}

TEST_F(CtlAnswers, without_the_number_of_services) {
  answers_describe_with(
      R"({"devices": [{"address": "AA:BB:CC:DD:EE:FF", "state": "connected", "services-cached": true}]})");
  EXPECT_THAT(output_of({"explain", kLamp}), HasSubstr("  services    in the cache\n"));
}

TEST_F(CtlAnswers, with_what_a_terminal_would_obey) {
  answers_describe_with(R"({"devices": [{"address": "AA:BB:CC:DD:EE:FF", "state": "\u001b[2Jon"}]})");
  EXPECT_THAT(output_of({"explain", kLamp}), HasSubstr("\\x1B[2Jon"));
}

TEST_F(CtlAnswers, options_that_are_not_given_are_not_sent) {
  json sent;
  fake.emplace(world.loop, world.bus.address(), [&](const std::string& member, sd_bus_message* call) {
    if (member != "EstablishConnection") return;
    sent = read_arguments(call);
    sd_bus_reply_method_errorf(call, "org.bleconnd.Error.NotReady", "stack-down: no bluetoothd; start it");
  });
  EXPECT_THAT(error_of({"connect", kLamp}, 4), StartsWith("stack-down: "));
  for (const char* option : {"timeout", "attempt-timeout", "max-attempts", "adapter", "use-services-cache",
                             "required-uuids", "pair", "trust", "priority", "label"})
    EXPECT_FALSE(sent[1].contains(option)) << sent;
  error_of({"connect",
            "--timeout",
            "7",
            "--attempt-timeout",
            "5",
            "--max-attempts",
            "3",
            "--adapter",
            "hci1",
            "--no-services-cache",
            "--require",
            "180f",
            "180a",
            "--pair",
            "--trust",
            "--priority",
            "high",
            "--label",
            "shed",
            "--maintain",
            "--persistent",
            "--no-wait",
            kLamp},
           4);
  const json wanted{{"timeout", 7},
                    {"attempt-timeout", 5},
                    {"max-attempts", 3},
                    {"adapter", "hci1"},
                    {"pair", true},
                    {"use-services-cache", false},
                    {"trust", true},
                    {"priority", "high"},
                    {"label", "shed"},
                    {"lifetime", "persistent"},
                    {"maintain", true},
                    {"wait", false},
                    {"required-uuids", {"180f", "180a"}}};
  for (auto& [key, value] : wanted.items()) EXPECT_EQ(sent[1][key], value) << key << sent;
}

// --- the bus of another host ---

class CtlHost : public CtlFixture {
 protected:
  // What stands in for ssh: the same end of the same pipe, without another host.
  Environment by_ssh(const std::string& script) {
    const auto ssh = folder.write("ssh", "#!/bin/sh\n" + script + "\n");
    std::filesystem::permissions(ssh, std::filesystem::perms{0755});
    return {{"PATH", folder.path().string() + ":" + std::getenv("PATH")},
            {"BUS_OF_THE_HOST", world.bus.address()},
            {"DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere"}};
  }
  Environment bridged() {
    return by_ssh("echo \"$@\" >" + folder.file("asked") + "; echo $$ >" + folder.file("bridge") +
                  "\nexec systemd-stdio-bridge --bus-path=\"$BUS_OF_THE_HOST\"");
  }
  std::string read_file(const std::string& name) {
    std::ifstream file{folder.file(name)};
    return {std::istreambuf_iterator<char>{file}, {}};
  }
};

TEST_F(CtlHost, is_asked_as_this_one_is) {
  const auto over = bridged();
  EXPECT_THAT(output_of({"--host", "me@gateway", "status"}, over), HasSubstr("running"));
  EXPECT_THAT(read_file("asked"), HasSubstr("me@gateway"));
  EXPECT_THAT(output_of({"connect", "--host", "gateway", kLamp}, over), HasSubstr("connected on hci0"));
  EXPECT_TRUE(everything_is_given_up());
}

TEST_F(CtlHost, that_ssh_does_not_reach) {
  const auto refused = by_ssh("exit 255");
  for (const Words& command : {Words{"connect", kLamp}, Words{"list"}, Words{"status"}, Words{"stats"},
                               Words{"release", kLamp}, Words{"monitor"}}) {
    Words words{"--host", "gateway"};
    words.insert(words.end(), command.begin(), command.end());
    EXPECT_THAT(error_of(words, 8, refused), HasSubstr("does ssh gateway work without a question?"));
  }
}

TEST_F(CtlHost, without_a_daemon) {
  end_daemon();
  const auto error = error_of({"--host", "gateway", "list"}, 8, bridged());
  EXPECT_THAT(error, HasSubstr("systemctl start bleconnd"));
  EXPECT_THAT(error, Not(HasSubstr("does ssh")));
}

TEST_F(CtlHost, a_link_that_is_held_ends_with_its_bus) {
  for (const bool maintained : {false, true}) {
    Words words{"--host", "gateway", "connect", "--hold", kLamp};
    if (maintained) words.push_back("--maintain");
    const auto program = run(words, bridged());
    ASSERT_TRUE(says(*program, "connected on hci0"));
    kill(std::stoi(read_file("bridge")), SIGKILL);
    ASSERT_TRUE(ends(*program, 8));
    EXPECT_THAT(program->output(), HasSubstr("bus-lost: "));
    EXPECT_TRUE(everything_is_given_up());
  }
}

TEST_F(CtlHost, monitor_ends_with_the_bus) {
  const auto program = run({"--host", "gateway", "monitor"}, bridged());
  ASSERT_TRUE(says(*program, "is there"));
  kill(std::stoi(read_file("bridge")), SIGKILL);
  ASSERT_TRUE(ends(*program, 8));
  EXPECT_THAT(program->output(), HasSubstr("does ssh gateway work"));
}

}  // namespace
}  // namespace bleconnd::integration
