// Who leases which device, kept beyond this life of the daemon: leases of callers until the bus ends,
// persistent ones until they are released.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "async/executor.hpp"
#include "core/address.hpp"
#include "core/terms.hpp"

namespace bleconnd {

struct KeptLease {
  bool persistent = false;
  std::string name{};  // unique bus name of its holder; empty: persistent
  std::uint32_t uid = 0;
  std::string label{};
  std::optional<TimePoint> lingers_to{};  // its holder had left the bus
  std::optional<Terms> maintained{};
  bool operator==(const KeptLease&) const = default;
};

class LeaseRecord {
 public:
  using Leases = std::map<DeviceAddress, std::vector<KeptLease>>;
  virtual ~LeaseRecord() = default;
  // What a former life kept, on this bus; persistent ones of any boot.
  virtual Leases former() = 0;
  // All of this device; none forgets it.
  virtual void keep(DeviceAddress device, std::vector<KeptLease> leases) = 0;
};

}  // namespace bleconnd
