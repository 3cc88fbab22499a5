// A file is written under another name, synced and renamed; the folder is synced once behind all of them, and
// only then is anything reported as done.
#include "system/cache_pass.hpp"

#include <algorithm>
#include <cerrno>
#include <sstream>
#include <utility>

namespace bleconnd {
namespace {

constexpr std::string_view kJson = ".json";
constexpr char kEndMark[] = "end";

int error_of(long result) {
  return result < 0 ? static_cast<int>(-result) : 0;
}

class Pass {
 public:
  Pass(const CacheJob& job, FolderCalls& calls, int folder) : job_{job}, calls_{calls}, folder_{folder} {}

  CacheReport run() {
    // Two daemons on one folder would rename each other's half-written files. Where there are no locks
    // (NFS), one daemon is taken for granted.
    (void)calls_.lock(folder_);
    CacheReport report;
    remove_anything(kCacheTemporary);  // of a writer that was killed
    if (job_.remove_all) report.remove_all_error = remove_all(report.removed);
    for (const auto& wish : job_.wishes) report.errors.push_back(fulfil(wish));
    if (const int error = sync_folder()) {
      std::replace(report.errors.begin(), report.errors.end(), 0, error);
      if (report.remove_all_error == 0) report.remove_all_error = error;
    }
    // Not synced: what comes back after a loss of power goes again with the next survey.
    if (job_.survey) report.room = survey();
    return report;
  }

 private:
  int sync_folder() {
    const int error = error_of(calls_.sync(folder_));
    return error == EINVAL ? 0 : error;  // a file system that has no such thing
  }

  // 0 also if it is not there.
  int remove_anything(const std::string& name) {
    int error = error_of(calls_.unlink(folder_, name));
    if (error == EISDIR) error = error_of(calls_.remove_folder(folder_, name));
    return error == ENOENT ? 0 : error;
  }

  int set_aside(const std::string& name) {
    const int error = error_of(calls_.rename(folder_, name, name + kSetAside));
    if (error == 0 || error == ENOENT) return 0;
    return remove_anything(name);
  }

  int fulfil(const CacheWish& wish) {
    if (wish.set_aside) {
      const int error = set_aside(wish.name);
      if (error != 0) return error;
    }
    if (wish.text) return write(wish.name, *wish.text);
    const int error = error_of(calls_.unlink(folder_, wish.name));
    if (error == EISDIR) return set_aside(wish.name);
    return error == ENOENT ? 0 : error;
  }

  int write(const std::string& name, std::string_view text) {
    int error = write_temporary(text);
    if (error == 0) error = error_of(calls_.rename(folder_, kCacheTemporary, name));
    if (error == EISDIR && (error = set_aside(name)) == 0)
      error = error_of(calls_.rename(folder_, kCacheTemporary, name));
    if (error != 0) remove_anything(kCacheTemporary);
    return error;
  }

  int write_temporary(std::string_view text) {
    const int file = calls_.create(folder_, kCacheTemporary);
    if (file < 0) return -file;
    int error = 0;
    while (!text.empty() && error == 0) {
      const long written = calls_.write(file, text);
      error = written == 0 ? EIO : error_of(written);
      if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
    }
    if (error == 0) error = error_of(calls_.sync(file));
    calls_.close(file);
    return error;
  }

  int remove_all(std::uint32_t& removed) {
    std::vector<std::string> names;
    int error = error_of(calls_.list(folder_, names));
    auto there = job_.counted;
    for (const auto& name : names) {
      if (!is_cache_file_name(name)) continue;
      const int failed = remove_anything(name);
      if (failed != 0) error = failed;
      if (failed == 0 && !job_.uncounted.contains(name)) there.insert(name);
    }
    removed = static_cast<std::uint32_t>(there.size());
    return error;
  }

  struct Found {
    std::string name;
    FolderCalls::Status status;
  };

  std::vector<Found> found(const std::vector<std::string>& names, bool (*wanted)(std::string_view)) {
    std::vector<Found> all;
    for (const auto& name : names) {
      if (!wanted(name)) continue;
      Found each{name, {}};
      if (calls_.status(folder_, name, each.status) == 0) all.push_back(std::move(each));
    }
    const auto earlier = [](const Found& a, const Found& b) { return a.status.used_at < b.status.used_at; };
    std::sort(all.begin(), all.end(), earlier);
    return all;
  }

  std::optional<CacheRoom> survey() {
    std::vector<std::string> names;
    if (calls_.list(folder_, names) < 0) return {};
    const auto is_set_aside = [](std::string_view name) {
      return name.ends_with(kSetAside) && is_cache_file_name(name.substr(0, name.size() - 4));
    };
    const auto bad = found(names, is_set_aside);
    for (std::size_t i = 0; i + job_.limits.set_aside < bad.size(); ++i) remove_anything(bad[i].name);
    return keep_limits(found(names, is_cache_file_name));
  }

  // When there are too many, some more go, so that the next survey is not needed soon.
  CacheRoom keep_limits(const std::vector<Found>& all) {
    std::size_t entries = all.size();
    std::uint64_t bytes = 0;
    for (const auto& each : all) bytes += each.status.bytes;
    if (entries > job_.limits.entries || bytes > job_.limits.bytes) {
      const auto entries_left = job_.limits.entries - job_.limits.entries / 16;
      const auto bytes_left = job_.limits.bytes - job_.limits.bytes / 16;
      for (const auto& each : all) {
        if (entries <= entries_left && bytes <= bytes_left) break;
        if (is_new(each.name) || remove_anything(each.name) != 0) continue;
        --entries;
        bytes -= each.status.bytes;
      }
    }
    return {static_cast<std::int64_t>(job_.limits.entries) - static_cast<std::int64_t>(entries),
            static_cast<std::int64_t>(job_.limits.bytes) - static_cast<std::int64_t>(bytes)};
  }

  // Before its clock is set, a host's newest files look like its oldest.
  bool is_new(const std::string& name) const {
    const auto of_it = [&](const CacheWish& wish) { return wish.text && wish.name == name; };
    return std::any_of(job_.wishes.begin(), job_.wishes.end(), of_it);
  }

  const CacheJob& job_;
  FolderCalls& calls_;
  int folder_;
};

}  // namespace

std::string cache_file_name(DeviceAddress device) {
  return device.object_name().substr(4) + std::string{kJson};  // without "dev_"
}

bool is_cache_file_name(std::string_view name) {
  if (!name.ends_with(kJson)) return false;
  name.remove_suffix(kJson.size());
  return DeviceAddress::of_object_name("dev_" + std::string{name}).has_value();
}

CacheReport carry_out(const CacheJob& job, FolderCalls& calls) {
  const int folder = calls.open_folder(job.folder);
  if (folder < 0) return {std::vector<int>(job.wishes.size(), -folder), -folder, 0, {}};
  auto report = Pass{job, calls, folder}.run();
  calls.close(folder);
  return report;
}

// Numbers; the mark at the end tells that nothing is missing.
std::string CacheReport::text() const {
  std::ostringstream out;
  out << remove_all_error << ' ' << removed << ' ' << room.has_value();
  if (room) out << ' ' << room->entries << ' ' << room->bytes;
  for (const int error : errors) out << ' ' << error;
  out << ' ' << kEndMark;
  return out.str();
}

std::optional<CacheReport> CacheReport::parse(const std::string& text, std::size_t wishes) {
  std::istringstream in{text};
  CacheReport report;
  bool surveyed = false;
  in >> report.remove_all_error >> report.removed >> surveyed;
  if (surveyed) report.room.emplace();
  if (surveyed) in >> report.room->entries >> report.room->bytes;
  report.errors.resize(wishes);
  for (int& error : report.errors) in >> error;
  std::string mark;
  in >> mark;
  if (!in || mark != kEndMark) return {};
  return report;
}

}  // namespace bleconnd
