// One device, for as long as anybody wants it: its leases, the callers that wait, the run of attempts, the
// link. One coroutine lives the session from the first call to the end of the link; everything else leaves
// values for it to look at.
#pragma once
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <variant>

#include "async/notice.hpp"
#include "core/lease_book.hpp"
#include "core/reconnect.hpp"
#include "core/refusal.hpp"
#include "procedures/end_link.hpp"
#include "procedures/establish_connection.hpp"
#include "procedures/link_services.hpp"

namespace bleconnd {

struct EstablishOptions {
  std::optional<std::chrono::seconds>
      timeout;  // whole call; 0: none; not given: that of the settings, and NotReady without an adapter
  Terms terms;
  bool insists_on_trust = false;  // it was asked for, and is no default
  Lifetime lifetime = Lifetime::caller;
  bool wait = true;  // false: answer once queued
  std::string label;
  std::vector<std::string> required_uuids;  // services or characteristics, in full form
};

struct Established {
  Stage stage = Stage::connected;
  std::string adapter;       // hciN; empty while queued
  std::string bluez_device;  // "/" while queued
  std::uint32_t attempts = 0;
  Duration elapsed{};
  bool services_from_cache = false;
  bool services_verified = false;
  bool shared = false;   // the link, or the run of attempts, was there before this call
  bool adopted = false;  // the link was up when this life of the daemon found it
};

template <class T>
using Answer = std::variant<T, Refusal>;

class DeviceSession;

// What becomes of the lease of somebody who has left the bus.
enum class LeaseChange : std::uint8_t { lingers, taken_over, linger_ended };

// What the outside is told. Called at the change, before anybody is answered.
class SessionEvents {
 public:
  virtual ~SessionEvents() = default;
  virtual void appeared(DeviceSession& session) = 0;
  virtual void changed(DeviceSession& session) = 0;  // a property: look at the values
  virtual void stage_changed(DeviceSession& session, const std::string& reason) = 0;
  virtual void attempt_failed(DeviceSession& session, const FailedAttempt& failed, const Refusal& as) = 0;
  virtual void link_ended(DeviceSession& session, const std::string& reason) = 0;
  // The link at this path does not end: BlueZ has answered Disconnect, or not even that.
  virtual void link_stays(DeviceSession& session, const std::string& path, bool answered) = 0;
  // `by`: who has left, or who has it now.
  virtual void lease_passes(DeviceSession& session, LeaseChange change, const std::string& by) = 0;
  // They are not those of the cache, or of before; what is different.
  virtual void services_changed(DeviceSession& session, const std::vector<std::string>& difference) = 0;
  virtual void gone(DeviceSession& session) = 0;
};

class DeviceSession : private Progress {
 public:
  class Waiting;  // one EstablishConnection under way

  DeviceSession(Radio& radio, DeviceAddress address, SessionEvents& events);
  DeviceSession(const DeviceSession&) = delete;

  // The life of the session: attempts while wanted, the link while wanted, until neither.
  Task<Unit> live();

  // Takes a lease and a place among those who wait; at once, so that a caller who leaves the bus right behind
  // its call is seen to leave. Refused (busy) where the call contradicts what runs for others. A call that is
  // answered with a refusal leaves no lease that it made.
  std::variant<std::unique_ptr<Waiting>, Refusal> join(const Caller& caller, const EstablishOptions& options,
                                                       Quota& quota);
  // Leases that a former life of the daemon kept: live() looks for the link that they are about, and drops it
  // where none is left.
  void restore(std::vector<Lease> leases);
  Task<Answer<Established>> wait(std::unique_ptr<Waiting> waiting);
  // A maintained lease whose caller waits for nothing: it is connected when it can be.
  void declared(std::unique_ptr<Waiting> waiting);
  // What a caller that does not wait is answered.
  Established so_far(const Waiting& waiting) const;

  // Ends a lease in the order of dbus-interfaces/org.bleconnd.xml, and the caller's calls. Answers what is
  // left. At once, like join(): calls take effect in the order in which they came.
  // With `only`: "caller" leaves persistent leases alone, "persistent" the caller's own and its calls for it.
  Answer<std::uint32_t> release(const Caller& caller, std::optional<Lifetime> only);
  // Ends the link for everybody; so at once, too.
  Answer<Unit> disconnect();
  // Until the dial or the link that nobody wants any more is down.
  Task<Unit> until_ended();
  void caller_left(const std::string& name, Duration linger);
  // The daemon ends: dials and waits end; links that somebody on the bus leases stay, the others are dropped.
  void shut_down();
  void settings_changed() { wake_callers(); }  // they wait until another moment now
  // The cache of this device was cleared: BlueZ's copy goes when the link, or the attempt, has ended.
  void forget_when_ended() {
    forget_ = true;
    changed_.notify();
  }
  bool held_by_others(const Caller& caller) const;
  bool leased_by(const Caller& caller, Lifetime lifetime) const { return leases_.holds(caller, lifetime); }

  DeviceAddress address() const { return address_; }
  Stage stage() const { return stage_; }
  const std::string& adapter() const { return adapter_; }  // hciN or empty
  std::string bluez_device() const { return link_ ? link_->route.path : std::string{"/"}; }
  std::uint32_t attempt() const { return attempt_; }
  const LeaseBook& leases() const { return leases_; }
  const std::optional<Refusal>& last_error() const { return last_error_; }
  bool connected() const { return stage_ == Stage::connected; }
  bool may_use(const AdapterState& of) const { return radio_.may_use(terms_, of); }
  bool is_restoring() const { return restored_; }  // it looks for the link of a former life
  bool services_cached() const { return radio_.cache.has(address_); }
  bool services_verified() const { return connected() && link_ && link_->verified; }
  bool adopted() const { return link_ && link_->adopted; }  // the link was up when we found it
  bool foreign() const { return link_ && link_->foreign; }  // and another program made it
  const Reconnect& reconnects() const { return reconnect_; }
  std::size_t calls() const { return waiting_.size(); }
  std::uint32_t queue_position() const { return radio_.queue.position(address_); }  // 0: not in the queue

 private:
  // What a look at the services of the link came to.
  struct ServicesLook {
    std::uint32_t changes = 0;  // Observation::gatt_changes that it holds
    Cause failed_by = Cause::bluez_error;
    bool ok = false;
  };

  void stage(Stage stage, const std::string& adapter) override;
  void attempt(std::uint32_t number) override;
  void waits_for(Cause cause) override;
  void held_up(const Failure& by) override { last_failure_ = by; }
  void attempt_failed(const FailedAttempt& failed) override;
  void link_stays(const Route& route) override { events_.link_stays(*this, route.path, false); }
  Notice& terms_changed() override { return changed_; }

  bool wanted() const;        // the link, and the session
  bool wants_a_dial() const;  // attempts, while there is no link
  bool wants_it_now() const;  // and not only when it is time for a maintained one
  bool run_goes_on() const { return running_ && !stop_run_.stop_requested(); }
  bool link_goes_on() const {
    return link_ && stage_ == Stage::connected && !forced_ && !phantom_ && !discover_again_;
  }
  bool is_ending() const;
  bool somebody_waits() const;
  void reconsider();
  void arm_linger();
  void leases_changed();
  void call_ends(const Waiting& waiting);
  void enter(Stage stage, const std::string& adapter, const std::string& reason);

  Task<Unit> run();
  Task<Unit> reconnect();
  void away_or_back();
  void reconnects_after(const Failure& failure);
  void end_unattended(const Failure& failure);
  Task<Unit> until_bluez_is_looked_at();
  Task<Unit> no_phantom(std::shared_ptr<DeviceWatch> watch);
  void end_run(const RunFailure& end);
  void keep_leases();
  Task<Unit> hold();
  Task<Unit> follow_services();
  Task<Unit> until_services_are_wanted(Notice& wake);
  Task<Unit> until_gatt_is_quiet();
  void services_as_linked();
  bool services_are_waited_for() const;
  Task<ServicesLook> look_at_services(Duration patience, bool again);
  std::vector<std::string> lacking(const std::vector<std::string>& required) const;  // of what is known
  void services_are(const ServicesRead& read);
  Task<Unit> close(std::string reason);
  Task<Unit> drop_services();
  void end_leases();
  void lost(const std::string& reason);
  void link_over(const std::string& reason);
  std::string why_lost(const LinkMark& link) const;

  Terms terms_of_waiting() const;
  void terms_are(Terms terms);
  Terms terms_of_maintained() const;
  std::optional<Refusal> contradiction(const EstablishOptions& options) const;
  TimePoint not_ready_at(const Waiting& waiting) const;
  Refusal overdue(const Waiting& waiting) const;
  bool can_serve(Waiting& waiting);
  void refuse_call(Waiting& waiting, Refusal refusal);
  void served(Waiting& waiting);
  bool cancel_calls(const std::string& name, bool only_persistent = false,
                    Cause why = Cause::cancelled);  // "": everybody's
  void wake_callers();

  Radio& radio_;
  DeviceAddress address_;
  SessionEvents& events_;
  Notice changed_;  // for the coroutine that lives the session, and until_ended(); callers have their own
  LeaseBook leases_;
  std::unique_ptr<Executor::Timer> linger_;
  std::list<Waiting*> waiting_;
  Stage stage_ = Stage::disconnected;
  std::string adapter_;
  std::optional<Refusal> last_error_;
  bool forced_ = false;  // the link ends whoever wants it
  bool shutting_down_ = false;
  bool restored_ = false;  // leases of a former life, whose link is to be looked for
  bool pursued_ = false;   // whoever asked for a persistent lease has left before there was a link
  bool left_up_ = false;   // the link outlives us
  std::optional<std::vector<KeptLease>> kept_{std::in_place};  // as it is on record; none: not known

  // the run of attempts
  bool running_ = false;
  std::stop_source stop_run_;
  Terms terms_;  // grows while callers join
  TimePoint run_began_{};
  std::uint32_t attempt_ = 0;
  std::optional<Failure> last_failure_;
  Cause waits_for_ = Cause::bluez_error;  // adapter_off, stack_down, or nothing of the kind
  TimePoint stands_still_since_{};

  // while a lease is maintained
  Reconnect reconnect_;
  bool away_ = false;         // it is not heard: it is listened for, not dialled
  std::uint32_t missed_ = 0;  // windows in which it was not heard, in a row
  std::unique_ptr<Absentees::Place> place_;

  std::optional<Link> link_;
  std::optional<PackedServices> services_;  // of the link, as they were told last
  bool phantom_ = false;                    // the link has none
  bool discover_again_ = false;
  bool forget_ = false;
};

// Leaving the list of those who wait goes with the object, whatever ends the call.
class DeviceSession::Waiting {
 public:
  Waiting(DeviceSession& session, Caller caller, EstablishOptions options, Quota::Hold hold);
  Waiting(const Waiting&) = delete;
  ~Waiting();

 private:
  friend class DeviceSession;
  TimePoint deadline() const { return timeout == std::chrono::seconds{0} ? kNever : began + timeout; }
  bool over() const { return refusal.has_value() || served; }

  DeviceSession& session;
  Caller caller;
  EstablishOptions options;
  Quota::Hold hold;
  TimePoint began;
  std::chrono::seconds timeout;
  bool made_persistent = false;    // a lease that there was not before
  bool made_lease = false;         // the same, of the caller's
  bool shared;                     // the link or the run was there before this call
  bool served = false;             // answered with a link
  bool discovered_again = false;   // for this call, because something that it requires was missing
  std::optional<Refusal> refusal;  // what to answer: its run failed, it was cancelled
  std::list<Waiting*>::iterator place;
  Notice wake;  // its own: thousands may wait
};

}  // namespace bleconnd
