// A discovery window: tokens for the sessions, one ear an adapter, one notice for all of them.
#include "procedures/listen_for.hpp"

#include <algorithm>

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
// After the first report the other adapters get this long: enough for the same advertising event (10 ms at
// most, Core specification Vol 6 Part B, 4.4.2) to come through every bluetoothd's idle handler and the bus,
// or for a device that advertises every 30 to 60 ms, as it should while it wants a connection (Vol 3 Part C,
// appendix A); short enough to dial within 100 ms of the report.
constexpr auto kSlowerAdapters = 80ms;

struct Listener {
  std::string adapter;
  std::uint64_t power_epoch;
  std::unique_ptr<Ear> ear;
  Discovery::Token token;
  Duration deaf_before;
};

class Listeners {
 public:
  Listeners(Radio& radio, DeviceAddress device, const std::vector<DeviceState>& known, Notice& wake)
      : radio_{radio}, device_{device}, wake_{wake} {
    for (auto& object : known) paths_.push_back(object.path);
  }

  // Follows adapters as they come and go. limits: no ear was to be had and none is open.
  Outcome<> follow(const Terms& terms) {
    std::erase_if(open_, [&](const Listener& open) {
      const auto* adapter = radio_.stack().adapter(open.adapter);
      return !adapter || !adapter->powered || adapter->power_epoch != open.power_epoch;
    });
    for (auto& adapter : radio_.stack().adapters) {
      if (!adapter.powered || !may_use(terms, adapter) || listens(adapter.path)) continue;
      auto ear = radio_.bluez.listen(adapter.path, device_, paths_, wake_);
      if (!ear.ok() && open_.empty()) return ear.failure();
      if (!ear.ok()) continue;
      auto token = radio_.discovery.join(adapter.path);
      const auto deaf_before = token.deaf(radio_.now());
      open_.push_back(
          {adapter.path, adapter.power_epoch, std::move(ear.value()), std::move(token), deaf_before});
    }
    return Unit{};
  }

  bool none() const { return open_.empty(); }
  bool all_heard() const {
    return std::all_of(open_.begin(), open_.end(), [](auto& open) { return open.ear->heard().has_value(); });
  }
  // When the first report came; later ones do not move it.
  std::optional<TimePoint> first_heard() {
    for (auto& open : open_)
      if (!first_ && open.ear->heard()) first_ = open.ear->heard()->at;
    return first_;
  }

  // How long no adapter at all has listened, since dials had their radios: that is no part of a window.
  Duration deaf() const {
    auto least = Duration::max();
    for (auto& open : open_) least = std::min(least, open.token.deaf(radio_.now()) - open.deaf_before);
    return open_.empty() ? Duration{} : least;
  }

  Heard take(const std::vector<DeviceState>& known) {
    Heard heard;
    for (auto& open : open_) {
      heard.tokens.push_back(std::move(open.token));
      if (auto& report = open.ear->heard()) heard.objects.push_back(object(open.adapter, *report, known));
    }
    return heard;
  }

 private:
  bool listens(const std::string& adapter) const {
    return std::any_of(open_.begin(), open_.end(), [&](auto& open) { return open.adapter == adapter; });
  }
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
  std::vector<Listener> open_;
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
