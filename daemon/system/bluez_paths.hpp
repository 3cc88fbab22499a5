// The object paths of BlueZ: /org/bluez/hciN/dev_XX_XX_XX_XX_XX_XX/serviceXXXX/…
// What BlueZ would not make is refused, so that a path out of a message is where it seems to be.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bleconnd {

std::optional<unsigned> adapter_index(std::string_view path);  // /org/bluez/hciN
std::string_view adapter_part(std::string_view path);          // of a device or GATT object: /org/bluez/hciN
std::string_view device_part(std::string_view path);  // of a device or GATT object: /org/bluez/hciN/dev_…

// Names hciN among the child nodes in the answer to Introspect of /org/bluez.
std::vector<std::string> adapter_names(std::string_view introspection);
// Handles of the services, in the answer to Introspect of a device.
std::vector<std::uint16_t> service_handles(std::string_view introspection);

}  // namespace bleconnd
