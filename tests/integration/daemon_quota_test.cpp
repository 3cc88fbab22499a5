// How much one user may hold: leases and waiting calls together, and persistent leases. Who asks for more is
// refused, and nobody else is.
#include <cstdio>

#include "daemon_sharing_fixture.hpp"

namespace bleconnd::integration {
namespace {

const std::string kLimits = "org.freedesktop.DBus.Error.LimitsExceeded";

class DaemonQuota : public SharingFixture {
 protected:
  void SetUp() override {
    if (getuid() != 0) GTEST_SKIP() << "root is not bound, and another user id needs root";
    start();
    // Calls that wait for an adapter cost BlueZ nothing.
    hci0.power_off();
    ASSERT_TRUE(state_becomes("waiting-for-adapter"));
  }
  static std::string address(int number) {
    char text[18];
    std::snprintf(text, sizeof text, "AA:BB:CC:00:%02X:%02X", (number >> 8) & 0xFF, number & 0xFF);
    return text;
  }
  PendingReply call(Client& by, int number, Dictionary options = {}) {
    options.insert({{"wait", false}, {"timeout", 600u}});
    return by.establish(address(number), options);
  }
  bool everything_is_given_up() {
    return world.until([&] { return value_of(client.manager("ListConnections")).empty(); });
  }
};

TEST_F(DaemonQuota, of_leases_and_calls_binds_its_user_alone) {
  Client& operator_ = world.client(operator_uid);
  Client& same_user = world.client(operator_uid);
  constexpr int kMost = 2048 / 2;  // a lease and a call each
  for (int number = 0; number < kMost; ++number) {
    const auto reply = call(operator_, number);
    ASSERT_EQ(world.outcome(reply), "ok") << number << ": " << reply->message;
  }
  for (auto* of_that_user : {&operator_, &same_user}) {
    const auto refused = call(*of_that_user, kMost);
    EXPECT_EQ(world.outcome(refused), kLimits);
    EXPECT_THAT(refused->message, HasSubstr("uid 1 holds 2048 of 2048 leases and calls"));
  }
  EXPECT_EQ(world.outcome(call(client, kMost)), "ok");
  EXPECT_EQ(value_of(client.release(address(kMost))), 0);

  EXPECT_EQ(world.outcome(operator_.release(address(0))), "ok");
  EXPECT_EQ(world.outcome(call(same_user, kMost)), "ok");
  operator_.leave();
  same_user.leave();
  EXPECT_TRUE(everything_is_given_up());
}

TEST_F(DaemonQuota, of_persistent_leases_binds_its_user_alone) {
  const Dictionary persistent{{"lifetime", std::string{"persistent"}}};
  Client& operator_ = world.client(operator_uid);
  constexpr int kMost = 64;
  for (int number = 0; number < kMost; ++number) {
    const auto reply = call(operator_, number, persistent);
    ASSERT_EQ(world.outcome(reply), "ok") << number << ": " << reply->message;
  }
  const auto refused = call(operator_, kMost, persistent);
  EXPECT_EQ(world.outcome(refused), kLimits);
  EXPECT_THAT(refused->message, HasSubstr("uid 1 holds 64 of 64 persistent leases"));
  EXPECT_EQ(world.outcome(call(operator_, kMost)), "ok");
  EXPECT_EQ(world.outcome(call(operator_, 0, persistent)), "ok");  // the lease that it has
  EXPECT_EQ(world.outcome(call(client, kMost + 1, persistent)), "ok");
  for (int number = 0; number <= kMost + 1; ++number)
    EXPECT_EQ(world.outcome(client.manager("Disconnect", {Value{address(number)}})), "ok") << number;
  EXPECT_TRUE(everything_is_given_up());
}

}  // namespace
}  // namespace bleconnd::integration
