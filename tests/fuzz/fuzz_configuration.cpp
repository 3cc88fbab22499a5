// The reader of main.conf against any bytes: it never crashes or writes beyond the parser's buffer, says each
// complaint in one printable line with its place, and what it accepts is within the bounds of its key, and is
// the same, without a complaint, when it is printed and read again.
#include <ini.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <memory>

#include "expected_shapes.hpp"
#include "system/configuration.hpp"

// inih is no code of ours and not instrumented: the linker leads calls of it here (--wrap), and its line
// buffer is lent from here, so that a byte too many is seen.
extern "C" int __real_ini_parse_stream(ini_reader reader, void* stream, ini_handler handler, void* user);
extern "C" int __wrap_ini_parse_stream(ini_reader reader, void* stream, ini_handler handler, void* user) {
  struct Lender {
    ini_reader reader;
    void* stream;
  } lender{reader, stream};
  const auto lend = [](char* to, int size, void* of) -> char* {
    const auto& [read, from] = *static_cast<Lender*>(of);
    const auto line = std::make_unique<char[]>(static_cast<std::size_t>(size));
    if (!read(line.get(), size, from)) return nullptr;
    return std::strcpy(to, line.get());
  };
  return __real_ini_parse_stream(lend, &lender, handler, user);
}

namespace {

using namespace bleconnd;
using fuzz::has_shape;
using fuzz::must_hold;

// No control character of one byte, nor one of U+0080 to U+009F.
bool is_one_line(const std::string& text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return false;
    if (byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0) return false;
  }
  return true;
}

struct Within {
  const ConfigurationKey& key;
  bool number(std::int64_t value) const { return key.least <= value && value <= key.most; }
  bool operator()(const std::chrono::seconds* value) const { return number(value->count()); }
  bool operator()(const std::chrono::milliseconds* value) const { return number(value->count()); }
  bool operator()(const std::uint32_t* value) const { return number(*value); }
  bool operator()(const std::optional<std::uint32_t>* value) const { return !*value || number(**value); }
  bool operator()(const std::set<std::string>* value) const {
    const auto is_address = [](const std::string& each) { return has_shape(each, fuzz::kAddressShape); };
    return value->size() <= 10 && std::ranges::all_of(*value, is_address);
  }
  bool operator()(const bool*) const { return true; }
  bool operator()(const Priority*) const { return true; }
  bool operator()(const LogLevel*) const { return true; }
};

void must_be_within_bounds(Configuration values) {
  const auto look = [&](const ConfigurationKey& key, const std::string& adapter) {
    must_hold(std::visit(Within{key}, key.spot(values, adapter)), "a value is within its bounds");
  };
  must_hold(values.settings.adapters.size() <= 64, "there are not too many adapters");
  std::vector<std::string> adapters;
  for (const auto& [address, adapter] : values.settings.adapters) adapters.push_back(address);
  for (const auto& key : configuration_keys()) {
    if (key.section != kAdapterSection) look(key, {});
    if (key.section != kAdapterSection) continue;
    for (const auto& address : adapters) {
      must_hold(has_shape(address, fuzz::kAddressShape), "an adapter has an address");
      look(key, address);
    }
  }
}

// What a span or number of digits and these units means, read anew: nothing for what is spelled otherwise.
std::optional<std::int64_t> thousandths(std::string_view text) {
  std::int64_t total = 0;
  while (!text.empty()) {
    std::int64_t number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc{} || number < 0 || number > 1'000'000'000) return {};
    text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    const auto unit = text.substr(0, text.find_first_of(" 0123456789"));
    text.remove_prefix(unit.size());
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    if (unit == "ms")
      total += number;
    else if (unit == "s" || (unit.empty() && text.empty()))
      total += number * 1'000;
    else if (unit == "min")
      total += number * 60'000;
    else if (unit == "h")
      total += number * 3'600'000;
    else
      return {};
  }
  return total;
}

// Whether it is what the text behind the key says.
struct SaidBy {
  std::string_view text;
  bool number(std::int64_t value) const {
    const auto said = thousandths(text);
    return !said || *said == value;
  }
  bool operator()(const std::chrono::seconds* value) const { return number(value->count() * 1'000); }
  bool operator()(const std::chrono::milliseconds* value) const { return number(value->count()); }
  bool operator()(const std::uint32_t* value) const { return number(std::int64_t{*value} * 1'000); }
  bool operator()(const std::optional<std::uint32_t>* value) const {
    return *value ? (*this)(&**value) : text.starts_with("learn");
  }
  bool operator()(const bool* value) const {
    constexpr std::string_view kTrue[] = {"yes", "true", "on", "1"};
    constexpr std::string_view kFalse[] = {"no", "false", "off", "0"};
    const bool is_word = std::ranges::count(kTrue, text) + std::ranges::count(kFalse, text) > 0;
    return !is_word || *value == (std::ranges::count(kTrue, text) > 0);
  }
  bool operator()(const auto*) const { return true; }
};

std::string_view behind_the_key(std::string_view text, const std::string& place) {
  for (auto line = std::stoi(place.substr(place.find(':') + 1)); line > 1; --line)
    text.remove_prefix(text.find('\n') + 1);
  text = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.find_first_of("=:"), text.size() - 1) + 1);
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

void must_be_what_is_said(std::string_view text, const ConfigurationRead& read) {
  auto values = read.values;
  for (const auto& [of, place] : read.origins) {
    const auto& [section, name] = of;
    const bool is_adapter = section.starts_with("Adapter ");
    const auto* key = find_key(is_adapter ? kAdapterSection : std::string_view{section}, name);
    must_hold(key != nullptr, "what is set is a key");
    const auto spot = key->spot(values, is_adapter ? section.substr(kAdapterSection.size() + 1) : "");
    must_hold(std::visit(SaidBy{behind_the_key(text, place)}, spot), "a value is what its line says");
  }
}

// "main.conf:12" or longer: the line is one of the text.
bool has_place(std::string_view text, std::int64_t lines) {
  constexpr std::string_view kName = "main.conf:";
  if (!text.starts_with(kName)) return false;
  std::int64_t line = 0;
  (void)std::from_chars(text.data() + kName.size(), text.data() + text.size(), line);
  return line >= 1 && line <= lines;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto lines = std::ranges::count(text, '\n') + 1;
  ConfigurationRead read;
  parse_configuration(text, "main.conf", read);
  must_hold(read.warnings.size() <= 101, "there are not too many warnings");
  for (const auto& warning : read.warnings) {
    must_hold(is_one_line(warning), "a warning is one line");
    must_hold(warning.starts_with("further") || has_place(warning, lines), "a warning says where");
  }
  for (const auto& [key, place] : read.origins) must_hold(has_place(place, lines), "a value is of a line");
  must_be_within_bounds(read.values);
  must_be_what_is_said(text, read);
  ConfigurationRead again;
  parse_configuration(configuration_text(read), "main.conf", again);
  must_hold(again.warnings.empty(), "what is printed is without complaint");
  must_hold(again.values == read.values, "what is printed is read as it was");
  return 0;
}
