// The wall clock is set, forwards and backwards, while the daemon works: for its process alone
// (wall_clock.cpp). Time-outs and back-offs go on, nothing is taken for old or for new by it, and ages stay
// sane. And the time of CLOCK_MONOTONIC and CLOCK_BOOTTIME that a daemon finds at its start is another one:
// by a time namespace.
#include <fcntl.h>
#include <sched.h>

#include <fstream>

#include "daemon_cache_fixture.hpp"

namespace bleconnd::integration {
namespace {

using namespace std::chrono_literals;
constexpr long kYear = 365 * 24 * 3600;

class DaemonClock : public CacheFixture {
 protected:
  void SetUp() override {
#ifdef SANITIZED
    GTEST_SKIP() << "AddressSanitizer wants to be the first library";
#endif
    program_ = paths::bleconnd;
    world.daemon_options.environment.insert(
        {{"LD_PRELOAD", paths::wall_clock}, {"WALL_CLOCK_OFFSET", clock_.file("offset")}});
    set_clock(0);
    CacheFixture::SetUp();
  }
  // So many seconds before or behind the real one.
  void set_clock(long offset) {
    std::ofstream{clock_.file("next")} << offset << "\n";
    std::filesystem::rename(clock_.file("next"), clock_.file("offset"));
  }
  // Files are written by a child that no event of the loop tells of.
  bool looked_at_files(const std::function<bool()>& condition) {
    for (int looks = 0; looks < 500; ++looks)
      if (world.until(condition, 20ms)) return true;
    return false;
  }
  static long real_clock() {
    return std::time(nullptr);
  }
  bool waits_for(const PendingReply& reply, std::chrono::milliseconds low, std::chrono::milliseconds high) {
    world.until([&] { return reply->done; }, high + 5s);
    return reply->done && reply->took >= low && reply->took <= high;
  }
  void restart_with(const std::string& main_conf) {
    ASSERT_EQ(world.daemon->end(SIGTERM), 0);
    start(main_conf);
  }

  TemporaryDirectory clock_;
};

// The other tests would not fail if the daemon's clock stayed as it is.
TEST_F(DaemonClock, is_another_one_for_the_daemon_alone) {
  set_clock(kYear);
  learn_the_lamp();
  EXPECT_LE(std::abs(entry().value("read-at", 0L) - real_clock() - kYear), 60);
}

TEST_F(DaemonClock, that_is_set_moves_no_time_out_and_no_back_off) {
  std::vector<PendingReply> absent;
  for (const auto* each : {"AA:BB:CC:DD:EE:02", "AA:BB:CC:DD:EE:03"})
    absent.push_back(client.establish(each, {{"timeout", 2u}}));
  lamp.next_connects({aborts(), aborts()});
  const auto dialled = client.establish(kLamp);
  for (const long offset : {kYear, -kYear, 10 * kYear, 0L, -kYear}) {
    set_clock(offset);
    EXPECT_EQ(world.outcome(client.manager("GetStatistics")), "ok");
  }
  EXPECT_EQ(world.outcome(dialled), "ok") << dialled->message;
  EXPECT_EQ(dialled->arguments[1]["attempts"], 3u);
  set_clock(kYear);
  release_the_lamp();
  set_clock(-kYear);
  for (const auto& each : absent) EXPECT_TRUE(waits_for(each, 1900ms, 4s)) << each->took.count() << " us";
}

TEST_F(DaemonClock, that_is_set_ends_no_lease_early_or_late) {
  ASSERT_NO_FATAL_FAILURE(restart_with("[General]\nLingerSec=2\n"));
  auto& holder = world.client();
  ASSERT_EQ(world.outcome(holder.establish(kLamp)), "ok");
  client.forget_signals();
  holder.leave();
  const auto begin = std::chrono::steady_clock::now();
  set_clock(kYear);
  EXPECT_EQ(world.outcome(client.manager("GetStatistics")), "ok");
  set_clock(-kYear);
  EXPECT_TRUE(told_state_becomes("disconnected (released)"));
  const auto lasted = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(lasted, 1900ms);
  EXPECT_LE(lasted, 5s);
}

// Services that are a day old, or that are from a time which is more than that ahead, are read again.
TEST_F(DaemonClock, that_is_set_makes_services_neither_old_for_ever_nor_new_for_ever) {
  const auto from_cache = [&] {
    const auto results = connect();
    release_the_lamp();
    return results["services-from-cache"] == true;
  };
  const auto age = [&] {
    const auto reply = get_services();
    EXPECT_EQ(world.outcome(reply), "ok");
    return reply->arguments[1].value("age-usec", std::uint64_t{0}) / 1'000'000;
  };
  ASSERT_NO_FATAL_FAILURE(restart_with("[General]\nLingerSec=0\n[Cache]\nMaxAgeSec=86400\n"));
  const auto now_read_at = [&](long offset) {
    return looked_at_files(
        [&] { return std::abs(entry().value("read-at", 0L) - real_clock() - offset) < 60; });
  };
  learn_the_lamp();
  EXPECT_TRUE(from_cache());
  set_clock(3600);
  EXPECT_NEAR(static_cast<double>(age()), 3600, 60);
  EXPECT_TRUE(from_cache());
  set_clock(-3600);
  EXPECT_EQ(age(), 0u);
  EXPECT_TRUE(from_cache());

  set_clock(10 * kYear);
  EXPECT_FALSE(from_cache());
  EXPECT_TRUE(now_read_at(10 * kYear));
  EXPECT_TRUE(from_cache());
  set_clock(0);
  EXPECT_FALSE(from_cache()) << "of a clock that was ten years ahead";
  EXPECT_TRUE(now_read_at(0));
  EXPECT_TRUE(from_cache());
}

// --- another uptime: a container that was moved, a runtime folder that was restored ---

class DaemonUptime : public DaemonFixture {
 protected:
  void SetUp() override {
    if (getuid() != 0) GTEST_SKIP() << "a time namespace needs root";
  }
  void TearDown() override {
    world.daemon_options.before_exec = nullptr;
    DaemonFixture::TearDown();
  }
  // What CLOCK_MONOTONIC and CLOCK_BOOTTIME are for the next daemon.
  void shift_uptime(std::chrono::seconds by) {
    world.daemon_options.before_exec = [text = std::to_string(by.count())] {
      if (unshare(CLONE_NEWTIME) < 0) return false;
      const int offsets = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
      const auto lines = "monotonic " + text + " 0\nboottime " + text + " 0\n";
      if (write(offsets, lines.data(), lines.size()) < 0) return false;
      const int space = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
      return setns(space, CLONE_NEWTIME) == 0;
    };
  }
  // A lease lingers for three seconds when the daemon is killed. The next one ends it at its time at the
  // latest.
  void expect_the_lease_ends(std::chrono::seconds shift) {
    ASSERT_NO_FATAL_FAILURE(start("[General]\nLingerSec=3\n"));
    auto& holder = world.client();
    ASSERT_EQ(world.outcome(holder.establish(kLamp)), "ok");
    holder.leave();
    ASSERT_TRUE(world.until([&] {
      std::ifstream record(world.folders.runtime() + "/leases");
      const std::string text{std::istreambuf_iterator<char>(record), {}};
      return text.find("\"until\"") != std::string::npos;
    }));
    ASSERT_EQ(world.daemon->end(SIGKILL), 128 + SIGKILL);
    shift_uptime(shift);
    ASSERT_TRUE(world.start_daemon(daemon_program(), "[General]\nLingerSec=3\n")) << world.daemon->log();
    EXPECT_TRUE(world.until([&] { return hci0.links() == 0; }, 8s)) << "the lease outlives its time";
    EXPECT_TRUE(world.until([&] { return daemon_objects().empty(); }));
    look_at_rest();
    connect_the_lamp();
    release_the_lamp();
  }
};

TEST_F(DaemonUptime, that_is_longer_than_before_ends_what_lingers) {
  expect_the_lease_ends(1h);
}

TEST_F(DaemonUptime, that_is_shorter_than_before_lets_nothing_linger_for_longer) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  expect_the_lease_ends(-std::chrono::seconds{std::min<long>(600, now.tv_sec / 2)});
}

}  // namespace
}  // namespace bleconnd::integration
