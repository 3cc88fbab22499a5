// Without options it serves; with one it tells something and ends.
#include "system/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

#include "system/configuration.hpp"

namespace bleconnd {
namespace {

int tell_warnings(const ConfigurationRead& read) {
  for (auto& warning : read.warnings) fmt::print(stderr, "{}\n", warning);
  return read.warnings.empty() ? EXIT_SUCCESS : EXIT_FAILURE;
}

int check(const ConfigurationRead& read) {
  if (tell_warnings(read) != EXIT_SUCCESS) return EXIT_FAILURE;
  if (read.files.empty()) fmt::print("no file: the defaults hold\n");
  for (auto& file : read.files) fmt::print("{}: nothing wrong\n", file);
  return EXIT_SUCCESS;
}

}  // namespace

std::optional<int> carry_out_options(int argc, const char* const* argv, const std::string& version) {
  CLI::App app{
      "bleconnd: robust Bluetooth LE connections for every program on a host, over BlueZ.\n"
      "Runs in the foreground on the system bus, as org.bleconnd; systemd starts it."};
  app.set_version_flag("--version", "bleconnd " + version);
  std::string path;
  auto* checks =
      app.add_option("--check-config", path,
                     "Read a folder or a file, or what the service would read; tell what is wrong\n"
                     "with it. Exit status 1 if anything is")
          ->expected(0, 1)
          ->type_name("[DIR|FILE]");
  bool prints = false;
  app.add_flag("--print-config", prints, "Print every key as it is in force, and where it was set");
  bool lists = false;
  app.add_flag("--list-keys", lists,
               "Print the keys: section, key, what is allowed, default, what a change applies to, meaning;\n"
               "divided by tabs");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& end) {
    return app.exit(end);
  }
  const auto read = [&] {
    return path.empty() ? read_configuration(configuration_directories()) : read_configuration_at(path);
  };
  if (*checks && !prints) return check(read());
  if (lists) fmt::print("{}", configuration_key_list());
  if (prints) {
    const auto in_force = read();
    (void)tell_warnings(in_force);
    fmt::print("{}", configuration_text(in_force));
  }
  if (prints || lists) return EXIT_SUCCESS;
  return {};
}

}  // namespace bleconnd
