// One method call of the fake port: sent on one line, answered on the other, or ended by its deadline, its
// stop token or the end of the bluetoothd that it was sent to.
#pragma once
#include <memory>
#include <utility>

#include "fake_bluez.hpp"

namespace bleconnd::simulation {

template <class T>
class FakeBluez::Call final : public Pending<Outcome<T>>, private Outstanding {
 public:
  using Ask = std::function<void(const Reply<T>&)>;
  using Apply = std::function<void(const Outcome<T>&)>;  // what the port learns, whoever still waits

  Call(FakeBluez& port, TimePoint deadline, std::stop_token stop, Ask ask, Apply apply = {},
       std::uint64_t dial = 0)
      : Pending<Outcome<T>>{port.world_, std::move(stop)},
        port_{port},
        deadline_{deadline},
        ask_{std::move(ask)},
        apply_{std::move(apply)},
        dial_{dial} {}
  ~Call() override { over(); }

 private:
  void start() override {
    const auto owner = port_.stack_.owner;
    if (owner.empty()) return this->complete(Failure{Cause::stack_down, "there is no org.bluez"});
    *self_ = this;
    port_.calls_.push_back(this);
    if (dial_) port_.dials_.insert(dial_);
    if (deadline_ != kNever)
      timer_ = port_.world_.call_at(deadline_, [this] { end(Failure{Cause::timeout, {}}); });
    auto reply = [&port = port_, alive = std::weak_ptr{port_.alive_}, self = self_,
                  apply = apply_](Outcome<T> outcome) {
      if (alive.expired()) return;
      port.from_bluetoothd_.send([self, apply, outcome = std::move(outcome)] {
        if (apply) apply(outcome);
        if (*self) (*self)->end(outcome);
      });
    };
    port_.to_bluetoothd_.send([&port = port_, owner, ask = ask_, reply] {
      if (port.bluetoothd_.owner() == owner) return ask(reply);
      reply(classify("org.freedesktop.DBus.Error.NameHasNoOwner", "Could not get owner of name"));
    });
  }
  void abandon() override { over(); }
  void owner_lost() override {
    end(classify("org.freedesktop.DBus.Error.NoReply",
                 "Message recipient disconnected from message bus without replying"));
  }
  void end(Outcome<T> outcome) {
    over();
    this->complete(std::move(outcome));
  }
  void over() {
    *self_ = nullptr;
    timer_.reset();
    port_.calls_.remove(this);
    if (dial_) port_.dials_.erase(dial_);
  }

  FakeBluez& port_;
  TimePoint deadline_;
  Ask ask_;
  Apply apply_;
  std::uint64_t dial_;
  std::unique_ptr<Executor::Timer> timer_;
  std::shared_ptr<Call*> self_ = std::make_shared<Call*>(nullptr);
};

}  // namespace bleconnd::simulation
