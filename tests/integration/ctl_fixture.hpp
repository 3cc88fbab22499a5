// bleconnctl as a process: what it says on stdout and on stderr, each for itself, and its exit code.
#pragma once
#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>

#include "daemon_sharing_fixture.hpp"
#include "device.hpp"
#include "paths.hpp"

namespace bleconnd::integration {

// A pseudo terminal, and what is seen on it.
class Terminal {
 public:
  explicit Terminal(unsigned short columns = 200) {
    winsize size{50, columns, 0, 0};
    checked(openpty(&here_, &there_, nullptr, nullptr, &size) < 0 ? -errno : 0, "openpty");
    for (const int end : {here_, there_}) fcntl(end, F_SETFD, FD_CLOEXEC);
    fcntl(here_, F_SETFL, O_NONBLOCK);
  }
  ~Terminal() {
    close(here_);
    close(there_);
  }
  Terminal(const Terminal&) = delete;

  // In a child, before exec.
  bool is_taken() const {
    if (setsid() < 0 || ioctl(there_, TIOCSCTTY, 0) < 0) return false;
    return dup2(there_, STDIN_FILENO) >= 0 && dup2(there_, STDOUT_FILENO) >= 0 &&
           dup2(there_, STDERR_FILENO) >= 0;
  }
  const std::string& shown() {
    char some[4096];
    for (ssize_t count = 0; (count = read(here_, some, sizeof some)) > 0;)
      shown_.append(some, static_cast<std::size_t>(count));
    return shown_;
  }
  void type(const std::string& keys) const {
    checked(write(here_, keys.data(), keys.size()) < 0 ? -errno : 0, "type");
  }

 private:
  int here_ = -1;
  int there_ = -1;
  std::string shown_;
};

class CtlFixture : public SharingFixture {
 protected:
  using Words = std::vector<std::string>;
  using Environment = std::map<std::string, std::string>;

  struct Told {
    std::string out, error;
    int status = -1;
  };

  ChildCommand command_of(Words arguments, const Environment& environment = {}) const {
    arguments.insert(arguments.begin(), paths::bleconnctl);
    ChildCommand command;
    command.arguments = std::move(arguments);
    command.environment = environment;
    command.environment.emplace("DBUS_SYSTEM_BUS_ADDRESS", world.bus.address());
    return command;
  }
  // Its output is both stdout and stderr.
  std::unique_ptr<ChildProcess> run(const Words& arguments, const Environment& environment = {}) {
    return std::make_unique<ChildProcess>(world.loop, command_of(arguments, environment));
  }
  // The terminal is to outlive it.
  std::unique_ptr<ChildProcess> run_on(const Terminal& terminal, const Words& arguments,
                                       const Environment& environment = {}) {
    auto command = command_of(arguments, environment);
    command.before_exec = [&terminal] { return terminal.is_taken(); };
    return std::make_unique<ChildProcess>(world.loop, std::move(command));
  }
  bool shows(Terminal& terminal, const std::string& text) {
    return world.until([&] { return terminal.shown().find(text) != std::string::npos; });
  }
  bool ends(const ChildProcess& program, int status) {
    EXPECT_TRUE(world.until([&] { return program.exit_status().has_value(); })) << program.output();
    EXPECT_EQ(program.exit_status(), status) << program.output();
    return program.exit_status() == status;
  }

  Told told_by(const Words& arguments, const Environment& environment = {}, uid_t uid = getuid()) {
    const auto errors = folder.write("errors", "");
    std::filesystem::permissions(errors, std::filesystem::perms{0666});
    auto command = command_of(arguments, environment);
    command.before_exec = [errors, uid] {
      const int file = open(errors.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
      return dup2(file, STDERR_FILENO) >= 0 && (uid == getuid() || setuid(uid) == 0);
    };
    const ChildProcess program{world.loop, std::move(command)};
    EXPECT_TRUE(world.until([&] { return program.exit_status().has_value(); })) << program.output();
    std::ifstream file{errors};
    return {program.output(), std::string{std::istreambuf_iterator<char>{file}, {}},
            program.exit_status().value_or(-1)};
  }
  std::string output_of(const Words& arguments, const Environment& environment = {}) {
    const auto told = told_by(arguments, environment);
    EXPECT_EQ(told.status, 0) << told.error;
    EXPECT_EQ(told.error, "");
    return told.out;
  }
  // One sentence on stderr.
  std::string error_of(const Words& arguments, int status, const Environment& environment = {}) {
    const auto told = told_by(arguments, environment);
    EXPECT_EQ(told.status, status) << told.error;
    EXPECT_EQ(std::count(told.error.begin(), told.error.end(), '\n'), 1) << told.error;
    return told.error;
  }
  json json_of(Words arguments, int status = 0) {
    arguments.insert(arguments.begin(), "--json");
    const auto told = told_by(arguments);
    EXPECT_EQ(told.status, status) << told.error;
    EXPECT_EQ(told.error, "");
    return json::parse(told.out, nullptr, false);
  }

  bool says(const ChildProcess& program, const std::string& text) {
    return world.until([&] { return program.output().find(text) != std::string::npos; });
  }
  bool everything_is_given_up() {
    return world.until([&] { return value_of(client.manager("ListConnections")).empty(); });
  }

  TemporaryDirectory folder;
};

}  // namespace bleconnd::integration
