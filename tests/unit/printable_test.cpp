// Text from the air and from others, made harmless.
// A name that could move a terminal's cursor or forge a log line has to come out as plain characters.
#include "core/printable.hpp"

#include <gtest/gtest.h>

namespace bleconnd {
namespace {

using namespace std::string_view_literals;

std::string repeated(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

TEST(Printable, EscapesWhatIsObeyedAndKeepsWhatIsShown) {
  struct Row {
    std::string_view text, printed;
  };
  const Row rows[] = {
      {"", ""},
      {"Thermometer 7", "Thermometer 7"},
      {"back\\slash", "back\\slash"},
      {"a\nb", "a\\x0Ab"},
      {"a\tb\rc", "a\\x09b\\x0Dc"},
      {"a\0b"sv, "a\\x00b"},
      {"\x1b[31mred", "\\x1B[31mred"},
      {"\x7f", "\\x7F"},
      {"\x1f \x20~", "\\x1F  ~"},
      {"K\u00FCche \u20AC \U0001F321", "K\u00FCche \u20AC \U0001F321"},
      {"\u0080", "\\xC2\\x80"},    // C1: first
      {"\u009Bm", "\\xC2\\x9Bm"},  // C1: CSI in one character
      {"\u009F\u00A0", "\\xC2\\x9F\u00A0"},
      {"\xff", "\\xFF"},
      {"a\x80z", "a\\x80z"},                              // continuation without a start
      {"\xc3", "\\xC3"},                                  // cut sequence
      {"\xc3z", "\\xC3z"},                                // start without a continuation
      {"\xe2\x82", "\\xE2\\x82"},                         // cut sequence
      {"\u20AC"sv.substr(0, 2), "\\xE2\\x82"},            // the view ends before the sequence does
      {"\xe2\x82z", "\\xE2\\x82z"},                       // the same, within a text
      {"\xc0\x8a", "\\xC0\\x8A"},                         // overlong line feed
      {"\xe0\x80\x8a", "\\xE0\\x80\\x8A"},                // overlong
      {"\xf0\x80\x80\x8a", "\\xF0\\x80\\x80\\x8A"},       // overlong
      {"\xed\xa0\x80", "\\xED\\xA0\\x80"},                // surrogate
      {"\xed\x9f\xbf", "\xed\x9f\xbf"},                   // last before the surrogates
      {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},           // U+10FFFF
      {"\xf4\x90\x80\x80", "\\xF4\\x90\\x80\\x80"},       // beyond
      {"\xf5\x80\x80\x80", "\\xF5\\x80\\x80\\x80"},       // no such start
      {"\xf0\x9f\x8c\xc3\xa4", "\\xF0\\x9F\\x8C\u00E4"},  // a cut sequence does not swallow the next
  };
  for (const auto& row : rows) EXPECT_EQ(printable(row.text), row.printed);
}

TEST(Printable, DropsOneTrailingLineBreak) {
  EXPECT_EQ(printable("doesn't exist\n"), "doesn't exist");
  EXPECT_EQ(printable("doesn't exist\r\n"), "doesn't exist");
  EXPECT_EQ(printable("two\n\n"), "two\\x0A");
  EXPECT_EQ(printable("\n"), "");
  EXPECT_EQ(printable("\nx"), "\\x0Ax");
}

TEST(Printable, CutsAtSixtyFourCharactersOfInput) {
  struct Row {
    std::string_view unit, shown;
  };
  const Row rows[] = {
      {"x", "x"}, {"\u00FC", "\u00FC"}, {"\U0001F321", "\U0001F321"}, {"\x01", "\\x01"}, {"\xff", "\\xFF"}};
  for (const auto& row : rows) {
    EXPECT_EQ(printable(repeated(row.unit, 64)), repeated(row.shown, 64)) << "64 characters are not cut";
    EXPECT_EQ(printable(repeated(row.unit, 64) + "\n"), repeated(row.shown, 64));
    EXPECT_EQ(printable(repeated(row.unit, 65)), repeated(row.shown, 64) + "...");
    EXPECT_EQ(printable(repeated(row.unit, 100000)), repeated(row.shown, 64) + "...");
  }
}

TEST(Printable, EveryPairOfBytesComesOutHarmless) {
  for (int first = 0; first < 256; ++first)
    for (int second = 0; second < 256; ++second) {
      const std::string text{static_cast<char>(first), static_cast<char>(second)};
      const auto out = printable(text);
      for (const char c : out) ASSERT_FALSE((c >= 0 && c < 0x20) || c == 0x7F) << first << ' ' << second;
      ASSERT_EQ(printable(out), out) << "what is printable stays as it is: " << first << ' ' << second;
    }
}

}  // namespace
}  // namespace bleconnd
