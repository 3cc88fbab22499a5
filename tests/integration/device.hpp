// One org.bluez.Device1 object: Connect, Disconnect, Pair, services, and its life and end as BlueZ has them.
// It belongs to an adapter's index and goes with it; the peripheral in the air stays.
#pragma once

#include <string>
#include <vector>

#include "bluez_core.hpp"
#include "peripheral.hpp"

namespace bleconnd::integration {

class Adapter;

struct DeviceMemory {  // what BlueZ keeps of a device in its `info` file
  Peripheral* peripheral = nullptr;
  bool trusted = false;
  bool paired = false;
};

class Device {
 public:
  Device(BluezCore& core, Adapter& adapter, Peripheral& peripheral, std::optional<int16_t> rssi);
  Device(BluezCore& core, Adapter& adapter, const DeviceMemory& memory);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // org.bluez.Device1. A null call is made by another program whose answer does not matter.
  void connect(Message call = {});
  void disconnect(Message call = {});
  void pair(Message call = {});
  void cancel_pairing(const Message& call = {});
  void set_trusted(bool trusted);

  // From the air and from the adapter.
  void heard(int16_t rssi);
  void heard_while_dialling();
  void discovery_ended();
  void link_lost(LinkEnd end);
  void services_changed();
  void client_gone(const std::string& bus_name);
  void remove_on_request(const Message& call);
  void vanish();
  void retire();  // bluetoothd is gone: nothing more happens, nothing is told
  // Power-off and unplug in the middle of a Connect, kernel by kernel.
  void connect_succeeds_without_link();
  void connect_aborts();
  // Ends a ConnectStep::Services::never: the discovery of services that nobody had heard of so far.
  void resolve_at_last();
  // As found at start-up: connected, services there, nobody waits for anything.
  void already_connected();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] Peripheral& peripheral() const { return peripheral_; }
  // The address under which it is heard; after pairing BlueZ resolves private ones.
  [[nodiscard]] bool answers_to(const std::string& heard) const { return paired_ || address_ == heard; }
  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] bool services_resolved() const { return resolved_; }
  [[nodiscard]] bool connecting() const { return connecting_; }
  [[nodiscard]] bool pairing() const { return pairing_; }
  [[nodiscard]] bool temporary() const { return temporary_; }
  [[nodiscard]] bool trusted() const { return trusted_; }
  [[nodiscard]] bool paired() const { return paired_; }
  [[nodiscard]] bool stored() const { return !temporary_; }
  [[nodiscard]] DeviceMemory memory() const { return {&peripheral_, trusted_, paired_}; }

 private:
  void announce(std::optional<int16_t> rssi);
  void keep();  // no longer temporary, unless its address is private
  void become_temporary();
  void restart_temporary_timer();
  bool in_reach() const;

  void start_dial();
  void create_link();
  void refuse_for_lack_of_slots();
  void link_never_completes();
  void link_up();
  void script_the_link();
  void answer_connect();
  void fail_connect(const std::string& error, const std::string& message);
  [[nodiscard]] std::string abort_text() const;
  void stop_dialling();

  void take_link_down();
  void clear_link();

  void begin_bonding(bool own_link);
  void end_bonding(const PairStep& step, bool own_link);
  void fail_pairing(const std::string& error, const std::string& message);
  void bonded();

  void discover_services();
  void export_services();
  [[nodiscard]] bool unexport_changed();
  void unexport_all();
  void show_mtu(bool on);

  void set(const std::string& property, Value value);
  void step_after(microseconds delay, Timeline::Action action);

  struct ExportedService {
    GattService service;
    std::vector<std::string> paths;
  };

  BluezCore& core_;
  Adapter& adapter_;
  Peripheral& peripheral_;
  std::string address_;
  std::string path_;
  bool temporary_ = true;
  bool trusted_ = false;
  bool paired_ = false;
  bool connected_ = false;
  bool resolved_ = false;
  bool connecting_ = false;
  bool pairing_ = false;
  ConnectStep step_;
  Message connect_call_;
  Message pair_call_;
  std::vector<Message> disconnect_calls_;
  std::vector<ExportedService> exported_;
  std::vector<Timeline::Appointment> steps_;  // of the current dial or link
  Timeline::Appointment pair_step_;
  Timeline::Appointment disconnect_step_;
  Timeline::Appointment temporary_timer_;
  uint8_t report_count_ = 0;
};

}  // namespace bleconnd::integration
