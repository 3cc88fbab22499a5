// The keys of bleconnd.conf: one table, from which files are read, printed and checked, and with which the
// manual page and main.conf are compared.
#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "core/settings.hpp"
#include "ports/log.hpp"

namespace bleconnd {

// All that files set. Procedures know the settings alone.
struct Configuration {
  Settings settings{};
  LogLevel log_level = LogLevel::info;
  std::uint32_t cache_entries = 16'384;
  std::uint32_t cache_mib = 64;
  bool operator==(const Configuration&) const = default;
};

// Where a value is kept: its type says how it is written.
using Spot = std::variant<std::chrono::seconds*, std::chrono::milliseconds*, std::uint32_t*, bool*, Priority*,
                          LogLevel*, std::set<std::string>*, std::optional<std::uint32_t>*>;

struct ConfigurationKey {
  std::string_view section;  // "Adapter": a section for each, "Adapter AA:BB:CC:DD:EE:FF"
  std::string_view name;
  std::int64_t least, most;  // s, ms or a number; 0, 0 where the type says all
  std::string_view applies;  // what a change applies to
  std::string_view text;     // one line
  Spot (*spot)(Configuration& in, const std::string& adapter);
};

std::span<const ConfigurationKey> configuration_keys();
inline constexpr std::string_view kAdapterSection = "Adapter";
inline constexpr std::string_view kAnyAdapter = "Adapter AA:BB:CC:DD:EE:FF";

// Of `section` as the table has it.
const ConfigurationKey* find_key(std::string_view section, std::string_view name);
std::string allowed(const ConfigurationKey& key);  // "0 to 3600 s", "yes or no"
std::string value_text(const ConfigurationKey& key, const Configuration& of, const std::string& adapter);
std::string default_text(const ConfigurationKey& key);
// False, and nothing is changed, if the value is not allowed.
bool set_value(const ConfigurationKey& key, std::string_view text, Configuration& in,
               const std::string& adapter);

}  // namespace bleconnd
