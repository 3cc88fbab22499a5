// The real calls.
// Interrupted ones are repeated here; the writer's child has all signals blocked anyway.
#include "system/folder_calls.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

namespace bleconnd {
namespace {

template <class Call>
auto answer(Call call) {
  for (;;) {
    const auto result = call();
    if (result >= 0) return result;
    if (errno != EINTR) return static_cast<decltype(call())>(-errno);
  }
}

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

}  // namespace

int FolderCalls::open_folder(const std::string& path) {
  return answer([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
}

int FolderCalls::lock(int folder) {
  return answer([&] { return ::flock(folder, LOCK_EX); });
}

int FolderCalls::create(int folder, const std::string& name) {
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  return answer([&] { return ::openat(folder, name.c_str(), flags, S_IRUSR | S_IWUSR); });
}

long FolderCalls::write(int file, std::string_view text) {
  return answer([&] { return static_cast<long>(::write(file, text.data(), text.size())); });
}

int FolderCalls::sync(int file_or_folder) {
  return answer([&] { return ::fsync(file_or_folder); });
}

int FolderCalls::close(int file_or_folder) {
  return ::close(file_or_folder) < 0 ? -errno : 0;  // not repeated: Linux has let go of it in any case
}

int FolderCalls::rename(int folder, const std::string& from, const std::string& to) {
  return answer([&] { return ::renameat(folder, from.c_str(), folder, to.c_str()); });
}

int FolderCalls::unlink(int folder, const std::string& name) {
  return answer([&] { return ::unlinkat(folder, name.c_str(), 0); });
}

int FolderCalls::remove_folder(int folder, const std::string& name) {
  return answer([&] { return ::unlinkat(folder, name.c_str(), AT_REMOVEDIR); });
}

int FolderCalls::list(int folder, std::vector<std::string>& names) {
  const int again = answer([&] { return ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (again < 0) return again;
  const std::unique_ptr<DIR, CloseFolder> open{::fdopendir(again)};
  if (!open) {
    const int error = errno;
    ::close(again);
    return -error;
  }
  for (;;) {
    errno = 0;
    const auto* each = ::readdir(open.get());
    if (!each) return -errno;
    names.emplace_back(each->d_name);
  }
}

int FolderCalls::status(int folder, const std::string& name, Status& status) {
  struct stat file {};
  const int result = answer([&] { return ::fstatat(folder, name.c_str(), &file, AT_SYMLINK_NOFOLLOW); });
  if (result < 0) return result;
  status.regular = S_ISREG(file.st_mode);
  status.bytes = status.regular ? static_cast<std::uint64_t>(file.st_size) : 0;
  status.used_at = std::int64_t{file.st_mtim.tv_sec} * 1'000'000'000 + file.st_mtim.tv_nsec;
  return 0;
}

}  // namespace bleconnd
