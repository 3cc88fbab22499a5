// Between BlueZ's GATT objects of one device, with paths and properties, and the services of that device as
// the cache keeps them: the same for every adapter.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "core/gatt_database.hpp"
#include "ports/bluez.hpp"

namespace bleconnd {

// The services below `device_path`; nothing where there are none, or more objects than kGattObjectLimit: a
// part of them is not kept as if it were all. Handles are read from the paths, for `Handle` is missing before
// BlueZ 5.69, and a descriptor's is wrong before 5.80; a characteristic's is taken as its value handle where
// it is greater than the declaration's. Left out: objects whose name or interface BlueZ would not make, or
// without a UUID, or with a property of another type than BlueZ's, and all objects below these; in lists,
// flags that are none and includes that are no service of this device.
std::optional<GattDatabase> database_of(const GattObjects& objects, std::string_view device_path);

// As GetManagedObjects has them while the device is away: without Value, Notifying, MTU, with `Handle` as
// BlueZ since 5.80 has it, whichever runs. Inverse of database_of.
GattObjects objects_of(const GattDatabase& database, std::string_view device_path);

// Whether BlueZ has an object at every path of `database` below `device_path`. Not if it has no services:
// nothing can be used then.
bool all_exist(const GattDatabase& database, const GattObjects& objects, std::string_view device_path);

// Of one object, by its name within the device.
std::string path_of(const GattName& name, std::string_view device_path);

}  // namespace bleconnd
