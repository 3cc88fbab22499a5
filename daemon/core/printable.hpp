// Makes text that others wrote (names from the air, labels, BlueZ's error texts) fit for a log line, a
// terminal, a message.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace bleconnd {

inline constexpr std::size_t kPrintableCharacters = 64;

// Control characters (C0, DEL, and C1, which some terminals obey) and bytes that are no UTF-8 become \xNN,
// byte by byte; the rest stays. Cut at kPrintableCharacters of input, never inside a UTF-8 sequence; a cut is
// shown by "...". One trailing line break (one of the bus's texts has one) is dropped.
std::string printable(std::string_view text);

}  // namespace bleconnd
