// What org.bleconnd and the bus tell without being asked, and their errors, read from the message.
#pragma once
#include <systemd/sd-bus.h>

#include <optional>

#include "bleconn/bleconn.hpp"

namespace bleconn {

// Any user may send a signal past the sender of a rule: who receives one compares it with the daemon's unique
// name.
inline constexpr char kDaemonRule[] = "type='signal',sender='org.bleconnd',path_namespace='/org/bleconnd'";
inline constexpr char kOwnerRule[] =
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
    "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.bleconnd'";

// Of NameOwnerChanged: the daemon's unique name, "" when it has left; null: it is not the bus that says so.
const char* owner_in(sd_bus_message* signal);
std::optional<AttemptFailed> attempt_in(sd_bus_message* signal);
Error error_of(const sd_bus_error& error);

}  // namespace bleconn
