// inih parses; this counts its lines (the library is built without line numbers in Debian) and judges keys
// and values.
#include "system/configuration.hpp"

#include <ini.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "core/address.hpp"
#include "core/printable.hpp"
#include "system/journal.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
const LogFields kWrong{.kind = LogKind::configuration_wrong};
constexpr int kMostBytes = 256 * 1024;  // a device node or a log in the place of the file ends somewhere

struct Reading {
  std::FILE* file;
  std::string name;
  const Journal& journal;
  Configuration result{};
  int line = 0;
  int bytes = 0;
};

// One line for the parser, with its break. Lines longer than its buffer (200) end here: some versions of it
// would take the rest for lines of their own, some skip up to the next break.
char* next_line(char* buffer, int size, void* reading_) {
  auto& reading = *static_cast<Reading*>(reading_);
  int next = std::getc(reading.file);
  if (next == EOF || reading.bytes >= kMostBytes) return nullptr;
  ++reading.line;
  int used = 0;
  bool too_long = false;
  for (; next != EOF && next != '\n' && reading.bytes < kMostBytes; next = std::getc(reading.file)) {
    ++reading.bytes;
    too_long = too_long || used >= size - 2;
    if (!too_long) buffer[used++] = next == 0 ? ' ' : static_cast<char>(next);
  }
  buffer[used++] = '\n';
  buffer[used] = 0;
  if (too_long)
    reading.journal.tell(LogLevel::warning, kWrong, "{}:{}: too long, its end is ignored", reading.name,
                         reading.line);
  return buffer;
}

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t most) {
  std::uint32_t value{};
  const auto* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  const bool whole = !text.empty() && parsed.ec == std::errc{} && parsed.ptr == end;
  if (!whole || value > most) return {};
  return value;
}

// The value, or one warning.
std::optional<std::uint32_t> number(const Reading& reading, const std::string& at, const char* key,
                                    const char* value, std::uint32_t most) {
  const auto parsed = parse_number(value, most);
  if (!parsed)
    reading.journal.tell(LogLevel::warning, kWrong, "{}: {}={} is no number from 0 to {}, ignored", at, key,
                         printable(value), most);
  return parsed;
}

// "Adapter AA:BB:CC:DD:EE:FF"
std::optional<DeviceAddress> adapter_section(std::string_view section) {
  constexpr std::string_view kWord = "Adapter ";
  return section.starts_with(kWord) ? DeviceAddress::parse(section.substr(kWord.size())) : std::nullopt;
}

int on_key(void* reading_, const char* section_, const char* key_, const char* value) {
  auto& reading = *static_cast<Reading*>(reading_);
  const auto at = reading.name + ":" + std::to_string(reading.line);
  const std::string_view section{section_};
  const std::string_view key{key_};
  const auto adapter = adapter_section(section);
  if (section == "General" && key == "LingerSec") {
    const auto linger = number(reading, at, key_, value, static_cast<std::uint32_t>(kLongestLinger.count()));
    if (linger) reading.result.linger = std::chrono::seconds{*linger};
  } else if (adapter && key == "Slots") {
    const auto slots = number(reading, at, key_, value, kMostSlots);
    if (slots) reading.result.slots.insert_or_assign(adapter->text(), *slots);
  } else {
    reading.journal.tell(LogLevel::warning, kWrong, "{}: unknown key {} in section [{}], ignored", at,
                         printable(key), printable(section));
  }
  return 1;
}

}  // namespace

std::string configuration_directory() {
  const char* set = std::getenv("CONFIGURATION_DIRECTORY");
  if (!set || !*set) return "/etc/bleconnd";
  std::string_view directories{set};
  return std::string{directories.substr(0, directories.find(':'))};
}

Configuration read_configuration(const std::string& directory, const Journal& journal) {
  const auto name = directory + "/main.conf";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{std::fopen(name.c_str(), "re"), std::fclose};
  if (!file) {
    if (errno != ENOENT)
      journal.tell(LogLevel::warning, kWrong, "{}: {}, the defaults are used", name, std::strerror(errno));
    return {};
  }
  Reading reading{.file = file.get(), .name = name, .journal = journal};
  const int bad_line = ini_parse_stream(next_line, &reading, on_key, &reading);
  if (bad_line > 0)
    journal.tell(LogLevel::warning, kWrong, "{}:{}: neither a section nor a key, ignored", name, bad_line);
  if (std::ferror(file.get())) journal.tell(LogLevel::warning, kWrong, "{}: {}", name, std::strerror(errno));
  if (reading.bytes >= kMostBytes)
    journal.tell(LogLevel::warning, kWrong, "{}: only the first {} bytes are read", name, kMostBytes);
  return reading.result;
}

}  // namespace bleconnd
