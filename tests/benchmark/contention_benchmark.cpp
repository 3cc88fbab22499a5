// What sharing the radios costs: 500 callers on four adapters, those who wait, how soon the next one dials.
// Usage: contention_benchmark DAEMON_BINARY [PAIRS]. Prints a table; status 1 where a bound is missed.
//
// Growth is judged between two daemons, each with a bus of its own: 100 callers at one, where few wait, and
// 100 at the other, where many do, call in turns, so that the machine's mood of the minute is in both sides
// of a ratio.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "measure.hpp"
#include "world.hpp"

using namespace bleconnd::benchmark;
using namespace bleconnd::integration;

namespace {

constexpr std::size_t kAdapters = 4;
constexpr std::size_t kDevices = 500;
constexpr std::size_t kSlots = 5;  // of an adapter
constexpr std::size_t kLinks = kAdapters * kSlots;
constexpr std::size_t kConnections = 10;  // to the bus, which allows 128 pending calls on each
constexpr std::size_t kFew = 20;          // who wait before the first are measured: one has all links counted
constexpr std::size_t kBlock = 100;       // callers that are compared with as many later ones
constexpr std::size_t kRounds = 25;       // of each reaction
constexpr auto kQuiet = 5s;
constexpr auto kPatience = 120s;
constexpr double kMostGrowth = 1.20;
constexpr double kMostReaction = 5;  // ms

std::string address_of(std::size_t number) {
  char text[18];
  std::snprintf(text, sizeof text, "C0:00:00:00:%02zX:%02zX", number / 256 % 256, number % 256);
  return text;
}

// --- the scenes ---

// BlueZ's own times shrink to milliseconds: what is measured is the daemon's and the bus' share.
WorldOptions quick() {
  WorldOptions options;
  options.bluez.speed = 1;
  auto& timing = options.bluez.timing;
  timing.link_up = 5ms;
  timing.reply_after_link = 1ms;
  timing.discover_services = 10ms;
  timing.reread_services = 5ms;
  timing.read_name = 1ms;
  timing.disconnect = 5ms;
  timing.connected_false = 1ms;
  timing.power_change = 5ms;
  timing.discovering_signal = 1ms;
  timing.advertising = 500ms;
  timing.temporary = std::chrono::hours{10};
  return options;
}

struct SceneOptions {
  std::size_t adapters = kAdapters;
  std::size_t devices = kDevices;
  std::size_t slots = 0;  // by main.conf; 0: no limit
  std::map<std::string, std::string> environment{};
};

class Scene {
 public:
  Scene(std::string daemon, const SceneOptions& options)
      : world{quick()},
        bluez{world.bluez},
        binary_{std::move(daemon)},
        main_conf_{"[General]\nLingerSec=0\n"},
        environment_{options.environment} {
    for (std::size_t number = 0; number < options.adapters; ++number) {
      adapters.push_back(&bluez.add_adapter());
      if (options.slots > 0)
        main_conf_ +=
            "[Adapter " + adapters.back()->address() + "]\nSlots=" + std::to_string(options.slots) + "\n";
    }
    for (std::size_t number = 0; number < options.devices; ++number) add_device();
    for (std::size_t number = 0; number < kConnections; ++number) callers.push_back(&world.client());
    bluez.start();
  }

  // Heard by every adapter, best by one: they take turns. One service is enough, since BlueZ tells all
  // objects of all devices at once, and the daemon has to read past them.
  Peripheral& add_device() {
    auto& device = bluez.add_peripheral(address_of(devices.size()));
    for (std::size_t number = 0; number < adapters.size(); ++number)
      device.rssi_at[adapters[number]] =
          devices.size() % adapters.size() == number ? int16_t{-50} : int16_t{-70};
    device.services = {small_gatt_tree().back()};
    devices.push_back(&device);
    return device;
  }

  void start() {
    world.daemon = std::make_unique<DaemonProcess>(
        world.loop, world.folders, DaemonOptions{binary_, world.bus.address(), main_conf_, {}, environment_});
    require(world.daemon->wait_until_ready(), "no READY=1: " + world.daemon->log());
    const auto runs = [&] {
      const auto reply = callers.front()->manager_property("State");
      return world.outcome(reply) == "ok" && reply->arguments[0] == "running";
    };
    require(world.until(runs), "the daemon does not run: " + world.daemon->log());
    watcher.watch("type='signal',sender='org.bleconnd',member='ConnectionStateChanged'");
    (void)watcher.owner_of("org.bleconnd");  // behind it the rule is in force
  }

  // Another program discovers on all adapters and has heard all devices, so that BlueZ knows their RSSI.
  void all_are_heard() {
    bluez.settings().timing.advertising = std::chrono::hours{10};
    for (auto* adapter : adapters) {
      require(world.outcome(watcher.bluez_adapter(adapter->path(), "StartDiscovery")) == "ok",
              "StartDiscovery");
      require(world.until([&] { return adapter->discovering(); }), "no discovery");
      for (auto* device : devices) adapter->discovered(*device).heard(device->rssi_by(*adapter));
    }
  }

  PendingReply call(std::size_t caller, const Peripheral& device, Dictionary options = {}) {
    options.insert({{"timeout", uint32_t{0}}, {"label", "caller " + std::to_string(caller)}});
    return callers[caller % callers.size()]->establish(device.address, options);
  }
  std::vector<PendingReply> call_for_all() {
    std::vector<PendingReply> calls;
    for (std::size_t number = 0; number < devices.size(); ++number)
      calls.push_back(call(number, *devices[number]));
    return calls;
  }
  void answered(const PendingReply& reply) {
    const auto outcome = world.outcome(reply, kPatience);
    require(outcome == "ok",
            "EstablishConnection: " + outcome + " " + reply->message + "\n" + world.daemon->log());
  }
  // That many have a link, and nobody an error.
  void until_answered(const std::vector<PendingReply>& calls, std::size_t links) {
    const auto enough = [&] { return count_done(calls) >= links; };
    require(world.until(enough, kPatience),
            std::to_string(count_done(calls)) + " of " + std::to_string(links) + " were answered");
    for (auto& reply : calls)
      require(!reply->done || reply->ok(), "EstablishConnection: " + reply->error + " " + reply->message);
  }
  static std::size_t count_done(const std::vector<PendingReply>& calls) {
    return static_cast<std::size_t>(std::ranges::count_if(calls, [](auto& reply) { return reply->done; }));
  }

  // The devices in any adapter's line.
  std::size_t queued() {
    std::set<std::string> all;
    for (auto* adapter : adapters) {
      const auto path = "/org/bleconnd/" + short_path(adapter->path());
      const auto reply = watcher.get({"org.bleconnd", path, "org.bleconnd.Adapter1"}, "Queued");
      require(world.outcome(reply) == "ok", "Queued: " + reply->message);
      for (auto& device : reply->arguments[0]) all.insert(device.get<std::string>());
    }
    return all.size();
  }
  void until_queued(std::size_t wanted) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (queued() < wanted) {
      require(std::chrono::steady_clock::now() < end, std::to_string(queued()) + " wait in line");
      pass(50ms);
    }
  }

  bool state_is(const Peripheral& device, const std::string& state) {
    for (; states_read_ < watcher.signals().size(); ++states_read_) {
      const auto& told = watcher.signals()[states_read_].arguments;
      states_[told[1].get<std::string>()] = told[2].get<std::string>();
    }
    const auto at = states_.find(device.address);
    return at != states_.end() && at->second == state;
  }
  void until_state(const Peripheral& device, const std::string& state) {
    require(world.until([&] { return state_is(device, state); }),
            "no state " + state + "\n" + world.report());
  }
  void pass(std::chrono::milliseconds time) {
    world.until([] { return false; }, time);
  }
  // Until half a second brings no wake-up: files are written and links are verified for a moment after an
  // answer.
  void settle() {
    for (int tries = 0; tries < 60; ++tries) {
      const auto before = wake_ups(pid());
      pass(500ms);
      if (wake_ups(pid()) == before && world.daemon->process().children().empty()) return;
    }
  }
  pid_t pid() { return world.daemon->process().pid(); }

  World world;
  ScriptedBluez& bluez;
  std::vector<Adapter*> adapters;
  std::vector<Peripheral*> devices;
  std::vector<Client*> callers;
  Client& watcher = world.client();

 private:
  std::string binary_;
  std::string main_conf_;
  std::map<std::string, std::string> environment_;
  std::map<std::string, std::string> states_;  // by address
  std::size_t states_read_ = 0;
};

// --- the table ---

class Table {
 public:
  Table() { std::printf("| | measured | bound |\n|---|---|---|\n"); }

  void row(const std::string& name, const std::string& measured, const std::string& bound = {},
           bool kept = true) {
    std::printf("| %s | %s | %s |\n", name.c_str(), measured.c_str(),
                bound.empty() ? "not judged" : ((kept ? "kept: " : "MISSED: ") + bound).c_str());
    std::fflush(stdout);
    kept_ = kept_ && kept;
  }
  [[nodiscard]] bool kept() const { return kept_; }

 private:
  bool kept_ = true;
};

template <class... Values>
std::string format(const char* pattern, Values... values) {
  char text[200];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

// --- the figures ---

// Each keeps its link, or releases it when it has it. A link that is kept holds three match rules, of 400:
// beyond 127 links at a time (no four controllers hold as many) the answer is LimitsExceeded.
void all_connect(const std::string& daemon, bool keep, Table& table) {
  Scene scene{daemon, {}};
  scene.start();
  const auto began = std::chrono::steady_clock::now();
  const auto calls = scene.call_for_all();
  std::set<std::size_t> released;
  const auto all_done = [&] {
    for (std::size_t number = 0; !keep && number < calls.size(); ++number)
      if (calls[number]->ok() && released.insert(number).second)
        (void)scene.callers[number % kConnections]->release(scene.devices[number]->address);
    return Scene::count_done(calls) == calls.size();
  };
  const bool answered = scene.world.until(all_done, kPatience);
  const double took = Milliseconds{std::chrono::steady_clock::now() - began}.count();
  const auto links =
      static_cast<std::size_t>(std::ranges::count_if(calls, [](auto& call) { return call->ok(); }));
  std::set<std::string> others;
  for (auto& call : calls)
    if (!call->ok()) others.insert(call->outcome());
  std::string text = format("%zu have a link, %.1f s, %zu dials, CPU of the daemon %.1f s", links,
                            took / 1000, scene.bluez.count("Connect"), cpu_ms(scene.pid()) / 1000);
  for (auto& other : others) text += ", others " + other;
  table.row(format("500 callers, 500 devices, 4 adapters, links are %s",
                   keep ? "kept" : "released when they are up"),
            text, keep ? "all are answered" : "500 have a link", answered && (keep || links == calls.size()));
}

void those_who_wait(const std::string& daemon, Table& table) {
  Scene scene{daemon, {.slots = kSlots}};
  scene.start();
  const auto calls = scene.call_for_all();
  scene.until_answered(calls, kLinks);
  scene.until_queued(kDevices - kLinks);
  scene.settle();
  const auto links = Scene::count_done(calls);
  const auto waiting = scene.queued();
  table.row("the same with 5 slots an adapter: links, and who waits in line",
            format("%zu, %zu", links, waiting), "20, 480", links == kLinks && waiting == kDevices - kLinks);
  scene.pass(100ms);  // the daemon has been asked
  const auto pid = scene.pid();
  const auto woken = wake_ups(pid);
  const auto ticks = cpu_ticks(pid);
  scene.pass(kQuiet);
  const auto more = wake_ups(pid) - woken;
  const auto spent = cpu_ticks(pid) - ticks;
  table.row("480 wait for 5 s: wake-ups of the daemon, CPU ticks", format("%.0f, %ld", more, spent), "none",
            more == 0 && spent == 0);
}

// What a message of all of BlueZ's objects needs for a moment goes back to the kernel. Left in the heap, as
// by default, it would be what those who come next are made of: the first would seem to cost nothing.
const std::map<std::string, std::string> kGiveBack{
    {"GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=32768:glibc.malloc.trim_threshold=32768"}};

// Of 100 callers.
struct Cost {
  double reply;    // ms until the call is answered with "queued", median
  double in_line;  // ms until its device has been looked up and stands in line, median
  double cpu;      // ms of the daemon's CPU time, mean
  double memory;   // KiB, mean
};

class Life {
 public:
  explicit Life(const std::string& daemon) : scene_{daemon, {.slots = kSlots, .environment = kGiveBack}} {
    scene_.all_are_heard();
    scene_.start();
    std::vector<PendingReply> calls;
    for (; next_ < kLinks; ++next_) calls.push_back(scene_.call(next_, *scene_.devices[next_]));
    scene_.until_answered(calls, kLinks);
    scene_.settle();
  }

  // One after the other, until so many are left.
  void queue_all_but(std::size_t left) {
    while (next_ + left < kDevices) queue_one();
    replies_.clear();
    in_line_.clear();
    cpu_ = cpu_ms(scene_.pid());
    memory_ = private_kib(scene_.pid());
  }
  void queue_one() {
    scene_.bluez.forget_calls();
    const auto began = std::chrono::steady_clock::now();
    const auto reply = scene_.call(next_, *scene_.devices[next_], {{"wait", false}});
    scene_.answered(reply);
    const auto looked_up = [&] { return scene_.bluez.calls().size() >= kAdapters; };
    require(scene_.world.until(looked_up), "the device is not looked up");
    scene_.answered(scene_.callers.front()->manager_property("Version"));  // what was sent before is done
    in_line_.push_back(Milliseconds{std::chrono::steady_clock::now() - began}.count());
    replies_.push_back(Milliseconds{reply->took}.count());
    ++next_;
  }
  // Of those since queue_all_but().
  Cost cost() {
    const auto count = static_cast<double>(replies_.size());
    const Cost cost{median(replies_), median(in_line_), (cpu_ms(scene_.pid()) - cpu_) / count,
                    (private_kib(scene_.pid()) - memory_) / count};
    scene_.until_queued(next_ - kLinks);
    return cost;
  }

 private:
  Scene scene_;
  std::size_t next_ = 0;
  std::vector<double> replies_;
  std::vector<double> in_line_;
  double cpu_ = 0;
  double memory_ = 0;
};

void one_more_caller(const std::string& daemon, int pairs, Table& table) {
  std::vector<Cost> first;
  std::vector<Cost> last;
  for (int number = 0; number < pairs; ++number) {
    Life few{daemon};
    Life many{daemon};
    few.queue_all_but(kDevices - kLinks - kFew);
    many.queue_all_but(kBlock);
    for (std::size_t caller = 0; caller < kBlock; ++caller) {
      (caller % 2 ? few : many).queue_one();
      (caller % 2 ? many : few).queue_one();
    }
    first.push_back(few.cost());
    last.push_back(many.cost());
  }
  const auto row = [&](const char* name, const char* unit, double Cost::*what) {
    std::vector<double> early;
    std::vector<double> late;
    std::vector<double> ratios;
    for (std::size_t pair = 0; pair < first.size(); ++pair) {
      early.push_back(first[pair].*what);
      late.push_back(last[pair].*what);
      ratios.push_back(late.back() / early.back());
    }
    const double ratio = median(ratios);
    table.row(
        format("one more caller where 20 to 119 wait, and where 380 to 479 wait: %s", name),
        format("%.2f %s, %.2f %s: %+.0f %%", median(early), unit, median(late), unit, (ratio - 1) * 100),
        "less than 20 % more", ratio < kMostGrowth);
  };
  row("queued, answered", "ms", &Cost::reply);
  row("looked up and in line", "ms", &Cost::in_line);
  row("CPU time of the daemon", "ms", &Cost::cpu);
  row("private memory", "KiB", &Cost::memory);
}

void one_device(const std::string& daemon, Table& table) {
  Scene scene{daemon, {.devices = 1}};
  scene.start();
  std::vector<PendingReply> calls;
  for (std::size_t caller = 0; caller < 50; ++caller) calls.push_back(scene.call(caller, *scene.devices[0]));
  scene.until_answered(calls, calls.size());
  const auto dials = scene.bluez.count("Connect");
  table.row("50 callers for one device: dials", format("%zu", dials), "1", dials == 1);
}

// From the first line of the story that begins with `signal`, counted from `mark`, until Connect arrives: ms.
double reaction(const Scene& scene, std::size_t mark, const std::string& signal) {
  double sent = -1;
  const auto& story = scene.bluez.story();
  for (auto line = mark; line < story.size(); ++line) {
    const auto text = story[line].substr(story[line].find(" ms  ") + 5);
    if (sent < 0 && text == signal) sent = std::stod(story[line]);
    if (!text.starts_with("call ") || text.find(" Connect ") == std::string::npos) continue;
    require(sent >= 0, "Connect came before " + signal);
    return std::stod(story[line]) - sent;
  }
  throw std::runtime_error("no Connect in\n" + scene.bluez.told());
}

std::vector<double> slot_freed(const std::string& daemon) {
  Scene scene{daemon, {.adapters = 1, .devices = 2, .slots = 1}};
  for (auto* device : scene.devices) scene.adapters[0]->discovered(*device);
  scene.start();
  scene.answered(scene.call(0, *scene.devices[0]));
  std::vector<double> times;
  for (std::size_t round = 0; round < kRounds; ++round) {
    auto& linked = *scene.devices[round % 2];
    auto& next = *scene.devices[(round + 1) % 2];
    const auto reply = scene.call(round + 1, next);
    scene.until_queued(1);
    scene.pass(20ms);
    const auto mark = scene.bluez.story().size();
    linked.drop_link();
    scene.answered(reply);
    times.push_back(reaction(scene, mark, "PC " + scene.adapters[0]->device(linked)->path()));
  }
  return times;
}

std::vector<double> heard_again(const std::string& daemon) {
  Scene scene{daemon, {.adapters = 1, .devices = 0}};
  scene.bluez.settings().timing.advertising = 100ms;
  scene.start();
  std::vector<double> times;
  for (std::size_t round = 0; round < kRounds; ++round) {
    auto& device = scene.add_device();
    device.advertise(false);
    const auto reply = scene.call(0, device);
    scene.until_state(device, "discovering");
    require(scene.world.until([&] { return scene.adapters[0]->discovering(); }), "no discovery");
    scene.pass(20ms);
    const auto mark = scene.bluez.story().size();
    device.advertise(true);
    scene.answered(reply);
    times.push_back(reaction(scene, mark, "IA " + scene.adapters[0]->device(device)->path()));
    scene.answered(scene.callers[0]->release(device.address));
    device.advertise(false);
    require(scene.world.until([&] { return scene.bluez.leftovers() == Leftovers{}; }),
            "something is left over");
  }
  return times;
}

std::vector<double> powered_on(const std::string& daemon) {
  Scene scene{daemon, {.adapters = 1, .devices = 1}};
  scene.start();
  auto& adapter = *scene.adapters[0];
  auto& device = *scene.devices[0];
  const Dictionary trust{{"trust", true}};  // BlueZ keeps its object
  scene.answered(scene.call(0, device, trust));
  std::vector<double> times;
  for (std::size_t round = 0; round < kRounds; ++round) {
    scene.answered(scene.callers[0]->release(device.address));
    require(scene.world.until([&] { return scene.bluez.leftovers() == Leftovers{}; }),
            "something is left over");
    adapter.power_off();
    scene.pass(20ms);
    const auto reply = scene.call(0, device, trust);
    scene.until_state(device, "queued");
    scene.pass(20ms);
    const auto mark = scene.bluez.story().size();
    adapter.power_on();
    scene.answered(reply);
    times.push_back(reaction(scene, mark, "PC " + adapter.path()));
  }
  return times;
}

void reactions(const std::string& daemon, Table& table) {
  const auto row = [&](const char* name, const std::vector<double>& times) {
    const double middle = median(times);
    table.row(format("%s: ms from BlueZ's signal to Connect", name),
              format("%.2f, at most %.2f", middle, *std::ranges::max_element(times)), "median of 5",
              middle < kMostReaction);
  };
  row("a slot is freed", slot_freed(daemon));
  row("the device is heard", heard_again(daemon));
  row("the adapter is on", powered_on(daemon));
}

bool run(const std::string& daemon, int pairs) {
  Table table;
  all_connect(daemon, true, table);
  all_connect(daemon, false, table);
  those_who_wait(daemon, table);
  one_more_caller(daemon, pairs, table);
  one_device(daemon, table);
  reactions(daemon, table);
  return table.kept();
}

}  // namespace

int main(int count, char** words) {
  if (count < 2 || count > 3) {
    std::cerr << "usage: contention_benchmark DAEMON_BINARY [PAIRS]\n";
    return 2;
  }
  try {
    return run(words[1], count == 3 ? std::stoi(words[2]) : 5) ? 0 : 1;
  } catch (const std::exception& failure) {
    std::cerr << "contention_benchmark: " << failure.what() << "\n";
    return 2;
  }
}
