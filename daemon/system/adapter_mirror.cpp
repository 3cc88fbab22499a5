// Adapters are sorted by index. An epoch is never used twice, not even by another bluetoothd.
// Who is told of a change is the caller: nothing here notifies.
#include "system/adapter_mirror.hpp"

#include <algorithm>
#include <utility>

#include "system/bluez_paths.hpp"

namespace bleconnd {

void AdapterMirror::owner_is(std::string owner) {
  stack_ = Stack{};
  stack_.owner = std::move(owner);
}

AdapterState* AdapterMirror::find(std::string_view path) {
  for (auto& each : stack_.adapters)
    if (each.path == path) return &each;
  return nullptr;
}

bool AdapterMirror::lists(std::string_view path) const {
  return stack_.adapter(std::string{path}) != nullptr;
}

void AdapterMirror::set_power(AdapterState& adapter, bool powered) {
  if (powered && !adapter.powered) adapter.power_epoch = ++epochs_;
  adapter.powered = powered;
}

bool AdapterMirror::found(std::string_view path, const AdapterProperties& properties) {
  const auto index = adapter_index(path);
  if (!index || !properties.address || !DeviceAddress::parse(*properties.address)) return false;
  // Another adapter can have taken the index; its power and whatever ran on the old one have nothing in
  // common.
  if (const auto* old = find(path); old && old->address != *properties.address) removed(path);
  if (!find(path)) {
    AdapterState adapter{.index = *index,
                         .path = std::string{path},
                         .name = std::string{path.substr(path.rfind('/') + 1)},
                         .address = *properties.address};
    const auto at = std::find_if(stack_.adapters.begin(), stack_.adapters.end(),
                                 [&](const AdapterState& each) { return each.index > *index; });
    stack_.adapters.insert(at, std::move(adapter));
  }
  set_power(*find(path), properties.powered.value_or(false));
  return true;
}

bool AdapterMirror::changed(std::string_view path, const AdapterProperties& properties) {
  auto* adapter = find(path);
  if (!adapter || !properties.powered || *properties.powered == adapter->powered) return false;
  set_power(*adapter, *properties.powered);
  return true;
}

bool AdapterMirror::removed(std::string_view path) {
  return std::erase_if(stack_.adapters, [&](const AdapterState& each) { return each.path == path; }) > 0;
}

}  // namespace bleconnd
