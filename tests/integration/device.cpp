// Birth, reports, trust and the end of a device object.
// The lives of temporary and kept objects are those of BlueZ 5.55 and later (TemporaryTimeout).
#include "device.hpp"

#include <algorithm>
#include <cstdlib>

#include "adapter.hpp"

namespace bleconnd::integration {
namespace {

const char* const device_interface = "org.bluez.Device1";

std::string with(std::string text, char from, char to) {
  std::ranges::replace(text, from, to);
  return text;
}

}  // namespace

Device::Device(BluezCore& core, Adapter& adapter, Peripheral& peripheral, std::optional<int16_t> rssi)
    : core_(core), adapter_(adapter), peripheral_(peripheral), address_(peripheral.address) {
  const std::string& in_path = peripheral.path_address.empty() ? address_ : peripheral.path_address;
  path_ = adapter.path() + "/dev_" + with(in_path, ':', '_');
  announce(rssi);
  restart_temporary_timer();
}

Device::Device(BluezCore& core, Adapter& adapter, const DeviceMemory& memory)
    : core_(core),
      adapter_(adapter),
      peripheral_(*memory.peripheral),
      address_(peripheral_.identity.empty() ? peripheral_.address : peripheral_.identity),
      temporary_(false),
      trusted_(memory.trusted),
      paired_(memory.paired) {
  path_ = adapter.path() + "/dev_" + with(address_, ':', '_');
  announce(std::nullopt);
}

Device::~Device() = default;  // retired before: the peripheral may be gone by now

void Device::announce(std::optional<int16_t> rssi) {
  Dictionary properties{{"Address", address_},
                        {"AddressType", peripheral_.address_type},
                        {"Alias", peripheral_.name.empty() ? with(address_, ':', '-') : peripheral_.name},
                        {"Paired", paired_},
                        {"Trusted", trusted_},
                        {"Blocked", false},
                        {"LegacyPairing", false},
                        {"Connected", false},
                        {"UUIDs", std::vector<std::string>{}},
                        {"Adapter", ObjectPath{adapter_.path()}},
                        {"ServicesResolved", false}};
  if (core_.settings.version.has_bonded()) properties["Bonded"] = paired_;
  if (!peripheral_.name.empty()) properties["Name"] = peripheral_.name;
  if (!peripheral_.manufacturer_data.empty()) properties["ManufacturerData"] = peripheral_.manufacturer_data;
  if (rssi) properties["RSSI"] = *rssi;
  core_.objects.add(path_, device_interface, std::move(properties));
}

void Device::set(const std::string& property, Value value) {
  core_.objects.set(path_, device_interface, property, std::move(value));
}

void Device::step_after(microseconds delay, Timeline::Action action) {
  steps_.push_back(core_.after(delay, std::move(action)));
}

void Device::set_trusted(bool trusted) {
  trusted_ = trusted;
  set("Trusted", trusted);
}

void Device::heard(int16_t rssi) {
  if (temporary_ && !connected_) restart_temporary_timer();
  const Value* known = core_.objects.find(path_, device_interface, "RSSI");
  const int16_t last = known == nullptr ? int16_t{0} : std::get<int16_t>(*known);
  // RSSI_THRESHOLD is 8 dB unless a client has set a filter; a real radio is never still, hence the 1 dB.
  const int16_t jitter = ++report_count_ % 2 == 0 ? int16_t{1} : int16_t{0};
  const auto now = static_cast<int16_t>(rssi + jitter);
  const int threshold = adapter_.has_discovery_filter() ? 1 : 8;
  if (known == nullptr || std::abs(now - last) >= threshold) set("RSSI", now);
  if (peripheral_.changes_data) set("ManufacturerData", std::map<uint16_t, Bytes>{{0x004c, {report_count_}}});
}

void Device::discovery_ended() {
  core_.objects.withdraw(path_, device_interface, "RSSI");
}

bool Device::in_reach() const {
  return answers_to(peripheral_.address) && peripheral_.heard_by(adapter_);
}

void Device::keep() {
  if (peripheral_.private_address && !paired_) return;
  temporary_ = false;
  temporary_timer_.cancel();
}

void Device::become_temporary() {
  if (trusted_ || paired_) return;
  temporary_ = true;
  restart_temporary_timer();
}

void Device::restart_temporary_timer() {
  temporary_timer_ = core_.after(core_.settings.timing.temporary, [this] { vanish(); });
}

void Device::already_connected() {
  keep();
  connected_ = true;
  peripheral_.link_ = this;
  set("Connected", true);
  discover_services();
}

void Device::remove_on_request(const Message& call) {
  if (!connected_) {
    vanish();
    core_.answer(call);
    return;
  }
  stop_dialling();
  disconnect_step_ = core_.after(core_.settings.timing.disconnect, [this, call] {
    resolved_ = false;
    set("ServicesResolved", false);
    core_.answer(call);
    disconnect_step_ = core_.after(core_.settings.timing.connected_false, [this] {
      clear_link();
      core_.objects.flush();
      vanish();
    });
  });
}

void Device::retire() {
  stop_dialling();
  connect_call_ = {};
  pair_call_ = {};
  pair_step_.cancel();
  pairing_ = false;
  disconnect_calls_.clear();
  disconnect_step_.cancel();
  temporary_timer_.cancel();
  connected_ = false;
  if (peripheral_.link_ == this) peripheral_.link_ = nullptr;
}

void Device::vanish() {
  retire();
  unexport_all();
  core_.objects.remove(path_);
  adapter_.forget(*this);
}

}  // namespace bleconnd::integration
