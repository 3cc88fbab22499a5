// Sending never waits: sd-bus queues what the socket does not take. Its own time-outs are off, the callers'
// deadlines are the only ones.
#include "system/dbus_line.hpp"

#include <iterator>
#include <string>
#include <utility>

namespace bleconnd {
namespace {

Failure failure_of_errno(int error) {
  sd_bus_error as_name = SD_BUS_ERROR_NULL;
  sd_bus_error_set_errno(&as_name, error);
  auto failure = classify(as_name.name, as_name.message ? as_name.message : "");
  sd_bus_error_free(&as_name);
  return failure;
}

}  // namespace

BusMessage DbusLine::new_call(const std::string& destination, const std::string& path, const char* interface,
                              const char* member) const {
  sd_bus_message* message{};
  sd_bus_message_new_method_call(bus_, &message, destination.c_str(), path.c_str(), interface, member);
  return BusMessage{message};
}

void DbusLine::call(BusMessage message, Waiter& waiter) {
  if (!message) return waiter.failed({Cause::bluez_error, "the call could not be made"});
  auto& call = queued_.emplace_back(Call{this, std::move(message), &waiter});
  call.place = std::prev(queued_.end());
  waiter.call_ = &call;
  send_next();
}

void DbusLine::send_next() {
  while (!queued_.empty() && sent_.size() < kUnanswered) {
    auto& call = queued_.front();
    sent_.splice(sent_.end(), queued_, call.place);
    call.sent = true;
    send(call);
  }
}

void DbusLine::send(Call& call) {
  sd_bus_slot* slot{};
  const int sent = sd_bus_call_async(bus_, &slot, call.message.get(), on_answer, &call, UINT64_MAX);
  call.slot.reset(slot);
  if (sent >= 0) return;
  auto* waiter = forget_waiter(call);
  end(call);
  waiter->failed(failure_of_errno(-sent));
}

DbusLine::Waiter* DbusLine::forget_waiter(Call& call) {
  if (call.waiter) call.waiter->call_ = nullptr;
  return std::exchange(call.waiter, nullptr);
}

// Also frees its slot: sd-bus will not call back.
void DbusLine::end(Call& call) {
  (call.sent ? sent_ : queued_).erase(call.place);
}

int DbusLine::on_answer(sd_bus_message* reply, void* call_, sd_bus_error*) {
  auto& call = *static_cast<Call*>(call_);
  auto& line = *call.line;
  auto* waiter = forget_waiter(call);
  if (!waiter) --line.given_up_;
  line.end(call);
  if (const auto* error = sd_bus_message_get_error(reply); waiter && error) {
    waiter->failed(classify(error->name, error->message ? error->message : ""));
  } else if (waiter) {
    waiter->answered(reply);
  }
  line.send_next();
  return 0;
}

void DbusLine::withdraw(Waiter& waiter) {
  auto* call = waiter.call_;
  if (!call) return;
  forget_waiter(*call);
  if (!call->sent) return end(*call);
  ++given_up_;
}

void DbusLine::gone(std::string_view destination) {
  const auto addressed = [&](const Call& call) {
    return sd_bus_message_get_destination(call.message.get()) == destination;
  };
  std::deque<Waiter*> left;
  for (auto& call : sent_) {
    if (!call.waiter || !addressed(call)) continue;
    left.push_back(forget_waiter(call));
    ++given_up_;
  }
  for (auto next = queued_.begin(); next != queued_.end();) {
    auto& call = *next++;
    if (!addressed(call)) continue;
    left.push_back(forget_waiter(call));
    end(call);
  }
  for (auto* waiter : left) waiter->failed({Cause::stack_down, "bluetoothd left the bus"});
}

}  // namespace bleconnd
