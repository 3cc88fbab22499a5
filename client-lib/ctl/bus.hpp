// The calls of org.bleconnd that libbleconn has no word for, and its signals, over plain sd-bus.
#pragma once
#include <systemd/sd-bus.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "bleconn/bleconn.hpp"

namespace bleconnctl {

// What `monitor` is told.
struct StateChanged {
  std::string address, state, reason;
};
struct AttemptOf {
  std::string address;
  bleconn::AttemptFailed failed;
};
struct ServicesChanged {
  std::string address;
};
struct DaemonThere {
  bool there;
};
using Event = std::variant<StateChanged, AttemptOf, ServicesChanged, DaemonThere>;

// All throw bleconn::Error. A call waits for its answer for 60 s, or $SYSTEMD_BUS_TIMEOUT.
class Bus {
 public:
  explicit Bus(const std::string& host);  // "" is this one
  Bus(const Bus&) = delete;

  void disconnect(const std::string& address);
  std::uint32_t release(const std::string& address);  // leases that are left
  std::uint32_t clear_all_caches();
  std::map<std::string, std::uint64_t> statistics();
  void reset_statistics();
  std::string log_level();
  void set_log_level(const std::string& level);
  std::string property(const char* name);  // of Manager1: Version, State

  // One call for each event, the first one when it listens, until `ends` (< 0: never) can be read.
  void watch(const std::function<void(const Event&)>& told, int ends);

 private:
  struct Close {
    void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
  };
  struct Unref {
    void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
  };
  using Message = std::unique_ptr<sd_bus_message, Unref>;
  Message call(const char* path, const char* interface, const char* member, const char* types = nullptr, ...);
  bleconn::Error error_here(int error) const;  // of this side: errno
  std::string host_;
  std::unique_ptr<sd_bus, Close> bus_;
};

}  // namespace bleconnctl
