// An adapter's coming and going: power, unplug, replug under another index, start and end of bluetoothd.
// The orders of signals were measured; pending Connects fare differently on kernel 6.1 and 6.12.
#include "adapter.hpp"

namespace bleconnd::integration {

void Adapter::announce(unsigned index, bool powered) {
  index_ = index;
  plugged_ = true;
  powered_ = powered;
  core_.objects.add(path(), "org.bluez.Adapter1",
                    {{"Address", address_},
                     {"AddressType", "public"},
                     {"Name", "host"},
                     {"Alias", "host"},
                     {"Class", uint32_t{0}},
                     {"Powered", powered},
                     {"Discoverable", false},
                     {"DiscoverableTimeout", uint32_t{180}},
                     {"Pairable", true},
                     {"PairableTimeout", uint32_t{0}},
                     {"Discovering", false},
                     {"UUIDs", std::vector<std::string>{}},
                     {"Modalias", "usb:v1D6Bp0246d0542"},
                     {"Roles", std::vector<std::string>{"central", "peripheral"}}});
  core_.objects.add_interface(path(), "org.bluez.GattManager1", {});
  core_.objects.add_interface(path(), "org.bluez.LEAdvertisingManager1",
                              {{"ActiveInstances", uint8_t{0}}, {"SupportedInstances", uint8_t{5}}});
}

void Adapter::announce_stored() {
  for (const DeviceMemory& memory : memory_) {
    auto device = std::make_unique<Device>(core_, *this, memory);
    devices_[device->path()] = std::move(device);
  }
}

void Adapter::remember_devices() {
  memory_.clear();
  for (const Device* device : all_devices())
    if (device->stored()) memory_.push_back(device->memory());
}

void Adapter::power_up_by_itself() {
  set_powered({}, true);
}

void Adapter::set_powered(const Message& call, bool on) {
  if (power_changing_) return core_.fail(call, "org.bluez.Error.Busy", "");
  if (on == powered_) return core_.answer(call);
  if (!on) return power_down(call);
  power_changing_ = true;
  power_step_ = core_.after(core_.settings.timing.power_change, [this, call] {
    power_changing_ = false;
    powered_ = true;
    core_.answer(call);
    set("Powered", true);
  });
}

void Adapter::power_down(const Message& call) {
  powered_ = false;
  for (Device* device : all_devices())
    if (device->temporary() && !device->connected()) device->vanish();
  for (Device* device : all_devices()) device->link_lost(LinkEnd::local);
  if (core_.settings.kernel == Kernel::linux_6_12) {
    for (Device* device : all_devices()) {
      if (!device->connecting()) continue;
      if (device->trusted() || device->paired())
        device->connect_aborts();
      else
        device->vanish();
    }
  }
  core_.answer(call);
  sessions_.clear();
  discovering_step_.cancel();
  end_discovery();
  set("Powered", false);
  set("Discovering", false);
  core_.objects.flush();
  for (Device* device : all_devices())
    if (device->connecting()) device->connect_succeeds_without_link();
}

void Adapter::pull() {
  bool dialling = false;
  for (Device* device : all_devices()) {
    dialling = dialling || device->connecting();
    device->link_lost(LinkEnd::local);
  }
  core_.objects.flush();
  remember_devices();
  const auto switch_off = [this] {
    sessions_.clear();
    end_discovery();
    set("Powered", false);
    set("Discovering", false);
    core_.objects.flush();
  };
  powered_ = false;
  if (dialling) switch_off();
  for (Device* device : all_devices())
    if (device->connecting()) device->connect_succeeds_without_link();
  for (Device* device : all_devices()) device->vanish();
  if (!dialling) switch_off();
  core_.objects.remove(path());
  killed();
  plugged_ = false;
}

void Adapter::shut_down() {
  remember_devices();
  for (Device* device : all_devices())
    if (device->temporary() && !device->connected()) device->vanish();
  for (Device* device : all_devices()) {
    if (device->connecting() && !device->connected())
      continue;  // its Connect is answered by the bus: NoReply
    device->link_lost(LinkEnd::local);
  }
  sessions_.clear();
  end_discovery();
  powered_ = false;
  set("Powered", false);
  set("Discovering", false);
  core_.objects.flush();
  for (Device* device : all_devices()) device->vanish();
  core_.objects.remove(path());
  killed();
}

void Adapter::killed() {
  dials_.clear();
  sessions_.clear();
  filters_.clear();
  late_.clear();
  dial_step_.cancel();
  report_step_.cancel();
  discovering_step_.cancel();
  power_step_.cancel();
  power_changing_ = false;
  discovering_ = false;
  for (Device* device : all_devices()) {
    device->retire();
    forget(*device);
  }
}

}  // namespace bleconnd::integration
