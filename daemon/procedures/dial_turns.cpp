// First come, first served: a turn is handed to the one who waits longest.
#include "procedures/dial_turns.hpp"

namespace bleconnd {

Task<Outcome<DialTurns::Turn>> DialTurns::turn(std::string adapter, std::stop_token stop) {
  if (auto& entry = adapters_[adapter]; entry.dialling < kPerAdapter) {
    ++entry.dialling;
    co_return Turn{*this, adapter};
  }
  Waiting self{*this, adapter};
  co_await self.wake.until(kNever, stop);
  if (!self.granted) co_return Cause::cancelled;
  self.taken = true;
  co_return Turn{*this, adapter};
}

DialTurns::Waiting::Waiting(DialTurns& owner, std::string path)
    : turns{owner}, adapter{std::move(path)}, wake{owner.executor_} {
  turns.adapters_[adapter].queue.push_back(this);
}

DialTurns::Waiting::~Waiting() {
  if (!granted) turns.adapters_[adapter].queue.remove(this);
  if (granted && !taken) turns.pass_on(adapter);
}

void DialTurns::pass_on(const std::string& adapter) {
  auto entry = adapters_.find(adapter);
  if (entry->second.queue.empty()) {
    if (--entry->second.dialling == 0) adapters_.erase(entry);
    return;
  }
  auto* next = entry->second.queue.front();
  entry->second.queue.pop_front();
  next->granted = true;
  next->wake.notify();
}

}  // namespace bleconnd
