// Tables and text; no bus here.
#include "names.hpp"

#include <array>
#include <cctype>
#include <cstring>

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
  if (parts.token.empty()) return parts;
  if (const auto semicolon = message.rfind("; "); semicolon != std::string_view::npos)
    parts.advice = message.substr(semicolon + 2);
  return parts;
}

Error bus_lost(int status) {
  return {Category::daemon_not_running, std::string{"the connection to the bus has ended ("} +
                                            std::strerror(status < 0 ? -status : status) +
                                            "); is dbus running?"};
}

Error no_bus(const std::string& host, const std::string& why) {
  if (host.empty()) return {Category::daemon_not_running, "no system bus (" + why + "); is dbus running?"};
  return {Category::daemon_not_running,
          "no system bus of " + host + " (" + why + "); does ssh " + host + " work without a question?"};
}

Error error_of(std::string_view error_name, std::string_view message) {
  const auto category = category_of(error_name);
  if (category == Category::access_denied && parts_of(message).token.empty()) {
    // dbus-daemon's and dbus-broker's words of their policy; else sd-bus' of a member that is root's.
    const bool by_policy = message.find("Rejected send message") != std::string_view::npos ||
                           message.find("Sender is not authorized") != std::string_view::npos;
    return {category, by_policy
                          ? std::string{"denied: bleconnd is for root and group bluetooth; ask with sudo, or "
                                        "join the group (adduser USER bluetooth) and log in again"}
                          : "denied: " + std::string{message} + " only root may; ask with sudo"};
  }
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

std::optional<std::string> parse_address(std::string_view text) {
  constexpr std::size_t kLength = 17;  // six pairs and five colons
  if (text.size() != kLength) return {};
  for (std::size_t i = 0; i < kLength; ++i) {
    const bool fits = i % 3 == 2 ? text[i] == ':' : std::isxdigit(static_cast<unsigned char>(text[i])) != 0;
    if (!fits) return {};
  }
  return canonical(text);
}

Error no_address(std::string_view text) {
  std::string shown;
  for (const char c : text.substr(0, 64)) shown += c >= ' ' && c < 0x7f ? c : '?';
  return {Category::invalid_args,
          "invalid: '" + shown +
              "' is no Bluetooth address; six hex pairs with colons, such as AA:BB:CC:DD:EE:FF"};
}

std::string device_path(std::string_view address) {
  auto path = std::string{kRoot} + "/dev_" + std::string{address};
  for (char& c : path)
    if (c == ':') c = '_';
  return path;
}

std::optional<std::string> address_in(std::string_view path) {
  constexpr std::string_view kBefore = "/org/bleconnd/dev_";
  if (path.substr(0, kBefore.size()) != kBefore) return {};
  std::string text{path.substr(kBefore.size())};
  for (char& c : text)
    if (c == '_') c = ':';
  return parse_address(text);
}

std::string full_uuid(std::string_view uuid) {
  std::string text;
  for (const char c : uuid) text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (text.substr(0, 2) == "0x") text.erase(0, 2);
  if (text.size() != 4 && text.size() != 8) return text;
  return std::string(8 - text.size(), '0') + text + "-0000-1000-8000-00805f9b34fb";
}

}  // namespace bleconn
