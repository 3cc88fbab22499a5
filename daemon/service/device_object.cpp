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

DeviceObject::DeviceObject(sdbus::IConnection& connection, const DeviceSession& session)
    : AdaptorInterfaces{connection, sdbus::ObjectPath{object_path(session.address())}}, session_{session} {
  told_ = read();
  registerAdaptor();
  tell([this] { getObject().emitInterfacesAddedSignal(); });
}

DeviceObject::~DeviceObject() {
  tell([this] { getObject().emitInterfacesRemovedSignal(); });
  unregisterAdaptor();
}

DeviceObject::Values DeviceObject::read() const {
  Values now;
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
  const auto now = read();
  std::vector<bus::PropertyName> changed;
  if (now.state != told_.state) changed.emplace_back("State");
  if (now.adapter != told_.adapter) changed.emplace_back("Adapter");
  if (now.bluez_device != told_.bluez_device) changed.emplace_back("BluezDevice");
  if (now.attempt != told_.attempt) changed.emplace_back("Attempt");
  if (now.error_name != told_.error_name || now.error_message != told_.error_message)
    changed.emplace_back("LastError");
  if (now.leases != told_.leases) changed.emplace_back("Leases");
  if (now.connected_since != told_.connected_since) changed.emplace_back("ConnectedSince");
  if (now.services_cached != told_.services_cached) changed.emplace_back("ServicesCached");
  if (now.services_verified != told_.services_verified) changed.emplace_back("ServicesVerified");
  told_ = now;
  if (changed.empty()) return;
  tell([&] {
    getObject().emitPropertiesChangedSignal(
        bus::interface_name(org::bleconnd::Device1_adaptor::INTERFACE_NAME), changed);
  });
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
