// What a storm did, what was answered, and what was looked at afterwards: a short table at its end.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iomanip>
#include <iostream>
#include <map>
#include <string>

namespace bleconnd::integration {

struct ChaosReport {
  std::map<std::string, std::size_t> struck;                 // "bleconnd killed"
  std::map<std::string, std::size_t> calls;                  // by method
  std::map<std::string, std::size_t> answers;                // by the error's name, or "ok"
  std::map<std::string, std::chrono::microseconds> longest;  // by method
  std::size_t left_alone = 0;                                // calls whose client left before the answer
  std::size_t unanswered = 0;
  std::size_t resident_at_start = 0, resident_at_end = 0, most_resident = 0;  // KiB
  std::size_t files_at_start = 0, files_at_end = 0;
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();

  void answered(const std::string& method, const std::string& outcome, std::chrono::microseconds took) {
    ++answers[outcome.substr(outcome.rfind('.') + 1)];
    longest[method] = std::max(longest[method], took);
  }
  void print(const std::string& title, std::size_t rounds, bool well) const {
    using seconds = std::chrono::duration<double>;
    const auto lasted = std::chrono::steady_clock::now() - begin;
    std::cout << std::fixed << std::setprecision(1) << title << ": " << rounds << " rounds in "
              << seconds{lasted}.count() << " s\n";
    row("struck", struck);
    row("calls", calls);
    row("answers", answers);
    std::cout << "  unanswered  " << unanswered << "; " << left_alone
              << " more had a client that left before the answer\n";
    std::cout << "  longest    ";
    for (const auto& [method, took] : longest)
      std::cout << " " << method << " " << seconds{took}.count() << " s";
    std::cout << "\n  resident    " << mib(resident_at_start) << " MiB at the start, at most "
              << mib(most_resident) << ", " << mib(resident_at_end) << " at the end\n";
    std::cout << "  open files  " << files_at_start << " at the start, " << files_at_end << " at the end\n";
    if (well)
      std::cout
          << "  afterwards  each time no link, dial, discovery, lease, slot, object, match rule, child, "
             "descriptor or half-written file too many\n";
  }

 private:
  static double mib(std::size_t kib) { return static_cast<double>(kib) / 1024; }
  static void row(const std::string& name, const std::map<std::string, std::size_t>& counts) {
    std::size_t sum = 0;
    for (const auto& [what, count] : counts) sum += count;
    std::cout << "  " << std::left << std::setw(10) << name << std::right << "  " << sum << ":";
    const char* between = " ";
    for (const auto& [what, count] : counts) {
      std::cout << between << count << " " << what;
      between = ", ";
    }
    std::cout << "\n";
  }
};

}  // namespace bleconnd::integration
