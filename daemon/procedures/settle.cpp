// Waits on values: what was true when the wait began, and what has become better since.
#include "procedures/settle.hpp"

#include <algorithm>
#include <optional>

namespace bleconnd {
Hope::Hope(const Stack& stack, const DeviceWatch* watch) : owner{stack.owner} {
  if (watch) heard = watch->seen().heard;
  if (watch) links_up = watch->seen().links_up;
  for (auto& adapter : stack.adapters)
    if (adapter.powered) powered = std::max(powered, adapter.power_epoch);
}

bool Hope::better_than(const Hope& before) const {
  return heard > before.heard || links_up > before.links_up || powered > before.powered ||
         (before.owner != owner && !owner.empty());
}

Task<Outcome<>> until_link_down(Radio& radio, DeviceWatch* watch, std::stop_token stop) {
  const auto deadline = radio.now() + kLinkDown;
  while (watch && watch->seen().connected && radio.now() < deadline) {
    auto woken = co_await watch->changed().until(deadline, stop);
    if (woken.by == Notice::Woken::stopped) co_return Cause::cancelled;
  }
  co_return Unit{};
}

Task<Outcome<>> back_off(Radio& radio, DeviceWatch* watch, std::chrono::milliseconds delay, Setback behind,
                         std::stop_token stop) {
  Notice wake{radio.executor};
  Notice::Forward stack_changed{radio.bluez.stack_changed(), wake};
  std::optional<Notice::Forward> device_changed;
  if (watch) device_changed.emplace(watch->changed(), wake);
  std::optional<Notice::Forward> slots_changed;
  const bool slot_refused = behind.cause == Cause::slot_refused;
  if (slot_refused) slots_changed.emplace(radio.queue.changes(), wake);

  const auto due = radio.now() + delay;
  const bool other_dials = behind.cause == Cause::in_progress || behind.cause == Cause::in_progress_too_long;
  const auto& slots = radio.queue.slots();
  const auto links_ended = slots.links_ended(behind.adapter);
  Hope before{radio.stack(), watch};
  // Without bluetoothd or a powered adapter there is a longer wait, which callers are told of.
  while (radio.now() < due && radio.any_adapter()) {
    auto woken = co_await wake.until(due, stop);
    if (woken.by == Notice::Woken::stopped) co_return Cause::cancelled;
    const Hope now{radio.stack(), watch};
    if (other_dials) before.heard = now.heard;
    if (now.better_than(before)) break;
    if (slot_refused && slots.links_ended(behind.adapter) > links_ended) break;
  }
  if (stop.stop_requested()) co_return Cause::cancelled;
  co_return Unit{};
}

}  // namespace bleconnd
