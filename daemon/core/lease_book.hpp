// Who holds one device. A lease belongs to a caller (its unique bus name); when the caller leaves the bus
// without releasing, the lease lingers until its deadline, so that a restarted program, or a busctl that gave
// up after 25 s, finds its link again. Pure; time comes in.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bleconnd {

struct Caller {
  std::string name;  // unique bus name, ":1.42"
  std::uint32_t uid = 0;
};

struct Lease {
  Caller holder;
  std::string label;                                                // for logs
  std::optional<std::chrono::steady_clock::time_point> lingers_to;  // the holder has left the bus
};

class LeaseBook {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // One lease a caller, however often it calls. A new call takes over what lingers.
  void take(const Caller& caller, const std::string& label);
  bool holds(const std::string& name) const;
  // Ends the caller's lease (true), without linger.
  bool end(const std::string& name);
  // Gives up the caller's lease, else one that lingers and belongs to its uid (uid 0: anybody's). False if
  // there is neither.
  bool release(const Caller& caller);
  // The caller left the bus: its lease lingers to `until`, or ends at once if that is not after `now`. True
  // if it held one.
  bool left(const std::string& name, Time now, Time until);
  // Ends what has lingered long enough; true if anything ended.
  bool expire(Time now);
  std::optional<Time> next_expiry() const;
  void clear() { leases_.clear(); }

  bool empty() const { return leases_.empty(); }
  std::size_t size() const { return leases_.size(); }
  bool only_lingering() const;  // true of an empty book too
  const std::vector<Lease>& all() const { return leases_; }

 private:
  std::vector<Lease> leases_;  // in order of taking; few
};

}  // namespace bleconnd
