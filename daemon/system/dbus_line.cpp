// Sending never waits: sd-bus queues what the socket does not take. Its own time-outs are off, the callers'
// deadlines are the only ones.
#include "system/dbus_line.hpp"

#include <algorithm>
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
  queued_.push_back({this, std::move(message), &waiter});
  send_next();
}

void DbusLine::send_next() {
  while (!queued_.empty() && sent_.size() < kUnanswered) {
    sent_.splice(sent_.end(), queued_, queued_.begin());
    send(std::prev(sent_.end()));
  }
}

void DbusLine::send(std::list<Call>::iterator call) {
  sd_bus_slot* slot{};
  const int sent = sd_bus_call_async(bus_, &slot, call->message.get(), on_answer, &*call, UINT64_MAX);
  call->slot.reset(slot);
  if (sent >= 0) return;
  auto* waiter = call->waiter;
  sent_.erase(call);
  waiter->failed(failure_of_errno(-sent));
}

int DbusLine::on_answer(sd_bus_message* reply, void* call_, sd_bus_error*) {
  auto& line = *static_cast<Call*>(call_)->line;
  const auto call =
      std::find_if(line.sent_.begin(), line.sent_.end(), [&](const Call& each) { return &each == call_; });
  auto* waiter = call->waiter;
  line.sent_.erase(call);
  if (const auto* error = sd_bus_message_get_error(reply); waiter && error) {
    waiter->failed(classify(error->name, error->message ? error->message : ""));
  } else if (waiter) {
    waiter->answered(reply);
  }
  line.send_next();
  return 0;
}

void DbusLine::withdraw(Waiter& waiter) {
  std::erase_if(queued_, [&](const Call& call) { return call.waiter == &waiter; });
  for (auto& call : sent_)
    if (call.waiter == &waiter) call.waiter = nullptr;
}

void DbusLine::gone(std::string_view destination) {
  const auto addressed = [&](const Call& call) {
    return sd_bus_message_get_destination(call.message.get()) == destination;
  };
  std::deque<Waiter*> left;
  for (auto& call : sent_)
    if (call.waiter && addressed(call)) left.push_back(std::exchange(call.waiter, nullptr));
  for (auto call = queued_.begin(); call != queued_.end();) {
    const auto next = std::next(call);
    if (addressed(*call)) {
      left.push_back(call->waiter);
      queued_.erase(call);
    }
    call = next;
  }
  for (auto* waiter : left) waiter->failed({Cause::stack_down, "bluetoothd left the bus"});
}

bool DbusLine::waits_for(std::string_view path, std::string_view interface) const {
  const auto waited_for = [&](const Call& call) {
    return call.waiter && sd_bus_message_get_path(call.message.get()) == path &&
           sd_bus_message_get_interface(call.message.get()) == interface;
  };
  return std::any_of(sent_.begin(), sent_.end(), waited_for) ||
         std::any_of(queued_.begin(), queued_.end(), waited_for);
}

std::size_t DbusLine::given_up() const {
  return static_cast<std::size_t>(
      std::count_if(sent_.begin(), sent_.end(), [](const Call& call) { return call.waiter == nullptr; }));
}

}  // namespace bleconnd
