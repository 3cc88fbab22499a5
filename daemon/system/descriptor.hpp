// Owns a file descriptor. It is closed when its owner goes.
// Negative: none.
#pragma once
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace bleconnd {

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_{fd} {}
  Descriptor(Descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

// An errno that says nothing about what was to be opened.
inline bool is_lack_of_means(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM;
}

}  // namespace bleconnd
