// sd-bus calls with callbacks that fill a shared Reply. Another user's connection is opened under that
// effective user id: the socket keeps the credentials it was made with.
#include "client.hpp"

#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "scripted_bluez.hpp"

namespace bleconnd::integration {
namespace {

const CallTarget manager_target{"org.bleconnd", "/org/bleconnd", "org.bleconnd.Manager1"};

}  // namespace

Bus open_bus(const std::string& address, uid_t uid) {
  sd_bus* raw = nullptr;
  checked(sd_bus_new(&raw), "sd_bus_new");
  Bus bus{raw};
  checked(sd_bus_set_address(raw, address.c_str()), "sd_bus_set_address");
  checked(sd_bus_set_bus_client(raw, 1), "sd_bus_set_bus_client");
  as_user(uid, [raw] { checked(sd_bus_start(raw), "sd_bus_start"); });
  return bus;
}

std::string unique_name_of(sd_bus* bus) {
  const char* name = nullptr;
  checked(sd_bus_get_unique_name(bus, &name), "sd_bus_get_unique_name");
  return name;
}

void as_user(uid_t uid, const std::function<void()>& action) {
  if (uid == static_cast<uid_t>(-1) || uid == geteuid()) return action();
  const auto fail = [](const char* what) { throw std::system_error(errno, std::generic_category(), what); };
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(getgroups(0, nullptr), 0)));
  if (getgroups(static_cast<int>(groups.size()), groups.data()) < 0) fail("getgroups");
  if (setgroups(0, nullptr) < 0) fail("setgroups");
  if (setegid(uid) < 0 || seteuid(uid) < 0) fail("seteuid");
  action();
  if (seteuid(getuid()) < 0 || setegid(getgid()) < 0) fail("seteuid back");
  if (setgroups(groups.size(), groups.data()) < 0) fail("setgroups back");
}

namespace {

Message new_call(sd_bus* bus, const CallTarget& target, const std::string& member,
                 const std::function<void(sd_bus_message*)>& fill) {
  sd_bus_message* message = nullptr;
  checked(sd_bus_message_new_method_call(bus, &message, target.destination.c_str(), target.path.c_str(),
                                         target.interface.c_str(), member.c_str()),
          "new method call");
  auto owned = Message::owned(message);
  fill(message);
  return owned;
}

}  // namespace

struct Client::Pending {
  Client* client;
  PendingReply reply;
  std::string member;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
};

Client::Client(Loop& loop, const std::string& bus_address, uid_t uid)
    : loop_(loop), bus_address_(bus_address), uid_(uid) {
  join();
}

void Client::join() {
  leave();
  bus_ = open_bus(bus_address_, uid_);
  auto* raw = bus_.get();
  unique_name_ = unique_name_of(raw);
  const auto filter = [](sd_bus_message* message, void* self, sd_bus_error*) {
    return static_cast<Client*>(self)->receive(message);
  };
  checked(sd_bus_add_filter(raw, nullptr, filter, this), "sd_bus_add_filter");
  checked(sd_bus_attach_event(raw, loop_.event(), SD_EVENT_PRIORITY_NORMAL), "sd_bus_attach_event");
}

Client::~Client() {
  leave();
}

void Client::leave() {
  if (!bus_) return;
  sd_bus_detach_event(bus_.get());
  sd_bus_close(bus_.get());
  bus_.reset();
}

PendingReply Client::call(const CallTarget& target, const std::string& member,
                          const std::vector<Argument>& arguments) {
  return call_with(target, member, [&](sd_bus_message* message) {
    for (const auto& argument : arguments) append(message, argument);
  });
}

PendingReply Client::call_with(const CallTarget& target, const std::string& member,
                               const std::function<void(sd_bus_message*)>& fill) {
  const Message message = new_call(bus_.get(), target, member, fill);
  auto pending = std::make_unique<Pending>(Pending{this, std::make_shared<Reply>(), member});
  PendingReply reply = pending->reply;
  const auto answered = [](sd_bus_message* answer, void* data, sd_bus_error*) {
    auto& waiting = *static_cast<Pending*>(data);
    Reply& filled = *waiting.reply;
    filled.done = true;
    filled.took = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() -
                                                                        waiting.start);
    if (const sd_bus_error* error = sd_bus_message_get_error(answer)) {
      filled.error = text_or_empty(error->name);
      filled.message = text_or_empty(error->message);
    } else {
      filled.arguments = read_arguments(answer);
    }
    waiting.client->events_.push_back(waiting.member + " → " + filled.outcome());
    return 0;
  };
  sd_bus_slot* slot = nullptr;
  checked(sd_bus_call_async(bus_.get(), &slot, message.get(), answered, pending.get(), UINT64_MAX), member);
  const auto destroy = [](void* data) { delete static_cast<Pending*>(data); };
  sd_bus_slot_set_destroy_callback(slot, destroy);
  (void)pending.release();  // from here on the slot owns it, and the connection the slot
  sd_bus_slot_set_floating(slot, 1);
  sd_bus_slot_unref(slot);
  return reply;
}

PendingReply Client::get(const CallTarget& target, const std::string& property) {
  return call({target.destination, target.path, "org.freedesktop.DBus.Properties"}, "Get",
              {Value{target.interface}, Value{property}});
}

PendingReply Client::establish(const std::string& address, const Dictionary& options) {
  return call(manager_target, "EstablishConnection", {Value{address}, options});
}

PendingReply Client::release(const std::string& address) {
  return call(manager_target, "ReleaseConnection", {Value{address}, Dictionary{}});
}

PendingReply Client::manager(const std::string& member, const std::vector<Argument>& arguments) {
  return call(manager_target, member, arguments);
}

PendingReply Client::manager_property(const std::string& property) {
  return get(manager_target, property);
}

PendingReply Client::device_property(const std::string& address, const std::string& property) {
  return get({"org.bleconnd", daemon_device_path(address), "org.bleconnd.Device1"}, property);
}

PendingReply Client::daemon_objects() {
  return call({"org.bleconnd", "/org/bleconnd", "org.freedesktop.DBus.ObjectManager"}, "GetManagedObjects");
}

PendingReply Client::bluez_device(const std::string& path, const std::string& member) {
  return call({"org.bluez", path, "org.bluez.Device1"}, member);
}

PendingReply Client::bluez_adapter(const std::string& path, const std::string& member,
                                   const std::vector<Argument>& arguments) {
  return call({"org.bluez", path, "org.bluez.Adapter1"}, member, arguments);
}

int Client::receive(sd_bus_message* message) {
  uint8_t type = 0;
  sd_bus_message_get_type(message, &type);
  if (type != SD_BUS_MESSAGE_SIGNAL) return 0;
  Signal signal{text_or_empty(sd_bus_message_get_sender(message)),
                text_or_empty(sd_bus_message_get_path(message)),
                text_or_empty(sd_bus_message_get_interface(message)),
                text_or_empty(sd_bus_message_get_member(message)), read_arguments(message)};
  if (signal.member == "NameAcquired" || signal.member == "NameLost") return 0;
  events_.push_back(describe(signal));
  signals_.push_back(std::move(signal));
  return 0;
}

void Client::watch(const std::string& match_rule) {
  checked(sd_bus_add_match(bus_.get(), nullptr, match_rule.c_str(), nullptr, nullptr), "add match");
}

std::vector<Signal> Client::signals(const std::string& member) const {
  std::vector<Signal> chosen;
  std::ranges::copy_if(signals_, std::back_inserter(chosen),
                       [&](const Signal& s) { return s.member == member; });
  return chosen;
}

std::size_t Client::count_signals(const std::string& member) const {
  return static_cast<std::size_t>(std::ranges::count(signals_, member, &Signal::member));
}

std::vector<std::string> Client::described() const {
  std::vector<std::string> lines;
  for (const auto& signal : signals_) lines.push_back(describe(signal));
  return lines;
}

std::string describe(const Signal& signal) {
  if (signal.member == "InterfacesAdded") return "IA " + short_path(signal.arguments[0].get<std::string>());
  if (signal.member == "InterfacesRemoved") return "IR " + short_path(signal.arguments[0].get<std::string>());
  if (signal.member != "PropertiesChanged")
    return signal.member + " " + short_path(signal.path) + " " + signal.arguments.dump();
  std::string text = "PC " + short_path(signal.path) + " " + signal.arguments[1].dump();
  if (!signal.arguments[2].empty()) text += " invalidated " + signal.arguments[2].dump();
  return text;
}

std::string daemon_device_path(std::string address) {
  std::ranges::replace(address, ':', '_');
  return "/org/bleconnd/dev_" + address;
}

}  // namespace bleconnd::integration
