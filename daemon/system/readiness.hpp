// What systemd is told about us (sd_notify): ready, what we do, stopping. Nothing happens where
// $NOTIFY_SOCKET is not set.
#pragma once
#include <string_view>

namespace bleconnd {

// Also when a reload is done. 0, or the errno of why systemd does not know it: it would wait in vain.
[[nodiscard]] int notify_ready();
void notify_reloading();  // for Type=notify-reload, systemd >= 253
void notify_settled();    // X_BLECONND_SETTLED=1: what the start left over has been given back
void notify_status(std::string_view status);  // one line; foreign text in it is printable() already
void notify_stopping();

}  // namespace bleconnd
