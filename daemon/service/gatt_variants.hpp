// GATT objects as BlueZ's GetManagedObjects shows them: a{oa{sa{sv}}}.
#pragma once
#include <sdbus-c++/sdbus-c++.h>

#include <map>
#include <string>

#include "ports/bluez.hpp"

namespace bleconnd {

using VariantMap = std::map<std::string, sdbus::Variant>;
using ManagedObjects = std::map<sdbus::ObjectPath, std::map<std::string, VariantMap>>;

ManagedObjects managed_objects(const GattObjects& objects);

}  // namespace bleconnd
