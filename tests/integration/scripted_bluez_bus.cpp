// The scripted org.bluez on the bus: one filter sees every message, so nothing is answered by sd-bus itself.
// Calls are recorded before anything else; the faults that tests ask for come next.
#include "bluez_methods.hpp"
#include "scripted_bluez.hpp"

namespace bleconnd::integration {

void ScriptedBluez::connect_to_bus() {
  sd_bus* raw = nullptr;
  checked(sd_bus_new(&raw), "sd_bus_new");
  bus_.reset(raw);
  checked(sd_bus_set_address(raw, bus_address_.c_str()), "sd_bus_set_address");
  checked(sd_bus_set_bus_client(raw, 1), "sd_bus_set_bus_client");
  checked(sd_bus_start(raw), "sd_bus_start");
  const auto filter = [](sd_bus_message* message, void* self, sd_bus_error*) {
    return static_cast<ScriptedBluez*>(self)->receive(message);
  };
  checked(sd_bus_add_filter(raw, nullptr, filter, this), "sd_bus_add_filter");
  const char* departures =
      "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged'"
      ",arg2=''";
  checked(sd_bus_add_match(raw, nullptr, departures, nullptr, nullptr), "sd_bus_add_match");
  const char* name = nullptr;
  checked(sd_bus_get_unique_name(raw, &name), "sd_bus_get_unique_name");
  unique_name_ = name;
  core_.attach(raw);
  checked(sd_bus_request_name(raw, "org.bluez", 0), "own org.bluez");
  checked(sd_bus_attach_event(raw, loop_.event(), SD_EVENT_PRIORITY_NORMAL), "sd_bus_attach_event");
  core_.note("org.bluez is " + unique_name_);
}

// May run inside a handler of this very connection: closed at once, freed when the handler is done.
void ScriptedBluez::leave_bus() {
  if (!bus_) return;
  core_.attach(nullptr);
  sd_bus_detach_event(bus_.get());
  sd_bus_close(bus_.get());
  loop_.soon([kept = std::make_shared<Bus>(std::move(bus_))] { kept->reset(); });
  unique_name_.clear();
}

int ScriptedBluez::receive(sd_bus_message* message) {
  if (sd_bus_message_is_signal(message, "org.freedesktop.DBus", "NameOwnerChanged") > 0) {
    const auto arguments = read_arguments(message);
    client_gone(arguments[0].get<std::string>());
    core_.objects.idle();
    return 1;
  }
  uint8_t type = 0;
  sd_bus_message_get_type(message, &type);
  if (type != SD_BUS_MESSAGE_METHOD_CALL) return 0;
  const std::string interface = text_or_empty(sd_bus_message_get_interface(message));
  if (interface == "org.freedesktop.DBus.Peer") return 0;
  const Message call(message);
  RecordedCall record{core_.timeline.elapsed(),
                      text_or_empty(sd_bus_message_get_sender(message)),
                      text_or_empty(sd_bus_message_get_path(message)),
                      interface,
                      text_or_empty(sd_bus_message_get_member(message)),
                      read_arguments(message)};
  core_.note("call " + record.sender + " " + record.member + " " + short_path(record.path) + " " +
             record.arguments.dump());
  const std::string member = record.member;
  calls_.push_back(std::move(record));
  if (!intercepted(call, member) && running()) BluezMethods::handle(*this, call);
  core_.objects.idle();
  return 1;
}

bool ScriptedBluez::intercepted(const Message& call, const std::string& member) {
  const auto found = interceptions_.lower_bound(member);
  if (found == interceptions_.end() || found->first != member) return false;
  const Interception fault = std::move(interceptions_.extract(found).mapped());
  if (fault.kind == Interception::Kind::fail) core_.fail(call, fault.error, fault.message);
  if (fault.kind == Interception::Kind::act) {
    fault.action();
    return false;
  }
  if (fault.kind == Interception::Kind::delay) {
    later(fault.delay, [this, call, name = unique_name_] {
      if (running() && unique_name_ == name) BluezMethods::handle(*this, call);
    });
  }
  return true;
}

void ScriptedBluez::swallow_next(const std::string& member) {
  interceptions_.emplace(member, Interception{Interception::Kind::swallow, {}, {}, {}, {}});
}

void ScriptedBluez::delay_next(const std::string& member, microseconds by) {
  interceptions_.emplace(member, Interception{Interception::Kind::delay, by, {}, {}, {}});
}

void ScriptedBluez::fail_next(const std::string& member, const std::string& error,
                              const std::string& message) {
  interceptions_.emplace(member, Interception{Interception::Kind::fail, {}, error, message, {}});
}

void ScriptedBluez::when_called(const std::string& member, Timeline::Action action) {
  interceptions_.emplace(member, Interception{Interception::Kind::act, {}, {}, {}, std::move(action)});
}

}  // namespace bleconnd::integration
