// Callers leave or release, and the daemon ends, in every phase. What nobody wants any more is taken back,
// what somebody still wants goes on, and a daemon that was killed is made up for by the next one.
#include "daemon_phases.hpp"

namespace bleconnd::integration {
namespace {

std::string name_of_phase(const ::testing::TestParamInfo<Phase>& phase) {
  return name_of(phase.param);
}

bool has_dial_or_link(Phase phase) {
  return phase == Phase::connecting || phase == Phase::resolving || phase == Phase::connected ||
         phase == Phase::disconnecting;
}

// --- the caller leaves the bus ---

class CallerLeaves : public PhaseFixture, public ::testing::WithParamInterface<Phase> {};

TEST_P(CallerLeaves, and_what_it_wanted_is_given_up) {
  const Phase phase = GetParam();
  ASSERT_NO_FATAL_FAILURE(reach(phase));
  caller.leave();
  EXPECT_TRUE(object_gone());
  EXPECT_TRUE(state_told("disconnected"));
  EXPECT_TRUE(world.until([&] { return bluez.leftovers() == Leftovers{}; })) << bluez.leftovers();
  EXPECT_EQ(hang_ups(), has_dial_or_link(phase) ? 1u : 0u);
  EXPECT_EQ(bluez.count("StartDiscovery"), bluez.count("StopDiscovery"));
  let_go(phase == Phase::queued || phase == Phase::discovering ? phase : Phase::connected);
  const std::size_t dialled = dials();
  const auto next = client.establish(kLamp);
  EXPECT_EQ(world.outcome(next, kPatience), "ok") << next->message;
  EXPECT_EQ(dials(), dialled + 1);
  EXPECT_EQ(world.outcome(client.release(kLamp)), "ok");
}

INSTANTIATE_TEST_SUITE_P(phases, CallerLeaves, ::testing::ValuesIn(kAllPhases), name_of_phase);

class CallerLingers : public PhaseFixture, public ::testing::WithParamInterface<Phase> {
 protected:
  void SetUp() override {}  // with a linger of the test's own
  std::vector<std::string> holders() {
    const auto leases = client.device_property(kLamp, "Leases");
    world.until([&] { return leases->done; });
    std::vector<std::string> names;
    if (leases->ok())
      for (const auto& lease : leases->arguments[0]) names.push_back(lease[0]);
    return names;
  }
};

TEST_P(CallerLingers, and_what_it_wanted_goes_on_for_a_while) {
  ASSERT_NO_FATAL_FAILURE(start("[General]\nLingerSec=1\n"));
  ASSERT_NO_FATAL_FAILURE(reach(GetParam()));
  const auto left_at = std::chrono::steady_clock::now();
  caller.leave();
  EXPECT_TRUE(world.until([&] { return holders() == std::vector<std::string>{""}; }));
  EXPECT_EQ(hang_ups(), 0u);
  EXPECT_TRUE(object_gone());
  EXPECT_GE(std::chrono::steady_clock::now() - left_at, std::chrono::seconds(1));
  EXPECT_EQ(hang_ups(), has_dial_or_link(GetParam()) ? 1u : 0u);
  let_go(GetParam() == Phase::queued ? Phase::queued : Phase::connected);
}

TEST_P(CallerLingers, and_the_next_caller_takes_over) {
  const Phase phase = GetParam();
  ASSERT_NO_FATAL_FAILURE(start("[General]\nLingerSec=3600\n"));
  ASSERT_NO_FATAL_FAILURE(reach(phase));
  caller.leave();
  EXPECT_TRUE(world.until([&] { return holders() == std::vector<std::string>{""}; }));
  const auto next = client.establish(kLamp);
  EXPECT_TRUE(world.until([&] { return holders() == std::vector<std::string>{client.unique_name()}; }));
  let_go(phase);
  EXPECT_EQ(world.outcome(next, kPatience), "ok") << next->message;
  EXPECT_EQ(result_of(next, "shared"), true);
  EXPECT_EQ(hang_ups(), 0u);
  const auto released = client.release(kLamp);
  EXPECT_EQ(world.outcome(released), "ok");
  EXPECT_EQ(answer_of(released), 0u);
}

TEST_P(CallerLingers, and_the_link_that_comes_meanwhile_waits_for_it) {
  const Phase phase = GetParam();
  ASSERT_NO_FATAL_FAILURE(start("[General]\nLingerSec=3600\n"));
  ASSERT_NO_FATAL_FAILURE(reach(phase));
  caller.leave();
  EXPECT_TRUE(world.until([&] { return holders() == std::vector<std::string>{""}; }));
  let_go(phase);
  EXPECT_TRUE(state_told("connected"));
  EXPECT_EQ(holders(), std::vector<std::string>{""});
  const auto released = client.release(kLamp);  // the same user's
  EXPECT_EQ(world.outcome(released), "ok");
  EXPECT_EQ(answer_of(released), 0u);
}

// A lease that is being released is none that lingers.
INSTANTIATE_TEST_SUITE_P(phases, CallerLingers,
                         ::testing::Values(Phase::queued, Phase::discovering, Phase::connecting,
                                           Phase::resolving, Phase::connected, Phase::backing_off),
                         name_of_phase);

class OneOfTwo : public PhaseFixture, public ::testing::WithParamInterface<Phase> {
 protected:
  void join() {
    other_call = client.establish(kLamp);
    // Calls of one connection are served in order: when this is answered, the other one has joined.
    ASSERT_EQ(world.outcome(client.manager_property("State")), "ok");
  }
  void the_other_is_served(Phase phase) {
    let_go(phase);
    EXPECT_EQ(world.outcome(other_call, kPatience), "ok") << other_call->message;
    EXPECT_EQ(hang_ups(), 0u);
    const auto released = client.release(kLamp);
    EXPECT_EQ(world.outcome(released), "ok");
    EXPECT_EQ(answer_of(released), 0u);
  }
  PendingReply other_call;
};

TEST_P(OneOfTwo, leaves_and_the_other_is_served) {
  ASSERT_NO_FATAL_FAILURE(reach(GetParam()));
  ASSERT_NO_FATAL_FAILURE(join());
  caller.leave();
  ASSERT_TRUE(world.until([&] { return client.owner_of(caller.unique_name()).empty(); }));
  the_other_is_served(GetParam());
}

TEST_P(OneOfTwo, releases_and_the_other_is_served) {
  ASSERT_NO_FATAL_FAILURE(reach(GetParam()));
  ASSERT_NO_FATAL_FAILURE(join());
  const auto released = caller.release(kLamp);
  EXPECT_EQ(world.outcome(released), "ok");
  EXPECT_EQ(answer_of(released), 1u);
  if (before_the_link(GetParam())) {
    EXPECT_EQ(world.outcome(call), kErrors + "Cancelled");
  }
  the_other_is_served(GetParam());
}

INSTANTIATE_TEST_SUITE_P(phases, OneOfTwo,
                         ::testing::Values(Phase::queued, Phase::discovering, Phase::connecting,
                                           Phase::resolving, Phase::connected, Phase::backing_off),
                         name_of_phase);

// --- the caller releases ---

class CallerReleases : public PhaseFixture, public ::testing::WithParamInterface<Phase> {};

TEST_P(CallerReleases, and_its_call_is_cancelled_once_before_the_answer) {
  const Phase phase = GetParam();
  ASSERT_NO_FATAL_FAILURE(reach(phase));
  const auto released = caller.release(kLamp);
  const std::string cancelled = "EstablishConnection → " + kErrors + "Cancelled";
  EXPECT_NE(world.outcome(released), "pending");
  if (phase == Phase::disconnecting) {
    EXPECT_EQ(world.outcome(release), "ok");
    EXPECT_THAT(caller.events(),
                ::testing::UnorderedElementsAre("EstablishConnection → ok", "ReleaseConnection → ok",
                                                "ReleaseConnection → " + kErrors + "NotConnected"));
  } else {
    EXPECT_THAT(caller.events(), ElementsAre(before_the_link(phase) ? cancelled : "EstablishConnection → ok",
                                             "ReleaseConnection → ok"));
    EXPECT_EQ(answer_of(released), 0u);
  }
  EXPECT_TRUE(object_gone());
  EXPECT_EQ(hang_ups(), has_dial_or_link(phase) ? 1u : 0u);
  let_go(phase == Phase::queued || phase == Phase::discovering ? phase : Phase::connected);
  connects_again();
}

INSTANTIATE_TEST_SUITE_P(phases, CallerReleases, ::testing::ValuesIn(kAllPhases), name_of_phase);

// --- the daemon ends ---

class DaemonEnds : public PhaseFixture, public ::testing::WithParamInterface<Phase> {
 protected:
  void restart() {
    client.forget_signals();
    ASSERT_TRUE(world.start_daemon(daemon_program())) << world.daemon->log();
  }
  void TearDown() override {
    if (world.daemon->process().exit_status() == 0) {
      EXPECT_EQ(log_of_a_sanitizer(), "");
    }
    PhaseFixture::TearDown();
  }
  std::string log_of_a_sanitizer() const {
    const auto& log = world.daemon->log();
    const bool complains =
        log.find("Sanitizer") != std::string::npos || log.find("runtime error") != std::string::npos;
    return complains ? log : "";
  }
};

TEST_P(DaemonEnds, by_sigterm_and_takes_back_what_it_began) {
  const Phase phase = GetParam();
  ASSERT_NO_FATAL_FAILURE(reach(phase));
  // systemd waits 15 s (TimeoutStopSec=).
  EXPECT_EQ(world.daemon->end(SIGTERM, std::chrono::seconds(15)), 0);
  EXPECT_TRUE(world.daemon->said("STOPPING=1"));
  if (before_the_link(phase)) {
    EXPECT_EQ(world.outcome(call), kErrors + "Cancelled");
  }
  if (release) {
    EXPECT_EQ(world.outcome(release), "ok");
  }
  // A link stays up for the program that uses it; dials, discovery and links of nobody end.
  EXPECT_TRUE(world.until([&] { return bluez.leftovers().discovery_sessions == 0; }));
  EXPECT_EQ(bluez.leftovers(), (Leftovers{.links = phase == Phase::connected ? 1u : 0u}));
  EXPECT_EQ(hang_ups(), has_dial_or_link(phase) && phase != Phase::connected ? 1u : 0u);
  EXPECT_EQ(bluez.count("StartDiscovery"), bluez.count("StopDiscovery"));

  let_go(phase == Phase::queued || phase == Phase::discovering ? phase : Phase::connected);
  ASSERT_NO_FATAL_FAILURE(restart());
  connects_again();
  EXPECT_EQ(world.daemon->end(SIGTERM, std::chrono::seconds(15)), 0);
  EXPECT_EQ(bluez.leftovers(), Leftovers{});
}

TEST_P(DaemonEnds, by_sigkill_and_the_next_one_takes_back_what_it_left) {
  const Phase phase = GetParam();
  ASSERT_NO_FATAL_FAILURE(reach(phase));
  EXPECT_EQ(world.daemon->end(SIGKILL), 128 + SIGKILL);
  EXPECT_TRUE(world.until([&] { return bluez.leftovers().discovery_sessions == 0; }));
  if (before_the_link(phase)) {
    EXPECT_EQ(world.outcome(call), "org.freedesktop.DBus.Error.NoReply") << call->message;
  }
  EXPECT_EQ(bluez.leftovers().pending_connects, phase == Phase::connecting ? 1u : 0u);

  if (phase == Phase::queued || phase == Phase::discovering) let_go(phase);
  ASSERT_NO_FATAL_FAILURE(restart());
  connects_again({{"attempt-timeout", 2u}});
  EXPECT_TRUE(world.until([&] { return bluez.leftovers() == Leftovers{}; })) << bluez.leftovers();
  EXPECT_EQ(world.daemon->end(SIGTERM, std::chrono::seconds(15)), 0);
}

TEST_P(DaemonEnds, with_the_bus) {
  ASSERT_NO_FATAL_FAILURE(reach(GetParam()));
  kill(world.bus.pid(), SIGKILL);
  ASSERT_TRUE(world.until([&] { return world.daemon->process().exit_status().has_value(); }));
  EXPECT_EQ(world.daemon->process().exit_status(), EXIT_FAILURE) << world.daemon->log();
  EXPECT_THAT(world.daemon->log(), HasSubstr("error the connection to the system bus is lost"));
  EXPECT_EQ(log_of_a_sanitizer(), "");
}

INSTANTIATE_TEST_SUITE_P(phases, DaemonEnds, ::testing::ValuesIn(kAllPhases), name_of_phase);

}  // namespace
}  // namespace bleconnd::integration
