// Look-ups of the device's objects, cheap first.
#include "procedures/locate.hpp"

#include <algorithm>

#include "core/adapter_choice.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
constexpr auto kLookUp = 10s;  // GetAll answers in milliseconds; a starved bluetoothd was measured at seconds
                               // (BlueZ 5.66, 100 reports/s)

Route make_route(const Stack& stack, const AdapterState& adapter, std::string path) {
  return {.path = std::move(path),
          .adapter = adapter.path,
          .adapter_name = adapter.name,
          .adapter_address = adapter.address,
          .power_epoch = adapter.power_epoch,
          .owner = stack.owner};
}

const AdapterState* usable_adapter(const Radio& radio, const Terms& terms, const std::string& path) {
  const auto* adapter = radio.stack().adapter(path);
  return adapter && adapter->powered && radio.may_use(terms, *adapter) ? adapter : nullptr;
}

// An answer that says nothing of the device: the look-up as a whole has failed.
template <class T>
std::optional<Failure> unanswered(const Outcome<T>& looked) {
  if (looked.failed_by(Cause::timeout) || looked.failed_by(Cause::cancelled) ||
      looked.failed_by(Cause::stack_down))
    return unanswered_within(10, looked.failure());
  return {};
}

}  // namespace

Task<Outcome<std::vector<DeviceState>>> find_objects(Radio& radio, DeviceAddress device, const Terms& terms,
                                                     std::stop_token stop) {
  std::vector<DeviceState> found;
  std::vector<std::string> paths;
  for (auto& adapter : radio.stack().adapters)
    if (adapter.powered && radio.may_use(terms, adapter))
      paths.push_back(adapter.path + "/" + device.object_name());
  const auto deadline = radio.now() + kLookUp;
  for (auto& path : paths) {
    auto looked = co_await radio.bluez.get_device(path, deadline, stop);
    if (auto failure = unanswered(looked)) co_return *failure;
    if (looked.ok()) found.push_back(std::move(looked.value()));
  }
  if (!found.empty() || paths.empty()) co_return found;

  auto all = co_await radio.bluez.find_devices(device, deadline, stop);
  if (auto failure = unanswered(all)) co_return *failure;
  if (!all.ok()) co_return all.failure();
  for (auto& each : all.value())
    if (each.address == device.text() && usable_adapter(radio, terms, each.adapter))
      found.push_back(std::move(each));
  co_return found;
}

std::optional<Route> known_route(const Radio& radio, DeviceAddress device, const Terms& terms) {
  auto last = radio.routes.last_adapter(device);
  auto path = radio.routes.last_path(device);
  if (path.empty() || !radio.bluez.knows(path)) return {};
  for (auto& adapter : radio.stack().adapters) {
    if (adapter.address != last || !adapter.powered || !radio.may_use(terms, adapter)) continue;
    if (!path.starts_with(adapter.path + "/")) continue;  // the adapter has moved to another index
    if (radio.routes.failures(device, last, radio.now()) > 0) continue;
    if (radio.queue.full(last) || radio.avoids(adapter)) continue;
    return make_route(radio.stack(), adapter, path);
  }
  return {};
}

std::vector<Route> rank_routes(const Radio& radio, DeviceAddress device, const Terms& terms,
                               const std::vector<DeviceState>& objects) {
  std::vector<Candidate> candidates;
  std::vector<const DeviceState*> of;
  const auto last = radio.routes.last_adapter(device);
  for (auto& object : objects) {
    const auto* adapter = usable_adapter(radio, terms, object.adapter);
    if (!adapter) continue;
    candidates.push_back({.index = adapter->index,
                          .connected = object.connected,
                          .pinned = !terms.adapter.empty(),
                          .bonded = object.bonded,
                          .failing = radio.avoids(*adapter),
                          .rssi = object.rssi,
                          .failures = radio.routes.failures(device, adapter->address, radio.now()),
                          .has_services = radio.bluez.has_services(object.path),
                          .last_successful = adapter->address == last});
    of.push_back(&object);
  }
  const bool connected = std::ranges::any_of(candidates, &Candidate::connected);
  const bool bonded = std::ranges::any_of(candidates, &Candidate::bonded);
  std::vector<Route> routes;
  for (auto chosen = choose_adapter(candidates); chosen; chosen = choose_adapter(candidates)) {
    const auto at = static_cast<std::ptrdiff_t>(*chosen);
    const bool only_way = candidates[*chosen].bonded || candidates[*chosen].connected;
    if ((connected || bonded) && !only_way) break;  // another adapter has no key for it, or no link to it
    const auto& object = *of[*chosen];
    auto route = make_route(radio.stack(), *radio.stack().adapter(object.adapter), object.path);
    route.connected = object.connected;
    route.heard = object.rssi.has_value();  // BlueZ keeps RSSI only while somebody discovers
    routes.push_back(std::move(route));
    if (connected) break;
    candidates.erase(candidates.begin() + at);
    of.erase(of.begin() + at);
  }
  return routes;
}

bool unseen_adapter(const Radio& radio, const Terms& terms, const std::vector<DeviceState>& objects) {
  for (auto& adapter : radio.stack().adapters) {
    if (!adapter.powered || !radio.may_use(terms, adapter)) continue;
    if (radio.queue.full(adapter.address) || radio.avoids(adapter)) continue;
    bool seen = false;
    for (auto& object : objects) seen = seen || object.adapter == adapter.path;
    if (!seen) return true;
  }
  return false;
}

}  // namespace bleconnd
