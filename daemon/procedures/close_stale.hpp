// Links of a device that BlueZ has and nobody leases here: left by a program that crashed, or on another
// adapter.
#pragma once
#include <cstdint>
#include <functional>
#include <stop_token>

#include "procedures/radio.hpp"

namespace bleconnd {

// Ends them and waits until they are down. What stays up for 5 s after an answered Disconnect is a phantom:
// BlueZ forgets its object, unless it is bonded or trusted. `held` tells paths that are none of these.
// Answers how many have gone.
Task<Outcome<std::uint32_t>> close_stale(Radio& radio, DeviceAddress device,
                                         std::function<bool(const DeviceState&)> held);

}  // namespace bleconnd
