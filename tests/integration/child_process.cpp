// fork and exec with a pipe for the output; safe because the harness has no threads.
// Only async-signal-safe work and the command's own hook run between fork and exec.
#include "child_process.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace bleconnd::integration {

ChildProcess::ChildProcess(Loop& loop, ChildCommand command) {
  std::array<int, 2> pipe_ends{};
  checked(pipe2(pipe_ends.data(), O_CLOEXEC) < 0 ? -errno : 0, "pipe2");
  output_fd_ = pipe_ends[0];
  checked(fcntl(output_fd_, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0, "fcntl");
  start(command, pipe_ends[1]);
  close(pipe_ends[1]);
  watch(loop);
}

void ChildProcess::start(const ChildCommand& command, int write_end) {
  std::vector<char*> arguments;
  for (const auto& argument : command.arguments) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_ = fork();
  checked(pid_ < 0 ? -errno : 0, "fork");
  if (pid_ != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(write_end, STDOUT_FILENO);
  dup2(write_end, STDERR_FILENO);
  for (const auto& [name, value] : command.environment) setenv(name.c_str(), value.c_str(), 1);
  if (command.before_exec && !command.before_exec()) _exit(126);
  execvp(arguments[0], arguments.data());
  _exit(127);
}

void ChildProcess::watch(Loop& loop) {
  // Not pidfd_open(): the header of glibc 2.36 declares it without C linkage.
  pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  checked(pidfd_ < 0 ? -errno : 0, "pidfd_open");
  sd_event_source* source = nullptr;
  const auto readable = [](sd_event_source*, int, uint32_t, void* self) {
    static_cast<ChildProcess*>(self)->read_output();
    return 0;
  };
  checked(sd_event_add_io(loop.event(), &source, output_fd_, EPOLLIN, readable, this), "watch output");
  output_source_.reset(source);
  const auto ended = [](sd_event_source*, int, uint32_t, void* self) {
    static_cast<ChildProcess*>(self)->reap(WNOHANG);
    return 0;
  };
  checked(sd_event_add_io(loop.event(), &source, pidfd_, EPOLLIN, ended, this), "watch exit");
  exit_source_.reset(source);
}

void ChildProcess::read_output() {
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t count = read(output_fd_, buffer.data(), buffer.size());
    if (count > 0) {
      output_.append(buffer.data(), static_cast<std::size_t>(count));
      continue;
    }
    if (count == 0) output_source_.reset();  // end of file stays readable for ever
    return;
  }
}

void ChildProcess::reap(int options) {
  if (exit_status_) return;
  int status = 0;
  if (waitpid(pid_, &status, options) != pid_) return;
  read_output();
  exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  exit_source_.reset();
}

void ChildProcess::send_signal(int number) const {
  if (!exit_status_) kill(pid_, number);
}

std::vector<pid_t> ChildProcess::children() const {
  std::vector<pid_t> found;
  std::error_code gone;
  for (const auto& process : std::filesystem::directory_iterator("/proc", gone)) {
    std::ifstream status(process.path() / "status");
    for (std::string line; std::getline(status, line);)
      if (line == "PPid:\t" + std::to_string(pid_))
        found.push_back(std::stoi(process.path().filename().string()));
  }
  return found;
}

std::size_t ChildProcess::status(const std::string& field) const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(field + ":")) return std::stoul(line.substr(field.size() + 1));
  return 0;
}

std::chrono::milliseconds ChildProcess::processor_time() const {
  std::ifstream stat("/proc/" + std::to_string(pid_) + "/stat");
  std::string text;
  std::getline(stat, text);
  // Behind the name, which is in parentheses: state is field 3, utime and stime are 14 and 15.
  std::istringstream fields(text.substr(std::min(text.rfind(')') + 1, text.size())));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  long user = 0, system = 0;
  fields >> user >> system;
  return std::chrono::milliseconds{(user + system) * 1000 / sysconf(_SC_CLK_TCK)};
}

std::size_t ChildProcess::open_files() const {
  std::size_t count = 0;
  std::error_code gone;
  const auto folder = "/proc/" + std::to_string(pid_) + "/fd";
  for (const auto& entry : std::filesystem::directory_iterator(folder, gone)) {
    (void)entry;
    ++count;
  }
  return count;
}

ChildProcess::~ChildProcess() {
  send_signal(SIGKILL);
  reap(0);
  close(output_fd_);
  close(pidfd_);
}

}  // namespace bleconnd::integration
