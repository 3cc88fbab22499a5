// A client sends tens of thousands of calls, subscribes to every signal and never reads: what it is sent
// waits in the bus. The daemon's memory stays bounded, others are served meanwhile, and nothing of it is left
// when it goes; on both buses.
#include <fcntl.h>
#include <sys/file.h>

#include <cstdio>

#include "daemon_sharing_fixture.hpp"

namespace bleconnd::integration {
namespace {

using namespace std::chrono_literals;

// A connection that nobody reads from: it is on no loop, and its calls have no reply slots.
class DeafClient {
 public:
  DeafClient(const std::string& bus_address, uid_t uid)
      : bus_{open_bus(bus_address, uid)}, unique_name_{unique_name_of(bus_.get())} {}
  [[nodiscard]] const std::string& unique_name() const { return unique_name_; }

  // False when the bus has thrown it out.
  bool send(const CallTarget& to, const char* member, bool wants_reply,
            const std::function<void(sd_bus_message*)>& fill) {
    sd_bus_message* message = nullptr;
    checked(sd_bus_message_new_method_call(bus_.get(), &message, to.destination.c_str(), to.path.c_str(),
                                           to.interface.c_str(), member),
            "new call");
    const Message owned = Message::owned(message);
    fill(message);
    checked(sd_bus_message_set_expect_reply(message, wants_reply ? 1 : 0), "expect reply");
    return sd_bus_send(bus_.get(), message, nullptr) >= 0;
  }
  // Waits until the bus has taken everything; it reads on, whatever we do.
  bool flush() { return sd_bus_flush(bus_.get()) >= 0; }
  void leave() { bus_.reset(); }

 private:
  Bus bus_;
  std::string unique_name_;
};

class DaemonDeafClient : public SharingFixture, public ::testing::WithParamInterface<Broker> {
 protected:
  DaemonDeafClient() : SharingFixture(fast_on(GetParam())) {}
  void SetUp() override {
    if (GetParam() != world.bus.broker()) GTEST_SKIP() << PrivateBus::broker_unavailable();
    // What is freed shall be free: else a sanitizer keeps 256 MiB of it.
    world.daemon_options.environment["ASAN_OPTIONS"] = "quarantine_size_mb=1";
    start();
    connect_the_lamp();  // and release: whatever is made once is made
    release_the_lamp();
    world.until([&] { return world.daemon->process().children().empty(); });
    at_rest_ = world.daemon->process().status("VmRSS");
  }

  static std::string address(std::size_t number) {
    char text[18];
    std::snprintf(text, sizeof text, "AA:BB:CC:%02zX:%02zX:%02zX", (number >> 16) & 0xFF,
                  (number >> 8) & 0xFF, number & 0xFF);
    return text;
  }
  void the_lamp_is_used() {
    EXPECT_EQ(world.outcome(client.establish(kLamp), 30s), "ok");
    EXPECT_EQ(world.outcome(client.release(kLamp), 30s), "ok");
  }
  // Somebody else, who reads.
  void another_is_served() {
    const auto reply = client.manager_property("State");
    EXPECT_EQ(world.outcome(reply, 20s), "ok");
    longest_ = std::max(longest_, reply->took);
  }
  // Everything that was sent before has been handled.
  void expect_memory_below(std::size_t mib, const std::string& of_what) {
    another_is_served();
    const auto most = world.daemon->process().status("VmHWM");
    const bool sanitized = world.daemon->process().status("VmSize") > std::size_t{1} << 30;  // KiB: 1 TiB
    std::cout << of_what << ": " << at_rest_ << " KiB at rest, " << most << " KiB at most; others waited "
              << longest_.count() / 1000 << " ms at most\n";
    // Red zones and shadow: three times of what the program itself takes.
    EXPECT_LE(most, at_rest_ + mib * 1024 * (sanitized ? 3 : 1)) << of_what;
    EXPECT_LE(longest_, 10s);
  }

  const CallTarget kManager{"org.bleconnd", "/org/bleconnd", "org.bleconnd.Manager1"};
  const uid_t user_ = getuid() == 0 ? operator_uid : static_cast<uid_t>(-1);  // root is not bound by a quota
  std::size_t at_rest_ = 0;                                                   // KiB
  std::chrono::microseconds longest_{};
};

// 2 MiB: a few messages at a time, whatever their number. 6'000 answers that were kept would be 10 MiB or
// more.
TEST_P(DaemonDeafClient, that_asks_and_never_reads_costs_no_memory) {
  DeafClient deaf{world.bus.address(), user_};
  EXPECT_TRUE(deaf.send({"org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus"}, "AddMatch",
                        true, [](auto* message) { sd_bus_message_append(message, "s", "type='signal'"); }));
  const CallTarget properties{"org.bleconnd", "/org/bleconnd", "org.freedesktop.DBus.Properties"};
  bool is_there = true;
  for (int call = 0; call < 6'000 && is_there; ++call) {
    is_there = call % 3 == 0 ? deaf.send(kManager, "ListConnections", true, [](auto*) {})
               : call % 3 == 1
                   ? deaf.send(kManager, "GetServices", true,
                               [](auto* message) { sd_bus_message_append(message, "s", kLamp.c_str()); })
                   : deaf.send(properties, "GetAll", true, [](auto* message) {
                       sd_bus_message_append(message, "s", "org.bleconnd.Manager1");
                     });
    if (call % 500 == 0) is_there = is_there && deaf.flush();
    if (call % 2000 == 0) {
      another_is_served();
      the_lamp_is_used();  // with signals, which it does not read either
    }
  }
  if (is_there) (void)deaf.flush();
  expect_memory_below(2, "6,000 answers that are not read");
  deaf.leave();
}

// A caller that wants no answer is not held up by the bus, which counts answers only. 2048 leases and calls
// of one user are the most: 16 MiB are 8 KiB for each, as much as a link may take.
TEST_P(DaemonDeafClient, that_wants_ever_more_links_and_no_answer_is_bounded_by_its_quota) {
  hci0.power_off();
  ASSERT_TRUE(state_becomes("waiting-for-adapter"));
  DeafClient deaf{world.bus.address(), user_};
  bool is_there = true;
  for (std::size_t call = 0; call < 20'000 && is_there; ++call) {
    is_there = deaf.send(kManager, "EstablishConnection", false, [&](auto* message) {
      sd_bus_message_append(message, "sa{sv}", address(call).c_str(), 1, "timeout", "u", 600);
    });
    if (call % 200 == 0) is_there = is_there && deaf.flush();
    if (call % 2000 == 0) another_is_served();
  }
  ASSERT_TRUE(is_there && deaf.flush());
  expect_memory_below(16, "20,000 calls for links");
  EXPECT_LE(value_of(client.manager("ListConnections")).size(), 2048u);
  deaf.leave();
  EXPECT_TRUE(world.until([&] { return value_of(client.manager("ListConnections")).empty(); }));
  hci0.power_on();
  ASSERT_TRUE(state_becomes("running"));
  connect_the_lamp();
  release_the_lamp();
}

// The card hangs: the lock of the cache's folder stands in for it. 2048 calls of one user are the most that
// wait for it: 8 MiB are 4 KiB for each.
TEST_P(DaemonDeafClient, that_clears_the_cache_ever_again_is_bounded_by_its_quota) {
  const int folder = open(world.folders.cache().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(flock(folder, LOCK_EX | LOCK_NB), 0);
  DeafClient deaf{world.bus.address(), user_};
  bool is_there = true;
  for (std::size_t call = 0; call < 20'000 && is_there; ++call) {
    is_there = deaf.send(kManager, "ClearCache", false,
                         [&](auto* message) { sd_bus_message_append(message, "sa{sv}", kLamp.c_str(), 0); });
    if (call % 200 == 0) is_there = is_there && deaf.flush();
    if (call % 2000 == 0) another_is_served();
  }
  ASSERT_TRUE(is_there && deaf.flush());
  expect_memory_below(8, "20,000 calls for the cache");
  close(folder);
  deaf.leave();
  connect_the_lamp();
  release_the_lamp();
}

INSTANTIATE_TEST_SUITE_P(buses, DaemonDeafClient, ::testing::Values(Broker::dbus_daemon, Broker::dbus_broker),
                         [](const auto& broker) {
                           return broker.param == Broker::dbus_daemon ? "dbus_daemon" : "dbus_broker";
                         });

}  // namespace
}  // namespace bleconnd::integration
