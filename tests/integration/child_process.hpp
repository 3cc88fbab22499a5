// A child process on the loop: its output is collected line by line, its end is noticed through a pidfd.
// It is killed with the object, and by the kernel should the test die first.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "loop.hpp"

namespace bleconnd::integration {

struct ChildCommand {
  std::vector<std::string> arguments;              // the first one is the program, looked up in PATH
  std::map<std::string, std::string> environment;  // added to that of the test
  std::function<bool()> before_exec;               // runs in the child; false ends it with status 126
};

class ChildProcess {
 public:
  ChildProcess(Loop& loop, ChildCommand command);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  void send_signal(int number) const;

  // Empty while it runs; the exit status, or 128 + the number of the signal that ended it.
  [[nodiscard]] std::optional<int> exit_status() const { return exit_status_; }
  [[nodiscard]] const std::string& output() const { return output_; }  // stdout and stderr
  [[nodiscard]] std::size_t open_files() const;                        // entries in /proc/PID/fd
  // A number of /proc/PID/status: "VmRSS", "VmHWM" in KiB, "Threads"; 0 without it.
  [[nodiscard]] std::size_t status(const std::string& field) const;
  // Of user and system, in clock ticks of 10 ms.
  [[nodiscard]] std::chrono::milliseconds processor_time() const;
  [[nodiscard]] std::vector<pid_t> children() const;  // of its own, also those that nobody has waited for

 private:
  void start(const ChildCommand& command, int write_end);
  void watch(Loop& loop);
  void read_output();
  void reap(int options);

  pid_t pid_ = -1;
  int pidfd_ = -1;
  int output_fd_ = -1;
  std::string output_;
  std::optional<int> exit_status_;
  EventSource output_source_;
  EventSource exit_source_;
};

}  // namespace bleconnd::integration
