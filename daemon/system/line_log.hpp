// A file of lines that is appended to, "key value" each, the last one of each key counts: what changes
// often and must outlive a crash of this process, at the same cost however much there is. Rewritten as a
// whole when most of its lines are of the past. A file that cannot be read, or that is no such file, is not
// written over: it is set aside as NAME.bad first, in place of an older one.
#pragma once
#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "system/descriptor.hpp"

namespace bleconnd {

class Journal;

class LineLog {
 public:
  static constexpr std::size_t kMostBytes = 16 * 1024 * 1024;  // read back; 8,192 leases have below 4 MiB
  static constexpr std::size_t kSpareLines = 2048;             // some 100 KiB, read back in a millisecond
  static constexpr std::size_t kSpareBytes = 256 * 1024;  // a line can be long: it has all leases of a device

  // `file` empty: nothing is kept. `head` and `run`: the first line, which has to be the same for the rest to
  // count; with another `run` it is sound, and of no use.
  LineLog(std::string file, std::string head, const Journal& journal, const std::string& run = {});

  // What is there, by key: "key value" lines. Once, before put().
  std::map<std::string, std::string> read();
  bool usable() const { return !unusable_; }  // false: said by read()
  // Appends, where that changes something; an empty value removes the key. Keys hold no space, values no line
  // break.
  void put(const std::string& key, const std::string& value);

 private:
  bool take(std::string_view text);
  void cannot_be_used(const std::string& why);
  int set_aside();
  bool rewrite();
  bool append(std::string_view text);  // to the file that rewrite() made
  bool is_there() const;
  void say(const char* what, int error);

  std::string file_;
  Descriptor appended_{-1};  // of that file: a connect writes five lines
  std::string kind_;
  std::string head_;
  const Journal& journal_;
  std::map<std::string, std::string> values_;
  std::size_t lines_ = 0;
  std::size_t bytes_ = 0;      // of the file
  std::size_t rewritten_ = 0;  // what it had when it was written as a whole
  bool whole_ = false;         // what is in the file is what we wrote
  bool owes_ = false;          // a change that is not in the file
  bool unusable_ = false;      // what is there has to be set aside
  bool failing_ = false;       // said so
};

}  // namespace bleconnd
