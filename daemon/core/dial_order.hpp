// Who dials next of those who wait for one adapter. Pure.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace bleconnd {

enum class Priority : std::uint8_t { low, normal, high };

struct InLine {
  Priority priority = Priority::normal;
  std::uint32_t overtaken = 0;  // by how many that came later
};

// An old request is raised above all others once this many that came later have dialled before it, so that
// nobody starves, however many with a higher priority come.
inline constexpr std::uint32_t kMostOvertaken = 8;

// Position in `line`, which is in the order of arrival; none if it is empty. The oldest of those that may not
// be overtaken any more, else the oldest of the highest priority.
std::optional<std::size_t> next_in_line(std::span<const InLine> line);

}  // namespace bleconnd
