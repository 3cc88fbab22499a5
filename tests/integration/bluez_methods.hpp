// The methods of org.bluez as one table: who may be called with what, and which scripted object handles it.
// The same table gives the introspection data and decides what is an unknown method.
#pragma once

#include <string>

#include "scripted_bluez.hpp"

namespace bleconnd::integration {

struct BluezMethods {
  // Handles a call that was recorded and not intercepted; answers it now, later or never.
  static void handle(ScriptedBluez& bluez, const Message& call);
};

}  // namespace bleconnd::integration
