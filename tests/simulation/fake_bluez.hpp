// ports::Bluez over the simulated bluetoothd: calls and signals travel on two ordered lines, each with its
// latency, so that what the procedures see is late and never out of order. It keeps count of what they hold.
#pragma once
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bluetoothd.hpp"

namespace bleconnd::simulation {

// Messages of one direction: first in, first out, and never inline.
class Line {
 public:
  Line(World& world, Duration shortest, Duration longest)
      : world_{world}, shortest_{shortest}, longest_{longest} {}
  void send(World::Action arrives);
  void hold_until(TimePoint when) { last_ = std::max(last_, when); }

 private:
  World& world_;
  Duration shortest_, longest_;
  TimePoint last_{};
  std::shared_ptr<bool> whole_ = std::make_shared<bool>(true);  // what is under way is lost with the line
};

class FakeBluez final : public Bluez, private Signals {
 public:
  struct Latency {
    Duration shortest = 1ms, longest = 1ms;
  };
  FakeBluez(World& world, Bluetoothd& bluetoothd, Latency latency);
  FakeBluez(const FakeBluez&) = delete;
  ~FakeBluez() override;

  const Stack& stack() const override { return stack_; }
  Notice& stack_changed() override { return stack_changed_; }
  Outcome<std::unique_ptr<DeviceWatch>> watch(const std::string& path) override;
  bool knows(const std::string& path) const override;
  Outcome<std::unique_ptr<Ear>> listen(const std::string& adapter, DeviceAddress address,
                                       std::vector<std::string> paths, Notice& notice) override;
  Task<Outcome<DeviceState>> get_device(std::string path, TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<bool>> get_connected(std::string path, TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<std::vector<DeviceState>>> find_devices(DeviceAddress address, TimePoint deadline,
                                                       std::stop_token stop) override;
  bool has_services(const std::string& path) const override;
  Task<Outcome<std::vector<DeviceState>>> all_devices(TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<std::vector<std::uint8_t>>> read_value(std::string characteristic, TimePoint deadline,
                                                      std::stop_token stop) override;
  Task<Outcome<>> trust(std::string path, TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<>> remove_device(std::string path, TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<>> list_services(std::string path, TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<GattObjects>> read_services(std::string path, TimePoint deadline,
                                           std::stop_token stop) override;
  Task<Outcome<>> connect(std::string path, TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<>> disconnect(std::string path, TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<>> pair(std::string path, TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<>> cancel_pairing(std::string path, TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<>> start_discovery(std::string adapter, TimePoint deadline, std::stop_token stop) override;
  Task<Outcome<>> stop_discovery(std::string adapter, TimePoint deadline, std::stop_token stop) override;

  // --- knobs ---
  std::size_t remembered = 64;     // paths that stay watched for objects after their last watch
  bool rules_are_used_up = false;  // watch() and listen() fail
  std::string no_rule_on = {};     // listen() fails on this adapter
  std::function<void(const std::string& member, const std::string& path)> on_call = {};
  // bluetoothd handles nothing for a while; what is sent meanwhile waits.
  void stall(Duration span) {
    stalled_until_ = world_.now() + span;
    to_bluetoothd_.hold_until(stalled_until_);
  }
  TimePoint stalled_until() const { return stalled_until_; }

  // --- for checkers ---
  std::size_t watches() const;
  std::size_t ears() const { return ears_.size(); }
  std::size_t calls() const { return calls_.size(); }
  // Whether somebody still waits for the answer to this Connect or Pair.
  bool waits_for(std::uint64_t call) const { return dials_.contains(call); }
  // The number of the last Disconnect that was sent for this path; 0 if none.
  std::uint64_t last_disconnect(const std::string& path) const;

 private:
  class Watch;
  class Listener;
  struct Entry {
    Observation seen;
    std::vector<Watch*> watches;
    std::uint64_t used = 0;
    bool is_followed() const { return !watches.empty() || seen.current; }
  };
  static void follow_no_more(Observation& seen) {
    seen.current = seen.connected = seen.services_resolved = false;
  }
  struct Outstanding {
    virtual ~Outstanding() = default;
    virtual void owner_lost() = 0;
  };
  template <class T>
  class Call;

  void owner_changed(const std::string& owner) override;
  void adapter_added(const AdapterState& adapter) override;
  void adapter_removed(const std::string& path) override;
  void adapter_powered(const std::string& path, bool powered) override;
  void device_added(const DeviceState& device) override;
  void device_changed(const Change& change) override;
  void device_removed(const std::string& path) override;
  void services_removed(const std::string& device, const GattObjects& objects) override;
  void services_added(const std::string& device, const GattObjects& objects) override;

  void told_owner(const std::string& owner);
  void explore();
  void told_adapters(const std::string& owner, std::vector<AdapterState> adapters);
  void told_device(const DeviceState& device, bool new_object);
  void told_change(const Change& change);
  bool is_waited_for(const DeviceState& device) const;
  void told_gone(const std::string& path);
  void report(const std::string& path, const std::string& address, std::int16_t rssi);
  void set_connected(Observation& seen, bool connected);
  void notify(Entry& entry);
  void forget_unwatched();
  void called(const std::string& member, const std::string& path);

  World& world_;
  Bluetoothd& bluetoothd_;
  Line to_bluetoothd_;
  Line from_bluetoothd_;
  Stack stack_;
  Notice stack_changed_;
  TimePoint stalled_until_{};
  std::uint64_t epochs_ = 0;
  std::uint64_t numbers_ = 0;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> addresses_;  // Device1.Address by path, as told
  std::list<Listener*> ears_;
  std::list<Outstanding*> calls_;
  std::set<std::uint64_t> dials_;
  std::map<std::string, std::uint64_t> disconnects_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for answers to a daemon that is gone
};

}  // namespace bleconnd::simulation
