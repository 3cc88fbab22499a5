// The reader of main.conf against any bytes: it never crashes, says each complaint in one printable line with
// its place, and what it accepts is the same, without a complaint, when it is printed and read again.
#include <cstdint>

#include "must_hold.hpp"
#include "system/configuration.hpp"

namespace {

bool is_one_line(const std::string& text) {
  for (const char each : text)
    if (static_cast<unsigned char>(each) < 0x20 || each == 0x7f) return false;
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bleconnd;
  using fuzz::must_hold;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  ConfigurationRead read;
  parse_configuration(text, "main.conf", read);
  must_hold(read.warnings.size() <= 101, "there are not too many warnings");
  for (auto& warning : read.warnings) {
    must_hold(is_one_line(warning), "a warning is one line");
    const bool has_place = warning.starts_with("main.conf:") || warning.starts_with("further");
    must_hold(has_place, "a warning says where");
  }
  ConfigurationRead again;
  parse_configuration(configuration_text(read), "main.conf", again);
  must_hold(again.warnings.empty(), "what is printed is without complaint");
  must_hold(again.values == read.values, "what is printed is read as it was");
  return 0;
}
