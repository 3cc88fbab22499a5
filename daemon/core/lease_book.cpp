// Leases of one device: a short list, searched linearly.
#include "core/lease_book.hpp"

#include <algorithm>

namespace bleconnd {
namespace {

auto named(const std::string& name) {
  return [&name](const Lease& lease) { return !lease.lingers_to && lease.holder.name == name; };
}

}  // namespace

void LeaseBook::take(const Caller& caller, const std::string& label) {
  std::erase_if(leases_, [](const Lease& lease) { return lease.lingers_to.has_value(); });
  auto own = std::find_if(leases_.begin(), leases_.end(), named(caller.name));
  if (own == leases_.end())
    leases_.push_back({caller, label, {}});
  else if (!label.empty())
    own->label = label;
}

bool LeaseBook::holds(const std::string& name) const {
  return std::any_of(leases_.begin(), leases_.end(), named(name));
}

bool LeaseBook::end(const std::string& name) {
  return std::erase_if(leases_, named(name)) > 0;
}

bool LeaseBook::release(const Caller& caller) {
  if (end(caller.name)) return true;
  auto lingering = std::find_if(leases_.begin(), leases_.end(), [&](const Lease& lease) {
    return lease.lingers_to && (lease.holder.uid == caller.uid || caller.uid == 0);
  });
  if (lingering == leases_.end()) return false;
  leases_.erase(lingering);
  return true;
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

bool LeaseBook::only_lingering() const {
  return std::all_of(leases_.begin(), leases_.end(),
                     [](const Lease& lease) { return lease.lingers_to.has_value(); });
}

}  // namespace bleconnd
