// What a peripheral does by itself: advertise, change its address, go away.
// Effects on org.bluez are the device object's business.
#include "peripheral.hpp"

#include "adapter.hpp"
#include "device.hpp"

namespace bleconnd::integration {

void Peripheral::advertise(bool on) {
  advertising_ = on;
  if (on) wake_waiting();
}

void Peripheral::rotate_address(const std::string& next) {
  address = next;
}

void Peripheral::drop_link(LinkEnd end) {
  if (link_ != nullptr) link_->link_lost(end);
}

void Peripheral::change_services(GattTree next) {
  services = std::move(next);
  if (link_ != nullptr) link_->services_changed();
}

bool Peripheral::heard_by(const Adapter& adapter) const {
  if (!advertising_ || connected()) return false;
  const auto override_found = rssi_at.find(&adapter);
  return override_found == rssi_at.end() || override_found->second.has_value();
}

int16_t Peripheral::rssi_by(const Adapter& adapter) const {
  const auto found = rssi_at.find(&adapter);
  return found != rssi_at.end() && found->second ? *found->second : rssi;
}

void Peripheral::wake_waiting() {
  const std::set<Device*> woken = waiting_;
  for (Device* device : woken) device->heard_while_dialling();
}

}  // namespace bleconnd::integration
