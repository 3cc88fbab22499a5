// Every method that the daemon's introspection names is called by an unprivileged user, with right and wrong
// arguments. Afterwards the daemon answers, its sanitizers have said nothing, and nothing is left over.
#include <map>

#include "daemon_sharing_fixture.hpp"
#include "daemon_storm.hpp"

namespace bleconnd::integration {
namespace {

struct Method {
  std::string path, interface, name, signature;
};

// The value of an attribute in the element at the text's begin.
std::string attribute(std::string_view element, const std::string& name) {
  element = element.substr(0, element.find('>'));
  const auto at = element.find(" " + name + "=\"");
  if (at == element.npos) return {};
  const auto value = element.substr(at + name.size() + 3);
  return std::string{value.substr(0, value.find('"'))};
}

// One complete type at the signature's begin.
std::string first_type(std::string_view signature) {
  std::size_t at = 0;
  while (signature[at] == 'a') ++at;
  int depth = 0;
  do {
    if (signature[at] == '(' || signature[at] == '{') ++depth;
    if (signature[at] == ')' || signature[at] == '}') --depth;
    ++at;
  } while (depth > 0);
  return std::string{signature.substr(0, at)};
}

class Arguments {
 public:
  Arguments(Dice& dice, sd_bus_message* message) : dice_{dice}, message_{message} {}

  void append_all(std::string_view signature) {
    while (!signature.empty()) {
      const auto type = first_type(signature);
      append_one(type, 0);
      signature.remove_prefix(type.size());
    }
  }

 private:
  static constexpr int kDeepest = 4;  // of variants in variants

  std::string text() {
    static const std::vector<std::string> kWords{kLamp,
                                                 "AA:BB:CC:DD:EE:02",
                                                 "aa:bb:cc:dd:ee:03",
                                                 "00:00:00:00:00:00",
                                                 "",
                                                 "hci0",
                                                 "hci7",
                                                 "low",
                                                 "high",
                                                 "persistent",
                                                 "caller",
                                                 "180f",
                                                 "0000180f-0000-1000-8000-00805f9b34fb",
                                                 "org.bleconnd.Manager1",
                                                 "org.bleconnd.Device1",
                                                 "org.bleconnd.Adapter1",
                                                 "State",
                                                 "Connections",
                                                 "Leases",
                                                 "LogLevel",
                                                 "debug",
                                                 "journal",
                                                 "\x1b[2J\n",
                                                 "%s%n",
                                                 "\xc3\x84",
                                                 "../..",
                                                 std::string(5000, 'x')};
    return dice_.any_of(kWords);
  }
  std::string key() {
    static const std::vector<std::string> kKeys{"lifetime",
                                                "timeout",
                                                "attempt-timeout",
                                                "max-attempts",
                                                "adapter",
                                                "use-services-cache",
                                                "required-uuids",
                                                "pair",
                                                "trust",
                                                "maintain",
                                                "priority",
                                                "wait",
                                                "label",
                                                "force",
                                                "only-other-adapters",
                                                "",
                                                "colour"};
    return dice_.any_of(kKeys);
  }
  // Small numbers are the likely ones, else the ends of the ranges.
  std::uint64_t number() {
    static const std::vector<std::uint64_t> kEnds{0,          0x7F,       0x7FFF, 0xFFFF,
                                                  0x7FFFFFFF, 0xFFFFFFFF, ~0ULL,  86'401};
    return dice_.chance(70) ? 1 + dice_.below(5) : dice_.any_of(kEnds);
  }

  // The type that an option of that name has, most of the time.
  std::string variant_type(const std::string& key) {
    static const std::map<std::string, std::string> kTypes{
        {"lifetime", "s"}, {"timeout", "u"},         {"attempt-timeout", "u"}, {"max-attempts", "u"},
        {"adapter", "s"},  {"required-uuids", "as"}, {"priority", "s"},        {"label", "s"}};
    static const std::vector<std::string> kOthers{"y",  "b",     "n",         "i",   "u",    "t",
                                                  "d",  "s",     "o",         "g",   "v",    "as",
                                                  "ay", "a{sv}", "(sa{sv}v)", "aas", "a(ii)"};
    if (dice_.chance(20)) return dice_.any_of(kOthers);
    const auto at = kTypes.find(key);
    return at == kTypes.end() ? "b" : at->second;
  }

  void append_one(const std::string& type, int depth, const std::string& key_before = {}) {
    const char kind = type[0];
    const auto inside = type.size() > 1 ? type.substr(1, type.size() - 2) : std::string{};
    if (kind == 'v') {
      const auto held = depth >= kDeepest ? "u" : variant_type(key_before);
      sd_bus_message_open_container(message_, 'v', held.c_str());
      append_one(held, depth + 1);
      sd_bus_message_close_container(message_);
    } else if (kind == 'a') {
      const auto each = type.substr(1);
      sd_bus_message_open_container(message_, 'a', each.c_str());
      for (auto count = dice_.chance(3) ? 200 : dice_.below(4); count > 0; --count)
        append_one(each, depth + 1);
      sd_bus_message_close_container(message_);
    } else if (kind == '(') {
      sd_bus_message_open_container(message_, 'r', inside.c_str());
      append_all(inside);
      sd_bus_message_close_container(message_);
    } else if (kind == '{') {
      sd_bus_message_open_container(message_, 'e', inside.c_str());
      const auto name = key();
      if (inside[0] == 's')
        sd_bus_message_append_basic(message_, 's', name.c_str());
      else
        append_one(inside.substr(0, 1), depth);
      append_one(inside.substr(1), depth + 1, name);
      sd_bus_message_close_container(message_);
    } else {
      append_basic(kind);
    }
  }

  void append_basic(char type) {
    static const std::vector<std::string> kPaths{"/", "/org/bleconnd", kOurPath, "/org/bluez/hci0"};
    if (type == 's') {
      const auto value = text();
      sd_bus_message_append_basic(message_, 's', value.c_str());
    } else if (type == 'o') {
      sd_bus_message_append_basic(message_, 'o', dice_.any_of(kPaths).c_str());
    } else if (type == 'g') {
      sd_bus_message_append_basic(message_, 'g', "a{sv}");
    } else if (type == 'b') {
      const int value = dice_.chance(50) ? 1 : 0;
      sd_bus_message_append_basic(message_, 'b', &value);
    } else {
      const std::uint64_t value = number();
      sd_bus_message_append_basic(message_, type, &value);
    }
  }

  Dice& dice_;
  sd_bus_message* message_;
};

class DaemonFuzz : public SharingFixture {
 protected:
  void SetUp() override {
    if (getuid() != 0) GTEST_SKIP() << "another user id needs root";
  }

  void find_methods(Client& by, const std::string& path, std::vector<Method>& methods) {
    const auto reply = by.call({"org.bleconnd", path, "org.freedesktop.DBus.Introspectable"}, "Introspect");
    if (world.outcome(reply) != "ok") return;
    const auto xml = reply->arguments[0].get<std::string>();
    std::string interface;
    for (auto at = xml.find('<'); at != xml.npos; at = xml.find('<', at + 1)) {
      const auto element = std::string_view{xml}.substr(at);
      if (element.starts_with("<interface ")) interface = attribute(element, "name");
      if (element.starts_with("<method "))
        methods.push_back({path, interface, attribute(element, "name"), {}});
      if (element.starts_with("<signal ") || element.starts_with("<property ")) interface.clear();
      if (element.starts_with("<arg ") && !interface.empty() && attribute(element, "direction") != "out")
        methods.back().signature += attribute(element, "type");
      const auto child = element.starts_with("<node ") ? attribute(element, "name") : std::string{};
      if (!child.empty() && child.find('/') == child.npos)
        find_methods(by, (path == "/" ? "" : path) + "/" + child, methods);
    }
  }

  struct Asked {
    std::string member;
    bool may_wait;
    PendingReply reply;
  };

  Asked some_call(Dice& dice, Client& by, const std::vector<Method>& methods) {
    static const std::vector<std::string> kWrong{"",  "s", "ss", "sa{sv}", "a{sv}",
                                                 "u", "v", "as", "(sv)",   "sa{sv}u"};
    // Half of them of our own.
    const auto* chosen = &dice.any_of(methods);
    while (!chosen->interface.starts_with("org.bleconnd.") && dice.chance(50)) chosen = &dice.any_of(methods);
    const auto& method = *chosen;
    ++called_[method.interface + "." + method.name];
    const auto& signature = dice.chance(15) ? dice.any_of(kWrong) : method.signature;
    const auto reply = by.call_with({"org.bleconnd", method.path, method.interface}, method.name,
                                    [&](sd_bus_message* message) {
                                      Arguments{dice, message}.append_all(signature);
                                    });
    static const std::vector<std::string> kMayWait{"EstablishConnection", "ReleaseConnection", "ClearCache"};
    return {method.name, std::ranges::count(kMayWait, method.name) > 0, reply};
  }

  // EstablishConnection may wait for its device, and ReleaseConnection and others behind it for its end; they
  // are given up by their client's departure. At most 96 at a time, for the bus allows 128.
  void calls(Dice& dice, const std::vector<Method>& methods, int count) {
    Client* caller = &world.client(operator_uid);
    std::vector<Asked> asked;
    for (; count > 0; --count) {
      asked.push_back(some_call(dice, *caller, methods));
      if (count > 1 && asked.size() < 96 && !dice.chance(2)) continue;
      const auto answered = [](const Asked& each) { return each.reply->done || each.may_wait; };
      world.until([&] { return std::ranges::all_of(asked, answered); });
      for (const auto& each : asked) {
        EXPECT_TRUE(answered(each)) << each.member << " is not answered";
        ++outcomes_[each.reply->outcome()];
        auto& longest = longest_[each.member];
        longest = std::max(longest, each.reply->took);
      }
      asked.clear();
      caller->leave();
      caller = &world.client(operator_uid);
    }
    caller->leave();
  }

  void round(std::uint64_t seed) {
    ASSERT_NO_FATAL_FAILURE(start());
    Dice dice{seed};
    std::vector<Method> methods;
    connect_the_lamp();  // a device has an object
    find_methods(world.client(operator_uid), "/org/bleconnd", methods);
    ASSERT_GE(methods.size(), 15u);
    release_the_lamp();
    calls(dice, methods, 300);
    ASSERT_TRUE(state_becomes("running")) << world.report();
    // What is meant to outlive its callers.
    for (const auto& path : daemon_objects()) {
      auto address = path.substr(path.find("/dev_") + 5);
      std::ranges::replace(address, '_', ':');
      EXPECT_NE(world.outcome(client.manager("Disconnect", {Value{address}})), "pending") << address;
    }
    world.until([&] { return world.daemon->process().children().empty(); });  // that write the cache
    expect_nothing_left();
    EXPECT_EQ(world.daemon->end(SIGTERM), 0) << world.daemon->log();
    EXPECT_THAT(world.daemon->log(), ::testing::Not(HasSubstr("Sanitizer")));
    EXPECT_THAT(world.daemon->log(), ::testing::Not(HasSubstr("runtime error:")));
    bluez.forget_calls();
    client.forget_signals();
  }

  std::map<std::string, std::size_t> called_, outcomes_;
  std::map<std::string, std::chrono::microseconds> longest_;  // by member
};

TEST_F(DaemonFuzz, no_call_of_an_unprivileged_user_harms_the_daemon) {
  const auto rounds = storm(std::chrono::seconds{10}, std::chrono::seconds{60}, [&](std::uint64_t seed) {
    round(seed);
    return !HasFailure();
  });
  std::cout << rounds << " rounds of 300 calls\n";
  for (const auto& [method, count] : called_) std::cout << "  " << count << "  " << method << "\n";
  for (const auto& [member, took] : longest_)
    std::cout << "  at most " << took.count() / 1000 << " ms  " << member << "\n";
  for (const auto& [outcome, count] : outcomes_) std::cout << "  " << count << "  " << outcome << "\n";
}

}  // namespace
}  // namespace bleconnd::integration
