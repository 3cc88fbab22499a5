// What is wrong on the command line: exit code 2, the reason and the command's help on stderr, nothing on
// stdout, and no question to the bus, which is not there.
#include "ctl_fixture.hpp"

namespace bleconnd::integration {
namespace {

using Words = std::vector<std::string>;
struct Wrong {
  Words words;
  std::string says;
};

// It becomes the name of the test.
void PrintTo(const Wrong& wrong, std::ostream* to) {
  for (auto word : wrong.words) {
    std::ranges::replace(word, '\x1b', '?');
    *to << "'" << word << "' ";
  }
}

class CtlUsage : public CtlFixture, public ::testing::WithParamInterface<Wrong> {
 protected:
  void SetUp() override {}
};

TEST_P(CtlUsage, wrong_ends_with_2) {
  const auto told = told_by(GetParam().words, {{"DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere"}});
  EXPECT_EQ(told.status, 2);
  EXPECT_EQ(told.out, "");
  EXPECT_THAT(told.error, StartsWith("bleconnctl: "));
  EXPECT_THAT(told.error.substr(0, told.error.find('\n')), HasSubstr(GetParam().says));
  const bool has_command = GetParam().says != "command" && GetParam().words.front().front() != '-';
  EXPECT_THAT(told.error, HasSubstr("Usage: bleconnctl " + (has_command ? GetParam().words.front() : "")));
}

const Words kWithAddress{"connect", "disconnect", "release", "services", "close-stale", "clear-cache"};
const Words kWithout{"list", "status", "monitor", "stats", "metrics"};

std::vector<Wrong> all_wrong() {
  std::vector<Wrong> all{{{}, "command"},
                         {{"dance"}, "command"},
                         {{"--json=xml", "list"}, "compact"},
                         {{"--host"}, "--host"},
                         {{"connect", "--timeout", "0", kLamp}, "--timeout"},
                         {{"connect", "--timeout", "86401", kLamp}, "--timeout"},
                         {{"connect", "--timeout", "soon", kLamp}, "--timeout"},
                         {{"connect", "--attempt-timeout", "301", kLamp}, "--attempt-timeout"},
                         {{"connect", "--max-attempts", "101", kLamp}, "--max-attempts"},
                         {{"connect", "--max-attempts", "-1", kLamp}, "--max-attempts"},
                         {{"connect", "--priority", "urgent", kLamp}, "urgent"},
                         {{"connect", "--require"}, "--require"},
                         {{"connect", "--no-wait", kLamp}, "--persistent"},
                         {{"connect", "--no-wait", "--persistent", "--hold", kLamp}, "excludes"},
                         {{"clear-cache", "--all", kLamp}, "excludes"},
                         {{"clear-cache", "--all", "--force"}, "excludes"},
                         {{"log-level", "loud"}, "loud"},
                         {{"log-level", "info", "debug"}, "debug"}};
  for (auto& command : kWithAddress) {
    all.push_back({{command}, "ADDRESS"});
    all.push_back({{command, kLamp, "more"}, "more"});
    all.push_back({{command, "--fast", kLamp}, "--fast"});
    for (const char* address :
         {"", "lamp", "AA-BB-CC-DD-EE-FF", "AA:BB:CC:DD:EE", "AA:BB:CC:DD:EE:FG", "AA:BB:CC:DD:EE:FF:00",
          "AABB:CC:DD:EE:F:F", "00:00:00:00:00:00", "FF:ff:FF:FF:FF:FF", "\x1b[31m"})
      all.push_back({{command, address}, "ADDRESS: '"});
  }
  for (auto& command : kWithout) {
    all.push_back({{command, "more"}, "more"});
    all.push_back({{command, "--fast"}, "--fast"});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(each, CtlUsage, ::testing::ValuesIn(all_wrong()));

class CtlHelp : public CtlFixture {
 protected:
  void SetUp() override {}
};

TEST_F(CtlHelp, is_on_stdout) {
  EXPECT_THAT(output_of({"--help"}), HasSubstr("130 interrupted"));
  EXPECT_THAT(output_of({"connect", "--help"}), HasSubstr("--no-services-cache"));
  EXPECT_THAT(output_of({"--version"}), StartsWith("bleconnctl "));
}

}  // namespace
}  // namespace bleconnd::integration
