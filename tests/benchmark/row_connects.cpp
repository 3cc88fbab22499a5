// P1 and P2: one connect and release after another, the link instantly available; wall time of the client,
// CPU of all processes of a side. They take turns cycle by cycle, and their order turns with the round.
#include <functional>

#include "side_by_side.hpp"

namespace bleconnd::benchmark {
namespace {

constexpr std::size_t kWarmUp = 5;  // cycles of each, uncounted
// A round's cycles with a device used before. Of 200 the second worst would be the 99th percentile: one cycle
// in which another thread of the machine has a processor for a tick (4 ms) decides.
constexpr std::size_t kCycles = 5;

struct Samples {
  std::vector<double> wall;
  std::vector<double> cpu;
};
using OfAll = std::vector<Samples>;  // in the order of Who

std::optional<double> of(const OfAll& all, Who who, const std::function<double(const Samples&)>& figure) {
  const auto& samples = all[static_cast<std::size_t>(who)];
  if (samples.wall.empty()) return {};
  return figure(samples);
}

void add(Run& run, const OfAll& all, const std::string& id, const std::string& what,
         const std::function<double(const Samples&)>& figure) {
  run.figures.add({id, what, "ms", all.front().wall.size(), of(all, Who::floor, figure),
                   of(all, Who::ours, figure), of(all, Who::library, figure), of(all, Who::relay, figure)});
}

void cycle(Side& side, const std::string& address, Samples* samples) {
  const auto before = side.cpu();
  const auto answer = side.cycle(address);
  if (samples == nullptr) return;
  samples->wall.push_back(answer["wall"]);
  samples->cpu.push_back(side.cpu() - before);
}

OfAll cycles(Run& run, bool new_ones) {
  std::list<Side> sides;
  std::vector<Who> present{Who::floor, Who::relay, Who::ours};
  if (!run.programs.library.empty()) present.push_back(Who::library);
  const auto count = kWarmUp + (new_ones ? run.rounds : kCycles * run.rounds);
  const auto devices = new_ones ? count : 1;
  for (const auto who : present) {
    auto& side = sides.emplace_back(run.programs, who);
    auto& adapter = side.bluez.add_adapter();
    for (std::size_t number = 0; number < devices; ++number)
      adapter.discovered(side.bluez.add_peripheral(address_of(number))).heard(-60);
    side.start();
  }
  OfAll all(4);
  for (std::size_t round = 0; round < count; ++round) {
    std::vector<Side*> order;
    for (auto& side : sides) order.push_back(&side);
    std::ranges::rotate(order, order.begin() + static_cast<long>(round % order.size()));
    for (auto* side : order)
      cycle(*side, address_of(new_ones ? round : 0),
            round < kWarmUp ? nullptr : &all[static_cast<std::size_t>(side->who)]);
  }
  return all;
}

}  // namespace

void connects(Run& run) {
  const auto middle = [](const Samples& samples) { return median(samples.wall); };
  const auto worst = [](const Samples& samples) { return percentile(samples.wall, 0.99); };
  const auto used = cycles(run, false);
  add(run, used, "P1.used.median", "connect and release, a device used before: wall time, median", middle);
  add(run, used, "P1.used.p99", "the same, 99th percentile", worst);
  // The mean: the sum of the CPU time is what the machine has spent.
  const auto mean = [](const Samples& samples) {
    double sum = 0;
    for (const auto value : samples.cpu) sum += value;
    return sum / static_cast<double>(samples.cpu.size());
  };
  add(run, used, "P2.cpu", "CPU of daemon and client together, a cycle, mean", mean);
  const auto fresh = cycles(run, true);
  add(run, fresh, "P1.new.median", "connect and release, a new device: wall time, median", middle);
  add(run, fresh, "P1.new.p99", "the same, 99th percentile", worst);
  add(run, fresh, "P2.new", "CPU of daemon and client together, a new device, mean", mean);
}

}  // namespace bleconnd::benchmark
