// DbusCall<T>: one method call, awaited. It ends by its answer, its deadline or its stop token, whichever is
// first. `read` turns the answer into a value inside sd-bus' callback, in order with the signals around it;
// the coroutine is resumed later.
#pragma once
#include <functional>
#include <memory>
#include <stop_token>
#include <utility>

#include "async/pending.hpp"
#include "ports/outcome.hpp"
#include "system/dbus_line.hpp"

namespace bleconnd {

using DbusAnswer = Outcome<sd_bus_message*>;  // the reply, or what the error in its place means

template <class T>
class DbusCall final : public Pending<Outcome<T>>, private DbusLine::Waiter {
 public:
  using Read = std::function<Outcome<T>(const DbusAnswer& answer)>;

  DbusCall(Executor& executor, DbusLine& line, BusMessage message, Read read, TimePoint deadline,
           std::stop_token stop)
      : Pending<Outcome<T>>{executor, std::move(stop)},
        line_{line},
        use_{line},
        message_{std::move(message)},
        read_{std::move(read)},
        deadline_{deadline} {}
  ~DbusCall() override { line_.withdraw(*this); }

 private:
  void start() override {
    if (deadline_ != kNever) timer_ = this->executor_.call_at(deadline_, [this] { give_up(Cause::timeout); });
    line_.call(std::move(message_), *this);
  }
  void abandon() override {
    timer_.reset();
    line_.withdraw(*this);
  }
  void give_up(Cause cause) {
    abandon();
    this->complete(cause);
  }
  void answered(sd_bus_message* reply) override {
    timer_.reset();
    this->complete(read_(DbusAnswer{reply}));
  }
  void failed(Failure failure) override {
    timer_.reset();
    this->complete(read_(DbusAnswer{std::move(failure)}));
  }

  DbusLine& line_;
  DbusLine::Use use_;
  BusMessage message_;
  Read read_;
  TimePoint deadline_;
  std::unique_ptr<Executor::Timer> timer_;
};

// For calls whose answer says nothing but that it came.
inline Outcome<> read_nothing(const DbusAnswer& answer) {
  if (!answer.ok()) return answer.failure();
  return Unit{};
}

// For an answer of another shape than documented.
inline Failure unreadable_answer() {
  return {Cause::bluez_error, "an answer that cannot be read"};
}

}  // namespace bleconnd
