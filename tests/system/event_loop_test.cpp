// The event loop: timers, signals of the process, the ready queue; and the log.
// Times are real, so only order and generous bounds are checked.
#include "system/event_loop.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "async/notice.hpp"
#include "async/scope.hpp"
#include "captured_stderr.hpp"
#include "system/journal.hpp"
#include "system/readiness.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;

TEST(Journal, OneLineWhateverIsSaid) {
  Captured captured;
  const Journal journal;
  journal.write(LogLevel::warning, "a\nb\x1b[31mc\x7f", {.address = "x"});
  journal.debug("not at this level");
  EXPECT_EQ(captured.text(), "warning a b [31mc \n");
}

TEST(Readiness, TellsTheServiceManager) {
  notify_ready();  // without $NOTIFY_SOCKET
  notify_status("x");
}

Task<Unit> nap(EventLoop& loop, TimePoint until, int& order, int& mine) {
  co_await sleep_until(loop, until, unstoppable());
  EXPECT_GE(loop.now(), until);
  mine = ++order;
  if (order == 3) loop.stop(7);
  co_return Unit{};
}

TEST(EventLoop, TimersInOrderNeverEarlyAndOnTime) {
  EventLoop loop;
  Scope tasks{loop};
  const auto start = loop.now();
  int order = 0;
  int first = 0;
  int second = 0;
  int third = 0;
  tasks.spawn(nap(loop, start + 60ms, order, third));
  tasks.spawn(nap(loop, start - 1s, order, first));
  tasks.spawn(nap(loop, start + 30ms, order, second));
  tasks.spawn(nap(loop, kNever, order, order));
  EXPECT_EQ(loop.run(), 7);
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 2);
  EXPECT_EQ(third, 3);
  EXPECT_LT(loop.now() - start, 200ms);  // sd-event's default accuracy would be 250 ms
}

TEST(EventLoop, SignalsRunTheirActions) {
  EventLoop loop;
  int hangups = 0;
  loop.on_signal(SIGHUP, [&] { ++hangups; });
  loop.on_signal(SIGTERM, [&] { loop.stop(); });
  kill(getpid(), SIGHUP);
  kill(getpid(), SIGTERM);
  EXPECT_EQ(loop.run(), 0);
  EXPECT_EQ(hangups, 1);
}

Task<Unit> busy(EventLoop& loop, Notice& notice, int& turns) {
  for (;;) {
    auto wait = notice.until(kNever, unstoppable());
    notice.notify();
    co_await sleep_until(loop, loop.now(), unstoppable());
    ++turns;
  }
}

TEST(EventLoop, ACoroutineThatNeverSleepsHoldsUpNobody) {
  EventLoop loop;
  Notice notice{loop};
  int turns = 0;
  Scope tasks{loop};
  tasks.spawn(busy(loop, notice, turns));
  loop.on_signal(SIGTERM, [&] { loop.stop(); });
  auto timer = loop.call_at(loop.now() + 20ms, [] { kill(getpid(), SIGTERM); });
  EXPECT_EQ(loop.run(), 0);
  EXPECT_GT(turns, 0);
}

TEST(EventLoop, ATimerMayDropItselfWhileItRuns) {
  EventLoop loop;
  std::unique_ptr<Executor::Timer> timer;
  std::string big(100, 'x');
  timer = loop.call_at(loop.now(), [&, big] {
    timer.reset();
    EXPECT_EQ(big.size(), 100u);
    loop.stop();
  });
  EXPECT_EQ(loop.run(), 0);
}

}  // namespace
}  // namespace bleconnd
