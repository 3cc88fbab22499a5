// sd_notify(3) messages. STATUS= is shown by systemctl status.
// Failures are not looked at: without a service manager there is nobody to miss them.
#include "system/readiness.hpp"

#include <systemd/sd-daemon.h>

#include <algorithm>
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

void notify_ready() {
  sd_notify(0, "READY=1");
}
void notify_status(std::string_view status) {
  sd_notify(0, status_line(status).c_str());
}
void notify_stopping() {
  sd_notify(0, "STOPPING=1");
}

}  // namespace bleconnd
