// GetStatistics: what calls and links leave there, over restarts and damage of the file.
#include <fstream>

#include "daemon_sharing_fixture.hpp"

namespace bleconnd::integration {
namespace {

class DaemonStatistics : public SharingFixture {
 protected:
  json statistics() { return value_of(client.manager("GetStatistics")); }
  std::string file() const { return world.folders.state() + "/statistics"; }
};

TEST_F(DaemonStatistics, of_a_link_and_of_a_device_that_is_not_there) {
  connect_the_lamp();
  ASSERT_TRUE(world.until([&] { return property(kLamp, "ServicesCached") == true; }));
  release_the_lamp();
  connect_the_lamp();
  ASSERT_TRUE(world.until([&] { return property(kLamp, "ServicesVerified") == true; }));
  release_the_lamp();
  const auto absent = client.establish(kSecond, {{"max-attempts", 1u}, {"attempt-timeout", 1u}});
  EXPECT_EQ(world.outcome(absent), kErrors + "NotFound");
  const auto now = statistics();
  for (const auto& [name, value] : std::map<std::string, int>{{"calls", 3},
                                                              {"calls-answered/ok", 2},
                                                              {"calls-answered/NotFound", 1},
                                                              {"call-seconds-count/hci0/ok", 2},
                                                              {"call-seconds-bucket/hci0/ok/+Inf", 2},
                                                              {"call-seconds-count/none/NotFound", 1},
                                                              {"call-seconds-bucket/none/NotFound/0.5", 0},
                                                              {"attempts-failed/none/NotFound", 1},
                                                              {"failures/not-seen", 1},
                                                              {"dials/hci0", 2},
                                                              {"dial-seconds-count/hci0", 2},
                                                              {"links-up/hci0", 2},
                                                              {"links-ended/hci0/released", 2},
                                                              {"services-from-cache", 1},
                                                              {"services-verified", 2},
                                                              {"now-connected", 0},
                                                              {"forged-signals", 0}})
    EXPECT_EQ(now.value(name, -1), value) << name << "\n" << now.dump(2);
  EXPECT_GT(now.value("call-seconds-sum-usec/none/NotFound", 0), 900'000);
}

TEST_F(DaemonStatistics, survive_a_restart_and_a_reset_does_too) {
  connect_the_lamp();
  release_the_lamp();
  ASSERT_NO_FATAL_FAILURE(restart(linger(0), SIGTERM));
  EXPECT_EQ(statistics().value("calls-answered/ok", 0), 1);
  connect_the_lamp();
  release_the_lamp();
  EXPECT_EQ(statistics().value("calls-answered/ok", 0), 2);
  EXPECT_EQ(statistics().value("call-seconds-count/hci0/ok", 0), 2);
  value_of(client.manager("ResetStatistics"));
  EXPECT_FALSE(statistics().contains("calls"));
  ASSERT_NO_FATAL_FAILURE(restart(linger(0), SIGTERM));
  EXPECT_FALSE(statistics().contains("calls"));
}

TEST_F(DaemonStatistics, of_a_damaged_file_begin_at_zero_with_one_warning) {
  connect_the_lamp();
  release_the_lamp();
  end_daemon(SIGTERM);
  std::ofstream{file()} << "bleconnd statistics 1\nall {\"counters\"";
  ASSERT_NO_FATAL_FAILURE(start_again(linger(0)));
  EXPECT_FALSE(statistics().contains("calls"));
  const std::string warning = "the statistics are damaged";
  const auto log = world.daemon->log();
  EXPECT_NE(log.find(warning), std::string::npos) << log;
  EXPECT_EQ(log.find(warning), log.rfind(warning)) << log;
}

TEST_F(DaemonStatistics, without_traffic_nothing_is_written) {
  statistics();
  end_daemon(SIGTERM);
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(DaemonStatistics, who_waits_for_a_slot_is_counted) {
  ASSERT_NO_FATAL_FAILURE(restart(slots(1), SIGTERM));
  Peripheral& other = another_lamp(kSecond);
  connect_the_lamp();
  const auto call = client.establish(other.address);
  ASSERT_TRUE(world.until([&] { return property(kSecond, "QueuePosition") == 1; }));
  EXPECT_EQ(statistics().value("slot-waits", 0), 1);
  release_the_lamp();
  EXPECT_EQ(world.outcome(call), "ok") << call->message;
  EXPECT_EQ(value_of(client.release(kSecond)), 0);
}

}  // namespace
}  // namespace bleconnd::integration
