// How long to wait after a failed attempt. Pure: the caller says what failed and how often in a row.
#pragma once
#include <chrono>
#include <cstdint>

#include "core/failure.hpp"

namespace bleconnd {

// What the administrator may change of it.
struct Pauses {
  std::chrono::milliseconds link_lost_longest{2000};
  std::chrono::milliseconds slot_refused{4000};
  bool operator==(const Pauses&) const = default;
};

// `links_lost` counts the links of this run that were lost, or not there though BlueZ answered success, this
// one included (>= 1 for link_lost and no_link); `in_progress` the answers "in progress" in a row, this one
// included.
// - link_lost, no_link: the first four retries at once, then 0.25 s doubling to `link_lost_longest` (2 s);
// - in_progress, in_progress_too_long: 0.25 s four times, then 1 s (asked after, not fought);
// - adapter_busy (gave way to others) and not heard (window_over, dial timeouts, object_gone,
// removed_unheard): 0, the next window starts at once;
// - slot_refused `slot_refused` (4 s), aborted_esp_long 1 s, aborted_esp_medium 0.5 s, every other cause 0.25
// s. Sources: the figures of the Python library's contract, and of dbus-interfaces/org.bleconnd.xml.
std::chrono::milliseconds backoff(Cause cause, std::uint32_t links_lost, std::uint32_t in_progress,
                                  const Pauses& pauses = {});

}  // namespace bleconnd
