// How many attempts there are, and what the last one is told.
// Four attempts, nine transient failures: the contract that users of the Python library know.
#include "core/retry_budget.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace bleconnd {
namespace {

using namespace std::chrono_literals;

constexpr int kNever = 1000;

// The number of failures that `causes`, over and over, make until the budget gives up.
int failures_until_the_end(const std::vector<Cause>& causes, std::uint32_t max_attempts) {
  RetryBudget budget;
  for (int n = 1; n <= kNever; ++n)
    if (budget.after(causes[static_cast<std::size_t>(n - 1) % causes.size()], max_attempts).give_up) return n;
  return kNever;
}

TEST(RetryBudget, GivesUpAfter) {
  const auto timeout = Cause::window_over, error = Cause::bluez_error, transient = Cause::aborted;
  struct Row {
    const char* what;
    std::vector<Cause> causes;
    std::uint32_t max_attempts;
    int attempts;
  };
  const Row rows[] = {
      {"only timeouts", {timeout}, 4, 4},
      {"only connect errors", {error}, 4, 4},
      {"both share one bound", {timeout, error}, 4, 4},
      {"only transient ones", {transient}, 4, 9},
      {"every kind of timeout", {timeout, Cause::dial_timeout_heard, Cause::dial_timeout_unheard}, 4, 4},
      {"transient of every kind",
       {Cause::object_gone, Cause::link_lost, Cause::slot_refused, Cause::no_link},
       4,
       9},
      {"in turn: the fourth timeout is the seventh failure", {timeout, transient}, 4, 7},
      {"in turn: the ninth transient comes after two errors",
       {transient, transient, transient, transient, error},
       4,
       11},
      {"the most there can be",
       {timeout, error, timeout, transient, transient, transient, transient, transient, transient, transient,
        transient, error},
       4,
       12},
      {"one attempt: one timeout", {timeout}, 1, 1},
      {"one attempt: transient bound 3", {transient}, 1, 3},
      {"one attempt: two transient ones, then a timeout", {transient, transient, timeout}, 1, 3},
      {"two attempts: transient bound 5", {transient}, 2, 5},
      {"three attempts: transient bound 7", {transient}, 3, 7},
      {"a hundred attempts", {error}, 100, 100},
      {"the transient bound does not grow beyond 9", {transient}, 100, 9},
      {"hopeless at once", {Cause::key_missing}, 100, 1},
      {"hopeless later", {transient, timeout, Cause::denied}, 4, 3},
      {"the adapter is waited for", {Cause::adapter_off}, 1, kNever},
      {"bluetoothd is waited for", {Cause::stack_down}, 1, kNever},
      {"another program's dial is waited for", {Cause::in_progress}, 1, kNever},
      {"the uncounted do not count",
       {Cause::adapter_off, timeout, Cause::stack_down, Cause::in_progress},
       4,
       14},
      {"another program's dial for too long", {Cause::in_progress, Cause::in_progress_too_long}, 4, 8},
  };
  for (const auto& row : rows)
    EXPECT_EQ(failures_until_the_end(row.causes, row.max_attempts), row.attempts) << row.what;
}

TEST(RetryBudget, TransientBound) {
  const std::pair<std::uint32_t, std::uint32_t> rows[] = {{1, 3}, {2, 5}, {3, 7}, {4, 9}, {5, 9}, {100, 9}};
  for (const auto& [max_attempts, bound] : rows) EXPECT_EQ(RetryBudget::transient_bound(max_attempts), bound);
}

TEST(RetryBudget, SaysWhichFailureOfWhichBoundAndHowLongToWait) {
  struct Row {
    Cause cause;
    bool give_up;
    std::chrono::milliseconds delay;
    std::uint32_t failure, bound;
  };
  const Row rows[] = {
      {Cause::window_over, false, 0ms, 1, 4},     {Cause::aborted, false, 250ms, 1, 9},
      {Cause::adapter_off, false, 250ms, 0, 0},   {Cause::bluez_error, false, 250ms, 2, 4},
      {Cause::slot_refused, false, 4000ms, 2, 9}, {Cause::dial_timeout_heard, false, 0ms, 3, 4},
      {Cause::in_progress, false, 250ms, 0, 0},   {Cause::services_incomplete, true, 0ms, 4, 4},
  };
  RetryBudget budget;
  for (const auto& row : rows) {
    const auto decision = budget.after(row.cause, 4);
    EXPECT_EQ(decision.give_up, row.give_up) << bleconnd::row(row.cause).token;
    EXPECT_EQ(decision.delay, row.delay) << bleconnd::row(row.cause).token;
    EXPECT_EQ(decision.failure, row.failure) << bleconnd::row(row.cause).token;
    EXPECT_EQ(decision.bound, row.bound) << bleconnd::row(row.cause).token;
  }
}

TEST(RetryBudget, TheLastFailurePaysNoWait) {
  for (int i = 0; i < kCauses; ++i) {
    RetryBudget budget;
    for (int n = 0; n < 20; ++n) {
      const auto decision = budget.after(static_cast<Cause>(i), 1);
      if (!decision.give_up) continue;
      EXPECT_EQ(decision.delay, 0ms) << i;
      break;
    }
  }
}

TEST(RetryBudget, LostLinksAreCountedOverTheRun) {
  const std::chrono::milliseconds waits[] = {0ms, 0ms, 0ms, 0ms, 250ms, 500ms, 1000ms, 2000ms};
  RetryBudget budget;
  Cause cause = Cause::link_lost;
  for (const auto wait : waits) {
    EXPECT_EQ(budget.after(cause, 4).delay, wait);
    cause = cause == Cause::link_lost ? Cause::no_link : Cause::link_lost;  // both are "link-lost"
    budget.after(Cause::adapter_off, 4);  // something else in between does not start them afresh
  }
  EXPECT_TRUE(budget.after(Cause::link_lost, 4).give_up);
}

TEST(RetryBudget, InProgressIsCountedInARow) {
  RetryBudget budget;
  for (int n = 1; n <= 4; ++n) EXPECT_EQ(budget.after(Cause::in_progress, 4).delay, 250ms) << n;
  EXPECT_EQ(budget.after(Cause::in_progress, 4).delay, 1000ms);
  EXPECT_EQ(budget.after(Cause::in_progress_too_long, 4).delay, 1000ms) << "the same dial, still";
  EXPECT_EQ(budget.after(Cause::aborted, 4).delay, 250ms);
  EXPECT_EQ(budget.after(Cause::in_progress, 4).delay, 250ms) << "another one";
}

TEST(RetryBudget, FollowsTheLargestBudgetOfThoseWhoWait) {
  RetryBudget budget;
  EXPECT_FALSE(budget.after(Cause::window_over, 2).give_up);
  const auto raised = budget.after(Cause::window_over, 6);  // somebody joined with 6
  EXPECT_FALSE(raised.give_up);
  EXPECT_EQ(raised.failure, 2U);
  EXPECT_EQ(raised.bound, 6U);
  EXPECT_FALSE(budget.after(Cause::window_over, 6).give_up);
  EXPECT_TRUE(budget.after(Cause::aborted, 2).give_up) << "and left again: three attempts are more than two";
}

}  // namespace
}  // namespace bleconnd
