// main.conf and conf.d: what files set over the defaults. Nothing in them can keep the service from starting.
// Read at the start, and again when it is asked for.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "system/configuration_keys.hpp"

namespace bleconnd {

struct ConfigurationRead {
  Configuration values{};
  std::map<std::pair<std::string, std::string>, std::string> origins{};  // section, key -> "file:line"
  std::vector<std::string> files{};                                      // in the order in which they count
  bool incomplete = false;              // for lack of descriptors or memory: it is not what the files say
  std::vector<std::string> warnings{};  // each with the file and, if it is about one, the line
};

// The folders of main.conf and conf.d, those that win first: $CONFIGURATION_DIRECTORY if it names several,
// divided by ':'; else that, or /etc/bleconnd, then /run/bleconnd and /usr/lib/bleconnd.
std::vector<std::string> configuration_directories();

// main.conf, then conf.d/*.conf by name: what is read later wins. Of files of the same name in several
// folders the first folder's is read alone; a link to /dev/null there masks the others. What cannot be used
// is a warning, and the key keeps its value.
ConfigurationRead read_configuration(const std::vector<std::string>& directories);
// One folder, or one file.
ConfigurationRead read_configuration_at(const std::string& path);

// `name` is for warnings and origins.
void parse_configuration(std::string_view text, const std::string& name, ConfigurationRead& into);

// Every key as it is in force, behind a comment that says where it was set; can be read again.
std::string configuration_text(const ConfigurationRead& read);
// The table: section, key, what is allowed, default, what a change applies to, text; a line each, divided by
// tabs.
std::string configuration_key_list();

}  // namespace bleconnd
