// Which adapters fail, as opposed to the devices that are dialled there: a circuit breaker an adapter. Pure;
// time comes in. Adapters are known by their address.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "core/address.hpp"
#include "core/failure.hpp"

namespace bleconnd {

class AdapterCircuit {
 public:
  using Time = std::chrono::steady_clock::time_point;
  // So many dials failed in a row, of so many devices at least, though each device was heard or BlueZ gave a
  // reason: then it is the adapter. Of fewer devices each has a circuit of its own (Reconnect).
  static constexpr std::uint32_t kOpenAfter = 5;
  static constexpr std::size_t kDevices = 3;
  // While it is open, of all maintained devices that have failed already one is dialled there in each pause,
  // which doubles with every failure. A device that is heard there ends the pause, once in kPause.
  static constexpr std::chrono::seconds kPause{30};
  static constexpr std::chrono::minutes kMostPause{2};

  // What a dial that ended without a link says of its adapter.
  void failed(const std::string& adapter, DeviceAddress device, Cause cause, Time now);
  // One is dialled there though it is open: no other for a pause.
  void tried(const std::string& adapter, Time now);
  // A link came up, somebody asked with priority high, or the adapter has come up anew: as if nothing had
  // failed.
  void close(const std::string& adapter) { rows_.erase(adapter); }
  void heard(const std::string& adapter, Time now);  // an advertisement

  bool is_open(const std::string& adapter) const;
  Time due(const std::string& adapter) const;  // of the next try, while it is open
  bool blocks(const std::string& adapter, Time now) const { return is_open(adapter) && now < due(adapter); }
  std::uint32_t failures(const std::string& adapter) const;  // in a row
  std::size_t devices(const std::string& adapter) const;     // of how many

 private:
  struct Row {
    std::uint32_t failures = 0;
    std::set<DeviceAddress> devices{};  // at most kMostDevices of them
    Time tried{};
    Time due{};
  };
  static constexpr std::size_t kMostDevices = 64;
  const Row* row(const std::string& adapter) const;
  std::map<std::string, Row> rows_;
};

}  // namespace bleconnd
