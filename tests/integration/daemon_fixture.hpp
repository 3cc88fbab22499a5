// The fixture of the tests of the daemon: bus, scripted BlueZ with hci0 and one lamp in range, the real
// daemon, one client. Every test ends by counting what the daemon left behind; a failed one prints both
// courses of events.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "paths.hpp"
#include "world.hpp"

namespace bleconnd::integration {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

inline const std::string kLamp = "AA:BB:CC:DD:EE:FF";
inline const std::string kDev = "hci0/dev_AA_BB_CC_DD_EE_FF";  // of the lamp, below /org/bluez
inline const std::string kBluezPath = "/org/bluez/" + kDev;
inline const std::string kOurPath = "/org/bleconnd/dev_AA_BB_CC_DD_EE_FF";
inline const std::string kErrors = "org.bleconnd.Error.";
inline const std::string kDenied = "org.freedesktop.DBus.Error.AccessDenied";
inline const std::string kInvalidArgs = "org.freedesktop.DBus.Error.InvalidArgs";

// That of this build, or that of another one.
inline std::string daemon_program() {
  const char* other = std::getenv("BLECONND_PROGRAM");
  return other ? other : paths::bleconnd;
}

class DaemonFixture : public ::testing::Test {
 protected:
  static WorldOptions fast() {
    WorldOptions options;
    options.bluez.speed = 20;
    return options;
  }

  explicit DaemonFixture(const WorldOptions& options = fast())
      : world(options),
        bluez(world.bluez),
        hci0(bluez.add_adapter()),
        lamp(bluez.add_peripheral(kLamp)),
        client(world.client()) {}

  void SetUp() override { start(); }

  // The daemon with LingerSec=0, looked at when it has found the adapter.
  void start(const std::string& main_conf = "[General]\nLingerSec=0\n") {
    if (!bluez.running()) bluez.start();
    ASSERT_TRUE(world.start_daemon(program_, main_conf)) << world.daemon->log();
    client.watch_daemon();
    ASSERT_TRUE(state_becomes("running"));
    ASSERT_TRUE(called_becomes("GetManagedObjects", 1));  // once at its start, for links that nobody leases
    look_at_rest();
  }

  void look_at_rest() {
    rules_at_rest_ = match_rules().all;
    files_at_rest_ = open_files();
  }

  void TearDown() override {
    if (world.daemon && !world.daemon->process().exit_status()) expect_nothing_left();
    if (world.daemon) {
      EXPECT_THAT(world.daemon->log(), ::testing::Not(HasSubstr("runtime error:")));  // of a sanitizer
      EXPECT_THAT(world.daemon->log(), ::testing::Not(HasSubstr("Sanitizer")));
    }
    if (HasFailure()) ADD_FAILURE() << world.report();
  }

  bool state_becomes(const std::string& state) {
    return world.until([&] {
      const auto reply = client.manager_property("State");
      world.until([&] { return reply->done; });
      return reply->ok() && reply->arguments[0] == state;
    });
  }

  void connect_the_lamp() {
    const auto reply = client.establish(kLamp);
    ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  }
  void release_the_lamp() {
    const auto reply = client.release(kLamp);
    ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  }
  // From now on every dial of the lamp hangs in the kernel until it advertises again.
  void dials_wait_for_the_lamp() {
    bluez.settings().timing.not_advertising = std::chrono::hours{1};
    bluez.settings().timing.temporary = std::chrono::hours{1};
    hci0.discovered(lamp);
    lamp.advertise(false);
  }
  bool called_becomes(const std::string& member, std::size_t times) {
    return world.until([&] { return bluez.count(member) >= times; });
  }
  // The last state that was told of any device, with its reason: "disconnected (released)".
  bool told_state_becomes(const std::string& state) {
    return world.until([&] { return !told_states().empty() && told_states().back() == state; });
  }
  std::vector<std::string> told_states() const {
    std::vector<std::string> states;
    for (const auto& signal : client.signals("ConnectionStateChanged")) {
      const auto reason = signal.arguments[3].get<std::string>();
      states.push_back(signal.arguments[2].get<std::string>() + (reason.empty() ? "" : " (" + reason + ")"));
    }
    return states;
  }
  // A call of Manager1 by busctl, whose JSON tells the types.
  nlohmann::json busctl(const std::vector<std::string>& member_and_arguments) {
    ChildCommand command;
    command.arguments = {"busctl",
                         "--address=" + world.bus.address(),
                         "--json=short",
                         "call",
                         "org.bleconnd",
                         "/org/bleconnd",
                         "org.bleconnd.Manager1"};
    command.arguments.insert(command.arguments.end(), member_and_arguments.begin(),
                             member_and_arguments.end());
    ChildProcess child{world.loop, command};
    EXPECT_TRUE(world.until([&] { return child.exit_status().has_value(); }));
    EXPECT_EQ(child.exit_status(), 0) << child.output();
    return nlohmann::json::parse(child.output(), nullptr, false);
  }
  nlohmann::json value_of(const PendingReply& reply) {
    EXPECT_EQ(world.outcome(reply), "ok") << reply->message;
    return reply->ok() ? reply->arguments[0] : nlohmann::json{};
  }

  // Releases nothing by itself: whoever still holds a lease is told apart from what the daemon forgot.
  void expect_nothing_left() {
    const auto at_rest = [&] { return bluez.leftovers() == Leftovers{} && daemon_objects().empty(); };
    EXPECT_TRUE(world.until(at_rest))
        << "left over: " << bluez.leftovers() << ", objects " << ::testing::PrintToString(daemon_objects());
    // Two rules of each of the 64 most recently used objects of devices stay, of the last 8 a third; nothing
    // else does.
    MatchRules rules;
    const auto rules_settle = [&] {
      rules = match_rules();
      const auto objects = std::min<std::size_t>(rules.objects.value_or(64), 64);
      const auto of_objects = 2 * objects + std::min<std::size_t>(objects, 8);
      return rules.all <= rules_at_rest_ + of_objects && rules.of_no_object.value_or(0) <= rules_at_rest_;
    };
    EXPECT_TRUE(world.until(rules_settle)) << rules.all << " rules, " << rules_at_rest_ << " at rest";
    // What is written to the cache is written in a child, which may be at work still, or begin only now.
    const auto half_written = [&] { return std::filesystem::exists(world.folders.cache() + "/writing.tmp"); };
    const auto files_settle = [&] {
      return world.daemon->process().children().empty() && open_files() <= files_at_rest_ && !half_written();
    };
    EXPECT_TRUE(world.until(files_settle))
        << "children: " << ::testing::PrintToString(world.daemon->process().children())
        << ", files: " << ::testing::PrintToString(open_file_names())
        << (half_written() ? ", and a half-written one in the cache" : "");
  }

  std::vector<std::string> open_file_names() {
    std::vector<std::string> names;
    const auto folder = "/proc/" + std::to_string(world.daemon->process().pid()) + "/fd";
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
      std::error_code gone;
      names.push_back(std::filesystem::read_symlink(file.path(), gone).string());
    }
    std::ranges::sort(names);
    return names;
  }

  // But its records, which are opened with their first line.
  std::size_t open_files() {
    const auto is_record = [&](const std::string& name) {
      return name.find(world.folders.runtime()) != std::string::npos ||
             name.find(world.folders.state()) != std::string::npos;
    };
    const auto names = open_file_names();
    return names.size() - static_cast<std::size_t>(std::ranges::count_if(names, is_record));
  }

  struct MatchRules {
    std::size_t all = 0;
    std::optional<std::size_t> of_no_object;  // dbus-broker tells their number, and no rule
    std::optional<std::size_t> objects{};     // that the others are of
  };
  // Of the daemon that runs now.
  MatchRules match_rules() {
    const auto name = client.owner_of("org.bleconnd");
    if (world.bus.broker() == Broker::dbus_broker) return {client.kept_for(name, "Matches"), {}};
    const auto rules = client.match_rules_of(name);
    std::set<std::string> objects;
    for (const auto& rule : rules)
      if (const auto at = rule.find("/org/bluez/hci"); !is_no_object_rule(rule))
        objects.insert(rule.substr(at, rule.find_first_of("/'", rule.find("/dev_") + 1) - at));
    return {rules.size(), static_cast<std::size_t>(std::ranges::count_if(rules, is_no_object_rule)),
            objects.size()};
  }
  static bool is_no_object_rule(const std::string& rule) { return rule.find("/dev_") == std::string::npos; }

  // Of devices: those of adapters are there as long as BlueZ has them.
  std::vector<std::string> daemon_objects() {
    const auto reply = client.daemon_objects();
    world.until([&] { return reply->done; });
    std::vector<std::string> paths;
    if (reply->ok())
      for (const auto& [path, interfaces] : reply->arguments[0].items())
        if (path.find("/dev_") != std::string::npos) paths.push_back(path);
    return paths;
  }

  std::string program_ = daemon_program();
  World world;
  ScriptedBluez& bluez;
  Adapter& hci0;
  Peripheral& lamp;
  Client& client;

 private:
  std::size_t rules_at_rest_ = 0;
  std::size_t files_at_rest_ = 0;
};

}  // namespace bleconnd::integration
