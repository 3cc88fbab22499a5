// The terms of an attempt and what it tells while it runs.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/failure.hpp"
#include "core/settings.hpp"
#include "core/terms.hpp"
#include "ports/bluez.hpp"

namespace bleconnd {

// What a device is doing, as Device1.State tells it.
enum class Stage {
  disconnected,
  queued,
  discovering,
  connecting,
  resolving,
  connected,
  backing_off,
  disconnecting
};
std::string_view text(Stage stage);

// Terms grow while callers join, so a run reads them anew at each use.
bool may_use(const Settings& settings, const Terms& terms, const AdapterState& adapter);

struct FailedAttempt {
  std::uint32_t attempt;  // 1 …
  Failure failure;
  std::uint32_t count;  // n of "failure n of m"
  std::uint32_t bound;  // m
  bool last;
  std::chrono::milliseconds retry_in;
};

struct Route;

class Progress {
 public:
  virtual ~Progress() = default;
  virtual void stage(Stage stage, const std::string& adapter) = 0;  // adapter: hciN or empty
  virtual void attempt(std::uint32_t number) = 0;
  // adapter_off or stack_down: the attempt stands still until they are there again; bluez_error: nothing of
  // the kind.
  virtual void waits_for(Cause cause) = 0;
  // Tried, and not counted: another program is connecting to the device.
  virtual void held_up(const Failure& by) = 0;
  virtual void attempt_failed(const FailedAttempt& failed) = 0;
  // Disconnect was not answered: there is a link, for all we know, and it is silent.
  virtual void link_stays(const Route& route) = 0;
  // Other adapters may be used than before, or none is to be dialled any more.
  virtual Notice& terms_changed() = 0;
};

// Where BlueZ has the device.
struct Route {
  std::string path;          // of the Device1 object
  std::string adapter;       // object path
  std::string adapter_name;  // hciN
  std::string adapter_address;
  std::uint64_t power_epoch = 0;
  std::string owner;       // bluetoothd's unique name
  bool connected = false;  // a link was there when we looked
  bool heard = false;      // a report of it was heard within the last attempt timeout
};

// Why a route cannot work any more, or bluez_error if nothing speaks against it: adapter_off, stack_down.
Cause broken(const Stack& stack, const Route& route);

}  // namespace bleconnd
