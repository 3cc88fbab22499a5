// The seeded runs. BLECONND_SEEDS: how many (2000). BLECONND_SEED: this one alone, with its trace.
// BLECONND_SEED_PART=k/n: of these every n-th, from k = 0 on; so that several processes share them.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "chaos.hpp"

namespace bleconnd::simulation {
namespace {

std::uint64_t number_of(const char* variable, std::uint64_t usual) {
  const char* set = std::getenv(variable);
  return set ? std::strtoull(set, nullptr, 10) : usual;
}

struct Outcomes {
  std::map<std::string, std::size_t> answers;
  Duration lived{};
};

// What was wrong; empty if nothing was.
std::string run(std::uint64_t seed, bool tracing, Outcomes* sum = nullptr) {
  Chaos chaos{seed, tracing};
  std::string wrong;
  try {
    chaos.run();
  } catch (const std::exception& thrown) {
    wrong = std::string{thrown.what()} + "\n";
  }
  for (auto& violation : chaos.violations()) wrong += violation + "\n";
  if (sum)
    for (auto& [text, count] : chaos.answers()) sum->answers[text] += count;
  if (sum) sum->lived += chaos.lived();
  if (tracing)
    for (auto& line : chaos.trace()) std::printf("%s\n", line.c_str());
  return wrong;
}

TEST(Seeds, KeepEveryRule) {
  if (std::getenv("BLECONND_SEED")) {
    EXPECT_EQ(run(number_of("BLECONND_SEED", 0), true), "");
    return;
  }
  std::uint64_t part = 0, parts = 1;
  if (const char* set = std::getenv("BLECONND_SEED_PART")) {
    char* slash{};
    part = std::strtoull(set, &slash, 10);
    parts = std::strtoull(slash + 1, nullptr, 10);
  }
  Outcomes sum;
  const auto seeds = number_of("BLECONND_SEEDS", 2000);
  for (auto seed = part; seed < seeds; seed += parts) {
    const auto wrong = run(seed, false, &sum);
    if (wrong.empty()) continue;
    run(seed, true);  // the same again, now with its last lines
    FAIL() << "seed " << seed << " (replay: BLECONND_SEED=" << seed << ")\n" << wrong;
  }
  for (auto& [text, count] : sum.answers) std::printf("%8zu  %s\n", count, text.c_str());
  std::printf("%s s lived\n", clock_text(sum.lived).c_str());
}

TEST(Seeds, ReplayExactly) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Chaos first{seed, true}, second{seed, true};
    first.run();
    second.run();
    EXPECT_EQ(first.trace(), second.trace()) << seed;
  }
}

}  // namespace
}  // namespace bleconnd::simulation
