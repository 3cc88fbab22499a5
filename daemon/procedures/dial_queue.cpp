// Grants are made where something changes, before anybody runs: what is granted is taken from that moment on.
#include "procedures/dial_queue.hpp"

#include <algorithm>
#include <iterator>

namespace bleconnd {

DialQueue::Waiting::Waiting(DialQueue& owner, DeviceAddress who, const Terms& its_terms,
                            std::vector<std::string> any_of, Ticket& its_ticket)
    : queue{owner},
      device{who},
      terms{its_terms},
      adapters{std::move(any_of)},
      ticket{its_ticket},
      wake{owner.executor_} {
  queue.arrive(ticket);
  // Nearly always the last one.
  auto next = queue.waiting_.end();
  while (next != queue.waiting_.begin() && (*std::prev(next))->ticket.number > ticket.number) --next;
  place = queue.waiting_.insert(next, this);
  queue.by_device_.insert_or_assign(device, this);
  queue.count(*this);
}

DialQueue::Waiting::~Waiting() {
  if (!left) queue.leave(*this);
}

void DialQueue::leave(Waiting& waiting) {
  waiting.left = true;
  waiting_.erase(waiting.place);
  by_device_.erase(waiting.device);
  --of_priority_.at(static_cast<std::size_t>(waiting.counted_as));
  raised_ -= waiting.is_raised() ? 1 : 0;
  if (waiting_.empty()) disarm();
  changed();
}

void DialQueue::count(Waiting& waiting) {
  waiting.counted_as = waiting.terms.priority;
  ++of_priority_.at(static_cast<std::size_t>(waiting.counted_as));
  raised_ += waiting.is_raised() ? 1 : 0;
}

LineBounds DialQueue::bounds() const {
  auto highest = Priority::high;
  while (highest > Priority::low && of_priority_.at(static_cast<std::size_t>(highest)) == 0)
    highest = static_cast<Priority>(static_cast<int>(highest) - 1);
  return {highest, raised_ > 0};
}

void DialQueue::reordered() {
  of_priority_ = {};
  raised_ = 0;
  for (auto* waiting : waiting_) count(*waiting);
  changed();
  pump();
}

Task<Outcome<std::optional<DialQueue::Grant>>> DialQueue::turn(DeviceAddress device, const Terms& terms,
                                                               std::vector<std::string> adapters,
                                                               Ticket& ticket, std::stop_token stop) {
  if (stop.stop_requested()) co_return Cause::cancelled;
  Waiting self{*this, device, terms, std::move(adapters), ticket};
  follow();
  arrived(self);
  if (!self.grant && !self.looks_again && !std::exchange(ticket.waited, true))
    ++(lack_of_slots(device).empty() ? waits_.turns : waits_.slots);
  while (!self.grant && !self.looks_again) {
    const auto woken = co_await self.wake.until(kNever, stop);
    if (woken.by == Notice::Woken::stopped) co_return Cause::cancelled;
  }
  co_return std::move(self.grant);
}

std::optional<DialQueue::Grant> DialQueue::turn_now(DeviceAddress device, const Terms& terms,
                                                    const std::vector<std::string>& adapters,
                                                    Ticket& ticket) {
  if (held_) return {};
  for (auto& adapter : adapters) {
    if (!is_open_to(adapter, opening(adapter), device, terms)) continue;
    if (busy(adapter) || awaited(adapter)) return {};
    ticket = {};
    return grant(device, terms, adapter);
  }
  return {};
}

DialQueue::Slot DialQueue::adopted(const std::string& adapter, DeviceAddress device) {
  return take(adapter, device, SlotState::connected);
}

// --- slots ---

DialQueue::Slot DialQueue::take(const std::string& adapter, DeviceAddress device, SlotState state) {
  current_.insert_or_assign({adapter, device}, ++taken_);
  slots_.take(adapter, device, state);
  changed();
  return {*this, adapter, device, taken_};
}

bool DialQueue::is_current(const Slot& slot) const {
  const auto at = current_.find({slot.adapter_, slot.device_});
  return at != current_.end() && at->second == slot.number_;
}

void DialQueue::slot_is(const Slot& slot, SlotState state) {
  if (!is_current(slot)) return;
  slots_.take(slot.adapter_, slot.device_, state);
  changed();
}

void DialQueue::freed(const Slot& slot) {
  if (!is_current(slot)) return;
  current_.erase({slot.adapter_, slot.device_});
  slots_.free(slot.adapter_, slot.device_);
  changed();
  pump();
}

void DialQueue::let_go(Slot slot, std::shared_ptr<DeviceWatch> watch) {
  if (!watch->seen().connected) return;
  slot.releasing();
  tasks_.spawn(until_down(std::move(slot), std::move(watch)));
}

Task<Unit> DialQueue::until_down(Slot slot, std::shared_ptr<DeviceWatch> watch) {
  const auto deadline = executor_.now() + kLinkDown;
  while (watch->seen().connected && executor_.now() < deadline && is_current(slot))
    co_await watch->changed().until(deadline, unstoppable());
  if (!watch->seen().connected || !is_current(slot)) co_return Unit{};
  const auto adapter = slot.adapter_;
  const auto device = slot.device_;
  {
    const Slot over{std::move(slot)};
    slots_.other_came(adapter, device);
  }
  // Where slots are limited, its end is waited for.
  Notice wake{executor_};
  Notice::Forward link{watch->changed(), wake};
  Notice::Forward limits{changed_, wake};
  while (watch->seen().connected && slots_.watched(adapter, executor_.now()))
    co_await wake.until(kNever, unstoppable());
  if (!watch->seen().connected) other_went(adapter, device);
  co_return Unit{};
}

void DialQueue::dial_failed(const std::string& adapter, DeviceAddress device, Cause cause) {
  circuits_.failed(adapter, device, cause, executor_.now());
  changed();
  pump();
}

void DialQueue::dial_succeeded(const std::string& adapter) {
  if (circuits_.failures(adapter) == 0) return;
  circuits_.close(adapter);
  changed();
  pump();
}

void DialQueue::heard(const std::string& adapter) {
  if (failing(adapter)) circuits_.heard(adapter, executor_.now());
}

bool DialQueue::refused(const std::string& adapter, DeviceAddress device, std::uint32_t links) {
  const bool learned = slots_.refused(adapter, device, links, executor_.now());
  if (learned) changed();
  return learned;
}

// --- who is next ---

const AdapterState* DialQueue::usable(const std::string& address) const {
  for (auto& adapter : bluez_.stack().adapters)
    if (adapter.address == address) return adapter.powered ? &adapter : nullptr;
  return nullptr;
}

TimePoint DialQueue::rests_until(const std::string& address) const {
  const auto* adapter = usable(address);
  return adapter ? discovery_.rests_until(adapter->path) : TimePoint{};
}

std::string DialQueue::first_open(const Waiting& waiting) const {
  for (auto& adapter : waiting.adapters)
    if (is_open_to(adapter, opening(adapter), waiting.device, waiting.terms)) return adapter;
  return {};
}

DialQueue::Opening DialQueue::opening(const std::string& adapter) const {
  const auto now = executor_.now();
  return {.now = now,
          .usable = usable(adapter) != nullptr,
          .room_for_all = slots_.limit(adapter, now) == 0,
          .for_the_unhurried = !failing(adapter) || !circuits_.blocks(adapter, now)};
}

bool DialQueue::is_open_to(const std::string& adapter, const Opening& open, DeviceAddress device,
                           const Terms& terms) const {
  const bool has_room = open.room_for_all || slots_.has_room(adapter, device, open.now);
  return open.usable && has_room && (!terms.yields || open.for_the_unhurried);
}

// Now. `open`: what is the same for all who wait.
bool DialQueue::is_served_by(const std::string& adapter, const Opening& open, const Waiting& waiting) const {
  if (waiting.looks_again) return false;
  if (waiting.adapters.front() == adapter) return is_open_to(adapter, open, waiting.device, waiting.terms);
  return first_open(waiting) == adapter;
}

DialQueue::Grant DialQueue::grant(DeviceAddress device, const Terms& terms, const std::string& adapter) {
  follow();  // a dial that fails can make the adapter one that is avoided until its power is cycled
  if (terms.yields && failing(adapter)) circuits_.tried(adapter, executor_.now());
  if (!terms.unattended && terms.priority == Priority::high) circuits_.close(adapter);
  dialling_.insert_or_assign(adapter, device);
  return {Turn{*this, adapter}, take(adapter, device, SlotState::dialling), adapter};
}

// With each dial that begins or ends, and a thousand can wait: mostly the first one of them is served.
void DialQueue::serve(const std::string& adapter) {
  if (held_ || dialling_.contains(adapter)) return;
  if (rests_until(adapter) > executor_.now()) return;  // those who wait to be heard have the radio
  const auto open = opening(adapter);
  const auto place = [&](const Waiting* each) -> std::optional<InLine> {
    if (!is_served_by(adapter, open, *each)) return {};
    return InLine{each->terms.priority, each->ticket.overtaken};
  };
  const auto next = next_in_line(waiting_, place, bounds());
  if (next == waiting_.end()) return;
  for (auto at = waiting_.begin(); at != next; ++at)
    if (is_served_by(adapter, open, **at) && ++(*at)->ticket.overtaken == kMostOvertaken) ++raised_;
  auto& chosen = **next;
  leave(chosen);
  chosen.ticket = {};
  chosen.grant.emplace(grant(chosen.device, chosen.terms, adapter));
  chosen.wake.notify();
}

// However many wait already, one more costs the same: only the adapter that it waits for can have become free
// for it.
void DialQueue::arrived(Waiting& waiting) {
  look_again_without_adapter(waiting);
  if (const auto open = first_open(waiting); !open.empty()) serve(open);
  if (waiting.left) return;
  changed();
  for (auto& adapter : waiting.adapters) arm_for(adapter);
}

void DialQueue::look_again_without_adapter(Waiting& waiting) {
  const auto is_usable = [this](const std::string& adapter) { return usable(adapter) != nullptr; };
  if (waiting.looks_again || std::ranges::any_of(waiting.adapters, is_usable)) return;
  waiting.looks_again = true;
  waiting.wake.notify();
}

void DialQueue::pump() {
  if (waiting_.empty()) return;
  for (auto& adapter : bluez_.stack().adapters)
    if (adapter.powered) serve(adapter.address);
  disarm();
  for (auto& adapter : bluez_.stack().adapters) arm_for(adapter.address);
}

// A learned limit grows, a radio that listened for others becomes free, a failing adapter is tried again: the
// only changes that come by time.
void DialQueue::arm_for(const std::string& adapter) {
  if (waiting_.empty() || !usable(adapter)) return;
  const auto now = executor_.now();
  auto due = kNever;
  if (full(adapter)) due = slots_.next_raise(adapter, now).value_or(kNever);
  if (const auto rests = rests_until(adapter); rests > now) due = std::min(due, rests);
  if (failing(adapter) && circuits_.blocks(adapter, now)) due = std::min(due, circuits_.due(adapter));
  if (due >= due_) return;
  due_ = due;
  timer_ = executor_.call_at(due, [this] {
    disarm();
    pump();
  });
}

void DialQueue::disarm() {
  timer_.reset();
  due_ = kNever;
}

void DialQueue::pass_on(const std::string& adapter) {
  dialling_.erase(adapter);
  changed();
  pump();
}

void DialQueue::changed() {
  asked_for_places_ = false;
  places_.clear();
  changed_.notify();
}

// --- what comes from outside ---

// What is powered when this begins has not come up.
void DialQueue::follow() {
  if (std::exchange(following_, true)) return;
  for (auto& adapter : bluez_.stack().adapters)
    if (adapter.powered) known_power_.emplace(adapter.address, adapter.power_epoch);
  tasks_.spawn(follow_stack());
}

Task<Unit> DialQueue::follow_stack() {
  for (;;) {
    stack_moved();
    co_await bluez_.stack_changed().until(kNever, unstoppable());
  }
}

void DialQueue::stack_moved() {
  std::map<std::string, std::uint64_t> power;
  bool came_up = false;
  for (auto& adapter : bluez_.stack().adapters) {
    if (!adapter.powered) continue;
    power.emplace(adapter.address, adapter.power_epoch);
    const auto before = known_power_.find(adapter.address);
    if (before != known_power_.end() && before->second == adapter.power_epoch) continue;
    came_up = true;
    circuits_.close(adapter.address);
  }
  // The links of an adapter end with its power.
  for (auto& [adapter, epoch] : known_power_)
    if (const auto still = power.find(adapter); still == power.end() || still->second != epoch)
      slots_.others(adapter, {});
  known_power_ = std::move(power);
  for (auto* waiting : waiting_) {
    look_again_without_adapter(*waiting);
    if (!came_up || waiting->looks_again || !first_open(*waiting).empty()) continue;
    waiting->looks_again = true;
    waiting->wake.notify();
  }
  pump();
}

void DialQueue::hold() {
  held_ = true;
  changed();
}

void DialQueue::go_on() {
  held_ = false;
  changed();
  pump();
}

void DialQueue::configure(std::map<std::string, std::uint32_t> limits) {
  slots_.configure(std::move(limits));
  changed();
  pump();
}

void DialQueue::look_again() {
  for (auto* waiting : waiting_) {
    waiting->looks_again = true;
    waiting->wake.notify();
  }
}

void DialQueue::look_again(DeviceAddress device) {
  const auto at = by_device_.find(device);
  if (at == by_device_.end()) return;
  at->second->looks_again = true;
  at->second->wake.notify();
}

void DialQueue::others(const std::string& adapter, std::set<DeviceAddress> devices) {
  slots_.others(adapter, std::move(devices));
  changed();
  pump();
}

void DialQueue::other_came(const std::string& adapter, DeviceAddress device) {
  slots_.other_came(adapter, device);
  changed();
}

void DialQueue::other_went(const std::string& adapter, DeviceAddress device) {
  slots_.other_went(adapter, device);
  changed();
  pump();
}

// --- looking ---

bool DialQueue::busy(const std::string& adapter) const {
  return dialling_.contains(adapter) || rests_until(adapter) > executor_.now();
}

bool DialQueue::awaited(const std::string& adapter) const {
  return std::ranges::any_of(waiting_, [&](const Waiting* each) { return first_open(*each) == adapter; });
}

std::optional<DeviceAddress> DialQueue::dialling(const std::string& adapter) const {
  const auto at = dialling_.find(adapter);
  return at == dialling_.end() ? std::nullopt : std::optional{at->second};
}

// As the line of this adapter would go if nothing changed: those that may not be overtaken, then by priority.
bool DialQueue::goes_before(const Waiting& one, const Waiting& other) {
  const bool first = one.is_raised(), second = other.is_raised();
  if (first != second) return first;
  if (!first && one.terms.priority != other.terms.priority) return one.terms.priority > other.terms.priority;
  return one.ticket.number < other.ticket.number;
}

std::vector<DeviceAddress> DialQueue::queued(const std::string& adapter) const {
  std::vector<const Waiting*> waiting;
  for (auto* each : waiting_)
    if (std::ranges::find(each->adapters, adapter) != each->adapters.end()) waiting.push_back(each);
  std::ranges::sort(waiting, [](const Waiting* a, const Waiting* b) { return goes_before(*a, *b); });
  std::vector<DeviceAddress> devices;
  devices.reserve(waiting.size());
  for (auto* each : waiting) devices.push_back(each->device);
  return devices;
}

const DialQueue::Waiting* DialQueue::find(DeviceAddress device) const {
  const auto at = by_device_.find(device);
  return at == by_device_.end() ? nullptr : at->second;
}

std::uint32_t DialQueue::position(DeviceAddress device) const {
  const auto* self = find(device);
  if (!self) return 0;
  const auto open = first_open(*self);
  const auto& adapter = open.empty() ? self->adapters.front() : open;
  if (std::exchange(asked_for_places_, true)) {
    auto& places = places_[adapter];
    if (places.empty())
      for (auto& each : queued(adapter)) places.emplace(each, static_cast<std::uint32_t>(places.size() + 1));
    return places.at(device);
  }
  const auto goes_first = [&](const Waiting* other) {
    return goes_before(*other, *self) && std::ranges::find(other->adapters, adapter) != other->adapters.end();
  };
  return static_cast<std::uint32_t>(std::ranges::count_if(waiting_, goes_first)) + 1;
}

std::string DialQueue::lack_of_slots(DeviceAddress device) const {
  const auto* self = find(device);
  if (!self || !first_open(*self).empty()) return {};
  std::string lacks;
  for (auto& address : self->adapters) {
    const auto* adapter = usable(address);
    if (!adapter || !full(address)) continue;
    lacks += (lacks.empty() ? "" : ", ") + adapter->name + " has 0 of " +
             std::to_string(slots_.limit(address, executor_.now())) + " slots free";
  }
  return lacks;
}

}  // namespace bleconnd
