// main.conf and conf.d with good and bad lines: nothing in them keeps the service from starting.
// A warning names the file and the line, and says what is allowed.
#include "system/configuration.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "temporary_directory.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
using integration::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

ConfigurationRead parsed(const std::string& text) {
  ConfigurationRead read;
  parse_configuration(text, "main.conf", read);
  return read;
}

// The key as the table has it, in the section in which a file has it.
std::string in_section(const ConfigurationKey& key, const std::string& value) {
  const auto section = key.section == kAdapterSection ? kAnyAdapter : key.section;
  return "[" + std::string{section} + "]\n" + std::string{key.name} + "=" + value + "\n";
}

TEST(Configuration, SaysWhatTheDefaultsAre) {
  const Configuration by_default;
  EXPECT_EQ(by_default.settings.linger, 30s);
  EXPECT_EQ(by_default.settings.not_ready, 20s);
  EXPECT_EQ(by_default.settings.timeout, 120s);
  EXPECT_EQ(by_default.settings.terms, Terms{});
  EXPECT_EQ(by_default.settings.quota.per_user, 2048U);
  EXPECT_EQ(by_default.settings.quota.persistent, 64U);
  EXPECT_EQ(by_default.settings.quota.all, 8192U);
  EXPECT_EQ(by_default.settings.reconnect.longest, 5min);
  EXPECT_EQ(by_default.settings.listen.longest_pause, 5min);
}

// What each key takes, at both ends and beyond them; and that it is printed as it is read.
TEST(Configuration, EveryKeyTakesWhatItAllows) {
  const struct {
    const char* key;
    std::vector<std::pair<const char*, const char*>> good;  // value, and as it is printed
    std::vector<const char*> bad;
  } cases[] = {
      {"LingerSec", {{"0", "0"}, {"3600", "3600"}, {"5min", "300"}}, {"3601", "-1", "1.5", "500ms", "2h"}},
      {"NotReadySec", {{"1", "1"}, {"1h", "3600"}}, {"0", "3601"}},
      {"Adapters",
       {{"all", "all"},
        {"aa:bb:cc:dd:ee:ff", "AA:BB:CC:DD:EE:FF"},
        {"00:11:22:33:44:55 AA:BB:CC:DD:EE:FF", "00:11:22:33:44:55 AA:BB:CC:DD:EE:FF"},
        {"AA:BB:CC:DD:EE:FF, 00:11:22:33:44:55", "00:11:22:33:44:55 AA:BB:CC:DD:EE:FF"}},
       {"hci0", "AA:BB:CC:DD:EE", "all AA:BB:CC:DD:EE:FF", ","}},
      {"LogLevel", {{"err", "err"}, {"debug", "debug"}}, {"7", "verbose", "Debug"}},
      {"TimeoutSec",
       {{"0", "0"}, {"1d", "86400"}, {"2min 30s", "150"}, {"2min 30", "150"}},
       {"86401", "30 2min", "s", "1x"}},
      {"AttemptTimeoutSec", {{"1", "1"}, {"300", "300"}}, {"0", "301"}},
      {"MaxAttempts", {{"1", "1"}, {"100", "100"}}, {"0", "101", "4s", "+4", "0x4", "4 4"}},
      {"Priority", {{"low", "low"}, {"normal", "normal"}, {"high", "high"}}, {"1", "urgent"}},
      {"UseServicesCache",
       {{"yes", "yes"},
        {"no", "no"},
        {"true", "yes"},
        {"false", "no"},
        {"on", "yes"},
        {"off", "no"},
        {"1", "yes"},
        {"0", "no"}},
       {"2", "ja", "YES"}},
      {"Trust", {{"yes", "yes"}, {"0", "no"}}, {"maybe"}},
      {"LinkLostLongestPauseSec", {{"250ms", "250ms"}, {"2", "2"}}, {"249ms", "2001ms", "0"}},
      {"SlotRefusedPauseSec", {{"0", "0"}, {"1s 500ms", "1500ms"}, {"5min", "300"}}, {"301"}},
      {"LongestPauseSec", {{"1", "1"}, {"1d", "86400"}}, {"0", "86401"}},
      {"StableSec", {{"0", "0"}, {"3600", "3600"}}, {"3601"}},
      {"ListenSec", {{"1", "1"}, {"300", "300"}}, {"0", "301"}},
      {"ListenPauseSec", {{"1", "1"}, {"86400", "86400"}}, {"0", "86401"}},
      {"ListenLongestPauseSec", {{"1", "1"}, {"86400", "86400"}}, {"0", "86401"}},
      {"LeasesPerUser", {{"2", "2"}, {"8192", "8192"}}, {"1", "8193"}},
      {"PersistentLeasesPerUser", {{"0", "0"}, {"8192", "8192"}}, {"8193", "-0"}},
      {"LeasesOfAll", {{"2", "2"}, {"8192", "8192"}}, {"1", "8193", "99999999999999999999"}},
      {"MaxEntries", {{"1", "1"}, {"65536", "65536"}}, {"0", "65537"}},
      {"MaxMiB", {{"1", "1"}, {"1024", "1024"}}, {"0", "1025"}},
      {"MaxAgeSec",
       {{"0", "0"}, {"1week", "604800"}, {"90d", "7776000"}},
       {"315360001", "9999999999d 9999999999d"}},
      {"Slots", {{"learn", "learn"}, {"0", "0"}, {"255", "255"}}, {"256", "-1", "five"}},
      {"Ignore", {{"yes", "yes"}, {"off", "no"}}, {"hci1"}},
  };
  std::vector<std::string_view> tested;
  for (auto& each : cases) {
    const auto* key = std::ranges::find(configuration_keys(), each.key, &ConfigurationKey::name).base();
    ASSERT_NE(key, configuration_keys().data() + configuration_keys().size()) << each.key;
    tested.push_back(key->name);
    for (auto& [value, printed] : each.good) {
      const auto read = parsed(in_section(*key, value));
      EXPECT_THAT(read.warnings, IsEmpty()) << each.key << "=" << value;
      EXPECT_EQ(value_text(*key, read.values, "AA:BB:CC:DD:EE:FF"), printed) << each.key;
      EXPECT_THAT(configuration_text(read),
                  HasSubstr("# main.conf:2\n" + std::string{each.key} + "=" + printed));
      auto again = parsed(configuration_text(read));
      EXPECT_EQ(again.values, read.values) << each.key;
      EXPECT_THAT(again.warnings, IsEmpty()) << each.key;
    }
    for (const char* value : each.bad) {
      const auto read = parsed(in_section(*key, value));
      EXPECT_THAT(read.warnings, ElementsAre("main.conf:2: " + std::string{each.key} + "=" + value +
                                             " is not " + allowed(*key) + ", ignored"));
      EXPECT_EQ(value_text(*key, read.values, "AA:BB:CC:DD:EE:FF"), default_text(*key)) << each.key;
      EXPECT_THAT(read.origins, IsEmpty()) << each.key;
    }
    EXPECT_THAT(parsed(in_section(*key, "")).warnings, SizeIs(1)) << each.key << ": no value";
  }
  for (auto& key : configuration_keys()) EXPECT_THAT(tested, ::testing::Contains(key.name)) << "not tested";
}

TEST(Configuration, TheTableIsWhole) {
  for (auto& key : configuration_keys()) {
    EXPECT_FALSE(key.text.empty() || key.applies.empty()) << key.name;
    EXPECT_THAT(parsed(in_section(key, default_text(key))).warnings, IsEmpty()) << key.name;
    EXPECT_EQ(std::ranges::count(configuration_keys(), key.name, &ConfigurationKey::name), 1) << key.name;
  }
}

TEST(Configuration, BadLinesAreWarningsWithTheirNumber) {
  const struct {
    const char* text;
    std::vector<std::string> warnings;
    std::chrono::seconds linger;
  } cases[] = {
      {"\n\n[General]\nLinger=5\nLingerSec=7\n",
       {"main.conf:4: unknown key Linger in section [General], ignored; its keys are LingerSec NotReadySec "
        "Adapters "
        "LogLevel"},
       7s},
      {"[general]\nLingerSec=5\n",
       {"main.conf:2: unknown key LingerSec in section [general], ignored; it belongs into [General]"},
       30s},
      {"LingerSec=5\n",
       {"main.conf:1: unknown key LingerSec in section [], ignored; it belongs into [General]"},
       30s},
      {"[Adapter]\nSlots=5\n",
       {"main.conf:2: unknown key Slots in section [Adapter], ignored; it belongs into [Adapter "
        "AA:BB:CC:DD:EE:FF]"},
       30s},
      {"[Adapter hci0]\nSlots=5\n",
       {"main.conf:2: unknown key Slots in section [Adapter hci0], ignored; it belongs into [Adapter "
        "AA:BB:CC:DD:EE:FF]"},
       30s},
      {"[AdapterAA:BB:CC:DD:EE:FF]\nSlots=5\n",
       {"main.conf:2: unknown key Slots in section [AdapterAA:BB:CC:DD:EE:FF], ignored; it belongs into "
        "[Adapter "
        "AA:BB:CC:DD:EE:FF]"},
       30s},
      {"[Adapter AA:BB:CC:DD:EE:FF]\nLingerSec=1\n",
       {"main.conf:2: unknown key LingerSec in section [Adapter AA:BB:CC:DD:EE:FF], ignored; it belongs into "
        "[General]"},
       30s},
      {"[Nonsense]\nx=5\n",
       {"main.conf:2: unknown key x in section [Nonsense], ignored; the sections are [General] [Connection] "
        "[Maintain] "
        "[Limits] [Cache] [Adapter AA:BB:CC:DD:EE:FF]"},
       30s},
      {"[General]\nnonsense\nLingerSec=7\nmore\n",
       {"main.conf:2: neither a section nor a key, ignored",
        "main.conf:4: neither a section nor a key, ignored"},
       7s},
      {"[General]\nLingerSec=7\n[Limits\nLingerSec=8\n",
       {"main.conf:3: a section without its ], its keys are ignored",
        "main.conf:4: unknown key LingerSec in section [?], ignored; it belongs into [General]"},
       7s},
      {"[General]\nLingerSec=7\nLingerSec=4000\n",
       {"main.conf:3: LingerSec=4000 is not 0 to 3600 s, ignored"},
       7s},
      {"[General]\nLingerSec=7\nLingerSec=8\n", {}, 8s},
      {"\xEF\xBB\xBF[General]\r\n  LingerSec = 7  ; comment\r\n\t# comment\r\n", {}, 7s},
      {"[General]\nLingerSec=7", {}, 7s},
      {"[General]\nLingerSec: 5\n", {"main.conf:2: neither a section nor a key, ignored"}, 30s},
      {"", {}, 30s},
  };
  for (auto& each : cases) {
    const auto read = parsed(each.text);
    EXPECT_EQ(read.values.settings.linger, each.linger) << each.text;
    EXPECT_EQ(read.warnings, each.warnings) << each.text;
  }
}

TEST(Configuration, ForeignBytesAreShownAsSuch) {
  EXPECT_THAT(parsed("[General]\nLin\x1b[31mger=5\n").warnings,
              ElementsAre(HasSubstr("unknown key Lin\\x1B[31mger")));
  EXPECT_THAT(parsed("[General]\nLingerSec=\x07\n").warnings,
              ElementsAre(HasSubstr("LingerSec=\\x07 is not")));
  EXPECT_EQ(parsed(std::string(300, '\0') + "\n[General]\nLingerSec=5\n").values.settings.linger, 5s);
}

TEST(Configuration, HasLimits) {
  const auto is_long =
      parsed("# " + std::string(5000, 'x') + "\n[General]\nLingerSec=" + std::string(300, '0') + "5\n");
  EXPECT_EQ(is_long.values.settings.linger, 30s);
  EXPECT_THAT(is_long.warnings, ElementsAre(::testing::StartsWith("main.conf:3: longer than ")));

  std::string many = "[General]\n";
  for (int i = 0; i < 1000; ++i) many += "nonsense\n";
  const auto much = parsed(many);
  EXPECT_THAT(much.warnings, SizeIs(101));
  EXPECT_EQ(much.warnings.back(), "further warnings are left out");

  std::string adapters;
  for (int i = 0; i < 100; ++i) {
    char section[64];
    std::snprintf(section, sizeof section, "[Adapter 00:00:00:00:01:%02X]\nSlots=5\n", i);
    adapters += section;
  }
  EXPECT_THAT(parsed(adapters).values.settings.adapters, SizeIs(64));
  EXPECT_THAT(parsed(adapters).warnings, SizeIs(36));

  std::string garbage(100'000, '\0');
  for (std::size_t at = 0; at < garbage.size(); ++at) garbage[at] = static_cast<char>((at * 7919) >> 3);
  EXPECT_EQ(parsed(garbage).values, Configuration{});
}

TEST(Configuration, IgnoresAdapters) {
  const std::string one = "AA:BB:CC:DD:EE:FF";
  const std::string other = "00:11:22:33:44:55";
  EXPECT_FALSE(Settings{}.ignores(one));
  const auto only = parsed("[General]\nAdapters=" + one + "\n").values.settings;
  EXPECT_FALSE(only.ignores(one));
  EXPECT_TRUE(only.ignores(other));
  const auto but = parsed("[Adapter " + one + "]\nIgnore=yes\nSlots=3\n").values.settings;
  EXPECT_TRUE(but.ignores(one));
  EXPECT_FALSE(but.ignores(other));
  EXPECT_EQ(but.slots(), (std::map<std::string, std::uint32_t>{{one, 3}}));
}

// --- files ---

class ConfigurationFiles : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    const auto path = std::filesystem::path{folder_.path().string()} / name;
    std::filesystem::create_directories(path.parent_path());
    (void)folder_.write(name, text);
  }
  static std::string linger(int seconds) { return "[General]\nLingerSec=" + std::to_string(seconds) + "\n"; }
  std::string at(const std::string& name) { return folder_.path().string() + "/" + name; }
  ConfigurationRead read() { return read_configuration({at("etc"), at("run"), at("lib")}); }
  std::string origin(const ConfigurationRead& of) {
    const auto found = of.origins.find({"General", "LingerSec"});
    return found == of.origins.end() ? "default" : found->second.substr(folder_.path().string().size() + 1);
  }

 private:
  TemporaryDirectory folder_;
};

TEST_F(ConfigurationFiles, NoneAreTheDefaults) {
  const auto none = read();
  EXPECT_EQ(none.values, Configuration{});
  EXPECT_THAT(none.warnings, IsEmpty());
  EXPECT_THAT(none.files, IsEmpty());
}

TEST_F(ConfigurationFiles, CountInTheOrderOfTheirNames) {
  const struct {
    std::vector<std::pair<std::string, int>> files;
    int linger;
    const char* origin;
  } cases[] = {
      {{{"etc/main.conf", 1}}, 1, "etc/main.conf:2"},
      {{{"lib/main.conf", 1}}, 1, "lib/main.conf:2"},
      {{{"etc/main.conf", 1}, {"run/main.conf", 2}, {"lib/main.conf", 3}}, 1, "etc/main.conf:2"},
      {{{"etc/main.conf", 1}, {"lib/conf.d/10-a.conf", 2}}, 2, "lib/conf.d/10-a.conf:2"},
      {{{"etc/conf.d/10-a.conf", 1}, {"lib/conf.d/20-b.conf", 2}}, 2, "lib/conf.d/20-b.conf:2"},
      {{{"etc/conf.d/20-b.conf", 1}, {"lib/conf.d/10-a.conf", 2}}, 1, "etc/conf.d/20-b.conf:2"},
      {{{"etc/conf.d/10-a.conf", 1}, {"run/conf.d/10-a.conf", 2}, {"lib/conf.d/10-a.conf", 3}},
       1,
       "etc/conf.d/10-a.conf:2"},
      {{{"run/conf.d/10-a.conf", 2}, {"lib/conf.d/10-a.conf", 3}}, 2, "run/conf.d/10-a.conf:2"},
      {{{"etc/conf.d/10-a.txt", 1}, {"etc/conf.d/.b.conf", 2}, {"etc/conf.d/c.conf~", 3}}, 30, "default"},
  };
  for (auto& each : cases) {
    for (const char* top : {"etc", "run", "lib"}) std::filesystem::remove_all(at(top));
    for (auto& [name, seconds] : each.files) write(name, linger(seconds));
    const auto found = read();
    EXPECT_EQ(found.values.settings.linger, std::chrono::seconds{each.linger}) << each.origin;
    EXPECT_EQ(origin(found), each.origin);
    EXPECT_THAT(found.warnings, IsEmpty());
  }
}

TEST_F(ConfigurationFiles, KeysOfSeveralAddUp) {
  write("etc/main.conf", "[General]\nLingerSec=1\n[Adapter AA:BB:CC:DD:EE:FF]\nSlots=3\n");
  write("etc/conf.d/a.conf", "[Adapter AA:BB:CC:DD:EE:FF]\nIgnore=yes\n");
  write("etc/conf.d/b.conf", "[Adapter AA:BB:CC:DD:EE:FF]\nSlots=learn\nLingerSec=9\n");
  const auto all = read();
  EXPECT_EQ(all.values.settings.linger, 1s);
  EXPECT_EQ(all.values.settings.adapters.at("AA:BB:CC:DD:EE:FF"), (AdapterSettings{.ignore = true}));
  EXPECT_THAT(all.warnings,
              ElementsAre(::testing::StartsWith(at("etc/conf.d/b.conf:3: unknown key LingerSec"))));
  EXPECT_THAT(all.files, ElementsAre(at("etc/main.conf"), at("etc/conf.d/a.conf"), at("etc/conf.d/b.conf")));
}

TEST_F(ConfigurationFiles, ALinkToDevNullMasks) {
  write("lib/conf.d/10-a.conf", linger(1));
  write("lib/main.conf", linger(2));
  std::filesystem::create_directories(at("etc/conf.d"));
  std::filesystem::create_symlink("/dev/null", at("etc/conf.d/10-a.conf"));
  EXPECT_EQ(read().values.settings.linger, 2s);
  std::filesystem::create_symlink("/dev/null", at("etc/main.conf"));
  EXPECT_EQ(read().values, Configuration{});
  EXPECT_THAT(read().warnings, IsEmpty());
}

TEST_F(ConfigurationFiles, WhatIsNoFileIsAWarning) {
  std::filesystem::create_directories(at("etc/main.conf"));
  std::filesystem::create_directories(at("etc/conf.d/10-folder.conf"));
  ASSERT_EQ(mkfifo(at("etc/conf.d/20-pipe.conf").c_str(), 0600), 0);
  std::filesystem::create_symlink("loop.conf", at("etc/conf.d/loop.conf"));
  std::filesystem::create_symlink("nowhere", at("etc/conf.d/nowhere.conf"));
  write("etc/conf.d/99-good.conf", linger(5));
  write("run/conf.d", "");
  const auto found = read();
  EXPECT_EQ(found.values.settings.linger, 5s);
  EXPECT_THAT(found.warnings,
              ElementsAre(at("etc/main.conf: a directory, no file, ignored"),
                          at("run/conf.d: Not a directory, ignored"),
                          at("etc/conf.d/10-folder.conf: a directory, no file, ignored"),
                          at("etc/conf.d/20-pipe.conf: no regular file, ignored"),
                          at("etc/conf.d/loop.conf: Too many levels of symbolic links, ignored"),
                          at("etc/conf.d/nowhere.conf: No such file or directory, ignored")));
}

TEST_F(ConfigurationFiles, AFileThatMayNotBeReadIsAWarning) {
  if (getuid() == 0) GTEST_SKIP() << "root reads all; the integration tests have another user's daemon";
  write("etc/main.conf", linger(5));
  ASSERT_EQ(chmod(at("etc/main.conf").c_str(), 0), 0);
  EXPECT_THAT(read().warnings, ElementsAre(at("etc/main.conf: Permission denied, ignored")));
}

TEST_F(ConfigurationFiles, OfALargeOneTheFirstLinesCount) {
  std::string text = linger(5);
  while (text.size() < 1024 * 1024) text += "# filling\n";
  write("etc/main.conf", text + "LingerSec=6\n");
  const auto found = read();
  EXPECT_EQ(found.values.settings.linger, 5s);
  EXPECT_THAT(found.warnings,
              ElementsAre(at("etc/main.conf: larger than 262144 bytes, only the first are read")));
  write("etc/main.conf", "#" + std::string(1024 * 1024, 'x') + "\n" + linger(5));
  EXPECT_EQ(read().values, Configuration{});
}

TEST_F(ConfigurationFiles, OneFolderOrOneFile) {
  write("etc/main.conf", linger(5));
  write("etc/conf.d/a.conf", linger(6));
  EXPECT_EQ(read_configuration_at(at("etc")).values.settings.linger, 6s);
  EXPECT_EQ(read_configuration_at(at("etc/main.conf")).values.settings.linger, 5s);
  EXPECT_THAT(read_configuration_at(at("etc/none")).warnings,
              ElementsAre(at("etc/none: No such file or directory")));
}

TEST_F(ConfigurationFiles, FoldersByTheEnvironment) {
  const struct {
    const char* set;
    std::vector<std::string> folders;
  } cases[] = {
      {"", {"/etc/bleconnd", "/run/bleconnd", "/usr/lib/bleconnd"}},
      {"/etc/bleconnd", {"/etc/bleconnd", "/run/bleconnd", "/usr/lib/bleconnd"}},
      {"/a", {"/a", "/run/bleconnd", "/usr/lib/bleconnd"}},
      {"/a:/b", {"/a", "/b"}},
      {"/a::/b:/c:", {"/a", "/b", "/c"}},
  };
  const char* before = std::getenv("CONFIGURATION_DIRECTORY");
  const std::string kept = before ? before : "";
  for (auto& each : cases) {
    setenv("CONFIGURATION_DIRECTORY", each.set, 1);
    EXPECT_EQ(configuration_directories(), each.folders) << each.set;
  }
  before ? setenv("CONFIGURATION_DIRECTORY", kept.c_str(), 1) : unsetenv("CONFIGURATION_DIRECTORY");
}

}  // namespace
}  // namespace bleconnd
