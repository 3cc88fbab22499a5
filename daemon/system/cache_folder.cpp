// open without following links or waiting for the other end of a FIFO, then look what it is, then read.
// What is no regular file of our size is unusable.
#include "system/cache_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "system/cache_file.hpp"
#include "system/descriptor.hpp"

namespace bleconnd {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t used_at(const struct stat& file) {
  return std::int64_t{file.st_mtim.tv_sec} * kSecond + file.st_mtim.tv_nsec;
}

Descriptor open_folder(const std::string& folder) {
  return Descriptor{open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
}

// Where there is no file there may be no folder.
CachedText not_opened(const std::string& folder, int error) {
  using Kind = CachedText::Kind;
  if (!open_folder(folder)) return {Kind::unreadable, std::strerror(errno)};
  if (error == ENOENT) return {};
  if (error == ELOOP) return {Kind::unusable, "a symbolic link"};
  return {is_lack_of_means(error) ? Kind::unreadable : Kind::unusable, std::strerror(error)};
}

// Nobody changes a file of the cache in place, so its size stays.
CachedText contents(int file, std::size_t expected) {
  CachedText read{CachedText::Kind::text, std::string(expected, '\0')};
  std::size_t size = 0;
  while (size < read.text.size()) {
    const auto got = ::read(file, read.text.data() + size, read.text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return {CachedText::Kind::unusable, std::strerror(errno)};
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  read.text.resize(size);
  return read;
}

}  // namespace

CachedText read_cached_text(const std::string& folder, const std::string& name, std::int64_t void_before,
                            std::int64_t accuracy) {
  using Kind = CachedText::Kind;
  const auto path = folder + "/" + name;
  const Descriptor file{open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
  if (!file) return not_opened(folder, errno);
  struct stat status {};
  if (fstat(file.get(), &status) < 0) return {Kind::unusable, std::strerror(errno)};
  if (used_at(status) < void_before) return {};
  if (!S_ISREG(status.st_mode)) return {Kind::unusable, "not a regular file"};
  if (status.st_size > static_cast<off_t>(kMostCacheFileBytes)) return {Kind::unusable, "too large"};
  // On a folder that cannot be written to this fails, and nothing is removed from it either.
  if (std::abs(wall_clock_ns() - used_at(status)) > accuracy) futimens(file.get(), nullptr);
  return contents(file.get(), static_cast<std::size_t>(status.st_size));
}

bool is_cached(const std::string& folder, const std::string& name, std::int64_t void_before) {
  const auto path = folder + "/" + name;
  struct stat file {};
  return lstat(path.c_str(), &file) == 0 && S_ISREG(file.st_mode) && used_at(file) >= void_before;
}

std::int64_t wall_clock_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * kSecond + now.tv_nsec;
}

}  // namespace bleconnd
