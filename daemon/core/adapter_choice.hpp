// Which adapter dials a device that several of them know. Pure: values in, an index out.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace bleconnd {

struct Candidate {
  unsigned index = 0;                  // N of hciN
  bool connected = false;              // BlueZ says the device is connected there
  bool pinned = false;                 // the caller asked for this adapter
  bool bonded = false;                 // this adapter holds the bond
  bool failing = false;                // dials of different devices fail there (AdapterCircuit)
  std::optional<std::int16_t> rssi{};  // dBm; missing means unknown, not worst
  std::uint32_t failures = 0;          // recent failures of this device on this adapter
  bool has_services = false;           // BlueZ still has the GATT objects of the device there
  bool last_successful = false;        // this adapter made the last link to this device
};

inline constexpr int kSwitchDb = 5;   // dB a rival must be better by
inline constexpr int kFailureDb = 5;  // dB that a recent failure costs: at equal RSSI the next goes elsewhere

// Position in `candidates` (all powered and usable) or none if empty. Connected first (lowest index of
// several); else pinned; else bonded (of several bonded ones the rules below); else one that is not failing;
// of these the incumbent, which is
// the one that still has the services, else the last successful, else the lowest index, unless a rival is
// better: RSSI less kFailureDb for each recent failure, better by kSwitchDb; where either RSSI is unknown,
// fewer failures. Rivals are asked in the order of their index, each against the best so far (the comparison
// is not transitive); the order of `candidates` does not matter.
std::optional<std::size_t> choose_adapter(std::span<const Candidate> candidates);

}  // namespace bleconnd
