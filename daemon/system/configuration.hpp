// What the administrator sets: main.conf. Nothing in it can keep the service from starting.
// Read at the start and again at SIGHUP.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <string>

namespace bleconnd {

class Journal;

struct Configuration {
  // [General] LingerSec=: how long the link or attempt of a caller that left the bus is kept for the next
  // call.
  std::chrono::seconds linger{30};
  // [Adapter AA:BB:CC:DD:EE:FF] Slots=: the most LE links that this adapter holds; 0: no limit, and none is
  // learned. By Adapter1.Address.
  std::map<std::string, std::uint32_t> slots{};
};
inline constexpr std::uint32_t kMostSlots = 255;
inline constexpr std::chrono::seconds kLongestLinger{3600};

// $CONFIGURATION_DIRECTORY, the first one if it lists several, else /etc/bleconnd.
std::string configuration_directory();

// Reads main.conf of that directory. No such file: the defaults. An unknown key, a bad value or a line that
// is none is a warning with file and line; the key keeps its default.
Configuration read_configuration(const std::string& directory, const Journal& journal);

}  // namespace bleconnd
