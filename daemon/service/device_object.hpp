// One /org/bleconnd/dev_… object: Device1 over the values of a session. It announces itself as
// disconnected, then what has changed since it last told.
#pragma once
#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <string>
#include <vector>

#include "bleconnd_adaptor.hpp"
#include "procedures/device_session.hpp"
#include "service/device_signals.hpp"

namespace bleconnd {

inline constexpr const char* kRootPath = "/org/bleconnd";
std::string object_path(DeviceAddress address);

class DeviceObject final : public sdbus::AdaptorInterfaces<org::bleconnd::Device1_adaptor> {
 public:
  DeviceObject(sdbus::IConnection& connection, sd_bus* bus, const DeviceSession& session);
  ~DeviceObject();

  void stage_changed();
  void announce_changes();
  void attempt_failed(const FailedAttempt& failed, const Refusal& as);
  void link_ended(const std::string& reason);
  void services_changed();

 private:
  using LeaseRow = sdbus::Struct<std::string, std::uint32_t, std::string>;
  DeviceValues read() const;

  std::string Address() override { return session_.address().text(); }
  // As they are now: what is told by signals can be 20 ms behind.
  std::string State() override { return read().state; }
  std::string Adapter() override { return session_.adapter(); }
  sdbus::ObjectPath BluezDevice() override { return sdbus::ObjectPath{session_.bluez_device()}; }
  std::uint32_t Attempt() override { return session_.attempt(); }
  std::uint32_t QueuePosition() override { return session_.queue_position(); }
  sdbus::Struct<std::string, std::string> LastError() override {
    const auto now = read();
    return {now.error_name, now.error_message};
  }
  std::vector<LeaseRow> Leases() override;
  bool ServicesCached() override { return session_.services_cached(); }
  bool ServicesVerified() override { return session_.services_verified(); }
  std::uint64_t ConnectedSince() override { return connected_since_; }

  sd_bus* bus_;  // the connection's
  const DeviceSession& session_;
  std::uint64_t connected_since_ = 0;
  DeviceValues told_;
};

}  // namespace bleconnd
