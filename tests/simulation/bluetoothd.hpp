// bluetoothd, the kernel below it and the air: the truth that the fake port shows late and in pieces.
// Behaves as BlueZ 5.50 to 5.87 was read and measured to behave; what differs between versions is in Habits.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "air.hpp"
#include "ports/bluez.hpp"
#include "world.hpp"

namespace bleconnd::simulation {

template <class T>
using Reply = std::function<void(Outcome<T>)>;

enum class Program { ours, foreign };

// What differs between versions of BlueZ and of the kernel, and by main.conf.
struct Habits {
  Duration create_timeout = 20s;        // the kernel's for one link: 4 s on Linux 6.1, 20 s on 6.12
  Duration l2cap_timeout = 40s;         // a dial of a device that is not heard
  Duration temporary = 30s;             // main.conf, TemporaryTimeout
  Duration property_delay = 0ms;        // the idle handler that sends property changes
  bool jitter = false;                  // times vary between half and twice
  bool connected_before_reply = false;  // 5.79: Disconnect is answered after Connected=false
  bool in_progress_by_name = false;     // 5.81: org.bluez.Error.InProgress
  bool success_when_power_goes = true;  // Linux 6.1; 6.12: an error, or no answer at all
  bool error_before_removal = false;    // the race of a failed dial of an untrusted device
  bool tells_reason = false;            // 5.83: Device1.Disconnected
  bool tells_objects_late = false;      // a busy bluetoothd: ServicesResolved before the objects (5.66)
  bool texts_of_errno = false;          // 5.50 to 5.61: no le-connection-*, no br-connection-*
  bool bonded_pair_fails = false;       // up to 5.78: Pair of a bonded device fails
  bool drops_services = false;          // [GATT] Cache=yes or no: objects go with an unpaired device's link
  bool wedges = false;             // Linux 6.1: no link after one that failed unseen, until a power cycle
  bool failed_link_kills = false;  // Linux 6.1.192: bluetoothd dies of a link that fails
};

// What bluetoothd and the bus send by themselves.
class Signals {
 public:
  struct Change {
    std::string path;
    std::optional<bool> connected = {};
    std::optional<bool> services_resolved = {};
    std::optional<bool> bonded = {};
    std::optional<std::int16_t> rssi = {};
    std::string end_reason = {};
  };
  virtual ~Signals() = default;
  virtual void owner_changed(const std::string& owner) = 0;
  virtual void adapter_added(const AdapterState& adapter) = 0;
  virtual void adapter_removed(const std::string& path) = 0;
  virtual void adapter_powered(const std::string& path, bool powered) = 0;
  virtual void device_added(const DeviceState& device) = 0;
  virtual void device_changed(const Change& change) = 0;
  virtual void device_removed(const std::string& path) = 0;
  virtual void services_removed(const std::string& device, const GattObjects& objects) = 0;
  virtual void services_added(const std::string& device, const GattObjects& objects) = 0;
};

struct Object;

// An adapter, as hardware and as an object of bluetoothd.
struct Controller {
  struct Stored {  // what stays of a device over a restart of bluetoothd
    bool trusted, bonded;
  };
  std::string address;
  unsigned index = 0;
  std::string path = {};  // empty: unplugged
  bool powered = false;
  bool blocked = false;   // by rfkill: does not come up by itself
  std::size_t slots = 0;  // 0: no limit
  bool wedged = false;    // makes no link until a power cycle
  std::set<Program> discovering = {};
  bool scans_for_nobody = false;
  Object* creating = nullptr;  // one link at a time
  std::unique_ptr<Executor::Timer> create_timer = {};
  std::deque<Object*> queue = {};  // heard, waiting for the controller
  std::map<DeviceAddress, Stored> stored = {};
};

// A Connect or a Pair that is not answered yet.
struct Dial {
  Program program;
  std::uint64_t call;
  Reply<Unit> reply;
  bool pairing = false;
  bool in_vain = false;
  TimePoint since = {};
  Manner manner = {};
  std::unique_ptr<Executor::Timer> timer = {};
};

struct RadioLink {
  Program program;
  Manner manner;
  TimePoint since;
  std::vector<Reply<Unit>> hanging_up = {};
  std::unique_ptr<Executor::Timer> drop = {}, next = {}, down = {};
};

struct Object {
  std::string path;
  Controller* controller;
  Peer* peer;
  DeviceAddress address;          // the property
  std::string told_address = {};  // and what it holds instead, where that is none
  bool low_energy = true;
  bool temporary = true;
  bool trusted = false;
  bool bonded = false;
  bool connected = false;
  bool resolved = false;
  std::optional<std::int16_t> rssi = {};
  GattObjects gatt = {};
  std::unique_ptr<Dial> dial = {};
  std::unique_ptr<RadioLink> link = {};
  std::unique_ptr<Executor::Timer> expiry = {};
};

// One method call goes wrong by script.
struct Fault {
  std::string name = {};  // of the D-Bus error; empty: success
  std::string text = {};
  Duration after = 0ms;
  bool answered = true;
  bool carried_out = false;  // done nevertheless; only the answer to it is replaced
  bool orphans = false;      // StopDiscovery: the session is forgotten, and the adapter scans on
  bool dials = false;        // Connect, Pair: meanwhile a dial is pending that leads to nothing
};

class Bluetoothd {
 public:
  Bluetoothd(World& world, Habits its) : habits{its}, world_{world} {}
  Bluetoothd(const Bluetoothd&) = delete;

  Habits habits;
  std::map<std::string, std::deque<Fault>> faults = {};  // by member: "Connect", "GetAll", "StartDiscovery" …
  std::function<void()> on_death = {};                   // by a failed link
  // One of our Disconnects ended a dial or a link of another program.
  std::function<void(const Object& object)> on_foreign_ended = {};

  void set_signals(Signals* to) { signals_ = to; }
  const std::string& owner() const { return owner_; }

  // --- the machine (bluetoothd.cpp) ---
  void start();
  void kill();       // SIGKILL
  void terminate();  // SIGTERM
  Controller& controller(const std::string& address);
  void plug(const std::string& address);
  void unplug(const std::string& address);
  void power(const std::string& address, bool on);
  void hold_properties(Duration span) { held_until_ = world_.now() + span; }

  // --- the air (bluetoothd_discovery.cpp) ---
  Peer& peer(const std::string& address);
  void hears(const std::string& adapter, const std::string& address, std::int16_t rssi = -60);
  void hears_no_more(const std::string& adapter, const std::string& address);
  void drop_link(const std::string& address, const std::string& reason = "Remote");
  void service_changed(const std::string& address);  // the peer says so: BlueZ reads again

  // --- other programs ---
  void foreign_connect(const std::string& path);
  void foreign_disconnect(const std::string& path);
  void foreign_remove(const std::string& path);
  void foreign_pair(const std::string& path);
  void foreign_discovery(const std::string& adapter, bool on);
  void trust(const std::string& path) { objects_.at(path)->trusted = true; }
  void bond(const std::string& path);
  // An object of a device; its path may hold another address than its property.
  Object& make_object(const std::string& adapter, const std::string& address,
                      const std::string& path_address = {});

  // --- calls; `call` numbers the dials ---
  void connect(const std::string& path, Program by, std::uint64_t call, Reply<Unit> reply);
  void pair(const std::string& path, Program by, std::uint64_t call, Reply<Unit> reply);
  void disconnect(const std::string& path, Program by, Reply<Unit> reply);
  void cancel_pairing(const std::string& path, Reply<Unit> reply);
  void set_discovery_filter(const std::string& path, Reply<Unit> reply);
  void start_discovery(const std::string& path, Program by, Reply<Unit> reply);
  void stop_discovery(const std::string& path, Program by, Reply<Unit> reply);
  void get_device(const std::string& path, Reply<DeviceState> reply);
  void get_connected(const std::string& path, Reply<bool> reply);
  void find_devices(DeviceAddress address, Reply<std::vector<DeviceState>> reply);
  void list_services(const std::string& path, Reply<std::vector<std::uint16_t>> reply);
  void read_services(const std::string& path, Reply<GattObjects> reply);
  void all_devices(Reply<std::vector<DeviceState>> reply);
  void read_value(const std::string& characteristic, Reply<std::vector<std::uint8_t>> reply);
  void set_trusted(const std::string& path, Reply<Unit> reply);
  void remove_device(const std::string& path, Reply<Unit> reply);
  void client_left();  // our connection to the bus ended

  // --- the truth, for checkers ---
  // What has gone wrong how often, by a short name.
  const std::map<std::string, std::size_t>& troubles() const { return troubles_; }
  const std::map<std::string, std::unique_ptr<Object>>& objects() const { return objects_; }
  Object* object(const std::string& path);
  // Where the device's object is, or would be.
  std::string path(const std::string& adapter, const std::string& address);
  std::vector<AdapterState> adapters() const;
  std::map<std::string, std::unique_ptr<Controller>>& controllers() { return controllers_; }
  std::map<DeviceAddress, Peer>& peers() { return peers_; }
  std::size_t dials(Program by) const;
  std::size_t links(Program by) const;
  std::size_t discoveries(Program by) const;
  std::size_t scans_for_nobody() const;

 private:
  struct Dirty {
    bool connected = false, resolved = false, bonded = false, rssi = false;
    std::string reason = {};
  };

  // Property changes wait, are coalesced with the values at their sending, and go before any answer.
  template <class T>
  void answer(const Reply<T>& reply, Outcome<T> outcome) {
    flush();
    if (reply) reply(std::move(outcome));
  }
  template <class T>
  void fail(const Reply<T>& reply, const std::string& name, const std::string& text) {
    answer<T>(reply, classify(name, text));
  }
  template <class T>
  void unknown_object(const Reply<T>& reply, const std::string& interface, const std::string& member) {
    fail(reply, "org.freedesktop.DBus.Error.UnknownObject",
         "Method \"" + member + "\" with signature \"\" on interface \"" + interface + "\" doesn't exist\n");
  }
  // Whether a script takes this call.
  template <class T>
  bool scripted(const std::string& member, Reply<T>& reply) {
    auto& script = faults[member];
    if (script.empty()) return false;
    const auto fault = script.front();
    script.pop_front();
    met(member, fault);
    auto wrong = [this, fault, to = reply](const Outcome<T>&) {
      if constexpr (std::is_same_v<T, Unit>)
        if (fault.name.empty()) return answer<T>(to, Unit{});
      fail(to, fault.name, fault.text);
    };
    if (fault.carried_out) {
      reply = wrong;
      return false;
    }
    if (!fault.answered) return true;
    world_.after(fault.after, [this, wrong, asked = owner_] {
      if (owner_ == asked) wrong(Cause::bluez_error);
    });
    return true;
  }
  Duration about(Duration usual);
  template <class F>
  void tell(F signal) {
    if (signals_) signal(*signals_);
  }
  void met(const std::string& trouble) { ++troubles_[trouble]; }
  void met(const std::string& member, const Fault& fault);
  void flush();
  Dirty& touch(const Object& object);
  Controller* at(const std::string& path);
  DeviceState state(const Object& object) const;
  Object& add_object(Controller& controller, Peer& peer, const std::string& path);
  void remove_object(Object& object);
  void expire_later(Object& object);
  std::vector<Object*> objects_of(const Controller& controller) const;
  void store(Controller& controller);
  void restore(Controller& controller);
  void forget_everything();
  void link_dies_in(Peer& peer, Duration span);

  bool wants_reports(const Controller& controller, const Peer& peer) const;
  void listen(Controller& controller, Peer& peer);
  void listen_everywhere();
  void report(Controller& controller, Peer& peer);
  void discovery_ended(Controller& controller);

  void dial(Object& object, Program by, std::uint64_t call, Reply<Unit> reply, bool pairing);
  bool dials_in_vain(const std::string& member, Object& object, std::uint64_t call, const Reply<Unit>& reply);
  void heard(Object& object);
  void create_next(Controller& controller);
  void leave_queue(Object& object);
  void creation_failed(Object& object);
  void failed_unseen(Object& object);
  void link_failed();
  void remove(Object& object, Reply<Unit> reply);
  Failure aborted() const;
  Failure canceled(const Dial& dial, bool early = false) const;
  void dial_ends(Object& object, Outcome<> outcome);
  void dial_aborts(Object& object);
  void link_up(Object& object);
  void attached(Object& object);
  void discovered(Object& object);
  void services_are(Object& object);
  void bonding_done(Object& object);
  void link_down(Object& object, const std::string& reason);
  void hang_up_done(Object& object);
  void drop_services(Object& object);

  World& world_;
  Signals* signals_ = nullptr;
  std::string owner_;
  unsigned starts_ = 0;
  std::uint64_t foreign_calls_ = 0;
  std::map<std::string, std::size_t> troubles_;
  std::map<std::string, std::unique_ptr<Controller>> controllers_;  // by address
  std::map<DeviceAddress, Peer> peers_;
  std::map<std::string, std::unique_ptr<Object>> objects_;  // by path
  std::set<std::pair<std::string, DeviceAddress>> reporting_;
  std::vector<std::string> dirty_order_;
  std::map<std::string, Dirty> dirty_;
  TimePoint held_until_{};
};

}  // namespace bleconnd::simulation
