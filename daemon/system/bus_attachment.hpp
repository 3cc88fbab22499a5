// A bus connection on the event loop. sd_bus_attach_event() takes one message a turn of the loop, which is
// three epoll_wait() and two timerfd_settime() each; a connect brings thirty messages at once.
#pragma once
#include <sdbus-c++/sdbus-c++.h>

#include "system/sd_handles.hpp"

namespace bleconnd {

// Runs a connection on an event loop while it lives: whatever has arrived, in order, up to kMostAtOnce
// messages a turn, so that timers and coroutines have theirs. A lost bus ends the loop with EXIT_FAILURE.
class BusAttachment {
 public:
  static constexpr int kMostAtOnce = 32;

  BusAttachment(sdbus::IConnection& connection, sd_event* event);
  BusAttachment(const BusAttachment&) = delete;
  BusAttachment& operator=(const BusAttachment&) = delete;

 private:
  static int on_socket(sd_event_source*, int, std::uint32_t, void* self);
  static int on_rest(sd_event_source*, void* self);
  static int on_deadline(sd_event_source*, std::uint64_t, void* self);
  static int before_waiting(sd_event_source*, void* self);
  int process();
  int prepare();

  sd_bus* bus_;
  sd_event* event_;
  EventSource socket_;
  EventSource rest_;      // messages that sd-bus has read already
  EventSource deadline_;  // of sd-bus: of its own calls, none of ours has one
  std::uint64_t due_ = UINT64_MAX;
};

}  // namespace bleconnd
