// What Connections of one process do to its lease, and to those of its user. One bus name has one lease of a
// device, so the library counts.
#include <atomic>
#include <map>

#include "client_lib_fixture.hpp"
#include "fake_daemon.hpp"

namespace bleconnd::integration {
namespace {

class ClientLeases : public ClientLib {
 protected:
  static bleconn::Options with(bleconn::Lifetime lifetime, bool maintain = false) {
    bleconn::Options options;
    options.lifetime = lifetime;
    options.maintain = maintain;
    return options;
  }
  static bleconn::Options persistent() { return with(bleconn::Lifetime::persistent); }
  static bleconn::Options maintained() { return with(bleconn::Lifetime::caller, true); }

  // By another program of the same user.
  void declare() {
    const Dictionary options{{"lifetime", "persistent"}, {"wait", false}};
    ASSERT_EQ(world.outcome(client.establish(kLamp, options)), "ok");
  }
  bool users_lease_is_there() {
    const auto held = leases();
    return std::find(held.begin(), held.end(), lease("persistent")) != held.end();
  }
  bool is_lost(const bleconn::Connection& link) {
    return world.until([&] { return !link.is_connected(); });
  }
  bool nothing_is_left() {
    return world.until([&] { return value_of(client.manager("ListConnections")).empty(); });
  }
  void give_the_users_lease_up() {
    const Dictionary options{{"lifetime", "persistent"}};
    EXPECT_EQ(world.outcome(client.manager("ReleaseConnection", {Value{kLamp}, options})), "ok");
  }
};

TEST_F(ClientLeases, a_lost_connection_gives_up_no_lease_of_the_user) {
  auto link = connected();
  ASSERT_NO_FATAL_FAILURE(declare());
  lamp.drop_link();
  ASSERT_TRUE(is_lost(link));
  EXPECT_EQ(in_thread([&] { return link.release(); }), 0u);
  EXPECT_TRUE(users_lease_is_there());
  give_the_users_lease_up();
}

TEST_F(ClientLeases, a_cancelled_persistent_call_leaves_what_was_declared_before) {
  lamp.advertise(false);
  ASSERT_NO_FATAL_FAILURE(declare());
  std::promise<void> answered;
  auto call = program->establish(kLamp, persistent(),
                                 [&](bleconn::Result<bleconn::Connection>) { answered.set_value(); });
  ASSERT_TRUE(state_of(kLamp, "discovering"));
  call.cancel();
  auto answer = answered.get_future();
  ASSERT_TRUE(comes(answer));
  in_thread([&] { return program->list(); });  // behind what the cancelled call has sent
  EXPECT_TRUE(users_lease_is_there());
  give_the_users_lease_up();
}

TEST_F(ClientLeases, a_persistent_one_outlives_a_restart_that_its_link_does_not) {
  auto link = connected(persistent());
  std::promise<std::string> told;
  link.on_disconnected([&](const std::string& reason) { told.set_value(reason); });
  ASSERT_NO_FATAL_FAILURE(restart_without_the_link());
  auto reason = told.get_future();
  ASSERT_TRUE(comes(reason));
  EXPECT_EQ(reason.get(), "daemon-restarted");
  EXPECT_TRUE(users_lease_is_there());
  link = bleconn::Connection{};
  EXPECT_TRUE(users_lease_is_there()) << "letting it go leaves it";
  give_the_users_lease_up();
}

TEST_F(ClientLeases, the_users_lease_and_its_own_end_by_themselves) {
  auto own = connected();
  auto users = connected(persistent());
  ASSERT_TRUE(users_lease_is_there());
  EXPECT_EQ(in_thread([&] { return users.release(); }), 1u);
  EXPECT_FALSE(users_lease_is_there());
  EXPECT_TRUE(lamp.connected());
  own = bleconn::Connection{};
  EXPECT_TRUE(link_ends());
}

TEST_F(ClientLeases, of_a_maintained_and_a_plain_one_each_keeps_its_own_way) {
  auto kept = connected(maintained());
  auto plain = connected();
  std::promise<void> back;
  kept.on_connected([&] { back.set_value(); });
  lamp.drop_link();
  auto is_back = back.get_future();
  ASSERT_TRUE(comes(is_back));
  EXPECT_TRUE(kept.is_connected());
  EXPECT_FALSE(plain.is_connected());
  EXPECT_EQ(in_thread([&] { return kept.release(); }), 0u) << "a lost one holds nothing";
  EXPECT_FALSE(lamp.connected());
  EXPECT_TRUE(nothing_is_left());
}

TEST_F(ClientLeases, a_lost_one_that_is_kept_does_not_hold_the_next) {
  auto lost = connected();
  lamp.drop_link();
  ASSERT_TRUE(is_lost(lost));
  auto next = connected();
  EXPECT_EQ(in_thread([&] { return next.release(); }), 0u);
  EXPECT_FALSE(lamp.connected());
  EXPECT_FALSE(lost.is_connected());
}

TEST_F(ClientLeases, the_last_of_several_calls_ends_what_a_cancelled_one_began) {
  lamp.advertise(false);
  auto longer = program->establish(kLamp, {}, [](bleconn::Result<bleconn::Connection>) {});
  auto options = quick();
  options.timeout = 1s;
  std::promise<void> answered;
  program->establish(kLamp, options, [&](bleconn::Result<bleconn::Connection>) { answered.set_value(); });
  ASSERT_TRUE(state_of(kLamp, "discovering"));
  longer.cancel();
  auto answer = answered.get_future();
  ASSERT_TRUE(comes(answer));
  EXPECT_TRUE(nothing_is_left());
}

TEST_F(ClientLeases, without_wait_the_link_comes_later) {
  lamp.advertise(false);
  auto options = maintained();
  options.wait = false;
  auto link = connected(options);
  EXPECT_FALSE(link.is_connected());
  std::promise<void> up;
  link.on_connected([&] { up.set_value(); });
  lamp.advertise(true);
  auto is_up = up.get_future();
  ASSERT_TRUE(comes(is_up));
  EXPECT_EQ(link.bluez_device(), kBluezPath);
  EXPECT_EQ(link.adapter(), "hci0");
  EXPECT_EQ(in_thread([&] { return link.release(); }), 0u);
}

TEST_F(ClientLeases, without_wait_somebody_has_to_keep_it_going) {
  bleconn::Options options;
  options.wait = false;
  const auto error = error_of(options);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->category(), bleconn::Category::invalid_args);
}

TEST_F(ClientLeases, retry_connects_with_the_options_of_its_connection) {
  bleconn::Options options;
  options.label = "thermometer";
  options.adapter = "hci0";
  auto link = connected(options);
  lamp.drop_link();
  ASSERT_TRUE(is_lost(link));
  const auto value = in_thread([&] {
    return bleconn::retry(*program, link, [](bleconn::Connection& on) {
      return on.is_connected() ? 1 : throw std::runtime_error{"the read failed"};
    });
  });
  EXPECT_EQ(value, 1);
  EXPECT_EQ(link.options().label, "thermometer");
  EXPECT_EQ(leases(), json::array({json::array({leases()[0][0], getuid(), "thermometer"})}));
}

TEST_F(ClientLeases, retry_does_not_repeat_what_the_callers_library_calls_a_timeout) {
  auto link = connected();
  lamp.drop_link();
  ASSERT_TRUE(is_lost(link));
  std::atomic<int> runs = 0;
  const auto operation = [&](bleconn::Connection&) -> int {
    ++runs;
    throw std::runtime_error{"NoReply"};
  };
  const auto is_timeout = [](const std::exception& failure) {
    return std::string{failure.what()} == "NoReply";
  };
  EXPECT_THROW(in_thread([&] { return bleconn::retry(*program, link, operation, 2, is_timeout); }),
               std::runtime_error);
  EXPECT_EQ(runs, 1);
}

// Answers every call that connects at once, and releases when the test says.
class ClientReleases : public ClientLib {
 protected:
  static constexpr std::size_t kMany = 30, kSent = 24;  // releases, and those that are sent without an answer

  void SetUp() override { setenv("DBUS_SYSTEM_BUS_ADDRESS", world.bus.address().c_str(), 1); }

  void answer(const std::string& member, sd_bus_message* call) {
    ++seen;
    calls[read_arguments(call)[0]].push_back(member);
    if (member == "EstablishConnection")
      sd_bus_reply_method_return(call, "oa{sv}", kOurPath.c_str(), 1, "state", "s", "connected");
    else if (released)
      sd_bus_reply_method_return(call, "u", 0);
    else
      unanswered.emplace_back(call);
  }
  void answer_releases() {
    released = true;
    for (const auto& call : unanswered) sd_bus_reply_method_return(call.get(), "u", 0);
  }
  void connect_all(bleconn::Client& by) {
    for (std::size_t number = 0; number < kMany; ++number) {
      char address[18];
      std::snprintf(address, sizeof address, "C0:00:00:00:00:%02zX", number);
      by.establish(address, {}, [&](bleconn::Result<bleconn::Connection> result) {
        if (result.ok()) links.push_back(std::move(result.value()));
      });
    }
  }
  bool all_are_connected() {
    return world.until([&] { return links.size() == kMany; });
  }

  std::size_t seen = 0;
  bool released = false;
  std::map<std::string, std::vector<std::string>> calls;  // of each address
  std::vector<Message> unanswered;
  std::vector<bleconn::Connection> links;
};

TEST_F(ClientReleases, one_that_waits_for_its_turn_is_not_overtaken_by_the_next_call_of_its_device) {
  FakeDaemon fake{world.loop, world.bus.address(),
                  [&](const std::string& member, sd_bus_message* call) { answer(member, call); }};
  bleconn::Client::Loop loop;
  loop.of = world.loop.event();
  bleconn::Client mine{loop};
  connect_all(mine);
  ASSERT_TRUE(all_are_connected());
  links.clear();
  connect_all(mine);
  ASSERT_TRUE(world.until([&] { return seen >= kMany + 2 * kSent; })) << seen;
  answer_releases();
  ASSERT_TRUE(all_are_connected());
  EXPECT_TRUE(world.until([&] { return seen == 3 * kMany; })) << seen;
  for (const auto& [address, members] : calls)
    EXPECT_THAT(members, ElementsAre("EstablishConnection", "ReleaseConnection", "EstablishConnection"))
        << address;
  links.clear();
}

}  // namespace
}  // namespace bleconnd::integration
