// One read for everybody who needs it at the same time, then one watch a link.
#include "procedures/link_census.hpp"

#include <algorithm>

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
constexpr auto kRead =
    3s;  // a read of all objects; 0.3 s with 300 devices under emulation (measured, BlueZ 5.66)
constexpr auto kLook = 10s;

}  // namespace

bool LinkCensus::must_count(const std::vector<std::string>& adapters, TimePoint since) const {
  for (auto& adapter : bluez_.stack().adapters) {
    if (!adapter.powered || std::ranges::find(adapters, adapter.address) == adapters.end()) continue;
    if (!queue_.slots().watched(adapter.address, executor_.now())) continue;
    const auto at = counted_.find(adapter.address);
    if (at == counted_.end() || at->second.power_epoch != adapter.power_epoch) return true;
    if (at->second.asked < since) return true;
  }
  return false;
}

Task<Unit> LinkCensus::bring_up_to_date(std::vector<std::string> adapters, DeviceAddress device,
                                        std::stop_token stop) {
  const auto since = executor_.now() - kCurrent;
  while (must_count(adapters, since) && !stop.stop_requested()) {
    if (reading_) {
      co_await counted_now_.until(kNever, stop);
      if (read_failed_) break;  // one that is not answered is not asked for by each in turn
      continue;
    }
    const auto asked = executor_.now();
    auto all = co_await read(device, stop);
    if (!all.ok()) break;  // dialled all the same: the controller has the last word
    count(all.value(), asked);
  }
  co_return Unit{};
}

Task<std::uint32_t> LinkCensus::links(std::string adapter, DeviceAddress device, std::stop_token stop) {
  const auto asked = executor_.now();
  auto all = co_await read(device, stop);
  if (!all.ok()) co_return 0U;
  count(all.value(), asked);
  std::uint32_t links = 0;
  for (auto& each : all.value()) {
    const auto* on = bluez_.stack().adapter(each.adapter);
    links +=
        on && on->address == adapter && each.connected && each.low_energy && each.address != device.text();
  }
  co_return links;
}

Task<Outcome<std::vector<DeviceState>>> LinkCensus::read(DeviceAddress device, std::stop_token stop) {
  const Reading reading{*this};
  const auto deadline = executor_.now() + kRead;
  auto all = co_await bluez_.find_devices(device, deadline, stop);
  read_failed_ = !all.ok() && !all.failed_by(Cause::cancelled);
  co_return all;
}

void LinkCensus::count(const std::vector<DeviceState>& devices, TimePoint asked) {
  for (auto& adapter : bluez_.stack().adapters) {
    if (!adapter.powered) continue;
    std::set<DeviceAddress> others;
    for (auto& each : devices) {
      const auto address = DeviceAddress::parse(each.address);
      if (each.adapter != adapter.path || !each.connected || !each.low_energy || !address) continue;
      if (queue_.slots().holds(adapter.address, *address)) continue;
      others.insert(*address);
      if (!followed_.insert(each.path).second) continue;
      if (!following_) following_ = std::make_unique<Scope>(executor_);
      following_->spawn(follow_link(each.path, adapter.address, *address));
    }
    counted_.insert_or_assign(adapter.address, Count{adapter.power_epoch, asked});
    queue_.others(adapter.address, std::move(others));
  }
}

// Until it ends. A link that cannot be followed counts until the next count, and is followed from then on.
Task<Unit> LinkCensus::follow_link(std::string path, std::string adapter, DeviceAddress device) {
  auto watched = bluez_.watch(path);
  if (!watched.ok()) {
    followed_.erase(path);
    co_return Unit{};
  }
  const std::shared_ptr<DeviceWatch> watch = std::move(watched.value());
  // A watch that has just begun knows no values yet.
  const auto deadline = executor_.now() + kLook;
  auto looked = co_await bluez_.get_device(path, deadline, unstoppable());
  if (looked.ok() || looked.failed_by(Cause::object_gone))
    while (watch->seen().connected) co_await watch->changed().until(kNever, unstoppable());
  followed_.erase(path);
  queue_.other_went(adapter, device);
  co_return Unit{};
}

// What was counted last stays the best guess; it is counted anew before the next dial.
void LinkCensus::forget() {
  following_.reset();
  followed_.clear();
  counted_.clear();
}

}  // namespace bleconnd
