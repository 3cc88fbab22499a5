// Every method and property that the daemon's introspection names is called, read and set by an unprivileged
// user, with right and wrong arguments, at right and wrong paths; others forge signals. What is root's is
// refused. Afterwards the daemon answers, its sanitizers have said nothing, and nothing is left over.
#include <map>

#include "daemon_sharing_fixture.hpp"
#include "daemon_storm.hpp"

namespace bleconnd::integration {
namespace {

struct Method {
  std::string path, interface, name, signature;
  bool privileged = false;
};
struct Property {
  std::string path, interface, name, type;
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

  void append_all(std::string_view signature, int depth = 0) {
    while (!signature.empty()) {
      const auto type = first_type(signature);
      append_one(type, depth);
      signature.remove_prefix(type.size());
    }
  }

 private:
  static constexpr int kDeepest = 40;  // of variants in variants: a message may be 64 levels deep

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
    if (dice_.chance(1)) return std::string(300'000, 'x');
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
    if (dice_.chance(2)) return "v";
    if (dice_.chance(20)) return dice_.any_of(kOthers);
    const auto at = kTypes.find(key);
    return at == kTypes.end() ? "b" : at->second;
  }

  void append_one(const std::string& type, int depth, const std::string& key_before = {}) {
    const char kind = type[0];
    const auto inside = type.size() > 1 ? type.substr(1, type.size() - 2) : std::string{};
    if (kind == 'v') {
      // One that begins to nest does so to the end, as a rule.
      const bool nests = nested_ > 0 && dice_.chance(95);
      const auto held = depth >= kDeepest ? "u" : nests ? "v" : variant_type(key_before);
      nested_ = held == "v" ? nested_ + 1 : 0;
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
      append_all(inside, depth + 1);
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
  int nested_ = 0;
};

class DaemonFuzz : public SharingFixture {
 protected:
  void SetUp() override {
    if (getuid() != 0) GTEST_SKIP() << "another user id needs root";
  }

  void find_members(Client& by, const std::string& path) {
    const auto reply = by.call({"org.bleconnd", path, "org.freedesktop.DBus.Introspectable"}, "Introspect");
    if (world.outcome(reply) != "ok") return;
    const auto xml = reply->arguments[0].get<std::string>();
    std::string interface;
    bool in_method = false;
    for (auto at = xml.find('<'); at != xml.npos; at = xml.find('<', at + 1)) {
      const auto element = std::string_view{xml}.substr(at);
      const auto name = attribute(element, "name");
      if (element.starts_with("<interface ")) interface = name;
      if (element.starts_with("<method ")) methods_.push_back({path, interface, name, {}});
      if (element.starts_with("<property "))
        properties_.push_back({path, interface, name, attribute(element, "type")});
      if (element.starts_with("<method ")) in_method = true;
      if (element.starts_with("<signal ") || element.starts_with("<property ")) in_method = false;
      if (element.starts_with("<arg ") && in_method && attribute(element, "direction") != "out")
        methods_.back().signature += attribute(element, "type");
      if (element.starts_with("<annotation ") && in_method && name == "org.freedesktop.systemd1.Privileged")
        methods_.back().privileged = attribute(element, "value") == "true";
      if (element.starts_with("<node ") && !name.empty() && name.find('/') == name.npos)
        find_members(by, (path == "/" ? "" : path) + "/" + name);
    }
  }

  struct Asked {
    std::string member;
    bool may_wait;
    bool forbidden;  // to all but root, whatever the arguments
    PendingReply reply;
  };

  Asked call(Dice& dice, Client& by, const Method& method, const std::string& path,
             const std::string& signature) {
    ++called_[method.interface + "." + method.name];
    const auto reply =
        by.call_with({"org.bleconnd", path, method.interface}, method.name, [&](sd_bus_message* message) {
          Arguments{dice, message}.append_all(signature);
        });
    static const std::vector<std::string> kMayWait{"EstablishConnection", "ReleaseConnection", "ClearCache"};
    return {method.name, std::ranges::count(kMayWait, method.name) > 0,
            method.privileged || method.name == "Set", reply};
  }

  Asked some_call(Dice& dice, Client& by) {
    static const std::vector<std::string> kWrong{"",  "s", "ss", "sa{sv}", "a{sv}",
                                                 "u", "v", "as", "(sv)",   "sa{sv}u"};
    static const std::vector<std::string> kPaths{"/",
                                                 "/org",
                                                 "/org/bleconnd",
                                                 "/org/bleconnd/hci0",
                                                 "/org/bleconnd/hci7",
                                                 kOurPath,
                                                 "/org/freedesktop/LogControl1"};
    if (dice.chance(15)) return some_property(dice, by);
    // Half of them of our own.
    const auto* chosen = &dice.any_of(methods_);
    while (!chosen->interface.starts_with("org.bleconnd.") && dice.chance(50))
      chosen = &dice.any_of(methods_);
    auto method = *chosen;
    if (dice.chance(2)) method.name += "2";
    const auto& path = dice.chance(5) ? dice.any_of(kPaths) : method.path;
    return call(dice, by, method, path, dice.chance(15) ? dice.any_of(kWrong) : method.signature);
  }

  // Its reading, or a value of its type or of another one.
  Asked some_property(Dice& dice, Client& by) {
    const auto& property = dice.any_of(properties_);
    const CallTarget target{"org.bleconnd", property.path, "org.freedesktop.DBus.Properties"};
    const auto member = dice.chance(50) ? "Set" : "Get";
    const auto type = dice.chance(70) ? property.type : dice.any_of(properties_).type;
    ++called_[std::string{member} + " " + property.interface + "." + property.name];
    const auto reply = by.call_with(target, member, [&](sd_bus_message* message) {
      sd_bus_message_append(message, "ss", property.interface.c_str(), property.name.c_str());
      if (member == std::string_view{"Get"}) return;
      sd_bus_message_open_container(message, 'v', type.c_str());
      Arguments{dice, message}.append_all(type);
      sd_bus_message_close_container(message);
    });
    return {member, false, member == std::string_view{"Set"}, reply};
  }

  // As if the bus or bluetoothd had said it: any user may send these to anybody.
  void forge_something(Dice& dice, Client& by) {
    const auto daemon = client.owner_of("org.bleconnd");
    const auto kind = dice.below(4);
    if (kind == 0)
      by.forge_properties_changed(daemon, dice.chance(50) ? kBluezPath : hci0.path(),
                                  dice.chance(50) ? "org.bluez.Device1" : "org.bluez.Adapter1",
                                  {{"Connected", false}, {"Powered", false}, {"Address", "x"}});
    if (kind == 1) by.forge_object_removed(daemon, dice.chance(50) ? kBluezPath : hci0.path());
    if (kind == 2) by.forge_owner_change(daemon, "org.bluez", client.owner_of("org.bluez"), "");
    if (kind == 3)
      by.forge(daemon, kBluezPath, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", {Value{"x"}});
    ++called_["(forged signals)"];
  }

  // All but what everybody may read is refused by the bus itself; none of it does any harm.
  void calls_of_a_stranger(Dice& dice) {
    Client& stranger = world.client(nobody);
    std::vector<Asked> asked;
    for (const auto& method : methods_)
      asked.push_back(call(dice, stranger, method, method.path, method.signature));
    for (int count = 0; count < 8; ++count) asked.push_back(some_property(dice, stranger));
    for (int count = 0; count < 8; ++count) forge_something(dice, stranger);
    world.until(
        [&] { return std::ranges::all_of(asked, [](const Asked& each) { return each.reply->done; }); });
    for (const auto& each : asked) {
      EXPECT_TRUE(each.reply->done) << each.member << " is not answered";
      EXPECT_FALSE(each.forbidden && each.reply->ok()) << each.member;
    }
    for (std::size_t at = 0; at < methods_.size(); ++at) {
      if (!methods_[at].interface.starts_with("org.bleconnd.")) continue;
      EXPECT_EQ(asked[at].reply->error, kDenied) << methods_[at].name;
    }
    stranger.leave();
  }

  // EstablishConnection may wait for its device, and ReleaseConnection and others behind it for its end; they
  // are given up by their client's departure. At most 96 at a time, for the bus allows 128.
  void calls(Dice& dice, int count) {
    Client* caller = &world.client(operator_uid);
    std::vector<Asked> asked;
    for (; count > 0; --count) {
      if (dice.chance(5)) forge_something(dice, *caller);
      asked.push_back(some_call(dice, *caller));
      if (count > 1 && asked.size() < 96 && !dice.chance(2)) continue;
      const auto answered = [](const Asked& each) { return each.reply->done || each.may_wait; };
      world.until([&] { return std::ranges::all_of(asked, answered); });
      for (const auto& each : asked) {
        EXPECT_TRUE(answered(each)) << each.member << " is not answered";
        EXPECT_FALSE(each.forbidden && each.reply->ok()) << each.member << " is root's";
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
    connect_the_lamp();  // a device has an object
    methods_.clear();
    properties_.clear();
    Client& reader = world.client(operator_uid);
    find_members(reader, "/org/bleconnd");
    find_members(reader, "/org/freedesktop/LogControl1");
    reader.leave();
    ASSERT_GE(methods_.size(), 15u);
    ASSERT_GE(properties_.size(), 25u);
    if (dice.chance(50)) release_the_lamp();
    const auto log_level = this->log_level();
    const auto resident = world.daemon->process().status("VmRSS");
    calls_of_a_stranger(dice);
    calls(dice, 300);
    EXPECT_EQ(this->log_level(), log_level);
    ASSERT_TRUE(state_becomes("running")) << world.report();
    // What is meant to outlive its callers.
    for (const auto& path : daemon_objects()) {
      auto address = path.substr(path.find("/dev_") + 5);
      std::ranges::replace(address, '_', ':');
      EXPECT_NE(world.outcome(client.manager("Disconnect", {Value{address}})), "pending") << address;
    }
    world.until([&] { return world.daemon->process().children().empty(); });  // that write the cache
    expect_nothing_left();
    EXPECT_EQ(value_of(client.manager("ListConnections")), json::array());
    EXPECT_EQ(adapter("Allocated"), json::array());
    EXPECT_EQ(adapter("Queued"), json::array());
    EXPECT_EQ(adapter("Dialling"), "");
    EXPECT_EQ(adapter("SlotsFree"), adapter("Slots"));
    const auto after = world.daemon->process().status("VmRSS");
    most_grown_ = std::max(most_grown_, after - std::min(after, resident));
    // A sanitizer keeps what is freed, and looks for leaks itself.
    const bool is_sanitized = std::getenv("BLECONND_PROGRAM") != nullptr;
    EXPECT_TRUE(is_sanitized || after <= resident + kMostGrowth) << after << " KiB, before " << resident;
    EXPECT_EQ(world.daemon->end(SIGTERM), 0) << world.daemon->log();
    EXPECT_THAT(world.daemon->log(), ::testing::Not(HasSubstr("Sanitizer")));
    EXPECT_THAT(world.daemon->log(), ::testing::Not(HasSubstr("runtime error:")));
    bluez.forget_calls();
    client.forget_signals();
  }

  json log_level() {
    return value_of(client.get(
        {"org.bleconnd", "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1"}, "LogLevel"));
  }

  std::vector<Method> methods_;
  std::vector<Property> properties_;
  static constexpr std::size_t kMostGrowth = 8192;  // KiB; 3,680 in 328 rounds were measured
  std::size_t most_grown_ = 0;                      // KiB
  std::map<std::string, std::size_t> called_, outcomes_;
  std::map<std::string, std::chrono::microseconds> longest_;  // by member
};

TEST_F(DaemonFuzz, no_call_of_an_unprivileged_user_harms_the_daemon) {
  const auto rounds = storm(std::chrono::seconds{10}, std::chrono::seconds{60}, [&](std::uint64_t seed) {
    round(seed);
    return !HasFailure();
  });
  std::cout << rounds << " rounds of 300 calls; at most " << most_grown_ << " KiB more resident after one\n";
  for (const auto& [method, count] : called_) std::cout << "  " << count << "  " << method << "\n";
  for (const auto& [member, took] : longest_)
    std::cout << "  at most " << took.count() / 1000 << " ms  " << member << "\n";
  for (const auto& [outcome, count] : outcomes_) std::cout << "  " << count << "  " << outcome << "\n";
}

}  // namespace
}  // namespace bleconnd::integration
