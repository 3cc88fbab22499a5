// Answers, signals and the idle handler.
// A reply to a connection that is closed by now goes nowhere: the bus has answered NoReply by then.
#include "bluez_core.hpp"

#include <array>
#include <cstdio>

#include "device.hpp"

namespace bleconnd::integration {

BluezCore::BluezCore(Loop& loop, BluezSettings chosen)
    : settings(chosen),
      objects([this] { sd_event_source_set_enabled(idle_source_.get(), SD_EVENT_ONESHOT); }),
      timeline(loop, chosen.speed, [this] { after_event(); }),
      loop_(loop) {
  sd_event_source* source = nullptr;
  const auto idle = [](sd_event_source*, void* self) {
    static_cast<BluezCore*>(self)->after_event();
    return 0;
  };
  checked(sd_event_add_defer(loop.event(), &source, idle, this), "add idle handler");
  idle_source_.reset(source);
  sd_event_source_set_priority(source, SD_EVENT_PRIORITY_IDLE);
  sd_event_source_set_enabled(source, SD_EVENT_OFF);
  objects.on_signal([this](const std::string& line) { note(line); });
}

BluezCore::~BluezCore() = default;

void BluezCore::attach(sd_bus* bus) {
  bus_ = bus;
  objects.attach(bus);
}

void BluezCore::pause(bool on) {
  timeline.pause(on);
  sd_event_source_set_enabled(idle_source_.get(), on ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

void BluezCore::answer(const Message& call) {
  answer(call, [](sd_bus_message*) {});
}

void BluezCore::answer(const Message& call, const std::function<void(sd_bus_message*)>& fill) {
  objects.flush();
  if (!call || bus_ == nullptr) return;
  note("reply to " + text_or_empty(sd_bus_message_get_member(call.get())));
  if (sd_bus_message_get_expect_reply(call.get()) <= 0) return;
  sd_bus_message* reply = nullptr;
  if (sd_bus_message_new_method_return(call.get(), &reply) < 0) return;
  const Message owned = Message::owned(reply);
  fill(reply);
  sd_bus_send(bus_, reply, nullptr);
}

void BluezCore::fail(const Message& call, const std::string& error, const std::string& message) {
  objects.flush();
  if (!call || bus_ == nullptr) return;
  note("error to " + text_or_empty(sd_bus_message_get_member(call.get())) + ": " + error + " " + message);
  if (sd_bus_message_get_expect_reply(call.get()) <= 0) return;
  const sd_bus_error failure = SD_BUS_ERROR_MAKE_CONST(error.c_str(), message.c_str());
  sd_bus_message* reply = nullptr;
  if (sd_bus_message_new_method_error(call.get(), &reply, &failure) < 0) return;
  const Message owned = Message::owned(reply);
  sd_bus_send(bus_, reply, nullptr);
}

void BluezCore::emit(const std::string& path, const std::string& interface, const std::string& member,
                     const std::vector<Value>& arguments) {
  objects.flush();
  note(member + " " + path);
  if (bus_ == nullptr) return;
  sd_bus_message* signal = nullptr;
  if (sd_bus_message_new_signal(bus_, &signal, path.c_str(), interface.c_str(), member.c_str()) < 0) return;
  const Message owned = Message::owned(signal);
  for (const auto& argument : arguments) append(signal, argument);
  sd_bus_send(bus_, signal, nullptr);
}

void BluezCore::bury(std::unique_ptr<Device> device) {
  graveyard_.push_back(std::move(device));
  sd_event_source_set_enabled(idle_source_.get(), SD_EVENT_ONESHOT);
}

void BluezCore::note(const std::string& line) {
  const std::size_t longest_story = 20'000;  // a storm must not fill the memory
  if (story_.size() >= longest_story) return;
  std::array<char, 32> time{};
  std::snprintf(time.data(), time.size(), "%10.3f ms  ",
                static_cast<double>(timeline.elapsed().count()) / 1000);
  story_.push_back(time.data() + line);
}

void BluezCore::after_event() {
  objects.idle();
  graveyard_.clear();
}

}  // namespace bleconnd::integration
