// The services of a device as the peer has them, apart from any adapter: what the cache keeps, what two reads
// of a device are compared by. Handles are attribute handles (Core specification, Vol 3, Part F, 3.2.2).
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bleconnd {

struct GattDescriptor {
  std::uint16_t handle = 0;
  std::string uuid;  // 128 bits, lower case, as BlueZ writes it
  bool operator==(const GattDescriptor&) const = default;
};

struct GattCharacteristic {
  std::uint16_t handle = 0;  // of the declaration
  // Known only from a BlueZ that tells it: up to 5.87 `Handle` is the declaration's handle, like the path.
  std::optional<std::uint16_t> value_handle;
  std::string uuid;
  std::vector<std::string> flags;  // "read", "notify" …, in BlueZ's order
  std::vector<GattDescriptor> descriptors;
  bool operator==(const GattCharacteristic&) const = default;
};

struct GattService {
  std::uint16_t handle = 0;
  std::string uuid;
  bool primary = true;
  std::vector<std::uint16_t> includes;  // handles of other services of this device
  std::vector<GattCharacteristic> characteristics;
  bool operator==(const GattService&) const = default;
};

// Everything in order of handles.
struct GattDatabase {
  std::vector<GattService> services;
  bool operator==(const GattDatabase&) const = default;
};

// Services, characteristics and descriptors together: as many objects of one device as are followed.
inline constexpr std::size_t kGattObjectLimit = 2048;
// Of one characteristic. The specification has 10 properties (Vol 3, Part G, 3.3.1.1 and 3.3.3.1), so has
// BlueZ; the longest name is "authenticated-signed-writes".
inline constexpr std::size_t kGattFlagLimit = 32;
inline constexpr std::size_t kGattFlagLength = 64;
// Of one service: as many as are read from one of BlueZ's messages.
inline constexpr std::size_t kGattIncludeLimit = 128;

// Whether the rest of the program may work with it: within the limits, not empty, siblings in order of
// handles without repetition, none 0, UUIDs in full form, flags of lower-case letters, digits and dashes.
// What comes from a file is not trusted before; what gatt_tree makes of BlueZ's objects is so always.
bool well_formed(const GattDatabase& database);

// Lower-case letters, digits and dashes: harmless in a message, a file and a log.
bool is_gatt_flag(std::string_view text);

// Which object, within its device: the part of BlueZ's path below the device,
// "service000a/char000b/desc000d". Handles below the object itself are 0. Ordered by handles, parents before
// their children.
struct GattName {
  std::uint16_t service = 0;
  std::uint16_t characteristic = 0;
  std::uint16_t descriptor = 0;

  // Strict, because what is parsed is joined to a path again: four lower-case hex digits, no handle 0, no
  // other depth.
  static std::optional<GattName> parse(std::string_view text);
  std::string text() const;
  std::size_t depth() const { return 1U + (characteristic != 0) + (descriptor != 0); }
  auto operator<=>(const GattName&) const = default;
};

// Of every object, parents first.
std::vector<GattName> names_of(const GattDatabase& database);

// The 128-bit form in lower case, of "180f", "0000180f" or the 128-bit form in any case; nothing for any
// other text.
std::optional<std::string> full_uuid(std::string_view text);

inline constexpr std::string_view kGenericAttributeUuid = "00001801-0000-1000-8000-00805f9b34fb";
inline constexpr std::size_t kDatabaseHashSize = 16;  // bytes (Core specification, Vol 3, Part G, 7.3)
inline constexpr std::string_view kDatabaseHashUuid = "00002b2a-0000-1000-8000-00805f9b34fb";

// The first one, by UUIDs in any form.
std::optional<GattName> find_characteristic(const GattDatabase& database, std::string_view service_uuid,
                                            std::string_view uuid);

// Those of `uuids` (any form) that neither a service nor a characteristic has: each once, in the order asked,
// in full form; a text that is no UUID is missing as it stands.
std::vector<std::string> missing(const GattDatabase& database, const std::vector<std::string>& uuids);

// What changed, for the journal: "+service 0x000b <uuid>", "-characteristic 0x000e <uuid>",
// "~characteristic 0x0011 <uuid> flags". What came or went is named without what is below it. At most
// kDifferenceLines; then the last says how many more. Empty: the services are the same. A value handle that
// only one side knows and the order of flags are no difference. Both databases are well-formed.
inline constexpr std::size_t kDifferenceLines = 16;
std::vector<std::string> difference(const GattDatabase& before, const GattDatabase& after);

}  // namespace bleconnd
