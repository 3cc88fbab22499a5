#include "service/device_properties.hpp"

#include <algorithm>
#include <iterator>

#include "service/properties.hpp"

namespace bleconnd {
namespace {

using Values = DeviceValues;

struct Property {
  const char* name;
  const char* type;
  void (*write)(sd_bus_message* to, const Values& values);
  bool (*differs)(const Values& before, const Values& now);  // null: changes are not told
};

void write_text(sd_bus_message* to, const std::string& text, char type = 's') {
  sd_bus_message_append_basic(to, type, text.c_str());
}

void write_flag(sd_bus_message* to, bool flag) {
  const int truth = flag;
  sd_bus_message_append_basic(to, 'b', &truth);
}

void write_leases(sd_bus_message* to, const Values& values) {
  sd_bus_message_open_container(to, 'a', "(sus)");
  for (auto& lease : values.leases)
    sd_bus_message_append(to, "(sus)", lease.holder.c_str(), lease.uid, lease.label.c_str());
  sd_bus_message_close_container(to);
}

template <auto member>
bool of(const Values& before, const Values& now) {
  return before.*member != now.*member;
}

using Message = sd_bus_message*;
constexpr Property kTable[] = {
    {"Address", "s", [](Message to, const Values& of) { write_text(to, of.address); }, nullptr},
    {"State", "s", [](Message to, const Values& of) { write_text(to, std::string{text(of.stage)}); },
     of<&Values::stage>},
    {"Adapter", "s", [](Message to, const Values& of) { write_text(to, of.adapter); }, of<&Values::adapter>},
    {"BluezDevice", "o", [](Message to, const Values& of) { write_text(to, of.bluez_device, 'o'); },
     of<&Values::bluez_device>},
    {"Attempt", "u", [](Message to, const Values& of) { sd_bus_message_append_basic(to, 'u', &of.attempt); },
     of<&Values::attempt>},
    {"QueuePosition", "u",
     [](Message to, const Values& of) { sd_bus_message_append_basic(to, 'u', &of.queue_position); }, nullptr},
    {"LastError", "(ss)",
     [](Message to, const Values& of) {
       sd_bus_message_append(to, "(ss)", of.error_name.c_str(), of.error_message.c_str());
     },
     [](const Values& before, const Values& now) {
       return of<&Values::error_name>(before, now) || of<&Values::error_message>(before, now);
     }},
    {"Leases", "a(sus)", write_leases, of<&Values::leases>},
    {"ServicesCached", "b", [](Message to, const Values& of) { write_flag(to, of.services_cached); },
     of<&Values::services_cached>},
    {"ServicesVerified", "b", [](Message to, const Values& of) { write_flag(to, of.services_verified); },
     of<&Values::services_verified>},
    {"ConnectedSince", "t",
     [](Message to, const Values& of) { sd_bus_message_append_basic(to, 't', &of.connected_since); },
     of<&Values::connected_since>}};

void write_entry(sd_bus_message* to, const Property& property, const Values& values) {
  write_property(to, property.name, property.type, [&] { property.write(to, values); });
}

}  // namespace

DeviceValues values_of(const DeviceSession& session, std::uint64_t connected_since) {
  DeviceValues now;
  now.stage = session.stage();
  now.adapter = session.adapter();
  now.bluez_device = session.bluez_device();
  now.attempt = session.attempt();
  if (auto& error = session.last_error()) {
    now.error_name = error_name(error->category);
    now.error_message = error->message;
  }
  for (auto& lease : session.leases().all()) {
    auto holder = lease.persistent() ? std::string{"persistent"} : lease.holder.name;
    if (lease.lingers_to) holder.clear();
    now.leases.push_back({std::move(holder), lease.holder.uid, lease.label});
  }
  now.connected_since = connected_since;
  now.services_cached = session.services_cached();
  now.services_verified = session.services_verified();
  now.address = session.address().text();
  return now;
}

DeviceValues all_values_of(const DeviceSession& session, std::uint64_t connected_since) {
  auto now = values_of(session, connected_since);
  now.queue_position = session.queue_position();
  return now;
}

bool write_value(sd_bus_message* to, std::string_view name, const DeviceValues& values) {
  const auto property = std::ranges::find(kTable, name, &Property::name);
  if (property == std::end(kTable)) return false;
  property->write(to, values);
  return true;
}

void write_all(sd_bus_message* to, const DeviceValues& values) {
  sd_bus_message_open_container(to, 'a', "{sv}");
  for (auto& property : kTable) write_entry(to, property, values);
  sd_bus_message_close_container(to);
}

bool differ(const DeviceValues& before, const DeviceValues& now) {
  return std::ranges::any_of(
      kTable, [&](auto& property) { return property.differs && property.differs(before, now); });
}

void write_changed(sd_bus_message* to, const DeviceValues& before, const DeviceValues& now) {
  sd_bus_message_open_container(to, 'a', "{sv}");
  for (auto& property : kTable)
    if (property.differs && property.differs(before, now)) write_entry(to, property, now);
  sd_bus_message_close_container(to);
}

}  // namespace bleconnd
