// The GATT objects of one device in one block of memory, about 30 bytes each: what is kept for as long as a
// device is watched and a link is up. As BlueZ tells them, with their paths and properties, they take twenty
// times that.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "core/gatt_database.hpp"

namespace bleconnd {

// One object, without those below it.
struct GattPart {
  GattName name;
  bool is_service = false;  // as its interface says
  // Nothing: it is there, and is left out of the services, with those below it.
  std::variant<std::monostate, GattService, GattCharacteristic, GattDescriptor> object{};
};

class PackedServices {
 public:
  PackedServices() = default;
  explicit PackedServices(const GattDatabase& database);  // a well-formed one

  bool empty() const { return bytes_.empty(); }
  std::size_t size() const { return count_; }  // objects
  void clear() { *this = {}; }
  void put(const GattPart& part);  // in the place of what has its name
  void erase(const GattName& name);

  bool has_service() const;  // any object that says it is one
  // Whether there is an object for each of `database`. Not if that has no services: nothing can be used then.
  bool has_all(const GattDatabase& database) const;
  // Nothing where that would not be well-formed: without services, or of more objects than are kept.
  std::optional<GattDatabase> database() const;

 private:
  std::size_t find(const GattName& name) const;  // where it is, or would be
  void erase_at(std::size_t found, const GattName& name);

  std::vector<std::uint8_t> bytes_;  // records in order of names; no more capacity than is used
  std::uint32_t count_ = 0;
};

}  // namespace bleconnd
