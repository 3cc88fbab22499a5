// bleconnctl: what people type. The command line is read first and as a whole, then the command runs.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "bus.hpp"
#include "commands.hpp"
#include "connect.hpp"
#include "names.hpp"

using namespace bleconnctl;

namespace {

constexpr char kWhatItIs[] =
    "bleconnctl: Bluetooth LE connections of this host, by bleconnd.\n"
    "Exit status: 0 done, 2 wrong usage, 3 time-out, 4 failed, 8 bleconnd does not run, 10 not found,\n"
    "130 interrupted, 143 terminated.";

std::string json_style(std::string& given) {
  if (given == "true") given = "compact";  // what a flag without a value is given
  return given == "compact" || given == "pretty" ? "" : "'" + given + "' is neither compact nor pretty";
}

// What is wrong, and the help of the command that it is wrong for. Nothing on stdout: a script reads that.
int wrong_usage(const CLI::App& app, const CLI::ParseError& wrong) {
  std::string what = wrong.what();
  const auto unknown = app.remaining();
  if (app.get_subcommands().empty() && !unknown.empty()) what = "no such command: " + unknown.front();
  fmt::print(stderr, "bleconnctl: {}\n{}", printable(what), app.help());
  return 2;
}

// libbleconn says that the bus has ended, and not what it goes through.
bleconn::Error of_bus(const std::string& host, const bleconn::Error& error) {
  const std::string_view message = error.what();
  if (error.category() != bleconn::Category::daemon_not_running) return error;
  if (message.find("the connection to the bus has ended") == std::string_view::npos) return error;
  return bleconn::no_bus(host, "the connection has ended");
}

int failed(const Global& global, const bleconn::Error& error) {
  print(global.style(), of_bus(global.host, error));
  return exit_code(error.category());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{kWhatItIs, "bleconnctl"};
  app.set_version_flag("--version", std::string{"bleconnctl "} + BLECONND_VERSION, "print the version");
  app.set_help_flag("-h,--help", "print this, or the help of a command");
  app.require_subcommand(1);
  app.fallthrough();
  Global global;
  app.add_option("--host", global.host, "the system bus of HOST, by ssh")->option_text("[USER@]HOST");
  // A flag, whose value is joined to it: `--json AA:…` leaves the address alone.
  app.add_flag("--json", global.json, "JSON on stdout: one line a value, or pretty")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
      ->option_text("[=compact|pretty]")
      ->transform(CLI::Validator{json_style, "", "style"});
  add_connect(app, global);
  add_device_commands(app, global);
  add_daemon_commands(app, global);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& end) {
    return end.get_exit_code() == 0 ? app.exit(end) : wrong_usage(app, end);
  }
  try {
    return global.run();
  } catch (const bleconn::Error& error) {
    return failed(global, error);
  } catch (const std::exception& unforeseen) {
    return failed(global, {bleconn::Category::unexpected, unforeseen.what()});
  }
}
