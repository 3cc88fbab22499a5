// Tables and text; no bus here.
#include "names.hpp"

#include <array>
#include <cctype>

namespace bleconn {
namespace {

struct Word {
  Category category;
  std::string_view text;
  std::string_view error_name;
};

constexpr std::array<Word, 15> kWords{{
    {Category::not_found, "NotFound", "org.bleconnd.Error.NotFound"},
    {Category::out_of_connection_slots, "OutOfConnectionSlots", "org.bleconnd.Error.OutOfConnectionSlots"},
    {Category::aborted, "Aborted", "org.bleconnd.Error.Aborted"},
    {Category::connection_failed, "ConnectionFailed", "org.bleconnd.Error.ConnectionFailed"},
    {Category::timeout, "Timeout", "org.bleconnd.Error.Timeout"},
    {Category::cancelled, "Cancelled", "org.bleconnd.Error.Cancelled"},
    {Category::not_ready, "NotReady", "org.bleconnd.Error.NotReady"},
    {Category::not_connected, "NotConnected", "org.bleconnd.Error.NotConnected"},
    {Category::not_cached, "NotCached", "org.bleconnd.Error.NotCached"},
    {Category::busy, "Busy", "org.bleconnd.Error.Busy"},
    {Category::invalid_args, "InvalidArgs", "org.freedesktop.DBus.Error.InvalidArgs"},
    {Category::access_denied, "AccessDenied", "org.freedesktop.DBus.Error.AccessDenied"},
    {Category::limits_exceeded, "LimitsExceeded", "org.freedesktop.DBus.Error.LimitsExceeded"},
    {Category::daemon_not_running, "DaemonNotRunning", "org.freedesktop.DBus.Error.ServiceUnknown"},
    {Category::unexpected, "Unexpected", {}},
}};

constexpr std::string_view kGone[] = {
    "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.NoReply",        "org.freedesktop.DBus.Error.Disconnected",
    "org.freedesktop.DBus.Error.NoServer",       "org.freedesktop.DBus.Error.TimedOut"};

bool is_token(std::string_view text) noexcept {
  if (text.empty()) return false;
  for (const char c : text)
    if (c != '-' && (c < 'a' || c > 'z')) return false;
  return true;
}

}  // namespace

std::string_view to_string(Category category) noexcept {
  for (const auto& word : kWords)
    if (word.category == category) return word.text;
  return "Unexpected";
}

Category category_of(std::string_view error_name) noexcept {
  for (const auto& word : kWords)
    if (!word.error_name.empty() && word.error_name == error_name) return word.category;
  for (const auto name : kGone)
    if (name == error_name) return Category::daemon_not_running;
  // systemd's and dbus-daemon's words for a service that does not start.
  if (error_name.substr(0, 33) == "org.freedesktop.DBus.Error.Spawn." ||
      error_name.substr(0, 25) == "org.freedesktop.systemd1.")
    return Category::daemon_not_running;
  return Category::unexpected;
}

MessageParts parts_of(std::string_view message) noexcept {
  MessageParts parts;
  const auto colon = message.find(": ");
  if (colon != std::string_view::npos && is_token(message.substr(0, colon)))
    parts.token = message.substr(0, colon);
  if (const auto semicolon = message.rfind("; "); semicolon != std::string_view::npos)
    parts.advice = message.substr(semicolon + 2);
  return parts;
}

Error error_of(std::string_view error_name, std::string_view message) {
  const auto category = category_of(error_name);
  if (category == Category::daemon_not_running)
    return {category, "bleconnd is not running (" + std::string{message} + "); systemctl start bleconnd"};
  if (category == Category::unexpected)
    return {category, std::string{error_name} + ": " + std::string{message}};
  return {category, std::string{message}};
}

Error::Error(Category category, const std::string& message)
    : std::runtime_error{message},
      category_{category},
      token_{parts_of(message).token},
      advice_{parts_of(message).advice} {}

std::string canonical(std::string_view address) {
  std::string text{address};
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::string device_path(std::string_view address) {
  auto path = std::string{kRoot} + "/dev_" + canonical(address);
  for (char& c : path)
    if (c == ':') c = '_';
  return path;
}

std::string full_uuid(std::string_view uuid) {
  std::string text;
  for (const char c : uuid) text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (text.substr(0, 2) == "0x") text.erase(0, 2);
  if (text.size() != 4 && text.size() != 8) return text;
  return std::string(8 - text.size(), '0') + text + "-0000-1000-8000-00805f9b34fb";
}

}  // namespace bleconn
