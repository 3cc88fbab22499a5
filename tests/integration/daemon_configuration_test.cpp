// bleconnd.conf with the real daemon: what is wrong is said and nothing is refused, every key has an effect,
// a reload by either way drops nothing; and the options that tell something and end.
#include <sys/stat.h>

#include "daemon_sharing_fixture.hpp"

namespace bleconnd::integration {
namespace {

using nlohmann::json;

const std::string kAway = "AA:BB:CC:DD:EE:77";  // never heard
const std::string kOther = "AA:BB:CC:DD:EE:02";

class DaemonConfiguration : public SharingFixture {
 protected:
  void SetUp() override {}

  std::string conf(const std::string& name = "main.conf") const {
    return world.folders.configuration() + "/" + name;
  }
  static void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path{file}.parent_path());
    std::ofstream(file) << text;
  }
  std::size_t logged(const std::string& words) const {
    std::size_t times = 0;
    const auto& log = world.daemon->log();
    for (auto at = log.find(words); at != std::string::npos; at = log.find(words, at + 1)) ++times;
    return times;
  }
  bool logged_becomes(const std::string& words, std::size_t times = 1) {
    return world.until([&] { return logged(words) >= times; });
  }
  // No less, when the log has been read, and no more.
  bool logged_exactly(const std::string& words, std::size_t times = 1) {
    return logged_becomes(words, times) && logged(words) == times;
  }
  std::size_t notified(const std::string& assignment) const {
    const auto& all = world.daemon->notifications();
    return static_cast<std::size_t>(
        std::ranges::count_if(all, [&](auto& line) { return line.starts_with(assignment); }));
  }
  // The new file is obeyed when this returns.
  void reload(const std::string& main_conf) {
    world.folders.configure(main_conf);
    const auto reply = client.manager("Reload");
    ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  }
  void reload_by_signal(const std::string& main_conf) {
    const auto before = logged("the configuration has been read again");
    world.folders.configure(main_conf);
    world.daemon->process().send_signal(SIGHUP);
    ASSERT_TRUE(logged_becomes("the configuration has been read again", before + 1));
  }
  json described_adapter(const std::string& name) {
    const auto text = value_of(client.manager("Describe", {Value{std::string{}}}));
    const auto described = json::parse(text.get<std::string>());
    for (auto& adapter : described["adapters"])
      if (adapter["name"] == name) return adapter;
    return {};
  }
  std::size_t cache_files() const {
    std::size_t files = 0;
    for (const auto& file : std::filesystem::directory_iterator{world.folders.cache()})
      files += file.path().extension() == ".json" ? 1 : 0;
    return files;
  }
};

// --- what is wrong ---

TEST_F(DaemonConfiguration, warnings_are_told_once_with_their_place_and_nothing_is_refused) {
  write(conf("conf.d/10-a.conf"), "[Limits]\nLeasesPerUser=1\nnonsense\n");
  ASSERT_NO_FATAL_FAILURE(start("[General]\nLingerSec=0\nColour=red\n[Adapter hci0]\nSlots=3\n"));
  connect_the_lamp();
  for (const std::string& warning :
       {conf() + ":3: unknown key Colour in section [General], ignored; its keys are LingerSec ",
        conf() + ":5: unknown key Slots in section [Adapter hci0], ignored; it belongs into [Adapter ",
        conf("conf.d/10-a.conf") + ":2: LeasesPerUser=1 is not 2 to 8192, ignored",
        conf("conf.d/10-a.conf") + ":3: neither a section nor a key, ignored"})
    EXPECT_TRUE(logged_exactly("warning " + warning, 1u)) << warning;
  EXPECT_TRUE(logged_exactly("warning ", 4u));
  release_the_lamp();
  EXPECT_EQ(world.outcome(client.manager("Reload")), "ok");
  EXPECT_TRUE(logged_exactly("warning ", 8u)) << "once a reading";
}

TEST_F(DaemonConfiguration, whatever_lies_in_its_place) {
  std::filesystem::create_directories(conf("conf.d/10-folder.conf"));
  ASSERT_EQ(mkfifo(conf("conf.d/20-pipe.conf").c_str(), 0600), 0);
  std::string large = "[General]\nLingerSec=0\n[Connection]\nMaxAttempts=1\n";
  while (large.size() < 1024 * 1024) large += "# filling\n";
  write(conf("conf.d/30-large.conf"), large + "MaxAttempts=7\n");
  ASSERT_NO_FATAL_FAILURE(start(""));
  EXPECT_TRUE(logged_exactly(conf("conf.d/10-folder.conf") + ": a directory, no file, ignored", 1u));
  EXPECT_TRUE(logged_exactly(conf("conf.d/20-pipe.conf") + ": no regular file, ignored", 1u));
  EXPECT_TRUE(logged_exactly(
      conf("conf.d/30-large.conf") + ": larger than 262144 bytes, only the first are read", 1u));
  const auto call = client.establish(kAway, {{"attempt-timeout", 1u}});
  EXPECT_EQ(world.outcome(call), kErrors + "NotFound");
  EXPECT_THAT(call->message, HasSubstr("(failure 1 of 1,"));
}

TEST_F(DaemonConfiguration, a_folder_in_the_place_of_main_conf) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  std::filesystem::remove(conf());
  std::filesystem::create_directories(conf());
  EXPECT_EQ(world.outcome(client.manager("Reload")), "ok");
  EXPECT_TRUE(logged_exactly(conf() + ": a directory, no file, ignored", 1u));
  connect_the_lamp();
  release_the_lamp();
}

// --- what calls have that say nothing else ---

TEST_F(DaemonConfiguration, timeout_attempt_timeout_and_attempts) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0) + "[Connection]\nTimeoutSec=1\n"));
  const auto overdue = client.establish(kAway);
  EXPECT_EQ(world.outcome(overdue), kErrors + "Timeout");
  EXPECT_LT(overdue->took, std::chrono::seconds{5});
  reload(linger(0) + "[Connection]\nAttemptTimeoutSec=1\nMaxAttempts=2\n");
  const auto given_up = client.establish(kAway);
  EXPECT_EQ(world.outcome(given_up), kErrors + "NotFound");
  EXPECT_THAT(given_up->message, HasSubstr("(failure 2 of 2,"));
  const auto own = client.establish(kAway, {{"max-attempts", 1u}});
  EXPECT_EQ(world.outcome(own), kErrors + "NotFound");
  EXPECT_THAT(own->message, HasSubstr("(failure 1 of 1,"));
}

TEST_F(DaemonConfiguration, how_long_an_adapter_is_waited_for) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0) + "NotReadySec=1\n"));
  hci0.power_off();
  ASSERT_TRUE(state_becomes("waiting-for-adapter"));
  const auto call = client.establish(kLamp);
  EXPECT_EQ(world.outcome(call), kErrors + "NotReady");
  EXPECT_LT(call->took, std::chrono::seconds{8});
}

TEST_F(DaemonConfiguration, trust) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0) + "[Connection]\nTrust=yes\n"));
  hci0.discovered(lamp);
  ASSERT_EQ(world.outcome(client.establish(kLamp, {{"trust", false}})), "ok");
  EXPECT_FALSE(hci0.device(lamp)->trusted());
  Client& second = world.client();
  EXPECT_EQ(world.outcome(second.establish(kLamp)), "ok") << "a default contradicts no link";
  EXPECT_EQ(world.outcome(second.establish(kLamp, {{"trust", true}})), kErrors + "Busy");
  ASSERT_EQ(value_of(client.release(kLamp)), 1);
  ASSERT_EQ(value_of(second.release(kLamp)), 0);
  connect_the_lamp();
  EXPECT_TRUE(hci0.device(lamp)->trusted());
  release_the_lamp();
}

TEST_F(DaemonConfiguration, use_services_cache) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0) + "[Connection]\nUseServicesCache=no\n"));
  connect_the_lamp();
  release_the_lamp();
  const auto afresh = client.establish(kLamp);
  ASSERT_EQ(world.outcome(afresh), "ok");
  EXPECT_EQ(afresh->arguments[1]["services-from-cache"], false);
  EXPECT_EQ(afresh->arguments[1]["services-verified"], true);
  release_the_lamp();
  reload(linger(0));
  const auto cached = client.establish(kLamp);
  ASSERT_EQ(world.outcome(cached), "ok");
  EXPECT_EQ(cached->arguments[1]["services-from-cache"], true);
  release_the_lamp();
}

class DaemonConfigurationQueue : public QueueFixture {
 protected:
  void SetUp() override { start_and_listen(slots(1) + "[Connection]\nPriority=high\n"); }
};

TEST_F(DaemonConfigurationQueue, priority) {
  connect_the_lamp();
  const auto normal = queued(kSecond, priority("normal"));
  const auto high = queued(kThird);
  EXPECT_EQ(property(kThird, "QueuePosition"), 1);
  // A reload leaves both where they are.
  EXPECT_EQ(world.outcome(client.manager("Reload")), "ok");
  EXPECT_EQ(property(kThird, "QueuePosition"), 1);
  EXPECT_EQ(property(kSecond, "QueuePosition"), 2);
  release_the_lamp();
  expect_ok({high});
  release({kThird});
  expect_ok({normal});
  release({kSecond});
}

// --- pauses, as they are announced ---

class DaemonConfigurationPauses : public DaemonConfiguration {
 protected:
  // Microseconds, of each attempt that failed.
  std::vector<std::uint64_t> retries() const {
    std::vector<std::uint64_t> all;
    for (const auto& signal : client.signals("AttemptFailed")) all.push_back(signal.arguments[5]);
    return all;
  }
  void maintain(const std::string& address) {
    const auto declared = client.establish(address, {{"maintain", true}, {"wait", false}});
    ASSERT_EQ(world.outcome(declared), "ok") << declared->message;
  }
};

TEST_F(DaemonConfigurationPauses, after_a_refused_slot) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0) + "[Connection]\nSlotRefusedPauseSec=300ms\n"));
  hci0.discovered(lamp);
  lamp.next_connects({fails("br-connection-concurrent-connection-limit")});
  connect_the_lamp();
  EXPECT_THAT(retries(), ElementsAre(300'000));
  release_the_lamp();
}

TEST_F(DaemonConfigurationPauses, after_many_lost_links) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0) + "[Connection]\nLinkLostLongestPauseSec=250ms\n"));
  hci0.discovered(lamp);
  for (int each = 0; each < 8; ++each) lamp.next_connects({drops_at_once()});
  connect_the_lamp();
  EXPECT_THAT(retries(), ElementsAre(1, 1, 1, 1, 250'000, 250'000, 250'000, 250'000));
  release_the_lamp();
}

TEST_F(DaemonConfigurationPauses, of_a_maintained_device_that_fails) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0) + "[Maintain]\nLongestPauseSec=1\n"));
  hci0.discovered(lamp);
  for (int each = 0; each < 4; ++each) lamp.next_connects({aborts()});
  maintain(kLamp);
  ASSERT_TRUE(state_of(kLamp, "connected"));
  const auto pauses = retries();
  ASSERT_EQ(pauses.size(), 4u);
  EXPECT_GT(pauses[1], 900'000u);
  EXPECT_LE(pauses[1], 1'000'000u);
  EXPECT_LE(pauses[3], 1'000'000u) << "4 s by default";
  release_the_lamp();
}

TEST_F(DaemonConfigurationPauses, after_a_maintained_link_that_was_short) {
  for (const auto& [stable, least, most] :
       {std::tuple{"60", 900'000u, 1'000'000u}, {"0", 400'000u, 500'000u}}) {
    ASSERT_NO_FATAL_FAILURE(start(linger(0) + "[Maintain]\nStableSec=" + stable + "\n"));
    hci0.discovered(lamp);
    maintain(kLamp);
    ASSERT_TRUE(state_of(kLamp, "connected"));
    client.forget_signals();
    lamp.next_connects({aborts()});
    lamp.drop_link();
    ASSERT_TRUE(world.until([&] { return client.count_signals("AttemptFailed") == 1; }));
    EXPECT_GT(retries()[0], least) << stable;
    EXPECT_LE(retries()[0], most) << stable;
    ASSERT_TRUE(state_of(kLamp, "connected"));
    release_the_lamp();
  }
}

// 1 s each: three windows in 4 s; by default the second comes after 30 s.
TEST_F(DaemonConfigurationPauses, between_windows_for_devices_that_are_away) {
  ASSERT_NO_FATAL_FAILURE(
      start(linger(0) + "[Maintain]\nListenSec=1\nListenPauseSec=1\nListenLongestPauseSec=1\n"));
  maintain(kAway);
  EXPECT_TRUE(called_becomes("StartDiscovery", 3));
  EXPECT_EQ(value_of(client.release(kAway)), 0);
}

// --- limits ---

TEST_F(DaemonConfiguration, quotas) {
  if (getuid() != 0) GTEST_SKIP() << "root is bound by the total alone, and another user id needs root";
  const std::string limits = "org.freedesktop.DBus.Error.LimitsExceeded";
  ASSERT_NO_FATAL_FAILURE(
      start(linger(0) + "[Limits]\nLeasesPerUser=3\nPersistentLeasesPerUser=0\nLeasesOfAll=6\n"));
  Client& user = world.client(operator_uid);
  const auto persistent = user.establish(kLamp, {{"lifetime", std::string{"persistent"}}});
  EXPECT_EQ(world.outcome(persistent), limits) << "who holds nothing yet is bound, too";
  EXPECT_THAT(persistent->message, HasSubstr("uid 1 holds 0 of 0 persistent leases"));
  ASSERT_EQ(world.outcome(user.establish(kLamp)), "ok");
  another_lamp(kOther);
  ASSERT_EQ(world.outcome(user.establish(kOther)), "ok") << "a lease, and a lease and a call";
  const auto more = user.establish(kAway);
  EXPECT_EQ(world.outcome(more), limits);
  EXPECT_THAT(more->message, HasSubstr("uid 1 holds 2 of 3 leases and calls"));
  reload(linger(0) + "[Limits]\nLeasesOfAll=2\n");
  const auto of_all = client.establish(kAway);
  EXPECT_EQ(world.outcome(of_all), limits);
  EXPECT_THAT(of_all->message, HasSubstr("all users hold 2 of 2"));
  EXPECT_EQ(property(kLamp, "State"), "connected") << "what is held stays";
  reload(linger(0));
  EXPECT_EQ(value_of(user.release(kLamp)), 0);
  EXPECT_EQ(value_of(user.release(kOther)), 0);
}

TEST_F(DaemonConfiguration, how_old_services_may_be) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0) + "[Cache]\nMaxAgeSec=1h\n"));
  connect_the_lamp();
  release_the_lamp();
  const auto file = world.folders.cache() + "/AA_BB_CC_DD_EE_FF.json";
  ASSERT_TRUE(world.until([&] { return cache_files() == 1 && world.daemon->process().children().empty(); }));
  std::ifstream written{file};
  auto entry = json::parse(written);
  entry["read-at"] = entry["read-at"].get<std::int64_t>() - 7200;
  write(file, entry.dump());
  const auto afresh = client.establish(kLamp);
  ASSERT_EQ(world.outcome(afresh), "ok");
  EXPECT_EQ(afresh->arguments[1]["services-from-cache"], false);
  release_the_lamp();
  ASSERT_TRUE(world.until([&] { return world.daemon->process().children().empty(); }));
  const auto recent = client.establish(kLamp);
  ASSERT_EQ(world.outcome(recent), "ok");
  EXPECT_EQ(recent->arguments[1]["services-from-cache"], true);
  release_the_lamp();
}

TEST_F(DaemonConfiguration, how_many_devices_the_cache_keeps) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0) + "[Cache]\nMaxEntries=1\n"));
  another_lamp(kOther);
  connect_the_lamp();
  release_the_lamp();
  ASSERT_TRUE(world.until([&] { return cache_files() == 1; }));
  ASSERT_EQ(world.outcome(client.establish(kOther)), "ok");
  ASSERT_EQ(value_of(client.release(kOther)), 0);
  EXPECT_TRUE(world.until([&] { return world.daemon->process().children().empty() && cache_files() == 1; }));
}

TEST_F(DaemonConfiguration, how_much_the_cache_keeps) {
  for (int i = 0; i < 10; ++i)
    write(world.folders.cache() + "/AA_BB_CC_DD_00_0" + std::to_string(i) + ".json",
          std::string(200'000, ' '));
  ASSERT_NO_FATAL_FAILURE(start(linger(0) + "[Cache]\nMaxMiB=1\n"));
  connect_the_lamp();
  release_the_lamp();
  EXPECT_TRUE(world.until([&] { return world.daemon->process().children().empty() && cache_files() < 6; }));
  EXPECT_GE(cache_files(), 4u);
}

TEST_F(DaemonConfiguration, log_level) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0) + "LogLevel=debug\n"));
  connect_the_lamp();
  EXPECT_TRUE(logged_becomes("debug " + kLamp));
  const auto level = [&] {
    return value_of(client.get(
        {"org.bleconnd", "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1"}, "LogLevel"));
  };
  reload(linger(0) + "LogLevel=warning\n");
  EXPECT_EQ(level(), "warning");
  const auto set =
      client.call({"org.bleconnd", "/org/freedesktop/LogControl1", "org.freedesktop.DBus.Properties"}, "Set",
                  {Value{"org.freedesktop.LogControl1"}, Value{"LogLevel"}, InVariant{std::string{"info"}}});
  ASSERT_EQ(world.outcome(set), "ok") << set->message;
  reload(linger(0) + "LogLevel=warning\n");
  EXPECT_EQ(level(), "info") << "what was set by hand stays until the file says something else";
  release_the_lamp();
}

// --- adapters ---

class DaemonIgnores : public DaemonConfiguration {
 protected:
  std::string ignored(const Adapter& adapter) const {
    return linger(0) + "[Adapter " + adapter.address() + "]\nIgnore=yes\n";
  }
  Adapter& hci1 = bluez.add_adapter();
};

TEST_F(DaemonIgnores, one_of_two) {
  lamp.rssi_at[&hci0] = -80;
  lamp.rssi_at[&hci1] = -30;
  ASSERT_NO_FATAL_FAILURE(start(ignored(hci1)));
  connect_the_lamp();
  EXPECT_EQ(property(kLamp, "Adapter"), "hci0");
  EXPECT_EQ(described_adapter("hci0")["ignored"], false);
  EXPECT_EQ(described_adapter("hci1")["ignored"], true);
  EXPECT_TRUE(world.until([&] { return world.daemon->status().find("hci1 ignored") != std::string::npos; }));
  EXPECT_TRUE(hci1.discovery_sessions().empty());
  release_the_lamp();
}

TEST_F(DaemonIgnores, all_that_are_not_named) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0) + "Adapters=" + hci1.address() + "\n"));
  EXPECT_EQ(described_adapter("hci0")["ignored"], true);
  connect_the_lamp();
  EXPECT_EQ(property(kLamp, "Adapter"), "hci1");
  release_the_lamp();
  hci1.power_off();
  EXPECT_TRUE(state_becomes("waiting-for-adapter"));
  reload(linger(0));
  EXPECT_TRUE(state_becomes("running"));
}

TEST_F(DaemonIgnores, from_a_reload_on_and_keeps_its_link) {
  lamp.rssi_at[&hci0] = std::nullopt;
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  connect_the_lamp();
  ASSERT_EQ(property(kLamp, "Adapter"), "hci1");
  const auto held = leases();
  bluez.forget_calls();
  reload(ignored(hci1));
  EXPECT_EQ(described_adapter("hci1")["ignored"], true);
  EXPECT_EQ(property(kLamp, "State"), "connected");
  EXPECT_EQ(leases(), held);
  EXPECT_THAT(bluez.called({"Disconnect", "Connect"}), IsEmpty());
  release_the_lamp();
  const auto again = client.establish(kLamp, {{"attempt-timeout", 1u}, {"max-attempts", 1u}});
  EXPECT_EQ(world.outcome(again), kErrors + "NotFound");
  EXPECT_EQ(bluez.count("Connect"), 0u);
}

// --- reload ---

TEST_F(DaemonConfiguration, is_read_again_by_either_way_and_drops_nothing) {
  ASSERT_NO_FATAL_FAILURE(start(linger(3600)));
  connect_the_lamp();
  const auto waiting = client.establish(kAway, {{"wait", true}});
  ASSERT_TRUE(state_of(kAway, "discovering"));
  const auto held = leases();
  bluez.forget_calls();
  ASSERT_NO_FATAL_FAILURE(reload(linger(0)));
  ASSERT_NO_FATAL_FAILURE(reload_by_signal(linger(7)));
  ASSERT_NO_FATAL_FAILURE(reload_by_signal(linger(7)));
  ASSERT_NO_FATAL_FAILURE(reload(linger(0)));
  EXPECT_EQ(leases(), held);
  EXPECT_EQ(property(kLamp, "State"), "connected");
  EXPECT_EQ(property(kAway, "State"), "discovering");
  EXPECT_FALSE(waiting->done);
  EXPECT_THAT(bluez.called({"Disconnect", "Connect", "StopDiscovery"}), IsEmpty());
  EXPECT_TRUE(logged_exactly("reload, asked by " + client.unique_name() + " (uid ", 2));
  EXPECT_TRUE(world.until([&] { return notified("READY=1") == 5; }));
  EXPECT_EQ(notified("RELOADING=1"), 4u);
  EXPECT_EQ(notified("MONOTONIC_USEC="), 4u);
  release_the_lamp();
  EXPECT_EQ(value_of(client.release(kAway)), 0);
}

TEST_F(DaemonConfiguration, tells_systemd_the_time_of_the_reload) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  const auto usec = [] {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000;
  };
  const auto before = usec();
  ASSERT_NO_FATAL_FAILURE(reload(linger(0)));
  ASSERT_TRUE(world.until([&] { return notified("READY=1") == 2; }));
  std::vector<std::string> told;
  for (auto& line : world.daemon->notifications())
    if (line.starts_with("RELOADING") || line.starts_with("MONOTONIC") || line.starts_with("READY"))
      told.push_back(line);
  ASSERT_EQ(told.size(), 4u);
  EXPECT_EQ(told[0], "READY=1");
  EXPECT_EQ(told[1], "RELOADING=1");
  EXPECT_GE(std::stoll(told[2].substr(15)), before);
  EXPECT_LE(std::stoll(told[2].substr(15)), usec());
  EXPECT_EQ(told[3], "READY=1");
}

TEST_F(DaemonConfiguration, a_key_that_is_no_longer_set_goes_back_to_its_default) {
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  Client& first = world.client();
  ASSERT_NO_FATAL_FAILURE(reload("[Connection]\nMaxAttempts=3\n"));
  ASSERT_EQ(world.outcome(first.establish(kLamp)), "ok");
  first.leave();
  EXPECT_TRUE(leases_become(json::array({lease("")}))) << "it lingers for 30 s";
  release_the_lamp();
  std::filesystem::remove(conf());
  ASSERT_EQ(world.outcome(client.manager("Reload")), "ok");
  EXPECT_EQ(logged("warning "), 0u);
}

TEST_F(DaemonConfiguration, is_read_again_for_root_alone) {
  if (getuid() != 0) GTEST_SKIP() << "another user id needs root";
  ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  world.folders.configure("[General]\nColour=red\n");
  EXPECT_EQ(world.outcome(world.client(operator_uid).manager("Reload")), kDenied);
  EXPECT_EQ(world.outcome(world.client(nobody).manager("Reload")), kDenied);
  EXPECT_EQ(logged("Colour"), 0u);
  EXPECT_EQ(notified("RELOADING=1"), 0u);
}

// --- options ---

class DaemonOptionsTold : public ::testing::Test {
 protected:
  struct Told {
    int status;
    std::string text;
  };
  Told run(const std::vector<std::string>& arguments, std::function<bool()> before = {}) {
    ChildCommand command;
    command.arguments = {daemon_program()};
    command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
    command.environment = {{"CONFIGURATION_DIRECTORY", at("etc") + ":" + at("lib")},
                           {"DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent"}};
    command.before_exec = std::move(before);
    ChildProcess child{loop_, command};
    EXPECT_TRUE(loop_.run_until([&] { return child.exit_status().has_value(); }, std::chrono::seconds{10}));
    return {child.exit_status().value_or(-1), child.output()};
  }
  std::string at(const std::string& name) const { return folder_.file(name); }
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path{at(name)}.parent_path());
    (void)folder_.write(name, text);
  }

 private:
  Loop loop_;
  TemporaryDirectory folder_;
};

TEST_F(DaemonOptionsTold, check_config) {
  auto clean = run({"--check-config"});
  EXPECT_EQ(clean.status, 0);
  EXPECT_EQ(clean.text, "no file: the defaults hold\n");
  write("etc/main.conf", "[General]\nLingerSec=5\n");
  write("lib/conf.d/10-a.conf", "[General]\nLingerSec=6\n");
  clean = run({"--check-config"});
  EXPECT_EQ(clean.status, 0);
  EXPECT_EQ(clean.text,
            at("etc/main.conf") + ": nothing wrong\n" + at("lib/conf.d/10-a.conf") + ": nothing wrong\n");
  write("etc/conf.d/10-a.conf", "[General]\nLingerSec=6000\n");
  const auto wrong = at("etc/conf.d/10-a.conf") + ":2: LingerSec=6000 is not 0 to 3600 s, ignored\n";
  for (const auto& what : {std::vector<std::string>{"--check-config"},
                           {"--check-config", at("etc")},
                           {"--check-config", at("etc/conf.d/10-a.conf")}}) {
    const auto told = run(what);
    EXPECT_EQ(told.status, 1);
    EXPECT_EQ(told.text, wrong);
  }
  EXPECT_EQ(run({"--check-config", at("etc/main.conf")}).status, 0);
  EXPECT_EQ(run({"--check-config", at("lib")}).status, 0);
  const auto none = run({"--check-config", at("none")});
  EXPECT_EQ(none.status, 1);
  EXPECT_EQ(none.text, at("none") + ": No such file or directory\n");
}

TEST_F(DaemonOptionsTold, check_config_of_a_file_that_may_not_be_read) {
  if (getuid() != 0) GTEST_SKIP() << "another user id needs root";
  write("etc/main.conf", "[General]\nLingerSec=5\n");
  ASSERT_EQ(chmod(at("etc/main.conf").c_str(), 0600), 0);
  const auto told = run({"--check-config"}, [] { return setgid(nobody) == 0 && setuid(nobody) == 0; });
  EXPECT_EQ(told.status, 1);
  EXPECT_EQ(told.text, at("etc/main.conf") + ": Permission denied, ignored\n");
}

TEST_F(DaemonOptionsTold, print_config) {
  write("etc/main.conf", "# mine\n[General]\nLingerSec=1min\n[Connection]\nTrust=on\n");
  write("lib/conf.d/10-a.conf", "[Adapter aa:bb:cc:dd:ee:ff]\nSlots=5\n");
  const auto told = run({"--print-config"});
  EXPECT_EQ(told.status, 0);
  for (const auto& part :
       {"[General]\n# " + at("etc/main.conf") + ":3\nLingerSec=60\n# default\nNotReadySec=20\n",
        "# " + at("etc/main.conf") + ":5\nTrust=yes\n", std::string{"# default\nMaxAttempts=4\n"},
        "[Adapter AA:BB:CC:DD:EE:FF]\n# " + at("lib/conf.d/10-a.conf") +
            ":2\nSlots=5\n# default\nIgnore=no\n"})
    EXPECT_THAT(told.text, HasSubstr(part));
  write("etc/main.conf", told.text);  // what is printed can be read
  EXPECT_EQ(run({"--check-config", at("etc/main.conf")}).status, 0);
}

TEST_F(DaemonOptionsTold, list_keys_help_and_what_is_unknown) {
  const auto keys = run({"--list-keys"});
  EXPECT_EQ(keys.status, 0);
  EXPECT_THAT(keys.text, StartsWith("General\tLingerSec\t0 to 3600 s\t30\tnext departure\t"));
  const auto help = run({"--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* option : {"--check-config", "--print-config", "--list-keys", "--version", "--help"})
    EXPECT_THAT(help.text, HasSubstr(option));
  const auto unknown = run({"--colour"});
  EXPECT_NE(unknown.status, 0);
  EXPECT_THAT(unknown.text, HasSubstr("--colour"));
}

}  // namespace
}  // namespace bleconnd::integration
