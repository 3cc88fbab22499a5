// The resolve: values of one device, looked at after every notice.
#include "procedures/resolve.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
constexpr auto kLook = 3s;  // GetAll answers in milliseconds
constexpr auto kRead =
    10s;  // one read of all objects; 0.3 s with 300 devices under emulation (measured, BlueZ 5.66)

bool has_service(const GattObjects& objects) {
  for (auto& [path, object] : objects)
    if (object.interface == "org.bluez.GattService1") return true;
  return false;
}

}  // namespace

Task<Outcome<>> resolve(Radio& radio, DeviceWatch& watch, Route route, Duration patience,
                        std::stop_token stop) {
  Notice wake{radio.executor};
  Notice::Forward device_changed{watch.changed(), wake};
  Notice::Forward stack_changed{radio.bluez.stack_changed(), wake};
  const auto deadline = radio.now() + patience;
  const auto& seen = watch.seen();
  bool looked = false;
  const auto losses = seen.links_down;  // a link that is up later can be another one
  for (;;) {
    if (auto cause = broken(radio.stack(), route); cause != Cause::bluez_error) co_return cause;
    if (!seen.connected || seen.links_down != losses) co_return Cause::link_lost;
    if (seen.services_resolved) break;
    if (radio.now() >= deadline) {
      if (looked) co_return Failure{Cause::services_incomplete, "ServicesResolved did not come"};
      // Its signal can be late, or missing. What the look tells, `seen` tells too.
      const auto until = radio.now() + kLook;
      (void)co_await radio.bluez.get_device(route.path, until, stop);
      if (stop.stop_requested()) co_return Cause::cancelled;
      looked = true;
      continue;
    }
    auto woken = co_await wake.until(deadline, stop);
    if (woken.by == Notice::Woken::stopped) co_return Cause::cancelled;
  }
  if (seen.gatt_whole && seen.gatt.has_service()) co_return Unit{};
  // The objects were there before we watched; or a busy bluetoothd tells of ServicesResolved before it tells
  // of its objects (20 ms, measured, 5.66). Read them once, from then on signals keep them.
  const auto until = radio.now() + kRead;
  auto read = co_await radio.bluez.read_services(route.path, until, stop);
  if (read.failed_by(Cause::cancelled)) co_return read.failure();
  if (auto cause = broken(radio.stack(), route); cause != Cause::bluez_error) co_return cause;
  if (!seen.connected || seen.links_down != losses) co_return Cause::link_lost;
  // That they could not be read says nothing about the link.
  if (!read.ok()) co_return unanswered_within(10, read.failure());
  if (!has_service(read.value()))
    co_return Failure{Cause::services_incomplete, "ServicesResolved came without services"};
  co_return Unit{};
}

}  // namespace bleconnd
