// The log: the systemd journal with fields when stderr is connected to it, else lines on stderr.
// Foreign text (from the air, from callers, from BlueZ) is passed through printable() by who writes the line.
#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ports/log.hpp"

namespace bleconnd {

// The fields of an entry as the journal takes them, "NAME=value" each: one line of text, and values that are
// printable().
std::vector<std::string> journal_entry(LogLevel level, std::string_view text, const LogFields& fields);

class Journal final : public LeveledLog {
 public:
  Journal();

  void write(LogLevel level, std::string_view text, const LogFields& fields = {}) const override;

  LogLevel level() const override { return level_; }
  void set_level(LogLevel level) override { level_ = level; }
  std::string target() const override { return to_journal_ ? "journal" : "console"; }

  // With a kind, which decides nothing but the id.
  template <class... Args>
  void tell(LogLevel level, const LogFields& fields, fmt::format_string<Args...> text, Args&&... args) const {
    if (level <= level_) write(level, fmt::format(text, std::forward<Args>(args)...), fields);
  }
  template <class... Args>
  void error(fmt::format_string<Args...> text, Args&&... args) const {
    format(LogLevel::error, text, std::forward<Args>(args)...);
  }
  template <class... Args>
  void warning(fmt::format_string<Args...> text, Args&&... args) const {
    format(LogLevel::warning, text, std::forward<Args>(args)...);
  }
  template <class... Args>
  void info(fmt::format_string<Args...> text, Args&&... args) const {
    format(LogLevel::info, text, std::forward<Args>(args)...);
  }
  template <class... Args>
  void debug(fmt::format_string<Args...> text, Args&&... args) const {
    format(LogLevel::debug, text, std::forward<Args>(args)...);
  }

 private:
  template <class... Args>
  void format(LogLevel level, fmt::format_string<Args...> text, Args&&... args) const {
    if (level <= level_) write(level, fmt::format(text, std::forward<Args>(args)...));
  }

  bool to_journal_;
  LogLevel level_ = LogLevel::info;
};

}  // namespace bleconnd
