// Who dials next of those who wait for one adapter. Pure.
#pragma once
#include <cstdint>
#include <iterator>
#include <optional>

namespace bleconnd {

enum class Priority : std::uint8_t { low, normal, high };

struct InLine {
  Priority priority = Priority::normal;
  std::uint32_t overtaken = 0;  // by how many that came later
};

// An old request is raised above all others once this many that came later have dialled before it, so that
// nobody starves, however many with a higher priority come.
inline constexpr std::uint32_t kMostOvertaken = 8;

// What nobody in a line exceeds. The closer they are, the sooner it is decided who is next.
struct LineBounds {
  Priority highest = Priority::high;
  bool some_raised = true;  // may not be overtaken any more
};

// The next one of `line`, which is in the order of arrival; its end if nobody can be served. The oldest of
// those that may not be overtaken any more, else the oldest of the highest priority. `place`: an element's
// InLine, none for one that cannot be served.
template <class Line, class Place>
auto next_in_line(Line& line, Place place, LineBounds bounds = {}) {
  auto best = std::end(line);
  auto priority = Priority::low;
  for (auto at = std::begin(line); at != std::end(line); ++at) {
    const std::optional<InLine> each = place(*at);
    if (!each) continue;
    if (each->overtaken >= kMostOvertaken) return at;
    if (best != std::end(line) && each->priority <= priority) continue;
    best = at;
    priority = each->priority;
    if (priority >= bounds.highest && !bounds.some_raised) break;
  }
  return best;
}

}  // namespace bleconnd
