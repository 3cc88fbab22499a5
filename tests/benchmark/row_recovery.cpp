// P6: seconds to a usable link when BlueZ or the device does what they do in the field, in BlueZ's real
// times. Another program discovers meanwhile, as one does where the Python library is used: it does not scan
// by itself.
#include <functional>

#include "side_by_side.hpp"

namespace bleconnd::benchmark {
namespace {

const std::string kLamp = "C0:FF:EE:00:00:01";
constexpr auto kLongest = std::chrono::minutes{6};  // the library has no deadline of its own

struct Stage {
  Side& side;
  Adapter& hci0;
  Adapter* hci1;
  Peripheral& lamp;
  Client& scanner;

  // As bleak's scanner does: with any filter BlueZ tells every report.
  void scan() const {
    for (const auto* adapter : {static_cast<const Adapter*>(&hci0), static_cast<const Adapter*>(hci1)}) {
      if (adapter == nullptr) continue;
      (void)scanner.bluez_adapter(adapter->path(), "SetDiscoveryFilter", {Dictionary{{"Transport", "le"}}});
      (void)scanner.bluez_adapter(adapter->path(), "StartDiscovery");
    }
  }
};

struct Scenario {
  std::string id;
  std::string what;
  bool two_adapters = false;
  std::function<void(Stage&)> prepare = [](Stage&) {};  // before anybody calls
  std::function<void(Stage&)> begin = [](Stage&) {};    // with the call
};

std::vector<Scenario> scenarios() {
  const auto queue = [](std::initializer_list<ConnectStep> steps) {
    return [steps = std::vector<ConnectStep>(steps)](Stage& stage) {
      for (const auto& step : steps) stage.lamp.next_connects({step});
    };
  };
  const auto busy = fails("Operation already in progress", 100ms, "org.bluez.Error.InProgress");
  std::vector<Scenario> all{
      {"nothing", "nothing goes wrong"},
      {"abort-once", "the dial is aborted once", false, queue({link_aborts()})},
      {"abort-thrice", "the dial is aborted three times", false,
       queue({link_aborts(), link_aborts(), link_aborts()})},
      {"canceled-once", "the same, with BlueZ's other error for it", false, queue({drops_at_once()})},
      {"no-answer", "a trusted device does not answer the dial, once", false,
       [](Stage& stage) {
         stage.hci0.device(stage.lamp)->set_trusted(true);
         stage.lamp.next_connects({link_fails()});
       }},
      {"unknown-text", "an error that nobody knows, once", false, queue({fails("what nobody knows")})},
      {"in-progress", "InProgress twice", false, queue({busy, busy})},
      {"no-link", "Connect succeeds without a link", false, queue({succeeds_without_link()})},
      {"no-reply", "Connect is never answered", false, queue({is_swallowed()})},
      {"late-services", "ServicesResolved 8 s late", false,
       [](Stage& stage) { stage.side.bluez.settings().timing.discover_services = 8s; }}};
  all.push_back({"vanish", "the object vanishes, the device is back after 1.3 s", false, [](Stage& stage) {
                   stage.lamp.next_connects({object_vanishes()});
                   auto* lamp = &stage.lamp;
                   auto* bluez = &stage.side.bluez;
                   bluez->when_called("Connect", [lamp, bluez] {
                     lamp->advertise(false);
                     bluez->later(1400ms, [lamp] { lamp->advertise(true); });
                   });
                 }});
  // The library has the path that a scan of yesterday found.
  all.push_back({"other-adapter", "heard by the other adapter only", true,
                 [](Stage& stage) { stage.lamp.rssi_at[&stage.hci0] = std::nullopt; }});
  all.push_back({"slot-freed", "all slots are taken, one is freed after 2 s", false,
                 [](Stage& stage) { stage.hci0.slots = stage.hci0.foreign_links = 1; },
                 [](Stage& stage) {
                   auto* adapter = &stage.hci0;
                   stage.side.bluez.later(2s, [adapter] { adapter->foreign_links = 0; });
                 }});
  all.push_back({"restart", "bluetoothd is killed during the dial and back 1 s later", false, [](Stage&) {},
                 [](Stage& stage) {
                   auto* bluez = &stage.side.bluez;
                   bluez->later(50ms, [bluez] { bluez->kill(); });
                   bluez->later(1050ms, [bluez] { bluez->come_back(); });
                   bluez->later(1550ms, [stage] { stage.scan(); });
                 }});
  return all;
}

// Seconds to a usable link; nothing where there was none.
std::optional<double> played(Run& run, Who who, const Scenario& scenario) {
  WorldOptions real;
  real.bluez.speed = 1;
  real.bluez.timing.temporary = std::chrono::hours{10};
  real.bus.bluez_starts = true;
  Side side{run.programs, who, real};
  auto& hci0 = side.bluez.add_adapter();
  auto* hci1 = scenario.two_adapters ? &side.bluez.add_adapter() : nullptr;
  auto& lamp = side.bluez.add_peripheral(kLamp);
  auto& scanner = side.world.client();
  Stage stage{side, hci0, hci1, lamp, scanner};
  side.bluez.start();
  auto& heard_by = scenario.two_adapters ? *hci1 : hci0;
  heard_by.discovered(lamp).heard(-60);
  stage.scan();
  require(side.world.until([&] { return heard_by.discovering(); }), "no discovery");
  scenario.prepare(stage);
  side.start();
  auto& caller = side.world.client();
  if (who == Who::ours) side.until_running();
  side.pass(200ms);
  scenario.begin(stage);
  double seconds = 0;
  std::string failure;
  if (who == Who::ours) {
    const auto reply = caller.establish(kLamp);
    const auto outcome = side.world.outcome(reply, kLongest);
    if (outcome != "ok") failure = outcome + ": " + reply->message;
    seconds = std::chrono::duration<double>{reply->took}.count();
  } else {
    const auto answer = side.worker->ask(kLamp + " keep at " + device_path(kLamp), kLongest);
    failure = answer["failure"];
    seconds = answer["wall"].get<double>() / 1e3;
  }
  // An answer is no link: what BlueZ has counts.
  const auto* device = heard_by.device(lamp);
  if (failure.empty() && (device == nullptr || !device->connected() || !device->services_resolved()))
    failure = "success was told, but BlueZ has no link with services";
  std::fprintf(stderr, "%s, %s: %.2f s %s\n", scenario.id.c_str(), side.name().c_str(), seconds,
               failure.c_str());
  if (!failure.empty()) return {};
  return seconds;
}

}  // namespace

void recovery(Run& run) {
  for (const auto& scenario : scenarios()) {
    const auto ours = played(run, Who::ours, scenario);
    std::optional<double> library;
    if (!run.programs.library.empty()) library = played(run, Who::library, scenario);
    run.figures.add({"P6." + scenario.id, "recovery: " + scenario.what, "s", 1, {}, ours, library});
  }
}

}  // namespace bleconnd::benchmark
