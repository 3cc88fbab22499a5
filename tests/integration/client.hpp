// A bus client of the tests, with a connection and so a unique name of its own; no call of it blocks.
// It can speak as another user, leave the bus at any moment, and send signals that only bluetoothd should.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "loop.hpp"
#include "value.hpp"

namespace bleconnd::integration {

struct Reply {
  bool done = false;
  std::string error;         // empty: a method return
  std::string message;       // text of the error
  nlohmann::json arguments;  // of the return: an array
  std::chrono::microseconds took{};

  [[nodiscard]] bool ok() const { return done && error.empty(); }
  [[nodiscard]] std::string outcome() const { return !done ? "pending" : ok() ? "ok" : error; }
};
using PendingReply = std::shared_ptr<Reply>;

struct Signal {
  std::string sender;
  std::string path;
  std::string interface;
  std::string member;
  nlohmann::json arguments;
};

// "PC hci0/dev_X {\"Connected\":true}", "IA hci0/dev_X/service0007", "IR …", "NameOwnerChanged [...]".
[[nodiscard]] std::string describe(const Signal& signal);

struct CallTarget {
  std::string destination;
  std::string path;
  std::string interface;
};

constexpr uid_t nobody = 65534;

// Runs the action under another effective user, without supplementary groups, and comes back. -1: as it is.
void as_user(uid_t uid, const std::function<void()>& action);
// A connection of a user, on no loop.
Bus open_bus(const std::string& address, uid_t uid);
std::string unique_name_of(sd_bus* bus);

class Client {
 public:
  // Another uid needs root: the connection is made under that user id, without its groups.
  Client(Loop& loop, const std::string& bus_address, uid_t uid = static_cast<uid_t>(-1));
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] const std::string& unique_name() const { return unique_name_; }
  // Drops the connection as a crash would; what is pending stays unanswered.
  void leave();
  // A connection anew, under another unique name and without rules: behind leave() or the end of the bus.
  void join();

  // Any call, without a time-out of its own.
  PendingReply call(const CallTarget& target, const std::string& member,
                    const std::vector<Argument>& arguments = {});
  // Of any signature: `fill` appends the arguments.
  PendingReply call_with(const CallTarget& target, const std::string& member,
                         const std::function<void(sd_bus_message*)>& fill);
  PendingReply get(const CallTarget& target, const std::string& property);

  // org.bleconnd.Manager1
  PendingReply establish(const std::string& address, const Dictionary& options = {});
  PendingReply release(const std::string& address);
  PendingReply manager(const std::string& member, const std::vector<Argument>& arguments = {});
  PendingReply manager_property(const std::string& property);
  PendingReply device_property(const std::string& address, const std::string& property);
  PendingReply daemon_objects();

  // org.bluez, as another program on the host: a foreign dial, a foreign Disconnect.
  PendingReply bluez_device(const std::string& path, const std::string& member);
  PendingReply bluez_adapter(const std::string& path, const std::string& member,
                             const std::vector<Argument>& arguments = {});

  // Signals from now on that pass the rule, in order.
  void watch(const std::string& match_rule);
  void watch_daemon() { watch("type='signal',sender='org.bleconnd'"); }
  void watch_bluez() { watch("type='signal',sender='org.bluez'"); }
  [[nodiscard]] const std::vector<Signal>& signals() const { return signals_; }
  [[nodiscard]] std::vector<Signal> signals(const std::string& member) const;
  [[nodiscard]] std::size_t count_signals(const std::string& member) const;
  [[nodiscard]] std::vector<std::string> described() const;
  void forget_signals() { signals_.clear(); }

  // Signals and the answers to `noted` calls in the order of their arrival: "Connect → ok".
  [[nodiscard]] const std::vector<std::string>& events() const { return events_; }
  void forget_events() { events_.clear(); }

  // Forgery: a unicast signal, which the stock bus policy lets any user send.
  void forge(const std::string& destination, const std::string& path, const std::string& interface,
             const std::string& member, const std::vector<Argument>& arguments);
  void forge_properties_changed(const std::string& destination, const std::string& path,
                                const std::string& interface, const Dictionary& changed);
  void forge_object_removed(const std::string& destination, const std::string& path);
  void forge_owner_change(const std::string& destination, const std::string& name, const std::string& before,
                          const std::string& after);

  // What the bus itself says. These ask the bus driver and wait for it: it is another process and always
  // answers.
  [[nodiscard]] std::string owner_of(const std::string& name);
  [[nodiscard]] std::vector<std::string> match_rules_of(const std::string& unique_name);  // dbus-daemon only
  // What the bus keeps for a connection: "Matches", "OutgoingBytes" and so on.
  [[nodiscard]] std::size_t kept_for(const std::string& unique_name,
                                     const std::string& what);  // dbus-broker only

 private:
  int receive(sd_bus_message* message);
  nlohmann::json ask_driver(const std::string& interface, const std::string& member,
                            const std::vector<Argument>& arguments);

  struct Pending;
  Loop& loop_;
  std::string bus_address_;
  uid_t uid_;
  Bus bus_;
  std::string unique_name_;
  std::vector<Signal> signals_;
  std::vector<std::string> events_;
};

// /org/bleconnd/dev_AA_BB_CC_DD_EE_FF
[[nodiscard]] std::string daemon_device_path(std::string address);

}  // namespace bleconnd::integration
