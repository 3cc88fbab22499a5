// /org/bleconnd: Manager1 and ObjectManager. Parses a call, hands it to the procedures, answers; tells what
// they do in signals and the log.
#pragma once
#include <sdbus-c++/sdbus-c++.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "async/scope.hpp"
#include "bleconnd_adaptor.hpp"
#include "core/statistics.hpp"
#include "ports/log.hpp"
#include "procedures/connections.hpp"
#include "procedures/describe.hpp"
#include "service/adapter_object.hpp"
#include "service/arguments.hpp"
#include "service/device_objects.hpp"
#include "service/gatt_variants.hpp"
#include "service/reply.hpp"

namespace bleconnd {

class RootObject final
    : public sdbus::AdaptorInterfaces<org::bleconnd::Manager1_adaptor, sdbus::ObjectManager_adaptor>,
      private SessionEvents {
 public:
  using UidOf = std::function<std::uint32_t(const sdbus::Message& call)>;  // user id of a caller

  RootObject(sdbus::IConnection& connection, Radio& radio, Statistics& statistics, const Log& log,
             UidOf uid_of, std::string version);
  ~RootObject() override;

  bleconnd::Connections& connections() { return connections_; }
  // "3 connected, 1 connecting, hci0 4/5 slots" (taken, of those there are, where the limit is known): for
  // the service manager's STATUS=. Notified when it may have changed.
  std::string status() const;
  Notice& status_changed() { return status_changed_; }
  void on_reload(std::function<void()> reload) { reload_ = std::move(reload); }
  // A counter that somebody else keeps.
  void tell_also(std::string name, std::function<std::uint64_t()> counter) {
    other_counters_.emplace(std::move(name), OtherCounter{std::move(counter)});
  }
  // Says in the journal which links are up that nobody leases here. Once, at the start.
  Task<Unit> report_stale();

 private:
  // Manager1
  void EstablishConnection(sdbus::Result<sdbus::ObjectPath, VariantMap>&& result, std::string address,
                           Options options) override;
  void ReleaseConnection(sdbus::Result<std::uint32_t>&& result, std::string address,
                         Options options) override;
  void Disconnect(sdbus::Result<>&& result, std::string address) override;
  void CloseStaleConnections(sdbus::Result<std::uint32_t>&& result, std::string address,
                             Options options) override;
  void GetServices(sdbus::Result<ManagedObjects, VariantMap>&& result, std::string address) override;
  void ClearCache(sdbus::Result<bool>&& result, std::string address, Options options) override;
  void ClearAllCaches(sdbus::Result<std::uint32_t>&& result) override;
  void Describe(sdbus::Result<std::string>&& result, std::string address) override;
  std::vector<sdbus::Struct<std::string, std::string, std::string, std::uint32_t, sdbus::ObjectPath>>
  ListConnections() override;
  std::map<std::string, std::uint64_t> GetStatistics() override;
  void ResetStatistics() override { statistics_.reset(); }
  void Reload() override;
  std::string Version() override { return version_; }
  std::vector<std::string> Features() override;
  std::string State() override { return state_; }
  std::uint32_t Connections() override { return static_cast<std::uint32_t>(connected_.size()); }

  // SessionEvents
  void appeared(DeviceSession& session) override;
  void changed(DeviceSession& session) override;
  void stage_changed(DeviceSession& session, const std::string& reason) override;
  void attempt_failed(DeviceSession& session, const FailedAttempt& failed, const Refusal& as) override;
  void link_ended(DeviceSession& session, const std::string& reason) override;
  void link_stays(DeviceSession& session, const std::string& path, bool answered) override;
  void lease_passes(DeviceSession& session, LeaseChange change, const std::string& by) override;
  void services_changed(DeviceSession& session, const std::vector<std::string>& difference) override;
  void gone(DeviceSession& session) override;

  Caller caller();
  Task<Unit> serve_establish(Reply<sdbus::ObjectPath, VariantMap> reply, BusMessage call, Caller by,
                             DeviceAddress address, TimePoint began, Task<Answer<Established>> answer);
  void count_answer(const std::string& adapter, const std::string& category, TimePoint began);
  void count_stage(DeviceSession& session);
  void count_others();
  void log_refused(const Caller& by, DeviceAddress address, const Refusal& refusal);
  Task<Unit> serve_release(Reply<std::uint32_t> reply, Task<Answer<std::uint32_t>> answer);
  Task<Unit> serve_close_stale(Reply<std::uint32_t> reply, std::string what, DeviceAddress of,
                               Task<Answer<std::uint32_t>> answer);
  Task<Unit> serve_disconnect(Reply<> reply, Task<Answer<Unit>> answer);
  Task<Unit> serve_services(Reply<ManagedObjects, VariantMap> reply, Task<Answer<Services>> answer);
  Task<Unit> serve_clear(Reply<bool> reply, Caller by, std::string what, DeviceAddress of,
                         Task<Answer<Cleared>> answer);
  Task<Unit> serve_clear_all(Reply<std::uint32_t> reply, Caller by, Task<Answer<Cleared>> answer);
  Task<Unit> serve_describe(Reply<std::string> reply, Task<Answer<Description>> answer);
  Task<Unit> tell_changes();
  Task<Unit> follow_adapters();
  void match_adapters();
  void report_troubles();
  void log_cleared(const Caller& by, const std::string& what, const std::string& of, const Cleared& cleared);
  Task<Unit> follow_stack();
  TimePoint say_whether_adapter();
  std::string stack_state() const;
  void announce_connections();
  void announce(const char* property);

  sdbus::IConnection& connection_;
  Radio& radio_;
  const Log& log_;
  UidOf uid_of_;
  std::string version_;
  std::string state_;
  std::optional<TimePoint> no_adapter_since_;
  bool without_adapter_ = false;  // it has been said
  std::uint32_t told_connections_ = 0;
  Statistics& statistics_;
  // From the start of this life; what is counted already goes on in the statistics.
  struct OtherCounter {
    std::function<std::uint64_t()> now;
    std::uint64_t counted = 0;
  };
  DialQueue::Waits waits_counted_;
  // When the dial of a device began, and when its link came up; while it is on its way.
  struct OnItsWay {
    std::optional<TimePoint> dialled{}, linked{};
    bool verified = false;
  };
  std::map<DeviceAddress, OnItsWay> on_their_way_;
  std::map<std::string, OtherCounter> other_counters_;
  std::function<void()> reload_ = [] {};
  Notice status_changed_;
  DeviceObjects devices_;
  std::set<DeviceAddress> connected_;  // devices with a link: counted at every change, so kept
  Notice changes_;                     // of any object's properties
  std::map<std::string, std::unique_ptr<AdapterObject>> adapters_;  // by name
  std::map<std::uint32_t, TimePoint> quota_told_;                   // by user, when it was said last
  std::set<std::string> troubled_;                                  // adapters, by address
  bleconnd::Connections connections_;
  Scope serving_;  // destroyed first: its tasks use everything above
};

}  // namespace bleconnd
