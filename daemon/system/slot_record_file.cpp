// AA:BB:CC:DD:EE:FF LIMIT SECONDS, the latter since 1970.
#include "system/slot_record_file.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <string_view>

#include "core/address.hpp"
#include "system/journal.hpp"

namespace bleconnd {
namespace {

std::int64_t wall_clock() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

std::optional<LearnedLimit> parse(std::string_view text) {
  LearnedLimit learned;
  std::int64_t at = 0;
  const auto* end = text.data() + text.size();
  const auto limit = std::from_chars(text.data(), end, learned.limit);
  if (limit.ec != std::errc{} || limit.ptr == end || *limit.ptr != ' ') return {};
  const auto when = std::from_chars(limit.ptr + 1, end, at);
  if (when.ec != std::errc{} || when.ptr != end || at < 0) return {};
  // A clock that was wrong then, or is now: as if learned now.
  learned.age = std::chrono::seconds{std::max<std::int64_t>(wall_clock() - at, 0)};
  return learned;
}

}  // namespace

SlotRecordFile::SlotRecordFile(const std::string& state, const Journal& journal)
    : journal_{journal},
      lines_{state.empty() ? std::string{} : state + "/slots", "bleconnd slots 1", journal} {}

std::map<std::string, LearnedLimit> SlotRecordFile::former() {
  std::map<std::string, LearnedLimit> all;
  for (auto& [adapter, text] : lines_.read()) {
    const auto learned = parse(text);
    if (learned && DeviceAddress::parse(adapter)) all.emplace(adapter, *learned);
  }
  return all;
}

void SlotRecordFile::learned(const std::string& adapter, std::uint32_t limit) {
  journal_.tell(LogLevel::notice, {.kind = LogKind::slots_learned, .adapter = adapter},
                "{}: no more than {} links: two devices in a row were refused at once", adapter, limit);
  lines_.put(adapter, std::to_string(limit) + " " + std::to_string(wall_clock()));
}

}  // namespace bleconnd
