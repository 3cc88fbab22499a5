// Every error name and text that BlueZ 5.50 to 5.87, a message bus or libsystemd gives to our calls, the
// versions that have it, and the cause that it is. Texts are those of the sources, or were measured.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/failure.hpp"

namespace bleconnd {
namespace {

const std::string kBlueZ = "org.bluez.Error.";
const std::string kBus = "org.freedesktop.DBus.Error.";
const std::string kFailed = kBlueZ + "Failed";

struct Row {
  std::string name, text;
  Cause cause;
  const char* since;  // BlueZ versions, or whose words they are if not BlueZ's
};

void expect_rows(const std::vector<Row>& rows) {
  for (const auto& row : rows)
    EXPECT_EQ(static_cast<int>(classify(row.name, row.text).cause), static_cast<int>(row.cause))
        << row.name << " '" << row.text << "' (" << row.since << ")";
}

TEST(Classify, ConnectOfLowEnergyDevices) {
  expect_rows({
      {kFailed, "le-connection-abort-by-local", Cause::aborted, "5.62-5.87"},
      {kFailed, "Software caused connection abort", Cause::aborted, "5.50-5.61"},
      {kFailed, "br-connection-canceled", Cause::aborted, "5.62-5.87"},
      {kFailed, "Cancelled", Cause::aborted, "5.50-5.61"},
      {kFailed, "Disconnected early", Cause::link_lost, "5.55-5.61"},
      {kFailed, "br-connection-key-missing", Cause::key_missing, "5.69-5.87, for LE since 5.83"},
      {kFailed, "Operation already in progress", Cause::in_progress, "5.50-5.80"},
      {kBlueZ + "InProgress", "In Progress", Cause::in_progress, "5.81-5.87; Pair: 5.50-5.87"},
      {kFailed, "Input/output error", Cause::adapter_off, "5.50-5.87"},
      {kFailed, "le-connection-gatt-browsing", Cause::bluez_error, "5.62-5.87"},
      {kFailed, "", Cause::bluez_error, "none known"},
  });
}

// Those that Connect cannot reach yet are here for the BlueZ that stops overwriting the errno.
TEST(Classify, TextsOfTheLowEnergyTable) {
  expect_rows({
      {kFailed, "le-connection-invalid-arguments", Cause::bluez_error, "5.62-5.87"},
      {kFailed, "le-connection-adapter-not-powered", Cause::adapter_off, "5.62-5.87"},
      {kFailed, "le-connection-not-supported", Cause::not_supported, "5.62-5.87"},
      {kFailed, "le-connection-already-connected", Cause::already_so, "5.62-5.87"},
      {kFailed, "le-connection-bad-socket", Cause::bluez_error, "5.62-5.87"},
      {kFailed, "le-connection-memory-allocation", Cause::slot_refused, "5.62-5.87"},
      {kFailed, "le-connection-busy", Cause::bluez_error, "5.62-5.87"},
      {kFailed, "le-connection-refused", Cause::bluez_error, "5.62-5.87"},
      {kFailed, "le-connection-create-socket", Cause::bluez_error, "5.62-5.87"},
      {kFailed, "le-connection-timeout", Cause::bluez_error, "5.62-5.87"},
      {kFailed, "le-connection-concurrent-connection-limit", Cause::slot_refused, "5.62-5.87"},
      {kFailed, "le-connection-abort-by-remote", Cause::bluez_error, "5.62-5.87"},
      {kFailed, "le-connection-link-layer-protocol-error", Cause::bluez_error, "5.62-5.87"},
      {kFailed, "le-connection-key-missing", Cause::key_missing, "5.69-5.87"},
      {kFailed, "le-connection-unknown", Cause::bluez_error, "5.62-5.87"},
  });
}

TEST(Classify, ConnectOfDualModeDevices) {
  expect_rows({
      {kBlueZ + "InProgress", "br-connection-busy", Cause::in_progress, "5.62-5.87"},
      {kFailed, "br-connection-busy", Cause::in_progress, "5.62-5.87"},
      {kBlueZ + "NotReady", "br-connection-adapter-not-powered", Cause::adapter_off, "5.62-5.87"},
      {kFailed, "br-connection-adapter-not-powered", Cause::adapter_off, "5.62-5.87"},
      {kBlueZ + "NotReady", "Resource Not Ready", Cause::adapter_off, "5.50-5.61"},
      {kBlueZ + "NotAvailable", "br-connection-profile-unavailable", Cause::bluez_error, "5.62-5.83"},
      {kBlueZ + "NotAvailable", "Operation currently not available", Cause::bluez_error, "5.50-5.61"},
      {kBlueZ + "BREDR.ProfileUnavailable", "No more profiles to connect to", Cause::bluez_error,
       "5.84-5.87"},
      {kFailed, "br-connection-already-connected", Cause::already_so, "5.62-5.87"},
      {kFailed, "br-connection-page-timeout", Cause::bluez_error, "5.62-5.87"},
      {kFailed, "br-connection-create-socket", Cause::bluez_error, "5.62-5.87"},
      {kFailed, "br-connection-invalid-argument", Cause::bluez_error, "5.62-5.87"},
      {kFailed, "br-connection-not-supported", Cause::not_supported, "5.62-5.87"},
      {kFailed, "br-connection-bad-socket", Cause::bluez_error, "5.62-5.87"},
      {kFailed, "br-connection-memory-allocation", Cause::slot_refused, "5.62-5.87"},
      {kFailed, "br-connection-concurrent-connection-limit", Cause::slot_refused, "5.62-5.87"},
      {kFailed, "br-connection-timeout", Cause::bluez_error, "5.62-5.87"},
      {kFailed, "br-connection-refused", Cause::bluez_error, "5.62-5.87"},
      {kFailed, "br-connection-aborted-by-remote", Cause::bluez_error, "5.62-5.87"},
      {kFailed, "br-connection-aborted-by-local", Cause::bluez_error, "5.62-5.87"},
      {kFailed, "br-connection-lmp-protocol-error", Cause::bluez_error, "5.62-5.87"},
      {kFailed, "br-connection-sdp-search", Cause::bluez_error, "5.62-5.87"},
      {kFailed, "br-connection-unknown", Cause::bluez_error, "5.62-5.87"},
      {kFailed, "Host is down", Cause::bluez_error, "5.50-5.61"},
      {kBlueZ + "AlreadyConnected", "Already Connected", Cause::already_so, "5.50-5.87"},
      {kBlueZ + "NotConnected", "Not Connected", Cause::already_so, "5.50-5.87"},
  });
}

TEST(Classify, ObjectsThatAreGone) {
  const std::string gone =
      "Method \"Connect\" with signature \"\" on interface \"org.bluez.Device1\" doesn't exist\n";
  const std::string gone_properties =
      "Method \"GetAll\" with signature \"s\" on interface \"org.freedesktop.DBus.Properties\" doesn't "
      "exist\n";
  expect_rows({
      {kBus + "UnknownObject", gone, Cause::object_gone, "5.50-5.87, by libdbus"},
      {kBus + "UnknownObject", gone_properties, Cause::object_gone, "5.50-5.87, by libdbus"},
      {kBus + "UnknownObject", "", Cause::object_gone, "none known"},
      {kBus + "UnknownMethod", gone, Cause::object_gone, "by an older libdbus; a path without Device1"},
      {kBus + "UnknownMethod", gone_properties, Cause::object_gone, "by an older libdbus"},
      {kBus + "UnknownInterface", "", Cause::object_gone, "by an older libdbus"},
      {kBus + "InvalidArgs", "No such interface 'org.bluez.Device1'", Cause::object_gone,
       "5.50-5.87, Properties"},
      {kBus + "InvalidArgs", "No such property 'RSSI'", Cause::bluez_error, "5.50-5.87, Properties"},
      {kBus + "UnknownMethod", "", Cause::bluez_error, "none known"},
  });
}

TEST(Classify, Pair) {
  expect_rows({
      {kBlueZ + "InvalidArguments", "Invalid arguments in method call", Cause::bluez_error, "5.50-5.87"},
      {kBlueZ + "AlreadyExists", "Already Exists", Cause::already_so, "5.50-5.87"},
      {kBlueZ + "AlreadyExists", "Already Paired", Cause::already_so, "5.50-5.87"},
      {kBlueZ + "ConnectionAttemptFailed", "Page Timeout", Cause::bluez_error, "5.50-5.87"},
      {kBlueZ + "AuthenticationTimeout", "Authentication Timeout", Cause::bluez_error, "5.50-5.87"},
      {kBlueZ + "AuthenticationRejected", "Authentication Rejected", Cause::auth_failed, "5.50-5.87"},
      {kBlueZ + "AuthenticationCanceled", "Authentication Canceled", Cause::bluez_error, "5.50-5.87"},
      {kBlueZ + "AuthenticationFailed", "Authentication Failed", Cause::auth_failed, "5.50-5.87"},
      {kFailed, "Not paired", Cause::bluez_error, "5.50-5.87"},
      {kBlueZ + "DoesNotExist", "Does Not Exist", Cause::already_so, "5.50-5.87, CancelPairing"},
  });
}

TEST(Classify, Adapter) {
  expect_rows({
      {kBus + "UnknownObject",
       "Method \"StartDiscovery\" with signature \"\" on interface \"org.bluez.Adapter1\" doesn't exist\n",
       Cause::object_gone, "5.50-5.87, by libdbus"},
      {kBlueZ + "InProgress", "Operation already in progress", Cause::in_progress,
       "5.50-5.87, StartDiscovery"},
      {kFailed, "No discovery started", Cause::already_so, "5.50-5.87, StopDiscovery"},
      {kFailed, "Invalid argument", Cause::bluez_error, "5.50-5.87, StartDiscovery: an errno's text"},
      {kBlueZ + "NotSupported", "Operation is not supported", Cause::not_supported,
       "5.50-5.87, SetDiscoveryFilter"},
      {kBlueZ + "NotAuthorized", "Operation Not Authorized", Cause::denied, "5.50-5.87"},
      {kBlueZ + "NotPermitted", "Read not permitted", Cause::denied, "5.50-5.87, GATT"},
      {kBlueZ + "DoesNotExist", "Does Not Exist", Cause::already_so, "5.50-5.87, RemoveDevice"},
      {kBus + "UnknownMethod",
       "Method \"ConnectDevice\" with signature \"a{sv}\" on interface \"org.bluez.Adapter1\" doesn't "
       "exist\n",
       Cause::not_supported, "5.50-5.87 without -E"},
      {kBlueZ + "AlreadyExists", "Already Exists", Cause::already_so, "5.50-5.68, ConnectDevice"},
      {kFailed, "Connect failed", Cause::bluez_error, "5.50-5.87, ConnectDevice"},
      {"org.bluez.Failed", "", Cause::bluez_error, "5.50-5.87, ConnectDevice (sic)"},
      {kBlueZ + "Busy", "", Cause::adapter_off, "5.50-5.87, Set Powered"},
      {kBlueZ + "Blocked", "Blocked through rfkill", Cause::adapter_off, "5.50-5.87, Set Powered"},
      {kBus + "UnknownProperty", "", Cause::bluez_error, "5.50-5.87"},
  });
}

TEST(Classify, TheBusAndLibsystemd) {
  expect_rows({
      {kBus + "NoReply", "Message recipient disconnected from message bus without replying",
       Cause::stack_down, "dbus-daemon"},
      {kBus + "NoReply", "Remote peer disconnected", Cause::stack_down, "dbus-broker"},
      {kBus + "NoReply", "Connection terminated", Cause::stack_down, "libsystemd"},
      {kBus + "NoReply", "", Cause::stack_down, "none known"},
      {kBus + "NoReply", "Method call timed out", Cause::timeout, "libsystemd"},
      {kBus + "NoReply", "Message did not receive a reply (timeout by message bus)", Cause::timeout,
       "dbus-daemon"},
      {kBus + "Timeout", "Connection timed out", Cause::timeout, "libsystemd"},
      {kBus + "TimedOut", "", Cause::timeout, "dbus-daemon: an activation"},
      {kBus + "ServiceUnknown", "The name org.bluez was not provided by any .service files",
       Cause::stack_down, "dbus-daemon"},
      {kBus + "ServiceUnknown", "The name is not activatable", Cause::stack_down, "dbus-broker"},
      {kBus + "NameHasNoOwner", "Could not activate remote peer 'org.bluez': activation request failed",
       Cause::stack_down, "dbus-broker"},
      {kBus + "Spawn.ChildExited", "Launch helper exited with unknown return code 1", Cause::stack_down,
       "dbus-daemon"},
      {kBus + "Spawn.ServiceNotFound", "", Cause::stack_down, "dbus-daemon"},
      {"org.freedesktop.systemd1.NoSuchUnit", "Unit dbus-org.bluez.service not found.", Cause::stack_down,
       "systemd"},
      {kBus + "Disconnected", "", Cause::stack_down, "libdbus"},
      {"System.Error.ENOTCONN", "Transport endpoint is not connected", Cause::stack_down, "libsystemd"},
      {"System.Error.ECONNRESET", "Connection reset by peer", Cause::stack_down, "libsystemd"},
      {kBus + "AccessDenied",
       "Rejected send message, 1 matched rules; type=\"method_call\", sender=\":1.9\" "
       "interface=\"org.bluez.Device1\"",
       Cause::denied, "dbus-daemon"},
      {kBus + "AccessDenied", "Sender is not authorized to send message", Cause::denied, "dbus-broker"},
      {kBus + "InteractiveAuthorizationRequired", "", Cause::denied, "polkit"},
      {kBus + "NotSupported", "", Cause::not_supported, "the bus"},
      {kBus + "LimitsExceeded", "Sending user's quota exceeded", Cause::bluez_error, "dbus-broker"},
  });
}

TEST(Classify, RemoteAdapters) {
  expect_rows({
      {kFailed, "No available connection slot on the proxy", Cause::slot_refused, "remote"},
      {kFailed, "no available connection", Cause::slot_refused, "remote"},
      {kFailed, "out of connection slots", Cause::slot_refused, "remote"},
      {kFailed, "slot not found: connection slot", Cause::slot_refused, "remote"},
      {kFailed, "Error ESP_GATT_CONN_CONN_CANCEL while connecting", Cause::slot_refused, "remote"},
      {kFailed, "Error ESP_GATT_CONN_TIMEOUT while connecting", Cause::aborted_esp_medium, "remote"},
      {kFailed, "Error ESP_GATT_CONN_FAIL_ESTABLISH while connecting", Cause::aborted_esp_medium, "remote"},
      {kFailed, "Error ESP_GATT_ERROR while connecting", Cause::aborted_esp_long, "remote"},
      {kFailed, "ESP_GATT_CONN_TERMINATE_PEER_USER", Cause::link_lost, "remote"},
      {kFailed, "ESP_GATT_CONN_TERMINATE_LOCAL_HOST", Cause::link_lost, "remote"},
      {kFailed, "ESP_GATT_CONN_L2C_FAILURE", Cause::bluez_error, "remote"},
  });
}

// The Python library calls whatever contains "not found" a missing device. We do not.
TEST(Classify, UnknownWordsAreAnErrorOfBlueZ) {
  expect_rows({
      {kFailed, "Device not found", Cause::bluez_error, ""},
      {kFailed, "device 'dev_AA_BB_CC_DD_EE_FF' not found", Cause::bluez_error, ""},
      {kFailed, "adapter 'hci0' not found", Cause::bluez_error, ""},
      {kBlueZ + "Novel", "brand new", Cause::bluez_error, ""},
      {"com.example.Error", "le-connection-new-text", Cause::bluez_error, ""},
      {"", "", Cause::bluez_error, ""},
      // Texts are whole: a part of one, or one within another, is an unknown text.
      {kFailed, "le-connection-abort-by-local-again", Cause::bluez_error, ""},
      {kFailed, "abort-by-local", Cause::bluez_error, ""},
      {kFailed, "br-connection-cancel", Cause::bluez_error, ""},
      {kFailed, "Input/output error, and more", Cause::bluez_error, ""},
      {kBlueZ + "FailedToo", "Input/output error", Cause::bluez_error, ""},
      {kBus + "SpawnedSomething", "", Cause::bluez_error, ""},
      {"xorg.freedesktop.DBus.Error.UnknownObject", "", Cause::bluez_error, ""},
  });
}

TEST(Classify, KeepsWhatWasSaidInPrintableWords) {
  struct Said {
    std::string name, text, said;
  };
  const Said rows[] = {
      {kFailed, "le-connection-abort-by-local", "org.bluez.Error.Failed le-connection-abort-by-local"},
      {kBlueZ + "Busy", "", "org.bluez.Error.Busy"},
      {"", "text alone", "text alone"},
      {"", "", ""},
      {kFailed, "two\nlines\x1b[2J\n", "org.bluez.Error.Failed two\\x0Alines\\x1B[2J"},
      {kBus + "UnknownObject",
       "Method \"Connect\" with signature \"\" on interface \"org.bluez.Device1\" doesn't exist\n",
       "org.freedesktop.DBus.Error.UnknownObject "
       "Method \"Connect\" with signature \"\" on interface \"org.bluez.Devic..."},
  };
  for (const auto& row : rows) EXPECT_EQ(classify(row.name, row.text).said, row.said);
  EXPECT_LT(classify(std::string(100000, 'n'), std::string(100000, '\x01')).said.size(), 400U);
}

}  // namespace
}  // namespace bleconnd
