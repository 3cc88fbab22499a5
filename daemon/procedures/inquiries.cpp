// One is woken for one that ends: thousands may wait.
#include "procedures/inquiries.hpp"

namespace bleconnd {

Inquiries::Waiting::Waiting(Inquiries& of)
    : inquiries{of}, wake{of.executor_}, at{of.waiting_.insert(of.waiting_.end(), this)} {}

// Whoever leaves the line may have been the one that was woken.
Inquiries::Waiting::~Waiting() {
  inquiries.waiting_.erase(at);
  if (inquiries.under_way_ < kAtOnce && !inquiries.waiting_.empty())
    inquiries.waiting_.front()->wake.notify();
}

Task<Inquiries::Pass> Inquiries::pass() {
  if (under_way_ < kAtOnce && waiting_.empty()) co_return Pass{*this};
  Waiting self{*this};
  while (under_way_ >= kAtOnce || waiting_.front() != &self) co_await self.wake.until(kNever, unstoppable());
  co_return Pass{*this};
}

void Inquiries::ended() {
  --under_way_;
  if (!waiting_.empty()) waiting_.front()->wake.notify();
}

}  // namespace bleconnd
