// bleconnctl on a terminal, and the completion of its words by bash.
#include <algorithm>

#include "ctl_fixture.hpp"
#include "paths.hpp"

namespace bleconnd::integration {
namespace {

using ::testing::Not;

constexpr char kLineBegins[] = "\r\x1b[K";
constexpr char kGreen[] = "\x1b[32m";

class CtlTerminal : public CtlFixture {
 protected:
  // Each state of the line that changes.
  static std::vector<std::string> live_lines(const std::string& shown) {
    std::vector<std::string> lines;
    for (auto at = shown.find(kLineBegins); at != std::string::npos;) {
      const auto begin = at + sizeof kLineBegins - 1;
      at = shown.find(kLineBegins, begin);
      lines.push_back(shown.substr(begin, std::min(at, shown.find_first_of("\r\n", begin)) - begin));
    }
    return lines;
  }
};

TEST_F(CtlTerminal, a_line_tells_what_it_is_doing) {
  lamp.advertise(false);
  Terminal terminal;
  const auto program = run_on(terminal, {"connect", "--hold", kLamp}, {{"NO_COLOR", ""}});
  ASSERT_TRUE(shows(terminal, kLineBegins + kLamp + ": discovering"));
  lamp.advertise(true);
  ASSERT_TRUE(shows(terminal, kGreen + kLamp + ": connected on hci0"));
  terminal.type("\x03");
  ASSERT_TRUE(ends(*program, 128 + SIGINT));
  EXPECT_TRUE(everything_is_given_up());
}

TEST_F(CtlTerminal, the_state_of_a_call_that_is_joined_is_told) {
  lamp.advertise(false);
  const auto other = client.establish(kLamp);
  ASSERT_TRUE(state_of(kLamp, "discovering"));
  Terminal terminal;
  const auto program = run_on(terminal, {"connect", kLamp});
  EXPECT_TRUE(shows(terminal, kLamp + ": discovering"));
  terminal.type("\x03");
  ASSERT_TRUE(ends(*program, 128 + SIGINT));
  EXPECT_EQ(value_of(client.release(kLamp)), 0);
}

TEST_F(CtlTerminal, the_line_is_no_longer_than_the_terminal_is_wide) {
  lamp.advertise(false);
  Terminal terminal{30};
  const auto program = run_on(terminal, {"connect", kLamp});
  ASSERT_TRUE(shows(terminal, kLamp + ": discoverin"));
  program->send_signal(SIGINT);  // ^C would be shown in the line
  ASSERT_TRUE(ends(*program, 128 + SIGINT));
  for (const auto& line : live_lines(terminal.shown())) EXPECT_LT(line.size(), 30u) << line;
}

TEST_F(CtlTerminal, no_color) {
  Terminal terminal;
  const auto program = run_on(terminal, {"connect", kLamp}, {{"NO_COLOR", "1"}});
  ASSERT_TRUE(shows(terminal, "connected on hci0"));
  ASSERT_TRUE(ends(*program, 0));
  EXPECT_THAT(terminal.shown(), Not(HasSubstr("\x1b[3")));
  EXPECT_THAT(terminal.shown(), Not(HasSubstr("\x1b[2m")));
  EXPECT_TRUE(everything_is_given_up());
}

TEST_F(CtlTerminal, plain_in_a_pipe) {
  EXPECT_THAT(output_of({"connect", kLamp}), Not(HasSubstr("\x1b")));
  EXPECT_TRUE(everything_is_given_up());
}

TEST_F(CtlTerminal, the_line_is_taken_back_before_an_error_is_told) {
  lamp.advertise(false);
  Terminal terminal;
  const auto program = run_on(terminal, {"connect", "--timeout", "1", kLamp});
  ASSERT_TRUE(ends(*program, 3));
  EXPECT_TRUE(shows(terminal, std::string{kLineBegins} + "not-seen: "));
}

class CtlTerminalSlots : public CtlTerminal {
 protected:
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(start(slots(1))); }
};

TEST_F(CtlTerminalSlots, what_is_waited_for_is_told) {
  another_lamp(kSecond);
  ASSERT_EQ(world.outcome(client.establish(kLamp)), "ok");
  Terminal terminal;
  const auto program = run_on(terminal, {"connect", kSecond});
  ASSERT_TRUE(shows(terminal, kSecond + ": queued"));
  EXPECT_TRUE(shows(terminal, "waits for "));
  EXPECT_EQ(value_of(client.release(kLamp)), 0);
  ASSERT_TRUE(shows(terminal, kSecond + ": connected on hci0"));
  ASSERT_TRUE(ends(*program, 0));
  EXPECT_TRUE(everything_is_given_up());
}

// --- bash ---

class CtlCompletion : public CtlTerminal {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(CtlTerminal::SetUp());
    ChildCommand command;
    command.arguments = {"bash", "--norc", "--noprofile", "-i"};
    command.environment = {{"DBUS_SYSTEM_BUS_ADDRESS", world.bus.address()},
                           {"PATH", bleconnctl.parent_path().string() + ":" + std::getenv("PATH")},
                           {"PS1", "> "},
                           {"TERM", "dumb"},
                           {"HISTFILE", "/dev/null"},
                           {"INPUTRC", folder.write("inputrc",
                                                    "set bell-style none\n"
                                                    "set enable-bracketed-paste off\n"
                                                    "set show-all-if-ambiguous on\n")}};
    command.before_exec = [this] { return terminal.is_taken(); };
    bash = std::make_unique<ChildProcess>(world.loop, std::move(command));
    ASSERT_TRUE(shows(terminal, "> "));
    terminal.type("source " + std::string{paths::completion} + "; echo read$((1 + 1))\n");
    ASSERT_TRUE(shows(terminal, "read2"));
  }
  void TearDown() override {
    bash.reset();
    CtlTerminal::TearDown();
  }
  // What stands in the line after the key tab is told by echo, which is put before it.
  void completes(const std::string& typed, const std::string& line) {
    terminal.type("bleconnctl " + typed + "\t\x01" + "echo line: \n");
    EXPECT_TRUE(shows(terminal, "\nline: bleconnctl " + line + "\r")) << terminal.shown();
  }

  const std::filesystem::path bleconnctl{paths::bleconnctl};
  Terminal terminal;
  std::unique_ptr<ChildProcess> bash;
};

TEST_F(CtlCompletion, of_words) {
  completes("exp", "explain");
  completes("--json=p", "--json=pretty");
  completes("connect --no-s", "connect --no-services-cache");
  completes("connect --priority no", "connect --priority normal");
  completes("connect --priority=l", "connect --priority=low");
  completes("clear-cache --fo", "clear-cache --force");
  completes("close-stale --on", "close-stale --only-other-adapters");
  completes("--json stats --re", "--json stats --reset");
  completes("log-level no", "log-level notice");
  completes("--host localho", "--host localhost");
  completes("--host=me@localho", "--host=me@localhost");
}

TEST_F(CtlCompletion, of_addresses) {
  ASSERT_EQ(world.outcome(client.establish(kLamp)), "ok");
  completes("connect A", "connect " + kLamp);
  completes("release AA:BB:C", "release " + kLamp);
  completes("services aa:bb:c", "services aa:bb:CC:DD:EE:FF");
  EXPECT_EQ(value_of(client.release(kLamp)), 0);
}

}  // namespace
}  // namespace bleconnd::integration
