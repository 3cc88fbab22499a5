// What bleconnd is asked for on its command line.
#pragma once
#include <optional>
#include <string>

namespace bleconnd {

// The exit status, where that was all; nothing: the service is to run.
std::optional<int> carry_out_options(int argc, const char* const* argv, const std::string& version);

}  // namespace bleconnd
