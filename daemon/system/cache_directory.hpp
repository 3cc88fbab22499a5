// ports::CacheStore as a folder: one JSON file a device. Nothing is read before it is asked for, and all
// writing is done in a child, one at a time, since fsync on a memory card takes seconds.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "async/notice.hpp"
#include "async/scope.hpp"
#include "ports/cache_store.hpp"
#include "ports/log.hpp"
#include "system/cache_pass.hpp"
#include "system/child.hpp"
#include "system/event_loop.hpp"

namespace bleconnd {

// Whatever happens to the folder is said in the log, once until it works again, and answered by what is held
// in memory: what could not be written (kMostHeld entries, the least recently used go first) and what could
// not be removed, which does not count any more in this life. Both are tried again with the next pass.
class CacheDirectory final : public CacheStore {
 public:
  static constexpr std::size_t kMostHeld = 64;                    // entries that could not be written
  static constexpr std::size_t kMostHeldBytes = 4 * 1024 * 1024;  // of those, and of those on their way
  // A use is marked in the file's time at most this often: each mark is a write to the card as well.
  static constexpr std::chrono::nanoseconds kUseAccuracy = std::chrono::hours{1};

  // `folder`: $CACHE_DIRECTORY; empty: memory only. It is opened anew for each use, so it may be replaced.
  CacheDirectory(std::string folder, EventLoop& loop, const Log& log, CacheLimits limits = {},
                 std::shared_ptr<FolderCalls> calls = std::make_shared<FolderCalls>());

  std::chrono::sys_seconds now() const override {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  }
  // Reads one file of bounded size here in the loop: it takes less than the child would to start, and the
  // caller has nothing to do without it.
  std::optional<CacheEntry> load(DeviceAddress device) override;
  bool has(DeviceAddress device) const override;
  void save(DeviceAddress device, CacheEntry entry) override;
  // They answer when it is done and synced. Where it cannot be done, the log says so; the entries do not
  // count any more, but are there again after a restart.
  Task<bool> remove(DeviceAddress device) override;
  void drop(DeviceAddress device) override;
  Task<std::uint32_t> remove_all() override;

  // Obeyed by the next write.
  void configure(CacheLimits limits) {
    limits_ = limits;
    room_.reset();
  }

  bool settled() const;                   // nothing is on its way to the folder
  Task<Unit> settle(TimePoint deadline);  // before the end: a child that is still at work then is killed

 private:
  bool may_be_there(DeviceAddress device) const;
  // What a file shall become.
  struct Held {
    enum class State : std::uint8_t { waiting, writing, failed };
    State state = State::waiting;
    bool set_aside = false;
    std::shared_ptr<const std::string> text;  // none: no file
    std::uint64_t word = 0;                   // which wish it is
    std::uint64_t used = 0;                   // when it was used, counted
  };
  using HeldAt = std::map<DeviceAddress, Held>::iterator;
  struct Clear {
    std::set<std::string> counted;
    std::set<std::string> uncounted;
    std::shared_ptr<std::uint32_t> removed;
  };
  struct Pass {
    std::shared_ptr<CacheJob> job = std::make_shared<CacheJob>();
    std::vector<std::pair<DeviceAddress, std::uint64_t>> words;  // of the job's wishes
    std::shared_ptr<std::uint32_t> removed;
  };

  // What was parsed last, and from what: the file itself is looked at for each use.
  struct Parsed {
    DeviceAddress device;
    std::string text;
    CacheEntry entry;
  };
  static constexpr std::size_t kMostParsed = 8;
  static constexpr std::size_t kParsedBytes =
      8 * 1024;  // an entry of 40 services; parsed it takes four times that

  bool folder_counts() const { return !folder_.empty() && passes_ended_ >= cleared_with_; }
  void hold(DeviceAddress device, std::shared_ptr<const std::string> text, bool set_aside);
  void keep_bounds();
  HeldAt least_used();
  void drop(HeldAt at);
  void set_aside(DeviceAddress device, const std::string& why);
  std::optional<CacheEntry> parsed(DeviceAddress device, std::string text);

  Task<Unit> write_behind();
  bool has_work() const;
  bool is_waited_for() const;
  Pass next_pass();
  Child::Work work_of(const Pass& pass) const;
  void needs_room(CacheJob& job);
  void finish(const Pass& pass, const ChildEnd& end);
  int take_results(const Pass& pass, const CacheReport& report);
  void say(const std::string& trouble);

  std::string folder_;
  EventLoop& loop_;
  const Log& log_;
  CacheLimits limits_;
  std::shared_ptr<FolderCalls> calls_;

  std::map<DeviceAddress, Held> held_;
  std::vector<Parsed> parsed_;       // the most recently used first
  std::optional<Clear> clear_;       // wanted
  std::uint64_t words_ = 0;          // numbers for Held
  std::int64_t void_before_ = 0;     // files older than that should have been removed
  std::uint64_t cleared_with_ = 0;   // until this pass has ended the folder counts as empty
  std::uint64_t passes_wanted_ = 0;  // up to this one: at once
  bool settling_ = false;
  std::uint64_t passes_started_ = 0;
  std::uint64_t passes_ended_ = 0;
  std::optional<CacheRoom> room_;  // at least; unknown before the first survey
  bool failing_ = false;
  bool reading_fails_ = false;
  Notice work_;
  Notice ended_;  // a pass
  Scope tasks_;   // last: it uses all of the above
};

// $CACHE_DIRECTORY, the first one if it lists several; empty if it is not set.
std::string cache_directory();

}  // namespace bleconnd
