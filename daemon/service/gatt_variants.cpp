// The only place where GATT properties become D-Bus variants.
#include "service/gatt_variants.hpp"

namespace bleconnd {
namespace {

struct ToVariant {
  sdbus::Variant operator()(const ObjectPathText& path) const {
    return sdbus::Variant{sdbus::ObjectPath{path.text}};
  }
  sdbus::Variant operator()(const std::vector<ObjectPathText>& paths) const {
    std::vector<sdbus::ObjectPath> out;
    out.reserve(paths.size());
    for (auto& path : paths) out.emplace_back(path.text);
    return sdbus::Variant{out};
  }
  template <class T>
  sdbus::Variant operator()(const T& value) const {
    return sdbus::Variant{value};
  }
};

}  // namespace

ManagedObjects managed_objects(const GattObjects& objects) {
  ManagedObjects out;
  for (auto& [path, object] : objects) {
    auto& properties = out[sdbus::ObjectPath{path}][object.interface];
    for (auto& [name, value] : object.properties) properties.emplace(name, std::visit(ToVariant{}, value));
  }
  return out;
}

}  // namespace bleconnd
