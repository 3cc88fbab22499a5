// What callers pass, checked: addresses and options. Every refusal names the key, the range, and what was
// given.
#pragma once
#include <sdbus-c++/sdbus-c++.h>

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/address.hpp"
#include "core/refusal.hpp"
#include "procedures/device_session.hpp"

namespace bleconnd {

using Options = std::map<std::string, sdbus::Variant>;

std::variant<DeviceAddress, Refusal> parse_address(const std::string& text);
std::variant<EstablishOptions, Refusal> parse_establish_options(const Options& options,
                                                                const Terms& defaults);
// ReleaseConnection's only one, lifetime; none if it is not given.
std::variant<std::optional<Lifetime>, Refusal> parse_release_options(const Options& options);

std::variant<bool, Refusal> parse_flag(const Options& options,
                                       const std::string& name);  // false without it

// The options of EstablishConnection that work here, for Features.
std::vector<std::string> establish_option_names();

}  // namespace bleconnd
