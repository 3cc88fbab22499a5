// Starts dbus-daemon (its --print-address pipe says when it listens) or dbus-broker-launch (socket
// activation). Limits are dbus-daemon 1.14's for the system bus; 512 and 128 are those a daemon can hit.
#include "private_bus.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "paths.hpp"

namespace bleconnd::integration {
namespace {

const char* const base_policy = R"(
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Introspectable"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Properties"/>
    <allow send_destination="org.bluez"/>
    <allow send_destination="org.freedesktop.login1" send_interface="org.freedesktop.login1.Manager"/>
  </policy>
  <limit name="max_replies_per_connection">128</limit>
  <limit name="max_connections_per_user">256</limit>
  <limit name="max_completed_connections">2048</limit>
  <limit name="max_names_per_connection">512</limit>
)";

// The user of the tests stands in for bluetoothd's root, for the daemon's own user and for root as a caller.
std::string policy_of_the_tests_user() {
  return "<policy user=\"" + std::to_string(getuid()) + R"(">
  <allow own="org.bluez"/>
  <allow own="org.freedesktop.login1"/>
  <allow own="org.bleconnd"/>
  <allow send_destination="org.bleconnd"/>
  <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Debug.Stats"/>
</policy>
)";
}

// As the group `bluetooth`, which need not exist where the tests run.
std::string policy_of_the_operator() {
  return "<policy user=\"" + std::to_string(operator_uid) +
         "\"><allow send_destination=\"org.bleconnd\"/></policy>\n";
}

// dbus-daemon takes a program that ends with 0 for one that went to the background, and waits for the name.
std::string write_configuration(const TemporaryDirectory& directory, bool bluez_starts,
                                unsigned match_rules) {
  const std::string services = directory.make_directory("services");
  (void)directory.write("services/org.bluez.service",
                        "[D-BUS Service]\nName=org.bluez\nUser=root\nExec=/bin/sh -c 'echo start >> " +
                            directory.file("bluez-activations") + "; exit " + (bluez_starts ? "0" : "1") +
                            "'\n");
  const std::string text =
      "<busconfig>\n<type>system</type>\n<auth>EXTERNAL</auth>\n<listen>unix:path=" + directory.file("bus") +
      "</listen>\n<servicedir>" + services + "</servicedir>\n" + base_policy +
      "<limit name=\"max_match_rules_per_connection\">" + std::to_string(match_rules) +
      "</limit>\n<include>" + std::string{paths::bus_policy} + "</include>\n" + policy_of_the_tests_user() +
      policy_of_the_operator() + "</busconfig>\n";
  return directory.write("bus.conf", text);
}

// Reads one line, or what there is after ten seconds.
std::string read_line(int fd) {
  std::string line;
  pollfd waiting{fd, POLLIN, 0};
  while (poll(&waiting, 1, 10'000) > 0) {
    char letter = 0;
    if (read(fd, &letter, 1) != 1 || letter == '\n') break;
    line += letter;
  }
  return line;
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  return address;
}

int bind_unix(int type, const std::string& path) {
  const int fd = socket(AF_UNIX, type, 0);
  const sockaddr_un address = unix_address(path);
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0) return -1;
  return fd;
}

// dbus-broker-launch refuses to start without the journal's socket. In a container without a journal it gets
// a socket that nobody reads, in a mount namespace of its own, so nothing on the machine changes.
bool give_it_a_journal() {
  if (access("/run/systemd/journal/socket", F_OK) == 0) return true;
  if (unshare(CLONE_NEWNS) < 0) return false;
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) return false;
  if (mount("none", "/run", "tmpfs", 0, nullptr) < 0) return false;
  mkdir("/run/systemd", 0755);
  mkdir("/run/systemd/journal", 0755);
  return bind_unix(SOCK_DGRAM, "/run/systemd/journal/socket") >= 0;
}

}  // namespace

PrivateBus::PrivateBus(Loop& loop, Options options)
    : loop_(loop),
      options_(options),
      configuration_(write_configuration(directory_, options.bluez_starts, options.match_rules)) {
  come_back();
}

void PrivateBus::come_back() {
  if (options_.broker == Broker::dbus_broker)
    start_dbus_broker();
  else
    start_dbus_daemon();
}

// dbus-broker-launch is the parent of the bus, once it has read its configuration.
pid_t PrivateBus::pid() const {
  if (options_.broker == Broker::dbus_daemon) return process_->pid();
  pid_t bus = 0;
  const auto is_there = [&] {
    for (const pid_t child : process_->children()) {
      std::ifstream name("/proc/" + std::to_string(child) + "/comm");
      std::string text;
      if (std::getline(name, text) && text == "dbus-broker") bus = child;
    }
    return bus != 0;
  };
  for (int looks = 0; looks < 1000 && !loop_.run_until(is_there, std::chrono::milliseconds{10}); ++looks)
    ;
  if (bus == 0) throw std::runtime_error("there is no dbus-broker: " + log());
  return bus;
}

void PrivateBus::kill() {
  ::kill(pid(), SIGKILL);
  // The launcher ends with its bus.
  if (!loop_.run_until([this] { return process_->exit_status().has_value(); }))
    throw std::runtime_error("the bus does not end");
}

void PrivateBus::stop() const {
  ::kill(pid(), SIGSTOP);
}

void PrivateBus::resume() const {
  ::kill(pid(), SIGCONT);
}

void PrivateBus::start_dbus_daemon() {
  std::array<int, 2> ends{};
  checked(pipe2(ends.data(), O_CLOEXEC) < 0 ? -errno : 0, "pipe2");
  ChildCommand command;
  command.arguments = {"dbus-daemon", "--config-file=" + configuration_, "--nofork", "--nosyslog",
                       "--print-address=" + std::to_string(ends[1])};
  command.before_exec = [write_end = ends[1]] { return fcntl(write_end, F_SETFD, 0) == 0; };
  process_ = std::make_unique<ChildProcess>(loop_, std::move(command));
  close(ends[1]);
  address_ = read_line(ends[0]);
  address_.resize(std::min(address_.find(','), address_.size()));  // the next bus has another guid=
  close(ends[0]);
  if (address_.empty()) {
    loop_.run_until([this] { return process_->exit_status().has_value(); });
    throw std::runtime_error("dbus-daemon did not start: " + log());
  }
}

void PrivateBus::start_dbus_broker() {
  const std::string path = directory_.file("bus");
  unlink(path.c_str());
  const int listener = checked(bind_unix(SOCK_STREAM | SOCK_CLOEXEC, path), "bind");
  checked(listen(listener, 128) < 0 ? -errno : 0, "listen");
  chmod(path.c_str(), 0777);
  address_ = "unix:path=" + path;
  ChildCommand command;
  command.arguments = {"dbus-broker-launch", "--scope", "system", "--config-file", configuration_};
  command.environment = {{"LISTEN_FDS", "1"}, {"DBUS_SYSTEM_BUS_ADDRESS", address_}};
  command.before_exec = [listener] {
    const int first_passed = 3;  // SD_LISTEN_FDS_START
    if (listener != first_passed && dup2(listener, first_passed) < 0) return false;
    if (fcntl(first_passed, F_SETFD, 0) < 0) return false;
    setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
    return give_it_a_journal();
  };
  process_ = std::make_unique<ChildProcess>(loop_, std::move(command));
  close(listener);  // connections queue in the socket that the launcher holds: no need to wait for it
}

std::size_t PrivateBus::bluez_activations() const {
  std::ifstream marks(directory_.file("bluez-activations"));
  std::size_t count = 0;
  for (std::string line; std::getline(marks, line);) ++count;
  return count;
}

std::string PrivateBus::broker_unavailable() {
  if (access("/usr/bin/dbus-broker-launch", X_OK) != 0) return "dbus-broker is not installed";
  if (access("/run/systemd/journal/socket", F_OK) == 0) return {};
  const pid_t trial = fork();
  if (trial == 0) _exit(unshare(CLONE_NEWNS) == 0 ? 0 : 1);
  int status = 0;
  waitpid(trial, &status, 0);
  return status == 0 ? std::string{} : "no journal here, and no right to a mount namespace";
}

}  // namespace bleconnd::integration
