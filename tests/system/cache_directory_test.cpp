// The GATT cache as a folder: real files, real children, one daemon's life after the other.
// What goes wrong inside a pass is in cache_faults_test.cpp.
#include "system/cache_directory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <numeric>

#include "cache_stage.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const auto kOne = device(1);
const auto kTwo = device(2);

TEST(CacheDirectory, OutlivesTheDaemon) {
  CacheStage stage;
  auto first = stage.life();
  EXPECT_FALSE(first->has(kOne));
  EXPECT_EQ(first->load(kOne), std::nullopt);
  first->save(kOne, entry(1));
  stage.settle(*first);
  first.reset();
  EXPECT_THAT(stage.names(), ElementsAre("AA_BB_CC_00_00_01.json"));
  struct stat file {};
  ASSERT_EQ(stat(stage.file(kOne).c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 07777, 0600u);
  auto second = stage.life();
  EXPECT_TRUE(second->has(kOne));
  EXPECT_EQ(second->load(kOne), entry(1));
  EXPECT_THAT(stage.log.lines, IsEmpty());
}

TEST(CacheDirectory, ASaveIsKnownBeforeItIsWritten) {
  CacheStage stage;
  auto cache = stage.life();
  cache->save(kOne, entry(1));
  EXPECT_TRUE(cache->has(kOne));
  EXPECT_EQ(cache->load(kOne), entry(1));
  EXPECT_THAT(stage.names(), IsEmpty());
  cache->save(kOne, entry(2));
  EXPECT_EQ(cache->load(kOne), entry(2));
  stage.settle(*cache);
  EXPECT_EQ(stage.life()->load(kOne), entry(2));
}

TEST(CacheDirectory, SavesDuringAWriteAreOneWrite) {
  CacheStage stage;
  Shared<Gate> gate;
  auto cache = stage.life({}, std::make_shared<GatedCalls>(gate.operator->()));
  gate->closed = true;
  cache->save(kOne, entry(0));
  ASSERT_TRUE(stage.until([&] { return gate->reached.load(); }));
  for (int number = 1; number <= 50; ++number) {
    cache->save(kOne, entry(number));
    EXPECT_EQ(cache->load(kOne), entry(number));
  }
  gate->closed = false;
  stage.settle(*cache);
  EXPECT_EQ(gate->created, 2);
  EXPECT_EQ(stage.life()->load(kOne), entry(50));
}

TEST(CacheDirectory, RemoveAnswersWhetherThereWasOne) {
  CacheStage stage;
  auto cache = stage.life();
  EXPECT_FALSE(stage.wait(cache->remove(kOne)));
  cache->save(kOne, entry(1));
  EXPECT_TRUE(stage.wait(cache->remove(kOne)));  // before it was written
  EXPECT_THAT(stage.names(), IsEmpty());
  cache->save(kOne, entry(1));
  stage.settle(*cache);
  EXPECT_TRUE(stage.wait(cache->remove(kOne)));
  EXPECT_THAT(stage.names(), IsEmpty());
  EXPECT_FALSE(stage.wait(cache->remove(kOne)));
  EXPECT_EQ(cache->load(kOne), std::nullopt);
}

TEST(CacheDirectory, AWriteUnderWayDoesNotBringBackWhatIsRemoved) {
  CacheStage stage;
  Shared<Gate> gate;
  auto cache = stage.life({}, std::make_shared<GatedCalls>(gate.operator->()));
  gate->closed = true;
  cache->save(kOne, entry(1));
  ASSERT_TRUE(stage.until([&] { return gate->reached.load(); }));
  auto removed = stage.start(cache->remove(kOne));
  auto again = stage.start(cache->remove(kOne));
  ASSERT_TRUE(stage.until([&] { return !cache->has(kOne); }));
  EXPECT_EQ(cache->load(kOne), std::nullopt);
  EXPECT_FALSE(removed->has_value());
  gate->closed = false;
  ASSERT_TRUE(stage.until([&] { return removed->has_value() && again->has_value(); }));
  EXPECT_TRUE(**removed);
  EXPECT_FALSE(**again);
  EXPECT_THAT(stage.names(), IsEmpty());
  EXPECT_FALSE(stage.life()->has(kOne));
}

TEST(CacheDirectory, WhatIsSavedAfterARemovalStays) {
  CacheStage stage;
  auto cache = stage.life();
  cache->save(kOne, entry(1));
  stage.settle(*cache);
  auto removed = stage.start(cache->remove(kOne));
  ASSERT_TRUE(stage.until([&] { return !cache->has(kOne); }));
  cache->save(kOne, entry(2));
  ASSERT_TRUE(stage.until([&] { return removed->has_value(); }));
  stage.settle(*cache);
  EXPECT_EQ(stage.life()->load(kOne), entry(2));
}

TEST(CacheDirectory, RemoveAllCountsWhatIsOnDiskAndWhatIsNotYet) {
  CacheStage stage;
  Shared<Gate> gate;
  for (int number = 10; number < 15; ++number) stage.put(device(number), entry(number));
  stage.put(device(15), "no JSON");
  (void)stage.folder.write("README", "a stranger's");
  auto cache = stage.life({}, std::make_shared<GatedCalls>(gate.operator->()));
  gate->closed = true;
  cache->save(kOne, entry(1));         // under way
  cache->save(device(10), entry(20));  // under way, and an older one on disk
  ASSERT_TRUE(stage.until([&] { return gate->reached.load(); }));
  cache->save(kTwo, entry(2));  // waits
  auto gone = stage.start(cache->remove(device(11)));
  ASSERT_TRUE(stage.until([&] { return !cache->has(device(11)); }));
  auto removed = stage.start(cache->remove_all());
  ASSERT_TRUE(stage.until([&] { return !cache->has(kOne); }));
  for (int number = 10; number < 16; ++number) {
    EXPECT_FALSE(cache->has(device(number)));
    EXPECT_EQ(cache->load(device(number)), std::nullopt);
  }
  cache->save(device(12), entry(3));
  gate->closed = false;
  ASSERT_TRUE(stage.until([&] { return removed->has_value() && gone->has_value(); }));
  EXPECT_EQ(**removed, 7u);  // 1, 2, 10, 12, 13, 14 and 15
  stage.settle(*cache);
  EXPECT_THAT(stage.names(), ElementsAre(cache_file_name(device(12)), "README"));
  EXPECT_EQ(cache->load(device(12)), entry(3));
  EXPECT_EQ(stage.wait(cache->remove_all()), 1u);
  EXPECT_EQ(stage.wait(cache->remove_all()), 0u);
}

TEST(CacheDirectory, TheLeastRecentlyUsedGoWhenThereAreTooMany) {
  CacheStage stage;
  for (int number = 1; number <= 5; ++number) {
    stage.put(device(number), entry(number));
    stage.set_age(stage.file(device(number)), std::chrono::hours{24 * (10 - number)});
  }
  (void)stage.folder.write("stranger.json", "not ours");
  auto cache = stage.life({.entries = 4});
  EXPECT_EQ(cache->load(device(1)), entry(1));  // a use
  EXPECT_LT(stage.age(stage.file(device(1))), 60s);
  cache->save(device(6), entry(6));
  stage.settle(*cache);
  const auto name = [](int number) { return cache_file_name(device(number)); };
  EXPECT_THAT(stage.names(), ElementsAre(name(1), name(4), name(5), name(6), "stranger.json"));
  EXPECT_THAT(stage.log.lines, IsEmpty());
}

TEST(CacheDirectory, TheLeastRecentlyUsedGoWhenTheyAreTooLarge) {
  CacheStage stage;
  const auto size = cache_file_text(device(1), entry(7)).size();  // entry(14) … are of the same size
  for (int number = 1; number <= 5; ++number) {
    stage.put(device(number), entry(7 * number));
    stage.set_age(stage.file(device(number)), std::chrono::hours{24 * number});
  }
  auto cache = stage.life({.bytes = size * 4 + size / 2});
  cache->save(device(6), entry(7));
  stage.settle(*cache);
  const auto name = [](int number) { return cache_file_name(device(number)); };
  EXPECT_THAT(stage.names(), ElementsAre(name(1), name(2), name(3), name(6)));
}

// A host without a clock of its own starts in the past.
TEST(CacheDirectory, WhatWasJustWrittenIsNotTheOldest) {
  struct AnotherTime final : FolderCalls {
    int status(int folder, const std::string& name, Status& status) override {
      const int result = FolderCalls::status(folder, name, status);
      if (name == cache_file_name(device(9))) status.used_at = 1;
      return result;
    }
  };
  CacheStage stage;
  for (int number = 1; number <= 3; ++number) stage.put(device(number), entry(number));
  auto cache = stage.life({.entries = 3}, std::make_shared<AnotherTime>());
  cache->save(device(9), entry(9));
  stage.settle(*cache);
  EXPECT_EQ(stage.names().size(), 3u);
  EXPECT_EQ(stage.life()->load(device(9)), entry(9));
}

TEST(CacheDirectory, TheFolderIsSurveyedOnlyWhenItMayBeFull) {
  CacheStage stage;
  Shared<Gate> gate;
  auto cache = stage.life({.entries = 8}, std::make_shared<GatedCalls>(gate.operator->()));
  EXPECT_EQ(gate->listed, 0);
  for (int number = 1; number <= 8; ++number) {
    cache->save(device(number), entry(number));
    stage.settle(*cache);
    EXPECT_EQ(gate->listed, 1) << number;
  }
  cache->save(device(9), entry(9));
  stage.settle(*cache);
  EXPECT_EQ(gate->listed, 2);
  EXPECT_EQ(stage.names().size(), 8u);
}

TEST(CacheDirectory, AUseIsMarkedOnceAnHour) {
  CacheStage stage;
  stage.put(kOne, entry(1));
  auto cache = stage.life();
  for (const auto& [before, marked] : {std::pair{30min, false}, {61min, true}, {-61min, true}}) {
    stage.set_age(stage.file(kOne), before);
    EXPECT_EQ(cache->load(kOne), entry(1));
    EXPECT_EQ(std::chrono::abs(stage.age(stage.file(kOne))) < 60s, marked);
  }
}

struct BadFile {
  const char* what;
  const char* said;
  std::function<void(const std::string& path)> make;
};

void write(const std::string& path, const std::string& text) {
  std::ofstream{path, std::ios::binary} << text;
}

TEST(CacheDirectory, WhatCannotBeUsedIsSetAside) {
  const std::vector<BadFile> files{
      {"empty", "no JSON", [](auto& path) { write(path, ""); }},
      {"truncated", "no JSON",
       [](auto& path) { write(path, cache_file_text(kOne, entry(1)).substr(0, 200)); }},
      {"of another device", "address", [](auto& path) { write(path, cache_file_text(kTwo, entry(1))); }},
      {"of another version", "version", [](auto& path) { write(path, R"({"bleconnd-gatt-cache":2})"); }},
      {"oversized", "too large", [](auto& path) { write(path, std::string(kMostCacheFileBytes + 1, ' ')); }},
      {"sparse and huge", "too large",
       [](auto& path) {
         write(path, "");
         std::filesystem::resize_file(path, 1ULL << 40);
       }},
      {"deep", "deeper", [](auto& path) { write(path, std::string(200'000, '[')); }},
      {"a dangling link", "link", [](auto& path) { std::filesystem::create_symlink("/nowhere", path); }},
      {"a link to a good file", "link",
       [](auto& path) {
         write(path + ".target", cache_file_text(kOne, entry(1)));
         std::filesystem::create_symlink(path + ".target", path);
       }},
      {"a folder", "regular", [](auto& path) { std::filesystem::create_directory(path); }},
      {"a folder that is not empty", "regular",
       [](auto& path) { std::filesystem::create_directories(path + "/inner"); }},
      {"a FIFO", "regular", [](auto& path) { mkfifo(path.c_str(), 0600); }},
      {"a socket", "No such device",
       [](auto& path) {
         sockaddr_un name{AF_UNIX, {}};
         path.copy(name.sun_path, sizeof name.sun_path - 1);
         const Descriptor socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
         ASSERT_EQ(bind(socket.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
       }},
  };
  for (const auto& file : files) {
    SCOPED_TRACE(file.what);
    CacheStage stage;
    file.make(stage.file(kOne));
    auto cache = stage.life();
    EXPECT_EQ(cache->load(kOne), std::nullopt);
    EXPECT_EQ(cache->load(kOne), std::nullopt);
    EXPECT_FALSE(cache->has(kOne));
    ASSERT_EQ(stage.log.lines.size(), 1u);
    EXPECT_THAT(stage.log.lines[0], HasSubstr("AA_BB_CC_00_00_01.json.bad: "));
    EXPECT_THAT(stage.log.lines[0], HasSubstr(file.said));
    stage.settle(*cache);
    EXPECT_TRUE(stage.names().contains("AA_BB_CC_00_00_01.json.bad"));
    EXPECT_FALSE(stage.names().contains("AA_BB_CC_00_00_01.json"));
    EXPECT_EQ(cache->load(kOne), std::nullopt);
    cache->save(kOne, entry(1));
    stage.settle(*cache);
    EXPECT_EQ(stage.life()->load(kOne), entry(1));
    EXPECT_EQ(stage.log.lines.size(), 1u);
  }
}

// Saved without being asked for, or before it was set aside.
TEST(CacheDirectory, WhatLiesInTheWayOfASaveMakesRoom) {
  CacheStage stage;
  std::filesystem::create_directories(stage.file(kOne) + "/inner");
  std::filesystem::create_symlink("/nowhere", stage.file(kTwo));
  stage.put(device(3), "damaged");
  std::filesystem::create_directory(stage.folder.file(kCacheTemporary));
  auto cache = stage.life();
  EXPECT_EQ(cache->load(device(3)), std::nullopt);
  for (const int number : {1, 2, 3}) cache->save(device(number), entry(number));
  stage.settle(*cache);
  for (const int number : {1, 2, 3}) EXPECT_EQ(stage.life()->load(device(number)), entry(number));
  EXPECT_EQ(stage.contents(stage.file(device(3)) + ".bad"), "damaged");
  EXPECT_EQ(stage.log.lines.size(), 1u);
}

TEST(CacheDirectory, TruncatedAtAnyByteItIsNoEntry) {
  CacheStage stage;
  const auto whole = cache_file_text(kOne, entry(5));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    stage.put(kOne, whole.substr(0, size));
    ASSERT_EQ(stage.life()->load(kOne), std::nullopt) << size;
  }
  EXPECT_EQ(stage.log.lines.size(), whole.size());
  stage.put(kOne, whole);
  EXPECT_EQ(stage.life()->load(kOne), entry(5));
}

TEST(CacheDirectory, OnlyAFewBadFilesAreKept) {
  CacheStage stage;
  auto cache = stage.life();
  for (int number = 1; number <= 7; ++number) {
    stage.put(device(number), "bad");
    stage.set_age(stage.file(device(number)), std::chrono::minutes{10 + number});
    EXPECT_EQ(cache->load(device(number)), std::nullopt);
    stage.settle(*cache);
  }
  const auto bad = [](int number) { return cache_file_name(device(number)) + kSetAside; };
  EXPECT_THAT(stage.names(), ElementsAre(bad(1), bad(2), bad(3), bad(4)));
}

TEST(CacheDirectory, WhatCannotBeReadAgainIsNotKept) {
  CacheStage stage;
  auto cache = stage.life();
  auto odd = entry(1);
  odd.services.services[0].characteristics[0].flags[0] = "a\nb";
  cache->save(kOne, odd);
  auto large = entry(1);
  std::vector<std::uint16_t> includes(60);
  std::iota(includes.begin(), includes.end(), std::uint16_t{10000});
  for (std::uint16_t handle = 100; large.services.services.size() < 2000; ++handle)
    large.services.services.push_back({handle, entry(1).services.services[0].uuid, true, includes, {}});
  cache->save(kTwo, large);
  EXPECT_TRUE(cache->settled());
  EXPECT_FALSE(cache->has(kOne));
  EXPECT_FALSE(cache->has(kTwo));
  EXPECT_THAT(stage.log.lines, ElementsAre(HasSubstr("not kept: services[0].characteristics[0].flags"),
                                           HasSubstr("not kept: they take more than 256 KiB")));
}

TEST(CacheDirectory, WithoutAFolderItIsKeptInMemory) {
  TurnedLoop turned;
  LogLines log;
  CacheDirectory cache{"", turned.loop, log};
  EXPECT_EQ(log.lines.size(), 1u);
  for (int number = 0; number < 100; ++number) {
    cache.save(device(number), entry(number));
    EXPECT_TRUE(cache.has(device(0)));
    EXPECT_EQ(cache.load(device(0)), entry(0));  // a use
  }
  int known = 0;
  for (int number = 0; number < 100; ++number) known += cache.has(device(number));
  EXPECT_EQ(known, 64);
  EXPECT_TRUE(cache.has(device(99)));
  EXPECT_TRUE(turned.wait(cache.remove(device(99))));
  EXPECT_FALSE(turned.wait(cache.remove(device(99))));
  EXPECT_EQ(turned.wait(cache.remove_all()), 63u);
  EXPECT_EQ(turned.wait(cache.remove_all()), 0u);
  EXPECT_TRUE(cache.settled());
  EXPECT_EQ(log.lines.size(), 1u);
}

// Nobody can create files there, root neither.
TEST(CacheDirectory, AFolderThatCannotBeWrittenToIsOneWarning) {
  TurnedLoop turned;
  LogLines log;
  CacheDirectory cache{"/proc/self/task", turned.loop, log};
  for (int number = 0; number < 70; ++number) {
    cache.save(device(number), entry(number));
    ASSERT_TRUE(turned.until([&] { return cache.settled(); }));
    EXPECT_EQ(cache.load(device(number)), entry(number));
  }
  int known = 0;
  for (int number = 0; number < 70; ++number) known += cache.has(device(number));
  EXPECT_EQ(known, 64);
  EXPECT_TRUE(turned.wait(cache.remove(device(69))));
  EXPECT_FALSE(cache.has(device(69)));
  EXPECT_EQ(log.lines.size(), 1u) << ::testing::PrintToString(log.lines);
}

TEST(CacheDirectory, AFolderThatComesLaterGetsWhatWasHeld) {
  CacheStage stage;
  const auto path = stage.folder.file("later");
  CacheDirectory cache{path, stage.loop, stage.log};
  EXPECT_EQ(cache.load(kOne), std::nullopt);
  EXPECT_EQ(cache.load(kOne), std::nullopt);
  cache.save(kOne, entry(1));
  stage.settle(cache);
  cache.save(kTwo, entry(2));
  stage.settle(cache);
  EXPECT_EQ(cache.load(kOne), entry(1));
  EXPECT_THAT(stage.log.lines,
              ElementsAre(HasSubstr("cannot read services from"), HasSubstr("No such file or directory")));
  (void)stage.folder.make_directory("later");
  cache.save(device(3), entry(3));
  stage.settle(cache);
  EXPECT_THAT(stage.log.lines.back(), HasSubstr("again"));
  EXPECT_EQ(stage.log.lines.size(), 3u);
  CacheDirectory next{path, stage.loop, stage.log};
  for (const int number : {1, 2, 3}) EXPECT_EQ(next.load(device(number)), entry(number));
}

TEST(CacheDirectory, AFullDiskIsOneWarningAndOneNote) {
  CacheStage stage;
  stage.put(kOne, entry(1));
  auto cache = stage.life();
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{100, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  cache->save(kOne, entry(2));
  stage.settle(*cache);
  cache->save(kTwo, entry(3));
  stage.settle(*cache);
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_THAT(stage.log.lines, ElementsAre(HasSubstr("File too large")));
  EXPECT_EQ(cache->load(kOne), entry(2));
  EXPECT_EQ(stage.life()->load(kOne), entry(1));
  EXPECT_EQ(stage.names().size(), 1u);  // nothing half
  cache->save(device(3), entry(4));
  stage.settle(*cache);
  EXPECT_THAT(stage.log.lines, ElementsAre(HasSubstr("File too large"), HasSubstr("again")));
  EXPECT_EQ(stage.life()->load(kOne), entry(2));
  EXPECT_EQ(stage.life()->load(kTwo), entry(3));
}

TEST(CacheDirectory, WhatCannotBeRemovedDoesNotCountInThisLife) {
  struct NoUnlink final : FolderCalls {
    explicit NoUnlink(Gate* switches) : gate{switches} {}
    int unlink(int folder, const std::string& name) override {
      return gate->closed && is_cache_file_name(name) ? -EROFS : FolderCalls::unlink(folder, name);
    }
    Gate* gate;
  };
  CacheStage stage;
  Shared<Gate> gate;
  for (int number = 0; number < 100; ++number) stage.put(device(number), entry(number));
  auto cache = stage.life({}, std::make_shared<NoUnlink>(gate.operator->()));
  gate->closed = true;
  EXPECT_TRUE(stage.wait(cache->remove(kOne)));
  EXPECT_FALSE(cache->has(kOne));
  EXPECT_EQ(cache->load(kOne), std::nullopt);
  EXPECT_TRUE(cache->has(kTwo));
  EXPECT_EQ(stage.log.count("Read-only file system"), 1u);
  EXPECT_EQ(stage.log.count("come back with a restart"), 1u);
  EXPECT_TRUE(stage.life()->has(kOne));
  // More than are remembered one by one: then none of the older files counts.
  for (int number = 2; number < 90; ++number) (void)stage.wait(cache->remove(device(number)));
  for (int number = 0; number < 90; ++number) EXPECT_FALSE(number > 0 && cache->has(device(number)));
  gate->closed = false;
  cache->save(device(200), entry(4));
  stage.settle(*cache);
  EXPECT_FALSE(stage.life()->has(device(89)));
  gate->closed = true;
  EXPECT_EQ(stage.wait(cache->remove_all()), 0u);
  EXPECT_EQ(stage.log.count("not all services could be removed"), 1u);
  for (int number = 0; number < 100; ++number) EXPECT_EQ(cache->load(device(number)), std::nullopt);
  gate->closed = false;
  (void)stage.wait(cache->remove_all());
  EXPECT_THAT(stage.names(), IsEmpty());
  cache->save(kOne, entry(1));
  stage.settle(*cache);
  EXPECT_EQ(cache->load(kOne), entry(1));
}

TEST(CacheDirectory, MemoryOnItsWayIsBounded) {
  CacheStage stage;
  Shared<Gate> gate;
  auto cache = stage.life({}, std::make_shared<GatedCalls>(gate.operator->()));
  gate->closed = true;
  cache->save(kOne, entry(1));
  ASSERT_TRUE(stage.until([&] { return gate->reached.load(); }));
  auto large = entry(1);
  for (std::uint16_t handle = 100; large.services.services.size() < 1800; ++handle)
    large.services.services.push_back({handle, entry(1).services.services[0].uuid, true, {}, {}});
  const auto size = cache_file_text(kTwo, large).size();
  const auto fit = static_cast<int>(CacheDirectory::kMostHeldBytes / size);
  for (int number = 100; number < 200; ++number) cache->save(device(number), large);
  int known = 0;
  for (int number = 100; number < 200; ++number) known += cache->has(device(number));
  EXPECT_GT(fit, 10);
  EXPECT_LE(known, fit);
  EXPECT_GE(known, fit - 1);
  EXPECT_TRUE(cache->has(device(199)));
  EXPECT_TRUE(cache->has(kOne));
  gate->closed = false;
  stage.settle(*cache);
  EXPECT_EQ(stage.names().size(), static_cast<std::size_t>(known) + 1);
}

TEST(CacheDirectory, SettlesAtTheEndOrNotInTime) {
  CacheStage stage;
  Shared<Gate> gate;
  auto cache = stage.life({}, std::make_shared<GatedCalls>(gate.operator->()));
  (void)stage.wait(cache->settle(kNever));
  gate->closed = true;
  cache->save(kOne, entry(1));
  const auto deadline = stage.loop.now() + 50ms;
  (void)stage.wait(cache->settle(deadline));
  EXPECT_GE(stage.loop.now(), deadline);
  EXPECT_FALSE(cache->settled());
  gate->closed = false;
  (void)stage.wait(cache->settle(kNever));
  EXPECT_TRUE(cache->settled());
  EXPECT_EQ(stage.names().size(), 1u);
  // Its end in the middle of a write leaves no writer behind.
  gate->closed = true;
  gate->reached = false;
  cache->save(kTwo, entry(1));
  ASSERT_TRUE(stage.until([&] { return gate->reached.load(); }));
  cache.reset();
  EXPECT_TRUE(stage.until([] { return waitpid(-1, nullptr, WNOHANG | WNOWAIT) < 0; }));
  EXPECT_THAT(stage.names(), ElementsAre(cache_file_name(kOne), kCacheTemporary));
}

TEST(CacheFileName, OnlyOfAddresses) {
  EXPECT_EQ(cache_file_name(*DeviceAddress::parse("aa:bb:cc:dd:ee:0f")), "AA_BB_CC_DD_EE_0F.json");
  EXPECT_TRUE(is_cache_file_name("AA_BB_CC_DD_EE_0F.json"));
  for (const auto* other :
       {"", ".json", "aa_bb_cc_dd_ee_0f.json", "AA:BB:CC:DD:EE:0F.json", "AA_BB_CC_DD_EE_0F.json.bad",
        "AA_BB_CC_DD_EE.json", "00_00_00_00_00_00.json", "../AA_BB_CC_DD_EE_0F.json", "writing.tmp"})
    EXPECT_FALSE(is_cache_file_name(other)) << other;
}

TEST(CacheReport, SurvivesThePipeOrIsNone) {
  const CacheReport report{{0, 28, 5}, 30, 1234, CacheRoom{-5, 67'000'000}};
  const auto text = report.text();
  const auto read = CacheReport::parse(text, 3);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->text(), text);
  EXPECT_FALSE(CacheReport::parse(text, 2));
  EXPECT_FALSE(CacheReport::parse(text, 4));
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_FALSE(CacheReport::parse(text.substr(0, size), 3)) << size;
}

}  // namespace
}  // namespace bleconnd
