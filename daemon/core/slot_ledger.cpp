// Sets of devices rather than counters: freeing twice changes nothing, and nothing can become negative.
#include "core/slot_ledger.hpp"

#include <algorithm>
#include <utility>

namespace bleconnd {

void SlotLedger::restore(const std::string& adapter, std::uint32_t limit, Time learned_at) {
  if (limit >= 1 && limit <= kMost) learned_.insert_or_assign(adapter, Learned{limit, learned_at});
}

void SlotLedger::take(const std::string& adapter, DeviceAddress device, SlotState state) {
  own_[adapter].insert_or_assign(device, state);
}

void SlotLedger::free(const std::string& adapter, DeviceAddress device) {
  const auto held = own_.find(adapter);
  if (held == own_.end()) return;
  const auto slot = held->second.extract(device);
  const auto known = others_.find(adapter);
  const bool stays = known != others_.end() && known->second.contains(device);
  if (slot && slot.mapped() != SlotState::dialling && !stays) ++links_ended_[adapter];
  if (held->second.empty()) own_.erase(held);
}

void SlotLedger::others(const std::string& adapter, std::set<DeviceAddress> devices) {
  const auto before = others_.find(adapter);
  const auto has_ended = [&](DeviceAddress device) {
    return !devices.contains(device) && !holds(adapter, device);
  };
  if (before != others_.end() && std::ranges::any_of(before->second, has_ended)) ++links_ended_[adapter];
  if (devices.empty())
    others_.erase(adapter);
  else
    others_.insert_or_assign(adapter, std::move(devices));
}

void SlotLedger::other_went(const std::string& adapter, DeviceAddress device) {
  if (others_[adapter].erase(device) > 0 && !holds(adapter, device)) ++links_ended_[adapter];
}

bool SlotLedger::refused(const std::string& adapter, DeviceAddress device, std::uint32_t links, Time now) {
  if (configured_.contains(adapter)) return false;
  const auto [last, first_of_a_row] = refused_.try_emplace(adapter, device);
  if (first_of_a_row || last->second == device) return false;
  refused_.erase(last);
  learned_.insert_or_assign(adapter, Learned{std::clamp(links, 1U, kMost), now});
  return true;
}

std::int64_t SlotLedger::raises(const Learned& learned, Time now) {
  return std::max<std::int64_t>((now - learned.at) / kRaise, 0);
}

std::uint32_t SlotLedger::limit(const std::string& adapter, Time now) const {
  if (const auto set = configured_.find(adapter); set != configured_.end()) return set->second;
  const auto known = learned_.find(adapter);
  if (known == learned_.end()) return 0;
  const auto raised = std::int64_t{known->second.limit} + raises(known->second, now);
  return raised <= kMost ? static_cast<std::uint32_t>(raised) : 0;
}

std::optional<SlotLedger::Time> SlotLedger::next_raise(const std::string& adapter, Time now) const {
  const auto known = learned_.find(adapter);
  if (configured_.contains(adapter) || known == learned_.end()) return {};
  return known->second.at + kRaise * (raises(known->second, now) + 1);
}

bool SlotLedger::holds(const std::string& adapter, DeviceAddress device) const {
  const auto held = own_.find(adapter);
  return held != own_.end() && held->second.contains(device);
}

std::set<DeviceAddress> SlotLedger::holders(const std::string& adapter) const {
  std::set<DeviceAddress> all;
  if (const auto known = others_.find(adapter); known != others_.end()) all = known->second;
  if (const auto held = own_.find(adapter); held != own_.end())
    for (auto& [device, state] : held->second) all.insert(device);
  return all;
}

std::uint32_t SlotLedger::others(const std::string& adapter) const {
  const auto known = others_.find(adapter);
  if (known == others_.end()) return 0;
  const auto is_not_ours = [&](DeviceAddress device) { return !holds(adapter, device); };
  return static_cast<std::uint32_t>(std::ranges::count_if(known->second, is_not_ours));
}

std::uint64_t SlotLedger::links_ended(const std::string& adapter) const {
  const auto ended = links_ended_.find(adapter);
  return ended == links_ended_.end() ? 0 : ended->second;
}

std::uint32_t SlotLedger::used(const std::string& adapter) const {
  const auto held = own_.find(adapter);
  const auto ours = held == own_.end() ? 0 : held->second.size();
  return static_cast<std::uint32_t>(ours) + others(adapter);
}

std::uint32_t SlotLedger::free_slots(const std::string& adapter, Time now) const {
  const auto most = limit(adapter, now);
  const auto taken = used(adapter);
  return most > taken ? most - taken : 0;
}

bool SlotLedger::full(const std::string& adapter, Time now) const {
  const auto most = limit(adapter, now);
  return most > 0 && used(adapter) >= most;
}

bool SlotLedger::overdrawn(const std::string& adapter, Time now) const {
  const auto most = limit(adapter, now);
  return most > 0 && used(adapter) > most;
}

bool SlotLedger::has_room(const std::string& adapter, DeviceAddress device, Time now) const {
  if (!full(adapter, now) || holds(adapter, device)) return true;
  const auto known = others_.find(adapter);
  return known != others_.end() && known->second.contains(device);
}

bool SlotLedger::has_link(const std::string& adapter) const {
  const auto held = own_.find(adapter);
  return held != own_.end() &&
         std::ranges::any_of(held->second, [](auto& slot) { return slot.second == SlotState::connected; });
}

std::size_t SlotLedger::own() const {
  std::size_t all = 0;
  for (auto& [adapter, held] : own_) all += held.size();
  return all;
}

}  // namespace bleconnd
