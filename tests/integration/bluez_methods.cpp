// Dispatch as libdbus and gdbus do it, with their error names and texts (one of them ends in a newline).
// Introspect answers on every path, an empty node where nothing is: libdbus does so.
#include "bluez_methods.hpp"

#include <algorithm>
#include <functional>

namespace bleconnd::integration {
namespace {

const char* const invalid_args = "org.freedesktop.DBus.Error.InvalidArgs";

struct Call {
  ScriptedBluez& bluez;
  BluezCore& core;
  Message message;
  std::string path;
  Adapter* adapter;
  Device* device;
};

struct Method {
  std::string interface;
  std::string member;
  std::string in;
  std::string out;
  std::function<void(const Call&)> handle;
};

std::string read_text(const Message& message, char type = 's') {
  const char* text = nullptr;
  sd_bus_message_read_basic(message.get(), type, &text);
  return text_or_empty(text);
}

void get(const Call& call) {
  const std::string interface = read_text(call.message);
  const std::string name = read_text(call.message);
  if (call.core.objects.find(call.path, interface) == nullptr)
    return call.core.fail(call.message, invalid_args, "No such interface '" + interface + "'");
  const Value* value = call.core.objects.find(call.path, interface, name);
  if (value == nullptr) return call.core.fail(call.message, invalid_args, "No such property '" + name + "'");
  call.core.answer(call.message, [value](sd_bus_message* reply) { append_variant(reply, *value); });
}

void get_all(const Call& call) {
  const std::string interface = read_text(call.message);
  const ExportedInterface* exported = call.core.objects.find(call.path, interface);
  if (exported == nullptr)
    return call.core.fail(call.message, invalid_args, "No such interface '" + interface + "'");
  call.core.answer(call.message, [exported](sd_bus_message* reply) { append(reply, exported->properties); });
}

void set(const Call& call) {
  const std::string interface = read_text(call.message);
  const std::string name = read_text(call.message);
  if (call.core.objects.find(call.path, interface) == nullptr)
    return call.core.fail(call.message, invalid_args, "No such interface '" + interface + "'");
  if (call.core.objects.find(call.path, interface, name) == nullptr)
    return call.core.fail(call.message, "org.freedesktop.DBus.Error.UnknownProperty",
                          "No such property '" + name + "'");
  int flag = 0;
  const bool is_flag = sd_bus_message_read(call.message.get(), "v", "b", &flag) >= 0;
  const bool is_trust = call.device != nullptr && name == "Trusted";
  const bool is_power = call.adapter != nullptr && name == "Powered";
  if (!is_trust && !is_power)
    return call.core.fail(call.message, "org.freedesktop.DBus.Error.PropertyReadOnly",
                          "Property '" + name + "' is not writable");
  if (!is_flag)
    return call.core.fail(call.message, "org.freedesktop.DBus.Error.InvalidSignature",
                          "Invalid signature for '" + name + "'");
  if (is_power) return call.adapter->set_powered(call.message, flag != 0);
  call.device->set_trusted(flag != 0);
  call.core.answer(call.message);
}

void get_managed_objects(const Call& call) {
  call.core.answer(call.message,
                   [&](sd_bus_message* reply) { call.core.objects.append_managed_objects(reply); });
}

void read_value(const Call& call) {
  const Value* value = call.core.objects.find(call.path, "org.bluez.GattCharacteristic1", "Value");
  if (call.core.objects.find(call.path, "org.bluez.GattCharacteristic1", "MTU") == nullptr)
    return call.core.fail(call.message, "org.bluez.Error.Failed", "Not connected");
  call.core.answer(call.message, [value](sd_bus_message* reply) { append(reply, *value); });
}

const std::vector<Method>& methods() {
  static const std::vector<Method> table = {
      {"org.freedesktop.DBus.Properties", "Get", "ss", "v", get},
      {"org.freedesktop.DBus.Properties", "GetAll", "s", "a{sv}", get_all},
      {"org.freedesktop.DBus.Properties", "Set", "ssv", "", set},
      {"org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "", "a{oa{sa{sv}}}", get_managed_objects},
      {"org.bluez.Adapter1", "StartDiscovery", "", "",
       [](const Call& call) { call.adapter->start_discovery(call.message); }},
      {"org.bluez.Adapter1", "StopDiscovery", "", "",
       [](const Call& call) { call.adapter->stop_discovery(call.message); }},
      {"org.bluez.Adapter1", "SetDiscoveryFilter", "a{sv}", "",
       [](const Call& call) { call.adapter->set_discovery_filter(call.message); }},
      {"org.bluez.Adapter1", "RemoveDevice", "o", "",
       [](const Call& call) { call.adapter->remove_device(call.message, read_text(call.message, 'o')); }},
      {"org.bluez.Device1", "Connect", "", "", [](const Call& call) { call.device->connect(call.message); }},
      {"org.bluez.Device1", "Disconnect", "", "",
       [](const Call& call) { call.device->disconnect(call.message); }},
      {"org.bluez.Device1", "Pair", "", "", [](const Call& call) { call.device->pair(call.message); }},
      {"org.bluez.Device1", "CancelPairing", "", "",
       [](const Call& call) { call.device->cancel_pairing(call.message); }},
      {"org.bluez.GattCharacteristic1", "ReadValue", "a{sv}", "ay", read_value},
  };
  return table;
}

std::string arguments_xml(const std::string& signature, const char* direction) {
  if (signature.empty())
    return {};  // one complete type each in this table, apart from the "ss" and "ssv" of Properties
  if (signature == "ss" || signature == "ssv") {
    std::string each;
    for (const char type : signature) each += arguments_xml(std::string(1, type), direction);
    return each;
  }
  return "\t\t\t<arg type=\"" + signature + "\" direction=\"" + direction + "\"/>\n";
}

std::string interface_xml(const ExportedInterface& interface) {
  std::string xml = "\t<interface name=\"" + interface.name + "\">\n";
  for (const Method& method : methods()) {
    if (method.interface != interface.name) continue;
    xml += "\t\t<method name=\"" + method.member + "\">\n" + arguments_xml(method.in, "in") +
           arguments_xml(method.out, "out") + "\t\t</method>\n";
  }
  for (const auto& [name, value] : interface.properties)
    xml += "\t\t<property name=\"" + name + "\" type=\"" + signature_of(value) +
           "\" access=\"read\"></property>\n";
  return xml + "\t</interface>\n";
}

void introspect(const Call& call) {
  std::string xml =
      "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n"
      "\"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n<node>\n";
  for (const auto& name : call.core.objects.interfaces_of(call.path))
    xml += interface_xml(*call.core.objects.find(call.path, name));
  if (call.path == "/") xml += interface_xml({"org.freedesktop.DBus.ObjectManager", {}, {}});
  for (const auto& child : call.core.objects.children_of(call.path))
    xml += "\t<node name=\"" + child + "\"/>\n";
  call.core.answer(call.message, [&](sd_bus_message* reply) { append(reply, Value{xml + "</node>\n"}); });
}

bool has_interface(const Call& call, const std::string& interface) {
  if (call.path == "/" && interface == "org.freedesktop.DBus.ObjectManager") return true;
  return call.core.objects.find(call.path, interface) != nullptr;
}

void unknown(const Call& call, const std::string& interface, const std::string& member,
             const std::string& signature) {
  const bool there = call.path == "/" || call.core.objects.contains(call.path);
  call.core.fail(
      call.message,
      there ? "org.freedesktop.DBus.Error.UnknownMethod" : "org.freedesktop.DBus.Error.UnknownObject",
      "Method \"" + member + "\" with signature \"" + signature + "\" on interface \"" + interface +
          "\" doesn't exist\n");
}

}  // namespace

void BluezMethods::handle(ScriptedBluez& bluez, const Message& message) {
  const std::string path = text_or_empty(sd_bus_message_get_path(message.get()));
  const std::string interface = text_or_empty(sd_bus_message_get_interface(message.get()));
  const std::string member = text_or_empty(sd_bus_message_get_member(message.get()));
  const std::string signature = text_or_empty(sd_bus_message_get_signature(message.get(), 1));
  sd_bus_message_rewind(message.get(), 1);
  const Call call{bluez, bluez.core_, message, path, bluez.adapter_at(path), bluez.device_at(path)};
  if (interface == "org.freedesktop.DBus.Introspectable" && member == "Introspect") return introspect(call);
  const auto found = std::ranges::find_if(methods(), [&](const Method& method) {
    return method.interface == interface && method.member == member && method.in == signature;
  });
  if (found == methods().end() || !has_interface(call, interface))
    return unknown(call, interface, member, signature);
  found->handle(call);
}

}  // namespace bleconnd::integration
