// Finds the device: the objects that BlueZ has on each usable adapter, and the one to dial.
#pragma once
#include <optional>
#include <stop_token>
#include <vector>

#include "procedures/attempt.hpp"
#include "procedures/radio.hpp"

namespace bleconnd {

// Every object of the device on a powered adapter that the terms allow. GetAll on the computed path of each;
// only if none answers, one read of all objects that compares Address, since a path keeps the address that
// its object was made with. May be empty.
Task<Outcome<std::vector<DeviceState>>> find_objects(Radio& radio, DeviceAddress device, const Terms& terms,
                                                     std::stop_token stop);

// A way that needs no look-up: an object that is still known on the adapter of the last link, no failure
// since.
std::optional<Route> known_route(const Radio& radio, DeviceAddress device, const Terms& terms);

// The objects that may be dialled, by choose_adapter(), the best first: where one is connected or pinned only
// that, of a bonded device only those that hold the bond. Empty if `objects` holds nothing usable.
std::vector<Route> rank_routes(const Radio& radio, DeviceAddress device, const Terms& terms,
                               const std::vector<DeviceState>& objects);

// Whether an adapter that the terms allow, and that has a slot free, has no object of the device: it may
// still be heard there.
bool unseen_adapter(const Radio& radio, const Terms& terms, const std::vector<DeviceState>& objects);

}  // namespace bleconnd
