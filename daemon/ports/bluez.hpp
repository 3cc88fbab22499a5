// What we need of org.bluez: the values of its adapters and of the devices that somebody watches, and its
// calls. Values are kept up to date by signals and can still be behind: procedures look again at decision
// points.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/executor.hpp"
#include "async/notice.hpp"
#include "async/task.hpp"
#include "core/address.hpp"
#include "core/gatt_objects.hpp"
#include "core/packed_services.hpp"
#include "ports/outcome.hpp"

namespace bleconnd {

struct AdapterState {
  unsigned index = 0;   // N of hciN
  std::string path;     // /org/bluez/hciN
  std::string name;     // hciN
  std::string address;  // Adapter1.Address: what an adapter is known by, since its index moves
  bool powered = false;
  std::uint64_t power_epoch =
      0;  // another one each time the adapter comes up: discovery and dials of an older one are gone
};

// bluetoothd and its adapters, as one value.
struct Stack {
  std::string owner;                   // unique bus name of bluetoothd; empty: not on the bus
  bool explored = false;               // its adapters have been read
  std::vector<AdapterState> adapters;  // by index

  const AdapterState* adapter(const std::string& path) const {
    for (auto& each : adapters)
      if (each.path == path) return &each;
    return nullptr;
  }
  const AdapterState* adapter_of(const std::string& address) const {
    for (auto& each : adapters)
      if (each.address == address) return &each;
    return nullptr;
  }
  bool any_powered() const {
    for (auto& each : adapters)
      if (each.powered) return true;
    return false;
  }
};

// Device1 at one path, as GetAll or GetManagedObjects told.
struct DeviceState {
  std::string path;
  std::string adapter;  // object path
  std::string address;  // the property; it can differ from the address in the path
  bool connected = false;
  bool services_resolved = false;
  bool bonded = false;  // Paired or Bonded
  bool trusted = false;
  bool low_energy =
      true;  // its link, if it is connected: false only where BlueZ says that it is a BR/EDR one
  std::optional<std::int16_t> rssi;
};

// One device path, followed by signals. Counts tell what happened between two looks.
struct Observation {
  bool present = false;  // the object exists, as far as we were told
  bool current = false;  // the next two were read, and signals have told of each change since
  bool connected = false;
  bool services_resolved = false;
  bool bonded = false;             // Paired or Bonded
  std::uint32_t removals = 0;      // InterfacesRemoved of the object
  std::uint32_t links_up = 0;      // Connected turned true
  std::uint32_t links_down = 0;    // Connected turned false
  std::optional<TimePoint> heard;  // the last report of it (RSSI changed, or the object was made)
  std::string end_reason;          // Device1.Disconnected of BlueZ >= 5.83: "org.bluez.Reason.Timeout" …
  PackedServices gatt;             // its GATT objects, those with names that BlueZ makes
  std::uint32_t gatt_changes = 0;  // signals that added or removed some
  bool gatt_whole = false;         // `gatt` holds all of them: followed since the object was made, or read
  // Handles of its services, as list_services() found them; until signals change them.
  std::optional<std::vector<std::uint16_t>> services_listed;
};

// Connected=false comes 2 to 2.8 s after the Disconnect of a link (measured, 5.66), before 5.79 up to 250 ms
// of that after its answer; a link that is still up then is a phantom.
constexpr std::chrono::seconds kLinkDown{5};

// A device path that is watched for as long as this lives; then it is remembered among the most recently used
// ones. Of the last few of these even `current` stays, until they advertise: the next dial needs no more than
// get_connected().
class DeviceWatch {
 public:
  virtual ~DeviceWatch() = default;
  virtual const std::string& path() const = 0;
  virtual const Observation& seen() const = 0;
  virtual Notice& changed() = 0;
};

// Listens to one adapter's reports for one device while it lives. Reports come only while somebody discovers.
class Ear {
 public:
  virtual ~Ear() = default;
  struct Report {
    std::string path;
    std::optional<std::int16_t> rssi;
    TimePoint at;
  };
  virtual const std::optional<Report>& heard() const = 0;
};

// Every call ends by its answer, its deadline (`Cause::timeout`) or its stop token (`Cause::cancelled`);
// failures are classified. Ending a wait for an answer does not undo the call: BlueZ goes on.
class Bluez {
 public:
  virtual ~Bluez() = default;

  virtual const Stack& stack() const = 0;
  virtual Notice& stack_changed() = 0;

  // limits: when the match rules of one bus connection are used up.
  virtual Outcome<std::unique_ptr<DeviceWatch>> watch(const std::string& path) = 0;
  // A path that is watched, or remembered among the most recently used ones, and whose object is there.
  virtual bool knows(const std::string& path) const = 0;
  // Whether BlueZ has GATT objects of the device at this path, as far as we were told.
  virtual bool has_services(const std::string& path) const = 0;
  // Wakes `notice` when `address`, or the object at one of `paths`, is heard by the adapter.
  virtual Outcome<std::unique_ptr<Ear>> listen(const std::string& adapter, DeviceAddress address,
                                               std::vector<std::string> paths, Notice& notice) = 0;

  virtual Task<Outcome<DeviceState>> get_device(std::string path, TimePoint deadline,
                                                std::stop_token stop) = 0;
  // Its property Connected alone: enough where all else is current. A signal of it can be missing.
  virtual Task<Outcome<bool>> get_connected(std::string path, TimePoint deadline, std::stop_token stop) = 0;
  // Every object that is this address, or that is connected. One read of all objects, streamed: dear with
  // thousands of them.
  virtual Task<Outcome<std::vector<DeviceState>>> find_devices(DeviceAddress address, TimePoint deadline,
                                                               std::stop_token stop) = 0;
  // Every object of every device. As dear.
  virtual Task<Outcome<std::vector<DeviceState>>> all_devices(TimePoint deadline, std::stop_token stop) = 0;
  // Which services are there below a device: an answer about this device alone, and for `services_listed`.
  // Where there are none, signals tell all that come.
  virtual Task<Outcome<>> list_services(std::string path, TimePoint deadline, std::stop_token stop) = 0;
  // The GATT objects below a device, with their properties as they are now. As dear.
  virtual Task<Outcome<GattObjects>> read_services(std::string path, TimePoint deadline,
                                                   std::stop_token stop) = 0;

  // GattCharacteristic1.ReadValue of a link that is up.
  virtual Task<Outcome<std::vector<std::uint8_t>>> read_value(std::string characteristic, TimePoint deadline,
                                                              std::stop_token stop) = 0;
  // Device1.Trusted = true: BlueZ keeps the object, with its GATT cache, while the device is away.
  virtual Task<Outcome<>> trust(std::string path, TimePoint deadline, std::stop_token stop) = 0;
  // Adapter1.RemoveDevice: the object, its bond and BlueZ's GATT cache of it go; a link is ended first.
  virtual Task<Outcome<>> remove_device(std::string path, TimePoint deadline, std::stop_token stop) = 0;

  virtual Task<Outcome<>> connect(std::string path, TimePoint deadline, std::stop_token stop) = 0;
  virtual Task<Outcome<>> disconnect(std::string path, TimePoint deadline, std::stop_token stop) = 0;
  virtual Task<Outcome<>> pair(std::string path, TimePoint deadline, std::stop_token stop) = 0;
  virtual Task<Outcome<>> cancel_pairing(std::string path, TimePoint deadline, std::stop_token stop) = 0;
  // SetDiscoveryFilter for LE, then StartDiscovery. `stop` is obeyed until StartDiscovery is sent: cancelled
  // means that nothing runs. StopDiscovery is sent at once, behind what was sent before.
  virtual Task<Outcome<>> start_discovery(std::string adapter, TimePoint deadline, std::stop_token stop) = 0;
  virtual Task<Outcome<>> stop_discovery(std::string adapter, TimePoint deadline, std::stop_token stop) = 0;
};

}  // namespace bleconnd
