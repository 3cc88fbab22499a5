// Device1: a snapshot of the session's values, and PropertiesChanged for what differs from it.
#include "service/device_object.hpp"

#include <chrono>

#include "service/reply.hpp"
#include "system/sdbus_compat.hpp"

namespace bleconnd {
namespace {

std::uint64_t realtime_usec() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

}  // namespace

std::string object_path(DeviceAddress address) {
  return std::string{kRootPath} + "/" + address.object_name();
}

DeviceObject::DeviceObject(sdbus::IConnection& connection, sd_bus* bus, const DeviceSession& session)
    : AdaptorInterfaces{connection, sdbus::ObjectPath{object_path(session.address())}},
      bus_{bus},
      session_{session} {
  stage_changed();
  told_ = read();
  told_.state = text(Stage::disconnected);
  registerAdaptor();
  const auto address = session_.address();
  emit_device_added(bus_, object_path(address), address.text(), session_.queue_position(), told_);
}

DeviceObject::~DeviceObject() {
  tell([this] { getObject().emitInterfacesRemovedSignal(); });
  unregisterAdaptor();
}

DeviceValues DeviceObject::read() const {
  DeviceValues now;
  now.state = text(session_.stage());
  now.adapter = session_.adapter();
  now.bluez_device = session_.bluez_device();
  now.attempt = session_.attempt();
  if (auto& error = session_.last_error()) {
    now.error_name = error_name(error->category);
    now.error_message = error->message;
  }
  for (auto& lease : session_.leases().all()) {
    auto holder = lease.persistent() ? std::string{"persistent"} : lease.holder.name;
    if (lease.lingers_to) holder.clear();
    now.leases.push_back({std::move(holder), lease.holder.uid, lease.label});
  }
  now.connected_since = connected_since_;
  now.services_cached = session_.services_cached();
  now.services_verified = session_.services_verified();
  return now;
}

void DeviceObject::stage_changed() {
  if (!session_.connected())
    connected_since_ = 0;
  else if (connected_since_ == 0)
    connected_since_ = realtime_usec();
}

void DeviceObject::announce_changes() {
  auto now = read();
  emit_device_changed(bus_, object_path(session_.address()), told_, now);
  told_ = std::move(now);
}

std::vector<DeviceObject::LeaseRow> DeviceObject::Leases() {
  std::vector<LeaseRow> rows;
  for (auto& lease : read().leases) rows.emplace_back(lease.holder, lease.uid, lease.label);
  return rows;
}

void DeviceObject::attempt_failed(const FailedAttempt& failed, const Refusal& as) {
  const auto retry_in = std::chrono::duration_cast<std::chrono::microseconds>(failed.retry_in);
  tell([&] {
    emitAttemptFailed(failed.attempt, failed.bound, std::string{error_name(as.category)}, as.token,
                      as.message, static_cast<std::uint64_t>(retry_in.count()));
  });
}

void DeviceObject::link_ended(const std::string& reason) {
  tell([&] { emitDisconnected(reason); });
}

void DeviceObject::services_changed() {
  tell([&] { emitServicesChanged(); });
}

}  // namespace bleconnd
