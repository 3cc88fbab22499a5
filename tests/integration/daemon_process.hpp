// The daemon under test: the real binary as a child, told of bus, folders and notify socket as by systemd.
// Its stderr is kept, its notifications are read on the loop, its end and its open files can be asked.
#pragma once

#include <string>
#include <vector>

#include "child_process.hpp"
#include "loop.hpp"
#include "temporary_directory.hpp"

namespace bleconnd::integration {

struct DaemonOptions {
  std::string binary;
  std::string bus_address;
  std::string main_conf = "[General]\nLingerSec=0\n";
  std::vector<std::string> arguments{};
  std::map<std::string, std::string> environment{};  // in addition
  std::function<bool()> before_exec{};               // limits and namespaces of its own
};

// The folders outlive the process, so that a second start finds what the first one left.
class DaemonFolders {
 public:
  [[nodiscard]] std::string cache() const { return directory_.make_directory("cache"); }
  [[nodiscard]] std::string state() const { return directory_.make_directory("state"); }
  [[nodiscard]] std::string runtime() const { return directory_.make_directory("run"); }
  [[nodiscard]] std::string configuration() const { return directory_.make_directory("etc"); }
  void configure(const std::string& text) const {
    (void)configuration();
    (void)directory_.write("etc/main.conf", text);
  }
  [[nodiscard]] std::string notify_socket() const { return directory_.file("notify"); }

 private:
  TemporaryDirectory directory_;
};

class DaemonProcess {
 public:
  DaemonProcess(Loop& loop, const DaemonFolders& folders, const DaemonOptions& options);
  ~DaemonProcess();
  DaemonProcess(const DaemonProcess&) = delete;
  DaemonProcess& operator=(const DaemonProcess&) = delete;

  // True when READY=1 was said; false if the process ended first or the deadline passed.
  bool wait_until_ready(std::chrono::milliseconds deadline = std::chrono::seconds(10));
  // Sends the signal and waits for the end; its exit status, or nothing after the deadline.
  std::optional<int> end(int signal_number, std::chrono::milliseconds deadline = std::chrono::seconds(10));

  [[nodiscard]] ChildProcess& process() { return process_; }
  [[nodiscard]] bool ready() const { return said("READY=1"); }
  [[nodiscard]] bool said(const std::string& assignment) const;
  [[nodiscard]] std::string status() const;  // the last STATUS=
  [[nodiscard]] const std::vector<std::string>& notifications() const { return notifications_; }
  [[nodiscard]] const std::string& log() const { return process_.output(); }
  [[nodiscard]] std::size_t open_files() const { return process_.open_files(); }

 private:
  int open_notify_socket(const std::string& path);
  void read_notifications();

  Loop& loop_;
  EventSource notify_source_;
  std::vector<std::string> notifications_;
  int notify_fd_;
  ChildProcess process_;
};

}  // namespace bleconnd::integration
