// What kind of BlueZ is imitated: its version, its kernel, its configuration and how long things take there.
// Every time was measured on BlueZ 5.66 (kernel 6.1 and 6.12) and is real time; `speed` divides all of them.
#pragma once

#include <chrono>

namespace bleconnd::integration {

using namespace std::chrono_literals;

// BlueZ 5.minor, with the changes that a client can notice.
struct BluezVersion {
  int minor = 66;

  [[nodiscard]] bool named_connection_errors() const {
    return minor >= 62;
  }  // le-connection-*, br-connection-*
  [[nodiscard]] bool has_mtu() const { return minor >= 62; }
  [[nodiscard]] bool has_bonded() const { return minor >= 65; }
  [[nodiscard]] bool has_handle() const { return minor >= 69; }
  [[nodiscard]] bool connect_restarts_temporary_timer() const { return minor >= 69; }
  [[nodiscard]] bool pairs_bonded_le_correctly() const { return minor >= 79; }
  [[nodiscard]] bool disconnect_replies_last() const { return minor >= 79; }
  [[nodiscard]] bool exports_claimed_services() const { return minor >= 80; }
  [[nodiscard]] bool connect_is_exclusive() const { return minor >= 81; }  // InProgress, also against Pair
  [[nodiscard]] bool signals_disconnect_reason() const { return minor >= 83; }
};

enum class Kernel { linux_6_1, linux_6_12 };  // they differ in failed links and in power-off during Connect
enum class GattCache { always, no };  // main.conf [GATT] Cache; `no` is also how `yes` treats the unpaired

struct BluezTiming {
  std::chrono::microseconds link_up = 100ms;  // Connect to Connected=true, device heard and free adapter
  std::chrono::microseconds reply_after_link = 50ms;    // Connected=true to the reply of Connect
  std::chrono::microseconds discover_services = 450ms;  // Connected=true to ServicesResolved=true, first time
  std::chrono::microseconds reread_services = 200ms;    // the same with BlueZ's own cache
  std::chrono::microseconds read_name = 15ms;  // ServicesResolved=true to the name from the GAP service
  std::chrono::microseconds not_advertising = 40'300ms;  // L2CAP connect time-out
  std::chrono::microseconds link_fails = 4'200ms;        // heard, but LE_Create_Connection never completes
  std::chrono::microseconds link_fails_6_12 = 20'900ms;  // the same on kernel 6.12
  std::chrono::microseconds refused_trusted = 100ms;     // controller has no slot, device kept
  std::chrono::microseconds refused_untrusted = 50ms;    // controller has no slot, object removed
  std::chrono::microseconds disconnect = 2s;             // DISCONNECT_TIMER
  std::chrono::microseconds connected_false = 100ms;     // after the reply of Disconnect (before 5.79)
  std::chrono::microseconds att_timeout = 30s;           // mute peer: ServicesResolved=true nevertheless
  std::chrono::microseconds mute_drop = 2s;              // … and the link goes
  std::chrono::microseconds temporary = 30s;             // TemporaryTimeout
  std::chrono::microseconds pair = 1s;                   // Pair, Just Works
  std::chrono::microseconds pair_mute = 30'200ms;        // peer ignores SMP
  std::chrono::microseconds power_change = 300ms;        // mgmt power on
  std::chrono::microseconds discovering_signal = 70ms;   // Start/StopDiscovery reply to Adapter1.Discovering
  std::chrono::microseconds advertising = 1s;            // between two reports of one device
  std::chrono::microseconds kernel_drops_links = 2s;     // after bluetoothd was killed
  std::chrono::microseconds adapters_appear = 100ms;     // after the name is owned again

  // Links and services come and go in no time.
  void make_links_instant() {
    link_up = reply_after_link = discover_services = reread_services = 0ms;
    read_name = disconnect = connected_false = 0ms;
  }
};

struct BluezSettings {
  BluezVersion version;
  Kernel kernel = Kernel::linux_6_1;
  GattCache cache = GattCache::always;
  BluezTiming timing;
  double speed = 20;
};

}  // namespace bleconnd::integration
