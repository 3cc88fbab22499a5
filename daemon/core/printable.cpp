// Escapes what a terminal or a log reader would obey instead of show.
// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing beyond U+10FFFF.
#include "core/printable.hpp"

namespace bleconnd {
namespace {

unsigned char byte_at(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

// The well-formed sequences of RFC 3629, section 4, by their first byte. Bytes after the second are 80..BF.
struct Sequence {
  unsigned char first_low, first_high, second_low, second_high;
  std::size_t length;
};
constexpr Sequence kSequences[] = {
    {0x00, 0x7F, 0x00, 0x00, 1}, {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
    {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
    {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
};

bool starts_with(std::string_view text, const Sequence& sequence) {
  const auto first = byte_at(text, 0);
  if (first < sequence.first_low || first > sequence.first_high || text.size() < sequence.length)
    return false;
  if (sequence.length > 1 &&
      (byte_at(text, 1) < sequence.second_low || byte_at(text, 1) > sequence.second_high))
    return false;
  for (std::size_t i = 2; i < sequence.length; ++i)
    if ((byte_at(text, i) & 0xC0) != 0x80) return false;
  return true;
}

// Bytes of the UTF-8 sequence that `text` (not empty) starts with; 0 if there is none.
std::size_t sequence_length(std::string_view text) {
  for (const auto& sequence : kSequences)
    if (starts_with(text, sequence)) return sequence.length;
  return 0;
}

bool is_control(std::string_view character) {
  const auto first = byte_at(character, 0);
  if (character.size() == 1) return first < 0x20 || first == 0x7F;
  return character.size() == 2 && first == 0xC2 && byte_at(character, 1) < 0xA0;  // C1: U+0080 to U+009F
}

void append_escaped(std::string& out, std::string_view bytes) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    out += "\\x";
    out += digits[byte_at(bytes, i) >> 4];
    out += digits[byte_at(bytes, i) & 0xF];
  }
}

std::string_view without_line_break(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::string printable(std::string_view text) {
  text = without_line_break(text);
  std::string out;
  for (std::size_t characters = 0; !text.empty(); ++characters) {
    if (characters == kPrintableCharacters) return out + "...";
    const auto length = sequence_length(text);
    const auto character = text.substr(0, length == 0 ? 1 : length);
    if (length == 0 || is_control(character))
      append_escaped(out, character);
    else
      out += character;
    text.remove_prefix(character.size());
  }
  return out;
}

}  // namespace bleconnd
