// A file of lines that is appended to, "key value" each, the last one of each key counts: what changes
// often and must outlive a crash of this process, at the same cost however much there is. Rewritten as a
// whole when most of its lines are of the past. A file that cannot be read, or that is no such file, is not
// written over: it is set aside as NAME.bad first, in place of an older one.
//
// One that is not bound to a run outlives the host. There a loss of power can leave the name of a new file
// and nothing in it (XFS, f2fs), and fsync would stop the loop for seconds: the former file stays as
// NAME.old, and counts where the new one is empty or has no head.
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
  static constexpr int kOnDiskSeconds =
      60;  // Linux writes what is 30 s old, looked for every 5 s (vm.dirty_*)
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
  bool outlives_the_host() const { return head_ == kind_; }
  bool take_former();
  void keep_former();
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
  bool former_counts_ = false;
  bool failing_ = false;  // said so
};

}  // namespace bleconnd
