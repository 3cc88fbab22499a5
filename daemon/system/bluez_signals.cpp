// The signals of BluezBus: whose they are, and what they change. Values change inside sd-bus' callbacks, in
// the order of the messages; who waits for them is only woken there.
#include <fmt/format.h>

#include <utility>

#include "core/printable.hpp"
#include "system/bluez_bus.hpp"
#include "system/bluez_paths.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
constexpr char kBus[] = "org.freedesktop.DBus";
constexpr char kProperties[] = "org.freedesktop.DBus.Properties";
constexpr char kObjectManager[] = "org.freedesktop.DBus.ObjectManager";
constexpr auto kForgeryLines = 1min;  // one at most in that time: whoever forges could fill the log

}  // namespace

void BluezBus::on_signal(sd_bus_message* signal) {
  const char* sender = sd_bus_message_get_sender(signal);
  const char* interface = sd_bus_message_get_interface(signal);
  const char* member = sd_bus_message_get_member(signal);
  if (!sender || !interface || !member) return;
  const std::string_view from{sender};
  const std::string_view of{interface};
  if (of == kBus) {
    if (std::string_view{member} == "NameOwnerChanged")
      from == kBus ? on_name_owner_changed(signal) : refuse_forged(sender);
    return;
  }
  if (of != kProperties && of != kObjectManager && of != kDeviceInterface) return;
  if (owner().empty())
    return;  // not found out yet, or not there: whoever this is, nothing can be said about it
  if (from != owner()) return refuse_forged(sender);
  on_bluez_signal(signal, member);
}

void BluezBus::refuse_forged(const char* sender) {
  ++forged_;
  if (loop_.now() < next_forgery_line_) return;
  next_forgery_line_ = loop_.now() + kForgeryLines;
  journal_.debug("signals of {}, which is not bluetoothd, are ignored ({} so far)", printable(sender),
                 forged_);
}

void BluezBus::on_name_owner_changed(sd_bus_message* signal) {
  std::string_view name;
  std::string_view before;
  std::string_view now;
  if (!read_text(signal, 's', name) || name != "org.bluez") return;
  if (!read_text(signal, 's', before) || !read_text(signal, 's', now)) return;
  // Through "nobody", also when one bluetoothd replaces another: nothing of the old one is left.
  if (now != owner()) owner_is({});
  owner_is(std::string{now});
}

void BluezBus::on_bluez_signal(sd_bus_message* signal, std::string_view member) {
  if (member == "PropertiesChanged") return on_properties_changed(signal);
  if (member == "InterfacesAdded") return on_interfaces_added(signal);
  if (member == "InterfacesRemoved") return on_interfaces_removed(signal);
  if (member == "Disconnected") return on_disconnected(signal);
}

void BluezBus::on_interfaces_added(sd_bus_message* signal) {
  std::string_view path;
  ObjectInterfaces interfaces;
  if (!read_text(signal, 'o', path) || !read_interfaces(signal, interfaces)) return;
  if (interfaces.adapter) return adapter_found(path, *interfaces.adapter);
  if (device_part(path).empty()) return;
  if (interfaces.gatt) return devices_.gatt_added(path, *interfaces.gatt);
  if (!interfaces.device || device_part(path) != path) return;
  // Followed from its first moment on, its GATT objects need not be read later.
  if (ears_.added(path, *interfaces.device)) devices_.remember(std::string{path});
  devices_.added(path, *interfaces.device);
}

void BluezBus::on_interfaces_removed(sd_bus_message* signal) {
  std::string_view path;
  RemovedInterfaces interfaces;
  if (!read_text(signal, 'o', path) || !read_removed(signal, interfaces)) return;
  if (interfaces.gatt) return devices_.gatt_removed(path);
  if (interfaces.device) return devices_.removed(path);
  if (!interfaces.adapter || !adapters_.removed(path)) return;
  journal_.write(LogLevel::info, fmt::format("{} has gone", printable(path.substr(path.rfind('/') + 1))));
  devices_.all_gone(path);
  stack_changed_.notify();
}

void BluezBus::on_properties_changed(sd_bus_message* signal) {
  const std::string_view path{sd_bus_message_get_path(signal)};
  std::string_view interface;
  if (!read_text(signal, 's', interface)) return;
  if (interface == kDeviceInterface) {
    DeviceProperties properties;
    if (!devices_.follows(path) && !ears_.listens_to(path)) return;
    if (!read_properties(signal, properties)) return;
    devices_.changed(path, properties);
    ears_.changed(path, properties);
  } else if (interface == kAdapterInterface && adapter_index(path)) {
    AdapterProperties properties;
    if (!read_properties(signal, properties)) return;
    // Beyond the ruled ones an adapter shows itself by its first change.
    if (!adapters_.lists(path) && stack().explored) return exploring_.spawn(meet_adapter(std::string{path}));
    if (!adapters_.changed(path, properties)) return;
    const auto& adapter = *stack().adapter(std::string{path});
    journal_.write(LogLevel::info, fmt::format("{} is {}", adapter.name, adapter.powered ? "on" : "off"),
                   {.adapter = adapter.name});
    stack_changed_.notify();
  }
}

void BluezBus::on_disconnected(sd_bus_message* signal) {
  std::string_view reason;
  if (!read_text(signal, 's', reason)) return;
  devices_.link_ended(sd_bus_message_get_path(signal), printable(reason));
}

}  // namespace bleconnd
