// The GATT objects of a device: shown when discovery has ended, replaced when the database has changed,
// hidden again. With BlueZ's cache (the default) they outlive the link and go with the device object.
#include <algorithm>

#include "device.hpp"

namespace bleconnd::integration {

void Device::discover_services() {
  if (unexport_changed()) {
    set("UUIDs", service_uuids(peripheral_.services));
    core_.objects.flush();
  }
  export_services();
  show_mtu(true);
  set("UUIDs", service_uuids(peripheral_.services));
  resolved_ = true;
  set("ServicesResolved", true);
  if (peripheral_.gap_name.empty()) return;
  step_after(core_.settings.timing.read_name, [this] {
    set("Name", peripheral_.gap_name);
    set("Alias", peripheral_.gap_name);
  });
}

void Device::resolve_at_last() {
  if (connected_ && !resolved_) discover_services();
}

void Device::services_changed() {
  if (!resolved_) return;
  (void)unexport_changed();
  set("UUIDs", service_uuids(peripheral_.services));
  core_.objects.flush();
  export_services();
  show_mtu(true);
}

void Device::export_services() {
  for (const auto& service : peripheral_.services) {
    const auto there = std::ranges::find_if(exported_, [&](const ExportedService& exported) {
      return same_structure(exported.service, service);
    });
    if (there != exported_.end()) refresh_values(core_.objects, service, there->paths);
    if (there != exported_.end() || !is_exported(service, core_.settings.version)) continue;
    exported_.push_back({service, export_service(core_.objects, path_, service, core_.settings.version)});
  }
}

bool Device::unexport_changed() {
  const auto is_current = [this](const ExportedService& exported) {
    return std::ranges::any_of(peripheral_.services, [&](const GattService& service) {
      return same_structure(exported.service, service);
    });
  };
  const auto first_gone = std::stable_partition(exported_.begin(), exported_.end(), is_current);
  const bool any = first_gone != exported_.end();
  for (auto gone = first_gone; gone != exported_.end(); ++gone)
    for (auto path = gone->paths.rbegin(); path != gone->paths.rend(); ++path) core_.objects.remove(*path);
  exported_.erase(first_gone, exported_.end());
  return any;
}

void Device::unexport_all() {
  for (const auto& exported : exported_)
    for (auto path = exported.paths.rbegin(); path != exported.paths.rend(); ++path)
      core_.objects.remove(*path);
  exported_.clear();
}

void Device::show_mtu(bool on) {
  if (!core_.settings.version.has_mtu()) return;
  for (const auto& exported : exported_) {
    for (const auto& path : exported.paths) {
      if (core_.objects.find(path, "org.bluez.GattCharacteristic1") == nullptr) continue;
      if (on)
        core_.objects.set_quietly(path, "org.bluez.GattCharacteristic1", "MTU", uint16_t{247});
      else
        core_.objects.withdraw_quietly(path, "org.bluez.GattCharacteristic1", "MTU");
    }
  }
}

}  // namespace bleconnd::integration
