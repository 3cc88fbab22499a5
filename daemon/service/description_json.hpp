// The answer of Describe as JSON text.
#pragma once
#include <string>

#include "procedures/describe.hpp"

namespace bleconnd {

std::string to_json(const Description& description);

}  // namespace bleconnd
