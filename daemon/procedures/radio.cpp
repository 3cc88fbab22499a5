// What changes with the settings at once.
#include "procedures/radio.hpp"

#include <algorithm>

namespace bleconnd {

bool Radio::any_adapter() const {
  return std::ranges::any_of(stack().adapters,
                             [this](auto& each) { return each.powered && !settings.ignores(each.address); });
}

void Radio::configure(Settings now) {
  const bool other_adapters = std::ranges::any_of(stack().adapters, [&](auto& each) {
    return settings.ignores(each.address) != now.ignores(each.address);
  });
  settings = std::move(now);
  queue.configure(settings.slots());
  if (!other_adapters) return;
  queue.look_again();
  bluez.stack_changed().notify();  // whoever waits for an adapter, or listens to one
}

}  // namespace bleconnd
