// Reading from the folder of the GATT cache: one small file, whatever lies in its place.
// For use in the loop: nothing here waits for more than one read of the disk.
#pragma once
#include <cstdint>
#include <string>

namespace bleconnd {

struct CachedText {
  enum class Kind { none, text, unusable, unreadable };  // unreadable: not the file's fault
  Kind kind = Kind::none;
  std::string text;  // or why not, in words
};

// Files whose time is before `void_before` (ns) are not there. The time is set to now when it is further away
// than `accuracy`: a use.
CachedText read_cached_text(const std::string& folder, const std::string& name, std::int64_t void_before,
                            std::int64_t accuracy);
bool is_cached(const std::string& folder, const std::string& name, std::int64_t void_before);
std::int64_t wall_clock_ns();

}  // namespace bleconnd
