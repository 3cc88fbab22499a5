// A message that cannot be made or sent is dropped: the bus is closing, nobody is there to be told.
#include "service/device_signals.hpp"

#include "service/device_object.hpp"
#include "service/properties.hpp"
#include "system/sd_handles.hpp"

namespace bleconnd {
namespace {

constexpr char kDevice[] = "org.bleconnd.Device1";
constexpr char kProperties[] = "org.freedesktop.DBus.Properties";

BusMessage new_signal(sd_bus* bus, const std::string& path, const char* interface, const char* member) {
  sd_bus_message* message{};
  sd_bus_message_new_signal(bus, &message, path.c_str(), interface, member);
  return BusMessage{message};
}

// `before` null: all of them.
void changed_values(sd_bus_message* to, const DeviceValues* before, const DeviceValues& now) {
  const auto differs = [&](auto member) { return !before || before->*member != now.*member; };
  using Values = DeviceValues;
  if (differs(&Values::state)) text_property(to, "State", now.state);
  if (differs(&Values::adapter)) text_property(to, "Adapter", now.adapter);
  if (differs(&Values::bluez_device)) text_property(to, "BluezDevice", now.bluez_device, 'o');
  if (differs(&Values::attempt)) number_property(to, "Attempt", now.attempt);
  if (differs(&Values::error_name) || differs(&Values::error_message))
    property(to, "LastError", "(ss)",
             [&] { sd_bus_message_append(to, "(ss)", now.error_name.c_str(), now.error_message.c_str()); });
  if (differs(&Values::leases))
    property(to, "Leases", "a(sus)", [&] {
      sd_bus_message_open_container(to, 'a', "(sus)");
      for (auto& lease : now.leases)
        sd_bus_message_append(to, "(sus)", lease.holder.c_str(), lease.uid, lease.label.c_str());
      sd_bus_message_close_container(to);
    });
  if (differs(&Values::connected_since)) number_property(to, "ConnectedSince", now.connected_since);
  if (differs(&Values::services_cached)) flag_property(to, "ServicesCached", now.services_cached);
  if (differs(&Values::services_verified)) flag_property(to, "ServicesVerified", now.services_verified);
}

}  // namespace

void emit_device_added(sd_bus* bus, const std::string& path, const std::string& address,
                       std::uint32_t queue_position, const DeviceValues& values) {
  const auto signal = new_signal(bus, kRootPath, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded");
  auto* to = signal.get();
  if (!to) return;
  sd_bus_message_append_basic(to, 'o', path.c_str());
  sd_bus_message_open_container(to, 'a', "{sa{sv}}");
  for (const char* interface :
       {"org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Introspectable", kProperties})
    sd_bus_message_append(to, "{sa{sv}}", interface, 0);
  sd_bus_message_open_container(to, 'e', "sa{sv}");
  sd_bus_message_append_basic(to, 's', kDevice);
  sd_bus_message_open_container(to, 'a', "{sv}");
  text_property(to, "Address", address);
  number_property(to, "QueuePosition", queue_position);
  changed_values(to, nullptr, values);
  for (int open = 0; open < 3; ++open) sd_bus_message_close_container(to);
  sd_bus_send(bus, to, nullptr);
}

void emit_device_changed(sd_bus* bus, const std::string& path, const DeviceValues& before,
                         const DeviceValues& now) {
  if (before == now) return;
  const auto signal = new_signal(bus, path, kProperties, "PropertiesChanged");
  auto* to = signal.get();
  if (!to) return;
  sd_bus_message_append_basic(to, 's', kDevice);
  sd_bus_message_open_container(to, 'a', "{sv}");
  changed_values(to, &before, now);
  sd_bus_message_close_container(to);
  sd_bus_message_append(to, "as", 0);
  sd_bus_send(bus, to, nullptr);
}

}  // namespace bleconnd
