// The statistics in $STATE_DIRECTORY, for the next life of the daemon: written when something has changed,
// once a minute at most, and at the end. While nothing changes there is no timer.
#pragma once
#include <memory>
#include <string>

#include "core/statistics.hpp"
#include "system/event_loop.hpp"
#include "system/line_log.hpp"

namespace bleconnd {

class Journal;

// As it is kept; and read, onto `statistics`. False: damaged, nothing of it was taken.
std::string statistics_text(const Statistics& statistics);
bool read_statistics(const std::string& text, Statistics& statistics);

class StatisticsFile {
 public:
  // What a crash costs, and what a memory card is spared.
  static constexpr std::chrono::seconds kRest{60};

  // `state` empty: nothing is kept.
  StatisticsFile(const std::string& state, EventLoop& loop, const Journal& journal, Duration rest = kRest);
  StatisticsFile(const StatisticsFile&) = delete;
  ~StatisticsFile();

  Statistics& statistics() { return statistics_; }

 private:
  void changed();
  void write();

  EventLoop& loop_;
  Duration rest_;
  LineLog lines_;
  Statistics statistics_;
  bool kept_ = true;  // what is in the file is what there is
  std::unique_ptr<Executor::Timer> timer_;
};

}  // namespace bleconnd
