// P5: from fork to the name on the bus, by a clock of another process; few and many cached devices, few and
// many objects of BlueZ, in turns: each behind every other one equally often (a balanced Latin square), since
// a start finds the processor's caches as the one before has left them.
#include <csignal>

#include "cache_copies.hpp"
#include "side_by_side.hpp"

namespace bleconnd::benchmark {
namespace {

constexpr std::size_t kCounts[] = {10, 10'000};
constexpr std::size_t kTurns[] = {0, 1, 3, 2};  // and in the next round, the next case of each

double now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

struct Case {
  std::size_t entries;
  std::size_t objects;
  World* world;
  Client* witness;
  Worker* clock;
  const DaemonFolders* folders;
  std::vector<double> times{};
};

std::unique_ptr<DaemonProcess> started(const Run& run, Case& one) {
  return std::make_unique<DaemonProcess>(
      one.world->loop, *one.folders,
      DaemonOptions{run.programs.daemon, one.world->bus.address(), "[General]\nLingerSec=0\n", {}, {}});
}

// And nothing is left to do for BlueZ and bus: behind READY=1 a daemon asks for all objects, and the answer
// of 10,000 would be written, and routed, while the next daemon starts. They answer in order.
void end(DaemonProcess& daemon, const Case& one) {
  if (!daemon.wait_until_ready() || daemon.end(SIGTERM) != 0)
    throw std::runtime_error("the daemon's end: " + daemon.log());
  const auto powered = one.witness->get({"org.bluez", "/org/bluez/hci0", "org.bluez.Adapter1"}, "Powered");
  require(one.world->outcome(powered) == "ok", "org.bluez does not answer");
}

void fill(const Run& run, Case& one) {
  auto daemon = started(run, one);
  require(daemon->wait_until_ready(), "no READY=1");
  auto& client = one.world->client();
  require(one.world->outcome(client.establish(address_of(0))) == "ok", "EstablishConnection");
  require(one.world->outcome(client.release(address_of(0))) == "ok", "ReleaseConnection");
  const auto file = entry_file(one.folders->cache(), address_of(0));
  for (int tries = 0; !std::filesystem::exists(file); ++tries) {
    require(tries < 1000, "the daemon has written no entry");
    one.world->until([] { return false; }, 5ms);
  }
  end(*daemon, one);
  (void)one.clock->next("owned", 10s);
  copy_entry(one.folders->cache(), address_of(0), one.entries);
}

void start(const Run& run, Case& one, bool counted) {
  const auto began = now_ms();
  auto daemon = started(run, one);
  const double owned = one.clock->next("owned", 10s)["owned"];
  if (counted) one.times.push_back(owned - began);
  end(*daemon, one);
}

}  // namespace

void start_up(Run& run) {
  std::list<World> worlds;
  std::list<Worker> clocks;
  std::list<DaemonFolders> folders;
  std::vector<Case> cases;
  for (const auto objects : kCounts) {
    auto& world = worlds.emplace_back(instant());
    auto& adapter = world.bluez.add_adapter();
    for (std::size_t number = 0; number < objects; ++number) {
      auto& device = world.bluez.add_peripheral(address_of(number));
      device.services = {small_gatt_tree().back()};
      adapter.discovered(device);
    }
    world.bluez.start();
    auto& witness = world.client();
    auto& clock = clocks.emplace_back(world.loop, world.bus.address(),
                                      std::vector<std::string>{run.programs.cycle, "name"});
    for (const auto entries : kCounts)
      cases.push_back({entries, objects, &world, &witness, &clock, &folders.emplace_back()});
  }
  for (auto& one : cases) fill(run, one);
  for (std::size_t round = 0; round <= run.rounds; ++round)
    for (const auto turn : kTurns) start(run, cases[(round + turn) % cases.size()], round > 0);
  for (auto& one : cases)
    run.figures.add({"P5." + std::to_string(one.entries) + "." + std::to_string(one.objects),
                     "start to the bus name, " + std::to_string(one.entries) + " cached devices, " +
                         std::to_string(one.objects) + " objects of BlueZ, median",
                     "ms",
                     one.times.size(),
                     {},
                     median(one.times),
                     {}});
}

}  // namespace bleconnd::benchmark
