// Who holds one device. A lease belongs to a caller (its unique bus name); when the caller leaves the bus
// without releasing, the lease lingers until its deadline, so that a restarted program, or a busctl that gave
// up after 25 s, finds its link again. A persistent one belongs to a user and stays until it is released.
// Pure; time comes in.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/quota.hpp"
#include "core/terms.hpp"

namespace bleconnd {

struct Caller {
  static constexpr std::uint32_t kUnknown = 0xFFFFFFFF;  // it had left the bus before its user was asked for
  std::string name;                                      // unique bus name, ":1.42"
  std::uint32_t uid = 0;
};

enum class Lifetime : std::uint8_t { caller, persistent };

struct Lease {
  Caller holder;                                                      // a persistent one's has no name
  std::string label{};                                                // for logs
  std::optional<std::chrono::steady_clock::time_point> lingers_to{};  // the holder has left the bus
  Lifetime lifetime = Lifetime::caller;
  std::optional<Terms> maintained{};  // outlasts its link, and dials the next one with these
  Quota::Hold hold{};
  bool persistent() const { return lifetime == Lifetime::persistent; }
};

class LeaseBook {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // One lease a caller, and one persistent lease a user, however often they call. A new call takes over what
  // lingers. Whether it is a new lease. What a former call had maintained stays so.
  bool take(const Caller& caller, const std::string& label, Lifetime lifetime = Lifetime::caller,
            Quota::Hold hold = {}, std::optional<Terms> maintained = {});
  // As a former life of the daemon kept it.
  void restore(Lease lease) { leases_.push_back(std::move(lease)); }
  bool holds(const std::string& name) const;
  bool holds(const Caller& caller, Lifetime lifetime) const;
  // Ends the caller's lease (true), without linger.
  bool end(const std::string& name);
  // Ends the user's persistent lease.
  bool end_persistent(std::uint32_t uid);
  // Gives up the caller's lease, else one that lingers and belongs to its uid, else its uid's persistent one
  // (uid 0: anybody's). False if there is none. With `only` a lease of that kind alone: the caller's own, or
  // a persistent one.
  bool release(const Caller& caller, std::optional<Lifetime> only = {});
  // The caller left the bus: its lease lingers to `until`, or ends at once if that is not after `now`. True
  // if it held one.
  bool left(const std::string& name, Time now, Time until);
  // Ends what has lingered long enough; true if anything ended.
  bool expire(Time now);
  std::optional<Time> next_expiry() const;
  // With their link; persistent and maintained ones stay, and those for which `keep` says so.
  void end_callers(const std::function<bool(const Lease&)>& keep = {});
  void clear() { leases_.clear(); }

  bool empty() const { return leases_.empty(); }
  std::size_t size() const { return leases_.size(); }
  bool only_lingering() const;  // true of an empty book too
  bool only_lasting() const;    // persistent or maintained: they outlast a link; true of an empty book too
  bool maintained() const;      // any
  bool is_maintained(const std::string& name) const;
  const std::vector<Lease>& all() const { return leases_; }

 private:
  std::vector<Lease> leases_;  // in order of taking; few
};

}  // namespace bleconnd
