// How many LE links each adapter can hold, and who holds them. Pure; time comes in. Adapters are known by
// their address, since indexes move.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "core/address.hpp"

namespace bleconnd {

// Of a slot that we hold. `releasing`: Disconnect was asked for; the controller has the link until
// Connected=false.
enum class SlotState : std::uint8_t { dialling, connected, releasing };

class SlotLedger {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::uint32_t kMost = 255;  // a controller names its links by 12 bits; none has as many
  // BlueZ has no word for "no slot", so a limit is learned from two refusals in a row of different devices.
  // What was learned may have been a bad moment: it is raised by one each time this has passed.
  static constexpr std::chrono::minutes kRaise{10};

  // The administrator's limits win: 1 to kMost, or 0: no limit, and none is learned.
  void configure(std::map<std::string, std::uint32_t> limits) { configured_ = std::move(limits); }
  // What a former life of the daemon learned.
  void restore(const std::string& adapter, std::uint32_t limit, Time learned_at);

  // One slot a device and adapter. Taking never fails: an adopted link has its slot whatever the limit.
  void take(const std::string& adapter, DeviceAddress device, SlotState state);
  void free(const std::string& adapter, DeviceAddress device);
  // Links of other programs, as they were counted last; what we hold ourselves does not count twice.
  void others(const std::string& adapter, std::set<DeviceAddress> devices);
  void other_came(const std::string& adapter, DeviceAddress device) { others_[adapter].insert(device); }
  void other_went(const std::string& adapter, DeviceAddress device);

  // The controller refused `device` within a moment though it held `links` links. Whether a limit was
  // learned: by the second refusal in a row, of another device; never below 1.
  bool refused(const std::string& adapter, DeviceAddress device, std::uint32_t links, Time now);
  // A dial there ended otherwise: no row.
  void not_refused(const std::string& adapter) { refused_.erase(adapter); }

  std::uint32_t limit(const std::string& adapter, Time now) const;       // 0: none is known
  std::uint32_t used(const std::string& adapter) const;                  // ours in any state, and the others'
  std::uint32_t free_slots(const std::string& adapter, Time now) const;  // 0 without a limit, too
  bool full(const std::string& adapter, Time now) const;
  bool overdrawn(const std::string& adapter, Time now) const;  // more are held than there are
  // Not full, or full with this very device.
  bool has_room(const std::string& adapter, DeviceAddress device, Time now) const;
  bool watched(const std::string& adapter, Time now) const { return limit(adapter, now) > 0; }
  std::optional<Time> next_raise(const std::string& adapter, Time now) const;  // of a learned limit
  bool holds(const std::string& adapter, DeviceAddress device) const;          // a slot of ours
  std::set<DeviceAddress> holders(const std::string& adapter) const;
  std::uint32_t others(const std::string& adapter) const;  // holders that are not ours
  // How many links have ended there, of those that were counted. A dial that ended without one is none, nor a
  // link of ours that stays as another program's.
  std::uint64_t links_ended(const std::string& adapter) const;
  bool has_link(const std::string& adapter) const;  // one of ours is connected
  std::size_t own() const;                          // slots of ours on all adapters

 private:
  struct Learned {
    std::uint32_t limit;
    Time at;
  };
  static std::int64_t raises(const Learned& learned, Time now);
  std::map<std::string, std::uint32_t> configured_;
  std::map<std::string, Learned> learned_;
  std::map<std::string, DeviceAddress> refused_;  // the last refusal of an adapter, if nothing came between
  std::map<std::string, std::map<DeviceAddress, SlotState>> own_;
  std::map<std::string, std::set<DeviceAddress>> others_;
  std::map<std::string, std::uint64_t> links_ended_;
};

}  // namespace bleconnd
