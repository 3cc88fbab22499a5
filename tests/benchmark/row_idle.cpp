// P3 and P4: what it costs to be there. Reports of other devices while links are up; resident memory.
// The daemon has always settled before what is compared: it unmaps the pages of its start once, and what is
// used after that is counted.
#include "cache_copies.hpp"
#include "side_by_side.hpp"

namespace bleconnd::benchmark {
namespace {

constexpr std::size_t kLinks = 5;
constexpr std::size_t kOthers = 495;
constexpr std::size_t kReports = 20'000;
constexpr std::size_t kBatch =
    45;  // reports that are told at a time: all of other devices, so none is merged

void connect_and_keep(Side& side, Client& client, const std::string& address) {
  if (side.who == Who::library) {
    const auto answer = side.worker->ask(address + " keep");
    require(answer["failure"] == "", "library: " + answer["failure"].get<std::string>());
    return;
  }
  const auto outcome = side.world.outcome(client.establish(address));
  if (outcome != "ok")
    throw std::runtime_error("EstablishConnection: " + outcome + "\n" + side.world.report());
}

// Files are written and services compared for a moment after an answer.
void come_to_rest(Side& side) {
  for (int tries = 0; tries < 20; ++tries) {
    const auto before = wake_ups(side.holder());
    side.pass(500ms);
    if (wake_ups(side.holder()) == before) return;
  }
}

void start(Side& side) {
  side.start();
  if (side.who != Who::ours) return;
  side.until_running();
  side.until_settled();
}

struct Cost {
  double wake_ups = 0;
  double cpu = 0;  // ms
};

Cost reported(Run& run, Who who) {
  Side side{run.programs, who};
  auto& adapter = side.bluez.add_adapter();
  std::vector<Device*> others;
  for (std::size_t number = 0; number < kLinks + kOthers; ++number) {
    auto& device = adapter.discovered(side.bluez.add_peripheral(address_of(number)));
    device.heard(-60);
    if (number >= kLinks) others.push_back(&device);
  }
  start(side);
  auto& client = side.world.client();
  for (std::size_t number = 0; number < kLinks; ++number) connect_and_keep(side, client, address_of(number));
  require(adapter.links() == kLinks, "not all links are up");
  auto& witness = side.world.client();
  witness.watch("type='signal',sender='org.bluez',member='PropertiesChanged',arg0='org.bluez.Device1'");
  (void)witness.owner_of("org.bluez");  // behind it the rule is in force
  come_to_rest(side);
  const Cost before{wake_ups(side.holder()), cpu_ms(side.holder())};
  for (std::size_t report = 0; report < kReports; ++report) {
    // BlueZ tells changes of 8 dB.
    others[report % kOthers]->heard(report / kOthers % 2 ? int16_t{-60} : int16_t{-40});
    if (report % kBatch == kBatch - 1) side.pass(1ms);
  }
  const auto all_told = [&] { return witness.count_signals("PropertiesChanged") >= kReports; };
  require(side.world.until(all_told, std::chrono::seconds{60}), "not all reports were told");
  side.pass(500ms);  // who hears them has read them
  return {wake_ups(side.holder()) - before.wake_ups, cpu_ms(side.holder()) - before.cpu};
}

// Of a process that has nothing to do: one device is known, and nobody has called.
double resident_idle(Run& run, Who who) {
  Side side{run.programs, who};
  side.bluez.add_adapter().discovered(side.bluez.add_peripheral(address_of(0))).heard(-60);
  start(side);
  come_to_rest(side);
  return resident_kib(side.holder());
}

struct Memory {
  double link = 0;
  double with_links = 0;
};

constexpr std::size_t kManyLinks = 100;

Memory resident(Run& run, Who who) {
  Side side{run.programs, who};
  auto& adapter = side.bluez.add_adapter();
  for (std::size_t number = 0; number <= kManyLinks; ++number)
    adapter.discovered(side.bluez.add_peripheral(address_of(number))).heard(-60);
  start(side);
  Memory found;
  auto& client = side.world.client();
  // What is loaded and learned at the first link is there before those that are counted.
  connect_and_keep(side, client, address_of(0));
  come_to_rest(side);
  const auto with_one = resident_kib(side.holder());
  for (std::size_t number = 1; number <= kManyLinks; ++number)
    connect_and_keep(side, client, address_of(number));
  require(adapter.links() == kManyLinks + 1, "not all links are up");
  come_to_rest(side);
  found.with_links = resident_kib(side.holder());
  found.link = (found.with_links - with_one) / static_cast<double>(kManyLinks);
  return found;
}

constexpr std::size_t kCached = 10'000;

double resident_with_cache(Run& run) {
  Side side{run.programs, Who::ours};
  const auto address = address_of(0);
  side.bluez.add_adapter().discovered(side.bluez.add_peripheral(address)).heard(-60);
  side.start();
  auto& client = side.world.client();
  const auto connect = [&] {
    require(side.world.outcome(client.establish(address)) == "ok", "EstablishConnection");
    require(side.world.outcome(client.release(address)) == "ok", "ReleaseConnection");
    side.settle();
  };
  connect();
  require(side.world.daemon->end(SIGTERM) == 0, "the daemon's end: " + side.log());
  copy_entry(side.world.folders.cache(), address, kCached);
  require(side.world.start_daemon(run.programs.daemon), "no READY=1");
  side.until_settled();
  connect();
  come_to_rest(side);
  return resident_kib(side.holder());
}

}  // namespace

void reports(Run& run) {
  const auto ours = reported(run, Who::ours);
  std::optional<Cost> library;
  if (!run.programs.library.empty()) library = reported(run, Who::library);
  const std::string what = "20,000 RSSI changes of 495 devices while 5 links are up: ";
  run.figures.add({"P3.wake-ups",
                   what + "wake-ups",
                   "",
                   kReports,
                   {},
                   ours.wake_ups,
                   library ? std::optional{library->wake_ups} : std::nullopt});
  run.figures.add({"P3.cpu",
                   what + "CPU",
                   "ms",
                   kReports,
                   {},
                   ours.cpu,
                   library ? std::optional{library->cpu} : std::nullopt});
}

void memory(Run& run) {
  const auto ours = resident(run, Who::ours);
  std::optional<Memory> library;
  if (!run.programs.library.empty()) library = resident(run, Who::library);
  const auto of_library = [&](double Memory::*what) {
    return library ? std::optional{(*library).*what} : std::nullopt;
  };
  const auto idle = resident_idle(run, Who::ours);
  std::optional<double> library_idle;
  if (library) library_idle = resident_idle(run, Who::library);
  run.figures.add({"P4.idle", "resident memory, idle", "KiB", 1, {}, idle, library_idle});
  run.figures.add({"P4.links",
                   "resident memory with 101 links",
                   "KiB",
                   1,
                   {},
                   ours.with_links,
                   of_library(&Memory::with_links)});
  run.figures.add({"P4.link",
                   "resident memory, a link of 100 more",
                   "KiB",
                   kManyLinks,
                   {},
                   ours.link,
                   of_library(&Memory::link)});
  run.figures.add({"P4.cached",
                   "resident memory with 10,000 cached devices",
                   "KiB",
                   1,
                   {},
                   resident_with_cache(run),
                   library_idle});
}

}  // namespace bleconnd::benchmark
