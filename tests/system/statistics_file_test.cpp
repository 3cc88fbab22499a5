// The statistics file: what survives, what is damaged, and when it is written. Each StatisticsFile is one
// life.
#include "system/statistics_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "async/scope.hpp"
#include "captured_stderr.hpp"
#include "system/journal.hpp"
#include "temporary_directory.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;

struct StatisticsLife {
  integration::TemporaryDirectory state;
  Journal journal;
  EventLoop loop;
  StatisticsFile life(Duration rest = 1h) { return {state.path().string(), loop, journal, rest}; }
  std::string file() const { return state.path().string() + "/statistics"; }
  std::string text() const {
    std::ifstream stream{file()};
    return {std::istreambuf_iterator<char>{stream}, {}};
  }
  void becomes(const std::string& text) const { std::ofstream{file()} << text; }
};

TEST(StatisticsFile, TheNextLifeGoesOnCounting) {
  StatisticsLife folder;
  {
    auto first = folder.life();
    first.statistics().count("calls", 3);
    first.statistics().observe("call-seconds/hci0/ok", 230ms);
  }
  auto second = folder.life();
  second.statistics().count("calls");
  second.statistics().observe("call-seconds/hci0/ok", 2s);
  const auto flat = second.statistics().flat();
  EXPECT_EQ(flat.at("calls"), 4u);
  EXPECT_EQ(flat.at("call-seconds-count/hci0/ok"), 2u);
  EXPECT_EQ(flat.at("call-seconds-sum-usec/hci0/ok"), 2'230'000u);
}

TEST(StatisticsFile, NothingIsWrittenWhereNothingHappened) {
  StatisticsLife folder;
  { auto life = folder.life(); }
  EXPECT_FALSE(std::filesystem::exists(folder.file()));
}

TEST(StatisticsFile, IsWrittenOnceForManyChangesAndAtTheEnd) {
  StatisticsLife folder;
  auto life = folder.life(0ms);
  for (int i = 0; i < 1000; ++i) life.statistics().count("calls");
  EXPECT_FALSE(std::filesystem::exists(folder.file())) << "not at the change itself";
  Scope tasks{folder.loop};
  const auto look = [](EventLoop& loop, std::string file) -> Task<Unit> {
    while (!std::filesystem::exists(file)) co_await sleep_until(loop, loop.now() + 1ms, unstoppable());
    loop.stop();
    co_return Unit{};
  };
  tasks.spawn(look(folder.loop, folder.file()));
  EXPECT_EQ(folder.loop.run(), 0);
  EXPECT_EQ(folder.text(), "bleconnd statistics 1\nall {\"counters\":{\"calls\":1000},\"histograms\":{}}\n");
}

TEST(StatisticsFile, WhatIsDamagedBeginsAtZeroWithOneWarning) {
  const std::string head = "bleconnd statistics 1\n";
  const std::string row = "[0,0,0,0,0,0,0,0,0,0,1,5]";
  for (const std::string& text :
       {std::string{"nonsense\n"}, std::string{"bleconnd statistics 2\nall {}\n"}, head, head + "all {\n",
        head + "all []\n", head + R"(all {"counters":{"calls":-1},"histograms":{}})" + "\n",
        head + R"(all {"counters":{"calls":"1"},"histograms":{}})" + "\n",
        head + R"(all {"counters":{"calls":1},"histograms":{"a":[1]}})" + "\n",
        head + R"(all {"counters":{"calls":1},"histograms":{"a":1}})" + "\n",
        head + R"(all {"counters":{"calls":1}})" + "\n",
        head + R"(all {"counters":{},"histograms":{")" + std::string(200, 'x') + "\":" + row + "}}\n",
        head + R"(all {"counters":{"calls":1},"histo)", std::string{"\0\0\0\0", 4}}) {
    StatisticsLife folder;
    folder.becomes(text);
    Captured captured;
    auto life = folder.life();
    const auto said = captured.text();
    EXPECT_EQ(std::ranges::count(said, '\n'), 1) << text << said;
    const auto* of_us = text.starts_with(head) ? "the statistics are damaged, they begin at zero\n"
                                               : "its first line is not \"bleconnd statistics 1\"; ";
    EXPECT_NE(said.find(of_us), std::string::npos) << text << said;
    EXPECT_TRUE(life.statistics().flat().empty()) << text;
  }
}

TEST(StatisticsFile, ATornLastLineCostsThatLineAlone) {
  StatisticsLife folder;
  folder.becomes(
      "bleconnd statistics 1\nall {\"counters\":{\"calls\":7},\"histograms\":{}}\nall {\"counters\":{\"ca");
  Captured captured;
  auto life = folder.life();
  EXPECT_EQ(captured.text(), "");
  EXPECT_EQ(life.statistics().flat().at("calls"), 7u);
}

TEST(StatisticsFile, WithoutAFolderNothingIsKeptAndNothingSaid) {
  Captured captured;
  EventLoop loop;
  const Journal journal;
  {
    StatisticsFile life{"", loop, journal};
    life.statistics().count("calls");
    EXPECT_EQ(life.statistics().flat().at("calls"), 1u);
  }
  EXPECT_EQ(captured.text(), "");
}

}  // namespace
}  // namespace bleconnd
