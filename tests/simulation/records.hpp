// ports::LeaseRecord and ports::SlotRecord in memory. They survive a life of the daemon, as the folders do.
#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ports/lease_record.hpp"
#include "ports/slot_record.hpp"
#include "world.hpp"

namespace bleconnd::simulation {

class Leases final : public LeaseRecord {
 public:
  LeaseRecord::Leases former() override { return kept; }
  void keep(DeviceAddress device, std::vector<KeptLease> leases) override {
    if (leases.empty())
      kept.erase(device);
    else
      kept.insert_or_assign(device, std::move(leases));
  }
  LeaseRecord::Leases kept = {};
};

class Slots final : public SlotRecord {
 public:
  explicit Slots(World& world) : world_{world} {}
  std::map<std::string, LearnedLimit> former() override {
    std::map<std::string, LearnedLimit> all;
    for (auto& [adapter, entry] : entries)
      all[adapter] = {entry.first,
                      std::chrono::duration_cast<std::chrono::seconds>(world_.now() - entry.second)};
    return all;
  }
  void learned(const std::string& adapter, std::uint32_t limit) override {
    entries[adapter] = {limit, world_.now()};
  }
  std::map<std::string, std::pair<std::uint32_t, TimePoint>> entries = {};

 private:
  World& world_;
};

}  // namespace bleconnd::simulation
