// Every cause's wait, and how the two that grow grow.
// The figures are documented for callers: AttemptFailed announces them as retry_in_usec.
#include "core/backoff.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <map>

namespace bleconnd {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, WaitsByCause) {
  const std::map<Cause, std::chrono::milliseconds> not_the_usual{
      {Cause::window_over, 0ms},
      {Cause::dial_timeout_heard, 0ms},
      {Cause::dial_timeout_unheard, 0ms},
      {Cause::object_gone, 0ms},
      {Cause::removed_unheard, 0ms},
      {Cause::link_lost, 0ms},
      {Cause::aborted_esp_medium, 500ms},
      {Cause::aborted_esp_long, 1000ms},
      {Cause::slot_refused, 4000ms},
      {Cause::adapter_busy, 0ms},
      {Cause::no_link, 0ms},
  };
  for (int i = 0; i < kCauses; ++i) {
    const auto cause = static_cast<Cause>(i);
    const auto found = not_the_usual.find(cause);
    EXPECT_EQ(backoff(cause, 1, 1), found == not_the_usual.end() ? 250ms : found->second)
        << row(cause).token << ' ' << i;
  }
}

TEST(Backoff, LostLinksFourTimesAtOnceThenDoublingToTwoSeconds) {
  const std::pair<std::uint32_t, std::chrono::milliseconds> rows[] = {
      {0, 0ms},    {1, 0ms},    {2, 0ms},     {3, 0ms},
      {4, 0ms},    {5, 250ms},  {6, 500ms},   {7, 1000ms},
      {8, 2000ms}, {9, 2000ms}, {40, 2000ms}, {std::numeric_limits<std::uint32_t>::max(), 2000ms},
  };
  for (const auto& [links_lost, wait] : rows) {
    EXPECT_EQ(backoff(Cause::link_lost, links_lost, 0), wait) << links_lost;
    EXPECT_EQ(backoff(Cause::no_link, links_lost, 0), wait) << links_lost;
  }
}

TEST(Backoff, InProgressFourTimesAQuarterThenASecond) {
  const std::pair<std::uint32_t, std::chrono::milliseconds> rows[] = {
      {1, 250ms}, {2, 250ms}, {3, 250ms}, {4, 250ms}, {5, 1000ms}, {6, 1000ms}, {1000, 1000ms},
  };
  for (const auto& [in_a_row, wait] : rows) {
    EXPECT_EQ(backoff(Cause::in_progress, 0, in_a_row), wait) << in_a_row;
    EXPECT_EQ(backoff(Cause::in_progress_too_long, 0, in_a_row), wait) << in_a_row;
  }
}

TEST(Backoff, TheAdministratorMayChangeTwo) {
  const Pauses pauses{.link_lost_longest = 600ms, .slot_refused = 100ms};
  EXPECT_EQ(backoff(Cause::slot_refused, 0, 0, pauses), 100ms);
  EXPECT_EQ(backoff(Cause::link_lost, 4, 0, pauses), 0ms);
  EXPECT_EQ(backoff(Cause::link_lost, 6, 0, pauses), 500ms);
  EXPECT_EQ(backoff(Cause::link_lost, 7, 0, pauses), 600ms);
  EXPECT_EQ(backoff(Cause::link_lost, std::numeric_limits<std::uint32_t>::max(), 0, pauses), 600ms);
  EXPECT_EQ(backoff(Cause::link_lost, 9, 0, Pauses{.link_lost_longest = 250ms}), 250ms);
  EXPECT_EQ(backoff(Cause::aborted, 9, 0, pauses), 250ms);
}

TEST(Backoff, OtherCausesDoNotGrow) {
  EXPECT_EQ(backoff(Cause::aborted, 100, 100), 250ms);
  EXPECT_EQ(backoff(Cause::window_over, 100, 100), 0ms);
}

}  // namespace
}  // namespace bleconnd
