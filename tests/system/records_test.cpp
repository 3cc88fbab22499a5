// What the daemon keeps for its next life: leases and learned limits, and damaged files of them.
// Each record is one life.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include "captured_stderr.hpp"
#include "system/journal.hpp"
#include "system/lease_record_file.hpp"
#include "system/line_log.hpp"
#include "system/slot_record_file.hpp"
#include "temporary_directory.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
using integration::TemporaryDirectory;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const auto kLamp = *DeviceAddress::parse("AA:BB:CC:DD:EE:FF");
const auto kLock = *DeviceAddress::parse("AA:BB:CC:DD:EE:01");

std::string contents(const std::string& file) {
  std::ifstream stream{file};
  return {std::istreambuf_iterator<char>{stream}, {}};
}

struct Folders {
  TemporaryDirectory runtime, state;
  Journal journal;
  LeaseRecordFile life(const std::string& bus = "bus1") {
    return {runtime.path().string(), state.path().string(), bus, journal};
  }
  std::string persistent() const { return state.path().string() + "/leases"; }
  std::string callers() const { return runtime.path().string() + "/leases"; }
};

TEST(LeaseRecordFile, GivesBackWhatAFormerLifeKept) {
  Folders folders;
  const std::vector<KeptLease> lamp{{.name = ":1.5", .uid = 1000, .label = "kitch\xC3\xA9n \"1\""},
                                    {.name = ":1.6", .uid = 0, .lingers_to = TimePoint{123456us}}};
  const Terms terms{.attempt_timeout = 300s,
                    .max_attempts = 100,
                    .adapter = "hci3",
                    .pair = true,
                    .trust = true,
                    .use_cache = false,
                    .priority = Priority::low,
                    .maintain = true};
  const std::vector<KeptLease> lock{{.persistent = true, .uid = 1001, .label = "hub", .maintained = terms},
                                    {.name = ":1.7", .uid = 1, .maintained = Terms{.maintain = true}}};
  folders.life().keep(kLamp, lamp);
  auto second = folders.life();
  EXPECT_EQ(second.former().at(kLamp), lamp);
  second.keep(kLock, lock);
  auto third = folders.life();
  const auto former = third.former();
  EXPECT_EQ(former.at(kLamp), lamp);
  EXPECT_THAT(former.at(kLock), ::testing::UnorderedElementsAreArray(lock));
  third.keep(kLamp, {});
  EXPECT_EQ(folders.life().former().size(), 1U);
  struct stat file {};
  ASSERT_EQ(stat(folders.callers().c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600U);
}

TEST(LeaseRecordFile, OnAnotherBusOnlyPersistentOnesCount) {
  Folders folders;
  folders.life().keep(kLamp, {{.persistent = true, .uid = 1001}, {.name = ":1.5", .uid = 1000}});
  const auto former = folders.life("bus2").former();
  ASSERT_EQ(former.at(kLamp).size(), 1U);
  EXPECT_TRUE(former.at(kLamp).front().persistent);
}

TEST(LeaseRecordFile, DamageLosesNoMoreThanItsLine) {
  const struct {
    const char* text;
    std::size_t devices;
    bool said;
  } cases[] = {
      {"", 0, false},
      {"something else\n", 0, true},
      {"bleconnd leas", 0, true},
      {"bleconnd leases 1 bus0\nAA:BB:CC:DD:EE:FF [{\"label\":\"\",\"name\":\":1.5\",\"uid\":1}]\n", 0,
       false},
      {"bleconnd leases 1 bus1\n", 0, false},
      {"bleconnd leases 1 bus1\nAA:BB:CC:DD:EE:FF [{\"label\":\"\",\"name\":\":1.5\",\"uid\":1}]\n", 1,
       false},
      {"bleconnd leases 1 bus1\nAA:BB:CC:DD:EE:FF [{\"label\":\"\",\"name\":\":1.5\",\"uid\":1}]", 0, false},
      {"bleconnd leases 1 bus1\nAA:BB:CC:DD:EE:FF [{\"label\":\"\",\"name\":\":1.5\",\"uid\":1}]\n"
       "AA:BB:CC:DD:EE:01 [{\n",
       1, true},
      {"bleconnd leases 1 bus1\n../../etc [{\"label\":\"\",\"name\":\":1.5\",\"uid\":1}]\n", 0, true},
      {"bleconnd leases 1 bus1\nAA:BB:CC:DD:EE:FF [{\"label\":\"\",\"name\":\"org.a\",\"uid\":1}]\n", 0,
       true},
      {"bleconnd leases 1 bus1\nAA:BB:CC:DD:EE:FF [{\"label\":\"\",\"name\":\":1.5\",\"uid\":-1}]\n", 0,
       true},
      {"bleconnd leases 1 bus1\nAA:BB:CC:DD:EE:FF 7\n", 0, true},
      {"bleconnd leases 1 bus1\nAA:BB:CC:DD:EE:FF "
       "[{\"label\":\"\",\"name\":\":1.5\",\"uid\":1,\"maintain\":7}]\n",
       0, true},
      {"bleconnd leases 1 bus1\nAA:BB:CC:DD:EE:FF [{\"label\":\"\",\"name\":\":1.5\",\"uid\":1,\"maintain\":"
       "{\"adapter\":\"\",\"attempt-timeout\":0,\"max-attempts\":4,\"pair\":false,\"priority\":1,\"trust\":"
       "false,"
       "\"use-services-cache\":true}}]\n",
       0, true},
  };
  for (auto& each : cases) {
    Folders folders;
    (void)folders.runtime.write("leases", each.text);
    Captured captured;
    EXPECT_EQ(folders.life().former().size(), each.devices) << each.text;
    const auto said = captured.text();
    EXPECT_EQ(!said.empty(), each.said) << each.text << said;
  }
}

// As a disk that fails and a hand that slips leave it; nobody's rights stop root, so a link stands for those.
TEST(LeaseRecordFile, WhatCannotBeUsedIsSetAsideBeforeTheFirstChangeAndSaidOnce) {
  const struct {
    const char* what;
    std::function<void(const std::string& file)> spoil;
    const char* why;
  } cases[] = {
      {"too large", [](auto& file) { std::filesystem::resize_file(file, LineLog::kMostBytes + 1); },
       "File too large"},
      {"a link",
       [](auto& file) {
         std::filesystem::rename(file, file + ".elsewhere");
         std::filesystem::create_symlink(file + ".elsewhere", file);
       },
       "Too many levels of symbolic links"},
      {"first line", [](auto& file) { std::fstream{file} << 'B'; },
       "its first line is not \"bleconnd persistent leases 1\""},
  };
  for (auto& each : cases) {
    SCOPED_TRACE(each.what);
    Folders folders;
    const auto file = folders.persistent();
    folders.life().keep(kLamp, {{.persistent = true, .uid = 1001}});
    each.spoil(file);
    const auto spoilt = contents(file);
    std::ofstream{file + ".bad"} << "an older one";
    Captured captured;
    auto life = folders.life();
    EXPECT_THAT(life.former(), IsEmpty());
    life.keep(kLock, {{.name = ":1.5", .uid = 1000}});  // has none that is persistent
    EXPECT_EQ(contents(file), spoilt);
    life.keep(kLock, {{.persistent = true, .uid = 1000}});
    EXPECT_EQ(contents(file + ".bad"), spoilt);
    EXPECT_EQ(folders.life().former().count(kLock), 1U);
    const auto said = captured.text();
    EXPECT_EQ(std::ranges::count(said, '\n'), 1) << said;
    EXPECT_THAT(said, HasSubstr(file + " cannot be used and becomes " + file + ".bad with its next change: " +
                                each.why + "; to have it back, stop bleconnd"));
  }
}

TEST(LeaseRecordFile, WhatCannotBeSetAsideIsLeftAsItIs) {
  Folders folders;
  const auto file = folders.persistent();
  std::ofstream{file} << "something else\n";
  std::filesystem::create_directories(file + ".bad");
  Captured captured;
  auto life = folders.life();
  (void)life.former();
  life.keep(kLamp, {{.persistent = true, .uid = 1}});
  EXPECT_EQ(contents(file), "something else\n");
  EXPECT_FALSE(std::filesystem::exists(file + ".new"));
  std::filesystem::remove(file + ".bad");
  life.keep(kLamp, {{.persistent = true, .uid = 1}});  // the same again: it is still owed
  EXPECT_EQ(folders.life().former().count(kLamp), 1U);
  EXPECT_EQ(contents(file + ".bad"), "something else\n");
  const auto said = captured.text();
  EXPECT_THAT(said,
              HasSubstr("cannot be used nor set aside (.bad): it is left as it is, and nothing is kept"));
  EXPECT_THAT(said, HasSubstr(file + " is written again"));
}

// XFS and f2fs can leave the name of the new file without its data; of a damaged head it is the same.
TEST(LineLog, TheFormerFileCountsWhereALossOfPowerLeftTheNewOneEmpty) {
  for (const std::string& left : {std::string{}, std::string(100, '\0'), std::string{"hea"}}) {
    TemporaryDirectory folder;
    const auto file = folder.path().string() + "/log";
    const Journal journal;
    const auto life = [&](const std::string& key) {
      LineLog log{file, "head", journal};
      auto found = log.read();
      if (!key.empty()) log.put(key, "1");
      return found;
    };
    using Lines = std::map<std::string, std::string>;
    life("a");
    EXPECT_FALSE(std::filesystem::exists(file + ".old"));
    life("b");
    life("c");  // soon after: the one of b may not be on the disk yet
    EXPECT_EQ(contents(file + ".old"), "head\na 1\n");
    EXPECT_EQ(contents(file), "head\na 1\nb 1\nc 1\n");
    std::ofstream{file} << left;
    Captured captured;
    EXPECT_EQ(life("d"), (Lines{{"a", "1"}}));
    EXPECT_THAT(captured.text(), HasSubstr(file + ".old from before it is used"));
    std::ofstream{file} << left;
    EXPECT_EQ(life(""), (Lines{{"a", "1"}})) << "an empty file took the place of the former one";
  }
}

TEST(LineLog, NothingFormerIsKeptOfOneRunNorWhereTheFileWasRemoved) {
  TemporaryDirectory folder;
  const auto file = folder.path().string() + "/log";
  const Journal journal;
  for (int life = 0; life < 2; ++life) {
    LineLog log{file, "head", journal, "run"};
    (void)log.read();
    log.put("a", std::to_string(life));
  }
  EXPECT_FALSE(std::filesystem::exists(file + ".old"));
  std::ofstream{file + ".old"} << "head\na 1\n";
  std::filesystem::remove(file);
  EXPECT_THAT((LineLog{file, "head", journal}.read()), IsEmpty());
}

TEST(LineLog, IsNotTouchedWhereNothingChanges) {
  TemporaryDirectory folder;
  const auto file = folder.path().string() + "/log";
  const Journal journal;
  std::ofstream{file} << "head\na 1\na 2\n";
  LineLog log{file, "head", journal};
  (void)log.read();
  log.put("a", "2");
  log.put("b", "");
  EXPECT_EQ(contents(file), "head\na 1\na 2\n");
  log.put("a", "3");
  log.put("a", "3");
  EXPECT_EQ(contents(file), "head\na 3\n");
}

TEST(LeaseRecordFile, WithoutFoldersNothingIsKept) {
  const Journal journal;
  Captured captured;
  LeaseRecordFile{"", "", "bus1", journal}.keep(kLamp, {{.name = ":1.5", .uid = 1000}});
  EXPECT_THAT((LeaseRecordFile{"", "", "bus1", journal}.former()), IsEmpty());
  EXPECT_THAT(captured.text(), IsEmpty());
}

TEST(LineLog, IsRewrittenBeforeLongLinesAreTooManyToBeReadBack) {
  TemporaryDirectory folder;
  const Journal journal;
  const auto file = folder.path().string() + "/lines";
  LineLog log{file, "head", journal};
  for (int change = 0; change < 300; ++change)
    log.put("key", std::string(64 * 1024, static_cast<char>('a' + change % 26)));
  EXPECT_LT(contents(file).size(), LineLog::kSpareBytes + 4 * 64 * 1024);
  EXPECT_EQ((LineLog{file, "head", journal}.read().at("key").size()), 64U * 1024U);
}

TEST(LineLog, GrowsByALineAndIsRewrittenWhenMostOfItIsPast) {
  TemporaryDirectory folder;
  const auto file = folder.path().string() + "/log";
  const Journal journal;
  LineLog log{file, "head", journal};
  std::size_t longest = 0;
  for (int i = 0; i < 2000; ++i) {
    log.put("key", std::to_string(i));
    const auto text = contents(file);
    longest = std::max(longest, static_cast<std::size_t>(std::ranges::count(text, '\n')));
  }
  EXPECT_LE(longest, LineLog::kSpareLines + 4);
  log.put("other", "1");
  log.put("other", "");
  LineLog next{file, "head", journal};
  EXPECT_EQ(next.read(), (std::map<std::string, std::string>{{"key", "1999"}}));
}

TEST(LineLog, IsWrittenAnewWhereItsFileWasTakenAway) {
  TemporaryDirectory folder;
  const auto file = folder.path().string() + "/log";
  const Journal journal;
  LineLog log{file, "head", journal};
  log.put("a", "1");
  ASSERT_EQ(std::remove(file.c_str()), 0);
  log.put("b", "2");
  EXPECT_EQ(contents(file), "head\na 1\nb 2\n");
}

TEST(LineLog, SaysOnceThatItCannotWriteAndThatItCanAgain) {
  TemporaryDirectory folder;
  const auto inner = folder.path().string() + "/not-there";
  const Journal journal;
  LineLog log{inner + "/log", "head", journal};
  Captured captured;
  log.put("a", "1");
  log.put("a", "2");
  mkdir(inner.c_str(), 0700);
  log.put("a", "3");
  const auto said = captured.text();
  EXPECT_THAT(said, HasSubstr("cannot be written: No such file or directory"));
  EXPECT_EQ(std::ranges::count(said, '\n'), 2) << said;
  EXPECT_EQ(contents(inner + "/log"), "head\na 3\n");
}

TEST(SlotRecordFile, GivesBackLimitAndAge) {
  TemporaryDirectory folder;
  const Journal journal;
  Captured captured;
  SlotRecordFile{folder.path().string(), journal}.learned("00:11:22:33:44:55", 5);
  const auto former = SlotRecordFile{folder.path().string(), journal}.former();
  EXPECT_EQ(former.at("00:11:22:33:44:55").limit, 5U);
  EXPECT_LT(former.at("00:11:22:33:44:55").age, 60s);
  EXPECT_THAT(captured.text(), HasSubstr("no more than 5 links"));
}

TEST(SlotRecordFile, IgnoresWhatItDidNotWrite) {
  TemporaryDirectory folder;
  const Journal journal;
  (void)folder.write("slots",
                     "bleconnd slots 1\n00:11:22:33:44:55 5\n00:11:22:33:44:56 x 1\nhci0 5 1\n"
                     "00:11:22:33:44:57 7 99999999999\n00:11:22:33:44:58 5 1 2\n");
  const auto former = SlotRecordFile{folder.path().string(), journal}.former();
  ASSERT_EQ(former.size(), 1U);
  EXPECT_EQ(former.at("00:11:22:33:44:57").age, 0s) << "learned in the future: as if learned now";
}

}  // namespace
}  // namespace bleconnd
