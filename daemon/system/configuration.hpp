// What the administrator sets: main.conf. Nothing in it can keep the service from starting.
// Read at the start and again at SIGHUP.
#pragma once
#include <chrono>
#include <string>

namespace bleconnd {

class Journal;

struct Configuration {
  // [General] LingerSec=: how long the link or attempt of a caller that left the bus is kept for the next
  // call.
  std::chrono::seconds linger{30};
};
inline constexpr std::chrono::seconds kLongestLinger{3600};

// $CONFIGURATION_DIRECTORY, the first one if it lists several, else /etc/bleconnd.
std::string configuration_directory();

// Reads main.conf of that directory. No such file: the defaults. An unknown key, a bad value or a line that
// is none is a warning with file and line; the key keeps its default.
Configuration read_configuration(const std::string& directory, const Journal& journal);

}  // namespace bleconnd
