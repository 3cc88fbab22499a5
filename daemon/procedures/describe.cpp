// Reads values; changes nothing.
#include "procedures/describe.hpp"

#include "procedures/locate.hpp"

namespace bleconnd {
namespace {

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
  about.now = plan(radio, session, rank_routes(radio, *device, Terms{}, objects));
  described.devices.push_back(std::move(about));
  co_return described;
}

}  // namespace bleconnd
