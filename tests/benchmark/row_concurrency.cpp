// P7: the CPU of a call when 1, 10, 100, 1,000 callers call for as many devices at once; each releases its
// link as soon as it has it.
// All on one processor: on two, single rounds of the same 100 calls lay between 0.22 and 0.35 ms a call, the
// dear ones those in which the daemon slept least and so ran beside the bus and the scripted BlueZ.
#include <sched.h>

#include <deque>

#include "side_by_side.hpp"

namespace bleconnd::benchmark {
namespace {

constexpr std::size_t kCallers[] = {1, 10, 100, 1'000};
constexpr std::size_t kConnections = 10;     // to the bus, which allows 128 pending calls on each
constexpr std::size_t kMostOfLibrary = 100;  // it needs a connection a device, and the bus allows a user 256
constexpr std::size_t kSteps = 100;          // rounds of small crowds lie between those of larger ones

constexpr auto kPatience = std::chrono::minutes{10};

// This process and what it starts, for as long as this lives.
class OneProcessor {
 public:
  OneProcessor() {
    require(sched_getaffinity(0, sizeof before_, &before_) == 0, "sched_getaffinity");
    int first = 0;
    while (!CPU_ISSET(first, &before_)) ++first;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    require(sched_setaffinity(0, sizeof one, &one) == 0, "sched_setaffinity");
  }
  OneProcessor(const OneProcessor&) = delete;
  ~OneProcessor() { sched_setaffinity(0, sizeof before_, &before_); }

 private:
  cpu_set_t before_{};
};

// The calls over one connection, which are answered in their order. Only the first of them is looked at: a
// look at all would make the crowd itself slower for each of its callers, and the daemon wait for it.
struct Connection {
  std::size_t release_answered() {
    std::size_t released = 0;
    for (; !calls.empty() && calls.front().second->done; calls.pop_front(), ++released) {
      const auto& [address, call] = calls.front();
      require(call->ok(), address + ": " + call->outcome());
      (void)client.release(address);
    }
    return released;
  }
  Client& client;
  std::deque<std::pair<std::string, PendingReply>> calls{};
};

struct Crowd {
  Crowd(Run& run, Who who, std::size_t callers) : count{callers}, side{run.programs, who} {
    auto& adapter = side.bluez.add_adapter();
    for (std::size_t number = 0; number < count; ++number) {
      auto& device = side.bluez.add_peripheral(address_of(number));
      // One is enough: BlueZ tells all objects of all devices at once, and that is not what is measured.
      device.services = {small_gatt_tree().back()};
      adapter.discovered(device).heard(-60);
    }
    side.start();
    for (std::size_t number = 0; number < kConnections; ++number)
      connections.push_back({side.world.client()});
  }

  void call_all() {
    if (side.who == Who::library) {
      std::string line = "all";
      for (std::size_t number = 0; number < count; ++number) line += " " + address_of(number);
      const auto answer = side.worker->ask(line, kPatience);
      require(answer["failure"] == "", "library: " + answer["failure"].get<std::string>());
      return side.settle();
    }
    for (std::size_t number = 0; number < count; ++number) {
      auto& connection = connections[number % kConnections];
      connection.calls.emplace_back(
          address_of(number), connection.client.establish(address_of(number), {{"timeout", uint32_t{0}}}));
    }
    std::size_t answered = 0;
    const auto all_done = [&] {
      for (auto& connection : connections) answered += connection.release_answered();
      return answered == count;
    };
    if (!side.world.until(all_done, kPatience))
      throw std::runtime_error(std::to_string(answered) + " of " + std::to_string(count) +
                               " were connected\n" + last_part(side.log()));
    side.settle();
  }
  static std::string last_part(const std::string& text) {
    return text.substr(text.size() - std::min<std::size_t>(text.size(), 2'000));
  }
  void measured_round() {
    const auto before = cpu_ms(side.holder());
    call_all();
    side.bluez.forget_calls();
    cpu += cpu_ms(side.holder()) - before;
    calls_made += count;
  }

  std::size_t count;
  std::size_t pause = count < 10      ? 1
                      : count < 100   ? 5
                      : count < 1'000 ? 20
                                      : 10;  // steps from round to round
  Side side;
  std::vector<Connection> connections{};
  double cpu = 0;
  std::size_t calls_made = 0;
};

}  // namespace

void concurrency(Run& run) {
  const OneProcessor here;
  std::list<Crowd> crowds;
  for (const auto who : {Who::ours, Who::library})
    for (const auto callers : kCallers)
      if (who == Who::ours || (!run.programs.library.empty() && callers <= kMostOfLibrary))
        crowds.emplace_back(run, who, callers).call_all();  // once, uncounted
  for (std::size_t step = 0; step < std::min(kSteps, run.rounds); ++step)
    for (auto& crowd : crowds)
      if (step % crowd.pause == 0) crowd.measured_round();
  for (const auto callers : kCallers) {
    Figure figure{"P7." + std::to_string(callers),
                  "CPU of a call, " + std::to_string(callers) + " callers for as many devices at once", "ms",
                  0};
    for (auto& crowd : crowds)
      if (crowd.count == callers) {
        figure.n = crowd.calls_made;
        (crowd.side.who == Who::ours ? figure.ours : figure.library) =
            crowd.cpu / static_cast<double>(crowd.calls_made);
      }
    run.figures.add(figure);
  }
}

}  // namespace bleconnd::benchmark
