// Each command but `connect`.
#pragma once
#include "arguments.hpp"

namespace bleconnctl {

void add_device_commands(CLI::App& app, Global& global);  // those with an address
void add_daemon_commands(CLI::App& app, Global& global);

int monitor(const Style& style, const std::string& host);

}  // namespace bleconnctl
