// What the benchmarks share: requirements, medians, and what the kernel says of a process.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace bleconnd::benchmark {

using Milliseconds = std::chrono::duration<double, std::milli>;

inline void require(bool condition, const std::string& text) {
  if (!condition) throw std::runtime_error(text);
}

inline double median(std::vector<double> values) {
  std::ranges::sort(values);
  const auto middle = values.size() / 2;
  return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// The nearest rank: of few values the largest.
inline double percentile(std::vector<double> values, double part) {
  std::ranges::sort(values);
  const auto rank = static_cast<std::size_t>(std::ceil(part * static_cast<double>(values.size())));
  return values[std::min(values.size(), std::max<std::size_t>(rank, 1)) - 1];
}

inline std::string proc_file(pid_t pid, const char* name) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/" + name};
  require(file.good(), std::string{"no /proc file "} + name);
  return {std::istreambuf_iterator<char>{file}, {}};
}

// The sum of the lines that begin with `key`.
inline double sum_of(const std::string& text, const std::string& key) {
  double sum = 0;
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(key)) sum += std::stod(line.substr(line.find(':') + 1));
  return sum;
}

inline double wake_ups(pid_t pid) {
  return sum_of(proc_file(pid, "status"), "voluntary_ctxt_switches:");
}
inline double private_kib(pid_t pid) {
  return sum_of(proc_file(pid, "smaps_rollup"), "Private_");
}
inline double resident_kib(pid_t pid) {
  return sum_of(proc_file(pid, "smaps_rollup"), "Rss:");
}

inline long cpu_ticks(pid_t pid) {
  const auto text = proc_file(pid, "stat");
  std::istringstream fields{text.substr(text.rfind(')') + 2)};  // from the third one, the state
  const std::vector<std::string> words{std::istream_iterator<std::string>{fields}, {}};
  return std::stol(words.at(11)) + std::stol(words.at(12));
}

// Of all its threads, to the nanosecond; children are not in it.
inline double cpu_ms(pid_t pid) {
  clockid_t clock = 0;
  timespec used{};
  require(clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &used) == 0, "no CPU clock");
  return static_cast<double>(used.tv_sec) * 1e3 + static_cast<double>(used.tv_nsec) / 1e6;
}

}  // namespace bleconnd::benchmark
