// The table of waits.
// A wait is the longest: the procedure ends it early when a signal says that trying again makes sense.
#include "core/backoff.hpp"

#include <algorithm>

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

milliseconds after_lost_link(std::uint32_t links_lost, milliseconds longest) {
  constexpr std::uint32_t at_once = 4;
  if (links_lost <= at_once) return 0ms;
  const auto doublings = std::min(links_lost - at_once - 1, 3U);  // 0.25 s x 8 = 2 s
  return std::min(250ms * (1 << doublings), longest);
}

}  // namespace

milliseconds backoff(Cause cause, std::uint32_t links_lost, std::uint32_t in_progress, const Pauses& pauses) {
  switch (cause) {
    case Cause::link_lost:
    case Cause::no_link:
      return after_lost_link(links_lost, pauses.link_lost_longest);
    case Cause::in_progress:
    case Cause::in_progress_too_long:
      return in_progress <= 4 ? 250ms : 1000ms;
    case Cause::window_over:
    case Cause::dial_timeout_heard:
    case Cause::dial_timeout_unheard:
    case Cause::object_gone:
    case Cause::removed_unheard:
    case Cause::adapter_busy:
      return 0ms;
    case Cause::slot_refused:
      return pauses.slot_refused;
    case Cause::aborted_esp_long:
      return 1000ms;
    case Cause::aborted_esp_medium:
      return 500ms;
    default:
      return 250ms;
  }
}

}  // namespace bleconnd
