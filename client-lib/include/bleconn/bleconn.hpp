// libbleconn: Bluetooth LE connections from bleconnd, in C++17. One header, the standard library only.
//
//   bleconn::Client client;
//   bleconn::Connection lamp = client.establish("AA:BB:CC:DD:EE:FF");
//   // lamp.bluez_device() is its object on org.bluez: GATT reads, writes and notifications go there.
//   // The link is given up with `lamp`.
//
// What each option and error means is said in org.bleconnd(5); ranges are the daemon's. Times are durations,
// never plain numbers. An address is six hex pairs with colons, any case. Failures throw bleconn::Error, or
// are handed to a callback as one. Every call has a deadline, named with it; a daemon that does not answer by
// then is Category::timeout. All calls can end with daemon_not_running and access_denied; their other
// categories are named with them. A Client and its Connections may be used by several threads.
//
// Callbacks run on the thread that runs the client's loop (but see on_disconnected). They must not block, and
// must not throw: that terminates the program. A blocking call made in one is refused with invalid_args;
// giving Connections up and cancelling calls is allowed.
//
// After fork() the child must use neither: it may let them go, which then does nothing.
#ifndef BLECONN_BLECONN_HPP
#define BLECONN_BLECONN_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#define BLECONN_API __attribute__((visibility("default")))

struct sd_event;  // of <systemd/sd-event.h>, for Client::Loop::of

namespace bleconn {

// What went wrong, as a program decides by it: the names of org.bleconnd.Error.*, of the bus, and two of the
// library's own. The first four are those of an attempt to connect.
enum class Category : std::uint8_t {
  not_found,                // the device was not heard
  out_of_connection_slots,  // no adapter has a connection free
  aborted,                  // it was there, and the link did not come up or did not last
  connection_failed,        // anything else that more attempts do not mend
  timeout,                  // the time allowed is over
  cancelled,                // given up by somebody: release, Disconnect, cancel(), the end of the daemon
  not_ready,                // no bluetoothd, or no adapter that is on
  not_connected,            // nothing to give up
  not_cached,               // no services are known
  busy,                     // contradicts what runs for other programs
  invalid_args,             // an address, an option, or where a call was made
  access_denied,            // root's, or not a member of group bluetooth
  limits_exceeded,          // too many leases or waiting calls of this user
  daemon_not_running,       // no org.bleconnd on the bus, and nothing starts it; or no bus
  unexpected,               // an answer that no version of the daemon gives
};
// As the daemon spells it: "NotFound" …; "DaemonNotRunning", "Unexpected".
BLECONN_API std::string_view to_string(Category category) noexcept;

class BLECONN_API Error : public std::runtime_error {
 public:
  // `message`: as the daemon says it, `token: what happened (failure n of m, seconds, cause); what to do`.
  Error(Category category, const std::string& message);
  Category category() const noexcept { return category_; }
  // The stable word for programs: "not-seen", "no-slot" … (org.bleconnd(5)); empty where the message has
  // none.
  const std::string& token() const noexcept { return token_; }
  const std::string& advice() const noexcept { return advice_; }  // what to do; empty without a token

 private:
  Category category_;
  std::string token_;
  std::string advice_;
};

// The outcome of a call that was made with a callback: a value, or an error.
template <class T>
class Result {
 public:
  Result(T value) : outcome_{std::move(value)} {}
  Result(Error error) : outcome_{std::move(error)} {}
  bool ok() const noexcept { return outcome_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }
  T& value() {  // throws the error if there is one
    if (!ok()) throw std::get<1>(outcome_);
    return std::get<0>(outcome_);
  }
  const Error& error() const { return std::get<1>(outcome_); }  // only where !ok()

 private:
  std::variant<T, Error> outcome_;
};

enum class Lifetime : std::uint8_t {
  caller,     // the lease ends with its Connection, or after the linger of a process that was killed
  persistent  // it belongs to the user, over restarts of the daemon and of the host, until
              // Connection::release(); letting the Connection go leaves it
};
enum class Priority : std::uint8_t { low, normal, high };  // in the daemon's dial queue

// One attempt that failed while a call goes on.
struct AttemptFailed {
  std::uint32_t attempt;       // 1 …
  std::uint32_t max_attempts;  // of the counter that this failure is in; 0: it is not counted
  Error error;
  std::chrono::microseconds retry_in;  // 1: at once; 0: it was the last one
};

// How to connect. What is not set is the daemon's default, named here; main.conf can change it.
struct Options {
  Lifetime lifetime = Lifetime::caller;
  // The whole call, 1 to 86,400 s; 120 s, and NotReady is told after 20 s without bluetoothd or an adapter
  // that is on, which waits on where a timeout is set. The library gives up 30 s after it (an hour where none
  // is set): then the daemon hangs.
  std::optional<std::chrono::seconds> timeout{};
  std::optional<std::chrono::seconds> attempt_timeout{};  // each window, dial and resolve, 1 to 300 s; 20 s
  std::optional<std::uint32_t> max_attempts{};            // 1 to 100; 4
  std::string adapter{};                                  // hciN or the adapter's address; empty: any
  std::optional<bool>
      use_services_cache{};  // answer as soon as the link is up where its services are known; yes
  std::vector<std::string> required_uuids{};  // services or characteristics that must exist; at most 64
  std::optional<bool> pair{};                 // pair first if there is no bond yet; no
  std::optional<bool> trust{};                // set BlueZ's Trusted; no
  bool maintain = false;                      // connect again after every loss, while the lease is held
  std::optional<Priority> priority{};         // normal
  std::string label{};                        // for the daemon's log, at most 64 bytes
  // false: the Connection is there as soon as the daemon knows of it, its link later (on_connected). Only
  // with maintain or a persistent lease.
  bool wait = true;
  // While the call goes on: attempts that failed, and what the device is doing: now, and at each change
  // ("queued", "discovering", "connecting", "resolving", "backing-off"; on which adapter, or "").
  std::function<void(const AttemptFailed&)> on_attempt_failed{};
  std::function<void(const std::string& state, const std::string& adapter)> on_state{};
};

struct Descriptor {
  std::string uuid;          // 36 lower-case characters, as everywhere below
  std::string path;          // BlueZ's object
  std::uint16_t handle = 0;  // of the attribute
};
struct Characteristic {
  std::string uuid;
  std::string path;          // BlueZ's object: ReadValue, WriteValue, StartNotify go there
  std::uint16_t handle = 0;  // of the declaration; 0: BlueZ < 5.69 tells none, and it is not in the path
  std::vector<std::string> flags{};  // "read", "write", "notify" … as BlueZ names them
  std::vector<Descriptor> descriptors{};
};
struct Service {
  std::string uuid;
  std::string path;
  std::uint16_t handle = 0;  // of the declaration
  bool primary = true;
  std::vector<Characteristic> characteristics{};
};

// The services of one device, by handle.
class BLECONN_API Services {
 public:
  const std::vector<Service>& all() const& noexcept { return services_; }
  std::vector<Service> all() && { return std::move(services_); }
  bool from_cache() const noexcept { return from_cache_; }         // not those of a link that is up
  std::chrono::microseconds age() const noexcept { return age_; }  // since they were known to be these
  // The first one with this UUID, short ("180f") or long, any case; null: none.
  const Service* service(std::string_view uuid) const& noexcept;
  const Characteristic* characteristic(std::string_view uuid) const& noexcept;
  const Service* service(std::string_view uuid) && = delete;  // it would point into what is gone
  const Characteristic* characteristic(std::string_view uuid) && = delete;

 private:
  friend class Reader;
  std::vector<Service> services_;
  bool from_cache_ = false;
  std::chrono::microseconds age_{0};
};

class Core;
class Client;
struct Handle;

// A lease of one device: the link stays up while it lives, as far as that is in the daemon's hands.
// Move-only. Several of one process for one device count: the lease ends with the last of them whose link was
// not lost. Letting one go gives it up without waiting (a persistent one stays); a callback of it that runs
// at that moment is waited for.
class BLECONN_API Connection {
 public:
  Connection() noexcept;  // none: only to be assigned to, moved, or asked whether it is one
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();

  explicit operator bool() const noexcept { return state_ != nullptr; }
  const std::string& address() const;  // six upper-case hex pairs with colons
  const Options& options() const;      // those of its call
  std::string adapter() const;         // hciN; empty: not known yet
  // Object path on org.bluez; it can change when a maintained link comes back.
  std::string bluez_device() const;
  bool is_connected() const;  // as far as was told
  // Of the call that made it:
  std::uint32_t attempts() const;             // 1: the first one succeeded; 0: none was needed
  std::chrono::microseconds elapsed() const;  // of the call, as the daemon measured it
  bool services_from_cache() const;
  const std::string& state() const;  // Device1.State as it was answered: "connected"; without wait "queued" …
  bool shared() const;               // the link, or the attempt, was there before
  // Whether the services are those that BlueZ resolved on this link; false at first where they are cached.
  bool services_verified() const;

  // The services as they are now. Blocks, 25 s at most. Also not_cached (the link has ended, and none are
  // known), connection_failed (bluetoothd did not answer).
  Services services() const;

  // Called when the link has ended, with the reason: "link-lost", "link-lost-remote", "released", "forced",
  // "adapter-off", "stack-down" … of Device1.Disconnected, or the library's "daemon-restarted" (it did not
  // outlive that) and "bus-lost" (the Client is of no use any more: make another). Replaces what was set
  // before. If that has happened already it is called at once, by this thread.
  void on_disconnected(std::function<void(const std::string& reason)> callback);
  // Called when a maintained or persistent one has a link again, or for the first time.
  void on_connected(std::function<void()> callback);
  // Called when the services turned out to be others than those that were known: ask for them again.
  void on_services_changed(std::function<void()> callback);

  // Gives the lease up, a persistent one too, and waits until the link is down if nobody else holds it: 30 s
  // at most. How many leases are left, Connections of this process that hold the device included.
  std::uint32_t release();

  // Leaves the lease to the daemon's linger, as a program that is killed does: the link stays up for
  // LingerSec (30 s) after this process has left the bus, and the next call for the device takes it over. Not
  // where this process goes on using the same Client.
  void leave_to_linger();

  // What retry() needs: waits until the link is known to be lost, or for `patience`. Whether it is.
  bool is_lost_within(std::chrono::milliseconds patience) const;

 private:
  friend class Core;
  friend class Client;
  struct State;
  explicit Connection(std::shared_ptr<State> state) noexcept;
  void let_go() noexcept;
  std::shared_ptr<State> state_;
};

// A call that was made with a callback. Letting it go changes nothing.
class BLECONN_API Call {
 public:
  Call() noexcept = default;
  void cancel();  // its callback gets Category::cancelled, if it was not called yet

 private:
  friend class Client;
  std::weak_ptr<Core> core_;
  std::uint64_t number_ = 0;
};

// One device as ListConnections tells it.
struct Listed {
  std::string address;
  std::string state;         // Device1.State: "connected", "queued" …
  std::string adapter;       // hciN, or empty
  std::uint32_t leases = 0;  // of all programs
};

// One connection to the system bus. Cheap to keep, and to be shared by a program: its leases are those of one
// bus name. It outlives a restart of the daemon: calls that waited are made again until their deadline, and
// leases are taken again. It does not outlive its bus. Of its calls 96 are with the daemon at a time, the bus
// allows 128; further ones wait their turn.
class BLECONN_API Client {
 public:
  // Who runs its loop. With neither, a thread of its own.
  struct Loop {
    sd_event* of = nullptr;  // this event loop of the caller's; the Client is made and ended on its thread
    bool polled = false;     // the caller: fd(), dispatch(), on one thread
  };
  Client();  // throws daemon_not_running without a system bus
  explicit Client(Loop loop);
  // `host`: the system bus of another machine, by ssh, as busctl's --host does it; "" is this one.
  Client(const std::string& host, Loop loop);
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();  // waiting calls are cancelled, their callbacks have run when this returns; Connections live on

  // Connects, or joins what connects or is connected. Blocks until the link is up and its services are
  // usable, for Options::timeout at most. Every category but not_connected and not_cached.
  Connection establish(const std::string& address, const Options& options = {});
  // The same, not blocking. The future has the Connection, or throws the Error.
  std::future<Connection> establish_future(const std::string& address, const Options& options = {});
  // The same; `done` is called once, in the loop.
  Call establish(const std::string& address, const Options& options,
                 std::function<void(Result<Connection>)> done);

  // Forgets the cached services, so that the next connection discovers afresh; `force`: BlueZ's object too,
  // with its bond and its link, in any case. Whether there was anything. Blocks, 25 s at most. Also
  // invalid_args, access_denied (`force`, while other programs hold the link), limits_exceeded.
  bool clear_cache(const std::string& address, bool force = false);
  // Drops links of the device that nobody leases. How many. Root only. Blocks, 60 s at most: 20 s a link that
  // does not go. Also connection_failed, not_ready, invalid_args, limits_exceeded.
  std::uint32_t close_stale(const std::string& address, bool only_other_adapters = false);
  // Live, or from the cache. Blocks, 25 s at most. Also not_cached, connection_failed, invalid_args.
  Services services(const std::string& address);
  // The devices that are leased, attempted or connected. Blocks, 25 s at most.
  std::vector<Listed> list();
  // JSON of one device, or of everything for "": org.bleconnd(5). Blocks, 25 s at most. Also invalid_args,
  // limits_exceeded.
  std::string describe(const std::string& address = {});
  // The same; `done` is called once, in the loop.
  void describe(const std::string& address, std::function<void(Result<std::string>)> done);

  // For Loop::polled: readable when dispatch() has something to do. dispatch() never waits; in a callback it
  // does nothing.
  int fd() const;
  void dispatch();

 private:
  void close() noexcept;
  std::shared_ptr<Handle> handle_;
};

// Runs `operation(connection)`, and when it throws because the link was lost, connects again with the same
// options and runs it once more: at most `times` runs. What is no loss of the link is thrown on at once, and
// so is a time-out, since what it has done by then is not known: Category::timeout, and what `is_timeout`
// says of other exceptions, those of the caller's D-Bus library. The Connection is replaced by the new one.
// Blocks as long as the operation and establish() do, and 1 s a failure.
template <class Operation>
auto retry(Client& client, Connection& connection, Operation&& operation, int times = 2,
           const std::function<bool(const std::exception&)>& is_timeout = {})
    -> decltype(operation(connection)) {
  constexpr std::chrono::milliseconds loss_is_told{1000};  // BlueZ's signal follows the failed operation
  for (int run = 1;; ++run) {
    try {
      return operation(connection);
    } catch (const std::exception& failure) {
      const auto* error = dynamic_cast<const Error*>(&failure);
      const bool timed_out =
          error ? error->category() == Category::timeout : is_timeout && is_timeout(failure);
      if (timed_out || run >= times || !connection.is_lost_within(loss_is_told)) throw;
    }
    const std::string address = connection.address();
    const Options options = connection.options();
    connection = client.establish(address, options);
  }
}

}  // namespace bleconn

#endif
