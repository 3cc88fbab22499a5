// The signals of org.bleconnd, of its owner alone: any user may send us one.
#include <poll.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "bus.hpp"
#include "names.hpp"

namespace bleconnctl {
namespace {

struct Watching {
  const std::function<void(const Event&)>& told;
  std::string owner;
};

// "…/dev_AA_BB_CC_DD_EE_FF"
std::string address_of(const std::string& path) {
  constexpr std::size_t length = 17;
  auto address = path.size() > length ? path.substr(path.size() - length) : path;
  for (char& c : address)
    if (c == '_') c = ':';
  return address;
}

int signalled(sd_bus_message* signal, void* self, sd_bus_error*) {
  auto& its = *static_cast<Watching*>(self);
  const char* sender = sd_bus_message_get_sender(signal);
  if (!sender || its.owner != sender) return 0;
  const std::string member = sd_bus_message_get_member(signal);
  const auto address = address_of(sd_bus_message_get_path(signal));
  if (member == "ConnectionStateChanged") {
    const char *device{}, *of{}, *state{}, *reason{};
    if (sd_bus_message_read(signal, "osss", &device, &of, &state, &reason) > 0)
      its.told(StateChanged{of, state, reason});
  } else if (member == "AttemptFailed") {
    std::uint32_t attempt{}, most{};
    const char *name{}, *token{}, *message{};
    std::uint64_t retry_in{};
    if (sd_bus_message_read(signal, "uussst", &attempt, &most, &name, &token, &message, &retry_in) > 0)
      its.told(AttemptOf{address,
                         {attempt, most, bleconn::error_of(name, message),
                          std::chrono::microseconds{static_cast<std::int64_t>(retry_in)}}});
  } else if (member == "ServicesChanged") {
    its.told(ServicesChanged{address});
  }
  return 0;
}

int owner_changed(sd_bus_message* signal, void* self, sd_bus_error*) {
  auto& its = *static_cast<Watching*>(self);
  const char *name{}, *before{}, *now{};
  const char* sender = sd_bus_message_get_sender(signal);
  if (!sender || std::strcmp(sender, "org.freedesktop.DBus") != 0) return 0;
  if (sd_bus_message_read(signal, "sss", &name, &before, &now) <= 0) return 0;
  if (its.owner == now) return 0;  // it was started by our own call
  its.owner = now;
  its.told(DaemonThere{!its.owner.empty()});
  return 0;
}

constexpr char kOwnerRule[] =
    "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
    "member='NameOwnerChanged',arg0='org.bleconnd'";
constexpr char kRule[] = "type='signal',sender='org.bleconnd',path_namespace='/org/bleconnd'";

}  // namespace

void Bus::watch(const std::function<void(const Event&)>& told, int ends) {
  Watching watching{told, {}};
  struct End {
    void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
  };
  const auto listen = [&](const char* rule, sd_bus_message_handler_t handler) {
    sd_bus_slot* slot{};
    if (const int done = sd_bus_add_match(bus_.get(), &slot, rule, handler, &watching); done < 0)
      throw error_here(done);
    return std::unique_ptr<sd_bus_slot, End>{slot};
  };
  const auto owners = listen(kOwnerRule, owner_changed);
  const auto signals = listen(kRule, signalled);
  // A call tells who it is, and starts it where it is to be started.
  const auto reply = call(bleconn::kRoot, "org.freedesktop.DBus.Peer", "Ping");
  if (const char* sender = sd_bus_message_get_sender(reply.get())) watching.owner = sender;
  told(DaemonThere{true});
  for (;;) {
    int handled = 0;
    while ((handled = sd_bus_process(bus_.get(), nullptr)) > 0) {
    }
    if (handled < 0) throw error_here(handled);
    pollfd ready[2] = {{sd_bus_get_fd(bus_.get()), static_cast<short>(sd_bus_get_events(bus_.get())), 0},
                       {ends, POLLIN, 0}};
    if (poll(ready, 2, -1) < 0 && errno != EINTR) throw error_here(-errno);
    if (ready[1].revents) return;
  }
}

}  // namespace bleconnctl
