// The main job: one device, attempts until there is a link whose services are usable, or a failure that names
// why there is none.
#pragma once
#include <memory>
#include <optional>
#include <stop_token>

#include "core/gatt_database.hpp"
#include "procedures/attempt.hpp"
#include "procedures/radio.hpp"

namespace bleconnd {

struct Link {
  Route route;
  std::shared_ptr<DeviceWatch> watch;
  std::uint32_t attempts = 0;            // the successful one included
  bool adopted = false;                  // it was up already
  bool foreign = false;                  // adopted, and another program's: never ours to end
  std::optional<GattDatabase> cached{};  // usable by these services, which the cache knows
  bool verified = true;                  // BlueZ has resolved the services since the link came up
  bool trusted = false;                  // by option of this run
  std::optional<DialQueue::Slot> slot{};
};

struct RunFailure {
  Failure failure;
  std::uint32_t count = 0;  // "failure n of m"
  std::uint32_t bound = 0;
  bool unattended = false;  // nobody had waited: who does now begins anew
  std::shared_ptr<DeviceWatch>
      hung_up{};  // of a link whose Disconnect was answered, and whose end was not awaited
};

// Ends with a link, with the failure that used up the budget, or with `cancelled` when `stop` fires; then the
// dial has been given up and answered by Disconnect. While no bluetoothd or no usable adapter is there it
// waits, without an attempt. `terms` may grow meanwhile.
Task<std::variant<Link, RunFailure>> establish_connection(Radio& radio, DeviceAddress device,
                                                          const Terms& terms, Progress& progress,
                                                          std::stop_token stop);

}  // namespace bleconnd
