// The sources of sd_bus_attach_event(), with a loop where that has one call.
#include "system/bus_attachment.hpp"

#include <cstdlib>
#include <cstring>
#include <string>

#include "system/sdbus_compat.hpp"

namespace bleconnd {
namespace {

int check(int result, const char* what) {
  if (result < 0)
    throw bus::error("org.freedesktop.DBus.Error.Failed", std::string{what} + ": " + std::strerror(-result));
  return result;
}

}  // namespace

BusAttachment::BusAttachment(sdbus::IConnection& connection, sd_event* event)
    : bus_{bus::native(connection)}, event_{event} {
  // sd-bus would end the process.
  check(sd_bus_set_exit_on_disconnect(bus_, 0), "sd_bus_set_exit_on_disconnect");
  sd_event_source* source{};
  const int socket = check(sd_bus_get_fd(bus_), "sd_bus_get_fd");
  check(sd_event_add_io(event, &source, socket, 0, on_socket, this), "sd_event_add_io");
  socket_.reset(source);
  check(sd_event_source_set_prepare(source, before_waiting), "sd_event_source_set_prepare");
  check(sd_event_add_defer(event, &source, on_rest, this), "sd_event_add_defer");
  rest_.reset(source);
  check(sd_event_source_set_enabled(source, SD_EVENT_OFF), "sd_event_source_set_enabled");
  check(sd_event_add_time(event, &source, CLOCK_MONOTONIC, UINT64_MAX, 0, on_deadline, this),
        "sd_event_add_time");
  deadline_.reset(source);
  check(sd_event_source_set_enabled(source, SD_EVENT_OFF), "sd_event_source_set_enabled");
  // The first variant makes sdbus-c++ open two eventfds for good: now, and not when descriptors have run out,
  // for it throws then.
  (void)sdbus::Variant{0u};
}

int BusAttachment::on_socket(sd_event_source*, int, std::uint32_t, void* self) {
  return static_cast<BusAttachment*>(self)->process();
}

int BusAttachment::on_rest(sd_event_source*, void* self) {
  return static_cast<BusAttachment*>(self)->process();
}

int BusAttachment::on_deadline(sd_event_source*, std::uint64_t, void* self) {
  static_cast<BusAttachment*>(self)->due_ = UINT64_MAX;
  return static_cast<BusAttachment*>(self)->process();
}

int BusAttachment::before_waiting(sd_event_source*, void* self) {
  return static_cast<BusAttachment*>(self)->prepare();
}

int BusAttachment::process() {
  int went_on = 1;
  for (int count = 0; went_on > 0 && count < kMostAtOnce; ++count) went_on = sd_bus_process(bus_, nullptr);
  if (went_on < 0) must(sd_event_exit(event_, EXIT_FAILURE), "sd_event_exit");
  return 0;
}

// What sd-bus waits for now: it can have become another by any call of it.
int BusAttachment::prepare() {
  const int events = sd_bus_get_events(bus_);
  std::uint64_t due = UINT64_MAX;
  const int has_due = events < 0 ? events : sd_bus_get_timeout(bus_, &due);
  if (has_due < 0) {  // it is closed
    must(sd_event_exit(event_, EXIT_FAILURE), "sd_event_exit");
    return 0;
  }
  must(sd_event_source_set_io_events(socket_.get(), static_cast<std::uint32_t>(events)),
       "sd_event_source_set_io_events");
  must(sd_event_source_set_enabled(rest_.get(), due == 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF),
       "sd_event_source_set_enabled");
  if (due == 0 || due == due_) return 0;
  due_ = due;
  must(sd_event_source_set_time(deadline_.get(), due), "sd_event_source_set_time");
  must(sd_event_source_set_enabled(deadline_.get(), due == UINT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT),
       "sd_event_source_set_enabled");
  return 0;
}

}  // namespace bleconnd
