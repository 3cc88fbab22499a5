// PATH OWNER dialling|linked, a line each.
#include "system/dial_record_file.hpp"

#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>

#include "system/journal.hpp"

namespace bleconnd {
namespace {

constexpr std::size_t kMostDials = 1024;  // one dial an adapter at a time, and the links
constexpr std::size_t kMostText = 255;    // of a bus name, and of any path of BlueZ
constexpr std::string_view kDialling = "dialling";
constexpr std::string_view kLinked = "linked";

std::optional<std::pair<std::string_view, bool>> parse(std::string_view text) {
  const auto space = text.find(' ');
  if (space == std::string_view::npos || space == 0 || space > kMostText) return {};
  const auto state = text.substr(space + 1);
  if (state != kDialling && state != kLinked) return {};
  return std::pair{text.substr(0, space), state == kLinked};
}

}  // namespace

std::string runtime_directory() {
  const char* set = std::getenv("RUNTIME_DIRECTORY");
  const std::string_view directories{set ? set : ""};
  return std::string{directories.substr(0, directories.find(':'))};
}

DialRecordFile::DialRecordFile(const std::string& directory, const std::string& bus, const Journal& journal)
    : lines_{directory.empty() ? std::string{} : directory + "/dials", "bleconnd dials 1", journal, bus} {
  bool sound = true;
  for (auto& [path, text] : lines_.read()) {
    const auto dial = parse(text);
    sound = sound && dial && path.size() <= kMostText;
    if (dial && path.size() <= kMostText && former_.size() < kMostDials)
      former_.emplace(path, Dial{std::string{dial->first}, dial->second});
  }
  if (!sound)
    journal.tell(LogLevel::warning, {.kind = LogKind::record_damaged},
                 "the record of dials is damaged, a part of it is ignored");
}

void DialRecordFile::dialling(const std::string& owner, const std::string& path) {
  // Dials and links of a bluetoothd that is no longer there ended with it.
  forget_others(own_, owner);
  forget_others(former_, owner);
  if (own_.size() < kMostDials || own_.contains(path)) own_.insert_or_assign(path, Dial{owner});
  keep(path);
}

void DialRecordFile::forget_others(Dials& dials, const std::string& owner) {
  for (auto at = dials.begin(); at != dials.end();) {
    if (at->second.owner == owner) {
      ++at;
    } else {
      lines_.put(at->first, {});
      at = dials.erase(at);
    }
  }
}

void DialRecordFile::linked(const std::string& path) {
  const auto own = own_.find(path);
  if (own == own_.end()) return;
  own->second.linked = true;
  former_.erase(path);  // nothing else can be pending there
  keep(path);
}

void DialRecordFile::ended(const std::string& path) {
  if (own_.erase(path) > 0 || former_.erase(path) > 0) keep(path);
}

void DialRecordFile::cleared(const std::string& path) {
  if (former_.erase(path) > 0) keep(path);
}

void DialRecordFile::outlived(const std::string& path) {
  if (auto own = own_.extract(path)) former_.insert_or_assign(path, std::move(own.mapped()));
}

std::vector<std::string> DialRecordFile::left_behind() const {
  std::vector<std::string> paths;
  paths.reserve(former_.size());
  for (auto& [path, dial] : former_) paths.push_back(path);
  return paths;
}

bool DialRecordFile::dial_left_behind(const std::string& owner, const std::string& path) const {
  const auto at = former_.find(path);
  return at != former_.end() && at->second.owner == owner && !at->second.linked;
}

bool DialRecordFile::link_left_behind(const std::string& owner, const std::string& path) const {
  const auto at = former_.find(path);
  return at != former_.end() && at->second.owner == owner;
}

// What a former life left stays in the file until it is taken back, so that it outlives this life too.
void DialRecordFile::keep(const std::string& path) {
  const auto own = own_.find(path);
  const auto former = former_.find(path);
  if (own == own_.end() && former == former_.end()) return lines_.put(path, {});
  const auto& dial = own != own_.end() ? own->second : former->second;
  lines_.put(path, dial.owner + " " + std::string{dial.linked ? kLinked : kDialling});
}

}  // namespace bleconnd
