// epoll over the bus' socket, an eventfd for what other threads leave, and a timerfd.
#include "pump.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "bleconn/bleconn.hpp"
#include "names.hpp"

namespace bleconn {
namespace {

constexpr int kMessagesAStep = 64;  // then the caller's loop has its turn
constexpr auto kFlush = std::chrono::seconds{1};

void watch(int epoll, int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

std::uint64_t microseconds_of(Clock::time_point when) {
  const auto since = std::chrono::duration_cast<std::chrono::microseconds>(when.time_since_epoch()).count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(since, 1));
}

}  // namespace

Pump::Pump(const std::string& host) : process_{getpid()}, loop_thread_{std::this_thread::get_id()} {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  posted_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  clock_ = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (epoll_ < 0 || posted_ < 0 || clock_ < 0) {
    const int why = errno;
    close_files();
    throw Error{Category::limits_exceeded,
                std::string{"limits: no file descriptor is left ("} + std::strerror(why) + "); ulimit -n"};
  }
  const int opened =
      host.empty() ? sd_bus_open_system(&bus_) : sd_bus_open_system_remote(&bus_, host.c_str());
  if (opened < 0) {
    close_files();
    throw no_bus(host, std::strerror(-opened));
  }
  watch(epoll_, posted_, EPOLLIN);
  watch(epoll_, clock_, EPOLLIN);
  prepare();
}

Pump::~Pump() {
  if (source_) sd_event_source_disable_unref(source_);
  sd_bus_close(bus_);
  sd_bus_unref(bus_);
  close_files();
}

void Pump::close_files() {
  for (const int fd : {epoll_, posted_, clock_})
    if (fd >= 0) close(fd);
}

bool Pump::is_forked() const {
  return getpid() != process_;
}

void Pump::prepare() {
  const int fd = sd_bus_get_fd(bus_);
  const int wanted = fd < 0 ? 0 : std::max(sd_bus_get_events(bus_), 0);
  if (fd >= 0 && (wanted != bus_events_ || !bus_watched_)) {
    epoll_event event{};
    event.events = 0;
    if (wanted & POLLIN) event.events |= EPOLLIN;
    if (wanted & POLLOUT) event.events |= EPOLLOUT;
    event.data.fd = fd;
    epoll_ctl(epoll_, bus_watched_ ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    bus_watched_ = true;
    bus_events_ = wanted;
  }
  std::uint64_t due = UINT64_MAX;
  if (sd_bus_get_timeout(bus_, &due) < 0) due = UINT64_MAX;
  if (!timers_.empty()) due = std::min(due, microseconds_of(timers_.begin()->first.first));
  itimerspec spec{};
  if (due != UINT64_MAX) {
    due = std::max<std::uint64_t>(due, 1);
    spec.it_value.tv_sec = static_cast<time_t>(due / 1'000'000);
    spec.it_value.tv_nsec = static_cast<long>(due % 1'000'000 * 1000);
  }
  timerfd_settime(clock_, TFD_TIMER_ABSTIME, &spec, nullptr);
}

void Pump::post(Work work) {
  {
    const std::lock_guard locked{mutex_};
    works_.push_back(std::move(work));
  }
  const std::uint64_t one = 1;
  (void)!write(posted_, &one, sizeof one);
}

Pump::Timer Pump::call_at(Clock::time_point when, Work work) {
  const Timer timer{when, ++numbers_};
  timers_.emplace(timer, std::move(work));
  return timer;
}

void Pump::run_posted() {
  std::uint64_t count = 0;
  (void)!read(posted_, &count, sizeof count);
  std::vector<Work> works;
  {
    const std::lock_guard locked{mutex_};
    works.swap(works_);
  }
  for (auto& work : works) work();
}

void Pump::run_due() {
  std::uint64_t count = 0;
  (void)!read(clock_, &count, sizeof count);
  const auto now = Clock::now();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    const auto work = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    work();
  }
}

void Pump::step() {
  const auto kept = owner_.lock();  // goes last: a callback can drop all that is left of the library
  const std::lock_guard one{stepping_};
  inside_ = std::this_thread::get_id();
  run_posted();
  for (int messages = 0; messages < kMessagesAStep; ++messages)
    if (sd_bus_process(bus_, nullptr) <= 0) break;
  run_due();
  if (flushes_) flush();
  prepare();
  inside_ = std::thread::id{};
}

void Pump::dispatch() {
  if (is_inside()) return;
  loop_thread_ = std::this_thread::get_id();
  step();
}

int Pump::on_ready(sd_event_source*, int, std::uint32_t, void* self) {
  static_cast<Pump*>(self)->dispatch();
  return 0;
}

void Pump::run_on(sd_event* loop) {
  const int added = sd_event_add_io(loop, &source_, epoll_, EPOLLIN, on_ready, this);
  if (added < 0)
    throw Error{Category::invalid_args,
                std::string{"invalid: this event loop takes no source ("} + std::strerror(-added) + ")"};
}

void Pump::run_on_thread(std::shared_ptr<void> kept) {
  post([] {});  // a first step: what has been sent since prepare()
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are the program's
  has_thread_ = true;
  {
    const std::lock_guard locked{mutex_};
    thread_ = std::thread{[this, kept = std::move(kept)] {
      for (bool ends = false; !ends;) {
        epoll_event ready[4];
        epoll_wait(epoll_, ready, 4, -1);
        step();
        const std::lock_guard again{mutex_};
        ends = stopping_ && works_.empty();
      }
      flush();
    }};
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Pump::run_until(const std::function<bool()>& done, std::optional<Clock::time_point> until) {
  while (!done()) {
    int left = -1;
    if (until) {
      left = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(*until - Clock::now()).count());
      if (left <= 0) return;
    }
    pollfd ready{epoll_, POLLIN, 0};
    poll(&ready, 1, left);
    dispatch();
  }
}

// sd_bus_flush() would wait for a bus that does not read, for ever.
void Pump::flush() {
  const auto end = Clock::now() + kFlush;
  std::uint64_t queued = 0;
  while (sd_bus_get_n_queued_write(bus_, &queued) >= 0 && queued > 0 && Clock::now() < end) {
    const int done = sd_bus_process(bus_, nullptr);
    if (done < 0) return;
    if (done > 0) continue;
    pollfd ready{sd_bus_get_fd(bus_), static_cast<short>(sd_bus_get_events(bus_)), 0};
    constexpr int kLookMs = 100;
    poll(&ready, 1, kLookMs);
  }
}

void Pump::end(const Work& work) {
  if (has_thread_) {
    std::thread thread;
    {
      const std::lock_guard locked{mutex_};
      works_.push_back(work);
      stopping_ = true;
      thread.swap(thread_);
    }
    post([] {});
    if (thread.get_id() == std::this_thread::get_id())
      thread.detach();
    else
      thread.join();
  } else if (is_inside()) {  // sd-bus does not recurse: this step sends
    work();
    flushes_ = true;
  } else {  // nobody else dispatches any more
    post(work);
    flushes_ = true;
    dispatch();
  }
}

}  // namespace bleconn
