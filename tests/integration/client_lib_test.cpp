// libbleconn against the real daemon: what it promises.
#include <poll.h>
#include <systemd/sd-event.h>

#include <atomic>
#include <future>
#include <thread>

#include "client_lib_fixture.hpp"
#include "daemon_cache_fixture.hpp"
#include "paths.hpp"

namespace bleconnd::integration {
namespace {

TEST_F(ClientLib, connects_and_lists_services) {
  auto link = connected();
  EXPECT_EQ(link.address(), kLamp);
  EXPECT_EQ(link.adapter(), "hci0");
  EXPECT_EQ(link.bluez_device(), kBluezPath);
  EXPECT_EQ(link.attempts(), 1u);
  EXPECT_TRUE(link.is_connected());
  EXPECT_FALSE(link.shared());
  const auto services = in_thread([&] { return link.services(); });
  ASSERT_FALSE(services.all().empty());
  const auto& first = services.all().front();
  EXPECT_EQ(services.service(first.uuid), &first);
  ASSERT_FALSE(first.characteristics.empty());
  EXPECT_THAT(first.characteristics.front().path, StartsWith(kBluezPath));
  EXPECT_NE(first.handle, 0);
  EXPECT_EQ(services.service("ffff"), nullptr);
}

TEST_F(ClientLib, gives_its_lease_up_with_the_last_connection) {
  auto one = connected();
  auto two = connected();
  EXPECT_TRUE(two.shared());
  one = bleconn::Connection{};
  EXPECT_EQ(in_thread([&] { return program->list(); }).size(), 1u);
  EXPECT_TRUE(lamp.connected());
  two = bleconn::Connection{};
  EXPECT_TRUE(link_ends());
}

TEST_F(ClientLib, release_waits_until_the_link_is_down) {
  auto link = connected();
  EXPECT_EQ(in_thread([&] { return link.release(); }), 0u);
  EXPECT_FALSE(lamp.connected());
  EXPECT_FALSE(link);
}

TEST_F(ClientLib, a_connection_outlives_its_client) {
  auto link = connected();
  program.reset();
  EXPECT_TRUE(in_thread([&] { return !link.services().all().empty(); }));
  link = bleconn::Connection{};
  EXPECT_TRUE(link_ends());
}

TEST_F(ClientLib, tells_why_it_failed_and_what_to_do) {
  lamp.advertise(false);
  std::atomic<int> attempts = 0;
  auto options = quick();
  options.on_attempt_failed = [&](const bleconn::AttemptFailed& failed) {
    attempts += failed.max_attempts == 2 && failed.error.token() == "not-seen" ? 1 : 100;
  };
  const auto error = error_of(options);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->category(), bleconn::Category::not_found);
  EXPECT_EQ(error->token(), "not-seen");
  EXPECT_THAT(error->advice(), HasSubstr("wake the device"));
  EXPECT_THAT(error->what(), HasSubstr("failure 2 of 2"));
  EXPECT_EQ(attempts, 2);
}

TEST_F(ClientLib, refuses_what_the_daemon_refuses) {
  const auto of = [&](const std::string& address, const bleconn::Options& options) {
    return in_thread([&] {
      try {
        program->establish(address, options);
      } catch (const bleconn::Error& error) {
        return error.category();
      }
      return bleconn::Category::unexpected;
    });
  };
  EXPECT_EQ(of("lamp", {}), bleconn::Category::invalid_args);
  EXPECT_EQ(of("00:00:00:00:00:00", {}), bleconn::Category::invalid_args);
  bleconn::Options options;
  options.max_attempts = 0u;
  EXPECT_EQ(of(kLamp, options), bleconn::Category::invalid_args);
  options = {};
  options.timeout = 0s;
  EXPECT_EQ(of(kLamp, options), bleconn::Category::invalid_args) << "no call without a deadline";
}

TEST_F(ClientLib, is_told_of_the_end_of_the_link) {
  auto link = connected();
  std::promise<std::string> told;
  link.on_disconnected([&](const std::string& reason) { told.set_value(reason); });
  auto reason = told.get_future();
  lamp.drop_link();
  ASSERT_TRUE(comes(reason));
  EXPECT_EQ(reason.get(), "link-lost");
  EXPECT_FALSE(link.is_connected());
}

TEST_F(ClientLib, is_told_that_services_changed) {
  auto link = connected();
  std::promise<void> told;
  link.on_services_changed([&] { told.set_value(); });
  lamp.change_services(other_services());
  auto is_told = told.get_future();
  ASSERT_TRUE(comes(is_told));
  const auto services = in_thread([&] { return link.services(); });
  EXPECT_NE(services.service(kNewUuid), nullptr);
  EXPECT_EQ(services.service(kOldUuid), nullptr);
}

TEST_F(ClientLib, what_a_callback_refers_to_may_go_with_its_connection) {
  std::atomic<bool> runs = false, over = false;
  auto link = connected();
  link.on_disconnected([&](const std::string&) {
    runs = true;
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    over = true;
  });
  lamp.drop_link();
  ASSERT_TRUE(world.until([&] { return runs.load(); }));
  link = bleconn::Connection{};
  EXPECT_TRUE(over);
}

TEST_F(ClientLib, a_maintained_link_comes_back) {
  bleconn::Options options;
  options.maintain = true;
  auto link = connected(options);
  std::promise<void> back;
  link.on_connected([&] { back.set_value(); });
  lamp.drop_link();
  auto is_back = back.get_future();
  ASSERT_TRUE(comes(is_back));
  EXPECT_TRUE(link.is_connected());
}

TEST_F(ClientLib, a_call_is_cancelled) {
  lamp.advertise(false);
  std::promise<bleconn::Category> answered;
  auto call = program->establish(kLamp, {}, [&](bleconn::Result<bleconn::Connection> result) {
    answered.set_value(result.ok() ? bleconn::Category::unexpected : result.error().category());
  });
  ASSERT_TRUE(state_of(kLamp, "discovering"));
  call.cancel();
  auto answer = answered.get_future();
  ASSERT_TRUE(comes(answer));
  EXPECT_EQ(answer.get(), bleconn::Category::cancelled);
  EXPECT_TRUE(world.until([&] { return value_of(client.manager("ListConnections")).empty(); }));
}

TEST_F(ClientLib, a_call_goes_on_over_a_restart_of_the_daemon) {
  lamp.advertise(false);
  auto link = program->establish_future(kLamp);
  ASSERT_TRUE(state_of(kLamp, "discovering"));
  end_daemon();
  ASSERT_NO_FATAL_FAILURE(start_again(linger(0)));
  ASSERT_TRUE(world.until([&] { return property(kLamp, "State") == "discovering"; }));
  lamp.advertise(true);
  ASSERT_TRUE(comes(link));
  EXPECT_TRUE(link.get().is_connected());
}

TEST_F(ClientLib, a_call_goes_on_over_an_orderly_restart) {
  lamp.advertise(false);
  auto link = program->establish_future(kLamp);
  ASSERT_TRUE(state_of(kLamp, "discovering"));
  end_daemon(SIGTERM);
  ASSERT_NO_FATAL_FAILURE(start_again(linger(0)));
  lamp.advertise(true);
  ASSERT_TRUE(comes(link));
  EXPECT_TRUE(link.get().is_connected());
}

TEST_F(ClientLib, its_lease_goes_on_over_two_restarts_in_a_row) {
  auto link = connected();
  std::atomic<bool> lost = false;
  link.on_disconnected([&](const std::string&) { lost = true; });
  end_daemon();
  ASSERT_TRUE(world.start_daemon(daemon_program(), linger(0)));
  world.daemon->end(SIGKILL);
  ASSERT_NO_FATAL_FAILURE(start_again(linger(0)));
  EXPECT_TRUE(state_of(kLamp, "connected"));
  EXPECT_TRUE(world.until([&] { return leases().size() == 1; }));
  EXPECT_EQ(in_thread([&] { return link.services().from_cache(); }), false);
  EXPECT_TRUE(link.is_connected());
  EXPECT_FALSE(lost);
  EXPECT_EQ(in_thread([&] { return link.release(); }), 0u);
  EXPECT_FALSE(lamp.connected());
}

TEST_F(ClientLib, its_lease_goes_on_over_a_restart_of_the_daemon) {
  auto link = connected();
  end_daemon();
  ASSERT_NO_FATAL_FAILURE(start_again(linger(0)));
  EXPECT_TRUE(state_of(kLamp, "connected"));
  EXPECT_TRUE(world.until([&] { return leases().size() == 1; }));
  EXPECT_TRUE(link.is_connected());
  EXPECT_EQ(bluez.count("Connect"), 0u);
  EXPECT_EQ(in_thread([&] { return link.release(); }), 0u);
}

TEST_F(ClientLib, a_link_that_a_restart_did_not_outlive_is_told) {
  auto link = connected();
  std::promise<void> told;
  link.on_disconnected([&](const std::string&) { told.set_value(); });
  ASSERT_NO_FATAL_FAILURE(restart_without_the_link());
  auto is_told = told.get_future();
  ASSERT_TRUE(comes(is_told));
  EXPECT_TRUE(world.until([&] { return value_of(client.manager("ListConnections")).empty(); }));
  EXPECT_FALSE(lamp.connected());
}

// Four threads and three devices, one of them maintained by a Connection that lives over all of it.
TEST_F(ClientLib, no_call_is_lost_over_many_restarts) {
  const int restarts = std::getenv("BLECONND_LONG") ? 100 : 10;
  const std::vector<std::string> others = {"C0:FF:EE:00:00:01", "C0:FF:EE:00:00:02"};
  for (auto& address : others) another_lamp(address);
  bleconn::Options maintained;
  maintained.maintain = true;
  auto kept = connected(maintained);
  std::atomic<bool> ends = false;
  std::atomic<int> links = 0, failures = 0;
  std::vector<std::future<void>> workers;
  for (int worker = 0; worker < 4; ++worker)
    workers.push_back(std::async(std::launch::async, [&, address = others[worker % 2]] {
      while (!ends) {
        try {
          auto link = program->establish(address);
          ++links;
        } catch (const bleconn::Error& error) {
          ADD_FAILURE() << error.what();
          ++failures;
        }
      }
    }));
  for (int count = 0; count < restarts; ++count) {
    const int before = links;
    ASSERT_TRUE(world.until([&] { return links > before; })) << count;
    world.daemon->end(SIGKILL);
    ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  }
  ends = true;
  for (auto& worker : workers) ASSERT_TRUE(comes(worker));
  EXPECT_EQ(failures, 0);
  EXPECT_TRUE(world.until([&] { return kept.is_connected(); }));
  EXPECT_TRUE(lamp.connected());
  EXPECT_EQ(in_thread([&] { return kept.release(); }), 0u);
  EXPECT_TRUE(world.until([&] { return value_of(client.manager("ListConnections")).empty(); }));
}

// valgrind slows it down, and finds what leaks or is used after its end.
TEST_F(ClientLib, leaks_nothing_over_many_restarts) {
  const int restarts = std::getenv("BLECONND_LONG") ? 100 : 10;
  ChildCommand command;
#ifndef SANITIZED  // which finds leaks itself, and does not go together with valgrind
  command.arguments = {"valgrind", "--quiet", "--leak-check=full", "--error-exitcode=99"};
#endif
  command.arguments.insert(command.arguments.end(), {paths::client_soak, kLamp});
  command.environment = {{"DBUS_SYSTEM_BUS_ADDRESS", world.bus.address()}};
  ChildProcess soak{world.loop, command};
  const auto links = [&] {
    std::size_t count = 0;
    for (auto at = soak.output().find("connected"); at != std::string::npos;
         at = soak.output().find("connected", at + 1))
      ++count;
    return count;
  };
  for (int count = 0; count < restarts; ++count) {
    const auto before = links();
    ASSERT_TRUE(world.until([&] { return links() > before; }, 60s)) << soak.output();
    world.daemon->end(SIGKILL);
    ASSERT_NO_FATAL_FAILURE(start(linger(0)));
  }
  soak.send_signal(SIGTERM);
  ASSERT_TRUE(world.until([&] { return soak.exit_status().has_value(); }, 60s));
  EXPECT_EQ(soak.exit_status(), 0) << soak.output();
  EXPECT_TRUE(link_ends());
}

TEST_F(ClientLib, several_threads_use_one_client) {
  std::atomic<int> links = 0;
  std::vector<std::future<void>> workers;
  for (int worker = 0; worker < 8; ++worker)
    workers.push_back(std::async(std::launch::async, [&] {
      for (int round = 0; round < 5; ++round) {
        auto link = program->establish(kLamp);
        link.on_disconnected([](const std::string&) {});
        links += link.services().all().empty() ? 0 : 1;
      }
    }));
  for (auto& worker : workers) ASSERT_TRUE(comes(worker));
  EXPECT_EQ(links, 40);
  EXPECT_TRUE(link_ends());
}

TEST_F(ClientLib, without_a_daemon_it_says_so) {
  end_daemon();
  world.daemon.reset();
  bleconn::Client other;
  const auto category = in_thread([&] {
    try {
      other.establish(kLamp);
    } catch (const bleconn::Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("systemctl start bleconnd"));
      return error.category();
    }
    return bleconn::Category::unexpected;
  });
  EXPECT_EQ(category, bleconn::Category::daemon_not_running);
}

TEST_F(ClientLib, a_blocking_call_in_a_callback_is_refused) {
  std::promise<bleconn::Category> answered;
  auto call = program->establish(kLamp, {}, [&](bleconn::Result<bleconn::Connection> result) {
    try {
      (void)result.value().services();
      answered.set_value(bleconn::Category::unexpected);
    } catch (const bleconn::Error& error) {
      answered.set_value(error.category());
    }
  });
  auto answer = answered.get_future();
  ASSERT_TRUE(comes(answer));
  EXPECT_EQ(answer.get(), bleconn::Category::invalid_args);
}

TEST_F(ClientLib, runs_on_the_callers_event_loop) {
  bleconn::Client::Loop loop;
  loop.of = world.loop.event();
  bleconn::Client mine{loop};
  std::optional<bleconn::Connection> link;
  auto call = mine.establish(kLamp, {}, [&](bleconn::Result<bleconn::Connection> result) {
    if (result.ok()) link = std::move(result.value());
  });
  ASSERT_TRUE(world.until([&] { return link.has_value(); }));
  link.reset();
  EXPECT_TRUE(link_ends());
}

TEST_F(ClientLib, is_polled_by_the_caller) {
  bleconn::Client::Loop loop;
  loop.polled = true;
  bleconn::Client mine{loop};
  std::optional<bleconn::Connection> link;
  auto call = mine.establish(kLamp, {}, [&](bleconn::Result<bleconn::Connection> result) {
    if (result.ok()) link = std::move(result.value());
  });
  const auto dispatched = [&](auto&& done) {
    pollfd ready{mine.fd(), POLLIN, 0};
    if (poll(&ready, 1, 0) > 0) mine.dispatch();
    return done();
  };
  ASSERT_TRUE(world.until([&] { return dispatched([&] { return link.has_value(); }); }));
  link.reset();
  EXPECT_TRUE(world.until([&] { return dispatched([&] { return !lamp.connected(); }); }));
}

TEST_F(ClientLib, retry_connects_again_after_a_loss) {
  auto link = connected();
  std::atomic<int> runs = 0;
  auto value = std::async(std::launch::async, [&] {
    return bleconn::retry(*program, link, [&](bleconn::Connection& on) {
      if (++runs == 1) {
        on.is_lost_within(10s);
        throw std::runtime_error{"the read failed"};
      }
      return on.is_connected() ? 42 : 0;
    });
  });
  ASSERT_TRUE(world.until([&] { return runs == 1; }));
  lamp.drop_link();
  ASSERT_TRUE(comes(value));
  EXPECT_EQ(value.get(), 42);
  EXPECT_EQ(runs, 2);
}

TEST_F(ClientLib, retry_never_repeats_what_timed_out_or_what_has_its_link) {
  auto link = connected();
  for (const auto category : {bleconn::Category::timeout, bleconn::Category::connection_failed}) {
    std::atomic<int> runs = 0;
    EXPECT_THROW(in_thread([&] {
                   return bleconn::retry(*program, link, [&](bleconn::Connection&) -> int {
                     ++runs;
                     throw bleconn::Error{category, "read"};
                   });
                 }),
                 bleconn::Error);
    EXPECT_EQ(runs, 1);
  }
}

}  // namespace
}  // namespace bleconnd::integration
