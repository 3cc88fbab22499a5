// ports::Bluez on the bus: org.bluez' objects by their signals and answers.
// Signals are believed only when they come from bluetoothd's current unique name, and all calls go to that
// name: any local user may send us signals directly, nothing is activated by accident, and no answer of a
// former bluetoothd is taken for one of the present.
#pragma once
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "async/scope.hpp"
#include "ports/bluez.hpp"
#include "system/adapter_mirror.hpp"
#include "system/dbus_call.hpp"
#include "system/device_mirror.hpp"
#include "system/dial_lines.hpp"
#include "system/ears.hpp"
#include "system/event_loop.hpp"
#include "system/journal.hpp"
#include "system/match_rules.hpp"
#include "system/signal_filter.hpp"

namespace sdbus {
class IConnection;
}

namespace bleconnd {

class BluezBus final : public Bluez {
 public:
  // Takes the rules that are always held, which the bus would else be busy with when the first call comes.
  // BlueZ is asked nothing before begin(). Watches and ears go before this does.
  BluezBus(sdbus::IConnection& connection, EventLoop& loop, const Journal& journal);
  BluezBus(const BluezBus&) = delete;
  BluezBus& operator=(const BluezBus&) = delete;

  // Looks for bluetoothd. To be called once, after READY=1.
  void begin();

  std::uint64_t forged_signals() const {
    return forged_;
  }  // those that came from somebody else than bluetoothd

  const Stack& stack() const override { return adapters_.stack(); }
  Notice& stack_changed() override { return stack_changed_; }
  Outcome<std::unique_ptr<DeviceWatch>> watch(const std::string& path) override {
    return devices_.watch(path);
  }
  bool knows(const std::string& path) const override { return devices_.knows(path); }
  bool has_services(const std::string& path) const override { return devices_.has_services(path); }
  Outcome<std::unique_ptr<Ear>> listen(const std::string& adapter, DeviceAddress address,
                                       std::vector<std::string> paths, Notice& notice) override;

  Task<Outcome<DeviceState>> get_device(std::string path, TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<bool>> get_connected(std::string path, TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<std::vector<DeviceState>>> find_devices(DeviceAddress address, TimePoint deadline,
                                                       std::stop_token stop) override;
  Task<Outcome<std::vector<DeviceState>>> all_devices(TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<>> list_services(std::string path, TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<GattObjects>> read_services(std::string path, TimePoint deadline,
                                           std::stop_token stop) override;
  Task<Outcome<std::vector<std::uint8_t>>> read_value(std::string characteristic, TimePoint deadline,
                                                      std::stop_token stop) override;
  Task<Outcome<>> trust(std::string path, TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<>> remove_device(std::string path, TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<>> connect(std::string path, TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<>> disconnect(std::string path, TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<>> pair(std::string path, TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<>> cancel_pairing(std::string path, TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<>> start_discovery(std::string adapter, TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<>> stop_discovery(std::string adapter, TimePoint deadline, std::stop_token stop) override;

 private:
  // bluetoothd comes and goes
  void hold_rules();
  void hold_adapter_rules(unsigned index);
  void owner_is(std::string bluetoothd);
  Task<Unit> find_owner();
  Task<Unit> explore(std::string bluetoothd);
  Task<Outcome<std::vector<std::string>>> read_adapter_names();
  Task<Outcome<>> read_adapter(std::string path);
  Task<Unit> meet_adapter(std::string path);
  void adapter_found(std::string_view path, const AdapterProperties& properties);

  // signals
  void on_signal(sd_bus_message* signal);
  void on_name_owner_changed(sd_bus_message* signal);
  void on_bluez_signal(sd_bus_message* signal, std::string_view member);
  void on_interfaces_added(sd_bus_message* signal);
  void on_interfaces_removed(sd_bus_message* signal);
  void on_properties_changed(sd_bus_message* signal);
  void on_disconnected(sd_bus_message* signal);
  void refuse_forged(const char* sender);

  // calls
  const std::string& owner() const { return adapters_.stack().owner; }
  Task<Outcome<>> adapter_call(std::string adapter, const char* member, TimePoint deadline,
                               std::stop_token stop);
  Task<Outcome<>> ping(DbusLine& line, TimePoint deadline, std::stop_token stop);
  Task<Outcome<>> dial_call(std::string path, const char* member, TimePoint deadline, std::stop_token stop);
  Task<Outcome<>> begin_dial(std::string path, const char* member, TimePoint deadline, std::stop_token stop);
  Task<Outcome<>> end_dial(std::string path, const char* member, TimePoint deadline, std::stop_token stop);
  Outcome<DeviceState> read_device(const DbusAnswer& answer, const std::string& path);
  Outcome<bool> read_connected(const DbusAnswer& answer, const std::string& path);
  // Those that are `address` or connected; without one all.
  Task<Outcome<std::vector<DeviceState>>> list_devices(std::optional<DeviceAddress> address,
                                                       TimePoint deadline, std::stop_token stop);
  Outcome<std::vector<DeviceState>> read_devices(const DbusAnswer& answer,
                                                 std::optional<DeviceAddress> address);
  Outcome<GattObjects> read_gatt(const DbusAnswer& answer, const std::string& device);

  sd_bus* bus_;
  EventLoop& loop_;
  const Journal& journal_;
  MatchRules rules_;
  DbusLine line_;
  DialLines dial_lines_;
  AdapterMirror adapters_;
  Notice stack_changed_;
  DeviceMirror devices_;
  Ears ears_;
  std::vector<MatchRules::Held> held_;
  std::set<unsigned> ruled_adapters_;  // whose objects' coming and going is let through
  std::uint64_t forged_ = 0;
  TimePoint next_forgery_line_{};
  SignalFilter filter_;
  Scope exploring_;  // goes first
};

}  // namespace bleconnd
