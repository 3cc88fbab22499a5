// What an entry of the GATT cache must be like to be written or believed: the same rules for both.
// The file can have been made by anybody; what it says ends up in answers to callers.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ports/cache_store.hpp"

namespace bleconnd {

// 2100-01-01. Not our clock: a host without one of its own starts in the past, and would throw away all it
// knows.
inline constexpr std::int64_t kLatestReadAt = 4'102'444'800;

// A place in an entry, for texts about it: "services[3].characteristics[0].descriptors[1]".
struct CachePlace {
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t service = kNone;
  std::size_t characteristic = kNone;
  std::size_t descriptor = kNone;
  std::string text() const;
};

// What is wrong with it and where; empty if nothing is. Names no foreign text.
std::string complaint_about(const CacheEntry& entry);

}  // namespace bleconnd
