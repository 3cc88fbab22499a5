// fork, a pipe, and a pidfd that becomes readable with the end of the child. A pidfd also needs no SIGCHLD,
// and cannot hit a stranger that got the number of a child that was reaped.
#include "system/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
extern "C" {  // glibc 2.36 declares them as C++
#include <sys/pidfd.h>
}

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

namespace bleconnd {
namespace {

constexpr int kLastWaitMsec = 1000;  // for a killed child when the loop goes; init reaps what is slower

void close_all_but(int kept) {
  if (kept > 3) close_range(3, static_cast<unsigned>(kept) - 1, 0);
  close_range(static_cast<unsigned>(kept) + 1, ~0U, 0);
}

bool write_all(int to, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(to, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// noexcept: what is thrown here must not unwind into the loop of the parent.
[[noreturn]] void be_the_child(const Child::Work& work, int output, pid_t parent) noexcept {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);  // it went before that
  close_all_but(output);
  _exit(write_all(output, work()) ? 0 : 1);
}

struct Fork {
  pid_t pid;
  int error;
};

// All signals stay blocked in the child.
Fork fork_blocked(const Child::Work& work, int output) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  const auto parent = getpid();
  const auto pid = fork();
  if (pid == 0) be_the_child(work, output, parent);
  const Fork forked{pid, errno};
  sigprocmask(SIG_SETMASK, &before, nullptr);
  return forked;
}

}  // namespace

// Owned by an event source that floats in the loop.
struct Child::Process {
  pid_t pid;  // 0: reaped
  Descriptor pidfd;
  Child* waiter;

  void kill() const {
    if (pid > 0) pidfd_send_signal(pidfd.get(), SIGKILL, nullptr, 0);
  }
  // The wait status, or -1 while it runs. A SIGCHLD that is ignored leaves no status: what it said decides.
  int reap() {
    int status = 0;
    const auto reaped = waitpid(pid, &status, WNOHANG);
    if (reaped == 0) return -1;
    pid = 0;
    return reaped > 0 ? status : 0;
  }
};

std::string ChildEnd::why() const {
  switch (how) {
    case How::finished:
      return "finished";
    case How::not_started:
      return std::string{"cannot be started: "} + std::strerror(detail);
    case How::died:
      return WIFSIGNALED(detail) ? "ended by signal " + std::to_string(WTERMSIG(detail))
                                 : "ended with status " + std::to_string(WEXITSTATUS(detail));
    case How::too_slow:
      return "took too long";
    case How::too_talkative:
      return "said too much";
    case How::stopped:
      return "stopped";
  }
  return {};
}

Child::Child(EventLoop& loop, Work work, Duration limit, std::stop_token stop)
    : Pending{loop, std::move(stop)}, loop_{loop}, work_{std::move(work)}, limit_{limit} {}

Child::~Child() {
  abandon();
}

void Child::start() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return complete({ChildEnd::How::not_started, errno});
  output_ = Descriptor{ends[0]};
  const Descriptor input{ends[1]};
  fcntl(output_.get(), F_SETFL, O_NONBLOCK);
  const auto forked = fork_blocked(work_, input.get());
  if (forked.pid < 0) return complete({ChildEnd::How::not_started, forked.error});
  Descriptor pidfd{pidfd_open(forked.pid, 0)};
  if (!pidfd) {
    const int error = errno;
    ::kill(forked.pid, SIGKILL);
    waitpid(forked.pid, nullptr, 0);  // it has not got anywhere yet
    return complete({ChildEnd::How::not_started, error});
  }
  const int watched = pidfd.get();
  process_ = new Process{forked.pid, std::move(pidfd), this};
  sd_event_source* source{};
  must(sd_event_add_io(loop_.event(), &source, watched, EPOLLIN, on_end, process_), "sd_event_add_io");
  must(sd_event_source_set_destroy_callback(source, on_source_gone), "sd_event_source_set_destroy_callback");
  must(sd_event_source_set_floating(source, 1), "sd_event_source_set_floating");
  sd_event_source_unref(source);
  source = nullptr;
  must(sd_event_add_io(loop_.event(), &source, output_.get(), EPOLLIN, on_output, this), "sd_event_add_io");
  output_source_.reset(source);
  timer_ = loop_.call_at(loop_.now() + limit_, [this] { end_by_force(ChildEnd::How::too_slow); });
}

void Child::abandon() {
  if (process_) {
    process_->waiter = nullptr;
    process_->kill();
  }
  process_ = nullptr;
  output_source_.reset();
  timer_.reset();
}

void Child::end_by_force(ChildEnd::How why) {
  forced_ = why;
  output_source_.reset();
  if (process_) process_->kill();
}

void Child::read_output() {
  char piece[4096];
  for (;;) {
    const auto got = ::read(output_.get(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return output_source_.reset();
    text_.append(piece, static_cast<std::size_t>(got));
    if (text_.size() > kMostOutput) return end_by_force(ChildEnd::How::too_talkative);
  }
}

void Child::ended(int status) {
  process_ = nullptr;
  timer_.reset();
  if (forced_ == ChildEnd::How::finished) read_output();
  output_source_.reset();
  ChildEnd end{forced_};
  if (end.ok() && status != 0) end = {ChildEnd::How::died, status};
  if (end.ok()) end.output = std::move(text_);
  complete(std::move(end));
}

int Child::on_output(sd_event_source*, int, std::uint32_t, void* self) {
  static_cast<Child*>(self)->read_output();
  return 0;
}

int Child::on_end(sd_event_source* source, int, std::uint32_t, void* of) {
  auto& process = *static_cast<Process*>(of);
  const int status = process.reap();
  if (status < 0) return 0;
  sd_event_source_set_floating(source, 0);  // the loop's reference goes, and with it `process`, after this
  if (auto* waiter = std::exchange(process.waiter, nullptr)) waiter->ended(status);
  return 0;
}

void Child::on_source_gone(void* of) {
  const std::unique_ptr<Process> process{static_cast<Process*>(of)};
  if (process->pid == 0) return;
  process->kill();
  pollfd end{process->pidfd.get(), POLLIN, 0};
  poll(&end, 1, kLastWaitMsec);
  process->reap();
}

}  // namespace bleconnd
