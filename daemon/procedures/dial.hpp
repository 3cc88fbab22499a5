// One Connect (or Pair) of one object, watched on every side that BlueZ can end it on, and taken back when we
// give it up.
#pragma once
#include <optional>
#include <stop_token>
#include <vector>

#include "procedures/attempt.hpp"
#include "procedures/radio.hpp"

namespace bleconnd {

struct Dialled {
  bool was_up = false;  // the link was there before the dial: somebody else's
};

// Ok only with a link: a method return alone says nothing. Failures: dial_timeout_*, removed_* (a Connect
// whose object goes is never answered), no_link, link_lost, adapter_off, stack_down, cancelled, or what BlueZ
// said. A dial that we give up has been answered by Device1.Disconnect before this returns, except where its
// object or bluetoothd is gone, or the dial or the link is somebody else's. `discovering` is dropped behind
// Connect, and the adapter discovers for nobody until the dial is over. `turn` is given back as soon as the
// dial is over: why it failed is found out on nobody's time.
Task<Outcome<Dialled>> dial(Radio& radio, DeviceWatch& watch, Route route, DeviceAddress device,
                            const Terms& terms, std::vector<Discovery::Token> discovering,
                            std::optional<DialQueue::Turn>& turn, std::stop_token stop);

}  // namespace bleconnd
