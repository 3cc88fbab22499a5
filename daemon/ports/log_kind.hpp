// What an entry of the log is about, for those that somebody looks for: each kind has an id of its own, which
// the journal keeps as MESSAGE_ID= and systemd/bleconnd.catalog explains. Ids are made with `systemd-id128
// new` and never change their meaning.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace bleconnd {

enum class LogKind : std::uint8_t {
  plain,                  // without an id
  started,                // The daemon owns its name and answers calls
  ended,                  // it was told to end, and has
  cannot_start,           // no bus, or no right to the name
  bus_lost,               // the bus has gone, so the daemon ends
  link_up,                // a device is connected
  link_ended,             // nobody wanted it any more, or root ended it
  link_lost,              // it went by itself
  link_without_services,  // it was up, and unusable
  link_left_up,           // for the next life of the daemon
  link_stays,             // BlueZ does not end it
  foreign_link,           // up without us: nobody leases it here
  stale_closed,           // an administrator ended foreign links
  attempt_failed,         // another one follows
  gave_up,                // the attempts are over
  call_failed,            // a caller was answered with a failure of the radio
  quota_refused,          // a user has too many leases and calls
  lease_lingers,          // its holder has left the bus
  lease_taken_over,       // another call has what lingered
  linger_ended,           // nobody came for it
  leases_restored,        // of a former life of the daemon
  services_changed,       // of a device, since it was connected last
  cache_cleared,          // somebody asked for it
  cache_damaged,          // a file that cannot be used
  cache_unwritable,       // kept in memory alone
  adapter_failing,        // dials of different devices fail, or its discovery does not end
  adapter_well,           // again
  slots_learned,          // how many links an adapter holds
  no_adapter,             // bluetoothd has none that is on
  adapter_there,          // again
  bluetoothd_away,        // left the bus
  bluetoothd_there,       // is there, again or at the start
  configuration_wrong,    // a line that is ignored
  configuration_read,     // reload
  record_damaged,         // of dials, leases, statistics: a part is ignored
  goes_to_sleep,          // the host suspends
  wakes_up,
};

struct LogKindRow {
  LogKind kind;
  std::string_view id;  // 128 bits in hexadecimal digits
};

// In the order of the enum; a style test compares it with the catalog.
inline constexpr std::array kLogKinds{
    LogKindRow{LogKind::started, "36ee04dbb9704881af200069004a01fc"},
    LogKindRow{LogKind::ended, "89971daa8d424585aad63b1b244ab9f4"},
    LogKindRow{LogKind::cannot_start, "481f5ade3f804701a981e0d78e5b3457"},
    LogKindRow{LogKind::bus_lost, "760f8b11b11549b2bec30ef90dfaf9fa"},
    LogKindRow{LogKind::link_up, "5da116b5b9f8433083791bf00a6cb44b"},
    LogKindRow{LogKind::link_ended, "bbd9f0f9f0364c539874f1ee2cbbb06b"},
    LogKindRow{LogKind::link_lost, "2d6b3fd17a1b41579a1524dda37343fa"},
    LogKindRow{LogKind::link_without_services, "c73b7741b2054857aeb19105563ac605"},
    LogKindRow{LogKind::link_left_up, "64e6014ab0a04e3fa08a924414218b98"},
    LogKindRow{LogKind::link_stays, "ba09ea3a87374428aabc031308fa3077"},
    LogKindRow{LogKind::foreign_link, "dcd69d4185db429d8a59e09041083be9"},
    LogKindRow{LogKind::stale_closed, "527affda1279473db9dd830335ac5e40"},
    LogKindRow{LogKind::attempt_failed, "1c8768ed7ab943b4949c1c3528edeae7"},
    LogKindRow{LogKind::gave_up, "a42cc08c27f64367b5eb1bb2ef489221"},
    LogKindRow{LogKind::call_failed, "a0f08d5e050e4a389d7626ffdf03c1f9"},
    LogKindRow{LogKind::quota_refused, "bf8bb37ebb0544b8a52727a52e78ac55"},
    LogKindRow{LogKind::lease_lingers, "e2b1288059704407bffdcbaa7f1627fc"},
    LogKindRow{LogKind::lease_taken_over, "66fc58a3f94b4819971a9f057ef6f9b9"},
    LogKindRow{LogKind::linger_ended, "09d65516acf54cc5a69731c8048acbdb"},
    LogKindRow{LogKind::leases_restored, "3248647fe90643d2a0ae2d039725b991"},
    LogKindRow{LogKind::services_changed, "bffaddf5076443098e37bdfe7241c231"},
    LogKindRow{LogKind::cache_cleared, "166bdd310b254cfca856b9f30ce11397"},
    LogKindRow{LogKind::cache_damaged, "2ffb1502e6d04dd69599149616fd58ab"},
    LogKindRow{LogKind::cache_unwritable, "7b6c06e54e5745df89070f350afc775f"},
    LogKindRow{LogKind::adapter_failing, "44bcd0c60913471b9f7b59c34a235152"},
    LogKindRow{LogKind::adapter_well, "b7ed3996316c45cd9276983a3d9898b6"},
    LogKindRow{LogKind::slots_learned, "b3327ec55b6f4dc6b1907442762d2571"},
    LogKindRow{LogKind::no_adapter, "83c2d20af3f44913a473283fb6324481"},
    LogKindRow{LogKind::adapter_there, "a0c3d2be24a7408288ab7bc28ce1038a"},
    LogKindRow{LogKind::bluetoothd_away, "4fad1c23444842f78740adca897e67d1"},
    LogKindRow{LogKind::bluetoothd_there, "c6a4da0604ea4b26a5e5c35361bb7678"},
    LogKindRow{LogKind::configuration_wrong, "fbe946651ac9499f957d430b8626f8b5"},
    LogKindRow{LogKind::configuration_read, "062c2111703a442d84eceb6cda582c85"},
    LogKindRow{LogKind::record_damaged, "61c3ae0c244247f8b0411f1ec151d2d2"},
    LogKindRow{LogKind::goes_to_sleep, "4c1c2465271f4a519a8ead0b07eb460a"},
    LogKindRow{LogKind::wakes_up, "1608d287d312471d8f2b88695fda72f9"},
};

// Empty: plain.
constexpr std::string_view message_id(LogKind kind) {
  for (const auto& row : kLogKinds)
    if (row.kind == kind) return row.id;
  return {};
}

}  // namespace bleconnd
