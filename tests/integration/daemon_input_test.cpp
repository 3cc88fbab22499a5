// Wrong calls: each is answered with InvalidArgs that says what is wrong with which argument, and costs
// nothing. Ten thousand calls of one client are answered each, and leave neither objects nor memory behind.
#include <cstdlib>
#include <fstream>

#include "daemon_fixture.hpp"

namespace bleconnd::integration {
namespace {

using ::testing::Each;
using ::testing::Not;

// A field of /proc/PID/status: kB or a count.
long process_status(pid_t pid, const std::string& field) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(field + ":")) return std::stol(line.substr(field.size() + 1));
  return -1;
}

class DaemonInput : public DaemonFixture {
 protected:
  // Refused, nothing done for it, and the daemon answers as before.
  void expect_refused(const PendingReply& reply, const std::string& what) {
    EXPECT_EQ(world.outcome(reply), kInvalidArgs) << what;
    EXPECT_THAT(reply->message, StartsWith("invalid: ")) << what;
    EXPECT_THAT(reply->message, HasSubstr("; ")) << what;
    EXPECT_LT(reply->message.size(), 400u) << what;
    for (const char c : reply->message) EXPECT_GE(static_cast<unsigned char>(c), ' ') << what;
  }
  void TearDown() override {
    EXPECT_THAT(bluez.called({"Connect", "StartDiscovery"}), IsEmpty());
    EXPECT_EQ(client.count_signals("ConnectionStateChanged"), 0u);
    DaemonFixture::TearDown();
  }
};

class DaemonAddresses : public DaemonInput, public ::testing::WithParamInterface<std::string> {};

TEST_P(DaemonAddresses, are_refused_by_every_method) {
  const std::string& address = GetParam();
  expect_refused(client.establish(address), "EstablishConnection");
  expect_refused(client.establish(address, {{"wait", false}}), "EstablishConnection without waiting");
  expect_refused(client.release(address), "ReleaseConnection");
  expect_refused(client.manager("Disconnect", {Value{address}}), "Disconnect");
  expect_refused(client.manager("ClearCache", {Value{address}, Dictionary{}}), "ClearCache");
  const auto services = client.manager("GetServices", {Value{address}});
  expect_refused(services, "GetServices");
  EXPECT_THAT(services->message, HasSubstr("write six hex pairs with colons"));
}

INSTANTIATE_TEST_SUITE_P(malformed, DaemonAddresses,
                         ::testing::Values("", " ", "A", "AA:BB:CC:DD:EE", "AA:BB:CC:DD:EE:F",
                                           "AA:BB:CC:DD:EE:FF:00", "AA:BB:CC:DD:EE:FG", "AA-BB-CC-DD-EE-FF",
                                           "AA_BB_CC_DD_EE_FF", "AABBCCDDEEFF", " AA:BB:CC:DD:EE:FF",
                                           "AA:BB:CC:DD:EE:FF ", "AA:BB:CC:DD:EE:FF\n", "A :BB:CC:DD:EE:FF",
                                           "+A:BB:CC:DD:EE:FF", "0xA:BB:CC:DD:EE:F", "00:00:00:00:00:00",
                                           "FF:FF:FF:FF:FF:FF", "ff:ff:ff:ff:ff:ff",
                                           "/org/bluez/hci0/dev_AA_BB_CC_DD_EE_FF", "dev_AA_BB_CC_DD_EE_FF",
                                           "hci0", "AA:BB:CC:DD:\x1b[2J", "\x01\x02\x03\x7f\r\n\t",
                                           "ÄÄ:BB:CC:DD:E", "%s%n%s%n%s%n%s%n%", "../../../../../..",
                                           std::string(10'000, 'A'), std::string(10'000, ':')),
                         [](const auto& address) { return "number_" + std::to_string(address.index); });

struct WrongOption {
  std::string key;
  Value value;
  std::string says;
};
void PrintTo(const WrongOption& option, std::ostream* out) {
  *out << option.key;
}

class DaemonOptionsOf : public DaemonInput, public ::testing::WithParamInterface<WrongOption> {};

TEST_P(DaemonOptionsOf, a_wrong_one_is_refused_by_name) {
  const auto& option = GetParam();
  const auto reply = client.establish(kLamp, {{option.key, option.value}});
  expect_refused(reply, option.key);
  EXPECT_THAT(reply->message, HasSubstr(option.key));
  EXPECT_THAT(reply->message, HasSubstr(option.says));
}

using Uuids = std::vector<std::string>;
const std::string kText = "x";
INSTANTIATE_TEST_SUITE_P(
    wrong, DaemonOptionsOf,
    ::testing::Values(
        WrongOption{"timeout", 86'401u, "u from 0 to 86400 s"},
        WrongOption{"timeout", 4'294'967'295u, "86400"},
        WrongOption{"timeout", int32_t{5}, "u from 0 to 86400 s (0: none), is of type i"},
        WrongOption{"timeout", uint64_t{5}, "is of type t"}, WrongOption{"timeout", kText, "is of type s"},
        WrongOption{"timeout", true, "is of type b"},
        WrongOption{"timeout", ObjectPath{"/a"}, "is of type o"},
        WrongOption{"timeout", std::vector<std::string>{"1"}, "is of type as"},
        WrongOption{"attempt-timeout", 0u, "u from 1 to 300 s, is 0"},
        WrongOption{"attempt-timeout", 301u, "u from 1 to 300 s, is 301"},
        WrongOption{"attempt-timeout", uint16_t{5}, "is of type q"},
        WrongOption{"attempt-timeout", Bytes{1}, "is of type ay"},
        WrongOption{"max-attempts", 0u, "u from 1 to 100, is 0"},
        WrongOption{"max-attempts", 101u, "u from 1 to 100, is 101"},
        WrongOption{"max-attempts", kText, "is of type s"},
        WrongOption{"max-attempts", uint8_t{5}, "is of type y"},
        WrongOption{"adapter", 0u, "s, hciN or the address of an adapter, is of type u"},
        WrongOption{"adapter", std::string{}, "is \"\""},
        WrongOption{"adapter", std::string{"hci"}, "is \"hci\""},
        WrongOption{"adapter", std::string{"hci-1"}, "hciN"},
        WrongOption{"adapter", std::string{"HCI0"}, "hciN"},
        WrongOption{"adapter", std::string{"hci0 "}, "hciN"},
        WrongOption{"adapter", std::string{"hci123456"}, "hciN"},
        WrongOption{"adapter", std::string{"/org/bluez/hci0"}, "hciN"},
        WrongOption{"adapter", std::string{"00:00:00:00:00:00"}, "hciN"},
        WrongOption{"adapter", std::string{"hci\n\x1b[1m"}, "\\x0A"},
        WrongOption{"adapter", std::string(10'000, 'h'), "hciN"}, WrongOption{"pair", 1u, "b, is of type u"},
        WrongOption{"pair", std::string{"true"}, "is of type s"},
        WrongOption{"wait", int16_t{0}, "is of type n"}, WrongOption{"wait", std::string{}, "is of type s"},
        WrongOption{"use-services-cache", 1u, "b, is of type u"},
        WrongOption{"trust", std::string{"yes"}, "b, is of type s"},
        WrongOption{"required-uuids", std::string{"180f"}, "as of at most 64 UUIDs, is of type s"},
        WrongOption{"required-uuids", Bytes{0x18, 0x0f}, "is of type ay"},
        WrongOption{"required-uuids", Uuids{"180f", "battery"}, "\"battery\" is none"},
        WrongOption{"required-uuids", Uuids{""}, "\"\" is none"},
        WrongOption{"required-uuids", Uuids{"18\n0f"}, "\\x0A"},
        WrongOption{"required-uuids", Uuids{"0000180f-0000-1000-8000-00805f9b34f"}, "is none"},
        WrongOption{"required-uuids", Uuids{std::string(10'000, 'f')}, "is none"},
        WrongOption{"required-uuids", Uuids(65, "180f"), "as of at most 64 UUIDs, has 65"},
        WrongOption{"label", 1u, "is of type u"},
        WrongOption{"label", std::string(65, 'x'), "s of at most 64 bytes, has 65"},
        WrongOption{"label", std::string(10'000, 'x'), "has 10000"},
        WrongOption{"Timeout", 5u, "there is no option \"Timeout\""},
        WrongOption{"max_attempts", 5u, "no option"}, WrongOption{"maintain", 1u, "must be b, is of type u"},
        WrongOption{"priority", std::string{"urgent"}, "low, normal or high"},
        WrongOption{"lifetime", std::string{"forever"}, "caller or persistent"}),
    [](const auto& option) { return "number_" + std::to_string(option.index); });

TEST_F(DaemonInput, unknown_options_are_answered_with_the_known_ones) {
  for (const std::string& key :
       {std::string{}, std::string{"colour"}, std::string(10'000, 'k'), std::string{"\n"}}) {
    const auto reply = client.establish(kLamp, {{key, true}});
    expect_refused(reply, key.substr(0, 20));
    EXPECT_THAT(reply->message,
                HasSubstr("timeout attempt-timeout max-attempts adapter lifetime priority use-services-cache "
                          "required-uuids pair trust maintain wait label"));
  }
}

TEST_F(DaemonInput, a_hundred_options_are_refused_by_one_message) {
  Dictionary options;
  for (int i = 0; i < 100; ++i) options["key" + std::to_string(i)] = i % 2 == 0;
  expect_refused(client.establish(kLamp, options), "100 options");
}

TEST_F(DaemonInput, one_wrong_option_among_right_ones_is_enough) {
  expect_refused(client.establish(kLamp, {{"timeout", 5u}, {"wait", false}, {"max-attempts", 0u}}),
                 "max-attempts");
}

TEST_F(DaemonInput, options_of_release_are_refused_too) {
  expect_refused(client.manager("ReleaseConnection", {Value{kLamp}, Dictionary{{"force", true}}}), "force");
}

TEST_F(DaemonInput, other_arguments_and_members_are_the_bus_librarys_to_refuse) {
  for (const auto& reply :
       {client.manager("EstablishConnection", {Value{kLamp}}), client.manager("EstablishConnection"),
        client.manager("EstablishConnection", {Value{5u}, Dictionary{}})})
    EXPECT_EQ(world.outcome(reply), kInvalidArgs);
  EXPECT_EQ(world.outcome(client.manager("Explode")), "org.freedesktop.DBus.Error.UnknownMethod");
  EXPECT_EQ(world.outcome(client.manager_property("Colour")), "org.freedesktop.DBus.Error.UnknownProperty");
  EXPECT_EQ(world.outcome(client.device_property(kLamp, "State")),
            "org.freedesktop.DBus.Error.UnknownObject");
}

// Each is received as a whole by the bus library; nothing else may hold it. The peak counts, since the
// service manager's MemoryMax= does.
class DaemonLargeCalls : public DaemonInput {
 protected:
  // Not in the quarantine of AddressSanitizer, which has more beside each allocation as well.
  void SetUp() override {
    const char* set = std::getenv("ASAN_OPTIONS");
    setenv("ASAN_OPTIONS", (std::string{set ? set : ""} + ":quarantine_size_mb=1").c_str(), 1);
    DaemonInput::SetUp();
  }
  pid_t daemon() { return world.daemon->process().pid(); }
  void expect_small_peak(const PendingReply& reply, long most_kilobytes) {
    expect_refused(reply, "large");
    EXPECT_THAT(reply->message, HasSubstr("the arguments take more than 64 KiB"));
    const bool sanitized = process_status(daemon(), "VmSize") > 1L << 30;  // KiB: 1 TiB
    EXPECT_LE(process_status(daemon(), "VmHWM") - before_, most_kilobytes * (sanitized ? 3 : 1))
        << "from " << before_ << " kB";
  }
  void look_at_memory() {
    std::ofstream("/proc/" + std::to_string(daemon()) + "/clear_refs") << "5";  // VmHWM begins anew
    before_ = process_status(daemon(), "VmRSS");
    ASSERT_GT(before_, 0);
  }

 private:
  long before_ = 0;
};

TEST_F(DaemonLargeCalls, a_long_label_is_not_copied) {
  look_at_memory();
  for (int i = 0; i < 3; ++i)
    expect_small_peak(client.establish(kLamp, {{"label", std::string(16 * 1024 * 1024, 'x')}}), 36 * 1024);
  EXPECT_EQ(world.outcome(client.manager_property("State")), "ok");
}

TEST_F(DaemonLargeCalls, many_strings_are_not_unpacked) {
  look_at_memory();
  const auto many = std::vector<std::string>(1'000'000);
  for (int i = 0; i < 3; ++i)
    expect_small_peak(client.establish(kLamp, {{"required-uuids", many}}), 20 * 1024);
  EXPECT_EQ(world.outcome(client.manager_property("State")), "ok");
}

TEST_F(DaemonLargeCalls, what_is_below_the_limit_is_read_and_refused_by_name) {
  const auto reply = client.establish(kLamp, {{"label", std::string(60'000, 'x')}});
  expect_refused(reply, "label");
  EXPECT_THAT(reply->message, HasSubstr("has 60000"));
}

class DaemonAcceptance : public DaemonFixture {};

TEST_F(DaemonAcceptance, the_ends_of_every_range_are_accepted) {
  const std::vector<Dictionary> accepted{{{"timeout", 0u}},         {{"timeout", 86'400u}},
                                         {{"attempt-timeout", 1u}}, {{"attempt-timeout", 300u}},
                                         {{"max-attempts", 1u}},    {{"max-attempts", 100u}},
                                         {{"adapter", "hci0"}},     {{"adapter", hci0.address()}},
                                         {{"label", ""}},           {{"label", std::string(64, 'x')}},
                                         {{"label", "\x1b[1m\nx"}}, {{"pair", false}, {"wait", true}}};
  for (const auto& options : accepted) {
    const auto reply = client.establish(kLamp, options);
    EXPECT_EQ(world.outcome(reply), "ok") << reply->message;
  }
  EXPECT_EQ(value_of(client.device_property(kLamp, "Leases"))[0][2], "\\x1B[1m\\x0Ax");
  release_the_lamp();
}

// --- many calls ---

class DaemonLoad : public DaemonFixture {
 protected:
  // AddressSanitizer keeps what was freed; without that the resident memory says what is really held.
  void SetUp() override {
    const char* set = std::getenv("ASAN_OPTIONS");
    setenv("ASAN_OPTIONS", (std::string{set ? set : ""} + ":quarantine_size_mb=1").c_str(), 1);
    lamp.advertise(false);
    start();
  }

  static std::string address(int number) {
    char text[18];
    std::snprintf(text, sizeof text, "AA:BB:CC:00:%02X:%02X", (number >> 8) & 0xFF, number & 0xFF);
    return text;
  }

  // Four kinds of calls in turn, at most 96 unanswered at once: the bus allows 128 a connection.
  void calls(int count) {
    std::vector<PendingReply> replies;
    for (int i = 0; i < count; ++i) {
      const auto device = address(i / 4 % 2000);
      switch (i % 4) {
        case 0:
          replies.push_back(client.establish(device, {{"wait", false}, {"label", "load"}}));
          break;
        case 1:
          replies.push_back(client.establish("not an address"));
          break;
        case 2:
          replies.push_back(client.release(device));
          break;
        case 3:
          replies.push_back(client.establish(device, {{"max-attempts", 0u}}));
          break;
      }
      const auto oldest = replies.size() < 96 ? PendingReply{} : replies[replies.size() - 96];
      if (oldest) {
        ASSERT_TRUE(world.until([&] { return oldest->done; })) << "call " << i - 95 << " has no answer";
      }
      client.forget_signals();
      client.forget_events();
    }
    for (int i = 0; i < count; ++i) {
      const auto& reply = replies[static_cast<std::size_t>(i)];
      EXPECT_EQ(world.outcome(reply), i % 2 == 0 ? "ok" : kInvalidArgs)
          << "call " << i << ": " << reply->message;
    }
  }
  long resident_kilobytes() { return process_status(world.daemon->process().pid(), "VmRSS"); }
};

TEST_F(DaemonLoad, ten_thousand_calls_of_one_client_are_answered_and_forgotten) {
  calls(2'000);
  expect_nothing_left();
  const auto before = resident_kilobytes();
  ASSERT_GT(before, 0);
  calls(10'000);
  expect_nothing_left();
  EXPECT_LE(resident_kilobytes() - before, 6 * 1024) << "from " << before << " kB";
}

}  // namespace
}  // namespace bleconnd::integration
