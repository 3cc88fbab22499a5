// Children: what they hand back, how they end, and that none stays behind.
// Real processes; a child that must not end by itself sleeps for ever.
#include "system/child.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache_stage.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
using How = ChildEnd::How;

struct ChildStage : TurnedLoop {
  struct Told {
    std::atomic<pid_t> pid{0};
    std::atomic<bool> go{false};
  };
  Shared<Told> told;

  static Task<ChildEnd> run(EventLoop& loop, Child::Work work, Duration limit, std::stop_token stop) {
    Child child{loop, work, limit, stop};
    auto end = co_await child;
    co_return end;
  }
  ChildEnd end_of(Child::Work work, Duration limit = 10s) {
    return wait(run(loop, std::move(work), limit, unstoppable()));
  }
  Child::Work sleeper() {
    return [&] {
      told->pid = getpid();
      while (!told->go) usleep(500);
      return std::string{"awake"};
    };
  }
  bool gone() {  // and reaped
    return until([&] { return kill(told->pid, 0) < 0 && errno == ESRCH; });
  }
};

TEST(Child, HandsBackAText) {
  ChildStage stage;
  EXPECT_EQ(stage.end_of([] { return std::string{"result"}; }).output, "result");
  const auto nothing = stage.end_of([] { return std::string{}; });
  EXPECT_TRUE(nothing.ok());
  EXPECT_EQ(nothing.output, "");
  const auto most = stage.end_of([] { return std::string(Child::kMostOutput, 'x'); });
  EXPECT_EQ(most.output, std::string(Child::kMostOutput, 'x'));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
}

TEST(Child, TooMuchTextEndsIt) {
  ChildStage stage;
  const auto end = stage.end_of([] { return std::string(1'000'000, 'x'); });
  EXPECT_EQ(end.how, How::too_talkative);
  EXPECT_EQ(end.output, "");
}

TEST(Child, TooMuchTimeEndsIt) {
  ChildStage stage;
  const auto end = stage.end_of(stage.sleeper(), 50ms);
  EXPECT_EQ(end.how, How::too_slow);
  EXPECT_TRUE(stage.gone());
}

TEST(Child, TellsHowItDied) {
  ChildStage stage;
  const auto killed = stage.end_of([] {
    kill(getpid(), SIGKILL);
    return std::string{};
  });
  EXPECT_EQ(killed.how, How::died);
  EXPECT_EQ(killed.why(), "ended by signal 9");
  const auto exited = stage.end_of([]() -> std::string { _exit(3); });
  EXPECT_EQ(exited.why(), "ended with status 3");
}

TEST(Child, TheLoopGoesOnMeanwhile) {
  ChildStage stage;
  auto end = stage.start(ChildStage::run(stage.loop, stage.sleeper(), 10s, unstoppable()));
  ASSERT_TRUE(stage.until([&] { return stage.told->pid != 0; }));
  bool turned = false;
  auto timer = stage.loop.call_at(stage.loop.now() + 10ms, [&] { turned = true; });
  EXPECT_TRUE(stage.until([&] { return turned; }));
  EXPECT_FALSE(end->has_value());
  stage.told->go = true;
  EXPECT_TRUE(stage.until([&] { return end->has_value(); }));
  EXPECT_EQ((*end)->output, "awake");
}

TEST(Child, TheSignalsOfAnEndOfTheDaemonDoNotReachIt) {
  ChildStage stage;
  auto end = stage.start(ChildStage::run(stage.loop, stage.sleeper(), 10s, unstoppable()));
  ASSERT_TRUE(stage.until([&] { return stage.told->pid != 0; }));
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGXFSZ}) kill(stage.told->pid, signal);
  stage.told->go = true;
  EXPECT_TRUE(stage.until([&] { return end->has_value(); }));
  EXPECT_EQ((*end)->output, "awake");
  sigset_t blocked;
  sigprocmask(SIG_SETMASK, nullptr, &blocked);
  EXPECT_EQ(sigismember(&blocked, SIGTERM), 0);  // ours is as it was
}

TEST(Child, HasNoneOfOurDescriptors) {
  ChildStage stage;
  const Descriptor ours{open("/dev/null", O_RDONLY | O_CLOEXEC)};
  const auto end = stage.end_of([&] {
    std::string open;
    for (int fd = 3; fd < 256; ++fd)
      if (fcntl(fd, F_GETFD) >= 0) open += 'x';
    return open;
  });
  EXPECT_EQ(end.output, "x");  // the pipe
}

TEST(Child, IsEndedByItsStopToken) {
  ChildStage stage;
  std::stop_source source;
  auto end = stage.start(ChildStage::run(stage.loop, stage.sleeper(), 10s, source.get_token()));
  ASSERT_TRUE(stage.until([&] { return stage.told->pid != 0; }));
  source.request_stop();
  EXPECT_TRUE(stage.until([&] { return end->has_value(); }));
  EXPECT_EQ((*end)->how, How::stopped);
  EXPECT_TRUE(stage.gone());
}

TEST(Child, IsEndedAndReapedWhenNobodyWaitsAnyMore) {
  ChildStage stage;
  {
    Scope scope{stage.loop};
    auto result = std::make_shared<std::optional<ChildEnd>>();
    scope.spawn(TurnedLoop::keep(ChildStage::run(stage.loop, stage.sleeper(), 10s, unstoppable()), result));
    ASSERT_TRUE(stage.until([&] { return stage.told->pid != 0; }));
  }
  EXPECT_TRUE(stage.gone());
}

TEST(Child, IsEndedAndReapedWithTheLoop) {
  Shared<std::atomic<pid_t>> pid;
  {
    ChildStage stage;
    auto end = stage.start(ChildStage::run(stage.loop, stage.sleeper(), 10s, unstoppable()));
    ASSERT_TRUE(stage.until([&] { return stage.told->pid != 0; }));
    *pid.operator->() = stage.told->pid.load();
  }
  EXPECT_TRUE(kill(*pid.operator->(), 0) < 0 && errno == ESRCH);
}

// The parent here is a child itself, so that it can die without the test.
TEST(Child, EndsWhenItsParentIsKilled) {
  ChildStage stage;
  const auto middle = fork();
  if (middle == 0) {
    ChildStage inner;
    auto end = inner.start(ChildStage::run(inner.loop, stage.sleeper(), 100s, unstoppable()));
    inner.until([&] { return stage.told->pid != 0; });
    kill(getpid(), SIGKILL);
  }
  ASSERT_EQ(waitpid(middle, nullptr, 0), middle);
  ASSERT_NE(stage.told->pid, 0);
  // An orphan is reaped by init, where there is one: its end shows in its state as well.
  const bool ended = stage.until([&] {
    std::ifstream stat{"/proc/" + std::to_string(stage.told->pid) + "/stat"};
    std::string number;
    std::string name;
    std::string state;
    return !(stat >> number >> name >> state) || state == "Z" || state == "X";
  });
  stage.told->go = true;
  EXPECT_TRUE(ended);
}

TEST(Child, WithoutDescriptorsItIsNotStarted) {
  ChildStage stage;
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const Descriptor lowest{dup(0)};
  rlimit none{static_cast<rlim_t>(lowest.get()) + 1, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  const auto end = stage.end_of([] { return std::string{"result"}; });
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(end.how, How::not_started);
  EXPECT_EQ(end.why(), "cannot be started: Too many open files");
}

}  // namespace
}  // namespace bleconnd
