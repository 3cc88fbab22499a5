// Who dials next: priority, then arrival, and nobody is overtaken for ever.
#include "core/dial_order.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

namespace bleconnd {
namespace {

constexpr auto kLow = Priority::low, kNormal = Priority::normal, kHigh = Priority::high;

// Position of the next one, if there is any. Bounds as close as can be change nothing.
std::optional<std::size_t> next_of(std::vector<InLine>& line) {
  LineBounds closest{Priority::low, false};
  for (auto& each : line) {
    closest.highest = std::max(closest.highest, each.priority);
    closest.some_raised |= each.overtaken >= kMostOvertaken;
  }
  const auto everybody = [](const InLine& each) { return std::optional{each}; };
  const auto next = next_in_line(line, everybody);
  EXPECT_EQ(next, next_in_line(line, everybody, closest));
  if (next == line.end()) return {};
  return next - line.begin();
}

TEST(DialOrder, PriorityThenArrivalUnlessOvertakenTooOften) {
  struct Row {
    const char* what;
    std::vector<InLine> line;
    std::optional<std::size_t> next;
  };
  std::vector<Row> rows{
      {"nobody", {}, {}},
      {"the first of equals", {{kNormal}, {kNormal}, {kNormal}}, 0},
      {"the highest", {{kLow}, {kNormal}, {kHigh}, {kHigh}}, 2},
      {"low after normal", {{kLow}, {kNormal}}, 1},
      {"overtaken seven times is not enough", {{kLow, kMostOvertaken - 1}, {kHigh}}, 1},
      {"overtaken eight times goes first", {{kLow, kMostOvertaken}, {kHigh}}, 0},
      {"the oldest of two such", {{kNormal}, {kLow, kMostOvertaken}, {kHigh, kMostOvertaken}, {kHigh}}, 1},
  };
  for (auto& row : rows) EXPECT_EQ(next_of(row.line), row.next) << row.what;
}

TEST(DialOrder, WhoCannotBeServedIsPassedOver) {
  const std::vector<InLine> line{{kHigh, kMostOvertaken}, {kLow}, {kNormal}, {kNormal}};
  const auto but = [&](std::size_t these) {
    return [&line, these](const InLine& each) {
      return &each - line.data() < static_cast<std::ptrdiff_t>(these) ? std::nullopt : std::optional{each};
    };
  };
  EXPECT_EQ(next_in_line(line, but(1)), line.begin() + 2);
  EXPECT_EQ(next_in_line(line, but(3)), line.begin() + 3);
  EXPECT_EQ(next_in_line(line, but(4)), line.end());
}

TEST(DialOrder, TheLineIsLookedAtUntilItIsDecided) {
  const std::vector<InLine> line{{kLow}, {kNormal}, {kNormal}, {kNormal}};
  std::size_t looks = 0;
  const auto counted = [&](const InLine& each) {
    ++looks;
    return std::optional{each};
  };
  EXPECT_EQ(next_in_line(line, counted, {kNormal, false}), line.begin() + 1);
  EXPECT_EQ(looks, 2U);
}

TEST(DialOrder, NobodyIsOvertakenMoreThanEightTimes) {
  // One of low priority, and for each dial one more of high priority comes.
  std::vector<InLine> line{{kLow}};
  int dials = 0;
  for (;; ++dials) {
    line.push_back({kHigh});
    const auto next = *next_of(line);
    if (next == 0) break;
    for (std::size_t i = 0; i < next; ++i) ++line[i].overtaken;
    line.erase(line.begin() + static_cast<std::ptrdiff_t>(next));
    ASSERT_LT(dials, 100);
  }
  EXPECT_EQ(dials, static_cast<int>(kMostOvertaken));
}

}  // namespace
}  // namespace bleconnd
