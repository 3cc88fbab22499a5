// Seeded storms: how long they go on, and which seed is replayed.
// BLECONND_LONG: the longer time; BLECONND_STORM_SEED: this one alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <random>
#include <string>

namespace bleconnd::integration {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_{seed} {}
  std::uint64_t number() { return random_(); }
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }
  bool chance(unsigned percent) { return random_() % 100 < percent; }
  template <class List>
  const auto& any_of(const List& list) {
    return list[below(std::size(list))];
  }

 private:
  std::mt19937_64 random_;
};

// Rounds of seeds 1, 2, 3 ... until the time is up or one is not good; each begins anew, so that its seed
// replays it.
inline std::uint64_t storm(std::chrono::seconds usual, std::chrono::seconds longer,
                           const std::function<bool(std::uint64_t seed)>& round) {
  if (const char* alone = std::getenv("BLECONND_STORM_SEED")) {
    (void)round(std::strtoull(alone, nullptr, 10));
    return 1;
  }
  const auto end = std::chrono::steady_clock::now() + (std::getenv("BLECONND_LONG") ? longer : usual);
  std::uint64_t seed = 0;
  do {
    if (round(++seed)) continue;
    std::cout << "replay: BLECONND_STORM_SEED=" << seed << "\n";
    break;
  } while (std::chrono::steady_clock::now() < end);
  return seed;
}

}  // namespace bleconnd::integration
