// What programs do to libbleconn: nonsense, calls from everywhere, callbacks that pull the rug away.
#include <sys/resource.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <thread>

#include "client_lib_fixture.hpp"

namespace bleconnd::integration {
namespace {

class ClientFaults : public ClientLib {
 protected:
  bleconn::Category category_of(const std::function<void()>& call) {
    return in_thread([&] {
      try {
        call();
      } catch (const bleconn::Error& error) {
        return error.category();
      }
      return bleconn::Category::unexpected;
    });
  }
};

TEST_F(ClientFaults, an_address_that_is_none_ends_its_call_alone) {
  auto link = connected();
  for (const std::string address : {"lamp", "AA-BB-CC-DD-EE-FF", "foo bar", "", "\xff\xfe",
                                    "AA:BB:CC:DD:EE:F", "AA:BB:CC:DD:EE:FF:00", "AA:BB:CC:DD:EE:G0", "'"}) {
    EXPECT_EQ(category_of([&] { program->establish(address); }), bleconn::Category::invalid_args) << address;
    EXPECT_EQ(category_of([&] { program->services(address); }), bleconn::Category::invalid_args) << address;
    EXPECT_EQ(category_of([&] { program->clear_cache(address); }), bleconn::Category::invalid_args);
    EXPECT_EQ(category_of([&] { program->close_stale(address); }), bleconn::Category::invalid_args);
  }
  EXPECT_EQ(in_thread([&] { return program->list().size(); }), 1u) << "the client goes on";
  EXPECT_TRUE(link.is_connected());
}

TEST_F(ClientFaults, a_text_that_no_bus_carries_ends_its_call_alone) {
  bleconn::Options options;
  options.label = "\xff\xfe";
  EXPECT_EQ(category_of([&] { program->establish(kLamp, options); }), bleconn::Category::invalid_args);
  EXPECT_TRUE(connected().is_connected());
}

// The bus allows 128 unanswered calls of a connection and 512 rules.
TEST_F(ClientFaults, more_calls_than_the_bus_allows_wait_their_turn) {
  constexpr int kMany = 520;
  bleconn::Options options;
  options.attempt_timeout = 1s;
  options.max_attempts = 1;
  std::atomic<int> answered = 0, in_order = 0;
  for (int number = 0; number < kMany; ++number) {
    char address[18];
    std::snprintf(address, sizeof address, "C0:00:00:00:%02X:%02X", number / 256, number % 256);
    program->establish(address, options, [&](bleconn::Result<bleconn::Connection> result) {
      in_order += !result.ok() && result.error().category() == bleconn::Category::not_found ? 1 : 0;
      ++answered;
    });
  }
  EXPECT_EQ(in_thread([&] { return program->list().empty(); }), false) << "others are answered meanwhile";
  EXPECT_TRUE(world.until([&] { return answered == kMany; })) << answered;
  EXPECT_EQ(in_order, kMany);
}

TEST_F(ClientFaults, a_callback_may_give_up_what_it_is_called_for) {
  bleconn::Options maintained;
  maintained.maintain = true;
  auto link = connected(maintained);
  std::atomic<bool> dropped = false;
  link.on_connected([&] {
    link = bleconn::Connection{};
    dropped = true;
  });
  lamp.advertise(false);
  lamp.drop_link();
  ASSERT_TRUE(world.until([&] { return property(kLamp, "State") != "connected"; }));
  // Others that hear of the same change.
  std::atomic<int> states = 0;
  bleconn::Call other;
  bleconn::Options watching;
  watching.on_state = [&](const std::string&, const std::string&) { ++states; };
  watching.on_attempt_failed = [&](const bleconn::AttemptFailed&) {};
  std::promise<void> answered;
  other = program->establish(kLamp, watching,
                             [&](bleconn::Result<bleconn::Connection>) { answered.set_value(); });
  ASSERT_TRUE(world.until([&] { return states > 0; }));
  lamp.advertise(true);
  auto answer = answered.get_future();
  ASSERT_TRUE(comes(answer));
  EXPECT_TRUE(world.until([&] { return dropped.load(); }));
  EXPECT_TRUE(link_ends());
}

TEST_F(ClientFaults, a_callback_may_cancel_the_call_it_is_for_and_others) {
  lamp.advertise(false);
  std::atomic<int> cancelled = 0;
  bleconn::Call calls[3];
  std::mutex mutex;
  bleconn::Options options;
  options.attempt_timeout = 1s;
  options.on_attempt_failed = [&](const bleconn::AttemptFailed&) {
    const std::lock_guard locked{mutex};
    for (auto& call : calls) call.cancel();
  };
  {
    const std::lock_guard locked{mutex};
    for (auto& call : calls)
      call = program->establish(kLamp, options, [&](bleconn::Result<bleconn::Connection> result) {
        cancelled += !result.ok() && result.error().category() == bleconn::Category::cancelled ? 1 : 0;
      });
  }
  EXPECT_TRUE(world.until([&] { return cancelled == 3; }));
  EXPECT_TRUE(world.until([&] { return value_of(client.manager("ListConnections")).empty(); }));
}

TEST_F(ClientFaults, a_connection_may_go_in_the_callback_that_tells_of_a_restart) {
  auto link = connected();
  std::promise<void> told;
  link.on_disconnected([&](const std::string&) {
    link = bleconn::Connection{};
    told.set_value();
  });
  ASSERT_NO_FATAL_FAILURE(restart_without_the_link());
  auto is_told = told.get_future();
  ASSERT_TRUE(comes(is_told));
  EXPECT_TRUE(world.until([&] { return value_of(client.manager("ListConnections")).empty(); }));
}

// Device and call are known by their address: what is left of the former must not end the next.
TEST_F(ClientFaults, a_call_made_where_its_lost_connection_went_is_told_of_its_attempts) {
  auto link = connected();
  std::atomic<int> attempts = 0;
  std::promise<void> answered;
  auto options = quick();
  options.on_attempt_failed = [&](const bleconn::AttemptFailed&) { ++attempts; };
  link.on_disconnected([&](const std::string&) {
    link = bleconn::Connection{};
    program->establish(kLamp, options, [&](bleconn::Result<bleconn::Connection>) { answered.set_value(); });
  });
  lamp.advertise(false);
  lamp.drop_link();
  auto answer = answered.get_future();
  ASSERT_TRUE(comes(answer));
  EXPECT_EQ(attempts, 2);
}

TEST_F(ClientFaults, a_call_made_where_an_answer_was_dropped_makes_a_lease_that_is_released) {
  std::promise<bleconn::Connection> answered;
  program->establish(kLamp, {}, [&](bleconn::Result<bleconn::Connection> result) {
    if (result.ok()) result.value() = bleconn::Connection{};
    program->establish(kLamp, {}, [&](bleconn::Result<bleconn::Connection> next) {
      answered.set_value(next.ok() ? std::move(next.value()) : bleconn::Connection{});
    });
  });
  auto answer = answered.get_future();
  ASSERT_TRUE(comes(answer));
  auto link = answer.get();
  ASSERT_TRUE(link);
  EXPECT_EQ(in_thread([&] { return link.release(); }), 0u);
  EXPECT_FALSE(lamp.connected());
}

TEST_F(ClientFaults, the_client_may_go_in_a_callback) {
  auto link = connected();
  std::promise<void> gone;
  link.on_disconnected([&](const std::string&) {
    program.reset();
    gone.set_value();
  });
  lamp.drop_link();
  auto is_gone = gone.get_future();
  ASSERT_TRUE(comes(is_gone));
}

TEST_F(ClientFaults, an_end_is_told_once_to_a_callback_that_is_set_just_then) {
  for (int round = 0; round < 50; ++round) {
    auto link = connected();
    std::atomic<int> told = 0;
    auto setting = std::async(std::launch::async, [&] {
      while (link.is_connected()) continue;
      link.on_disconnected([&](const std::string&) { ++told; });
    });
    lamp.drop_link();
    ASSERT_TRUE(comes(setting));
    in_thread([&] { return program->list(); });  // behind what the loop has to tell
    EXPECT_EQ(told, 1) << round;
  }
}

TEST_F(ClientFaults, threads_use_a_client_that_another_one_dispatches) {
  bleconn::Client::Loop loop;
  loop.polled = true;
  bleconn::Client mine{loop};
  std::atomic<int> links = 0, over = 0;
  std::vector<std::future<void>> workers;
  for (int worker = 0; worker < 4; ++worker)
    workers.push_back(std::async(std::launch::async, [&] {
      for (int round = 0; round < 5; ++round) {
        const auto link = mine.establish(kLamp);
        auto call = mine.establish(kLamp, {}, [](bleconn::Result<bleconn::Connection>) {});
        call.cancel();
        links += link.is_connected() ? 1 : 0;
      }
      ++over;
    }));
  EXPECT_TRUE(world.until([&] {
    mine.dispatch();
    return over == 4;
  }));
  EXPECT_EQ(links, 20);
  EXPECT_TRUE(world.until([&] {
    mine.dispatch();
    return !lamp.connected();
  }));
}

TEST_F(ClientFaults, in_a_callback_nothing_waits) {
  bleconn::Client::Loop loop;
  loop.polled = true;
  bleconn::Client mine{loop};
  int refused = 0;
  bool answered = false;
  mine.establish(kLamp, {}, [&](bleconn::Result<bleconn::Connection> result) {
    mine.dispatch();  // does nothing
    const auto refuses = [&](const std::function<void()>& call) {
      try {
        call();
      } catch (const bleconn::Error& error) {
        refused += error.category() == bleconn::Category::invalid_args ? 1 : 0;
      }
    };
    refuses([&] { (void)result.value().is_lost_within(1s); });
    refuses([&] { (void)mine.list(); });
    answered = true;
  });
  EXPECT_TRUE(world.until([&] {
    mine.dispatch();
    return answered;
  }));
  EXPECT_EQ(refused, 2);
}

TEST_F(ClientFaults, the_end_of_the_bus_is_told) {
  auto link = connected();
  std::promise<std::string> told;
  link.on_disconnected([&](const std::string& reason) { told.set_value(reason); });
  std::promise<bleconn::Category> answered;
  program->establish("C0:FF:EE:00:00:01", {}, [&](bleconn::Result<bleconn::Connection> result) {
    answered.set_value(result.ok() ? bleconn::Category::unexpected : result.error().category());
  });
  ASSERT_TRUE(state_of("C0:FF:EE:00:00:01", "discovering"));
  std::promise<std::string> described;  // a call that bleconnd does not answer before the bus ends
  world.daemon->process().send_signal(SIGSTOP);
  program->describe(kLamp, [&](bleconn::Result<std::string> result) {
    described.set_value(result.ok() ? "ok" : result.error().what());
  });
  kill(world.bus.pid(), SIGKILL);
  world.daemon->process().send_signal(SIGCONT);
  auto unanswered = described.get_future();
  ASSERT_TRUE(comes(unanswered));
  EXPECT_EQ(unanswered.get(),
            "the connection to the bus has ended (Connection reset by peer); is dbus running?");
  auto reason = told.get_future();
  auto answer = answered.get_future();
  ASSERT_TRUE(comes(reason));
  EXPECT_EQ(reason.get(), "bus-lost");
  ASSERT_TRUE(comes(answer));
  EXPECT_EQ(answer.get(), bleconn::Category::daemon_not_running);
  EXPECT_FALSE(link.is_connected());
  EXPECT_EQ(category_of([&] { program->establish(kLamp); }), bleconn::Category::daemon_not_running);
  EXPECT_EQ(category_of([&] { program->list(); }), bleconn::Category::daemon_not_running);
  world.until([&] { return world.daemon->process().exit_status().has_value(); });
  world.daemon.reset();  // without its bus there is nothing to be asked of it
}

TEST_F(ClientFaults, a_program_that_calls_again_at_once_leaves_others_their_turn_when_the_bus_has_ended) {
  std::atomic<int> failed = 0;
  std::atomic<bool> gives_up = false;
  std::promise<void> over, described;
  std::function<void(bleconn::Result<bleconn::Connection>)> again =
      [&](bleconn::Result<bleconn::Connection> result) {
        failed += !result.ok() && result.error().category() == bleconn::Category::daemon_not_running ? 1 : 0;
        if (gives_up) return over.set_value();
        program->establish("C0:FF:EE:00:00:01", {}, again);
      };
  program->establish("C0:FF:EE:00:00:01", {}, again);
  ASSERT_TRUE(state_of("C0:FF:EE:00:00:01", "discovering"));
  kill(world.bus.pid(), SIGKILL);
  ASSERT_TRUE(world.until([&] { return failed > 2; })) << "each fails as the first";
  program->describe(kLamp, [&](bleconn::Result<std::string>) { described.set_value(); });
  auto description = described.get_future();
  EXPECT_TRUE(comes(description));
  gives_up = true;
  auto end = over.get_future();
  ASSERT_TRUE(comes(end));
  EXPECT_TRUE(comes(description));
  world.until([&] { return world.daemon->process().exit_status().has_value(); });
  world.daemon.reset();  // without its bus there is nothing to be asked of it
}

TEST_F(ClientFaults, a_joined_call_is_told_the_state_at_once) {
  lamp.advertise(false);
  auto first = program->establish(kLamp, {}, [](bleconn::Result<bleconn::Connection>) {});
  ASSERT_TRUE(state_of(kLamp, "discovering"));
  std::promise<std::string> told;
  std::atomic<bool> once = false;
  bleconn::Options options;
  options.on_state = [&](const std::string& state, const std::string&) {
    if (!once.exchange(true)) told.set_value(state);
  };
  auto second = program->establish(kLamp, options, [](bleconn::Result<bleconn::Connection>) {});
  auto state = told.get_future();
  ASSERT_TRUE(comes(state));
  EXPECT_THAT(state.get(), ::testing::AnyOf("discovering", "queued"));
  first.cancel();
  second.cancel();
  EXPECT_TRUE(world.until([&] { return value_of(client.manager("ListConnections")).empty(); }));
}

TEST_F(ClientFaults, without_file_descriptors_it_says_so) {
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit none = before;
  none.rlim_cur = 3;
  setrlimit(RLIMIT_NOFILE, &none);
  auto category = bleconn::Category::unexpected;
  try {
    bleconn::Client other;
  } catch (const bleconn::Error& error) {
    category = error.category();
  }
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(category, bleconn::Category::limits_exceeded);
}

#ifndef __SANITIZE_THREAD__  // which knows no fork of a program with threads
TEST_F(ClientFaults, a_child_lets_the_clients_of_its_parent_go) {
  auto link = connected();
  const pid_t child = fork();
  if (child == 0) {
    bool refused = false;
    try {
      program->list();
    } catch (const bleconn::Error& error) {
      refused = error.category() == bleconn::Category::invalid_args;
    }
    link = bleconn::Connection{};
    program.reset();
    _exit(refused ? 0 : 1);
  }
  const int status = in_thread([&] {
    int result = -1;
    waitpid(child, &result, 0);
    return result;
  });
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(link.is_connected());
  EXPECT_EQ(in_thread([&] { return program->list().size(); }), 1u);
}
#endif

}  // namespace
}  // namespace bleconnd::integration
