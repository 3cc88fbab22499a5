// A message that cannot be made or sent is dropped: the bus is closing, nobody is there to be told.
#include "service/device_objects.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
constexpr char kProperties[] = "org.freedesktop.DBus.Properties";
constexpr char kObjectManager[] = "org.freedesktop.DBus.ObjectManager";
constexpr const char* kOfEveryObject[] = {"org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Introspectable",
                                          kProperties};

std::uint64_t realtime_usec() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

BusMessage new_signal(sd_bus* bus, const std::string& path, const char* interface, const char* member) {
  sd_bus_message* message{};
  sd_bus_message_new_signal(bus, &message, path.c_str(), interface, member);
  return BusMessage{message};
}

// One that another stage follows within a few milliseconds.
bool is_on_the_way(Stage stage) {
  return stage == Stage::queued || stage == Stage::connecting || stage == Stage::resolving ||
         stage == Stage::disconnecting;
}

constexpr std::string_view kReleased = "released";

}  // namespace

std::string object_path(DeviceAddress address) {
  return std::string{kRootPath} + "/" + address.object_name();
}

const sd_bus_vtable DeviceObjects::kMembers[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Address", "s", on_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("State", "s", on_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Adapter", "s", on_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("BluezDevice", "o", on_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Attempt", "u", on_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("QueuePosition", "u", on_get, 0, 0),
    SD_BUS_PROPERTY("LastError", "(ss)", on_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Leases", "a(sus)", on_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("ServicesCached", "b", on_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("ServicesVerified", "b", on_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("ConnectedSince", "t", on_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_SIGNAL_WITH_NAMES("AttemptFailed", "uussst",
                             SD_BUS_PARAM(attempt) SD_BUS_PARAM(max_attempts) SD_BUS_PARAM(error)
                                 SD_BUS_PARAM(detail) SD_BUS_PARAM(message) SD_BUS_PARAM(retry_in_usec),
                             0),
    SD_BUS_SIGNAL_WITH_NAMES("Disconnected", "s", SD_BUS_PARAM(reason), 0),
    SD_BUS_SIGNAL("ServicesChanged", "", 0),
    SD_BUS_VTABLE_END};

DeviceObjects::DeviceObjects(sd_bus* bus) : bus_{bus} {
  sd_bus_slot* slot{};
  // At the parent of the root: sd-bus lets no object of its own have a table for what is below it.
  must(sd_bus_add_fallback_vtable(bus_, &slot, "/org", kDevice1, kMembers, on_find, this),
       "sd_bus_add_fallback_vtable");
  members_.reset(slot);
  must(sd_bus_add_node_enumerator(bus_, &slot, kRootPath, on_enumerate, this), "sd_bus_add_node_enumerator");
  paths_.reset(slot);
}

// --- what is asked ---

const DeviceObjects::Device* DeviceObjects::present(const char* path) const {
  const std::string_view text{path};
  const auto address = DeviceAddress::of_object_name(text.substr(text.rfind('/') + 1));
  if (!address || object_path(*address) != text) return nullptr;
  const auto device = devices_.find(*address);
  return device != devices_.end() && device->second.session ? &device->second : nullptr;
}

int DeviceObjects::on_find(sd_bus*, const char* path, const char*, void* self, void** found, sd_bus_error*) {
  const auto* device = static_cast<DeviceObjects*>(self)->present(path);
  *found = const_cast<Device*>(device);  // handed to on_get alone
  return device ? 1 : 0;
}

// sd-bus frees the list, and its texts. Asked of what is below a device it would take the device for that,
// and describe it as an object without an interface.
int DeviceObjects::on_enumerate(sd_bus*, const char* below, void* self, char*** paths, sd_bus_error*) {
  if (std::string_view{below}.starts_with(std::string{kRootPath} + "/")) return 0;
  const auto& devices = static_cast<DeviceObjects*>(self)->devices_;
  auto** list = static_cast<char**>(std::calloc(devices.size() + 1, sizeof(char*)));
  if (!list) return -ENOMEM;
  std::size_t count = 0;
  for (auto& [address, device] : devices)
    if (device.session) list[count++] = strdup(object_path(address).c_str());
  *paths = list;
  return 1;
}

// As they are now: what is told by signals can be 20 ms behind.
int DeviceObjects::on_get(sd_bus*, const char*, const char*, const char* property, sd_bus_message* reply,
                          void* found, sd_bus_error*) {
  const auto& device = *static_cast<const Device*>(found);
  return write_value(reply, property, all_values_of(*device.session, device.connected_since)) ? 1 : -ENOENT;
}

// --- what happens ---

void DeviceObjects::appeared(const DeviceSession& session) {
  auto& device = devices_[session.address()];
  if (!std::exchange(device.session, &session)) ++present_;
  is_to_tell(session.address(), device);
}

void DeviceObjects::is_to_tell(DeviceAddress address, Device& device) {
  if (!std::exchange(device.is_to_tell, true)) to_tell_.push_back(address);
}

void DeviceObjects::gone(DeviceAddress address) {
  const auto device = devices_.find(address);
  if (device == devices_.end()) return;
  if (std::exchange(device->second.session, nullptr)) --present_;
  device->second.connected_since = 0;
  if (device->second.told)
    is_to_tell(address, device->second);
  else  // nobody has heard of it
    devices_.erase(device);
}

void DeviceObjects::changed(DeviceAddress address) {
  if (const auto device = devices_.find(address); device != devices_.end())
    is_to_tell(address, device->second);
}

void DeviceObjects::stage_changed(const DeviceSession& session, const std::string& reason) {
  const auto found = devices_.find(session.address());
  if (found == devices_.end()) return;
  auto& device = found->second;
  is_to_tell(session.address(), device);
  if (!session.connected())
    device.connected_since = 0;
  else if (device.connected_since == 0)
    device.connected_since = realtime_usec();
  if (!device.untold.empty())
    if (const auto* before = std::get_if<StageChange>(&device.untold.back());
        before && is_on_the_way(before->stage))
      device.untold.pop_back();
  const bool ended = session.stage() == Stage::disconnected;
  const auto told = device.told ? device.told->stage : Stage::disconnected;
  const bool link_was_told = told == Stage::connected || told == Stage::disconnecting;
  const bool is_the_link_told = told == Stage::connected && session.connected() &&
                                device.told->adapter == session.adapter() &&
                                device.told->bluez_device == session.bluez_device();
  const bool never_told = ended && reason == kReleased && !link_was_told;
  const bool forgets = (is_the_link_told || never_told) && is_forgettable(device.untold);
  if (forgets) device.untold.clear();
  if (!forgets || session.stage() != told) device.untold.emplace_back(StageChange{session.stage(), reason});
  // A link that is lost and back before it is told would be the same one to who watches the property.
  if (ended && reason != kReleased) tell(session.address(), device);
}

// Nothing but stages and releases: what a link that was released and is there again, or one that was released
// before it was told, leaves out.
bool DeviceObjects::is_forgettable(const std::vector<Event>& events) {
  return std::ranges::all_of(events, [](const Event& event) {
    if (const auto* end = std::get_if<LinkEnd>(&event)) return end->reason == kReleased;
    return std::holds_alternative<StageChange>(event);
  });
}

void DeviceObjects::attempt_failed(DeviceAddress address, const FailedAttempt& failed, const Refusal& as) {
  happened(address, AttemptFailure{failed, as});
}

void DeviceObjects::link_ended(DeviceAddress address, const std::string& reason) {
  happened(address, LinkEnd{reason});
}

void DeviceObjects::services_changed(DeviceAddress address) {
  happened(address, ServicesChange{});
}

void DeviceObjects::happened(DeviceAddress address, Event event) {
  const auto device = devices_.find(address);
  if (device == devices_.end()) return;
  is_to_tell(address, device->second);
  device->second.untold.push_back(std::move(event));
}

// --- what is told ---

void DeviceObjects::announce(DeviceAddress address) {
  const auto found = devices_.find(address);
  if (found == devices_.end()) return;
  auto& device = found->second;
  if (!device.told && device.session) announce(address, device, all_values_of(*device.session, 0));
}

void DeviceObjects::announce(DeviceAddress address, Device& device, DeviceValues values) {
  values.stage = Stage::disconnected;
  values.connected_since = 0;
  emit_added(object_path(address), values);
  device.told = std::move(values);
}

void DeviceObjects::tell_all() {
  for (const auto address : std::exchange(to_tell_, {})) {
    const auto device = devices_.find(address);
    if (device == devices_.end()) continue;
    tell(address, device->second);
    if (device->second.session) continue;
    emit_removed(object_path(address));
    devices_.erase(device);
  }
}

void DeviceObjects::tell(DeviceAddress address, Device& device) {
  if (!std::exchange(device.is_to_tell, false)) return;
  std::optional<DeviceValues> now;
  if (device.session) {
    const auto values = device.told ? values_of : all_values_of;
    now = values(*device.session, device.connected_since);
    if (!device.told) announce(address, device, *now);
  }
  for (auto& event : std::exchange(device.untold, {})) emit(address, event);
  if (!now) return;
  if (differ(*device.told, *now)) emit_changed(object_path(address), *device.told, *now);
  device.told = std::move(now);
}

void DeviceObjects::emit(DeviceAddress address, const Event& event) {
  const auto path = object_path(address);
  if (const auto* change = std::get_if<StageChange>(&event)) {
    const std::string stage{text(change->stage)};
    sd_bus_emit_signal(bus_, kRootPath, "org.bleconnd.Manager1", "ConnectionStateChanged", "osss",
                       path.c_str(), address.text().c_str(), stage.c_str(), change->reason.c_str());
  } else if (const auto* failure = std::get_if<AttemptFailure>(&event)) {
    const auto& [failed, as] = *failure;
    // 0 would say that it was the last one.
    const auto retry_in = failed.last ? 0us : std::max<std::chrono::microseconds>(failed.retry_in, 1us);
    const std::string error{error_name(as.category)};
    sd_bus_emit_signal(bus_, path.c_str(), kDevice1, "AttemptFailed", "uussst", failed.attempt, failed.bound,
                       error.c_str(), as.token.c_str(), as.message.c_str(),
                       static_cast<std::uint64_t>(retry_in.count()));
  } else if (const auto* end = std::get_if<LinkEnd>(&event)) {
    sd_bus_emit_signal(bus_, path.c_str(), kDevice1, "Disconnected", "s", end->reason.c_str());
  } else {
    sd_bus_emit_signal(bus_, path.c_str(), kDevice1, "ServicesChanged", nullptr);
  }
}

void DeviceObjects::emit_added(const std::string& path, const DeviceValues& values) {
  const auto signal = new_signal(bus_, kRootPath, kObjectManager, "InterfacesAdded");
  auto* to = signal.get();
  if (!to) return;
  sd_bus_message_append_basic(to, 'o', path.c_str());
  sd_bus_message_open_container(to, 'a', "{sa{sv}}");
  for (const char* interface : kOfEveryObject) sd_bus_message_append(to, "{sa{sv}}", interface, 0);
  sd_bus_message_open_container(to, 'e', "sa{sv}");
  sd_bus_message_append_basic(to, 's', kDevice1);
  write_all(to, values);
  sd_bus_message_close_container(to);
  sd_bus_message_close_container(to);
  sd_bus_send(bus_, to, nullptr);
}

void DeviceObjects::emit_changed(const std::string& path, const DeviceValues& before,
                                 const DeviceValues& now) {
  const auto signal = new_signal(bus_, path, kProperties, "PropertiesChanged");
  auto* to = signal.get();
  if (!to) return;
  sd_bus_message_append_basic(to, 's', kDevice1);
  write_changed(to, before, now);
  sd_bus_message_append(to, "as", 0);
  sd_bus_send(bus_, to, nullptr);
}

void DeviceObjects::emit_removed(const std::string& path) {
  sd_bus_emit_signal(bus_, kRootPath, kObjectManager, "InterfacesRemoved", "oas", path.c_str(), 4,
                     kOfEveryObject[0], kOfEveryObject[1], kOfEveryObject[2], kDevice1);
}

}  // namespace bleconnd
