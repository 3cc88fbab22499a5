// A scripted org.bluez: adapters, peripherals in the air, a bluetoothd that can be killed and restarted.
// It has a bus connection of its own and records every call, so that tests compare lists of effects.
#pragma once

#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapter.hpp"
#include "bluez_core.hpp"
#include "peripheral.hpp"

namespace bleconnd::integration {

struct RecordedCall {
  microseconds at{};  // real time since the start of the script
  std::string sender;
  std::string path;
  std::string interface;
  std::string member;
  nlohmann::json arguments;
};

// What a well-behaved client leaves at zero when it has nothing more to do.
struct Leftovers {
  std::size_t pending_connects = 0;
  std::size_t pending_pairs = 0;
  std::size_t links = 0;
  std::size_t discovery_sessions = 0;
  bool operator==(const Leftovers&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Leftovers& left);

class ScriptedBluez {
 public:
  ScriptedBluez(Loop& loop, std::string bus_address, BluezSettings settings = {});
  ~ScriptedBluez();
  ScriptedBluez(const ScriptedBluez&) = delete;
  ScriptedBluez& operator=(const ScriptedBluez&) = delete;

  // The world. An adapter takes the lowest free index and is powered; plugging in one later goes through
  // plug().
  Adapter& add_adapter(const std::string& address = {});
  Peripheral& add_peripheral(const std::string& address);
  [[nodiscard]] const Air& air() const { return air_; }
  [[nodiscard]] BluezSettings& settings() { return core_.settings; }

  // bluetoothd. `start` shows everything at once; `come_back` is a restart: the name first, then the
  // adapters, which hold only stored devices.
  void start();
  void kill();       // SIGKILL: the connection is gone, the bus answers the callers
  void terminate();  // SIGTERM: objects go in order, then the name
  void come_back();
  // What the others see of SIGSTOP and SIGCONT: it reads nothing, sends nothing, and its times pass
  // unnoticed.
  void stop();
  void resume();
  [[nodiscard]] bool running() const { return bus_ != nullptr; }
  [[nodiscard]] const std::string& unique_name() const { return unique_name_; }

  // Adapters are plugged in under the lowest free index, or the given one, unpowered at first.
  void unplug(Adapter& adapter);
  void plug(Adapter& adapter, std::optional<unsigned> index = {});
  void swap_indices(Adapter& one, Adapter& other);

  // Property changes starve behind a flood of reports: told with the next reply or when this ends.
  void withhold_signals(bool on) { core_.objects.starve(on); }

  // Faults of the next call of a method ("StartDiscovery", "GetAll", …), before it is handled.
  void swallow_next(const std::string& member);
  void delay_next(const std::string& member, microseconds by);
  void fail_next(const std::string& member, const std::string& error, const std::string& message);
  // Runs the action when the next call of the method arrives, then handles the call.
  void when_called(const std::string& member, Timeline::Action action);
  // Something that happens after a time of BlueZ's.
  void later(microseconds delay, Timeline::Action action);

  [[nodiscard]] const std::vector<RecordedCall>& calls() const { return calls_; }
  // "Connect hci0/dev_AA_BB_CC_DD_EE_FF" and so on; of these methods only, or of all.
  [[nodiscard]] std::vector<std::string> called(const std::vector<std::string>& members = {}) const;
  [[nodiscard]] std::size_t count(const std::string& member) const { return called({member}).size(); }
  void forget_calls() { calls_.clear(); }
  [[nodiscard]] Leftovers leftovers() const;
  [[nodiscard]] const std::vector<std::string>& story() const { return core_.story(); }
  [[nodiscard]] std::string told() const;  // the story as one text

 private:
  friend struct BluezMethods;

  struct Interception {
    enum class Kind { swallow, delay, fail, act };
    Kind kind;
    microseconds delay{};
    std::string error;
    std::string message;
    Timeline::Action action;
  };

  void connect_to_bus();
  void leave_bus();
  int receive(sd_bus_message* message);
  bool intercepted(const Message& call, const std::string& member);
  void client_gone(const std::string& bus_name);
  [[nodiscard]] unsigned lowest_free_index() const;
  [[nodiscard]] Adapter* adapter_at(const std::string& path) const;
  [[nodiscard]] Device* device_at(const std::string& path) const;
  void announce_managers();
  void announce_adapter(Adapter& adapter, unsigned index, bool powered);

  Loop& loop_;
  std::string bus_address_;
  BluezCore core_;
  Air air_;
  std::vector<std::unique_ptr<Adapter>> adapters_;
  Bus bus_;
  std::string unique_name_;
  std::vector<RecordedCall> calls_;
  std::multimap<std::string, Interception> interceptions_;
  std::vector<Timeline::Appointment> appointments_;
};

// The part of a path after /org/bluez/.
[[nodiscard]] std::string short_path(const std::string& path);

}  // namespace bleconnd::integration
