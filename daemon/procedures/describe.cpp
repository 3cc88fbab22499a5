// Reads values; changes nothing.
#include "procedures/describe.hpp"

#include "procedures/locate.hpp"

namespace bleconnd {
namespace {

std::chrono::seconds whole_seconds_to(TimePoint when, const Radio& radio) {
  return std::chrono::ceil<std::chrono::seconds>(std::max(when - radio.now(), Duration{0}));
}

void add_session(Description::Device& to, const DeviceSession& session, const Radio& radio) {
  to.state = text(session.stage());
  to.adapter = session.adapter();
  to.attempt = session.attempt();
  to.queue_position = session.queue_position();
  to.waits_for = radio.queue.lack_of_slots(session.address());
  if (auto& error = session.last_error()) to.last_error = error->message;
  for (auto& lease : session.leases().all()) {
    auto words = "uid " + std::to_string(lease.holder.uid) + " ";
    words += lease.persistent() ? "persistent" : lease.lingers_to ? "lingers" : lease.holder.name;
    if (lease.maintained) words += " maintained";
    to.leases.push_back(lease.label.empty() ? words : words + " " + lease.label);
  }
  to.calls = session.calls();
  to.maintained = session.leases().maintained();
  to.failures_in_a_row = session.reconnects().failures();
  if (to.maintained && session.stage() == Stage::backing_off)
    to.next_try_in = whole_seconds_to(session.reconnects().due(), radio);
  to.link_of_others = session.foreign();
  to.services_verified = session.services_verified();
}

Description::Device of_session(const DeviceSession& session, const Radio& radio) {
  Description::Device device{.address = session.address().text()};
  add_session(device, session, radio);
  device.cached = session.services_cached();
  return device;
}

Description::Adapter of_adapter(const AdapterState& adapter, const Radio& radio) {
  const auto& slots = radio.queue.slots();
  Description::Adapter described{
      .name = adapter.name, .address = adapter.address, .powered = adapter.powered};
  described.ignored = radio.settings.ignores(adapter.address);
  described.slots = slots.limit(adapter.address, radio.now());
  described.slots_free = slots.free_slots(adapter.address, radio.now());
  for (auto& device : slots.holders(adapter.address)) described.allocated.push_back(device.text());
  for (auto& device : radio.queue.queued(adapter.address)) described.queued.push_back(device.text());
  if (const auto device = radio.queue.dialling(adapter.address)) described.dialling = device->text();
  described.links_of_others = slots.others(adapter.address);
  described.discovering = radio.discovery.wanted(adapter.path);
  const auto& circuits = radio.queue.circuits();
  described.failures_in_a_row = circuits.failures(adapter.address);
  if (radio.queue.failing(adapter.address))
    described.avoided_for = whole_seconds_to(circuits.due(adapter.address), radio);
  described.trouble = trouble(adapter, radio);
  return described;
}

std::string plan(const Radio& radio, const DeviceSession* session, const std::vector<Route>& routes) {
  if (session && session->connected()) return "share the link that is up on " + session->adapter();
  if (session && session->stage() != Stage::disconnected)
    return "join what runs: " + std::string{text(session->stage())};
  if (radio.stack().owner.empty()) return "wait for bluetoothd";
  if (!radio.any_adapter()) return "wait for an adapter that is on and not ignored";
  if (routes.empty()) return "discover on every adapter that is on, until it is heard";
  if (routes.front().connected) return "adopt the link that is up on " + routes.front().adapter_name;
  for (auto& route : routes)
    if (!radio.queue.full(route.adapter_address))
      return (radio.queue.busy(route.adapter_address) ? "wait for a turn and dial on " : "dial on ") +
             route.adapter_name;
  return "wait for a slot: " + routes.front().adapter_name + " is full";
}

// Why the first of the routes that has a slot is dialled, and the other adapters are not.
class Choices {
 public:
  Choices(const Radio& radio, const std::vector<Description::Sighting>& seen,
          const std::vector<Route>& routes)
      : radio_{radio}, seen_{seen} {
    for (auto& route : routes)
      if (!chosen_ && (route.connected || !radio.queue.full(route.adapter_address)))
        chosen_ = sighting(route.adapter_name);
    for (auto& each : seen) {
      if (each.connected) linked_ = &each;
      if (each.bonded) bonded_ = &each;
    }
  }

  Description::Choice of(const AdapterState& adapter) const {
    const auto* own = sighting(adapter.name);
    const bool chosen = own && own == chosen_;
    return {adapter.name, chosen, chosen ? for_it(*own) : against(adapter, own)};
  }

 private:
  const Description::Sighting* sighting(const std::string& adapter) const {
    for (auto& each : seen_)
      if (each.adapter == adapter) return &each;
    return nullptr;
  }
  static std::string decibels(int value) { return std::to_string(value) + " dB"; }

  std::string for_it(const Description::Sighting& own) const {
    if (own.connected) return "the link is up there";
    if (own.bonded) return "it has the bond";
    if (seen_.size() == 1) return "BlueZ knows the device there alone";
    return own.rssi ? "hears it at " + decibels(*own.rssi) + "m" : "nothing speaks for another one";
  }

  std::string against(const AdapterState& adapter, const Description::Sighting* own) const {
    if (radio_.settings.ignores(adapter.address)) return "is ignored by the configuration";
    if (!adapter.powered) return "is off";
    if (!own) return "has not heard it";
    if (linked_) return "the link is up on " + linked_->adapter;
    if (bonded_ && own != bonded_) return "the bond is on " + bonded_->adapter;
    if (radio_.queue.full(adapter.address)) return "has no slot free";
    if (const auto what = trouble(adapter, radio_); !what.empty()) return what;
    if (own->failures > 0) return std::to_string(own->failures) + " failures of this device of late";
    if (chosen_ && own->rssi && chosen_->rssi && *own->rssi < *chosen_->rssi)
      return decibels(*chosen_->rssi - *own->rssi) + " weaker";
    return chosen_ ? "no better than " + chosen_->adapter : "is not to be dialled";
  }

  const Radio& radio_;
  const std::vector<Description::Sighting>& seen_;
  const Description::Sighting *chosen_ = nullptr, *linked_ = nullptr, *bonded_ = nullptr;
};

}  // namespace

std::string trouble(const AdapterState& adapter, const Radio& radio) {
  if (radio.discovery.stuck(adapter)) return "BlueZ does not end its discovery";
  if (!radio.queue.failing(adapter.address)) return {};
  const auto& circuits = radio.queue.circuits();
  return std::to_string(circuits.failures(adapter.address)) + " dials of " +
         std::to_string(circuits.devices(adapter.address)) + " devices failed in a row";
}

Task<Answer<Description>> describe(Radio& radio, Connections& connections, Caller caller,
                                   std::optional<DeviceAddress> device) {
  std::optional<Connections::Admission> admission;
  if (device) {
    auto admitted = co_await connections.admit(caller);
    if (auto* refusal = std::get_if<Refusal>(&admitted)) co_return std::move(*refusal);
    admission.emplace(std::get<Connections::Admission>(std::move(admitted)));
  }
  Description described;
  described.bluetoothd = !radio.stack().owner.empty();
  described.leases_and_calls = connections.quota().held_by_all();
  for (auto& adapter : radio.stack().adapters) described.adapters.push_back(of_adapter(adapter, radio));
  if (!device) {
    for (const auto* session : connections.sessions())
      described.devices.push_back(of_session(*session, radio));
    co_return described;
  }
  std::vector<DeviceState> objects;
  if (described.bluetoothd) {
    const Terms any;
    const auto address = *device;
    auto found = co_await find_objects(radio, address, any, unstoppable());
    if (!found.ok() && !found.failed_by(Cause::stack_down)) co_return refuse(found.failure());
    if (found.ok()) objects = std::move(found.value());
  }
  Description::Device about{.address = device->text(), .state = "none"};
  const auto* session = connections.find(*device);
  if (session) add_session(about, *session, radio);
  about.cached = radio.cache.has(*device);
  if (const auto entry = radio.cache.load(*device)) {
    about.cache_age = std::max(radio.cache.now() - entry->read_at, std::chrono::seconds{0});
    about.cached_services = entry->services.services.size();
  }
  for (auto& object : objects) {
    const auto* adapter = radio.stack().adapter(object.adapter);
    about.seen.push_back(
        {.adapter = adapter ? adapter->name : object.adapter,
         .path = object.path,
         .rssi = object.rssi,
         .connected = object.connected,
         .bonded = object.bonded,
         .trusted = object.trusted,
         .failures = adapter ? radio.routes.failures(*device, adapter->address, radio.now()) : 0});
  }
  const auto routes = rank_routes(radio, *device, Terms{}, objects);
  about.now = plan(radio, session, routes);
  const Choices choices{radio, about.seen, routes};
  for (auto& adapter : radio.stack().adapters) about.choices.push_back(choices.of(adapter));
  described.devices.push_back(std::move(about));
  co_return described;
}

}  // namespace bleconnd
