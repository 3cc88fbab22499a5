// One small JSON object, replaced as a whole: {"bus": id, "dials": [{"owner": ":1.5", "path":
// "/org/bluez/…"}]}.
#include "system/dial_record_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "system/descriptor.hpp"
#include "system/journal.hpp"

namespace bleconnd {
namespace {

using nlohmann::json;
constexpr std::size_t kMostDials = 1024;  // one dial an adapter at a time, and the links
constexpr std::size_t kMostBytes = 512 * 1024;
constexpr std::size_t kMostText = 255;  // of a bus name, and of any path of BlueZ

std::optional<std::string> contents(const std::string& file) {
  const Descriptor opened{open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (opened.get() < 0) return {};
  std::string text(kMostBytes + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const auto got = ::read(opened.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

// 0 or an errno.
int replace(const std::string& file, std::string_view text) {
  const auto temporary = file + ".new";
  const Descriptor opened{
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR)};
  if (opened.get() < 0) return errno;
  while (!text.empty()) {
    const auto written = ::write(opened.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  // No fsync: the directory is memory, and after a crash of the host there is no bluetoothd that dials.
  return rename(temporary.c_str(), file.c_str()) < 0 ? errno : 0;
}

std::string text_of(const json& object, const char* key) {
  const auto at = object.find(key);
  if (at == object.end() || !at->is_string()) return {};
  auto text = at->get<std::string>();
  return text.size() <= kMostText ? text : std::string{};
}

}  // namespace

std::string runtime_directory() {
  const char* set = std::getenv("RUNTIME_DIRECTORY");
  const std::string_view directories{set ? set : ""};
  return std::string{directories.substr(0, directories.find(':'))};
}

DialRecordFile::DialRecordFile(const std::string& directory, std::string bus, const Journal& journal)
    : file_{directory.empty() ? std::string{} : directory + "/dials.json"},
      bus_{std::move(bus)},
      journal_{journal} {
  if (!file_.empty()) read();
}

void DialRecordFile::read() {
  const auto text = contents(file_);
  if (!text) {
    if (errno != ENOENT) journal_.warning("{}: {}", file_, std::strerror(errno));
    return;
  }
  const auto parsed = json::parse(text->size() <= kMostBytes ? *text : std::string{}, nullptr, false);
  const bool whole = parsed.is_object() && parsed.contains("dials") && parsed["dials"].is_array();
  if (!whole) return journal_.warning("{}: damaged, ignored", file_);
  if (text_of(parsed, "bus") != bus_) return;
  for (auto& each : parsed["dials"]) {
    if (!each.is_object() || former_.size() >= kMostDials) continue;
    auto path = text_of(each, "path");
    Dial dial{text_of(each, "owner"), each.value("linked", json{}) == json(true)};
    if (!dial.owner.empty() && !path.empty()) former_.insert_or_assign(std::move(path), std::move(dial));
  }
}

void DialRecordFile::dialling(const std::string& owner, const std::string& path) {
  // Dials and links of a bluetoothd that is no longer there ended with it.
  const auto of_another = [&](const auto& dial) { return dial.second.owner != owner; };
  std::erase_if(former_, of_another);
  std::erase_if(own_, of_another);
  if (own_.size() < kMostDials || own_.contains(path)) own_.insert_or_assign(path, Dial{owner});
  write();
}

void DialRecordFile::linked(const std::string& path) {
  const auto own = own_.find(path);
  if (own == own_.end()) return;
  own->second.linked = true;
  former_.erase(path);  // nothing else can be pending there
  write();
}

void DialRecordFile::ended(const std::string& path) {
  if (own_.erase(path) > 0 || former_.erase(path) > 0) write();
}

void DialRecordFile::outlived(const std::string& path) {
  if (auto own = own_.extract(path)) former_.insert_or_assign(path, std::move(own.mapped()));
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
void DialRecordFile::write() {
  if (file_.empty()) return;
  auto dials = json::array();
  Dials all = own_;
  all.insert(former_.begin(), former_.end());
  for (auto& [path, dial] : all)
    dials.push_back({{"owner", dial.owner}, {"path", path}, {"linked", dial.linked}});
  const auto text =
      json{{"bus", bus_}, {"dials", std::move(dials)}}.dump(-1, ' ', false, json::error_handler_t::replace);
  const int failed = replace(file_, text);
  if (failed && !failing_) journal_.warning("{}: {}", file_, std::strerror(failed));
  failing_ = failed != 0;
}

}  // namespace bleconnd
