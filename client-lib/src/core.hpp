// What a Client is: the calls that wait, the leases that Connections hold, and what the daemon tells of them.
// All of it is touched in the loop only, one thread at a time.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bleconn/bleconn.hpp"
#include "pump.hpp"
#include "request.hpp"

namespace bleconn {

// What keeps a Core going: the Client and its Connections. With the last of them its thread ends.
class Core;
struct Handle {
  explicit Handle(std::shared_ptr<Core> of) : core{std::move(of)} {}
  Handle(const Handle&) = delete;
  ~Handle();
  std::shared_ptr<Core> core;
};

// A callback of the program. What it throws ends the program: past here are sd-bus' C frames.
template <class... Arguments, class... Given>
void tell(const std::function<void(Arguments...)>& callback, Given&&... given) noexcept {
  if (callback) callback(std::forward<Given>(given)...);
}

struct Connection::State {
  std::shared_ptr<Handle> handle;
  std::uint64_t number = 0;
  std::string address;
  Options options;
  std::string state;
  std::uint32_t attempts = 0;
  std::chrono::microseconds elapsed{0};
  bool shared = false;
  bool adopted = false;  // the link was up before the daemon
  bool from_cache = false;

  bool outlasts_its_link() const { return options.maintain || options.lifetime == Lifetime::persistent; }

  mutable std::mutex mutex;  // for what follows: any thread may look
  mutable std::condition_variable changed;
  std::string adapter;
  std::string bluez_device;
  bool verified = false;
  bool connected = true;
  std::string reason;  // of the last end
  std::function<void(const std::string&)> on_disconnected;
  std::function<void()> on_connected;
  std::function<void()> on_services_changed;
  int calling = 0;  // of the three, those that run

  template <class... Arguments, class... Given>
  void call(std::function<void(Arguments...)> State::*which, const Given&... given) {
    call_if([] { return true; }, which, given...);
  }

  // In the loop, `mutex` not held. What a callback refers to may go with the Connection, which waits for its
  // end; so it is called by a copy that outlives that. `changes` is run with the mutex held, and says whether
  // there is anything to tell: a callback that is set by another thread is there before it, or sees it.
  template <class Changes, class... Arguments, class... Given>
  void call_if(const Changes& changes, std::function<void(Arguments...)> State::*which,
               const Given&... given) {
    std::function<void(Arguments...)> callback;
    {
      const std::lock_guard locked{mutex};
      if (!changes()) return;
      callback = this->*which;
      ++calling;
    }
    changed.notify_all();
    tell(callback, given...);
    callback = {};
    {
      const std::lock_guard locked{mutex};
      --calling;
    }
    changed.notify_all();
  }
};

class Core : public std::enable_shared_from_this<Core> {
 public:
  using Done = std::function<void(Result<Connection>)>;
  using Answered = std::function<void(sd_bus_message* reply, const Error* error)>;

  explicit Core(const std::string& host);
  Core(const Core&) = delete;
  ~Core();

  Pump& pump() { return pump_; }
  void begin();

  // Any thread: `work` in the loop. At once where this thread runs it.
  void in_loop(Pump::Work work);
  // Runs what `start` begins and waits for its outcome. Throws where that would be for ever: in a callback,
  // and in a child of fork().
  template <class T>
  T wait_for(const std::function<void(std::function<void(Result<T>)>)>& start);

  std::uint64_t new_number() { return ++numbers_; }

  // In the loop:
  void establish(const std::weak_ptr<Handle>& handle, std::uint64_t number, const std::string& address,
                 const Options& options, Done done);
  void cancel(std::uint64_t number, const std::string& why);
  void cancel_all();
  void connection_went(const std::string& address, std::uint64_t number);
  void leave_to_linger(const std::string& address);
  void release(const std::string& address, std::uint64_t number,
               const std::function<void(Result<std::uint32_t>)>& done);
  // A call that has an answer within `patience`, or an error. `releases`: the device that it gives up.
  void ask(Request request, std::chrono::microseconds patience, Answered answered,
           const std::string& releases = {});

 private:
  struct Waiting {
    Core& core;
    std::uint64_t number;
    std::string address;
    Options options;
    Clock::time_point deadline;
    std::weak_ptr<Handle> handle;
    Done done;
    Slot slot{};  // its call is with the daemon
    std::optional<Pump::Timer> timer{};
    Clock::time_point gone_since{};  // the daemon, as seen by this call; 0: it is there
    bool over = false;               // its error is told in a moment
  };
  struct Held {
    std::uint64_t number;
    std::weak_ptr<Connection::State> state;
    Lifetime lifetime;
    bool maintained;
    bool holds = true;  // false: its link is lost, and the lease went with it
  };
  struct Device {
    std::string address;
    int waiting = 0;
    std::list<Held> connections{};
    bool owes_release = false;        // the daemon may have a lease of this process
    bool is_held(Lifetime by) const;  // by a lease of this process, or of its user
  };
  struct Ask {
    Core& core;
    Request request;
    std::chrono::microseconds patience;
    Answered answered;
    std::string releases;
    Clock::time_point due{};
    Slot slot{};
    std::list<std::unique_ptr<Ask>>::iterator at{};
  };

  void add_match(const char* rule, sd_bus_message_handler_t seen, Slot& slot);
  std::shared_ptr<Device> device(const std::string& address);
  std::shared_ptr<Device> known(const std::string& address) const;
  void settle(const std::shared_ptr<Device>& device);
  void send_release(Device& device);
  void ask_release(const std::string& address, Lifetime lifetime, Answered answered);
  bool has_unsent_release(const std::string& address) const;

  std::optional<Error> refused(const std::string& address, const Options& options) const;
  void send(Waiting& waiting);
  void send_if_unsent(std::uint64_t number);
  void send_unsent();
  void send_held(const std::string& address);
  void answered(Waiting& waiting, sd_bus_message* reply);
  void failed(Waiting& waiting, const sd_bus_error& error);
  void due(Waiting& waiting);
  void at(Waiting& waiting, Clock::time_point when, void (Core::*what)(Waiting&));
  void fail_soon(Waiting& waiting, const Error& error);
  void finish(std::uint64_t number, Result<Connection> result);
  Request establish_call(const std::string& address, const Options& options,
                         std::optional<std::chrono::seconds> timeout);
  std::shared_ptr<Connection::State> read_established(sd_bus_message* reply);
  void send_asks();
  void send(Ask& ask);
  Error unanswered(const Ask& ask, const sd_bus_error& error) const;
  void ask_state(const std::string& address, Answered answered);
  void tell_state_now(const std::string& address, std::uint64_t number);

  void owner_is(const std::string& owner);
  void bus_ended();
  void take_again(const std::shared_ptr<Device>& device);
  void look_again(const std::shared_ptr<Device>& device);
  // `only`: of those that hold such a lease. `for_good`: maintained and persistent ones, too.
  void link_ended(const std::shared_ptr<Device>& device, const std::string& reason,
                  std::optional<Lifetime> only = {}, bool for_good = false);
  void link_is_up(const std::shared_ptr<Device>& device);
  void path_is(const Device& device, const std::string& bluez_device, const std::string& adapter);
  void state_changed(const std::string& address, const std::string& state, const std::string& adapter);
  void attempt_failed(const std::string& address, const AttemptFailed& failed);
  void on_device_signal(const std::shared_ptr<Device>& device, sd_bus_message* signal);
  void read_properties(const std::shared_ptr<Device>& device, sd_bus_message* signal);
  std::vector<std::uint64_t> waiting_for(const std::string& address) const;
  std::vector<std::shared_ptr<Connection::State>> states_of(const Device& device) const;

  Pump pump_;
  std::string owner_;                         // the daemon's unique name, as far as it is known
  std::optional<Error> is_deaf_;              // no calls any more: what would be told does not come
  std::optional<Clock::time_point> left_at_;  // when the daemon was seen to go
  std::atomic<std::uint64_t> numbers_{0};
  std::map<std::string, std::shared_ptr<Device>> devices_;
  std::map<std::uint64_t, std::unique_ptr<Waiting>> waiting_;
  std::deque<std::uint64_t> unsent_;
  std::size_t calls_sent_ = 0;
  std::list<std::unique_ptr<Ask>> asks_;  // those that are sent first
  std::deque<Ask*> asks_unsent_;
  std::size_t asks_sent_ = 0;
  Slot owner_signal_, daemon_signal_, end_signal_;
};

template <class T>
T Core::wait_for(const std::function<void(std::function<void(Result<T>)>)>& start) {
  if (pump_.is_forked())
    throw Error{Category::invalid_args, "invalid: a Client from before fork(); make one in the child"};
  if (pump_.is_inside())
    throw Error{Category::invalid_args,
                "invalid: a blocking call in a callback; use the form with a callback"};
  struct Outcome {
    std::mutex mutex;
    std::condition_variable came;
    std::optional<Result<T>> result;
  };
  const auto outcome = std::make_shared<Outcome>();
  const auto done = [outcome](Result<T> result) {
    const std::lock_guard locked{outcome->mutex};
    outcome->result.emplace(std::move(result));
    outcome->came.notify_all();
  };
  pump_.post([start, done] { start(done); });
  if (pump_.runs_here()) {
    pump_.run_until([&] { return outcome->result.has_value(); });
  } else {
    std::unique_lock locked{outcome->mutex};
    outcome->came.wait(locked, [&] { return outcome->result.has_value(); });
  }
  // The loop may be the last to let go of the outcome: an error is thrown from one of this thread.
  auto result = std::move(*outcome->result);
  return std::move(result.value());
}

}  // namespace bleconn
