// The store as its users see it: what is held in memory first, then the folder.
// How it gets there is in cache_directory_passes.cpp.
#include "system/cache_directory.hpp"

#include <algorithm>
#include <cstdlib>

#include "system/cache_file.hpp"
#include "system/cache_folder.hpp"
#include "system/cache_rules.hpp"

namespace bleconnd {

std::string cache_directory() {
  const char* set = std::getenv("CACHE_DIRECTORY");
  const std::string_view directories{set ? set : ""};
  return std::string{directories.substr(0, directories.find(':'))};
}

CacheDirectory::CacheDirectory(std::string folder, EventLoop& loop, const Log& log, CacheLimits limits,
                               std::shared_ptr<FolderCalls> calls)
    : folder_{std::move(folder)},
      loop_{loop},
      log_{log},
      limits_{limits},
      calls_{std::move(calls)},
      work_{loop},
      ended_{loop},
      tasks_{loop} {
  if (!folder_.empty())
    tasks_.spawn(write_behind());
  else
    log_.write(LogLevel::warning,
               "CACHE_DIRECTORY is not set: the services of devices are forgotten at the end",
               {.kind = LogKind::cache_unwritable});
}

std::optional<CacheEntry> CacheDirectory::load(DeviceAddress device) {
  if (const auto at = held_.find(device); at != held_.end()) {
    at->second.used = ++words_;
    if (!at->second.text) return {};
    return parsed(device, *at->second.text);
  }
  if (!folder_counts()) return {};
  auto read = read_cached_text(folder_, cache_file_name(device), void_before_, kUseAccuracy.count());
  if (read.kind == CachedText::Kind::unreadable && !std::exchange(reading_fails_, true))
    log_.write(LogLevel::warning, "cannot read services from " + folder_ + ": " + read.text,
               {.kind = LogKind::cache_unwritable});
  if (read.kind != CachedText::Kind::unreadable) reading_fails_ = false;
  if (read.kind == CachedText::Kind::unusable) set_aside(device, read.text);
  if (read.kind != CachedText::Kind::text) return {};
  return parsed(device, std::move(read.text));
}

// A connect reads the file before and after it. To read and compare is a fortieth of what parsing takes.
std::optional<CacheEntry> CacheDirectory::parsed(DeviceAddress device, std::string text) {
  const auto known = std::find_if(parsed_.begin(), parsed_.end(), [&](const Parsed& each) {
    return each.device == device && each.text == text;
  });
  if (known != parsed_.end()) {
    std::rotate(parsed_.begin(), known, known + 1);
    return parsed_.front().entry;
  }
  auto file = parse_cache_file(text, device);
  if (!file.entry) set_aside(device, file.complaint);
  if (file.entry && text.size() <= kParsedBytes) {
    std::erase_if(parsed_, [&](const Parsed& each) { return each.device == device; });
    if (parsed_.size() >= kMostParsed) parsed_.pop_back();
    parsed_.insert(parsed_.begin(), {device, std::move(text), *file.entry});
  }
  return std::move(file.entry);
}

bool CacheDirectory::has(DeviceAddress device) const {
  if (const auto at = held_.find(device); at != held_.end()) return at->second.text != nullptr;
  return folder_counts() && is_cached(folder_, cache_file_name(device), void_before_);
}

void CacheDirectory::set_aside(DeviceAddress device, const std::string& why) {
  const auto name = cache_file_name(device);
  log_.write(LogLevel::warning, name + " cannot be used and becomes " + name + kSetAside + ": " + why,
             {.kind = LogKind::cache_damaged, .address = device.text()});
  hold(device, nullptr, true);
}

void CacheDirectory::save(DeviceAddress device, CacheEntry entry) {
  auto complaint = complaint_about(entry);
  auto text = std::make_shared<const std::string>(complaint.empty() ? cache_file_text(device, entry) : "");
  if (text->size() > kMostCacheFileBytes) complaint = "they take more than 256 KiB";
  if (!complaint.empty())
    return log_.write(LogLevel::warning, "the services of " + device.text() + " are not kept: " + complaint,
                      {.address = device.text()});
  hold(device, std::move(text), false);
}

// Also what does not count any more, because it could not be removed before.
bool CacheDirectory::may_be_there(DeviceAddress device) const {
  return has(device) || held_.contains(device) || is_cached(folder_, cache_file_name(device), 0);
}

Task<bool> CacheDirectory::remove(DeviceAddress device) {
  const bool there = has(device);
  if (!may_be_there(device)) co_return false;
  // A pass that runs now may still write what was; the one behind it removes that.
  const auto pass = passes_wanted_ = passes_started_ + 1;
  hold(device, nullptr, false);
  while (!folder_.empty() && passes_ended_ < pass) co_await ended_.until(kNever, unstoppable());
  const auto at = held_.find(device);
  if (at != held_.end() && at->second.state == Held::State::failed && !at->second.text)
    log_.write(LogLevel::warning,
               "the services of " + device.text() + " cannot be removed: they come back with a restart",
               {.kind = LogKind::cache_unwritable, .address = device.text()});
  co_return there;
}

void CacheDirectory::drop(DeviceAddress device) {
  if (may_be_there(device)) hold(device, nullptr, false);
}

Task<std::uint32_t> CacheDirectory::remove_all() {
  if (!clear_) clear_.emplace(Clear{{}, {}, std::make_shared<std::uint32_t>(0)});
  const auto removed = clear_->removed;
  std::uint32_t in_memory = 0;
  for (const auto& [device, held] : held_) {
    (held.text ? clear_->counted : clear_->uncounted).insert(cache_file_name(device));
    if (held.text) ++in_memory;
  }
  held_.clear();
  if (folder_.empty()) {
    clear_.reset();
    co_return in_memory;
  }
  const auto pass = passes_started_ + 1;
  cleared_with_ = pass;
  work_.notify();
  while (passes_ended_ < pass) co_await ended_.until(kNever, unstoppable());
  if (void_before_ > 0)
    log_.write(LogLevel::warning, "not all services could be removed: they come back with a restart",
               {.kind = LogKind::cache_unwritable});
  co_return *removed;
}

bool CacheDirectory::settled() const {
  return passes_ended_ == passes_started_ && !has_work();
}

Task<Unit> CacheDirectory::settle(TimePoint deadline) {
  settling_ = true;
  work_.notify();
  while (!settled() && loop_.now() < deadline) co_await ended_.until(deadline, unstoppable());
  settling_ = false;
  co_return Unit{};
}

// Only a wish: the next pass fulfils it.
void CacheDirectory::hold(DeviceAddress device, std::shared_ptr<const std::string> text, bool set_aside) {
  if (folder_.empty() && !text) {
    held_.erase(device);
    return;
  }
  auto& held = held_[device];
  const bool still_to_do = held.set_aside && held.state != Held::State::writing;
  const auto now = ++words_;
  held = {folder_.empty() ? Held::State::failed : Held::State::waiting, set_aside || still_to_do,
          std::move(text), now, now};
  keep_bounds();
  work_.notify();
}

// The least recently used that could not be written; without any, the least recently used that waits, which
// is then known to the folder as it was before.
CacheDirectory::HeldAt CacheDirectory::least_used() {
  auto best = held_.end();
  for (auto at = held_.begin(); at != held_.end(); ++at) {
    const auto& held = at->second;
    const bool failed = held.state == Held::State::failed;
    if (held.state == Held::State::writing || (!failed && !held.text)) continue;
    const bool best_failed = best != held_.end() && best->second.state == Held::State::failed;
    if (best == held_.end() || failed > best_failed ||
        (failed == best_failed && held.used < best->second.used))
      best = at;
  }
  return best;
}

void CacheDirectory::drop(HeldAt at) {
  // It could not be removed from the folder and we are about to forget that.
  if (!at->second.text && !at->second.set_aside) void_before_ = wall_clock_ns();
  held_.erase(at);
}

void CacheDirectory::keep_bounds() {
  for (;;) {
    std::size_t failed = 0;
    std::size_t bytes = 0;
    for (const auto& [device, held] : held_) {
      if (held.state == Held::State::failed) ++failed;
      if (held.text) bytes += held.text->size();
    }
    if (failed <= kMostHeld && bytes <= kMostHeldBytes) return;
    const auto at = least_used();
    if (at == held_.end()) return;
    log_.write(LogLevel::debug, "the services of " + at->first.text() + " are forgotten");
    drop(at);
  }
}

}  // namespace bleconnd
