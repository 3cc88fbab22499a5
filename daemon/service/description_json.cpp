// Key by key, in the words of the D-Bus interface. What is not known is left out.
#include "service/description_json.hpp"

#include <nlohmann/json.hpp>

namespace bleconnd {
namespace {

using json = nlohmann::ordered_json;

json of(const Description::Adapter& adapter) {
  json object{
      {"name", adapter.name},           {"address", adapter.address},   {"powered", adapter.powered},
      {"ignored", adapter.ignored},     {"slots", adapter.slots},       {"slots-free", adapter.slots_free},
      {"allocated", adapter.allocated}, {"dialling", adapter.dialling}, {"queued", adapter.queued}};
  object["links-of-others"] = adapter.links_of_others;
  object["discovering"] = adapter.discovering;
  object["failures-in-a-row"] = adapter.failures_in_a_row;
  if (adapter.avoided_for) object["avoided-for-sec"] = adapter.avoided_for->count();
  if (!adapter.trouble.empty()) object["trouble"] = adapter.trouble;
  return object;
}

json of(const Description::Sighting& seen) {
  json object{{"adapter", seen.adapter}, {"path", seen.path},       {"connected", seen.connected},
              {"bonded", seen.bonded},   {"trusted", seen.trusted}, {"recent-failures", seen.failures}};
  if (seen.rssi) object["rssi-dbm"] = *seen.rssi;
  return object;
}

json of(const Description::Choice& choice) {
  return {{"adapter", choice.adapter}, {"chosen", choice.chosen}, {"why", choice.why}};
}

json of(const Description::Device& device) {
  json object{{"address", device.address},
              {"state", device.state},
              {"adapter", device.adapter},
              {"attempt", device.attempt},
              {"queue-position", device.queue_position},
              {"leases", device.leases},
              {"calls", device.calls},
              {"services-cached", device.cached},
              {"services-verified", device.services_verified}};
  object["maintained"] = device.maintained;
  object["failures-in-a-row"] = device.failures_in_a_row;
  object["link-of-others"] = device.link_of_others;
  if (device.next_try_in) object["next-try-in-sec"] = device.next_try_in->count();
  if (!device.waits_for.empty()) object["waits-for"] = device.waits_for;
  if (!device.last_error.empty()) object["last-error"] = device.last_error;
  if (device.cache_age) object["cache-age-sec"] = device.cache_age->count();
  if (device.cached_services > 0) object["cached-services"] = device.cached_services;
  return object;
}

}  // namespace

std::string to_json(const Description& description) {
  json all{{"bluetoothd", description.bluetoothd}, {"leases-and-calls", description.leases_and_calls}};
  all["adapters"] = json::array();
  for (auto& adapter : description.adapters) all["adapters"].push_back(of(adapter));
  all["devices"] = json::array();
  for (auto& device : description.devices) {
    auto object = of(device);
    if (!device.now.empty()) {
      object["seen"] = json::array();
      for (auto& seen : device.seen) object["seen"].push_back(of(seen));
      object["choices"] = json::array();
      for (auto& choice : device.choices) object["choices"].push_back(of(choice));
      object["now"] = device.now;
    }
    all["devices"].push_back(std::move(object));
  }
  return all.dump(2, ' ', true, json::error_handler_t::replace);
}

}  // namespace bleconnd
