// The services of a link: known from the cache before BlueZ has read them, and verified once it has.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <vector>

#include "core/gatt_database.hpp"
#include "core/packed_services.hpp"
#include "procedures/attempt.hpp"
#include "procedures/radio.hpp"

namespace bleconnd {

// The entry of the cache; none where it is older than it may be.
std::optional<CacheEntry> young_entry(Radio& radio, DeviceAddress device);

// Those of `entry`, where it is still in the cache and BlueZ has an object for each of them on this route:
// they can be used as soon as the link is up. Looks for its services where they are not followed yet (after a
// restart of this daemon).
Task<std::optional<GattDatabase>> cached_services(Radio& radio, DeviceWatch& watch, Route route,
                                                  DeviceAddress device, std::optional<CacheEntry> entry,
                                                  std::stop_token stop);

// Whether there are some already, where that is not known. Asked right before Connect, while the dial waits
// for the radio: from then on signals tell of all others.
Task<Unit> look_for_services(Radio& radio, DeviceWatch& watch, Route route, std::stop_token stop);

struct ServicesRead {
  GattDatabase services;
  std::uint32_t changes = 0;       // Observation::gatt_changes that it holds
  std::vector<std::uint8_t> hash;  // Database Hash, 16 bytes; empty: there is none, or it could not be read
};

// What BlueZ has after ServicesResolved, and what the device says of it. `again`: BlueZ's objects have
// changed since they were read. Failures: those of resolve(); `limits` for more objects than are kept.
Task<Outcome<ServicesRead>> read_services(Radio& radio, DeviceWatch& watch, Route route, Duration patience,
                                          bool again, std::stop_token stop);

// What is different from the entry and from what was told before, for the journal; empty: nothing. Saves what
// is new, and what the entry says of its age once that has grown by an hour.
std::vector<std::string> keep_services(Radio& radio, DeviceAddress device, const Route& route,
                                       const std::optional<PackedServices>& told, const ServicesRead& read);

// Right after the start of this daemon BlueZ is not looked at yet: until it is, or is seen not to be there, 2
// s at most.
Task<Unit> bluez_looked_at(Radio& radio);

// Removes BlueZ's own copies with their objects: of a device that is neither connected, bonded nor trusted
// there, or of any (`force`). How many went.
// `is_spared` is asked right before each; it may be empty.
Task<std::uint32_t> forget_in_bluez(Radio& radio, DeviceAddress device, bool force,
                                    std::function<bool()> is_spared = {});

}  // namespace bleconnd
