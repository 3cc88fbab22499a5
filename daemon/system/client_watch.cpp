// NameOwnerChanged with an empty new owner, believed only from the bus driver itself.
// Anybody can send us the same signal; its sender tells them apart.
#include "system/client_watch.hpp"

#include <string_view>
#include <utility>

#include "system/bluez_messages.hpp"
#include "system/journal.hpp"
#include "system/sdbus_compat.hpp"

namespace bleconnd {
namespace {

constexpr char kBus[] = "org.freedesktop.DBus";
constexpr char kBusPath[] = "/org/freedesktop/DBus";
// The driver answers at once, or the bus hangs as a whole.
constexpr std::uint64_t kDriverTimeoutUsec = 5'000'000;
constexpr std::size_t kMostKnown = 8192;  // as many as may hold a lease or wait for one

}  // namespace

ClientWatch::ClientWatch(sdbus::IConnection& connection, const Journal& journal)
    : bus_{bus::native(connection)},
      rules_{bus_, journal},
      rule_{rules_.hold("type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''")},
      filter_{bus_, [this](sd_bus_message* signal) { on_signal(signal); }} {
  if (!rule_) journal.error("no match rule for clients that leave the bus");
}

void ClientWatch::on_signal(sd_bus_message* signal) {
  if (sd_bus_message_is_signal(signal, kBus, "NameOwnerChanged") <= 0) return;
  const char* sender = sd_bus_message_get_sender(signal);
  if (!sender || std::string_view{sender} != kBus) return;
  std::string_view name;
  std::string_view before;
  std::string_view now;
  if (!read_text(signal, 's', name) || !name.starts_with(':')) return;
  if (!read_text(signal, 's', before) || !read_text(signal, 's', now) || !now.empty()) return;
  const std::string client{name};
  uids_.erase(client);
  if (left_) left_(client);
}

std::uint32_t ClientWatch::uid(const sdbus::Message& call) {
  const auto client = bus::sender_of(call);
  if (const auto known = uids_.find(client); known != uids_.end()) return known->second;
  const auto uid = ask(client);
  if (uid == nobody_known) return uid;
  if (uids_.size() >= kMostKnown) uids_.clear();  // they are asked for again
  uids_.emplace(client, uid);
  return uid;
}

std::uint32_t ClientWatch::ask(const std::string& client) {
  sd_bus_message* made{};
  sd_bus_message_new_method_call(bus_, &made, kBus, kBusPath, kBus, "GetConnectionUnixUser");
  const BusMessage call{made};
  if (!call || sd_bus_message_append(made, "s", client.c_str()) < 0) return nobody_known;
  sd_bus_message* answer{};
  if (sd_bus_call(bus_, made, kDriverTimeoutUsec, nullptr, &answer) < 0) return nobody_known;
  const BusMessage owned{answer};
  std::uint32_t uid{};
  return sd_bus_message_read_basic(answer, 'u', &uid) > 0 ? uid : nobody_known;
}

std::set<std::string> ClientWatch::present() {
  std::set<std::string> names;
  sd_bus_message* made{};
  sd_bus_message_new_method_call(bus_, &made, kBus, kBusPath, kBus, "ListNames");
  const BusMessage call{made};
  sd_bus_message* answer{};
  if (!call || sd_bus_call(bus_, made, kDriverTimeoutUsec, nullptr, &answer) < 0) return names;
  const BusMessage owned{answer};
  if (sd_bus_message_enter_container(answer, 'a', "s") <= 0) return names;
  for (std::string_view name; read_text(answer, 's', name);)
    if (name.starts_with(':')) names.emplace(name);
  return names;
}

}  // namespace bleconnd
