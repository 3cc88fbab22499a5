// Levels by the names of syslog(3), as systemd's tools write them.
#include "service/log_control.hpp"

#include <array>
#include <string_view>
#include <utility>

#include "core/printable.hpp"
#include "system/sdbus_compat.hpp"

namespace bleconnd {
namespace {

using Level = bleconnd::LogLevel;
constexpr std::array<std::pair<std::string_view, Level>, 8> kLevels{{{"err", Level::error},
                                                                     {"warning", Level::warning},
                                                                     {"notice", Level::notice},
                                                                     {"info", Level::info},
                                                                     {"debug", Level::debug},
                                                                     {"emerg", Level::error},
                                                                     {"alert", Level::error},
                                                                     {"crit", Level::error}}};

}  // namespace

LogControl::LogControl(sdbus::IConnection& connection, LeveledLog& log, UidOf uid_of)
    : AdaptorInterfaces{connection, sdbus::ObjectPath{"/org/freedesktop/LogControl1"}},
      log_{log},
      uid_of_{std::move(uid_of)} {
  registerAdaptor();
}

LogControl::~LogControl() {
  unregisterAdaptor();
}

std::string LogControl::LogLevel() {
  for (auto& [word, level] : kLevels)
    if (level == log_.level()) return std::string{word};
  return "info";
}

void LogControl::LogLevel(const std::string& wanted) {
  root_only();
  for (auto& [word, level] : kLevels)
    if (word == wanted) return log_.set_level(level);
  throw bus::error("org.freedesktop.DBus.Error.InvalidArgs",
                   "invalid: no log level '" + printable(wanted) + "'; err, warning, notice, info or debug");
}

void LogControl::LogTarget(const std::string& wanted) {
  root_only();
  if (wanted == log_.target()) return;
  throw bus::error("org.freedesktop.DBus.Error.InvalidArgs",
                   "invalid: the log goes to " + log_.target() + "; that is chosen at the start, by stderr");
}

void LogControl::root_only() {
  if (uid_of_(bus::current_message(getObject())) != 0)
    throw bus::error("org.freedesktop.DBus.Error.AccessDenied",
                     "denied: only root changes the log; ask with sudo");
}

}  // namespace bleconnd
