// A bus for one test: type, policy and limits of the system bus, and the policy file that is installed.
// org.bluez is activatable as on a real system; each activation leaves a mark that a test can count.
#pragma once

#include <sys/types.h>

#include <string>

#include "child_process.hpp"
#include "loop.hpp"
#include "temporary_directory.hpp"

namespace bleconnd::integration {

// May call org.bleconnd like the members of the group `bluetooth`, and is not root: the user `daemon`.
constexpr uid_t operator_uid = 1;

enum class Broker { dbus_daemon, dbus_broker };

struct PrivateBusOptions {
  Broker broker = Broker::dbus_daemon;
  bool bluez_starts =
      false;  // a call to the name waits until it is owned, as where systemd starts bluetoothd
  unsigned match_rules = 512;  // a connection may have; dbus-daemon only
};

class PrivateBus {
 public:
  using Options = PrivateBusOptions;

  explicit PrivateBus(Loop& loop, Options options = {});

  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] Broker broker() const { return options_.broker; }
  [[nodiscard]] pid_t pid() const;  // of the bus itself, not of what launches it

  // kill -9: every connection is lost. It comes back under the same address, as another bus.
  void kill();
  void come_back();
  // SIGSTOP and SIGCONT.
  void stop() const;
  void resume() const;

  [[nodiscard]] const std::string& log() const { return process_->output(); }

  // How often a call to the name org.bluez made the bus try to start bluetoothd.
  [[nodiscard]] std::size_t bluez_activations() const;

  // Why dbus-broker cannot be used here (no program, no mount namespace); empty if it can.
  static std::string broker_unavailable();

 private:
  void start_dbus_daemon();
  void start_dbus_broker();

  Loop& loop_;
  Options options_;
  TemporaryDirectory directory_;
  std::string configuration_;
  std::string address_;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace bleconnd::integration
