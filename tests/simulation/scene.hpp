// A whole stage: the world, bluetoothd, one life of the daemon's procedures, clients, and the checkers that
// look at all of them after every step.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "async/scope.hpp"
#include "cache.hpp"
#include "dials.hpp"
#include "fake_bluez.hpp"
#include "procedures/connections.hpp"
#include "records.hpp"

namespace bleconnd::simulation {

// One EstablishConnection and what became of it.
struct Call {
  std::string client;
  DeviceAddress device;
  EstablishOptions options;
  TimePoint asked{};
  std::optional<TimePoint> answered = {};
  int answers = 0;
  std::optional<Answer<Established>> answer = {};

  bool ok() const { return answer && answer->index() == 0; }
  // "ok hci0", or "NotFound not-seen"; "-" while it waits.
  std::string text() const;
  std::string message() const { return answer && !ok() ? std::get<1>(*answer).message : std::string{}; }
};
using CallHandle = std::shared_ptr<Call>;

// ReleaseConnection or Disconnect: "3" (remaining), "ok", "NotConnected invalid", "-".
struct Ending {
  TimePoint asked{};
  std::optional<TimePoint> answered = {};
  int answers = 0;
  std::string text = "-";
  bool is_dropped_at_end = false;  // the end of the daemon does not wait for it: its reply answers as it goes
};
using EndingHandle = std::shared_ptr<Ending>;

class Scene : private SessionEvents {
 public:
  struct Setting {
    std::uint64_t seed = 1;
    Habits habits = {};
    FakeBluez::Latency latency = {};
  };
  Scene() : Scene{Setting{}} {}
  explicit Scene(Setting setting);
  Scene(const Scene&) = delete;
  ~Scene() override;

  World world;
  Bluetoothd bluetoothd;
  Dials dials;
  Cache cache{world};
  Leases leases;
  Slots slots{world};

  // --- the daemon ---
  struct Life {
    explicit Life(Scene& scene);
    FakeBluez bluez;
    Radio radio;
    Connections connections;
  };
  Life& daemon() { return *life_; }
  bool is_up() const { return life_ != nullptr; }
  void start_daemon();
  void crash_daemon();  // its bus connection and everything in memory are gone
  // The host suspends when the daemon is ready for it, 4 s later at most, and wakes.
  void sleep();
  void wake();
  bool is_asleep() const { return asleep_; }
  bool is_ready_to_sleep() const { return ready_; }  // or out of patience
  // SIGTERM: until it has ended.
  void stop_daemon(Duration patience = 20s);

  // --- clients ---
  CallHandle establish(const std::string& client, const std::string& device, EstablishOptions options = {});
  EndingHandle release(const std::string& client, const std::string& device,
                       std::optional<Lifetime> only = {});
  EndingHandle disconnect(const std::string& device);  // as root
  // As root; how many have gone.
  EndingHandle close_stale(const std::string& device, bool only_other_adapters = false);
  EndingHandle stale_links();  // "hci0/01 hci0/02"
  EndingHandle clear_cache(const std::string& client, const std::string& device, bool force = false);
  EndingHandle clear_all_caches();
  // "live 2", "cached 2 under hci0": services; "NotCached invalid".
  EndingHandle services(const std::string& device);
  void leave(const std::string& client);
  void everybody_leaves();
  void set_linger(std::chrono::seconds linger);
  void configure();  // a reload: `settings` and `limits` hold from here on
  Settings settings = {};
  std::map<std::string, std::uint32_t> uids = {};    // of clients; 1000 where nothing is said
  std::map<std::string, std::uint32_t> limits = {};  // slots by adapter address, as main.conf has them

  bool counts_others = false;  // no read of all objects fails here: links of others are known in time

  // --- looking ---
  void run_for(Duration span) { world.run_for(span); }
  bool run_until_answered(const CallHandle& call, Duration limit = 300s);
  bool run_until_answered(const EndingHandle& ending, Duration limit = 300s);
  // Everything that was done and told since begin(), as "12.3 Connect hci0/01"; look-ups are left out.
  const std::vector<std::string>& effects() const { return effects_; }
  std::vector<std::string> effects(const std::string& containing) const;
  std::size_t count(const std::string& member) const;  // calls to BlueZ since begin()
  void begin();                                        // effects and times count from now
  std::string stage(const std::string& device) const;  // "" where there is no session
  std::size_t pending() const { return clients_->size(); }

  // --- checkers ---
  const std::vector<std::string>& violations() const { return violations_; }
  void complain(const std::string& what);
  // Nothing is left over: sessions, dials, discovery, links of ours, watches, ears, calls, timers.
  void check_idle();

 private:
  void appeared(DeviceSession& session) override;
  void changed(DeviceSession&) override {}
  void stage_changed(DeviceSession& session, const std::string& reason) override;
  void attempt_failed(DeviceSession& session, const FailedAttempt& failed, const Refusal& as) override;
  void link_ended(DeviceSession& session, const std::string& reason) override;
  void link_stays(DeviceSession& session, const std::string& path, bool answered) override;
  void lease_passes(DeviceSession&, LeaseChange, const std::string&) override {}
  void gone(DeviceSession& session) override;
  void services_changed(DeviceSession& session, const std::vector<std::string>& difference) override;

  void called(const std::string& member, const std::string& path);
  void note(const std::string& line);
  void check();
  void check_leases();
  void check_dials();
  void check_slots();
  void check_order(const std::string& path);
  void check_unattended(const std::string& path);
  void check_ignored(const std::string& member, const std::string& path);
  void foreign_ended(const Object& object);
  Caller caller(const std::string& client) const;

  FakeBluez::Latency latency_;
  std::unique_ptr<Life> life_;
  std::unique_ptr<Scope> clients_;  // their calls use the sessions: destroyed first
  TimePoint begun_;
  std::vector<std::string> effects_;
  std::map<std::string, std::size_t> counts_;
  std::set<std::string> left_behind_;                 // paths that the record held when the daemon crashed
  std::set<std::string> present_;                     // clients that are on the bus
  std::map<std::string, TimePoint> left_;             // clients that are off the bus
  std::map<std::string, TimePoint> ignored_since_{};  // adapters, by address
  std::set<std::string> forced_;                      // devices that root disconnected
  std::map<std::string, std::string> stages_;         // by device, of sessions that are there
  TimePoint leases_checked_{};
  bool asleep_ = false;                                        // or about to be
  bool preparing_ = false;                                     // as SleepWatch, it wakes when it has prepared
  bool ready_ = false;                                         // the daemon is ready for it
  bool quiet_ = false;                                         // and nothing of it has the radio
  std::map<std::string, std::deque<TimePoint>> unattended_{};  // dials that no call asked for, by device
  std::map<std::string, TimePoint> queued_since_;              // by device
  std::map<std::string, TimePoint> arrived_;                   // of the device whose turn has come
  std::map<std::string, std::uint32_t> overtaken_;  // by device that waits: dials of devices that came later
  std::vector<std::string> violations_;
};

// Of a GATT object: the device's.
std::string device_path(const std::string& object);
// "/org/bluez/hci0/dev_AA_00_00_00_00_01" → "hci0/01"
std::string short_path(const std::string& path);

}  // namespace bleconnd::simulation
