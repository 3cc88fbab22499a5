// What went wrong with an attempt or a call: a closed list of causes, and for each the counter it is counted
// in, the category that callers see, the token that programs read, and the advice that people read. One table
// (failure.cpp) holds it all; which words of BlueZ mean which cause is another (classify.cpp).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bleconnd {

// One row of the table of causes each.
enum class Cause : std::uint8_t {
  // attempts
  window_over,           // a discovery window ended without hearing the device
  dial_timeout_heard,    // our attempt timeout on the dial, though the device was heard
  dial_timeout_unheard,  // the same, never heard
  object_gone,           // BlueZ does not know the object: UnknownObject, or removed before the dial
  // The object went while Connect was pending, which is then never answered. The device
  removed_heard_again,  // was heard afterwards
  removed_unheard,      // was not
  removed_at_once,      // had been dialled less than 1 s ago on an adapter that holds links: no slot
  aborted,              // BlueZ's or the kernel's abort; no link was seen
  aborted_esp_medium,   // ESP_GATT_CONN_TIMEOUT, ESP_GATT_CONN_FAIL_ESTABLISH
  aborted_esp_long,     // ESP_GATT_ERROR
  link_lost,            // a link came up and was lost before its services were usable
  no_link,              // Connect answered success, and there is no link
  slot_refused,         // BlueZ names the lack of connections or memory
  services_incomplete,  // no services after the resolve; a phantom link
  key_missing,
  auth_failed,
  not_supported,
  denied,
  in_progress,           // somebody else's dial of this device
  in_progress_too_long,  // the same, longer than one attempt timeout
  // AlreadyExists, DoesNotExist, NotConnected …: success for Pair, CancelPairing, StopDiscovery and
  // RemoveDevice, for Connect a reason to look at Connected; else counted like bluez_error.
  already_so,
  bluez_error,  // anything else that BlueZ said
  // waited for, never counted
  adapter_off,   // not powered, or gone
  stack_down,    // bluetoothd away or restarting
  slots_taken,   // by our own ledger: no adapter has a slot free
  adapter_busy,  // others dial: a turn is waited for
  // answers of our own
  timeout,  // the caller's deadline; for one call to BlueZ the procedure says what it means
  cancelled,
  stopping,       // the daemon ends: the same call is good at the next one
  busy,           // contradicts what runs for others
  not_ready,      // no bluetoothd or powered adapter for too long
  not_connected,  // the caller holds nothing, or there is no link
  invalid,        // InvalidArgs
  limits,         // LimitsExceeded
};
inline constexpr int kCauses = static_cast<int>(Cause::limits) + 1;

// Which counter of the retry budget a failure is counted in.
enum class Counter : std::uint8_t { timeouts, connect_errors, transient, hopeless, none };

// What callers see; each is a D-Bus error name.
enum class Category : std::uint8_t {
  // the four of an attempt
  not_found,
  out_of_connection_slots,
  aborted,
  connection_failed,
  // the others
  timeout,
  cancelled,
  not_ready,
  not_connected,
  not_cached,
  busy,
  invalid_args,
  access_denied,
  limits_exceeded,
};
inline constexpr int kCategories = static_cast<int>(Category::limits_exceeded) + 1;
// "org.bleconnd.Error.NotFound" …, "org.freedesktop.DBus.Error.InvalidArgs" …
std::string_view error_name(Category category);

struct CauseRow {
  Cause cause;
  Counter counter;
  Category category;
  std::string_view token;     // machine-readable: "not-seen"; stable, documented
  std::string_view happened;  // "the device was not heard": completes `token: happened (…)`
  std::string_view advice;    // "wake it up": completes `; advice`
};
const CauseRow& row(Cause cause);  // total: every Cause has its row

// A failure as a value. `said` is what BlueZ (or we) said about it, already printable(); may be empty.
struct Failure {
  Cause cause;
  std::string said;

  bool operator==(const Failure&) const = default;
};

// Names the cause of a D-Bus error that org.bluez, the bus or our bus library gave to Connect, Pair, GetAll
// …; covers every error name and text of BlueZ 5.50 to 5.87. `Failure::said` keeps name and text. Unknown
// ones are bluez_error, also texts that merely contain "not found". It knows no context: whether the device
// was heard, whether a link had been seen, whether the cancel was ours, is the procedure's to say.
Failure classify(std::string_view error_name, std::string_view text);

// Of a question to bluetoothd that had `patience`, in s: its time-out is bluez_error. The time of the call,
// which Cause::timeout is the end of, is not over.
Failure unanswered_within(int patience, Failure failure);

// The parts of a message that only the caller knows.
struct Report {
  std::uint32_t failure = 0;  // n of "failure n of m"; 0 leaves the count out
  std::uint32_t bound = 0;
  double seconds = -1;  // since the call began; < 0 leaves it out; tenths below 10 s
  // At a deadline: the cause of the last failure. Its token and its advice are shown, since what it was
  // waiting for is what has to change.
  std::optional<Cause> last = std::nullopt;
};

// `token: what happened (failure n of m, s s, said); what to do`
std::string message(const Failure& failure, const Report& report = {});

}  // namespace bleconnd
