// The world around bluetoothd, and bluetoothd's own life on the bus.
// Destruction order matters: devices cancel their appointments before the timeline goes.
#include "scripted_bluez.hpp"

#include <algorithm>
#include <ostream>
#include <set>

#include "bluez_methods.hpp"

namespace bleconnd::integration {

std::ostream& operator<<(std::ostream& out, const Leftovers& left) {
  return out << "{pending connects " << left.pending_connects << ", pending pairs " << left.pending_pairs
             << ", links " << left.links << ", discovery sessions " << left.discovery_sessions << "}";
}

std::string short_path(const std::string& path) {
  const std::string root = "/org/bluez/";
  return path.starts_with(root) ? path.substr(root.size()) : path;
}

ScriptedBluez::ScriptedBluez(Loop& loop, std::string bus_address, BluezSettings settings)
    : loop_(loop), bus_address_(std::move(bus_address)), core_(loop, settings) {}

ScriptedBluez::~ScriptedBluez() {
  core_.attach(nullptr);
  for (const auto& adapter : adapters_) adapter->killed();
}

Adapter& ScriptedBluez::add_adapter(const std::string& address) {
  const std::string given = address.empty() ? "00:1A:7D:DA:71:0" + std::to_string(adapters_.size()) : address;
  adapters_.push_back(std::make_unique<Adapter>(core_, air_, given));
  Adapter& adapter = *adapters_.back();
  announce_adapter(adapter, lowest_free_index(), true);
  return adapter;
}

Peripheral& ScriptedBluez::add_peripheral(const std::string& address) {
  air_.push_back(std::make_unique<Peripheral>(address));
  return *air_.back();
}

void ScriptedBluez::announce_managers() {
  core_.objects.add("/org/bluez", "org.bluez.AgentManager1", {});
  core_.objects.add_interface("/org/bluez", "org.bluez.ProfileManager1", {});
}

void ScriptedBluez::announce_adapter(Adapter& adapter, unsigned index, bool powered) {
  adapter.announce(index, powered);
  adapter.announce_stored();
}

void ScriptedBluez::start() {
  announce_managers();
  core_.objects.flush();  // what is there before the name is owned is told nobody
  connect_to_bus();
}

void ScriptedBluez::come_back() {
  connect_to_bus();
  announce_managers();
  appointments_.push_back(core_.after(core_.settings.timing.adapters_appear, [this] {
    for (const auto& adapter : adapters_) {
      if (!adapter->plugged()) continue;
      announce_adapter(*adapter, adapter->index(), adapter->powered());
      if (!adapter->powered()) adapter->power_up_by_itself();
    }
  }));
}

void ScriptedBluez::kill() {
  core_.note("SIGKILL");
  for (const auto& peripheral : air_) {
    if (peripheral->link_ == nullptr) continue;
    peripheral->link_lingers_ = true;
    Peripheral* lingering = peripheral.get();
    later(core_.settings.timing.kernel_drops_links, [lingering] {
      lingering->link_lingers_ = false;
      lingering->wake_waiting();
    });
  }
  leave_bus();
  for (const auto& adapter : adapters_) {
    adapter->remember_devices();
    adapter->killed();
  }
  core_.objects.clear();
}

void ScriptedBluez::terminate() {
  core_.note("SIGTERM");
  for (const auto& adapter : adapters_)
    if (adapter->plugged()) adapter->shut_down();
  core_.objects.remove("/org/bluez");
  sd_bus_flush(bus_.get());
  leave_bus();
  core_.objects.clear();
}

void ScriptedBluez::stop() {
  core_.note("SIGSTOP");
  core_.pause(true);
  sd_bus_detach_event(bus_.get());
}

void ScriptedBluez::resume() {
  core_.note("SIGCONT");
  checked(sd_bus_attach_event(bus_.get(), loop_.event(), SD_EVENT_PRIORITY_NORMAL), "sd_bus_attach_event");
  core_.pause(false);
}

unsigned ScriptedBluez::lowest_free_index() const {
  std::set<unsigned> taken;
  for (const auto& adapter : adapters_)
    if (adapter->plugged()) taken.insert(adapter->index());
  unsigned index = 0;
  while (taken.contains(index)) ++index;
  return index;
}

void ScriptedBluez::unplug(Adapter& adapter) {
  core_.note("unplugged " + adapter.path());
  adapter.pull();
}

void ScriptedBluez::plug(Adapter& adapter, std::optional<unsigned> index) {
  if (!running()) {
    adapter.index_ = index.value_or(lowest_free_index());
    adapter.plugged_ = true;
    return;
  }
  announce_adapter(adapter, index.value_or(lowest_free_index()), false);
  core_.objects.flush();
  adapter.power_up_by_itself();
}

void ScriptedBluez::swap_indices(Adapter& one, Adapter& other) {
  const unsigned first = one.index();
  const unsigned second = other.index();
  unplug(one);
  unplug(other);
  plug(other, first);
  plug(one, second);
}

void ScriptedBluez::later(microseconds delay, Timeline::Action action) {
  appointments_.push_back(core_.after(delay, std::move(action)));
}

Adapter* ScriptedBluez::adapter_at(const std::string& path) const {
  for (const auto& adapter : adapters_)
    if (adapter->plugged() && adapter->path() == path) return adapter.get();
  return nullptr;
}

Device* ScriptedBluez::device_at(const std::string& path) const {
  for (const auto& adapter : adapters_)
    if (Device* device = adapter->device_at(path)) return device;
  return nullptr;
}

void ScriptedBluez::client_gone(const std::string& bus_name) {
  for (const auto& adapter : adapters_) adapter->client_gone(bus_name);
}

std::vector<std::string> ScriptedBluez::called(const std::vector<std::string>& members) const {
  std::vector<std::string> lines;
  for (const auto& call : calls_)
    if (members.empty() || std::ranges::count(members, call.member) > 0)
      lines.push_back(call.member + " " + short_path(call.path));
  return lines;
}

Leftovers ScriptedBluez::leftovers() const {
  Leftovers left;
  for (const auto& adapter : adapters_) {
    left.discovery_sessions += adapter->discovery_sessions().size();
    left.links += adapter->links();
    for (const auto& [path, device] : adapter->devices()) {
      if (device->connecting()) ++left.pending_connects;
      if (device->pairing()) ++left.pending_pairs;
    }
  }
  return left;
}

std::string ScriptedBluez::told() const {
  std::string text;
  for (const auto& line : story()) text += line + "\n";
  return text;
}

}  // namespace bleconnd::integration
