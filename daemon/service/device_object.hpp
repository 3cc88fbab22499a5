// One /org/bleconnd/dev_… object: Device1 over the values of a session. It announces what has changed since
// it last told.
#pragma once
#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <string>
#include <vector>

#include "bleconnd_adaptor.hpp"
#include "procedures/device_session.hpp"

namespace bleconnd {

inline constexpr const char* kRootPath = "/org/bleconnd";
std::string object_path(DeviceAddress address);

class DeviceObject final : public sdbus::AdaptorInterfaces<org::bleconnd::Device1_adaptor> {
 public:
  DeviceObject(sdbus::IConnection& connection, const DeviceSession& session);
  ~DeviceObject();

  void announce_changes();
  void attempt_failed(const FailedAttempt& failed, const Refusal& as);
  void link_ended(const std::string& reason);
  void services_changed();

 private:
  using LeaseRow = sdbus::Struct<std::string, std::uint32_t, std::string>;
  struct Values {
    std::string state, adapter, bluez_device, error_name, error_message;
    std::uint32_t attempt = 0;
    std::vector<LeaseRow> leases;
    std::uint64_t connected_since = 0;
    bool services_cached = false;
    bool services_verified = false;
  };
  Values read() const;

  std::string Address() override { return session_.address().text(); }
  std::string State() override { return told_.state; }
  std::string Adapter() override { return told_.adapter; }
  sdbus::ObjectPath BluezDevice() override { return sdbus::ObjectPath{told_.bluez_device}; }
  std::uint32_t Attempt() override { return told_.attempt; }
  sdbus::Struct<std::string, std::string> LastError() override {
    return {told_.error_name, told_.error_message};
  }
  std::vector<LeaseRow> Leases() override { return told_.leases; }
  bool ServicesCached() override { return told_.services_cached; }
  bool ServicesVerified() override { return told_.services_verified; }
  std::uint64_t ConnectedSince() override { return told_.connected_since; }

  const DeviceSession& session_;
  Values told_;
};

}  // namespace bleconnd
