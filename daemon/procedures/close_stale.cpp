// One after another: a device has a link on few adapters.
#include "procedures/close_stale.hpp"

#include "procedures/end_link.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
constexpr auto kLook = 10s;

// False: it is still there.
Task<bool> close_link(Radio& radio, DeviceState object, std::function<bool(const DeviceState&)> held) {
  auto watched = radio.bluez.watch(object.path);
  if (!watched.ok()) co_return false;
  const std::shared_ptr<DeviceWatch> watch = std::move(watched.value());
  // A watch that has just begun knows no values yet.
  const auto look_until = radio.now() + kLook;
  auto looked = co_await radio.bluez.get_device(object.path, look_until, unstoppable());
  if (!looked.ok() || !looked.value().connected) co_return true;
  if (held(object)) co_return false;  // since then
  const auto ended = co_await end_link(radio, *watch);
  if (ended) radio.dials.cleared(object.path);
  co_return ended;
}

}  // namespace

Task<Outcome<std::uint32_t>> close_stale(Radio& radio, DeviceAddress device,
                                         std::function<bool(const DeviceState&)> held) {
  const auto deadline = radio.now() + kLook;
  auto objects = co_await radio.bluez.find_devices(device, deadline, unstoppable());
  if (!objects.ok()) co_return unanswered_within(10, objects.failure());
  std::uint32_t closed = 0;
  for (auto& object : objects.value()) {
    if (object.address != device.text() || !object.connected || held(object)) continue;
    const auto gone = co_await close_link(radio, object, held);
    closed += gone ? 1 : 0;
  }
  co_return closed;
}

}  // namespace bleconnd
