// ports::LeaseRecord as two files: callers' leases in the runtime directory, where they count for one message
// bus, which gives out the same unique names to others after a restart; persistent ones in the state
// directory.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "ports/lease_record.hpp"
#include "system/line_log.hpp"

namespace bleconnd {

class LeaseRecordFile final : public LeaseRecord {
 public:
  // Either directory may be empty: that part is not kept. `bus`: the bus' own id.
  LeaseRecordFile(const std::string& runtime, const std::string& state, const std::string& bus,
                  const Journal& journal);

  Leases former() override;
  void keep(DeviceAddress device, std::vector<KeptLease> leases) override;

 private:
  const Journal& journal_;
  LineLog callers_;
  LineLog persistent_;
};

// $STATE_DIRECTORY, the first one if it lists several; empty if it is not set.
std::string state_directory();

}  // namespace bleconnd
