// The reader of cache files against any bytes: it never crashes, and what it accepts keeps the rules, says
// what the text says, is the same when it is written and read again, and no longer than it was.
#include <cstdint>
#include <nlohmann/json.hpp>

#include "expected_shapes.hpp"
#include "system/cache_file.hpp"
#include "system/cache_rules.hpp"

namespace {

using namespace bleconnd;
using fuzz::has_shape;
using fuzz::must_hold;
using nlohmann::json;

// Only what is empty may be left out.
bool says_the_same(const json& read, const json& written) {
  if (read.type() != written.type() || written.size() > read.size()) return false;
  if (read.is_array())
    return std::equal(read.begin(), read.end(), written.begin(), written.end(), says_the_same);
  if (!read.is_object()) return read == written;
  for (const auto& [name, value] : read.items()) {
    const auto at = written.find(name);
    const bool is_empty = value.empty() || value == "";
    if (at == written.end() ? !is_empty : !says_the_same(value, *at)) return false;
  }
  return true;
}

void must_keep_the_rules(const CacheEntry& entry) {
  must_hold(complaint_about(entry).empty(), "what is read keeps the writer's rules");
  must_hold(entry.adapter.empty() || has_shape(entry.adapter, fuzz::kAddressShape), "an adapter's address");
  must_hold(entry.object.empty() || has_shape(entry.object, fuzz::kObjectShape), "an object's name");
  must_hold(entry.hash.empty() || entry.hash.size() == 16, "a hash has 16 bytes");
  const auto read_at = entry.read_at.time_since_epoch().count();
  must_hold(read_at >= 0 && read_at <= 4'102'444'800, "it was read between 1970 and 2099");
  must_hold(!entry.services.services.empty(), "there are services");
  fuzz::must_be_sound(entry.services, [](std::uint16_t parent) { return parent; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto device = *DeviceAddress::parse("AA:BB:CC:DD:EE:FF");
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto read = parse_cache_file(text, device);
  must_hold(read.entry.has_value() == read.complaint.empty(), "an entry or a complaint");
  if (!read.entry) return 0;
  must_keep_the_rules(*read.entry);
  const auto written = cache_file_text(device, *read.entry);
  must_hold(written.size() <= size, "what is written is no longer than what was read");
  must_hold(says_the_same(json::parse(text), json::parse(written)), "what is written is what was read");
  const auto again = parse_cache_file(written, device);
  must_hold(again.entry == read.entry, "what is written is read as it was");
  return 0;
}
