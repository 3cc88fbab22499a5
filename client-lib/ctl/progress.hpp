// What a call is doing: one line that changes, on a terminal; and one line for each attempt that fails.
#pragma once
#include <chrono>
#include <optional>
#include <string>

#include "print.hpp"

namespace bleconnctl {

class Progress {
 public:
  Progress(const Style& style, const std::string& address) : style_{style}, address_{address} {}
  Progress(const Progress&) = delete;
  ~Progress() { clear(); }

  void state(const std::string& state, const std::string& adapter);
  void failed(const bleconn::AttemptFailed& failed);
  // Nothing happens of which a signal would tell, so that what is waited for is worth a question.
  bool stands_still() const { return state_ == "queued" || state_ == "backing-off"; }
  void described(const std::string& description);  // JSON of Describe

  void show();
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  const Style& style_;
  std::string address_;
  std::string state_ = "asking";
  std::string adapter_, waits_for_;
  Clock::time_point begun_ = Clock::now();
  std::optional<Clock::time_point> next_;
  bool shown_ = false;
};

}  // namespace bleconnctl
