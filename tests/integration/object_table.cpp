// Order and shape of the signals as in gdbus/object.c: Introspectable first and Properties after the object's
// own interface in InterfacesAdded, the reverse in InterfacesRemoved, one PropertiesChanged per interface.
#include "object_table.hpp"

#include <algorithm>

namespace bleconnd::integration {
namespace {

const char* const introspectable = "org.freedesktop.DBus.Introspectable";
const char* const properties_interface = "org.freedesktop.DBus.Properties";
const char* const object_manager = "org.freedesktop.DBus.ObjectManager";

Message new_signal(sd_bus* bus, const std::string& path, const char* interface, const char* member) {
  sd_bus_message* message = nullptr;
  checked(sd_bus_message_new_signal(bus, &message, path.c_str(), interface, member), "new signal");
  return Message::owned(message);
}

void append_interfaces(sd_bus_message* message, const ExportedObject& object) {
  sd_bus_message_open_container(message, 'a', "{sa{sv}}");
  for (const auto& interface : object.interfaces) {
    sd_bus_message_open_container(message, 'e', "sa{sv}");
    sd_bus_message_append_basic(message, 's', interface.name.c_str());
    append(message, interface.properties);
    sd_bus_message_close_container(message);
  }
  sd_bus_message_close_container(message);
}

}  // namespace

void ObjectTable::clear() {
  objects_.clear();
  waiting_.clear();
}

void ObjectTable::add(const std::string& path, const std::string& interface, Dictionary properties) {
  ExportedObject object;
  object.interfaces = {
      {introspectable, {}, {}}, {interface, std::move(properties), {}}, {properties_interface, {}, {}}};
  objects_[path] = std::move(object);
  wait(path);
}

void ObjectTable::add_interface(const std::string& path, const std::string& interface,
                                Dictionary properties) {
  objects_.at(path).interfaces.push_back({interface, std::move(properties), {}});
}

void ObjectTable::remove(const std::string& path) {
  const auto found = objects_.find(path);
  if (found == objects_.end()) return;
  if (found->second.waiting) waiting_.remove(path);
  if (found->second.announced) {
    for (auto& interface : found->second.interfaces) tell_changed(path, interface);
    tell_removed(path, found->second);
  }
  objects_.erase(found);
}

const ExportedInterface* ObjectTable::find(const std::string& path, const std::string& interface) const {
  const auto object = objects_.find(path);
  if (object == objects_.end()) return nullptr;
  const auto found = std::ranges::find(object->second.interfaces, interface, &ExportedInterface::name);
  return found == object->second.interfaces.end() ? nullptr : &*found;
}

const Value* ObjectTable::find(const std::string& path, const std::string& interface,
                               const std::string& property) const {
  const ExportedInterface* exported = find(path, interface);
  if (exported == nullptr) return nullptr;
  const auto found = exported->properties.find(property);
  return found == exported->properties.end() ? nullptr : &found->second;
}

ExportedInterface* ObjectTable::find_mutable(const std::string& path, const std::string& interface) {
  return const_cast<ExportedInterface*>(find(path, interface));
}

std::vector<std::string> ObjectTable::children_of(const std::string& path) const {
  const std::string prefix = path == "/" ? path : path + "/";
  std::set<std::string> names;
  for (auto object = objects_.lower_bound(prefix); object != objects_.end(); ++object) {
    if (!object->first.starts_with(prefix)) break;
    const std::string rest = object->first.substr(prefix.size());
    if (!rest.empty()) names.insert(rest.substr(0, rest.find('/')));
  }
  return {names.begin(), names.end()};
}

std::vector<std::string> ObjectTable::interfaces_of(const std::string& path) const {
  std::vector<std::string> names;
  const auto object = objects_.find(path);
  if (object == objects_.end()) return names;
  for (const auto& interface : object->second.interfaces) names.push_back(interface.name);
  return names;
}

void ObjectTable::set(const std::string& path, const std::string& interface, const std::string& property,
                      Value value) {
  ExportedInterface* exported = find_mutable(path, interface);
  if (exported == nullptr) return;
  const auto [entry, inserted] = exported->properties.try_emplace(property, value);
  if (!inserted && entry->second == value) return;
  entry->second = std::move(value);
  exported->changed.insert(property);
  wait(path);
}

void ObjectTable::withdraw(const std::string& path, const std::string& interface,
                           const std::string& property) {
  ExportedInterface* exported = find_mutable(path, interface);
  if (exported == nullptr || exported->properties.erase(property) == 0) return;
  exported->changed.insert(property);
  wait(path);
}

void ObjectTable::set_quietly(const std::string& path, const std::string& interface,
                              const std::string& property, Value value) {
  ExportedInterface* exported = find_mutable(path, interface);
  if (exported != nullptr) exported->properties[property] = std::move(value);
}

void ObjectTable::withdraw_quietly(const std::string& path, const std::string& interface,
                                   const std::string& property) {
  ExportedInterface* exported = find_mutable(path, interface);
  if (exported != nullptr) exported->properties.erase(property);
}

void ObjectTable::wait(const std::string& path) {
  ExportedObject& object = objects_.at(path);
  if (object.waiting) return;
  object.waiting = true;
  waiting_.push_back(path);
  something_waits_();
}

void ObjectTable::flush() {
  while (!waiting_.empty()) {
    const std::string path = waiting_.front();
    waiting_.pop_front();
    tell(path);
  }
}

void ObjectTable::idle() {
  if (!starving_) flush();
}

void ObjectTable::tell(const std::string& path) {
  ExportedObject& object = objects_.at(path);
  object.waiting = false;
  if (!object.announced) {
    tell_added(path, object);
    object.announced = true;
    for (auto& interface : object.interfaces) interface.changed.clear();
    return;
  }
  for (auto& interface : object.interfaces) tell_changed(path, interface);
}

void ObjectTable::tell_added(const std::string& path, const ExportedObject& object) {
  if (told_) told_("IA " + path);
  if (bus_ == nullptr) return;
  const Message signal = new_signal(bus_, "/", object_manager, "InterfacesAdded");
  sd_bus_message_append_basic(signal.get(), 'o', path.c_str());
  append_interfaces(signal.get(), object);
  sd_bus_send(bus_, signal.get(), nullptr);
}

void ObjectTable::tell_changed(const std::string& path, ExportedInterface& interface) {
  if (interface.changed.empty()) return;
  Dictionary changed;
  std::vector<std::string> invalidated;
  for (const auto& name : interface.changed) {
    const auto property = interface.properties.find(name);
    if (property == interface.properties.end())
      invalidated.push_back(name);
    else
      changed.insert(*property);
  }
  interface.changed.clear();
  if (told_) told_("PC " + path);
  if (bus_ == nullptr) return;
  const Message signal = new_signal(bus_, path, properties_interface, "PropertiesChanged");
  sd_bus_message_append_basic(signal.get(), 's', interface.name.c_str());
  append(signal.get(), changed);
  append(signal.get(), Value{invalidated});
  sd_bus_send(bus_, signal.get(), nullptr);
}

void ObjectTable::tell_removed(const std::string& path, const ExportedObject& object) {
  if (told_) told_("IR " + path);
  if (bus_ == nullptr) return;
  std::vector<std::string> names{properties_interface, introspectable};
  for (auto interface = object.interfaces.rbegin(); interface != object.interfaces.rend(); ++interface)
    if (interface->name != properties_interface && interface->name != introspectable)
      names.push_back(interface->name);
  const Message signal = new_signal(bus_, "/", object_manager, "InterfacesRemoved");
  sd_bus_message_append_basic(signal.get(), 'o', path.c_str());
  append(signal.get(), Value{names});
  sd_bus_send(bus_, signal.get(), nullptr);
}

void ObjectTable::append_managed_objects(sd_bus_message* message) const {
  sd_bus_message_open_container(message, 'a', "{oa{sa{sv}}}");
  for (const auto& [path, object] : objects_) {
    sd_bus_message_open_container(message, 'e', "oa{sa{sv}}");
    sd_bus_message_append_basic(message, 'o', path.c_str());
    append_interfaces(message, object);
    sd_bus_message_close_container(message);
  }
  sd_bus_message_close_container(message);
}

}  // namespace bleconnd::integration
