// Discovers until the device is heard or the window is over.
#pragma once
#include <stop_token>
#include <vector>

#include "procedures/attempt.hpp"
#include "procedures/radio.hpp"

namespace bleconnd {

struct Heard {
  std::vector<DeviceState> objects;  // one an adapter that heard it, with its RSSI
  std::vector<Discovery::Token>
      tokens;  // the sessions, kept so that StopDiscovery is sent right behind Connect
};

// On every powered adapter that the terms allow, also on those that come up meanwhile. `known` are objects
// whose path may differ from the device's address. Where several adapters listen, those that are a moment
// slower are waited for, so that RSSI can choose. window_over: not heard by `deadline`, which moves on while
// dials have the radios of all of them. adapter_off, stack_down: no usable adapter is left.
Task<Outcome<Heard>> listen_for(Radio& radio, DeviceAddress device, const Terms& terms,
                                std::vector<DeviceState> known, TimePoint deadline, std::stop_token stop);

}  // namespace bleconnd
