// Everything a test needs in one object: loop, private bus, scripted BlueZ, the daemon's folders and process,
// clients. A test builds a world, acts, and compares lists of effects; waiting is always for a condition.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "client.hpp"
#include "daemon_process.hpp"
#include "loop.hpp"
#include "private_bus.hpp"
#include "scripted_bluez.hpp"

namespace bleconnd::integration {

struct WorldOptions {
  BluezSettings bluez;
  PrivateBusOptions bus;
};

class World {
 public:
  explicit World(const WorldOptions& options = {})
      : bus(loop, options.bus), bluez(loop, bus.address(), options.bluez) {}

  Loop loop;
  PrivateBus bus;
  ScriptedBluez bluez;
  DaemonFolders folders;
  std::unique_ptr<DaemonProcess> daemon;
  DaemonOptions daemon_options;  // environment and hook of its next starts

  // A second call restarts it with what the first run left in its folders. False if READY=1 did not come.
  bool start_daemon(const std::string& binary, const std::string& main_conf = "[General]\nLingerSec=0\n") {
    daemon.reset();
    auto options = daemon_options;
    options.binary = binary;
    options.bus_address = bus.address();
    options.main_conf = main_conf;
    daemon = std::make_unique<DaemonProcess>(loop, folders, options);
    return daemon->wait_until_ready();
  }

  Client& client(uid_t uid = static_cast<uid_t>(-1)) {
    return clients_.emplace_back(loop, bus.address(), uid);
  }

  bool until(const std::function<bool()>& condition,
             std::chrono::milliseconds deadline = std::chrono::seconds(10)) {
    return loop.run_until(condition, deadline);
  }
  // Waits for the answer; what came, or "pending".
  std::string outcome(const PendingReply& reply,
                      std::chrono::milliseconds deadline = std::chrono::seconds(10)) {
    until([&] { return reply->done; }, deadline);
    return reply->outcome();
  }

  // For the message of a failed test.
  [[nodiscard]] std::string report() const {
    return "org.bluez:\n" + bluez.told() + (daemon ? "daemon:\n" + daemon->log() : std::string{});
  }

 private:
  std::list<Client> clients_;
};

}  // namespace bleconnd::integration
