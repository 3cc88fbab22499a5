// Adapter1: read from the ledger at each look; PropertiesChanged for what differs from what was told.
#include "service/adapter_object.hpp"

#include "service/device_objects.hpp"
#include "service/reply.hpp"
#include "system/sdbus_compat.hpp"

namespace bleconnd {

AdapterObject::AdapterObject(sdbus::IConnection& connection, const Radio& radio, const AdapterState& adapter)
    : AdaptorInterfaces{connection, sdbus::ObjectPath{std::string{kRootPath} + "/" + adapter.name}},
      radio_{radio},
      name_{adapter.name},
      address_{adapter.address} {
  told_ = read();
  registerAdaptor();
  tell([this] { getObject().emitInterfacesAddedSignal(); });
}

AdapterObject::~AdapterObject() {
  tell([this] { getObject().emitInterfacesRemovedSignal(); });
  unregisterAdaptor();
}

AdapterObject::Values AdapterObject::read() const {
  const auto& slots = radio_.queue.slots();
  Values now;
  now.slots = slots.limit(address_, radio_.now());
  now.slots_free = slots.free_slots(address_, radio_.now());
  for (auto& device : slots.holders(address_)) now.allocated.push_back(device.text());
  if (const auto device = radio_.queue.dialling(address_)) now.dialling = device->text();
  return now;
}

std::vector<std::string> AdapterObject::Queued() {
  std::vector<std::string> texts;
  for (auto& device : radio_.queue.queued(address_)) texts.push_back(device.text());
  return texts;
}

void AdapterObject::announce_changes() {
  auto now = read();
  std::vector<bus::PropertyName> changed;
  if (now.slots != told_.slots) changed.emplace_back("Slots");
  if (now.slots_free != told_.slots_free) changed.emplace_back("SlotsFree");
  if (now.allocated != told_.allocated) changed.emplace_back("Allocated");
  if (now.dialling != told_.dialling) changed.emplace_back("Dialling");
  told_ = std::move(now);
  if (changed.empty()) return;
  tell([&] {
    getObject().emitPropertiesChangedSignal(
        bus::interface_name(org::bleconnd::Adapter1_adaptor::INTERFACE_NAME), changed);
  });
}

}  // namespace bleconnd
