// sd_notify(3) messages. STATUS= is shown by systemctl status.
// But for READY=1, failures are not looked at: nobody waits for the other messages.
#include "system/readiness.hpp"

#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <string>

namespace bleconnd {
namespace {

std::string status_line(std::string_view status) {
  std::string line{"STATUS="};
  line += status;
  std::replace(line.begin(), line.end(), '\n', ' ');  // a line break would begin another assignment
  return line;
}

}  // namespace

int notify_ready() {
  return std::max(-sd_notify(0, "READY=1"), 0);
}

// systemd waits for the READY=1 behind the reload that began at this time or later.
void notify_reloading() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const auto usec = std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000;
  sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(usec)).c_str());
}
void notify_settled() {
  sd_notify(0, "X_BLECONND_SETTLED=1");
}
void notify_status(std::string_view status) {
  sd_notify(0, status_line(status).c_str());
}
void notify_stopping() {
  sd_notify(0, "STOPPING=1");
}

}  // namespace bleconnd
