// What a run of attempts may use. Each call and each maintained lease has its own; those of a run are the
// largest of those who wait for it.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

#include "core/dial_order.hpp"

namespace bleconnd {

struct Terms {
  std::chrono::seconds attempt_timeout{20};  // 1–300 s; each discovery window, dial and resolve
  std::uint32_t max_attempts = 4;            // 1–100
  std::string adapter{};                     // hciN or an adapter address; empty: any
  bool pair = false;
  bool trust = false;     // sets Device1.Trusted before the dial
  bool use_cache = true;  // a link is enough where the services are known and BlueZ has their objects
  Priority priority = Priority::normal;  // in the dial queue
  bool maintain = false;                 // of a call: its lease connects again after a loss
  // Of a run only:
  bool adopt_only = false;  // a link that is up, or none: nothing is dialled or discovered
  bool unattended = false;  // nobody waits: one dial, and no discovery window of its own
  bool yields = false;      // it has failed already: not where the dials of all fail (AdapterCircuit)
  bool operator==(const Terms&) const = default;
};

}  // namespace bleconnd
