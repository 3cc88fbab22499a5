// Disconnect takes as long as a link needs to go down, so a call waits longer than is usual.
#include "bus.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "daemon_signals.hpp"
#include "names.hpp"

namespace bleconnctl {
namespace {

constexpr std::uint64_t kAnswerUsec = 60'000'000;
constexpr char kLogControl[] = "org.freedesktop.LogControl1";
constexpr char kLogControlPath[] = "/org/freedesktop/LogControl1";

// sd-bus reports what goes wrong on this side in the same place as the other side's answer.
bool is_of_this_side(sd_bus* bus, const sd_bus_error& error) {
  const std::string_view name = error.name;
  return sd_bus_is_open(bus) <= 0 || name.substr(0, 13) == "System.Error." || name == SD_BUS_ERROR_TIMEOUT;
}

}  // namespace

Bus::Bus(const std::string& host) : host_{host} {
  sd_bus* bus{};
  const int opened = host.empty() ? sd_bus_open_system(&bus) : sd_bus_open_system_remote(&bus, host.c_str());
  if (opened < 0) throw error_here(opened);
  bus_.reset(bus);
  if (!std::getenv("SYSTEMD_BUS_TIMEOUT")) sd_bus_set_method_call_timeout(bus, kAnswerUsec);
}

bleconn::Error Bus::error_here(int error) const {
  if (error != -ETIMEDOUT) return bleconn::no_bus(host_, std::strerror(-error));
  std::uint64_t waited = 0;
  sd_bus_get_method_call_timeout(bus_.get(), &waited);
  return {bleconn::Category::timeout,
          fmt::format("bleconnd has not answered for {} s; systemctl status bleconnd",
                      static_cast<double>(waited) / 1e6)};
}

Bus::Message Bus::call(const char* path, const char* interface, const char* member, const char* types, ...) {
  sd_bus_message* made{};
  int done = sd_bus_message_new_method_call(bus_.get(), &made, bleconn::kDaemon, path, interface, member);
  const Message message{made};
  if (done >= 0 && types) {
    va_list arguments;
    va_start(arguments, types);
    done = sd_bus_message_appendv(made, types, arguments);
    va_end(arguments);
  }
  if (done < 0) throw error_here(done);
  sd_bus_error error = SD_BUS_ERROR_NULL;
  sd_bus_message* reply{};
  done = sd_bus_call(bus_.get(), made, 0, &error, &reply);
  if (done >= 0) return Message{reply};
  const auto thrown = !sd_bus_error_is_set(&error) || is_of_this_side(bus_.get(), error)
                          ? error_here(done)
                          : bleconn::error_of(error);
  sd_bus_error_free(&error);
  throw thrown;
}

void Bus::disconnect(const std::string& address) {
  call(bleconn::kRoot, bleconn::kManager, "Disconnect", "s", address.c_str());
}

std::uint32_t Bus::release(const std::string& address) {
  std::uint32_t left = 0;
  sd_bus_message_read(
      call(bleconn::kRoot, bleconn::kManager, "ReleaseConnection", "sa{sv}", address.c_str(), 0).get(), "u",
      &left);
  return left;
}

std::uint32_t Bus::clear_all_caches() {
  std::uint32_t cleared = 0;
  sd_bus_message_read(call(bleconn::kRoot, bleconn::kManager, "ClearAllCaches").get(), "u", &cleared);
  return cleared;
}

std::map<std::string, std::uint64_t> Bus::statistics() {
  std::map<std::string, std::uint64_t> counters;
  const auto reply = call(bleconn::kRoot, bleconn::kManager, "GetStatistics");
  const char* name{};
  std::uint64_t value{};
  if (sd_bus_message_enter_container(reply.get(), 'a', "{st}") > 0)
    while (sd_bus_message_read(reply.get(), "{st}", &name, &value) > 0) counters.emplace(name, value);
  return counters;
}

void Bus::reset_statistics() {
  call(bleconn::kRoot, bleconn::kManager, "ResetStatistics");
}

std::string Bus::log_level() {
  const auto reply =
      call(kLogControlPath, "org.freedesktop.DBus.Properties", "Get", "ss", kLogControl, "LogLevel");
  const char* level{};
  return sd_bus_message_read(reply.get(), "v", "s", &level) > 0 ? level : "";
}

void Bus::set_log_level(const std::string& level) {
  call(kLogControlPath, "org.freedesktop.DBus.Properties", "Set", "ssv", kLogControl, "LogLevel", "s",
       level.c_str());
}

std::string Bus::property(const char* name) {
  const auto reply =
      call(bleconn::kRoot, "org.freedesktop.DBus.Properties", "Get", "ss", bleconn::kManager, name);
  const char* value{};
  return sd_bus_message_read(reply.get(), "v", "s", &value) > 0 ? value : "";
}

}  // namespace bleconnctl
