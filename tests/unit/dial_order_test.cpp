// Who dials next: priority, then arrival, and nobody is overtaken for ever.
#include "core/dial_order.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace bleconnd {
namespace {

constexpr auto kLow = Priority::low, kNormal = Priority::normal, kHigh = Priority::high;

TEST(DialOrder, PriorityThenArrivalUnlessOvertakenTooOften) {
  struct Row {
    const char* what;
    std::vector<InLine> line;
    std::optional<std::size_t> next;
  };
  const std::vector<Row> rows{
      {"nobody", {}, {}},
      {"the first of equals", {{kNormal}, {kNormal}, {kNormal}}, 0},
      {"the highest", {{kLow}, {kNormal}, {kHigh}, {kHigh}}, 2},
      {"low after normal", {{kLow}, {kNormal}}, 1},
      {"overtaken seven times is not enough", {{kLow, kMostOvertaken - 1}, {kHigh}}, 1},
      {"overtaken eight times goes first", {{kLow, kMostOvertaken}, {kHigh}}, 0},
      {"the oldest of two such", {{kNormal}, {kLow, kMostOvertaken}, {kHigh, kMostOvertaken}, {kHigh}}, 1},
  };
  for (auto& row : rows) EXPECT_EQ(next_in_line(row.line), row.next) << row.what;
}

TEST(DialOrder, NobodyIsOvertakenMoreThanEightTimes) {
  // One of low priority, and for each dial one more of high priority comes.
  std::vector<InLine> line{{kLow}};
  int dials = 0;
  for (;; ++dials) {
    line.push_back({kHigh});
    const auto next = *next_in_line(line);
    if (next == 0) break;
    for (std::size_t i = 0; i < next; ++i) ++line[i].overtaken;
    line.erase(line.begin() + static_cast<std::ptrdiff_t>(next));
    ASSERT_LT(dials, 100);
  }
  EXPECT_EQ(dials, static_cast<int>(kMostOvertaken));
}

}  // namespace
}  // namespace bleconnd
