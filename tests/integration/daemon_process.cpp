// The environment that systemd would give, and the other end of sd_notify.
// A watchdog interval is not set: a test that stops the process with SIGSTOP decides itself what follows.
#include "daemon_process.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>

namespace bleconnd::integration {
namespace {

ChildCommand command_of(const DaemonFolders& folders, const DaemonOptions& options) {
  folders.configure(options.main_conf);
  ChildCommand command;
  command.arguments = {options.binary};
  command.arguments.insert(command.arguments.end(), options.arguments.begin(), options.arguments.end());
  command.environment = {
      {"DBUS_SYSTEM_BUS_ADDRESS", options.bus_address},
      {"NOTIFY_SOCKET", folders.notify_socket()},
      {"CACHE_DIRECTORY", folders.cache()},
      {"STATE_DIRECTORY", folders.state()},
      {"RUNTIME_DIRECTORY", folders.runtime()},
      // A second one, so that the host's own are not read.
      {"CONFIGURATION_DIRECTORY", folders.configuration() + ":" + folders.configuration() + "-none"}};
  for (const auto& [name, value] : options.environment) command.environment[name] = value;
  command.before_exec = options.before_exec;
  return command;
}

}  // namespace

DaemonProcess::DaemonProcess(Loop& loop, const DaemonFolders& folders, const DaemonOptions& options)
    : loop_(loop),
      notify_fd_(open_notify_socket(folders.notify_socket())),
      process_(loop, command_of(folders, options)) {}

DaemonProcess::~DaemonProcess() {
  notify_source_.reset();
  close(notify_fd_);
}

int DaemonProcess::open_notify_socket(const std::string& path) {
  unlink(path.c_str());
  const int fd = checked(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "notify socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  checked(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0 ? -errno : 0,
          "bind " + path);
  sd_event_source* source = nullptr;
  const auto readable = [](sd_event_source*, int, uint32_t, void* self) {
    static_cast<DaemonProcess*>(self)->read_notifications();
    return 0;
  };
  checked(sd_event_add_io(loop_.event(), &source, fd, EPOLLIN, readable, this), "watch notify socket");
  notify_source_.reset(source);
  return fd;
}

void DaemonProcess::read_notifications() {
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t count = recv(notify_fd_, buffer.data(), buffer.size(), 0);
    if (count <= 0) return;
    std::istringstream lines(std::string(buffer.data(), static_cast<std::size_t>(count)));
    for (std::string line; std::getline(lines, line);) notifications_.push_back(line);
  }
}

bool DaemonProcess::said(const std::string& assignment) const {
  return std::ranges::find(notifications_, assignment) != notifications_.end();
}

std::string DaemonProcess::status() const {
  std::string last;
  for (const auto& line : notifications_)
    if (line.starts_with("STATUS=")) last = line.substr(7);
  return last;
}

bool DaemonProcess::wait_until_ready(std::chrono::milliseconds deadline) {
  loop_.run_until([this] { return ready() || process_.exit_status().has_value(); }, deadline);
  return ready();
}

std::optional<int> DaemonProcess::end(int signal_number, std::chrono::milliseconds deadline) {
  process_.send_signal(signal_number);
  loop_.run_until([this] { return process_.exit_status().has_value(); }, deadline);
  read_notifications();  // what was said last can be seen after the end
  return process_.exit_status();
}

}  // namespace bleconnd::integration
