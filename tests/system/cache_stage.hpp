// A cache folder, a loop that is turned until something is true, and entries to put into it.
// Lives of the daemon on one folder are CacheDirectory objects on one stage.
#pragma once
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "async/scope.hpp"
#include "system/cache_directory.hpp"
#include "system/cache_file.hpp"
#include "temporary_directory.hpp"

namespace bleconnd {

// Memory that a child shares with us.
template <class T>
class Shared {
 public:
  Shared() : memory_{mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)} {
    if (memory_ == MAP_FAILED) throw std::bad_alloc{};
    new (memory_) T{};
  }
  Shared(const Shared&) = delete;
  ~Shared() { munmap(memory_, sizeof(T)); }
  T* operator->() const { return static_cast<T*>(memory_); }

 private:
  void* memory_;
};

class LogLines final : public Log {
 public:
  void write(LogLevel level, std::string_view text, const LogFields&) const override {
    if (level <= LogLevel::info) lines.emplace_back(text);
  }
  std::size_t count(std::string_view part) const {
    const auto has = [&](const std::string& line) { return line.find(part) != std::string::npos; };
    return static_cast<std::size_t>(std::count_if(lines.begin(), lines.end(), has));
  }
  mutable std::vector<std::string> lines;
};

struct TurnedLoop {
  EventLoop loop;
  Scope tasks{loop};

  bool until(const std::function<bool()>& condition) {
    const auto end = loop.now() + std::chrono::seconds{20};
    while (!condition()) {
      if (loop.now() > end) return false;
      if (sd_event_run(loop.event(), 1000) < 0) throw std::runtime_error{"sd_event_run"};
    }
    return true;
  }
  template <class T>
  static Task<Unit> keep(Task<T> task, std::shared_ptr<std::optional<T>> to) {
    to->emplace(co_await task);
    co_return Unit{};
  }
  template <class T>
  std::shared_ptr<std::optional<T>> start(Task<T> task) {
    auto result = std::make_shared<std::optional<T>>();
    tasks.spawn(keep(std::move(task), result));
    return result;
  }
  template <class T>
  T wait(Task<T> task) {
    auto result = start(std::move(task));
    if (!until([&] { return result->has_value(); })) throw std::runtime_error{"never answered"};
    return std::move(**result);
  }
};

inline DeviceAddress device(int number) {
  return *DeviceAddress::parse(fmt::format("AA:BB:CC:00:{:02X}:{:02X}", number / 256, number % 256));
}

// Different ones differ in size, too.
inline CacheEntry entry(int number) {
  CacheEntry entry;
  entry.adapter = "00:11:22:33:44:55";
  entry.object = "dev_AA_BB_CC_DD_EE_FF";
  entry.read_at = std::chrono::sys_seconds{std::chrono::seconds{1'700'000'000 + number}};
  entry.hash = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255};
  const std::string tail = "-0000-1000-8000-00805f9b34fb";
  GattCharacteristic level{11, 12, "00002a19" + tail, {"read", "notify"}, {{13, "00002902" + tail}}};
  GattCharacteristic bare{21, {}, "00002a00" + tail, {}, {}};
  entry.services.services = {{10, "0000180f" + tail, true, {15, 20}, {level}},
                             {20, "00001800" + tail, false, {}, {bare}}};
  auto last = static_cast<std::uint16_t>(30);
  for (int i = 0; i < number % 7; ++i)
    entry.services.services.push_back({last++, "0000180a" + tail, true, {}, {}});
  return entry;
}

struct CacheStage : TurnedLoop {
  integration::TemporaryDirectory folder;
  LogLines log;

  std::unique_ptr<CacheDirectory> life(CacheLimits limits = {},
                                       std::shared_ptr<FolderCalls> calls = std::make_shared<FolderCalls>()) {
    return std::make_unique<CacheDirectory>(folder.path().string(), loop, log, limits, std::move(calls));
  }
  void settle(const CacheDirectory& cache) {
    if (!until([&] { return cache.settled(); })) throw std::runtime_error{"never settled"};
  }
  std::string file(DeviceAddress of) const { return folder.file(cache_file_name(of)); }
  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& each : std::filesystem::directory_iterator(folder.path()))
      found.insert(each.path().filename().string());
    return found;
  }
  void put(DeviceAddress of, const std::string& text) const { (void)folder.write(cache_file_name(of), text); }
  void put(DeviceAddress of, const CacheEntry& what) const { put(of, cache_file_text(of, what)); }
  static std::string contents(const std::string& path) {
    std::ifstream in{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
  }
  static void set_age(const std::string& path, std::chrono::seconds age) {
    timespec times[2]{};
    clock_gettime(CLOCK_REALTIME, &times[1]);
    times[1].tv_sec -= age.count();
    times[0] = times[1];
    if (utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) < 0)
      throw std::system_error{errno, std::generic_category(), path};
  }
  static std::chrono::seconds age(const std::string& path) {
    struct stat file {};
    stat(path.c_str(), &file);
    return std::chrono::seconds{time(nullptr) - file.st_mtim.tv_sec};
  }
};

// Counts what a child does and stops it before a rename while it is told to.
struct Gate {
  std::atomic<bool> closed{false};
  std::atomic<bool> reached{false};
  std::atomic<int> created{0};
  std::atomic<int> listed{0};
};

class GatedCalls final : public FolderCalls {
 public:
  explicit GatedCalls(Gate* gate) : gate_{gate} {}
  int create(int folder, const std::string& name) override {
    ++gate_->created;
    return FolderCalls::create(folder, name);
  }
  int list(int folder, std::vector<std::string>& names) override {
    ++gate_->listed;
    return FolderCalls::list(folder, names);
  }
  int rename(int folder, const std::string& from, const std::string& to) override {
    gate_->reached = true;
    while (gate_->closed) usleep(500);
    return FolderCalls::rename(folder, from, to);
  }

 private:
  Gate* gate_;
};

}  // namespace bleconnd
