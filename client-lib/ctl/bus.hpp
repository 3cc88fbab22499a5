// The calls of org.bleconnd that libbleconn has no word for, and its signals, over plain sd-bus.
#pragma once
#include <systemd/sd-bus.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace bleconnctl {

class Bus {
 public:
  explicit Bus(const std::string& host);  // "" is this one; throws bleconn::Error
  Bus(const Bus&) = delete;

  void disconnect(const std::string& address);
  std::uint32_t release(const std::string& address);                                // leases that are left
  std::string declare(const std::string& address, bool persistent, bool maintain);  // Device1.State so far
  std::uint32_t clear_all_caches();
  std::map<std::string, std::uint64_t> statistics();
  void reset_statistics();
  std::string log_level();
  void set_log_level(const std::string& level);
  std::string property(const char* name);  // of Manager1: Version, State

  // "2.10 AA:BB:CC:DD:EE:FF connected": one call for each signal, until `ends` (< 0: never) file is readable.
  struct Event {
    std::string address, what, detail;
  };
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
  std::unique_ptr<sd_bus, Close> bus_;
};

}  // namespace bleconnctl
