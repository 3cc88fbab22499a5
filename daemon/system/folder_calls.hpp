// What the writer of the cache asks of the file system, call by call, so that a test can fail each one, kill
// the writer between any two, or put a folder in memory in their place that loses power.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bleconnd {

// Every call answers like its system call, with the negated errno instead of -1. Names are relative to an
// open folder and no call follows a symbolic link that lies in it.
class FolderCalls {
 public:
  struct Status {
    bool regular = false;
    std::uint64_t bytes = 0;
    std::int64_t used_at = 0;  // st_mtime in ns: the last write, or the last use that was marked
  };

  virtual ~FolderCalls() = default;
  virtual int open_folder(const std::string& path);
  virtual int lock(int folder);  // waits; it ends with the last close of the folder
  virtual int create(int folder, const std::string& name);  // for writing, mode 0600; there must be none
  virtual long write(int file, std::string_view text);
  virtual int sync(int file_or_folder);
  virtual int close(int file_or_folder);
  virtual int rename(int folder, const std::string& from, const std::string& to);
  virtual int unlink(int folder, const std::string& name);         // no folder
  virtual int remove_folder(int folder, const std::string& name);  // an empty one
  virtual int list(int folder, std::vector<std::string>& names);
  virtual int status(int folder, const std::string& name, Status& status);
};

}  // namespace bleconnd
