// What a Client is: the calls that wait, the leases that Connections hold, and what the daemon tells of them.
// All of it is touched by the loop's thread only.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "bleconn/bleconn.hpp"
#include "pump.hpp"

namespace bleconn {

// What keeps a Core going: the Client and its Connections. With the last of them its thread ends.
class Core;
struct Handle {
  explicit Handle(std::shared_ptr<Core> of) : core{std::move(of)} {}
  Handle(const Handle&) = delete;
  ~Handle();
  std::shared_ptr<Core> core;
};

struct Connection::State {
  std::shared_ptr<Handle> handle;
  std::string address;
  bool persistent = false;
  std::uint32_t attempts = 0;
  std::chrono::microseconds elapsed{0};
  bool shared = false;

  mutable std::mutex mutex;  // for what follows: any thread may look
  mutable std::condition_variable changed;
  std::string adapter;
  std::string bluez_device;
  bool from_cache = false;
  bool verified = false;
  bool connected = true;
  std::string reason;  // of the last end
  std::function<void(const std::string&)> on_disconnected;
  std::function<void()> on_connected;
  bool calling = false;  // one of the two runs

  // In the loop, `mutex` not held. What a callback refers to may go with the Connection, which waits for its
  // end.
  template <class Callback, class... Arguments>
  void call(const Callback& callback, const Arguments&... arguments) {
    if (callback) callback(arguments...);
    {
      const std::lock_guard locked{mutex};
      calling = false;
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

  // Any thread: `work` in the loop. Where nobody runs it at the moment, at once.
  void in_loop(Pump::Work work);
  // Runs what `start` begins and waits for its outcome. Throws where that would be for ever: in a callback.
  template <class T>
  T wait_for(const std::function<void(std::function<void(Result<T>)>)>& start);

  // In the loop:
  void establish(const std::shared_ptr<Handle>& handle, std::uint64_t number, const std::string& address,
                 const Options& options, Done done);
  void cancel(std::uint64_t number, const std::string& why);
  void cancel_all();
  void connection_went(const std::string& address, bool persistent);
  void leave_to_linger(const std::string& address);
  void release(const std::string& address, std::function<void(Result<std::uint32_t>)> done);
  Message manager_call(const char* member);
  // A call that has an answer within `patience`, or an error.
  void ask(Message message, std::chrono::microseconds patience, Answered answered);

  std::uint64_t new_number() { return ++numbers_; }

 private:
  struct Waiting {
    Core& core;
    std::uint64_t number;
    std::string address;
    Options options;
    Clock::time_point deadline;
    std::weak_ptr<Handle> handle;
    Done done;
    Slot slot{};
    std::optional<Pump::Timer> again{};
    Clock::time_point gone_since{};  // the daemon, as seen by this call; 0: it is there
  };
  struct Device {
    Core& core;
    std::string address;
    int connections = 0;
    int waiting = 0;
    bool leased = false;
    Options options{};
    std::list<std::weak_ptr<Connection::State>> states{};
    Slot signals{};
  };
  struct Ask {
    Core& core;
    Answered answered;
    Slot slot{};
    std::list<std::unique_ptr<Ask>>::iterator at{};
  };

  Device& device(const std::string& address);
  void drop_if_unused(const std::string& address);
  void send(Waiting& waiting);
  void send_again_in(Waiting& waiting, Clock::duration pause);
  void answered(Waiting& waiting, sd_bus_message* reply);
  void failed(Waiting& waiting, const sd_bus_error& error);
  void finish(std::uint64_t number, Result<Connection> result);
  Message establish_call(const std::string& address, const Options& options, std::chrono::seconds timeout,
                         bool wait);
  std::shared_ptr<Connection::State> read_established(sd_bus_message* reply,
                                                      const std::shared_ptr<Handle>& handle,
                                                      const std::string& address, bool persistent);

  void owner_is(const std::string& owner);
  void take_again(Device& device);
  void link_ended(Device& device, const std::string& reason);
  void link_is_up(Device& device, const std::string& bluez_device, const std::string& adapter);
  void attempt_failed(const Device& device, const AttemptFailed& failed);
  void state_changed(const Device& device, const std::string& state, const std::string& adapter);
  int on_device_signal(Device& device, sd_bus_message* signal);
  void read_properties(Device& device, sd_bus_message* signal);

  Pump pump_;
  std::string owner_;  // the daemon's unique name, as far as it is known
  Slot owner_signal_;
  std::optional<Clock::time_point> left_at_;  // when the daemon was seen to go
  std::atomic<std::uint64_t> numbers_{0};
  std::map<std::string, Device> devices_;
  std::map<std::uint64_t, std::unique_ptr<Waiting>> waiting_;
  std::list<std::unique_ptr<Ask>> asks_;
};

template <class T>
T Core::wait_for(const std::function<void(std::function<void(Result<T>)>)>& start) {
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
  if (pump_.has_thread()) {
    std::unique_lock locked{outcome->mutex};
    outcome->came.wait(locked, [&] { return outcome->result.has_value(); });
  } else {
    pump_.run_until([&] { return outcome->result.has_value(); });
  }
  return std::move(outcome->result->value());
}

}  // namespace bleconn
