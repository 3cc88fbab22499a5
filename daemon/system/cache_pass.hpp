// One pass of writing over the folder of the GATT cache, as it is done in a child: plain code that blocks.
// After a kill or a loss of power at any point each file is the one before or the one after, whole.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/address.hpp"
#include "system/folder_calls.hpp"

namespace bleconnd {

struct CacheLimits {
  std::size_t entries = 16'384;
  std::uint64_t bytes = 64ULL * 1024 * 1024;
  std::size_t set_aside = 4;  // files that could not be used, for whoever wants to know why
};

// "AA_BB_CC_DD_EE_FF.json": no other names are read or written, but for the two below.
std::string cache_file_name(DeviceAddress device);
bool is_cache_file_name(std::string_view name);
inline constexpr char kCacheTemporary[] = "writing.tmp";  // one, so that no folder is searched for others
inline constexpr char kSetAside[] = ".bad";               // behind the name

// What a file shall become.
struct CacheWish {
  std::string name;
  bool set_aside = false;                   // first rename what is there to NAME.bad
  std::shared_ptr<const std::string> text;  // none: no file
};

struct CacheJob {
  std::string folder;
  CacheLimits limits;
  bool remove_all = false;          // before anything else
  std::set<std::string> counted;    // which count as removed then, beside those that are found
  std::set<std::string> uncounted;  // which were removed before, but can still be there
  std::vector<CacheWish> wishes;
  bool survey = false;  // look at every file, and remove those used least recently if there are too many
};

struct CacheRoom {
  std::int64_t entries = 0;
  std::int64_t bytes = 0;
};

struct CacheReport {
  std::vector<int> errors;  // an errno or 0 for each wish: it is as wished, also after a loss of power
  int remove_all_error = 0;
  std::uint32_t removed = 0;
  std::optional<CacheRoom> room;  // what may be added; only after a survey

  std::string text() const;
  static std::optional<CacheReport> parse(const std::string& text, std::size_t wishes);
};

CacheReport carry_out(const CacheJob& job, FolderCalls& calls);

}  // namespace bleconnd
