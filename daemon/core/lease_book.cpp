// Leases of one device: a short list, searched linearly.
#include "core/lease_book.hpp"

#include <algorithm>

namespace bleconnd {
namespace {

auto named(const std::string& name) {
  return [&name](const Lease& lease) {
    return !lease.persistent() && !lease.lingers_to && lease.holder.name == name;
  };
}

auto persistent_of(std::uint32_t uid) {
  return [uid](const Lease& lease) { return lease.persistent() && lease.holder.uid == uid; };
}

}  // namespace

bool LeaseBook::take(const Caller& caller, const std::string& label, Lifetime lifetime, Quota::Hold hold,
                     std::optional<Terms> maintained) {
  std::erase_if(leases_, [](const Lease& lease) { return lease.lingers_to.has_value(); });
  const bool persistent = lifetime == Lifetime::persistent;
  auto own = persistent ? std::ranges::find_if(leases_, persistent_of(caller.uid))
                        : std::ranges::find_if(leases_, named(caller.name));
  if (own != leases_.end()) {
    if (!label.empty()) own->label = label;
    if (maintained) own->maintained = std::move(maintained);
    return false;
  }
  leases_.push_back({.holder = {persistent ? std::string{} : caller.name, caller.uid},
                     .label = label,
                     .lingers_to = {},
                     .lifetime = lifetime,
                     .maintained = std::move(maintained),
                     .hold = std::move(hold)});
  return true;
}

bool LeaseBook::holds(const Caller& caller, Lifetime lifetime) const {
  if (lifetime == Lifetime::caller) return holds(caller.name);
  return std::ranges::any_of(leases_, persistent_of(caller.uid));
}

bool LeaseBook::holds(const std::string& name) const {
  return std::any_of(leases_.begin(), leases_.end(), named(name));
}

bool LeaseBook::end(const std::string& name) {
  return std::erase_if(leases_, named(name)) > 0;
}

bool LeaseBook::end_persistent(std::uint32_t uid) {
  return std::erase_if(leases_, persistent_of(uid)) > 0;
}

bool LeaseBook::release(const Caller& caller, std::optional<Lifetime> only) {
  if (only != Lifetime::persistent && end(caller.name)) return true;
  if (only == Lifetime::caller) return false;
  const auto may = [&](const Lease& lease) { return lease.holder.uid == caller.uid || caller.uid == 0; };
  auto given_up =
      std::ranges::find_if(leases_, [&](auto& lease) { return lease.lingers_to && may(lease) && !only; });
  if (given_up == leases_.end()) given_up = std::ranges::find_if(leases_, persistent_of(caller.uid));
  if (given_up == leases_.end())
    given_up = std::ranges::find_if(leases_, [&](auto& lease) { return lease.persistent() && may(lease); });
  if (given_up == leases_.end()) return false;
  leases_.erase(given_up);
  return true;
}

void LeaseBook::end_callers(const std::function<bool(const Lease&)>& keep) {
  std::erase_if(leases_, [&](const Lease& lease) {
    return !lease.persistent() && !lease.maintained && !(keep && keep(lease));
  });
}

bool LeaseBook::left(const std::string& name, Time now, Time until) {
  auto own = std::find_if(leases_.begin(), leases_.end(), named(name));
  if (own == leases_.end()) return false;
  if (until <= now)
    leases_.erase(own);
  else
    own->lingers_to = until;
  return true;
}

bool LeaseBook::expire(Time now) {
  return std::erase_if(leases_,
                       [&](const Lease& lease) { return lease.lingers_to && *lease.lingers_to <= now; }) > 0;
}

std::optional<LeaseBook::Time> LeaseBook::next_expiry() const {
  std::optional<Time> next;
  for (auto& lease : leases_)
    if (lease.lingers_to && (!next || *lease.lingers_to < *next)) next = lease.lingers_to;
  return next;
}

bool LeaseBook::only_lasting() const {
  return std::ranges::all_of(leases_, [](auto& lease) { return lease.persistent() || lease.maintained; });
}

bool LeaseBook::maintained() const {
  return std::ranges::any_of(leases_, [](auto& lease) { return lease.maintained.has_value(); });
}

bool LeaseBook::is_maintained(const std::string& name) const {
  const auto is_one = [&](const Lease& lease) { return named(name)(lease) && lease.maintained; };
  return std::ranges::any_of(leases_, is_one);
}

bool LeaseBook::only_lingering() const {
  return std::all_of(leases_.begin(), leases_.end(),
                     [](const Lease& lease) { return lease.lingers_to.has_value(); });
}

}  // namespace bleconnd
