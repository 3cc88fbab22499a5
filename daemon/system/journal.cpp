// systemd tells in $JOURNAL_STREAM which file stderr was when it started us; a redirected stderr is another
// one.
#include "system/journal.hpp"

#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

#include "core/printable.hpp"

namespace bleconnd {
namespace {

bool stderr_is_the_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat file {};
  if (!stream || fstat(STDERR_FILENO, &file) < 0) return false;
  return fmt::format("{}:{}", file.st_dev, file.st_ino) == stream;
}

std::string_view name(LogLevel level) {
  switch (level) {
    case LogLevel::error:
      return "error";
    case LogLevel::warning:
      return "warning";
    case LogLevel::notice:
      return "notice";
    case LogLevel::info:
      return "info";
    case LogLevel::debug:
      return "debug";
  }
  return "info";
}

// The last line of defence: whatever a caller of write() forgot, one entry stays one line without terminal
// sequences.
std::string one_line(std::string_view text) {
  std::string line{text};
  for (char& each : line)
    if (static_cast<unsigned char>(each) < 0x20 || each == 0x7f) each = ' ';
  return line;
}

void send_to_journal(LogLevel level, const std::string& line, const LogFields& fields) {
  auto entry = journal_entry(level, line, fields);
  std::vector<iovec> parts;
  parts.reserve(entry.size());
  for (auto& each : entry) parts.push_back({each.data(), each.size()});
  sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
}

void send_to_stderr(LogLevel level, const std::string& line) {
  const auto text = fmt::format("{} {}\n", name(level), line);
  std::string_view rest{text};
  while (!rest.empty()) {
    const auto written = ::write(STDERR_FILENO, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // nobody reads: there is no other place to say so
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

std::vector<std::string> journal_entry(LogLevel level, std::string_view text, const LogFields& fields) {
  std::vector<std::string> entry{"MESSAGE=" + one_line(text),
                                 fmt::format("PRIORITY={}", static_cast<int>(level)),
                                 "SYSLOG_IDENTIFIER=bleconnd"};
  const auto add = [&entry](const char* name, std::string_view value) {
    if (!value.empty()) entry.push_back(fmt::format("{}={}", name, printable(value)));
  };
  add("MESSAGE_ID", message_id(fields.kind));
  add("BT_ADDRESS", fields.address);
  add("BT_ADAPTER", fields.adapter);
  if (fields.attempt > 0) add("BT_ATTEMPT", std::to_string(fields.attempt));
  add("BT_ERROR", fields.error);
  add("BT_DETAIL", fields.detail);
  return entry;
}

Journal::Journal() : to_journal_{stderr_is_the_journal()} {}

void Journal::write(LogLevel level, std::string_view text, const LogFields& fields) const {
  if (level > level_) return;
  const auto line = one_line(text);
  if (to_journal_) return send_to_journal(level, line, fields);
  send_to_stderr(level, line);
}

}  // namespace bleconnd
