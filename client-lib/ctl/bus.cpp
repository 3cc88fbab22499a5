// Each call waits for its answer, 60 s at most: Disconnect takes as long as a link needs to go down.
#include "bus.hpp"

#include <poll.h>

#include <cstdarg>
#include <cstring>

#include "names.hpp"
#include "read.hpp"

namespace bleconnctl {
namespace {

constexpr std::uint64_t kAnswerUsec = 60'000'000;
constexpr char kLogControl[] = "org.freedesktop.LogControl1";
constexpr char kLogControlPath[] = "/org/freedesktop/LogControl1";

bleconn::Error lost(int error) {
  return {bleconn::Category::daemon_not_running,
          std::string{"no system bus ("} + std::strerror(-error) + "); is dbus running?"};
}

}  // namespace

Bus::Bus(const std::string& host) {
  sd_bus* bus{};
  const int opened = host.empty() ? sd_bus_open_system(&bus) : sd_bus_open_system_remote(&bus, host.c_str());
  if (opened < 0) throw lost(opened);
  bus_.reset(bus);
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
  sd_bus_error error = SD_BUS_ERROR_NULL;
  sd_bus_message* reply{};
  if (done >= 0) done = sd_bus_call(bus_.get(), made, kAnswerUsec, &error, &reply);
  if (sd_bus_error_is_set(&error)) {
    const auto thrown = bleconn::error_of(error.name, error.message ? error.message : "");
    sd_bus_error_free(&error);
    throw thrown;
  }
  if (done < 0) throw lost(done);
  return Message{reply};
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

std::string Bus::declare(const std::string& address, bool persistent, bool maintain) {
  const auto reply =
      call(bleconn::kRoot, bleconn::kManager, "EstablishConnection", "sa{sv}", address.c_str(), 3, "wait",
           "b", 0, "lifetime", "s", persistent ? "persistent" : "caller", "maintain", "b", maintain ? 1 : 0);
  const char* device{};
  std::string state;
  sd_bus_message_read(reply.get(), "o", &device);
  bleconn::for_each_entry(reply.get(), [&](const std::string& key, bleconn::Value value) {
    if (key == "state") state = value.text();
  });
  return state;
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

void Bus::watch(const std::function<void(const Event&)>& told, int ends) {
  struct Watching {
    const std::function<void(const Event&)>& told;
    std::string owner;
  } watching{told, {}};
  const auto seen = [](sd_bus_message* signal, void* self, sd_bus_error*) {
    auto& its = *static_cast<Watching*>(self);
    const char* sender = sd_bus_message_get_sender(signal);
    if (!sender || its.owner != sender) return 0;  // any user may send us a signal
    const std::string member = sd_bus_message_get_member(signal);
    const std::string path = sd_bus_message_get_path(signal);
    std::string address = path.size() > 17 ? path.substr(path.size() - 17) : path;
    for (char& c : address)
      if (c == '_') c = ':';
    if (member == "ConnectionStateChanged") {
      const char *device{}, *of{}, *state{}, *reason{};
      if (sd_bus_message_read(signal, "osss", &device, &of, &state, &reason) > 0)
        its.told({of, state, reason});
    } else if (member == "AttemptFailed") {
      std::uint32_t attempt{}, most{};
      const char *name{}, *detail{}, *message{};
      std::uint64_t retry_in{};
      if (sd_bus_message_read(signal, "uussst", &attempt, &most, &name, &detail, &message, &retry_in) > 0)
        its.told({address, "attempt " + std::to_string(attempt) + " failed", message});
    } else if (member == "ServicesChanged") {
      its.told({address, "services changed", {}});
    }
    return 0;
  };
  const auto changed = [](sd_bus_message* signal, void* self, sd_bus_error*) {
    auto& its = *static_cast<Watching*>(self);
    const char *name{}, *before{}, *now{};
    const char* sender = sd_bus_message_get_sender(signal);
    if (!sender || std::strcmp(sender, "org.freedesktop.DBus") != 0) return 0;
    if (sd_bus_message_read(signal, "sss", &name, &before, &now) < 0) return 0;
    its.owner = now;
    its.told({"bleconnd", its.owner.empty() ? "has left the bus" : "is there", {}});
    return 0;
  };
  sd_bus_add_match(bus_.get(), nullptr,
                   "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                   "member='NameOwnerChanged',arg0='org.bleconnd'",
                   changed, &watching);
  sd_bus_add_match(bus_.get(), nullptr, "type='signal',sender='org.bleconnd',path_namespace='/org/bleconnd'",
                   seen, &watching);
  // A call tells who it is, and starts it where it is to be started.
  const auto reply = call(bleconn::kRoot, "org.freedesktop.DBus.Peer", "Ping");
  if (const char* sender = sd_bus_message_get_sender(reply.get())) watching.owner = sender;
  for (;;) {
    while (sd_bus_process(bus_.get(), nullptr) > 0) {
    }
    pollfd ready[2] = {{sd_bus_get_fd(bus_.get()), static_cast<short>(sd_bus_get_events(bus_.get())), 0},
                       {ends, POLLIN, 0}};
    if (poll(ready, ends < 0 ? 1 : 2, -1) < 0 && errno != EINTR) throw lost(-errno);
    if (ready[1].revents) return;
    if (ready[0].revents & (POLLHUP | POLLERR)) throw lost(-ECONNRESET);
  }
}

}  // namespace bleconnctl
