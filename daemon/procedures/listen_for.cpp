// A discovery window: tokens for the sessions, one ear an adapter, one notice for all of them.
#include "procedures/listen_for.hpp"

#include <algorithm>
#include <map>
#include <memory>

#include "procedures/discovery_window.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
// After the first report the other adapters get this long: enough for the same advertising event (10 ms at
// most, Core specification Vol 6 Part B, 4.4.2) to come through every bluetoothd's idle handler and the bus,
// or for a device that advertises every 30 to 60 ms, as it should while it wants a connection (Vol 3 Part C,
// appendix A); short enough to dial within 100 ms of the report.
constexpr auto kSlowerAdapters = 80ms;

class Listeners {
 public:
  Listeners(Radio& radio, DeviceAddress device, const std::vector<DeviceState>& known, Notice& wake)
      : radio_{radio}, device_{device}, wake_{wake}, sessions_{radio.executor, radio.bluez, radio.discovery} {
    for (auto& object : known) paths_.push_back(object.path);
  }

  // Follows adapters as they come and go. limits: no ear was to be had and none is open.
  Outcome<> follow(const Terms& terms) {
    sessions_.keep([&](const AdapterState& adapter) { return radio_.may_use(terms, adapter); });
    std::erase_if(ears_, [&](const auto& ear) { return !sessions_.is_open(ear.first); });
    for (auto& adapter : radio_.stack().adapters) {
      if (!adapter.powered || !radio_.may_use(terms, adapter) || sessions_.is_open(adapter.path)) continue;
      auto ear = radio_.bluez.listen(adapter.path, device_, paths_, wake_);
      if (!ear.ok() && none()) return ear.failure();
      if (!ear.ok()) continue;
      sessions_.open(adapter);
      ears_.emplace(adapter.path, std::move(ear.value()));
    }
    return Unit{};
  }

  bool none() const { return sessions_.none(); }
  Duration deaf() const { return sessions_.deaf(); }
  bool all_heard() const {
    return std::ranges::all_of(ears_, [](auto& ear) { return ear.second->heard().has_value(); });
  }
  // When the first report came; later ones do not move it.
  std::optional<TimePoint> first_heard() {
    for (auto& [adapter, ear] : ears_)
      if (!first_ && ear->heard()) first_ = ear->heard()->at;
    return first_;
  }

  Heard take(const std::vector<DeviceState>& known) {
    Heard heard;
    heard.tokens = sessions_.take();
    for (auto& [adapter, ear] : ears_)
      if (auto& report = ear->heard()) heard.objects.push_back(object(adapter, *report, known));
    return heard;
  }

 private:
  // What a report leaves out (the bond) was known before, or there is no bond: BlueZ keeps objects of bonded
  // devices.
  DeviceState object(const std::string& adapter, const Ear::Report& report,
                     const std::vector<DeviceState>& known) const {
    DeviceState state{
        .path = report.path, .adapter = adapter, .address = device_.text(), .rssi = report.rssi};
    for (auto& each : known)
      if (each.path == report.path) state.bonded = each.bonded;
    return state;
  }

  Radio& radio_;
  DeviceAddress device_;
  Notice& wake_;
  std::vector<std::string> paths_;
  DiscoveryWindow sessions_;
  std::map<std::string, std::unique_ptr<Ear>> ears_;  // by adapter path
  std::optional<TimePoint> first_;
};

}  // namespace

Task<Outcome<Heard>> listen_for(Radio& radio, DeviceAddress device, const Terms& terms,
                                std::vector<DeviceState> known, TimePoint deadline, std::stop_token stop) {
  Notice wake{radio.executor};
  Notice::Forward stack{radio.bluez.stack_changed(), wake};
  Listeners listeners{radio, device, known, wake};
  for (;;) {
    auto followed = listeners.follow(terms);
    if (!followed.ok()) co_return followed.failure();
    if (radio.stack().owner.empty()) co_return Cause::stack_down;
    if (listeners.none()) co_return Cause::adapter_off;
    const auto first = listeners.first_heard();
    if (first && (listeners.all_heard() || radio.now() >= *first + kSlowerAdapters))
      co_return listeners.take(known);
    const auto window_over = deadline + listeners.deaf();
    if (radio.now() >= window_over) break;
    const auto until = first ? std::min(window_over, *first + kSlowerAdapters) : window_over;
    auto woken = co_await wake.until(until, stop);
    if (woken.by == Notice::Woken::stopped) co_return Cause::cancelled;
  }
  if (listeners.first_heard()) co_return listeners.take(known);
  co_return Cause::window_over;
}

}  // namespace bleconnd
