// The objects /org/bleconnd/dev_…: Device1 over the sessions, all of them by one table at the bus, since a
// registration a device is a quarter of what a connect costs (measured). What happens to a device is kept
// until tell_all(); an end that is no release is told at once.
#pragma once
#include <systemd/sd-bus.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "procedures/device_session.hpp"
#include "service/device_properties.hpp"
#include "system/sd_handles.hpp"

namespace bleconnd {

inline constexpr const char* kRootPath = "/org/bleconnd";
std::string object_path(DeviceAddress address);

class DeviceObjects {
 public:
  // The bus has an ObjectManager at the root.
  explicit DeviceObjects(sd_bus* bus);
  DeviceObjects(const DeviceObjects&) = delete;

  std::size_t size() const { return present_; }

  // What the sessions tell. Kept, in order.
  void appeared(const DeviceSession& session);
  void gone(DeviceAddress address);
  void changed(DeviceAddress address);
  void stage_changed(const DeviceSession& session, const std::string& reason);
  void attempt_failed(DeviceAddress address, const FailedAttempt& failed, const Refusal& as);
  void link_ended(DeviceAddress address, const std::string& reason);
  void services_changed(DeviceAddress address);

  // InterfacesAdded, as disconnected; what it is by now is told behind it. Before the answer of a call that
  // made it.
  void announce(DeviceAddress address);
  // What was kept; and takes back the objects of sessions that have gone.
  void tell_all();

 private:
  struct StageChange {
    Stage stage;
    std::string reason;
  };
  struct AttemptFailure {
    FailedAttempt failed;
    Refusal as;
  };
  struct LinkEnd {
    std::string reason;
  };
  struct ServicesChange {};
  using Event = std::variant<StageChange, AttemptFailure, LinkEnd, ServicesChange>;
  struct Device {
    const DeviceSession* session = nullptr;  // null: it has gone, and its object is still to be taken back
    std::uint64_t connected_since = 0;       // CLOCK_REALTIME, µs
    std::optional<DeviceValues> told{};      // by InterfacesAdded and PropertiesChanged
    std::vector<Event> untold{};
    bool is_to_tell = false;  // something has happened to it since
  };
  using Devices = std::map<DeviceAddress, Device>;

  const Device* present(const char* path) const;
  static bool is_forgettable(const std::vector<Event>& events);
  void is_to_tell(DeviceAddress address, Device& device);
  void announce(DeviceAddress address, Device& device, DeviceValues values);
  void happened(DeviceAddress address, Event event);
  void tell(DeviceAddress address, Device& device);
  void emit(DeviceAddress address, const Event& event);
  void emit_added(const std::string& path, const DeviceValues& values);
  void emit_changed(const std::string& path, const DeviceValues& before, const DeviceValues& now);
  void emit_removed(const std::string& path);

  static int on_find(sd_bus* bus, const char* path, const char* interface, void* self, void** found,
                     sd_bus_error* error);
  static int on_enumerate(sd_bus* bus, const char* prefix, void* self, char*** paths, sd_bus_error* error);
  static int on_get(sd_bus* bus, const char* path, const char* interface, const char* property,
                    sd_bus_message* reply, void* device, sd_bus_error* error);
  static const sd_bus_vtable kMembers[];

  sd_bus* bus_;
  Devices devices_;
  std::vector<DeviceAddress> to_tell_;  // those that are, in order; and some that are no more
  std::size_t present_ = 0;
  BusSlot members_;
  BusSlot paths_;
};

}  // namespace bleconnd
