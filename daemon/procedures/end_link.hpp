// Ends what BlueZ has of a device: a link, a dial, or what is left of either.
#pragma once
#include <stop_token>
#include <string>

#include "procedures/radio.hpp"

namespace bleconnd {

// Device1.Disconnect, which ends a link or a dial; never stopped early. False: neither of two was answered as
// done, within 10 s.
Task<bool> hang_up(Radio& radio, DeviceWatch& watch);

// To be asked where a link stays up kLinkDown after an answered Disconnect: that is a phantom, and only the
// removal of its object ends it. Never of a bonded or trusted device. True: no link is left.
Task<bool> forget_phantom(Radio& radio, DeviceWatch& watch, std::stop_token stop);

// hang_up(), the wait until the link is down, and forget_phantom(). True: no link is left.
Task<bool> end_link(Radio& radio, DeviceWatch& watch, std::stop_token stop);

// A dial or a link that a former life of this daemon left behind at `path`, and that nobody wants.
Task<Unit> end_left_behind(Radio& radio, std::string path, std::stop_token stop);

}  // namespace bleconnd
