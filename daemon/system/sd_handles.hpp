// Owners of what libsystemd hands out: each drops its thing when it goes.
// All of them may be dropped inside a callback of the very thing, which libsystemd keeps until the callback
// returns.
#pragma once
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include <memory>

namespace bleconnd {

template <auto release>
struct Releasing {
  template <class T>
  void operator()(T* thing) const {
    release(thing);
  }
};

using EventSource = std::unique_ptr<sd_event_source, Releasing<sd_event_source_disable_unref>>;
using BusMessage = std::unique_ptr<sd_bus_message, Releasing<sd_bus_message_unref>>;
using BusSlot = std::unique_ptr<sd_bus_slot, Releasing<sd_bus_slot_unref>>;
using OwnBus = std::unique_ptr<sd_bus, Releasing<sd_bus_close_unref>>;

// A call into libsystemd that can fail only for lack of memory or by a bug: `what` is said and the process
// ends, since nothing sensible can go on without it and systemd restarts us.
int must(int result, const char* what);

}  // namespace bleconnd
