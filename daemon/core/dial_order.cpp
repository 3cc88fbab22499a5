// One pass over the line.
#include "core/dial_order.hpp"

namespace bleconnd {

std::optional<std::size_t> next_in_line(std::span<const InLine> line) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i].overtaken >= kMostOvertaken) return i;
    if (!best || line[i].priority > line[*best].priority) best = i;
  }
  return best;
}

}  // namespace bleconnd
