// The client's dealings with the bus itself: forged signals, owners of names, match rules of a connection.
// A unicast signal needs no rule at the receiver: the bus delivers it to the name it is addressed to.
#include <stdexcept>

#include "client.hpp"

namespace bleconnd::integration {

void Client::forge(const std::string& destination, const std::string& path, const std::string& interface,
                   const std::string& member, const std::vector<Argument>& arguments) {
  sd_bus_message* message = nullptr;
  checked(sd_bus_message_new_signal(bus_.get(), &message, path.c_str(), interface.c_str(), member.c_str()),
          "new signal");
  const Message owned = Message::owned(message);
  for (const auto& argument : arguments) append(message, argument);
  checked(sd_bus_message_set_destination(message, destination.c_str()), "set destination");
  checked(sd_bus_send(bus_.get(), message, nullptr), "send forged signal");
}

void Client::forge_properties_changed(const std::string& destination, const std::string& path,
                                      const std::string& interface, const Dictionary& changed) {
  forge(destination, path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
        {Value{interface}, changed, Value{std::vector<std::string>{}}});
}

void Client::forge_object_removed(const std::string& destination, const std::string& path) {
  const std::vector<std::string> interfaces{"org.freedesktop.DBus.Properties",
                                            "org.freedesktop.DBus.Introspectable", "org.bluez.Device1"};
  forge(destination, "/", "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved",
        {Value{ObjectPath{path}}, Value{interfaces}});
}

void Client::forge_owner_change(const std::string& destination, const std::string& name,
                                const std::string& before, const std::string& after) {
  forge(destination, "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged",
        {Value{name}, Value{before}, Value{after}});
}

nlohmann::json Client::ask_driver(const std::string& interface, const std::string& member,
                                  const std::vector<Argument>& arguments) {
  sd_bus_message* message = nullptr;
  checked(sd_bus_message_new_method_call(bus_.get(), &message, "org.freedesktop.DBus",
                                         "/org/freedesktop/DBus", interface.c_str(), member.c_str()),
          "new call to the bus driver");
  const Message owned = Message::owned(message);
  for (const auto& argument : arguments) append(message, argument);
  sd_bus_message* reply = nullptr;
  const uint64_t ten_seconds = 10'000'000;
  if (sd_bus_call(bus_.get(), message, ten_seconds, nullptr, &reply) < 0) return nullptr;
  return read_arguments(Message::owned(reply).get());
}

std::string Client::owner_of(const std::string& name) {
  const auto answer = ask_driver("org.freedesktop.DBus", "GetNameOwner", {Value{name}});
  return answer.is_null() ? std::string{} : answer[0].get<std::string>();
}

std::vector<std::string> Client::match_rules_of(const std::string& unique_name) {
  const auto answer = ask_driver("org.freedesktop.DBus.Debug.Stats", "GetAllMatchRules", {});
  if (answer.is_null()) throw std::runtime_error("this bus tells no match rules");
  return answer[0].value(unique_name, std::vector<std::string>{});
}

std::size_t Client::kept_for(const std::string& unique_name, const std::string& what) {
  const auto answer = ask_driver("org.freedesktop.DBus.Debug.Stats", "GetStats", {});
  if (answer.is_null()) throw std::runtime_error("this bus tells no statistics");
  for (const auto& peer : answer[0]["org.bus1.DBus.Debug.Stats.PeerAccounting"])
    if (peer[0] == unique_name) return peer[2].value(what, std::size_t{0});
  throw std::runtime_error("the bus does not know " + unique_name);
}

}  // namespace bleconnd::integration
