// The words of BlueZ 5.50 to 5.87, of the two message buses and of libsystemd, and the cause that each means.
// One table, the first match wins. Names come before texts: a name is part of an API, a text is not.
#include <string>

#include "core/failure.hpp"
#include "core/printable.hpp"

namespace bleconnd {
namespace {

enum class How : std::uint8_t { any, is, starts, ends, has };
struct Words {
  How how;
  std::string_view words;

  constexpr bool match(std::string_view said) const {
    switch (how) {
      case How::any:
        return true;
      case How::is:
        return said == words;
      case How::starts:
        return said.starts_with(words);
      case How::ends:
        return said.ends_with(words);
      case How::has:
        return said.find(words) != std::string_view::npos;
    }
    return false;
  }
};
constexpr Words any{How::any, {}};
constexpr Words is(std::string_view words) {
  return {How::is, words};
}
constexpr Words starts(std::string_view words) {
  return {How::starts, words};
}
constexpr Words ends(std::string_view words) {
  return {How::ends, words};
}
constexpr Words has(std::string_view words) {
  return {How::has, words};
}

constexpr Words kFailed = is("org.bluez.Error.Failed");
constexpr Words kUnknownMethod = is("org.freedesktop.DBus.Error.UnknownMethod");
constexpr Words kNoReply = is("org.freedesktop.DBus.Error.NoReply");

struct Rule {
  Words name;
  Words text;
  Cause cause;
};

constexpr Rule kRules[] = {
    // Names of the bus, of libdbus inside bluetoothd, of libsystemd.
    {is("org.freedesktop.DBus.Error.UnknownObject"), any, Cause::object_gone},
    // ConnectDevice is there only with bluetoothd's option -E. Everything else that "doesn't exist" is an
    // object that is gone, in the words of an older libdbus, or a path without Device1.
    {kUnknownMethod, has("\"ConnectDevice\""), Cause::not_supported},
    {kUnknownMethod, has("doesn't exist"), Cause::object_gone},
    {is("org.freedesktop.DBus.Error.UnknownInterface"), any, Cause::object_gone},
    // BlueZ's Properties.Get and GetAll, on a path that has other interfaces than the one asked for.
    {is("org.freedesktop.DBus.Error.InvalidArgs"), starts("No such interface "), Cause::object_gone},
    {is("org.freedesktop.DBus.Error.AccessDenied"), any, Cause::denied},
    {is("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"), any, Cause::denied},
    {is("org.freedesktop.DBus.Error.NotSupported"), any, Cause::not_supported},
    // A call that timed out: by libsystemd, or by a bus that sets a limit. Not stack_down, which is waited
    // for uncounted until bluetoothd's owner changes: the owner of one that hangs never does.
    {is("org.freedesktop.DBus.Error.Timeout"), any, Cause::timeout},
    {is("org.freedesktop.DBus.Error.TimedOut"), any, Cause::timeout},
    {kNoReply, is("Method call timed out"), Cause::timeout},
    {kNoReply, is("Message did not receive a reply (timeout by message bus)"), Cause::timeout},
    // Any other NoReply: bluetoothd left while the call was pending (each bus has its own text for it).
    {kNoReply, any, Cause::stack_down},
    {is("org.freedesktop.DBus.Error.ServiceUnknown"), any, Cause::stack_down},
    {is("org.freedesktop.DBus.Error.NameHasNoOwner"), any, Cause::stack_down},
    {is("org.freedesktop.DBus.Error.Disconnected"), any, Cause::stack_down},
    // Activation failed, without and with systemd.
    {starts("org.freedesktop.DBus.Error.Spawn."), any, Cause::stack_down},
    {starts("org.freedesktop.systemd1."), any, Cause::stack_down},
    {is("System.Error.ENOTCONN"), any, Cause::stack_down},  // our own connection to the bus
    {is("System.Error.ECONNRESET"), any, Cause::stack_down},

    // Names of BlueZ.
    {is("org.bluez.Error.NotReady"), any, Cause::adapter_off},
    {is("org.bluez.Error.Busy"), any, Cause::adapter_off},     // a change of Powered is under way
    {is("org.bluez.Error.Blocked"), any, Cause::adapter_off},  // by rfkill
    {is("org.bluez.Error.InProgress"), any, Cause::in_progress},
    {is("org.bluez.Error.AuthenticationFailed"), any, Cause::auth_failed},
    {is("org.bluez.Error.AuthenticationRejected"), any, Cause::auth_failed},
    {is("org.bluez.Error.NotSupported"), any, Cause::not_supported},
    {is("org.bluez.Error.NotAuthorized"), any, Cause::denied},
    {is("org.bluez.Error.NotPermitted"), any, Cause::denied},
    {is("org.bluez.Error.AlreadyExists"), any, Cause::already_so},
    {is("org.bluez.Error.AlreadyConnected"), any, Cause::already_so},
    {is("org.bluez.Error.DoesNotExist"), any, Cause::already_so},
    {is("org.bluez.Error.NotConnected"), any, Cause::already_so},

    // Texts of BlueZ since 5.62. br-connection-canceled also ends LE dials.
    {any, is("le-connection-abort-by-local"), Cause::aborted},
    {any, is("br-connection-canceled"), Cause::aborted},
    {any, is("br-connection-busy"), Cause::in_progress},
    {any, is("le-connection-key-missing"), Cause::key_missing},
    {any, is("br-connection-key-missing"), Cause::key_missing},
    {any, is("le-connection-not-supported"), Cause::not_supported},
    {any, is("br-connection-not-supported"), Cause::not_supported},
    {any, is("le-connection-already-connected"), Cause::already_so},
    {any, is("br-connection-already-connected"), Cause::already_so},
    {any, ends("-adapter-not-powered"), Cause::adapter_off},
    {any, ends("-concurrent-connection-limit"), Cause::slot_refused},
    {any, ends("-memory-allocation"), Cause::slot_refused},

    // Texts of BlueZ that are an errno's (bluetoothd sets no locale), and those before 5.62.
    {kFailed, is("Operation already in progress"), Cause::in_progress},  // EALREADY
    {kFailed, is("Input/output error"), Cause::adapter_off},  // EIO: the socket of a dial, adapter off
    {kFailed, is("Software caused connection abort"), Cause::aborted},  // ECONNABORTED
    {kFailed, is("Cancelled"), Cause::aborted},             // now br-connection-canceled, by a Disconnect
    {kFailed, is("Disconnected early"), Cause::link_lost},  // now br-connection-canceled, by a lost link
    {kFailed, is("No discovery started"), Cause::already_so},

    // Texts of remote adapters, which callers know from the Python library.
    {any, has("ESP_GATT_CONN_CONN_CANCEL"), Cause::slot_refused},
    {any, has("available connection"), Cause::slot_refused},
    {any, has("connection slot"), Cause::slot_refused},
    {any, has("ESP_GATT_CONN_TIMEOUT"), Cause::aborted_esp_medium},
    {any, has("ESP_GATT_CONN_FAIL_ESTABLISH"), Cause::aborted_esp_medium},
    {any, has("ESP_GATT_CONN_TERMINATE_PEER_USER"), Cause::link_lost},
    {any, has("ESP_GATT_CONN_TERMINATE_LOCAL_HOST"), Cause::link_lost},
    {any, has("ESP_GATT_ERROR"), Cause::aborted_esp_long},

    {any, any, Cause::bluez_error},
};

Cause cause_of(std::string_view name, std::string_view text) {
  for (const auto& rule : kRules)
    if (rule.name.match(name) && rule.text.match(text)) return rule.cause;
  return Cause::bluez_error;
}

}  // namespace

Failure classify(std::string_view error_name, std::string_view text) {
  auto said = printable(error_name);
  if (!said.empty() && !text.empty()) said += ' ';
  return {cause_of(error_name, text), said + printable(text)};
}

}  // namespace bleconnd
