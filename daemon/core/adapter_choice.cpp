// The choice of an adapter, as one tournament in a fixed order.
// The same candidates give the same answer in whatever order they come, so that a failing seed replays.
#include "core/adapter_choice.hpp"

#include <algorithm>
#include <vector>

namespace bleconnd {
namespace {

// 64 bits: `failures` is not bounded here.
std::int64_t score(const Candidate& candidate) {
  return std::int64_t{*candidate.rssi} - std::int64_t{kFailureDb} * candidate.failures;
}

bool beats(const Candidate& rival, const Candidate& best) {
  if (!rival.rssi || !best.rssi) return rival.failures < best.failures;
  return score(rival) - score(best) >= kSwitchDb;
}

// Positions of those that have `trait`, or of all when nobody has it; without those that fail, unless all do.
// The incumbent first.
std::vector<std::size_t> contenders(std::span<const Candidate> candidates, bool Candidate::*trait) {
  const bool some = std::ranges::any_of(candidates, trait);
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < candidates.size(); ++i)
    if (!some || candidates[i].*trait) positions.push_back(i);
  const auto failing = [candidates](std::size_t i) { return candidates[i].failing; };
  if (!std::ranges::all_of(positions, failing)) std::erase_if(positions, failing);
  std::ranges::stable_sort(positions, [candidates](std::size_t a, std::size_t b) {
    const auto &x = candidates[a], &y = candidates[b];
    if (x.has_services != y.has_services) return x.has_services;
    if (x.last_successful != y.last_successful) return x.last_successful;
    return x.index < y.index;
  });
  return positions;
}

std::optional<std::size_t> lowest_index(std::span<const Candidate> candidates, bool Candidate::*trait) {
  std::optional<std::size_t> lowest;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (!(candidates[i].*trait)) continue;
    if (!lowest || candidates[i].index < candidates[*lowest].index) lowest = i;
  }
  return lowest;
}

}  // namespace

std::optional<std::size_t> choose_adapter(std::span<const Candidate> candidates) {
  if (candidates.empty()) return std::nullopt;
  if (const auto connected = lowest_index(candidates, &Candidate::connected)) return connected;
  if (const auto pinned = lowest_index(candidates, &Candidate::pinned)) return pinned;

  const auto positions = contenders(candidates, &Candidate::bonded);
  auto best = positions.front();
  for (const auto position : positions)
    if (beats(candidates[position], candidates[best])) best = position;
  return best;
}

}  // namespace bleconnd
