// The table of causes, and the messages made of it.
// busctl prints an error's message and nothing else, so a message has to say what to do, too.
#include "core/failure.hpp"

#include <array>
#include <charconv>
#include <cstddef>

namespace bleconnd {
namespace {

// Advice that several rows give.
constexpr std::string_view kWake =
    "wake the device or bring it closer, and check that nothing else is connected to it";
constexpr std::string_view kCloser =
    "bring the device closer, end its other connections, or move the adapter away from USB 3 ports";
constexpr std::string_view kSlots = "release a connection or add an adapter";
constexpr std::string_view kJournal = "see journalctl -u bluetooth -n 50";
constexpr std::string_view kEndForeignDial = "wait for it, or end it: bluetoothctl disconnect ADDRESS";

// Tokens are a contract: documented, never renamed. Own answers (from `timeout` on) do not come from
// attempts; they are hopeless so that one which strays into a retry budget ends the run, except `timeout`,
// which a call to BlueZ can end by.
constexpr std::array<CauseRow, kCauses> kRows{{
    {Cause::window_over, Counter::timeouts, Category::not_found, "not-seen", "the device was not heard",
     kWake},
    {Cause::dial_timeout_heard, Counter::timeouts, Category::not_found, "seen-no-answer",
     "the device was heard but did not answer in time", kCloser},
    {Cause::dial_timeout_unheard, Counter::timeouts, Category::not_found, "not-seen",
     "the device was neither heard nor did it answer in time", kWake},
    {Cause::object_gone, Counter::transient, Category::not_found, "removed",
     "BlueZ does not know the device any more", kWake},
    {Cause::removed_heard_again, Counter::transient, Category::aborted, "seen-no-answer",
     "BlueZ removed the device during the dial, and it is still heard", kCloser},
    {Cause::removed_unheard, Counter::transient, Category::not_found, "removed",
     "BlueZ removed the device during the dial, and it was not heard again", kWake},
    {Cause::removed_at_once, Counter::transient, Category::out_of_connection_slots, "no-slot",
     "the adapter refused a further connection", kSlots},
    {Cause::aborted, Counter::transient, Category::aborted, "seen-no-answer", "BlueZ gave up the dial",
     kCloser},
    {Cause::aborted_esp_medium, Counter::transient, Category::aborted, "seen-no-answer",
     "the adapter could not establish the link", kCloser},
    {Cause::aborted_esp_long, Counter::transient, Category::aborted, "seen-no-answer",
     "the adapter reported a GATT error", kCloser},
    {Cause::link_lost, Counter::transient, Category::aborted, "link-lost",
     "the link came up and was lost before its services were usable",
     "bring the device closer, or pair it if it drops hosts that are not paired"},
    {Cause::no_link, Counter::transient, Category::aborted, "link-lost",
     "BlueZ reported success, but there is no link", kJournal},
    {Cause::slot_refused, Counter::transient, Category::out_of_connection_slots, "no-slot",
     "the adapter has no connection slot free", kSlots},
    {Cause::services_incomplete, Counter::connect_errors, Category::connection_failed, "services-incomplete",
     "the link is up, but services are missing",
     "restart the device, or make BlueZ forget it (ends its pairing): bluetoothctl remove ADDRESS"},
    {Cause::key_missing, Counter::hopeless, Category::connection_failed, "key-missing",
     "the device has lost the pairing key", "bluetoothctl remove ADDRESS, then pair again"},
    {Cause::auth_failed, Counter::hopeless, Category::connection_failed, "auth-failed",
     "the device rejected the pairing, or it failed",
     "put the device into pairing mode, bluetoothctl remove ADDRESS, then pair again"},
    {Cause::not_supported, Counter::hopeless, Category::connection_failed, "not-supported",
     "the device or the adapter cannot do this",
     "compare what they can do: bluetoothctl info ADDRESS, bluetoothctl show"},
    {Cause::denied, Counter::hopeless, Category::connection_failed, "denied",
     "bleconnd is not allowed to use BlueZ",
     "let its user send to org.bluez in bluetooth.conf (/etc/dbus-1/system.d or /usr/share/dbus-1/system.d)"},
    {Cause::in_progress, Counter::none, Category::connection_failed, "in-progress",
     "another program is connecting to this device", kEndForeignDial},
    {Cause::in_progress_too_long, Counter::connect_errors, Category::connection_failed, "in-progress",
     "another program has been connecting to this device for too long", kEndForeignDial},
    {Cause::already_so, Counter::connect_errors, Category::connection_failed, "bluez-error",
     "BlueZ says that this is so already", kJournal},
    {Cause::bluez_error, Counter::connect_errors, Category::connection_failed, "bluez-error", "BlueZ failed",
     kJournal},

    {Cause::adapter_off, Counter::none, Category::not_ready, "adapter-off", "the adapter is off or gone",
     "plug it in, or rfkill unblock bluetooth && bluetoothctl power on"},
    {Cause::stack_down, Counter::none, Category::not_ready, "stack-down", "bluetoothd is not running",
     "systemctl start bluetooth"},
    {Cause::slots_taken, Counter::none, Category::out_of_connection_slots, "no-slot",
     "no connection slot is free", kSlots},
    {Cause::adapter_busy, Counter::none, Category::timeout, "adapter-busy", "others are being connected",
     "allow more by the option timeout, or ask with priority high"},

    {Cause::timeout, Counter::timeouts, Category::timeout, "timeout", "the time allowed is over",
     "allow more by the option timeout"},
    {Cause::cancelled, Counter::hopeless, Category::cancelled, "cancelled",
     "the connection was given up before it was there", "ask again if it is still wanted"},
    {Cause::stopping, Counter::hopeless, Category::cancelled, "stopping", "bleconnd ends",
     "ask again when it is back"},
    {Cause::busy, Counter::hopeless, Category::busy, "busy", "this contradicts what runs for other callers",
     "ask for the same adapter, pair and trust as they do, or wait until they are done"},
    {Cause::not_ready, Counter::hopeless, Category::not_ready, "stack-down",
     "there is no bluetoothd with an adapter that is on",
     "systemctl start bluetooth && bluetoothctl power on"},
    {Cause::not_connected, Counter::hopeless, Category::not_connected, "invalid",
     "there is no such connection of yours",
     "see which there are: busctl call org.bleconnd /org/bleconnd org.bleconnd.Manager1 ListConnections"},
    {Cause::invalid, Counter::hopeless, Category::invalid_args, "invalid", "the call is wrong",
     "correct it, see busctl introspect org.bleconnd /org/bleconnd"},
    {Cause::limits, Counter::hopeless, Category::limits_exceeded, "busy", "a limit is reached",
     "release connections or end calls that are not needed"},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kRows.size(); ++i)
    if (static_cast<std::size_t>(kRows[i].cause) != i) return false;
  return true;
}
static_assert(in_order(), "row() finds a row by its place");

// Tenths below 10 s, whole seconds from there. Not printf: its decimal point depends on the locale.
std::string seconds_text(double seconds) {
  std::array<char, 32> text{};
  const int decimals = seconds < 9.95 ? 1 : 0;
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), seconds, std::chars_format::fixed, decimals);
  return end.ec == std::errc{} ? std::string{text.data(), end.ptr} + " s" : "very long";
}

void append_detail(std::string& details, std::string_view detail) {
  if (detail.empty()) return;
  if (!details.empty()) details += ", ";
  details += detail;
}

}  // namespace

std::string_view error_name(Category category) {
  switch (category) {
    case Category::not_found:
      return "org.bleconnd.Error.NotFound";
    case Category::out_of_connection_slots:
      return "org.bleconnd.Error.OutOfConnectionSlots";
    case Category::aborted:
      return "org.bleconnd.Error.Aborted";
    case Category::connection_failed:
      return "org.bleconnd.Error.ConnectionFailed";
    case Category::timeout:
      return "org.bleconnd.Error.Timeout";
    case Category::cancelled:
      return "org.bleconnd.Error.Cancelled";
    case Category::not_ready:
      return "org.bleconnd.Error.NotReady";
    case Category::not_connected:
      return "org.bleconnd.Error.NotConnected";
    case Category::not_cached:
      return "org.bleconnd.Error.NotCached";
    case Category::busy:
      return "org.bleconnd.Error.Busy";
    case Category::invalid_args:
      return "org.freedesktop.DBus.Error.InvalidArgs";
    case Category::access_denied:
      return "org.freedesktop.DBus.Error.AccessDenied";
    case Category::limits_exceeded:
      return "org.freedesktop.DBus.Error.LimitsExceeded";
  }
  return "org.freedesktop.DBus.Error.Failed";  // a value that is no Category: a bug, and still a legal error
}

const CauseRow& row(Cause cause) {
  return kRows[static_cast<std::size_t>(cause)];
}

Failure unanswered_within(int patience, Failure failure) {
  if (failure.cause != Cause::timeout) return failure;
  return {Cause::bluez_error, "bluetoothd did not answer within " + std::to_string(patience) + " s"};
}

std::string message(const Failure& failure, const Report& report) {
  const auto& own = row(failure.cause);
  const auto& last = row(report.last.value_or(failure.cause));

  std::string details;
  if (report.failure > 0)
    append_detail(details,
                  "failure " + std::to_string(report.failure) + " of " + std::to_string(report.bound));
  if (report.seconds >= 0) append_detail(details, seconds_text(report.seconds));
  if (report.last && *report.last != failure.cause) append_detail(details, last.happened);
  append_detail(details, failure.said);

  std::string text{last.token};
  text.append(": ").append(own.happened);
  if (!details.empty()) text.append(" (").append(details).append(")");
  return text.append("; ").append(last.advice);
}

}  // namespace bleconnd
