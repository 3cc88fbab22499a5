// The signals of org.bleconnd, of its owner alone: any user may send us one.
#include <poll.h>

#include <cerrno>
#include <utility>

#include "bus.hpp"
#include "daemon_signals.hpp"
#include "names.hpp"

namespace bleconnctl {
namespace {

struct Watching {
  const std::function<void(const Event&)>& told;
  std::string owner;
};

int signalled(sd_bus_message* signal, void* self, sd_bus_error*) {
  auto& its = *static_cast<Watching*>(self);
  const char* sender = sd_bus_message_get_sender(signal);
  if (!sender || its.owner != sender) return 0;
  const std::string member = sd_bus_message_get_member(signal);
  const std::string path = sd_bus_message_get_path(signal);
  const auto address = bleconn::address_in(path).value_or(path);
  if (member == "ConnectionStateChanged") {
    const char *device{}, *of{}, *state{}, *reason{};
    if (sd_bus_message_read(signal, "osss", &device, &of, &state, &reason) > 0)
      its.told(StateChanged{of, state, reason});
  } else if (member == "AttemptFailed") {
    if (auto failed = bleconn::attempt_in(signal)) its.told(AttemptOf{address, std::move(*failed)});
  } else if (member == "ServicesChanged") {
    its.told(ServicesChanged{address});
  }
  return 0;
}

int owner_changed(sd_bus_message* signal, void* self, sd_bus_error*) {
  auto& its = *static_cast<Watching*>(self);
  const char* now = bleconn::owner_in(signal);
  if (!now) return 0;
  if (its.owner == now) return 0;  // it was started by our own call
  its.owner = now;
  its.told(DaemonThere{!its.owner.empty()});
  return 0;
}

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
  const auto owners = listen(bleconn::kOwnerRule, owner_changed);
  const auto signals = listen(bleconn::kDaemonRule, signalled);
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
