// The reader of cache files against any bytes: it never crashes, and what it accepts is the same when it is
// written and read again, and no longer than it was.
#include <cstdint>

#include "must_hold.hpp"
#include "system/cache_file.hpp"
#include "system/cache_rules.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bleconnd;
  using fuzz::must_hold;
  static const auto device = *DeviceAddress::parse("AA:BB:CC:DD:EE:FF");
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto read = parse_cache_file(text, device);
  must_hold(read.entry.has_value() == read.complaint.empty(), "an entry or a complaint");
  if (!read.entry) return 0;
  must_hold(complaint_about(*read.entry).empty(), "what is read keeps the rules");
  const auto written = cache_file_text(device, *read.entry);
  must_hold(written.size() <= size, "what is written is no longer than what was read");
  const auto again = parse_cache_file(written, device);
  must_hold(again.entry == read.entry, "what is written is read as it was");
  return 0;
}
