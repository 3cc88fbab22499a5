// bleconn-watch: prints one line for every change that org.bleconnd announces on the system bus.
// An example of the D-Bus interface for programs without a library: plain sd-bus and sd-event, nothing else.
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include <cctype>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace {

using Clock = std::chrono::steady_clock;

struct Watch {
  Clock::time_point start = Clock::now();
  std::string owner;            // unique name behind org.bleconnd; empty while nobody owns it
  std::string until_connected;  // address whose "connected" ends the program; empty: only a signal does
  sd_event* loop = nullptr;
};

// Names and error texts come from the air and from other programs: no control character reaches the terminal.
std::string printable(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      result += c;
      continue;
    }
    char escaped[5];
    std::snprintf(escaped, sizeof escaped, "\\x%02X", byte);
    result += escaped;
  }
  return result;
}

// /org/bleconnd/dev_AA_BB_CC_DD_EE_FF -> AA:BB:CC:DD:EE:FF
std::string address_of(std::string_view path) {
  const auto last = path.rfind("/dev_");
  if (last == std::string_view::npos) return printable(path);
  std::string address(path.substr(last + std::strlen("/dev_")));
  for (char& c : address)
    if (c == '_') c = ':';
  return printable(address);
}

void print_line(const Watch& watch, const std::string& address, const std::string& text) {
  const std::chrono::duration<double> elapsed = Clock::now() - watch.start;
  std::printf("%7.2f s  %s  %s\n", elapsed.count(), address.c_str(), text.c_str());
  std::fflush(stdout);
}

// Any program may send us a signal directly, past the match rule's sender: only the owner's count.
bool is_from_daemon(const Watch& watch, sd_bus_message* message) {
  const char* sender = sd_bus_message_get_sender(message);
  return sender && watch.owner == sender;
}

int on_state_changed(sd_bus_message* message, void* userdata, sd_bus_error*) {
  const auto& watch = *static_cast<Watch*>(userdata);
  const char *device, *address, *state, *reason;
  if (!is_from_daemon(watch, message)) return 0;
  if (sd_bus_message_read(message, "osss", &device, &address, &state, &reason) < 0) return 0;
  std::string text = printable(state);
  if (*reason) text += " (" + printable(reason) + ")";
  print_line(watch, printable(address), text);
  if (watch.until_connected == address && std::string_view(state) == "connected")
    sd_event_exit(watch.loop, 0);
  return 0;
}

int on_attempt_failed(sd_bus_message* message, void* userdata, sd_bus_error*) {
  const auto& watch = *static_cast<Watch*>(userdata);
  std::uint32_t attempt, most;
  const char *error, *token, *sentence;
  std::uint64_t retry_usec;
  if (!is_from_daemon(watch, message)) return 0;
  if (sd_bus_message_read(message, "uussst", &attempt, &most, &error, &token, &sentence, &retry_usec) < 0)
    return 0;

  std::string text = "attempt " + std::to_string(attempt) + " failed: " + printable(sentence);
  if (retry_usec > 0) {
    char next[64];
    std::snprintf(next, sizeof next, "; next try in %.2f s", static_cast<double>(retry_usec) / 1e6);
    text += next;
  }
  print_line(watch, address_of(sd_bus_message_get_path(message)), text);
  return 0;
}

int on_disconnected(sd_bus_message* message, void* userdata, sd_bus_error*) {
  const auto& watch = *static_cast<Watch*>(userdata);
  const char* reason;
  if (!is_from_daemon(watch, message) || sd_bus_message_read(message, "s", &reason) < 0) return 0;
  print_line(watch, address_of(sd_bus_message_get_path(message)), "link ended (" + printable(reason) + ")");
  return 0;
}

int on_owner_changed(sd_bus_message* message, void* userdata, sd_bus_error*) {
  auto& watch = *static_cast<Watch*>(userdata);
  const char *name, *before, *now;
  if (std::string_view(sd_bus_message_get_sender(message)) != "org.freedesktop.DBus") return 0;
  if (sd_bus_message_read(message, "sss", &name, &before, &now) < 0) return 0;
  watch.owner = now;
  print_line(watch, "org.bleconnd     ", *now ? "is on the bus" : "has left the bus");
  return 0;
}

int on_bus_lost(sd_bus_message*, void* userdata, sd_bus_error*) {
  std::fputs("bleconn-watch: the bus closed the connection\n", stderr);
  return sd_event_exit(static_cast<Watch*>(userdata)->loop, EXIT_FAILURE);
}

void must(int result, const char* what) {
  if (result >= 0) return;
  std::fprintf(stderr, "bleconn-watch: %s: %s\n", what, std::strerror(-result));
  std::exit(EXIT_FAILURE);
}

void subscribe(sd_bus* bus, Watch& watch) {
  struct Subscription {
    const char *sender, *interface, *member, *more;
    sd_bus_message_handler_t handler;
  };
  const Subscription subscriptions[] = {
      {"org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged", ",arg0='org.bleconnd'",
       on_owner_changed},
      {"org.bleconnd", "org.bleconnd.Manager1", "ConnectionStateChanged", "", on_state_changed},
      {"org.bleconnd", "org.bleconnd.Device1", "AttemptFailed", "", on_attempt_failed},
      {"org.bleconnd", "org.bleconnd.Device1", "Disconnected", "", on_disconnected},
      {"org.freedesktop.DBus.Local", "org.freedesktop.DBus.Local", "Disconnected", "", on_bus_lost},
  };
  for (const auto& s : subscriptions) {
    const std::string rule = std::string("type='signal',sender='") + s.sender + "',interface='" +
                             s.interface + "',member='" + s.member + "'" + s.more;
    must(sd_bus_add_match(bus, nullptr, rule.c_str(), s.handler, &watch), "cannot subscribe");
  }
  sd_bus_creds* creds = nullptr;  // asked after the subscription, so that no change of owner is missed
  const char* owner = nullptr;
  if (sd_bus_get_name_creds(bus, "org.bleconnd", SD_BUS_CREDS_UNIQUE_NAME, &creds) >= 0 &&
      sd_bus_creds_get_unique_name(creds, &owner) >= 0)
    watch.owner = owner;
  sd_bus_creds_unref(creds);
}

}  // namespace

int main(int argc, char** argv) {
  Watch watch;
  if (argc == 3 && std::string_view(argv[1]) == "--until-connected") {
    for (const char* c = argv[2]; *c; ++c)  // addresses are announced in capitals
      watch.until_connected += static_cast<char>(std::toupper(static_cast<unsigned char>(*c)));
  } else if (argc != 1) {
    std::fputs(
        "usage: bleconn-watch [--until-connected ADDRESS]\n"
        "Prints what org.bleconnd announces, until that device is connected, or until SIGTERM or Ctrl-C.\n"
        "The bus is the system bus, or the one that DBUS_SYSTEM_BUS_ADDRESS names.\n",
        stderr);
    return 2;
  }

  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  sigprocmask(SIG_BLOCK, &ending, nullptr);

  sd_bus* bus = nullptr;
  must(sd_event_default(&watch.loop), "no event loop");
  must(sd_event_add_signal(watch.loop, nullptr, SIGTERM, nullptr, nullptr), "SIGTERM");
  must(sd_event_add_signal(watch.loop, nullptr, SIGINT, nullptr, nullptr), "SIGINT");
  must(sd_bus_open_system(&bus), "cannot reach the system bus");
  subscribe(bus, watch);
  must(sd_bus_attach_event(bus, watch.loop, SD_EVENT_PRIORITY_NORMAL), "cannot attach the bus");
  print_line(watch, "org.bleconnd     ",
             watch.owner.empty() ? "is not on the bus yet; watching" : "is watched");

  const int status = sd_event_loop(watch.loop);
  sd_bus_flush_close_unref(bus);
  sd_event_unref(watch.loop);
  must(status, "event loop");
  return status;
}
