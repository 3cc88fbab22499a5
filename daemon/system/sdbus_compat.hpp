// Everything that differs between sdbus-c++ 1.2 (Debian 12), 1.4 (Ubuntu 24.04) and 2.x (Debian 13). Nothing
// else may ask for the version. sdbus-c++ carries our own objects (generated adaptors); what is awaited on
// the bus uses the same connection through sd-bus.
#pragma once
#include <sdbus-c++/sdbus-c++.h>
#include <systemd/sd-bus.h>

#include <cstring>
#include <optional>
#include <string>
#include <utility>

#if __has_include(<sdbus-c++/VTableItems.h>)  // new in 2.0; neither major defines a version macro
#define BLECONND_SDBUS_2 1
#else
#define BLECONND_SDBUS_2 0
#endif

namespace bleconnd::bus {

#if BLECONND_SDBUS_2
using sdbus::InterfaceName;
using sdbus::MethodName;
using sdbus::PropertyName;
using sdbus::ServiceName;
using sdbus::SignalName;
using CallError = std::optional<sdbus::Error>;  // of a reply callback
inline sdbus::Error error(std::string name, std::string text) {
  return sdbus::Error{sdbus::Error::Name{std::move(name)}, std::move(text)};
}
#else
using InterfaceName = std::string;
using MethodName = std::string;
using PropertyName = std::string;
using ServiceName = std::string;
using SignalName = std::string;
using CallError = const sdbus::Error*;
inline sdbus::Error error(std::string name, std::string text) {
  return sdbus::Error{std::move(name), std::move(text)};
}
#endif

namespace detail {
// sdbus-c++ hands out no sd_bus; its messages keep theirs in a protected member, which a derived class may
// name.
struct Inside : sdbus::Message {
  static sd_bus_message* of(const sdbus::Message& message) {
    return static_cast<sd_bus_message*>(message.*(&Inside::msg_));
  }
};
}  // namespace detail

// The sd-bus connection under a connection; valid as long as that is.
inline sd_bus* native(sdbus::IConnection& connection) {
  const auto driver = sdbus::createProxy(connection, ServiceName{"org.freedesktop.DBus"},
                                         sdbus::ObjectPath{"/org/freedesktop/DBus"});
  const auto call = driver->createMethodCall(InterfaceName{"org.freedesktop.DBus"}, MethodName{"GetId"});
  return sd_bus_message_get_bus(detail::Inside::of(call));
}

// What tells one run of a message bus from all others.
inline std::string id(sdbus::IConnection& connection) {
  sd_id128_t id{};
  char text[SD_ID128_STRING_MAX]{};
  if (sd_bus_get_bus_id(native(connection), &id) < 0) return {};
  return sd_id128_to_string(id, text);
}

// The call that an object handles now. To be read before anything is awaited.
#if BLECONND_SDBUS_2
inline sdbus::Message current_message(const sdbus::IObject& object) {
  return object.getCurrentlyProcessedMessage();
}
#else
inline const sdbus::Message& current_message(const sdbus::IObject& object) {
  return *object.getCurrentlyProcessedMessage();
}
#endif

// The same, to be kept and answered later.
inline sd_bus_message* current_call(const sdbus::IObject& object) {
  return sd_bus_message_ref(detail::Inside::of(current_message(object)));
}

// The unique name of who sent a message.
inline std::string sender_of(const sdbus::Message& message) {
  const char* sender = sd_bus_message_get_sender(detail::Inside::of(message));
  return sender ? sender : "";
}

// From what generated adaptors name their interface with.
inline InterfaceName interface_name(const char* name) {
  return InterfaceName{name};
}

}  // namespace bleconnd::bus
