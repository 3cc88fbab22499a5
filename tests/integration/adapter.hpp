// One controller with its org.bluez.Adapter1 object: discovery, the kernel's dial queue, power, index.
// The C++ object is the hardware: it outlives bluetoothd, and its index when it is pulled and comes back.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bluez_core.hpp"
#include "device.hpp"

namespace bleconnd::integration {

using Air = std::vector<std::unique_ptr<Peripheral>>;

class Adapter {
 public:
  Adapter(BluezCore& core, const Air& air, std::string its_address);
  ~Adapter();

  // org.bluez.Adapter1
  void start_discovery(const Message& call);
  void stop_discovery(const Message& call);
  void set_discovery_filter(const Message& call);
  void remove_device(const Message& call, const std::string& path);
  void set_powered(const Message& call, bool on);

  // What a test does to it.
  Device& discovered(Peripheral& peripheral);  // the object is there, as after a scan
  void power_off() { set_powered({}, false); }
  void power_on() { set_powered({}, true); }
  std::size_t slots = 0;          // links that the controller can hold; 0: no limit
  std::size_t foreign_links = 0;  // taken by links that are no org.bluez objects of ours

  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] std::string path() const { return "/org/bluez/hci" + std::to_string(index_); }
  [[nodiscard]] unsigned index() const { return index_; }
  [[nodiscard]] bool plugged() const { return plugged_; }
  [[nodiscard]] bool powered() const { return powered_; }
  [[nodiscard]] bool discovering() const { return discovering_; }
  [[nodiscard]] bool has_discovery_filter() const;
  [[nodiscard]] std::size_t links() const;
  [[nodiscard]] bool is_full() const { return slots != 0 && links() + foreign_links >= slots; }
  [[nodiscard]] const std::set<std::string>& discovery_sessions() const { return sessions_; }  // bus names
  [[nodiscard]] const std::map<std::string, std::unique_ptr<Device>>& devices() const { return devices_; }
  [[nodiscard]] Device* device(const Peripheral& peripheral) const;
  [[nodiscard]] Device* device_at(const std::string& path) const;

 private:
  friend class Device;
  friend class ScriptedBluez;

  // For devices.
  void dial(Device& device, microseconds time, Timeline::Action done);
  void cancel_dial(const Device& device);
  void forget(Device& device);
  void fail_later(const Message& call, microseconds delay, const std::string& error,
                  const std::string& message);

  // For the world.
  void announce(unsigned index, bool powered);
  void announce_stored();
  void power_up_by_itself();  // AutoEnable
  void pull();
  void shut_down();  // bluetoothd ends in order
  void killed();     // bluetoothd is gone, nothing is told
  void client_gone(const std::string& bus_name);

  void start_next_dial();
  void power_down(const Message& call);
  void end_discovery();
  void discovery_changed();
  void schedule_report();
  void report_next();
  void remember_devices();
  std::vector<Device*> all_devices() const;
  void set(const std::string& property, Value value);

  struct Dial {
    Device* device;
    microseconds time;
    Timeline::Action done;
  };

  BluezCore& core_;
  const Air& air_;
  std::string address_;
  unsigned index_ = 0;
  bool plugged_ = false;
  bool powered_ = false;
  bool power_changing_ = false;
  bool discovering_ = false;
  std::set<std::string> sessions_;  // bus names that have called StartDiscovery
  std::set<std::string> filters_;   // bus names with a discovery filter
  std::map<std::string, std::unique_ptr<Device>> devices_;
  std::vector<DeviceMemory> memory_;
  std::deque<Dial> dials_;
  std::size_t next_heard_ = 0;
  Timeline::Appointment dial_step_;
  Timeline::Appointment report_step_;
  Timeline::Appointment discovering_step_;
  Timeline::Appointment power_step_;
  std::vector<Timeline::Appointment> late_;
};

}  // namespace bleconnd::integration
