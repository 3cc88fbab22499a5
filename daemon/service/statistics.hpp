// Counters by name, for GetStatistics: what has happened since the start, or the last reset.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace bleconnd {

class Statistics {
 public:
  // Some names have a part that BlueZ chooses; more of them than this are not told apart.
  static constexpr std::size_t kMostNames = 256;

  void count(const std::string& name, std::uint64_t by = 1) {
    if (counters_.size() < kMostNames || counters_.contains(name)) counters_[name] += by;
  }
  // `name`, and `name`-`what` if there is a what.
  void count_by(const std::string& name, const std::string& what) {
    count(name);
    if (!what.empty()) count(name + "-" + what);
  }
  void reset() { counters_.clear(); }
  const std::map<std::string, std::uint64_t>& counters() const { return counters_; }

 private:
  std::map<std::string, std::uint64_t> counters_;
};

}  // namespace bleconnd
