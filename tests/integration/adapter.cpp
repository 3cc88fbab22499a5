// Discovery and the dial queue of an adapter. The kernel creates one link at a time and does not scan
// meanwhile; a device that it only waits to hear blocks nobody.
#include "adapter.hpp"

#include <algorithm>

namespace bleconnd::integration {
namespace {

const char* const adapter_interface = "org.bluez.Adapter1";

std::string sender_of(const Message& call) {
  return call ? text_or_empty(sd_bus_message_get_sender(call.get())) : std::string{};
}

}  // namespace

Adapter::Adapter(BluezCore& core, const Air& air, std::string its_address)
    : core_(core), air_(air), address_(std::move(its_address)) {}

Adapter::~Adapter() = default;

void Adapter::set(const std::string& property, Value value) {
  core_.objects.set(path(), adapter_interface, property, std::move(value));
}

Device* Adapter::device(const Peripheral& peripheral) const {
  for (const auto& [path, device] : devices_)
    if (&device->peripheral() == &peripheral) return device.get();
  return nullptr;
}

Device* Adapter::device_at(const std::string& path) const {
  const auto found = devices_.find(path);
  return found == devices_.end() ? nullptr : found->second.get();
}

std::vector<Device*> Adapter::all_devices() const {
  std::vector<Device*> all;
  for (const auto& [path, device] : devices_) all.push_back(device.get());
  return all;
}

std::size_t Adapter::links() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(devices_, [](const auto& entry) { return entry.second->connected(); }));
}

Device& Adapter::discovered(Peripheral& peripheral) {
  for (Device* known : all_devices())
    if (&known->peripheral() == &peripheral && known->answers_to(peripheral.address)) return *known;
  auto device = std::make_unique<Device>(core_, *this, peripheral, std::nullopt);
  Device& made = *device;
  devices_[made.path()] = std::move(device);
  return made;
}

void Adapter::forget(Device& device) {
  auto entry = devices_.extract(device.path());
  if (!entry.empty()) core_.bury(std::move(entry.mapped()));
}

void Adapter::start_discovery(const Message& call) {
  if (!powered_) return core_.fail(call, "org.bluez.Error.NotReady", "Resource Not Ready");
  if (!sessions_.insert(sender_of(call)).second)
    return core_.fail(call, "org.bluez.Error.InProgress", "Operation already in progress");
  core_.answer(call);
  discovery_changed();
}

void Adapter::stop_discovery(const Message& call) {
  if (!powered_) return core_.fail(call, "org.bluez.Error.NotReady", "Resource Not Ready");
  if (sessions_.erase(sender_of(call)) == 0)
    return core_.fail(call, "org.bluez.Error.Failed", "No discovery started");
  core_.answer(call);
  discovery_changed();
}

void Adapter::set_discovery_filter(const Message& call) {
  if (!powered_) return core_.fail(call, "org.bluez.Error.NotReady", "Resource Not Ready");
  filters_.insert(sender_of(call));
  core_.answer(call);
}

bool Adapter::has_discovery_filter() const {
  return std::ranges::any_of(sessions_,
                             [this](const std::string& client) { return filters_.contains(client); });
}

// Adapter1.Discovering follows the reply by some 70 ms.
void Adapter::discovery_changed() {
  if (discovering_ == !sessions_.empty()) return discovering_step_.cancel();
  discovering_step_ = core_.after(core_.settings.timing.discovering_signal, [this] {
    discovering_ = !sessions_.empty();
    set("Discovering", discovering_);
    if (discovering_) return schedule_report();
    end_discovery();
  });
}

void Adapter::end_discovery() {
  discovering_ = false;
  report_step_.cancel();
  for (Device* device : all_devices()) device->discovery_ended();
}

// One report at a time, so that each peripheral is heard once per advertising interval, spread over it.
void Adapter::schedule_report() {
  const auto count = static_cast<int64_t>(std::max<std::size_t>(air_.size(), 1));
  report_step_ = core_.after(core_.settings.timing.advertising / count, [this] {
    report_next();
    schedule_report();
  });
}

void Adapter::report_next() {
  if (!dials_.empty() || air_.empty()) return;
  Peripheral& peripheral = *air_[next_heard_++ % air_.size()];
  if (!peripheral.heard_by(*this)) return;
  const int16_t rssi = peripheral.rssi_by(*this);
  for (const auto& [path, device] : devices_)
    if (&device->peripheral() == &peripheral && device->answers_to(peripheral.address))
      return device->heard(rssi);
  auto device = std::make_unique<Device>(core_, *this, peripheral, rssi);
  devices_[device->path()] = std::move(device);
}

void Adapter::remove_device(const Message& call, const std::string& path) {
  if (!powered_) return core_.fail(call, "org.bluez.Error.NotReady", "Resource Not Ready");
  Device* device = device_at(path);
  if (device == nullptr) return core_.fail(call, "org.bluez.Error.DoesNotExist", "Does Not Exist");
  device->remove_on_request(call);
}

void Adapter::dial(Device& device, microseconds time, Timeline::Action done) {
  dials_.push_back({&device, time, std::move(done)});
  if (dials_.size() == 1) start_next_dial();
}

void Adapter::start_next_dial() {
  if (dials_.empty()) return;
  dial_step_ = core_.after(dials_.front().time, [this] {
    const Dial finished = std::move(dials_.front());
    dials_.pop_front();
    start_next_dial();
    finished.done();
  });
}

void Adapter::cancel_dial(const Device& device) {
  if (dials_.empty()) return;
  const Device* current = dials_.front().device;
  std::erase_if(dials_, [&](const Dial& dial) { return dial.device == &device; });
  if (current != &device) return;
  dial_step_.cancel();
  start_next_dial();
}

void Adapter::fail_later(const Message& call, microseconds delay, const std::string& error,
                         const std::string& message) {
  late_.push_back(core_.after(delay, [this, call, error, message] { core_.fail(call, error, message); }));
}

void Adapter::client_gone(const std::string& bus_name) {
  filters_.erase(bus_name);
  if (sessions_.erase(bus_name) > 0) discovery_changed();
  for (Device* device : all_devices()) device->client_gone(bus_name);
}

}  // namespace bleconnd::integration
