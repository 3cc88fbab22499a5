// Between BlueZ's GATT objects of one device, with paths and properties, and the services of that device as
// the cache keeps them: the same for every adapter.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "core/gatt_database.hpp"
#include "core/gatt_objects.hpp"
#include "core/packed_services.hpp"

namespace bleconnd {

// The object at `path` below `device_path`; nothing where BlueZ would not make that name. Handles are read
// from the paths, for `Handle` is missing before BlueZ 5.69, and a descriptor's is wrong before 5.80; a
// characteristic's is taken as its value handle where it is greater than the declaration's. It has no place
// in the services (GattPart::object) if BlueZ would not make its interface, or without a UUID, or with a
// property of another type than BlueZ's; in lists, flags that are none and includes that are no service of
// this device are left out.
std::optional<GattPart> part_of(std::string_view path, const GattObject& object,
                                std::string_view device_path);
PackedServices packed(const GattObjects& objects, std::string_view device_path);

// As GetManagedObjects has them while the device is away: without Value, Notifying, MTU, with `Handle` as
// BlueZ since 5.80 has it, whichever runs. Inverse of packed().
GattObjects objects_of(const GattDatabase& database, std::string_view device_path);

// Of one object, its name within the device, and back; no name where BlueZ would not make it.
std::optional<GattName> name_of(std::string_view path, std::string_view device_path);
std::string path_of(const GattName& name, std::string_view device_path);

}  // namespace bleconnd
