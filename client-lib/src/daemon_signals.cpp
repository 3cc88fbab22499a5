// The shapes are those of dbus-interfaces/org.bleconnd.xml.
#include "daemon_signals.hpp"

#include <cstring>

#include "names.hpp"

namespace bleconn {

const char* owner_in(sd_bus_message* signal) {
  const char *name{}, *before{}, *now{};
  const char* sender = sd_bus_message_get_sender(signal);
  if (!sender || std::strcmp(sender, "org.freedesktop.DBus") != 0) return nullptr;
  if (sd_bus_message_read(signal, "sss", &name, &before, &now) <= 0) return nullptr;
  return std::strcmp(name, kDaemon) == 0 ? now : nullptr;
}

std::optional<AttemptFailed> attempt_in(sd_bus_message* signal) {
  std::uint32_t attempt{}, most{};
  const char *name{}, *token{}, *message{};
  std::uint64_t retry_in{};
  if (sd_bus_message_read(signal, "uussst", &attempt, &most, &name, &token, &message, &retry_in) <= 0)
    return {};
  return AttemptFailed{attempt, most, error_of(name, message),
                       std::chrono::microseconds{static_cast<std::int64_t>(retry_in)}};
}

Error error_of(const sd_bus_error& error) {
  return error_of(error.name, error.message ? error.message : "");
}

}  // namespace bleconn
