// A function in a forked child, awaited: for what may block for seconds, such as fsync on a memory card,
// while the one thread of the daemon goes on. The child inherits our memory, so it needs no arguments; it
// hands back one text.
#pragma once
#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "async/pending.hpp"
#include "system/descriptor.hpp"
#include "system/event_loop.hpp"

namespace bleconnd {

struct ChildEnd {
  enum class How { finished, not_started, died, too_slow, too_talkative, stopped };
  How how = How::stopped;
  int detail = 0;      // not_started: an errno; died: the wait status
  std::string output;  // of a child that finished

  ChildEnd(How end, int number = 0) : how{end}, detail{number} {}
  ChildEnd(Stopped) {}
  bool ok() const { return how == How::finished; }
  std::string why() const;  // in words, for a log line
};

// The child ends with its function, with us (also when we crash), after `limit`, when the stop token fires or
// when this goes; by SIGKILL but for the first. It is reaped by the loop in each case, so nothing waits here
// for one that hangs in the file system; what is left when the loop itself goes is waited for a second.
//
// Except when it is stopped, it completes when there is no child any more: what it was doing is then over for
// good.
//
// `work` may use the heap, since the daemon has one thread, and files that it opens by itself. It must not
// touch the loop, the bus or the log: every descriptor but 0, 1 and 2 is closed. Signals are blocked: systemd
// sends SIGTERM to every process of a unit, and ours says when the work must end.
class Child final : public Pending<ChildEnd> {
 public:
  using Work = std::function<std::string()>;
  // Also the capacity of a pipe, so a child hardly ever waits for its reader.
  static constexpr std::size_t kMostOutput = 64 * 1024;

  Child(EventLoop& loop, Work work, Duration limit, std::stop_token stop);
  ~Child() override;

 private:
  struct Process;  // outlives a Child that does not wait for its end

  void start() override;
  void abandon() override;
  void read_output();
  void end_by_force(ChildEnd::How why);
  void ended(int status);
  static int on_output(sd_event_source*, int, std::uint32_t, void* self);
  static int on_end(sd_event_source* source, int, std::uint32_t, void* process);
  static void on_source_gone(void* process);

  EventLoop& loop_;
  Work work_;
  Duration limit_;
  Process* process_ = nullptr;
  Descriptor output_;
  EventSource output_source_;
  std::unique_ptr<Executor::Timer> timer_;
  std::string text_;
  ChildEnd::How forced_ = ChildEnd::How::finished;
};

}  // namespace bleconnd
