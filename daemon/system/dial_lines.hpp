// Which bus connection a dial goes over. Normally ours. BlueZ never answers a Connect whose object is removed
// (5.50 to 5.87), and the bus counts such calls for as long as the connection lives; when they have become
// many, further dials go over a spare connection, which is replaced when it has as many, and closed when none
// of its dials is under way. bluetoothd does not mind: a dial belongs to no client.
#pragma once
#include <systemd/sd-event.h>

#include <memory>
#include <string_view>
#include <vector>

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

  // For a call of Device1 that begins or ends a dial of `path`: what belongs together takes the same line,
  // which keeps its order. The looks at an object do not: their order is that of the signals, on our line.
  DbusLine& line(std::string_view path);
  // The line that a call of that kind is under way on; null: there is none.
  DbusLine* dialling(std::string_view path) const;

  // A call of that kind, from before it is sent until whoever awaits it has the answer.
  class UnderWay {
   public:
    UnderWay(DialLines& lines, std::string_view path, DbusLine& line);
    UnderWay(const UnderWay&) = delete;
    ~UnderWay();

   private:
    friend class DialLines;
    DialLines& lines_;
    std::string_view path_;
    DbusLine& line_;
  };

  // A dial that waits before it goes out, over a spare line.
  class ToCome {
   public:
    ToCome(DialLines& lines, std::string_view path);
    ToCome(const ToCome&) = delete;
    ~ToCome();
    bool taken_back() const { return taken_back_; }

   private:
    friend class DialLines;
    DialLines& lines_;
    std::string_view path_;
    bool taken_back_ = false;
  };
  bool take_back(std::string_view path);  // what is to come; false: nothing
  void gone(std::string_view destination);

 private:
  struct Spare;
  void close_idle();
  void open();

  DbusLine& main_;
  sd_event* event_;
  const Journal& journal_;
  std::vector<ToCome*> to_come_;
  std::vector<UnderWay*> under_way_;            // as many as are dialled or hung up at once
  std::vector<std::unique_ptr<Spare>> spares_;  // the newest last; the others are worn, and end their dials
};

}  // namespace bleconnd
