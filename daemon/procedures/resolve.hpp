// Waits until the services of a link are usable, and does not believe it without seeing them.
#pragma once
#include <stop_token>

#include "procedures/attempt.hpp"
#include "procedures/radio.hpp"

namespace bleconnd {

// Ok: ServicesResolved, and GattService1 objects of the device are there (BlueZ sets ServicesResolved after a
// failed discovery too). Failures: link_lost, services_incomplete (none, or not within `patience`),
// adapter_off, stack_down, cancelled, or what BlueZ said to the reading. The link is left as
// it is.
Task<Outcome<>> resolve(Radio& radio, DeviceWatch& watch, Route route, Duration patience,
                        std::stop_token stop);

}  // namespace bleconnd
