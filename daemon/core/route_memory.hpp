// What is remembered of the ways to a device: which adapter made its last link, and which failed it lately.
// Pure; time comes in.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "core/address.hpp"

namespace bleconnd {

class RouteMemory {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::minutes kRecent{10};  // an older failure says nothing about an adapter today
  static constexpr std::uint32_t kMaxFailures = 4;    // more of them do not weigh more
  static constexpr std::size_t kMaxDevices = 1024;    // the least recently used are forgotten

  void failed(DeviceAddress device, const std::string& adapter_address, Time now);
  // A link that was usable: forgets the failures of this device on this adapter. `path` is where BlueZ has
  // the object.
  void succeeded(DeviceAddress device, const std::string& adapter_address, const std::string& path, Time now);

  std::uint32_t failures(DeviceAddress device, const std::string& adapter_address, Time now) const;
  std::string last_adapter(DeviceAddress device) const;  // address of the adapter; "" if none
  std::string last_path(DeviceAddress device) const;     // "" if none

 private:
  struct Failures {
    std::uint32_t count = 0;
    Time last{};
  };
  struct Device {
    std::map<std::string, Failures> failures;  // by adapter address
    std::string last_adapter;
    std::string last_path;
    Time used{};
  };
  Device& use(DeviceAddress device, Time now);
  std::map<DeviceAddress, Device> devices_;
};

}  // namespace bleconnd
