// inih parses; this gives it the lines, counts them (the library is built without line numbers in Debian) and
// judges keys and values.
#include "system/configuration.hpp"

#include <fmt/format.h>
#include <ini.h>

#include <algorithm>
#include <optional>

#include "core/address.hpp"
#include "core/printable.hpp"

namespace bleconnd {
namespace {

constexpr std::size_t kMostWarnings = 100;
constexpr std::size_t kMostAdapters = 64;
constexpr char kBrokenSection[] = "[?]\n";  // its keys are nobody's

struct Reading {
  std::string_view rest;
  const std::string& name;
  ConfigurationRead& into;
  int line = 0;

  std::string at() const { return fmt::format("{}:{}", name, line); }
  void warn(const std::string& text) const {
    if (into.warnings.size() < kMostWarnings) into.warnings.push_back(at() + ": " + text);
    if (into.warnings.size() == kMostWarnings) into.warnings.push_back("further warnings are left out");
  }
};

// Without the blanks around: a line that begins with one would go on with the value before it.
std::string_view trimmed(std::string_view line) {
  constexpr std::string_view kBlank{" \t\r\v\f\0", 6};
  const auto first = line.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(kBlank) + 1 - first);
}

std::string_view checked(std::string_view line, const Reading& reading) {
  if (line.empty() || line.front() == '#' || line.front() == ';') return {};
  if (line.front() == '[') {
    if (line.find(']') != std::string_view::npos) return line;
    reading.warn("a section without its ], its keys are ignored");
    return kBrokenSection;
  }
  if (line.find('=') != std::string_view::npos) return line;
  reading.warn("neither a section nor a key, ignored");
  return {};
}

// One line for the parser, with its break. What is longer than its buffer (200) ends here: some versions of
// it would take the rest for lines of their own, some skip up to the next break.
char* next_line(char* buffer, int size, void* reading_) {
  auto& reading = *static_cast<Reading*>(reading_);
  if (reading.rest.empty()) return nullptr;
  ++reading.line;
  const auto end = std::min(reading.rest.find('\n'), reading.rest.size());
  auto line = trimmed(reading.rest.substr(0, end));
  reading.rest.remove_prefix(std::min(end + 1, reading.rest.size()));
  if (reading.line == 1 && line.starts_with("\xEF\xBB\xBF")) line = trimmed(line.substr(3));
  line = checked(line, reading);
  const auto room = static_cast<std::size_t>(size) - 2;
  if (line.size() > room) {
    reading.warn(fmt::format("longer than {} bytes, ignored", room));
    line = {};
  }
  char* to = std::ranges::copy(line, buffer).out;
  std::replace(buffer, to, '\0', ' ');
  *to++ = '\n';
  *to = 0;
  return buffer;
}

// "Adapter AA:BB:CC:DD:EE:FF"
std::optional<DeviceAddress> adapter_section(std::string_view section) {
  if (!section.starts_with(kAdapterSection)) return {};
  section.remove_prefix(kAdapterSection.size());
  return section.starts_with(' ') ? DeviceAddress::parse(trimmed(section)) : std::nullopt;
}

// What there is, for whoever wrote something else.
std::string advice(std::string_view section, std::string_view name) {
  std::vector<std::string_view> of_section;
  std::vector<std::string_view> sections;
  for (auto& key : configuration_keys()) {
    const auto shown = key.section == kAdapterSection ? kAnyAdapter : key.section;
    if (key.name == name) return fmt::format("it belongs into [{}]", shown);
    if (key.section == section) of_section.push_back(key.name);
    if (sections.empty() || sections.back() != shown) sections.push_back(shown);
  }
  if (of_section.empty()) return fmt::format("the sections are [{}]", fmt::join(sections, "] ["));
  return fmt::format("its keys are {}", fmt::join(of_section, " "));
}

int on_key(void* reading_, const char* section_, const char* name_, const char* value) {
  auto& reading = *static_cast<Reading*>(reading_);
  auto& values = reading.into.values;
  const std::string_view section{section_};
  const std::string_view name{name_};
  const auto address = adapter_section(section);
  const std::string adapter = address ? address->text() : std::string{};
  const auto of_table = address ? kAdapterSection : section == kAdapterSection ? std::string_view{} : section;
  const auto* key = find_key(of_table, name);
  auto& adapters = values.settings.adapters;
  if (!key) {
    reading.warn(fmt::format("unknown key {} in section [{}], ignored; {}", printable(name),
                             printable(section), advice(of_table, name)));
  } else if (address && !adapters.contains(adapter) && adapters.size() == kMostAdapters) {
    reading.warn(fmt::format("more than {} adapters, ignored", kMostAdapters));
  } else if (!set_value(*key, value, values, adapter)) {
    reading.warn(fmt::format("{}={} is not {}, ignored", name, printable(value), allowed(*key)));
  } else {
    const auto shown = address ? fmt::format("{} {}", kAdapterSection, adapter) : std::string{section};
    reading.into.origins.insert_or_assign({shown, std::string{name}}, reading.at());
  }
  return 1;
}

}  // namespace

void parse_configuration(std::string_view text, const std::string& name, ConfigurationRead& into) {
  Reading reading{.rest = text, .name = name, .into = into};
  (void)ini_parse_stream(next_line, &reading, on_key, &reading);  // what is wrong was said line by line
}

std::string configuration_text(const ConfigurationRead& read) {
  std::string text = "# The configuration in force; bleconnd.conf(5) explains the keys.\n";
  const auto add = [&](const ConfigurationKey& key, const std::string& section, const std::string& adapter) {
    const auto at = read.origins.find({section, std::string{key.name}});
    text += fmt::format("# {}\n{}={}\n", at == read.origins.end() ? "default" : at->second, key.name,
                        value_text(key, read.values, adapter));
  };
  std::string_view section;
  for (auto& key : configuration_keys()) {
    if (key.section == kAdapterSection) continue;
    if (section != key.section) text += fmt::format("\n[{}]\n", key.section);
    section = key.section;
    add(key, std::string{section}, {});
  }
  for (auto& [address, adapter] : read.values.settings.adapters) {
    const auto own = fmt::format("{} {}", kAdapterSection, address);
    text += fmt::format("\n[{}]\n", own);
    for (auto& key : configuration_keys())
      if (key.section == kAdapterSection) add(key, own, address);
  }
  return text;
}

std::string configuration_key_list() {
  std::string list;
  for (auto& key : configuration_keys())
    list += fmt::format("{}\t{}\t{}\t{}\t{}\t{}\n", key.section, key.name, allowed(key), default_text(key),
                        key.applies, key.text);
  return list;
}

}  // namespace bleconnd
