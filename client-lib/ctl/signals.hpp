// SIGINT and SIGTERM as a file that can be polled, for as long as this lives. Made before threads are.
#pragma once
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

namespace bleconnctl {

class Signals {
 public:
  Signals() {
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGINT);
    sigaddset(&both, SIGTERM);
    sigprocmask(SIG_BLOCK, &both, &before_);
    file_ = signalfd(-1, &both, SFD_CLOEXEC | SFD_NONBLOCK);
  }
  ~Signals() {
    sigprocmask(SIG_SETMASK, &before_, nullptr);
    close(file_);
  }
  Signals(const Signals&) = delete;

  int file() const { return file_; }
  // 128 + the number of one that has come, which is what a shell tells of a program that it has ended; 0:
  // none. The next one ends this program as any other.
  int exit_code() const {
    signalfd_siginfo came{};
    if (read(file_, &came, sizeof came) != sizeof came) return 0;
    sigprocmask(SIG_SETMASK, &before_, nullptr);
    return 128 + static_cast<int>(came.ssi_signo);
  }

 private:
  sigset_t before_{};
  int file_ = -1;
};

}  // namespace bleconnctl
