// Two counters with a bound each.
// At most (max_attempts - 1) + (transient_bound - 1) + 1 counted failures: 12 by default.
#include "core/retry_budget.hpp"

namespace bleconnd {

std::uint32_t RetryBudget::transient_bound(std::uint32_t max_attempts) {
  return max_attempts >= 4 ? 9 : 2 * max_attempts + 1;
}

void RetryBudget::count(Cause cause, Counter counter) {
  if (counter == Counter::timeouts || counter == Counter::connect_errors) ++attempts_;
  if (counter == Counter::transient) ++transient_;
  if (cause == Cause::link_lost || cause == Cause::no_link) ++links_lost_;
  const bool in_progress = cause == Cause::in_progress || cause == Cause::in_progress_too_long;
  in_progress_ = in_progress ? in_progress_ + 1 : 0;
}

RetryBudget::Decision RetryBudget::after(Cause cause, std::uint32_t max_attempts, const Pauses& pauses) {
  const auto counter = row(cause).counter;
  count(cause, counter);
  if (counter == Counter::hopeless) return {true, {}, 0, 0};

  const auto delay = backoff(cause, links_lost_, in_progress_, pauses);
  if (counter == Counter::none) return {false, delay, 0, 0};

  const bool transient = counter == Counter::transient;
  const auto failure = transient ? transient_ : attempts_;
  const auto bound = transient ? transient_bound(max_attempts) : max_attempts;
  const bool give_up = attempts_ >= max_attempts || transient_ >= transient_bound(max_attempts);
  if (give_up) return {true, {}, failure, bound};
  return {false, delay, failure, bound};
}

}  // namespace bleconnd
