// Where the daemon says what it does. Foreign text (from the air, from callers, from BlueZ) is made
// printable() by who writes the line.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "ports/log_kind.hpp"

namespace bleconnd {

enum class LogLevel : std::uint8_t {
  error = 3,
  warning = 4,
  notice = 5,
  info = 6,
  debug = 7
};  // as syslog(3)

// Fields of a journal entry: MESSAGE_ID=, BT_ADDRESS=, BT_ADAPTER=, BT_ATTEMPT=, BT_ERROR=, BT_DETAIL=. Empty
// ones and 0 are left out.
struct LogFields {
  LogKind kind = LogKind::plain;
  std::string address{};
  std::string adapter{};
  std::uint32_t attempt = 0;
  std::string error{};   // the category: "NotFound"
  std::string detail{};  // the token: "not-seen"; of a link that has ended: the reason
};

class Log {
 public:
  virtual ~Log() = default;
  virtual void write(LogLevel level, std::string_view text, const LogFields& fields = {}) const = 0;
};

// One whose amount can be changed.
class LeveledLog : public Log {
 public:
  virtual LogLevel level() const = 0;
  virtual void set_level(LogLevel level) = 0;  // what is less important is not written
  virtual std::string target() const = 0;      // "journal" or "console"
};

}  // namespace bleconnd
