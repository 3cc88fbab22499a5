// Which bus connection a dial goes over. Normally ours. BlueZ never answers a Connect whose object is removed
// (5.50 to 5.87), and the bus counts such calls for as long as the connection lives; when they have become
// many, further dials go over a spare connection, which is replaced when it has as many. bluetoothd does not
// mind: a dial belongs to no client.
#pragma once
#include <systemd/sd-event.h>

#include <memory>
#include <string_view>

#include "system/dbus_line.hpp"

namespace bleconnd {

class Journal;

class DialLines {
 public:
  // The other half stays for calls that are answered.
  static constexpr std::size_t kLost = DbusLine::kUnanswered / 2;

  DialLines(DbusLine& main, sd_event* event, const Journal& journal);
  DialLines(const DialLines&) = delete;
  DialLines& operator=(const DialLines&) = delete;
  ~DialLines();

  // For a call that begins or ends a dial of `path`: what belongs together takes the same line, which keeps
  // its order.
  DbusLine& line(std::string_view path);
  void gone(std::string_view destination);

 private:
  struct Spare;
  void open();

  DbusLine& main_;
  sd_event* event_;
  const Journal& journal_;
  std::unique_ptr<Spare> spare_;
};

}  // namespace bleconnd
