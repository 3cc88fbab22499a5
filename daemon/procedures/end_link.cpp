// Mildest first: Disconnect, patience, RemoveDevice.
#include "procedures/end_link.hpp"

#include <memory>

#include "procedures/settle.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
constexpr auto kHangUp = 10s;  // two Disconnects; one answers in milliseconds
constexpr auto kLook = 5s;     // milliseconds, or bluetoothd is starved

}  // namespace

// Once more where the first call was lost or refused: what stayed would look like another program's.
Task<bool> hang_up(Radio& radio, DeviceWatch& watch) {
  const auto path = watch.path();
  const LinkMark link{watch};
  for (int tries = 0; tries < 2; ++tries) {
    const auto deadline = radio.now() + kHangUp / 2;
    const auto ended = co_await radio.bluez.disconnect(path, deadline, unstoppable());
    const bool stays = ended.failed_by(Cause::timeout) || ended.failed_by(Cause::bluez_error);
    if (!stays) co_return true;
    if (link.is_over(watch)) co_return true;
  }
  co_return false;
}

Task<bool> until_ended(Radio& radio, DeviceWatch& watch, LinkMark link) {
  const auto down_by = radio.now() + kLinkDown;
  while (link.is_still(watch) && radio.now() < down_by)
    co_await watch.changed().until(down_by, unstoppable());
  co_return co_await forget_phantom(radio, watch, link, unstoppable());
}

Task<bool> forget_phantom(Radio& radio, DeviceWatch& watch, LinkMark link, std::stop_token stop) {
  if (!link.is_still(watch)) co_return true;
  const auto path = watch.path();
  const auto look_until = radio.now() + kLook;
  auto looked = co_await radio.bluez.get_device(path, look_until, stop);
  if (looked.failed_by(Cause::object_gone) || !link.is_still(watch)) co_return true;
  if (!looked.ok() || looked.value().bonded || looked.value().trusted) co_return false;
  const auto deadline = radio.now() + kLook;
  auto gone = co_await radio.bluez.remove_device(path, deadline, stop);
  co_return gone.ok();
}

Task<bool> end_link(Radio& radio, DeviceWatch& watch) {
  const LinkMark link{watch};
  const auto answered = co_await hang_up(radio, watch);
  if (answered) co_return co_await until_ended(radio, watch, link);
  (void)co_await until_link_down(radio, &watch, unstoppable());
  co_return !link.is_still(watch);
}

Task<Unit> end_left_behind(Radio& radio, std::string path, std::stop_token stop) {
  auto watched = radio.bluez.watch(path);
  if (!watched.ok()) co_return Unit{};
  const std::shared_ptr<DeviceWatch> watch = std::move(watched.value());
  const auto ended = co_await hang_up(radio, *watch);
  if (ended) radio.dials.cleared(path);
  (void)co_await until_link_down(radio, watch.get(), stop);
  co_return Unit{};
}

}  // namespace bleconnd
