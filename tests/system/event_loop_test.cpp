// The event loop: timers, signals of the process, the ready queue; and the log.
// Times are real, so only order and generous bounds are checked.
#include "system/event_loop.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>

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

TEST(Journal, FieldsOfAnEntry) {
  using ::testing::ElementsAre;
  const LogFields all{.kind = LogKind::attempt_failed,
                      .address = "AA:BB:CC:DD:EE:FF",
                      .adapter = "hci0",
                      .attempt = 3,
                      .error = "NotFound",
                      .detail = "not-seen"};
  EXPECT_THAT(journal_entry(LogLevel::info, "attempt 3 failed", all),
              ElementsAre("MESSAGE=attempt 3 failed", "PRIORITY=6", "SYSLOG_IDENTIFIER=bleconnd",
                          "MESSAGE_ID=" + std::string{message_id(LogKind::attempt_failed)},
                          "BT_ADDRESS=AA:BB:CC:DD:EE:FF", "BT_ADAPTER=hci0", "BT_ATTEMPT=3",
                          "BT_ERROR=NotFound", "BT_DETAIL=not-seen"));
  EXPECT_THAT(journal_entry(LogLevel::error, "nothing known", {}),
              ElementsAre("MESSAGE=nothing known", "PRIORITY=3", "SYSLOG_IDENTIFIER=bleconnd"));
}

// A field that others wrote cannot become two, nor one of another name.
TEST(Journal, ForeignTextStaysInItsField) {
  using ::testing::Contains;
  using ::testing::ElementsAre;
  const auto entry = journal_entry(LogLevel::warning, "a\nPRIORITY=0", {.detail = "x\nBT_ADDRESS=y\x1b[2J"});
  EXPECT_THAT(entry, ElementsAre("MESSAGE=a PRIORITY=0", "PRIORITY=4", "SYSLOG_IDENTIFIER=bleconnd",
                                 "BT_DETAIL=x\\x0ABT_ADDRESS=y\\x1B[2J"));
  EXPECT_THAT(journal_entry(LogLevel::info, "", {.adapter = std::string(1000, 'x')}),
              Contains("BT_ADAPTER=" + std::string(64, 'x') + "..."));
}

TEST(Journal, EveryKindHasAnIdOfItsOwn) {
  std::set<std::string_view> ids;
  for (const auto& row : kLogKinds) {
    EXPECT_EQ(message_id(row.kind), row.id);
    EXPECT_EQ(row.id.size(), 32u);
    EXPECT_TRUE(ids.insert(row.id).second) << row.id;
  }
  EXPECT_EQ(message_id(LogKind::plain), "");
}

TEST(Readiness, TellsTheServiceManager) {
  EXPECT_EQ(notify_ready(), 0);  // without $NOTIFY_SOCKET
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

TEST(EventLoop, OfTimersThatAreDueAtOnceOneMayDropAnother) {
  EventLoop loop;
  std::string called;
  std::unique_ptr<Executor::Timer> dropped;
  const auto at_once = loop.now();
  const auto first = loop.call_at(at_once, [&] {
    called += "first ";
    dropped.reset();
  });
  dropped = loop.call_at(at_once, [&] { called += "dropped "; });
  const auto last = loop.call_at(at_once, [&] {
    called += "last";
    loop.stop();
  });
  EXPECT_EQ(loop.run(), 0);
  EXPECT_EQ(called, "first last");
}

TEST(EventLoop, ATimerThatArmsTheNextForNowHoldsUpNobody) {
  EventLoop loop;
  loop.on_signal(SIGTERM, [&] { loop.stop(); });
  std::unique_ptr<Executor::Timer> timer;
  bool asked = false;
  std::function<void()> once_more = [&] {
    if (!std::exchange(asked, true)) kill(getpid(), SIGTERM);
    timer = loop.call_at(loop.now(), once_more);
  };
  once_more();
  EXPECT_EQ(loop.run(), 0);
}

// The loop turns once more for the timer that is due, and for nothing else.
TEST(EventLoop, ATimerThatIsDroppedWakesNobody) {
  EventLoop loop;
  const auto start = loop.now();
  auto early = loop.call_at(start + 5ms, [] { ADD_FAILURE() << "it was dropped"; });
  const auto last = loop.call_at(start + 40ms, [&] { loop.stop(); });
  const auto between = loop.call_at(start + 20ms, [] {});
  early.reset();
  EXPECT_EQ(loop.run(), 0);
  EXPECT_GE(loop.now(), start + 40ms);
  std::uint64_t turns = 0;
  ASSERT_GE(sd_event_get_iteration(loop.event(), &turns), 0);
  EXPECT_LE(turns, 4u);
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
