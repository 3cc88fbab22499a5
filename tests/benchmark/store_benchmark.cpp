// What 10,000 entries of the GATT cache cost against 10: start-up, one cached connect, resident memory.
// Usage: store_benchmark DAEMON_BINARY [ROUNDS]. Prints a table; status 1 where a bound is missed.
//
// No Google Benchmark: a sample here is a life of a process on a bus, each number is judged against another
// one of the same round, and a framework that runs one case to its end before the next would let the
// machine's mood of the minute into the ratio. The two folders take turns instead, and change places every
// round.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "cache_copies.hpp"
#include "measure.hpp"
#include "world.hpp"

using namespace bleconnd::benchmark;
using namespace bleconnd::integration;

namespace {

using Clock = std::chrono::steady_clock;

const std::string kLamp = "AA:BB:CC:DD:EE:FF";
constexpr int kConnects = 16;  // a life; the first one reads BlueZ's objects, the others follow them
constexpr double kMostGrowth = 1.10;
constexpr double kMostMemory = 1024;  // KiB more
// BlueZ's own times shrink to fractions of a millisecond: what is measured is the daemon's and the bus'
// share.
constexpr double kSpeed = 1000;

struct Side {
  std::size_t entries;
  DaemonFolders folders{};
  std::vector<double> start_up{};        // ms until READY=1
  std::vector<double> first_connect{};   // ms, right after the start
  std::vector<double> cached_connect{};  // ms
  std::vector<double> memory{};          // KiB resident, after the connects
};

class Bench {
 public:
  explicit Bench(std::string daemon) : daemon_{std::move(daemon)}, world_{quick()}, client_{world_.client()} {
    world_.bluez.settings().timing.temporary = std::chrono::hours{10};
    // 20 ms: what is resolved before it is answered needs no cache.
    world_.bluez.settings().timing.reread_services = std::chrono::seconds{20};
    world_.bluez.add_adapter().discovered(world_.bluez.add_peripheral(kLamp));
    world_.bluez.start();
  }

  // The daemon's own entry of the lamp, and copies of it under other addresses.
  void fill(Side& side) {
    auto life = start(side);
    connect();
    until_verified();
    release();
    const auto file = entry_file(side.folders.cache(), kLamp);
    require(world_.until([&] { return std::filesystem::exists(file); }), "the daemon has written no entry");
    require(life->end(SIGTERM) == 0, "the daemon's end: " + life->log());
    copy_entry(side.folders.cache(), kLamp, side.entries);
  }

  // All of them are still there, and none has been set aside.
  static void look_at(const Side& side) {
    std::size_t files = 0;
    for (const auto& file : std::filesystem::directory_iterator{side.folders.cache()})
      files += file.path().extension() == ".json" ? 1 : 0;
    require(files == side.entries,
            std::to_string(files) + " of " + std::to_string(side.entries) + " entries");
  }

  void live(Side& side) {
    const auto began = Clock::now();
    auto life = start(side);
    side.start_up.push_back(Milliseconds{Clock::now() - began}.count());
    for (int number = 0; number < kConnects; ++number) {
      auto& samples = number == 0 ? side.first_connect : side.cached_connect;
      samples.push_back(connect());
      require(from_cache_, "services did not come from the cache");
      if (number == 0) until_verified();  // by a read, behind which its objects are followed
      release();
    }
    side.memory.push_back(resident_kib(life->process().pid()));
    require(life->end(SIGTERM) == 0, "the daemon's end: " + life->log());
  }

 private:
  static WorldOptions quick() {
    WorldOptions options;
    options.bluez.speed = kSpeed;
    return options;
  }

  std::unique_ptr<DaemonProcess> start(const Side& side) {
    auto life = std::make_unique<DaemonProcess>(
        world_.loop, side.folders,
        DaemonOptions{daemon_, world_.bus.address(), "[General]\nLingerSec=0\n", {}, {}});
    require(life->wait_until_ready(), "no READY=1: " + life->log());
    return life;
  }

  double connect() {
    const auto reply = client_.establish(kLamp);
    require(world_.outcome(reply) == "ok", "EstablishConnection: " + reply->outcome() + " " + reply->message);
    from_cache_ = reply->arguments[1]["services-from-cache"];
    return Milliseconds{reply->took}.count();
  }

  void until_verified() {
    const auto verified = [&] {
      const auto reply = client_.device_property(kLamp, "ServicesVerified");
      return world_.outcome(reply) == "ok" && reply->arguments[0] == true;
    };
    require(world_.until(verified), "services were not verified");
  }

  void release() { require(world_.outcome(client_.release(kLamp)) == "ok", "ReleaseConnection"); }

  std::string daemon_;
  World world_;
  Client& client_;
  bool from_cache_ = false;
};

bool row(const char* name, const std::vector<double>& few, const std::vector<double>& many, bool judged) {
  const double ratio = median(many) / median(few);
  const bool kept = ratio < kMostGrowth;
  std::printf("| %s | %.2f | %.2f | %+.1f %% | %s |\n", name, median(few), median(many), (ratio - 1) * 100,
              !judged ? "not judged"
              : kept  ? "kept: less than 10 %"
                      : "MISSED: less than 10 %");
  return kept || !judged;
}

bool memory_row(const std::vector<double>& few, const std::vector<double>& many) {
  const double more = median(many) - median(few);
  const bool kept = more < kMostMemory;
  std::printf("| resident memory, KiB | %.0f | %.0f | %+.0f KiB | %s |\n", median(few), median(many), more,
              kept ? "kept: less than 1 MiB" : "MISSED: less than 1 MiB");
  return kept;
}

bool run(const std::string& daemon, int rounds) {
  Bench bench{daemon};
  Side few{.entries = 10};
  Side many{.entries = 10'000};
  bench.fill(few);
  bench.fill(many);
  for (int round = 0; round < rounds; ++round) {
    bench.live(round % 2 ? many : few);
    bench.live(round % 2 ? few : many);
  }
  for (const auto* side : {&few, &many}) Bench::look_at(*side);
  std::printf("Entries on disk: medians of %d lives of the daemon, %zu cached connects each, in turns.\n\n",
              rounds, few.cached_connect.size());
  std::printf("| | %zu entries | %zu entries | growth | bound |\n|---|---|---|---|---|\n", few.entries,
              many.entries);
  bool kept = row("start-up until READY=1, ms", few.start_up, many.start_up, true);
  kept &= row("cached connect, ms", few.cached_connect, many.cached_connect, true);
  kept &= row("cached connect right after the start, ms", few.first_connect, many.first_connect, false);
  kept &= memory_row(few.memory, many.memory);
  return kept;
}

}  // namespace

int main(int count, char** words) {
  if (count < 2 || count > 3) {
    std::cerr << "usage: store_benchmark DAEMON_BINARY [ROUNDS]\n";
    return 2;
  }
  try {
    return run(words[1], count == 3 ? std::stoi(words[2]) : 30) ? 0 : 1;
  } catch (const std::exception& failure) {
    std::cerr << "store_benchmark: " << failure.what() << "\n";
    return 2;
  }
}
