// The calls of BluezBus. An answer is read where it arrives, in order with the signals, so that an older
// value never replaces a newer one.
#include <utility>

#include "system/bluez_bus.hpp"
#include "system/bluez_paths.hpp"

namespace bleconnd {
namespace {

constexpr char kProperties[] = "org.freedesktop.DBus.Properties";
constexpr char kIntrospectable[] = "org.freedesktop.DBus.Introspectable";
constexpr char kObjectManager[] = "org.freedesktop.DBus.ObjectManager";
// Objects in an answer of ours: more links than all adapters of a host can have, and more devices than are
// cached.
constexpr std::size_t kMostFound = 1024;
constexpr std::size_t kMostListed = 32768;
constexpr std::size_t kLongestValue = 512;  // of an attribute (Core specification, Vol 3, Part F, 3.2.9)

Failure no_bluetoothd() {
  return {Cause::stack_down, "bluetoothd is not on the bus"};
}

// Nothing but objects where BlueZ puts them is passed on: paths from answers become destinations of calls.
Outcome<DeviceState> device_state(std::string_view path, const DeviceProperties& properties) {
  if (device_part(path) != path || path.empty()) return Failure{Cause::bluez_error, "an object out of place"};
  if (!properties.address || !DeviceAddress::parse(*properties.address))
    return Failure{Cause::bluez_error, "a device without an address"};
  return DeviceState{.path = std::string{path},
                     .adapter = std::string{adapter_part(path)},
                     .address = *properties.address,
                     .connected = properties.connected.value_or(false),
                     .services_resolved = properties.services_resolved.value_or(false),
                     .bonded = properties.bonded.value_or(false) || properties.paired.value_or(false),
                     .trusted = properties.trusted.value_or(false),
                     // A class is told by BR/EDR inquiry alone. Random addresses are LE's.
                     .low_energy = !properties.has_class || properties.address_type == "random",
                     .rssi = properties.rssi};
}

// SetDiscoveryFilter({"Transport": "le", "DuplicateData": false})
bool append_le_filter(sd_bus_message* message) {
  return sd_bus_message_append(message, "a{sv}", 2, "Transport", "s", "le", "DuplicateData", "b", 0) >= 0;
}

}  // namespace

Outcome<std::unique_ptr<Ear>> BluezBus::listen(const std::string& adapter, DeviceAddress address,
                                               std::vector<std::string> paths, Notice& notice) {
  return ears_.listen(adapter, address, std::move(paths), notice);
}

Task<Outcome<DeviceState>> BluezBus::get_device(std::string path, TimePoint deadline, std::stop_token stop) {
  if (owner().empty()) co_return no_bluetoothd();
  auto message = line_.new_call(owner(), path, kProperties, "GetAll");
  if (message) sd_bus_message_append(message.get(), "s", kDeviceInterface);
  const auto read = [this, asked = owner(), path](const DbusAnswer& answer) -> Outcome<DeviceState> {
    if (asked != owner()) return no_bluetoothd();
    return read_device(answer, path);
  };
  DbusCall<DeviceState> call{loop_, line_, std::move(message), read, deadline, stop};
  auto device = co_await call;
  // Behind it, whoever gives up a dial knows what it was answered at once.
  auto* dialling = dial_lines_.dialling(path);
  if (dialling && dialling != &line_) (void)co_await ping(*dialling, deadline, std::move(stop));
  co_return device;
}

Outcome<DeviceState> BluezBus::read_device(const DbusAnswer& answer, const std::string& path) {
  if (answer.failed_by(Cause::object_gone)) devices_.absent(path);
  if (!answer.ok()) return answer.failure();
  DeviceProperties properties;
  if (!read_properties(answer.value(), properties)) return unreadable_answer();
  devices_.looked_at(path, properties);
  return device_state(path, properties);
}

Task<Outcome<bool>> BluezBus::get_connected(std::string path, TimePoint deadline, std::stop_token stop) {
  if (owner().empty()) co_return no_bluetoothd();
  auto message = line_.new_call(owner(), path, kProperties, "Get");
  if (message) sd_bus_message_append(message.get(), "ss", kDeviceInterface, "Connected");
  const auto read = [this, asked = owner(), path](const DbusAnswer& answer) -> Outcome<bool> {
    if (asked != owner()) return no_bluetoothd();
    return read_connected(answer, path);
  };
  DbusCall<bool> call{loop_, line_, std::move(message), read, deadline, std::move(stop)};
  co_return co_await call;
}

Outcome<bool> BluezBus::read_connected(const DbusAnswer& answer, const std::string& path) {
  if (answer.failed_by(Cause::object_gone)) devices_.absent(path);
  if (!answer.ok()) return answer.failure();
  int connected = 0;
  if (sd_bus_message_read(answer.value(), "v", "b", &connected) < 0) return unreadable_answer();
  devices_.connected_is(path, connected != 0);
  return connected != 0;
}

Task<Outcome<std::vector<DeviceState>>> BluezBus::find_devices(DeviceAddress address, TimePoint deadline,
                                                               std::stop_token stop) {
  return list_devices(address, deadline, std::move(stop));
}

Task<Outcome<std::vector<DeviceState>>> BluezBus::all_devices(TimePoint deadline, std::stop_token stop) {
  return list_devices({}, deadline, std::move(stop));
}

Task<Outcome<std::vector<DeviceState>>> BluezBus::list_devices(std::optional<DeviceAddress> address,
                                                               TimePoint deadline, std::stop_token stop) {
  if (owner().empty()) co_return no_bluetoothd();
  auto message = line_.new_call(owner(), "/", kObjectManager, "GetManagedObjects");
  const auto read = [this, asked = owner(),
                     address](const DbusAnswer& answer) -> Outcome<std::vector<DeviceState>> {
    if (asked != owner()) return no_bluetoothd();
    return read_devices(answer, address);
  };
  DbusCall<std::vector<DeviceState>> call{loop_, line_, std::move(message), read, deadline, std::move(stop)};
  co_return co_await call;
}

Outcome<std::vector<DeviceState>> BluezBus::read_devices(const DbusAnswer& answer,
                                                         std::optional<DeviceAddress> address) {
  if (!answer.ok()) return answer.failure();
  std::vector<DeviceState> found;
  std::set<std::string, std::less<>> followed;
  const auto wanted = address ? address->text() : std::string{};
  const auto limit = address ? kMostFound : kMostListed;
  const bool whole = for_each_object(answer.value(), [&](std::string_view path) {
    ObjectInterfaces interfaces;
    if (device_part(path) != path) return skip_interfaces(answer.value());
    if (!read_interfaces(answer.value(), interfaces)) return false;
    if (!interfaces.device) return true;
    if (devices_.follows(path)) followed.emplace(path);
    devices_.looked_at(path, *interfaces.device);
    auto state = device_state(path, *interfaces.device);
    if (state.ok() && interfaces.le_connected) state.value().low_energy = *interfaces.le_connected;
    const bool asked_for =
        state.ok() && (!address || state.value().address == wanted || state.value().connected);
    if (asked_for && found.size() < limit) found.push_back(std::move(state.value()));
    return true;
  });
  if (!whole) return unreadable_answer();
  devices_.listed(followed);
  return found;
}

Task<Outcome<GattObjects>> BluezBus::read_services(std::string path, TimePoint deadline,
                                                   std::stop_token stop) {
  if (owner().empty()) co_return no_bluetoothd();
  auto message = line_.new_call(owner(), "/", kObjectManager, "GetManagedObjects");
  const auto read = [this, asked = owner(), path](const DbusAnswer& answer) -> Outcome<GattObjects> {
    if (asked != owner()) return no_bluetoothd();
    return read_gatt(answer, path);
  };
  DbusCall<GattObjects> call{loop_, line_, std::move(message), read, deadline, std::move(stop)};
  co_return co_await call;
}

// GetManagedObjects would answer with the objects of all devices: 1 MB and 10 ms with 200 devices of 11
// objects (measured). An object that is not there introspects as an empty node, which has no Device1.
Task<Outcome<>> BluezBus::list_services(std::string path, TimePoint deadline, std::stop_token stop) {
  if (owner().empty()) co_return no_bluetoothd();
  auto message = line_.new_call(owner(), path, kIntrospectable, "Introspect");
  const auto read = [this, asked = owner(), path](const DbusAnswer& answer) -> Outcome<> {
    if (!answer.ok()) return answer.failure();
    std::string_view text;
    if (asked != owner() || !read_text(answer.value(), 's', text)) return unreadable_answer();
    if (text.find(kDeviceInterface) == text.npos) return Cause::object_gone;
    devices_.services_listed(path, service_handles(text));
    return Unit{};
  };
  DbusCall<Unit> call{loop_, line_, std::move(message), read, deadline, std::move(stop)};
  co_return co_await call;
}

// The answer has everybody's objects: those of others that are watched, and not known as a whole, are taken
// from it too. Where many links come up, one answer is enough for all.
Outcome<GattObjects> BluezBus::read_gatt(const DbusAnswer& answer, const std::string& device) {
  if (!answer.ok()) return answer.failure();
  std::map<std::string, GattObjects, std::less<>> found;
  for (auto& path : devices_.not_whole()) found.emplace(path, GattObjects{});
  const auto asked = found.try_emplace(device).first;
  bool there = false;
  const bool whole = for_each_object(answer.value(), [&](std::string_view path) {
    there = there || path == device;
    ObjectInterfaces interfaces;
    const auto of = found.find(device_part(path));
    if (of == found.end() || path == of->first) return skip_interfaces(answer.value());
    if (!read_interfaces(answer.value(), interfaces)) return false;
    if (interfaces.gatt && of->second.size() < kGattObjectLimit)
      of->second.emplace(std::string{path}, std::move(*interfaces.gatt));
    return true;
  });
  if (!whole) return unreadable_answer();
  for (auto& [path, objects] : found)
    if (path != device && !objects.empty()) devices_.services_read(path, objects);
  if (!there) {
    devices_.absent(device);
    return Cause::object_gone;
  }
  devices_.services_read(device, asked->second);
  return std::move(asked->second);
}

Task<Outcome<std::vector<std::uint8_t>>> BluezBus::read_value(std::string characteristic, TimePoint deadline,
                                                              std::stop_token stop) {
  if (owner().empty()) co_return no_bluetoothd();
  // BlueZ forgets one whose characteristic goes meanwhile, too.
  auto& line = dial_lines_.line(characteristic);
  auto message = line.new_call(owner(), characteristic, "org.bluez.GattCharacteristic1", "ReadValue");
  if (message) sd_bus_message_append(message.get(), "a{sv}", 0);
  const auto read = [](const DbusAnswer& answer) -> Outcome<std::vector<std::uint8_t>> {
    if (!answer.ok()) return answer.failure();
    const void* bytes = nullptr;
    std::size_t size = 0;
    if (sd_bus_message_read_array(answer.value(), 'y', &bytes, &size) < 0 || size > kLongestValue)
      return unreadable_answer();
    const auto* first = static_cast<const std::uint8_t*>(bytes);
    return std::vector<std::uint8_t>{first, first + size};
  };
  DbusCall<std::vector<std::uint8_t>> call{loop_, line, std::move(message), read, deadline, std::move(stop)};
  co_return co_await call;
}

Task<Outcome<>> BluezBus::trust(std::string path, TimePoint deadline, std::stop_token stop) {
  if (owner().empty()) co_return no_bluetoothd();
  auto message = line_.new_call(owner(), path, kProperties, "Set");
  if (message) sd_bus_message_append(message.get(), "ssv", kDeviceInterface, "Trusted", "b", 1);
  DbusCall<Unit> call{loop_, line_, std::move(message), read_nothing, deadline, std::move(stop)};
  co_return co_await call;
}

Task<Outcome<>> BluezBus::remove_device(std::string path, TimePoint deadline, std::stop_token stop) {
  if (owner().empty()) co_return no_bluetoothd();
  auto message = line_.new_call(owner(), std::string{adapter_part(path)}, kAdapterInterface, "RemoveDevice");
  if (message) sd_bus_message_append(message.get(), "o", path.c_str());
  DbusCall<Unit> call{loop_, line_, std::move(message), read_nothing, deadline, std::move(stop)};
  co_return co_await call;
}

// Answered behind all that bluetoothd was sent over this line before.
Task<Outcome<>> BluezBus::ping(DbusLine& line, TimePoint deadline, std::stop_token stop) {
  auto message = line.new_call(owner(), "/", "org.freedesktop.DBus.Peer", "Ping");
  DbusCall<Unit> call{loop_, line, std::move(message), read_nothing, deadline, std::move(stop)};
  co_return co_await call;
}

Task<Outcome<>> BluezBus::dial_call(std::string path, const char* member, TimePoint deadline,
                                    std::stop_token stop) {
  if (owner().empty()) co_return no_bluetoothd();
  auto& line = dial_lines_.line(path);
  const DialLines::UnderWay under_way{dial_lines_, path, line};
  auto message = line.new_call(owner(), path, kDeviceInterface, member);
  DbusCall<Unit> call{loop_, line, std::move(message), read_nothing, deadline, std::move(stop)};
  co_return co_await call;
}

// Two connections keep no order, and a dial is to come behind the look that tells whether there was a link:
// over another line than ours it goes out when all is read that was sent before.
Task<Outcome<>> BluezBus::begin_dial(std::string path, const char* member, TimePoint deadline,
                                     std::stop_token stop) {
  if (!owner().empty() && &dial_lines_.line(path) != &line_) {
    const DialLines::ToCome dial{dial_lines_, path};
    auto read = co_await ping(line_, deadline, stop);
    if (!read.ok()) co_return read;
    if (dial.taken_back()) co_return Cause::cancelled;
  }
  co_return co_await dial_call(std::move(path), member, deadline, std::move(stop));
}

// One that has not gone out is taken back by that: a Disconnect would end another program's dial.
Task<Outcome<>> BluezBus::end_dial(std::string path, const char* member, TimePoint deadline,
                                   std::stop_token stop) {
  if (dial_lines_.take_back(path)) co_return Unit{};
  co_return co_await dial_call(std::move(path), member, deadline, std::move(stop));
}

Task<Outcome<>> BluezBus::connect(std::string path, TimePoint deadline, std::stop_token stop) {
  return begin_dial(std::move(path), "Connect", deadline, std::move(stop));
}
Task<Outcome<>> BluezBus::disconnect(std::string path, TimePoint deadline, std::stop_token stop) {
  return end_dial(std::move(path), "Disconnect", deadline, std::move(stop));
}
Task<Outcome<>> BluezBus::pair(std::string path, TimePoint deadline, std::stop_token stop) {
  return begin_dial(std::move(path), "Pair", deadline, std::move(stop));
}
Task<Outcome<>> BluezBus::cancel_pairing(std::string path, TimePoint deadline, std::stop_token stop) {
  return end_dial(std::move(path), "CancelPairing", deadline, std::move(stop));
}

Task<Outcome<>> BluezBus::start_discovery(std::string adapter, TimePoint deadline, std::stop_token stop) {
  if (owner().empty()) co_return no_bluetoothd();
  auto filter = line_.new_call(owner(), adapter, kAdapterInterface, "SetDiscoveryFilter");
  if (filter) append_le_filter(filter.get());
  DbusCall<Unit> filtering{loop_, line_, std::move(filter), read_nothing, deadline, std::move(stop)};
  auto filtered = co_await filtering;
  if (!filtered.ok()) co_return filtered;
  co_return co_await adapter_call(std::move(adapter), "StartDiscovery", deadline, unstoppable());
}

Task<Outcome<>> BluezBus::stop_discovery(std::string adapter, TimePoint deadline, std::stop_token stop) {
  return adapter_call(std::move(adapter), "StopDiscovery", deadline, std::move(stop));
}

Task<Outcome<>> BluezBus::adapter_call(std::string adapter, const char* member, TimePoint deadline,
                                       std::stop_token stop) {
  if (owner().empty()) co_return no_bluetoothd();
  auto message = line_.new_call(owner(), adapter, kAdapterInterface, member);
  DbusCall<Unit> call{loop_, line_, std::move(message), read_nothing, deadline, std::move(stop)};
  co_return co_await call;
}

}  // namespace bleconnd
