// The words of the command line that several commands have.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "print.hpp"

namespace bleconnctl {

struct Global {
  std::string host;  // "": this one
  std::string json;  // "compact", "pretty"; "": text
  // What the command line asks for; its exit code. Set while that is parsed, run after it, so that an error
  // of the command is none of usage.
  std::function<int()> run;
  Style style() const { return style_of(json); }
};

// Empty, or what is wrong with it. The daemon's rule.
std::string address_error(const std::string& text);
// Upper case, as the daemon writes it.
CLI::Option* add_address(CLI::App& command, std::string& address);

}  // namespace bleconnctl
