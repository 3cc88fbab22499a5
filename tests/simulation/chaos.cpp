// The course of a seeded run: building, chaos, a crash or an orderly end now and then, calm, the last look.
#include "chaos.hpp"

#include <array>

namespace bleconnd::simulation {
namespace {

constexpr auto kServed = 130s;  // the default timeout, and a moment

}  // namespace

Scene::Setting Chaos::setting(std::uint64_t seed) {
  World dice{seed ^ 0x9E3779B97F4A7C15};
  Habits habits;
  // The 5.x at which something that we can see changed, by BlueZ's source.
  const auto version = std::array{50, 62, 66, 79, 81, 83}[dice.number(6)];
  habits.texts_of_errno = version < 62;
  habits.bonded_pair_fails = version < 79;
  habits.connected_before_reply = version >= 79;
  habits.in_progress_by_name = version >= 81;
  habits.tells_reason = version >= 83;
  // Measured with 5.66: on Linux 6.1 and 6.12.
  const bool old_kernel = dice.chance(50);
  habits.create_timeout = old_kernel ? 4s : 20s;
  habits.success_when_power_goes = old_kernel;
  habits.wedges = old_kernel;
  // Races and settings. The answer before the removal was met in none of 15 dials: rarer than drawn here.
  habits.property_delay = dice.chance(50) ? 0ms : 30ms;
  habits.jitter = true;
  habits.error_before_removal = dice.chance(30);
  habits.tells_objects_late = dice.chance(30);
  habits.drops_services = dice.chance(25);
  const Duration longest = dice.chance(50) ? 2ms : 40ms;
  return {.seed = seed, .habits = habits, .latency = {.shortest = 0ms, .longest = longest}};
}

const std::vector<std::string>& Chaos::kinds() {
  static const std::vector<std::string> all{"device",        "adapter",   "bluetoothd", "sleep",
                                            "configuration", "neighbour", "call",       "crash"};
  return all;
}

Chaos::Chaos(std::uint64_t seed, bool tracing, std::set<std::string> without)
    : scene_{setting(seed)}, without_{std::move(without)} {
  world().set_tracing(tracing);
  world().set_interleaving(true);
  build();
}

void Chaos::later(Duration shortest, Duration longest, World::Action action) {
  world().after(world().between(shortest, longest), [this, action = std::move(action)] {
    if (calm_) return;
    if (!scene_.is_up()) return later(1s, 2s, action);  // everything waits while the daemon is down
    action();
  });
}

void Chaos::build() {
  faults_ = !world().chance(20);
  neighbours_ = world().chance(70);
  scene_.set_linger(any_of(std::vector<std::chrono::seconds>{0s, 3s, 30s}));
  limited_ = world().chance(25);
  scene_.counts_others = limited_ && world().chance(50);
  if (world().chance(20)) scene_.daemon().bluez.remembered = world().number(3);
  for (std::size_t i = 0, all = 1 + world().number(3); i < all; ++i) {
    adapters_.push_back("00:00:00:00:00:A" + std::to_string(i));
    if (limited_) scene_.limits[adapters_.back()] = static_cast<std::uint32_t>(1 + world().number(3));
    bluetoothd().plug(adapters_.back());
  }
  scene_.daemon().radio.queue.configure(scene_.limits);
  // One kernel of Debian 12's security updates (6.1.0-56): in each of 5 tries.
  bluetoothd().habits.failed_link_kills =
      faults_ && bluetoothd().habits.wedges && world().chance(10) && happens("bluetoothd");
  bluetoothd().on_death = [this] { later(0s, 25s, [this] { bluetoothd().start(); }); };
  if (!faults_ || world().chance(80)) bluetoothd().start();
  for (std::size_t i = 0, all = 1 + world().number(4); i < all; ++i) {
    const auto device = "AA:00:00:00:00:0" + std::to_string(i);
    devices_.push_back(device);
    auto& peer = bluetoothd().peer(device);
    peer.interval = world().between(50ms, 1500ms);
    peer.link_time = world().between(20ms, 600ms);
    peer.discovery_time = world().between(100ms, 2s);
    peer.private_address = faults_ && world().chance(15);
    const auto& surely = any_of(adapters_);
    for (auto& adapter : adapters_)
      if (adapter == surely || world().chance(50))
        heard_by_[device][adapter] = static_cast<std::int16_t>(-40 - static_cast<int>(world().number(50)));
    for (auto& [adapter, rssi] : heard_by_[device]) bluetoothd().hears(adapter, device, rssi);
  }
  for (std::size_t i = 0, all = 1 + world().number(4); i < all; ++i) {
    clients_.push_back(":1." + std::to_string(++names_));
    later(0s, 10s, [this, i] { client_acts(i); });
  }
  if (faults_) later(0s, 10s, [this] { something_happens(); });
}

void Chaos::run() {
  scene_.run_for(world().between(30s, 120s));
  if (faults_ && world().chance(30) && happens("crash"))
    for (auto count = 1 + world().number(3); count > 0; --count) crash();
  if (world().chance(15)) {
    calm_ = stopped_ = true;
    scene_.stop_daemon();
    check_answers();
    return;
  }
  calm_down();
  scene_.run_for(kServed);
  check_answers();
  if (scene_.pending() > 0) scene_.complain("calls without an answer though all is calm");
  maintained_must_be_connected();
  everybody_must_be_served();
  scene_.everybody_leaves();
  scene_.uids[":9.9"] = 0;
  for (int each = 0; each < 12; ++each)  // lingering and persistent leases, of whichever user
    for (auto& device : devices_) scene_.release(":9.9", device);
  scene_.run_for(100s);
  scene_.check_idle();
}

// SIGKILL of the daemon between any two steps: its clients' calls end with it, its leases do not.
void Chaos::crash() {
  scene_.run_for(world().between(0s, 60s));
  for (auto steps = world().number(40); steps > 0; --steps) world().step();
  scene_.crash_daemon();
  // BlueZ had just forgotten our session and scanned on: nobody is left who could know.
  for (auto& adapter : adapters_) bluetoothd().controller(adapter).scans_for_nobody = false;
  calls_.clear();
  endings_.clear();
  scene_.run_for(world().chance(50) ? Duration{0s} : world().between(0s, 5s));
  scene_.start_daemon();
  scene_.run_for(world().between(0s, 60s));
}

void Chaos::calm_down() {
  calm_ = true;
  world().trace("--- calm ---");
  bluetoothd().faults.clear();
  bluetoothd().habits.failed_link_kills = bluetoothd().habits.wedges = false;
  if (scene_.is_asleep()) scene_.wake();
  scene_.daemon().bluez.rules_are_used_up = false;
  scene_.limits.clear();
  scene_.settings.adapters.clear();
  scene_.settings.listen = {};
  for (auto& adapter : adapters_) {
    auto& controller = bluetoothd().controller(adapter);
    scene_.limits[adapter] = 0;  // nor what was learned
    controller.blocked = controller.wedged = false;
    controller.slots = 0;
    bluetoothd().plug(adapter);
    if (controller.discovering.contains(Program::foreign)) bluetoothd().foreign_discovery(adapter, false);
  }
  scene_.configure();
  bluetoothd().start();
  for (auto& adapter : adapters_) bluetoothd().power(adapter, true);
  std::vector<std::string> foreign;
  for (auto& [path, object] : bluetoothd().objects()) {
    const bool dial = object->dial && object->dial->program == Program::foreign;
    const bool link = object->link && object->link->program == Program::foreign;
    if (dial || link) foreign.push_back(path);
  }
  for (auto& path : foreign) bluetoothd().foreign_disconnect(path);
  for (auto& device : devices_) {
    auto& peer = bluetoothd().peer(device);
    peer.manner = {};
    peer.first.clear();
    for (auto& [adapter, rssi] : heard_by_[device]) bluetoothd().hears(adapter, device, rssi);
  }
}

// Liveness: what is maintained and can be reached is connected within its back-off, whatever was before.
void Chaos::maintained_must_be_connected() {
  std::vector<DeviceAddress> maintained;
  for (auto* session : scene_.daemon().connections.sessions())
    if (session->leases().maintained() && !session->connected()) maintained.push_back(session->address());
  if (maintained.empty()) return;
  scene_.run_for(std::max<Duration>(Reconnect::kMost, ListenTimes{}.longest_pause) + 60s);
  for (auto& device : maintained) {
    const auto* session = scene_.daemon().connections.find(device);
    if (session && session->leases().maintained() && !session->connected())
      scene_.complain(device.text() + " is maintained, but " + std::string{text(session->stage())});
  }
}

// Liveness: what can be reached is connected.
void Chaos::everybody_must_be_served() {
  std::vector<CallHandle> last;
  for (auto& device : devices_) last.push_back(scene_.establish(":9.1", device));
  scene_.run_for(kServed);
  for (auto& call : last)
    if (!call->ok())
      scene_.complain(call->device.text() + " is not connected: " + call->text() + call->message());
}

}  // namespace bleconnd::simulation
