// The text of one file of the GATT cache. Its schema: cache_file.md.
// Nothing that a file contains makes the reader throw, recurse or ask for more memory than its size bounds.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "ports/cache_store.hpp"

namespace bleconnd {

inline constexpr int kCacheFileVersion = 1;
// A device of 30 objects takes 4 KB. One of 2048 takes 150 to 250 KB, which are parsed in about 10 ms.
inline constexpr std::size_t kMostCacheFileBytes = 256 * 1024;

struct CacheFile {
  std::optional<CacheEntry> entry;
  std::string complaint;  // why there is none: what is wrong and where, without foreign text
};

// `device`: whose file it is by its name.
CacheFile parse_cache_file(std::string_view text, DeviceAddress device);
// Of an entry that complaint_about() has no complaint about.
std::string cache_file_text(DeviceAddress device, const CacheEntry& entry);

}  // namespace bleconnd
