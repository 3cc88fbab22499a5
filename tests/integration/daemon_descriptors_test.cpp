// RLIMIT_NOFILE is reached: at the start and while the daemon runs. It says so, burns no processor time,
// keeps links and answers, and writes again what it could not as soon as there is room.
#include <fcntl.h>
#include <sys/resource.h>

#include "daemon_sharing_fixture.hpp"

namespace bleconnd::integration {
namespace {

using namespace std::chrono_literals;

const std::string kTooMany = "Too many open files";

class DaemonDescriptors : public SharingFixture {
 protected:
  // UBSan opens a pipe to look whether memory is there, and takes it for damaged where it cannot: without it.
  void SetUp() override {
    program_ = paths::bleconnd;
#ifdef SANITIZED
    GTEST_SKIP() << "this build's own daemon has sanitizers";
#endif
  }
  void TearDown() override {
    world.daemon_options.before_exec = nullptr;
    SharingFixture::TearDown();
  }
  void allow_at_the_start(rlim_t descriptors) {
    world.daemon_options.before_exec = [descriptors] {
      const rlimit limit{descriptors, 1024};
      return setrlimit(RLIMIT_NOFILE, &limit) == 0;
    };
  }
  // From now on; what is open stays so. A number that is lower than its highest one lets it open nothing.
  void allow(rlim_t descriptors) {
    const rlimit limit{descriptors, 1024};
    ASSERT_EQ(prlimit(world.daemon->process().pid(), RLIMIT_NOFILE, &limit, nullptr), 0);
  }
  bool logs(const std::string& text) {
    return world.until([&] { return world.daemon->log().find(text) != std::string::npos; });
  }
};

TEST_F(DaemonDescriptors, that_are_too_few_at_the_start_are_told_or_are_enough) {
  bluez.start();
  bool ready = false;
  int told = 0;
  for (rlim_t descriptors = 4; !ready; ++descriptors) {
    SCOPED_TRACE(std::to_string(descriptors) + " descriptors");
    ASSERT_LE(descriptors, 32u);
    allow_at_the_start(descriptors);
    ready = world.start_daemon(program_);
    if (ready) break;
    ASSERT_TRUE(world.daemon->process().exit_status().has_value()) << "it hangs: " << world.daemon->log();
    EXPECT_NE(world.daemon->process().exit_status(), EXIT_SUCCESS);
    // Of the dynamic linker or of the daemon.
    EXPECT_THAT(world.daemon->log(),
                ::testing::AnyOf(HasSubstr(kTooMany), HasSubstr("cannot open shared object file: Error 24")));
    told += world.daemon->log().find(kTooMany) != std::string::npos ? 1 : 0;
  }
  EXPECT_GE(told, 1) << "no start got as far as the daemon's own word";
  EXPECT_TRUE(state_becomes("running"));
  connect_the_lamp();  // with no descriptor more than the start took
  release_the_lamp();
  allow(1024);
  look_at_rest();
}

TEST_F(DaemonDescriptors, that_run_out_are_told_and_links_work_and_all_is_written_with_room) {
  ASSERT_NO_FATAL_FAILURE(start());
  const std::filesystem::path entry = world.folders.cache() + "/AA_BB_CC_DD_EE_FF.json";
  ASSERT_NO_FATAL_FAILURE(allow(3));
  const auto begin = std::chrono::steady_clock::now();
  const auto spent = world.daemon->process().processor_time();
  for (int times = 0; times < 3; ++times) {
    connect_the_lamp();
    release_the_lamp();
  }
  EXPECT_TRUE(
      logs("cannot write to " + world.folders.cache() + ": the writer cannot be started: " + kTooMany));
  EXPECT_TRUE(logs(world.folders.runtime() + "/dials cannot be written: " + kTooMany));
  EXPECT_EQ(world.outcome(client.manager("GetServices", {Value{kLamp}})), "ok");
  // Half a second in which it has nothing to do, and must do nothing.
  world.until([] { return false; }, 500ms);
  const auto lasted = std::chrono::steady_clock::now() - begin;
  EXPECT_LE(world.daemon->process().processor_time() - spent,
            std::chrono::duration_cast<std::chrono::milliseconds>(lasted) / 2);
  EXPECT_FALSE(std::filesystem::exists(entry));

  ASSERT_NO_FATAL_FAILURE(allow(1024));
  (void)value_of(client.manager("ClearCache", {Value{kLamp}, Dictionary{}}));
  connect_the_lamp();
  EXPECT_TRUE(world.until([&] { return std::filesystem::exists(entry); }));
  EXPECT_TRUE(logs("services are written to " + world.folders.cache() + " again"));
  EXPECT_TRUE(logs(world.folders.runtime() + "/dials is written again"));
  release_the_lamp();
  // Each is told once, however often it happens.
  const auto& log = world.daemon->log();
  EXPECT_EQ(log.find("cannot write to"), log.rfind("cannot write to"));
}

// Under a limit that leaves room for one, two, three more …: each place that opens one is the first to fail.
TEST_F(DaemonDescriptors, that_run_out_at_any_place_end_no_daemon) {
  ASSERT_NO_FATAL_FAILURE(start());
  const auto used = world.daemon->open_files();
  for (std::size_t more = 0; more < 8; ++more) {
    SCOPED_TRACE(std::to_string(more) + " more");
    ASSERT_NO_FATAL_FAILURE(allow(used + more));
    connect_the_lamp();
    EXPECT_EQ(world.outcome(client.manager("Describe", {Value{kLamp}})), "ok");
    EXPECT_EQ(world.outcome(client.manager("GetStatistics")), "ok");
    EXPECT_EQ(world.outcome(client.manager("ClearCache", {Value{kLamp}, Dictionary{}})), "ok");
    release_the_lamp();
    ASSERT_FALSE(world.daemon->process().exit_status().has_value()) << world.daemon->log();
  }
  ASSERT_NO_FATAL_FAILURE(allow(1024));
  connect_the_lamp();
  release_the_lamp();
}

// The defaults are not what the administrator wants.
TEST_F(DaemonDescriptors, that_run_out_leave_the_configuration_as_it_is) {
  const auto level = [&] {
    return value_of(client.get(
        {"org.bleconnd", "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1"}, "LogLevel"));
  };
  ASSERT_NO_FATAL_FAILURE(start(linger(0) + "LogLevel=notice\n"));
  ASSERT_NO_FATAL_FAILURE(allow(3));
  world.daemon->process().send_signal(SIGHUP);
  EXPECT_TRUE(logs("main.conf: " + kTooMany));
  EXPECT_TRUE(logs("the configuration cannot be read now, the one in force stays"));
  EXPECT_EQ(level(), "notice");
  ASSERT_NO_FATAL_FAILURE(allow(1024));
  world.folders.configure(linger(0) + "LogLevel=debug\n");
  world.daemon->process().send_signal(SIGHUP);
  EXPECT_TRUE(logs("the configuration has been read again"));
  EXPECT_EQ(level(), "debug");
}

// A program may pass descriptors with a call; those that are not asked for are closed again.
TEST_F(DaemonDescriptors, that_callers_pass_do_not_stay) {
  ASSERT_NO_FATAL_FAILURE(start());
  const auto with_descriptors = [&] {
    return client.call_with({"org.bleconnd", "/org/bleconnd", "org.bleconnd.Manager1"}, "ListConnections",
                            [](sd_bus_message* message) {
                              const int passed = open("/dev/null", O_RDONLY | O_CLOEXEC);
                              for (int times = 0; times < 10; ++times)
                                sd_bus_message_append(message, "h", passed);
                              close(passed);
                            });
  };
  for (int times = 0; times < 200; ++times) EXPECT_NE(world.outcome(with_descriptors()), "pending");
  connect_the_lamp();
  release_the_lamp();
}

}  // namespace
}  // namespace bleconnd::integration
