// All devices that anybody wants, by address: finds or makes the session a call belongs to, and keeps each
// alive.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "async/scope.hpp"
#include "procedures/device_session.hpp"
#include "procedures/inquiries.hpp"

namespace bleconnd {

struct Services {
  GattObjects objects;
  bool from_cache = false;
  std::chrono::seconds age{0};  // since they were known to be these
};

struct Cleared {
  std::uint32_t entries = 0;  // of the cache
  std::uint32_t objects = 0;  // of BlueZ
  bool later = false;         // BlueZ's goes when the link, or the attempt, has ended
};

class Connections {
 public:
  Connections(Radio& radio, SessionEvents& events)
      : radio_{radio},
        events_{events},
        idle_{radio.executor},
        inquiries_{radio.executor},
        scope_{radio.executor} {}

  // The lease is taken before this returns; the task waits for the answer.
  Task<Answer<Established>> establish(Caller caller, DeviceAddress address, EstablishOptions options);
  // What these end has ended before they return, too; the task waits until it is down.
  Task<Answer<std::uint32_t>> release(Caller caller, DeviceAddress address,
                                      std::optional<Lifetime> only = {});
  Task<Answer<Unit>> disconnect(DeviceAddress address);
  // Ends the links of this device that BlueZ has and nobody leases here, whoever made them;
  // `only_other_adapters`: but not on the adapter that it is used on, or would be.
  Task<Answer<std::uint32_t>> close_stale(Caller caller, DeviceAddress address, bool only_other_adapters);
  // All such links, of any device.
  Task<std::vector<DeviceState>> stale_links();
  // The GATT objects of a connected device, as BlueZ has them now; of another one, those of the cache.
  Task<Answer<Services>> services(Caller caller, DeviceAddress address);
  // Forgets the services: the cache's entry, and BlueZ's copy where nothing speaks against it (`force`: in
  // any case). While a session lives and without `force`, BlueZ's copy goes when the link has ended.
  Task<Answer<Cleared>> clear_cache(Caller caller, DeviceAddress address, bool force);
  Task<Answer<Cleared>> clear_all_caches(Caller caller);

  // What a call holds that asks BlueZ something: it counts against its user, and few ask at a time.
  struct Admission {
    Quota::Hold hold;
    Inquiries::Pass pass;
  };
  Task<Answer<Admission>> admit(Caller caller);

  // What a former life of the daemon kept. `on_bus`: unique names that are there; whoever is not has left
  // just now, as far as we can know. Before anybody calls. How many leases there are again.
  std::size_t restore(const std::set<std::string>& on_bus);

  // A caller left the bus: its leases linger, its calls end.
  void caller_left(const std::string& name);
  void configure(const Settings& settings);

  std::vector<const DeviceSession*> sessions() const;  // by address
  const DeviceSession* find(DeviceAddress address) const;
  const Quota& quota() const { return quota_; }

  // The host is about to sleep: dials end, uncounted, and discovery; done when none is left or after
  // `patience`. Links are left to the kernel, which ends them.
  Task<Unit> prepare_for_sleep(Duration patience);
  // Those who wait dial again, in the order of the queue, and the absentees are listened for at once.
  void wake_up();

  // Ends dials, discovery, waits, and the links that nobody on the bus leases; done when all have ended or
  // after `patience`.
  Task<Unit> shut_down(Duration patience);

 private:
  // One caller that waits until its device is down: it is answered before the daemon ends.
  struct Ending {
    explicit Ending(Connections& of) : of_{of} { ++of_.endings_; }
    Ending(const Ending&) = delete;
    ~Ending() {
      --of_.endings_;
      of_.idle_.notify();
    }
    Connections& of_;
  };

  std::shared_ptr<DeviceSession> session(DeviceAddress address);
  template <class T>
  Task<Answer<T>> when_ended(std::shared_ptr<DeviceSession> session, Answer<T> with);
  bool is_held(const DeviceState& object, bool whole_adapter) const;
  bool is_taken_over(const DeviceState& object) const;
  bool may_be_removed(const DeviceState& object) const;
  std::string cached_path(const CacheEntry& entry) const;
  Task<Unit> keep(std::shared_ptr<DeviceSession> session);
  Task<Unit> end_leftovers(std::vector<std::string> paths);
  // A call and the session that it points into, in one: compilers differ in which parameter of a coroutine
  // that never ran they destroy first.
  struct Attended {
    std::shared_ptr<DeviceSession> session;
    std::unique_ptr<DeviceSession::Waiting> waiting;
  };
  Task<Answer<Established>> wait(Attended call);
  Task<Unit> wait_unheard(Attended call);

  Radio& radio_;
  SessionEvents& events_;
  Notice idle_;
  Quota quota_;
  Inquiries inquiries_;
  bool shutting_down_ = false;
  std::size_t endings_ = 0;
  std::map<DeviceAddress, std::shared_ptr<DeviceSession>> sessions_;
  Scope scope_;  // destroyed first: its tasks use the sessions
};

}  // namespace bleconnd
