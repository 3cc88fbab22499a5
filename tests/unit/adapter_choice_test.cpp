// Who dials, rule by rule. Each row is a set of adapters and the index N of the hciN that is chosen.
// Every row is tried in every order of its candidates: the order must not matter.
#include "core/adapter_choice.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

namespace bleconnd {
namespace {

struct Row {
  const char* what;
  std::vector<Candidate> candidates;
  unsigned chosen;
};

void expect_in_every_order(const Row& row) {
  auto candidates = row.candidates;
  const auto by_index = [](const Candidate& a, const Candidate& b) { return a.index < b.index; };
  std::ranges::sort(candidates, by_index);
  do {
    const auto chosen = choose_adapter(candidates);
    ASSERT_TRUE(chosen && *chosen < candidates.size()) << row.what;
    EXPECT_EQ(candidates[*chosen].index, row.chosen) << row.what;
  } while (std::ranges::next_permutation(candidates, by_index).found);
}

TEST(AdapterChoice, NobodyToChooseFrom) {
  EXPECT_FALSE(choose_adapter({}));
}

TEST(AdapterChoice, ByRule) {
  const Row rows[] = {
      {"the only one", {{.index = 10}}, 10},
      {"no difference: lowest index", {{.index = 2}, {.index = 10}, {.index = 1}}, 1},
      {"no difference: last successful", {{.index = 0}, {.index = 3, .last_successful = true}}, 3},

      {"connected before everything",
       {{.index = 0, .pinned = true, .bonded = true, .rssi = -30},
        {.index = 4, .connected = true, .rssi = -99, .failures = 9}},
       4},
      {"several connected: lowest index",
       {{.index = 5, .connected = true, .rssi = -30, .last_successful = true},
        {.index = 2, .connected = true, .rssi = -90},
        {.index = 0}},
       2},
      {"pinned before bonded and RSSI",
       {{.index = 0, .bonded = true, .rssi = -30}, {.index = 1, .pinned = true, .rssi = -99, .failures = 9}},
       1},
      {"bonded before RSSI and last successful",
       {{.index = 0, .rssi = -30, .last_successful = true},
        {.index = 1, .bonded = true, .rssi = -95, .failures = 3}},
       1},
      {"not one that fails, however near",
       {{.index = 0, .failing = true, .rssi = -30, .has_services = true}, {.index = 1, .rssi = -95}},
       1},
      {"all fail: as if none did",
       {{.index = 0, .failing = true, .rssi = -30}, {.index = 1, .failing = true, .rssi = -95}},
       0},
      {"bonded, though it fails",
       {{.index = 0, .bonded = true, .failing = true}, {.index = 1, .rssi = -30}},
       0},
      {"several bonded: RSSI among them",
       {{.index = 0, .rssi = -30},
        {.index = 1, .bonded = true, .rssi = -80},
        {.index = 2, .bonded = true, .rssi = -70}},
       2},

      {"4 dB better: stay", {{.index = 0, .rssi = -80}, {.index = 1, .rssi = -76}}, 0},
      {"5 dB better: switch", {{.index = 0, .rssi = -80}, {.index = 1, .rssi = -75}}, 1},
      {"4 dB better than the last successful: stay",
       {{.index = 0, .rssi = -76}, {.index = 1, .rssi = -80, .last_successful = true}},
       1},
      {"5 dB better than the last successful: switch",
       {{.index = 0, .rssi = -75}, {.index = 1, .rssi = -80, .last_successful = true}},
       0},
      {"0 dBm is a value", {{.index = 0, .rssi = -10}, {.index = 1, .rssi = 0}}, 1},
      {"the best of many",
       {{.index = 0, .rssi = -90}, {.index = 1, .rssi = -60}, {.index = 2, .rssi = -70}},
       1},

      {"a failure costs 5 dB: equal RSSI goes elsewhere",
       {{.index = 0, .rssi = -60, .failures = 1}, {.index = 1, .rssi = -60}},
       1},
      {"and comes back",
       {{.index = 0, .rssi = -60, .failures = 1}, {.index = 1, .rssi = -60, .failures = 1}},
       0},
      {"even from the last successful",
       {{.index = 0, .rssi = -60}, {.index = 1, .rssi = -60, .failures = 1, .last_successful = true}},
       0},
      {"6 dB ahead outweighs one failure",
       {{.index = 0, .rssi = -60, .failures = 1}, {.index = 1, .rssi = -66}},
       0},
      {"but not three", {{.index = 0, .rssi = -60, .failures = 3}, {.index = 1, .rssi = -66}}, 1},

      {"unknown RSSI is not worst", {{.index = 0}, {.index = 1, .rssi = -30}}, 0},
      {"nor best", {{.index = 0, .rssi = -99}, {.index = 1}}, 0},
      {"unknown RSSI: fewer failures", {{.index = 0, .failures = 2}, {.index = 1, .failures = 1}}, 1},
      {"one unknown RSSI: fewer failures", {{.index = 0, .rssi = -30, .failures = 1}, {.index = 1}}, 1},
      {"unknown RSSI, equal failures: last successful",
       {{.index = 0, .failures = 1}, {.index = 1, .failures = 1, .last_successful = true}},
       1},
      {"a count that times 5 is 4 in 32 bits does not overflow",
       {{.index = 0, .rssi = std::numeric_limits<std::int16_t>::min(), .failures = 858'993'460},
        {.index = 1, .rssi = std::numeric_limits<std::int16_t>::min()}},
       1},
  };
  for (const auto& row : rows) expect_in_every_order(row);
}

// Known and unknown RSSI together make rounds (A before B before C before A); the answer is still one.
TEST(AdapterChoice, AnyMixtureHasOneAnswerInWhateverOrder) {
  std::mt19937 random{20};
  const auto below = [&random](unsigned n) { return static_cast<int>(random() % n); };
  for (int round = 0; round < 500; ++round) {
    std::vector<Candidate> candidates;
    for (unsigned index = 0; index < 4; ++index) {
      Candidate candidate{.index = index, .bonded = below(8) == 0};
      if (below(3) > 0) candidate.rssi = static_cast<std::int16_t>(-60 - below(12));
      candidate.failures = static_cast<std::uint32_t>(below(3));
      candidates.push_back(candidate);
    }
    candidates[static_cast<std::size_t>(below(4))].last_successful = below(2) == 0;
    const auto chosen = choose_adapter(candidates);
    ASSERT_TRUE(chosen) << "round " << round;
    expect_in_every_order({"a mixture", candidates, candidates[*chosen].index});
  }
}

}  // namespace
}  // namespace bleconnd
