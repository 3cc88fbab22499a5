// For the tests of what callers share: holders of one link, and devices in the line of one adapter.
// Properties of our objects are read without complaint while the object is not there.
#pragma once

#include <csignal>

#include "daemon_fixture.hpp"

namespace bleconnd::integration {

class SharingFixture : public DaemonFixture {
 protected:
  using DaemonFixture::DaemonFixture;
  using json = nlohmann::json;

  // A test of this broker skips itself where there is none.
  static WorldOptions fast_on(Broker broker) {
    auto options = fast();
    if (broker == Broker::dbus_daemon || PrivateBus::broker_unavailable().empty())
      options.bus.broker = broker;
    return options;
  }

  static std::string linger(int seconds) { return "[General]\nLingerSec=" + std::to_string(seconds) + "\n"; }
  // Of hci0, without a linger.
  std::string slots(int number) const {
    return linger(0) + "[Adapter " + hci0.address() + "]\nSlots=" + std::to_string(number) + "\n";
  }

  // Heard by hci0, answers every dial.
  Peripheral& another_lamp(const std::string& address) {
    Peripheral& other = bluez.add_peripheral(address);
    hci0.discovered(other);
    return other;
  }

  json answer_or_null(const PendingReply& reply) {
    world.until([&] { return reply->done; });
    return reply->ok() ? reply->arguments[0] : json{};
  }
  json property(const std::string& address, const std::string& name) {
    return answer_or_null(client.device_property(address, name));
  }
  json leases() { return property(kLamp, "Leases"); }
  bool leases_become(const json& wanted) {
    return world.until([&] { return leases() == wanted; });
  }
  bool state_of(const std::string& address, const std::string& wanted) {
    return world.until([&] { return property(address, "State") == wanted; });
  }
  json adapter(const std::string& name) {
    return value_of(client.get({"org.bleconnd", "/org/bleconnd/hci0", "org.bleconnd.Adapter1"}, name));
  }

  static json lease(const std::string& name, const std::string& label = {}) {
    return json::array({name, getuid(), label});
  }
  static json lease(const Client& of, const std::string& label = {}) {
    return lease(of.unique_name(), label);
  }

  // The next daemon finds the same folders and the same bus; BlueZ's calls are counted from here.
  void restart(const std::string& main_conf, int signal_number = SIGKILL) {
    end_daemon(signal_number);
    start_again(main_conf);
  }
  // What a link has taught is in the cache by then: a kill in the middle of that leaves writing.tmp.
  void end_daemon(int signal_number = SIGKILL) {
    const std::filesystem::path cache = world.folders.cache();
    EXPECT_TRUE(world.until([&] {
      if (property(kLamp, "State") != "connected") return true;
      return !std::filesystem::is_empty(cache) && world.daemon->process().children().empty();
    }));
    EXPECT_EQ(world.daemon->end(signal_number), signal_number == SIGKILL ? 128 + SIGKILL : 0);
  }
  // The link of the lamp has gone, and what is kept until the next boot.
  void restart_of_the_host(const std::string& main_conf) {
    end_daemon();
    lamp.drop_link();
    std::filesystem::remove_all(world.folders.runtime());
    start_again(main_conf);
  }
  void start_again(const std::string& main_conf) {
    bluez.forget_calls();
    client.forget_signals();
    ASSERT_NO_FATAL_FAILURE(start(main_conf));
  }
};

// Two more clients; the daemon is started by the test, with a linger of its own.
class LeaseFixture : public SharingFixture {
 protected:
  void SetUp() override {}

  void connect(Client& by, const Dictionary& options = {}) {
    const auto reply = by.establish(kLamp, options);
    ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  }
  void two_hold_the_lamp() {
    ASSERT_NO_FATAL_FAILURE(connect(first));
    ASSERT_NO_FATAL_FAILURE(connect(second));
    ASSERT_EQ(leases(), json::array({lease(first), lease(second)}));
  }
  bool has_left(Client& who) {
    return world.until([&] { return client.owner_of(who.unique_name()).empty(); });
  }

  Client& first = world.client();
  Client& second = world.client();
};

// --- the line for a dial ---

inline const std::string kSecond = "AA:BB:CC:DD:EE:02";
inline const std::string kThird = "AA:BB:CC:DD:EE:03";

inline std::string connect_of(const std::string& address) {
  auto path = daemon_device_path(address);
  return "Connect hci0/" + path.substr(path.rfind('/') + 1);
}
inline Dictionary priority(const std::string& word) {
  return {{"priority", word}};
}

class QueueFixture : public SharingFixture {
 protected:
  // A dial of a device that is not heard gives way, so another program listens all the time.
  void SetUp() override { start_and_listen(linger(0)); }
  void start_and_listen(const std::string& main_conf) {
    ASSERT_NO_FATAL_FAILURE(start(main_conf));
    ASSERT_EQ(world.outcome(scanner.bluez_adapter(hci0.path(), "StartDiscovery")), "ok");
    ASSERT_TRUE(world.until([&] { return hci0.device(lamp) && hci0.device(second) && hci0.device(third); }));
  }
  void TearDown() override {
    scanner.leave();
    SharingFixture::TearDown();
  }

  // The lamp falls silent as it is dialled: that lasts until it advertises again. The others wait for it.
  void the_lamp_is_dialled() {
    bluez.settings().timing.not_advertising = std::chrono::hours{1};
    bluez.when_called("Connect", [&] { lamp.advertise(false); });
    lamp_call = client.establish(kLamp);
    ASSERT_TRUE(called_becomes("Connect", 1));
  }
  PendingReply queued(const std::string& address, const Dictionary& options = {}) {
    const auto call = client.establish(address, options);
    EXPECT_TRUE(state_of(address, "queued"));
    EXPECT_TRUE(world.until([&] { return property(address, "QueuePosition") > 0; }));
    return call;
  }
  void expect_ok(const std::vector<PendingReply>& calls) {
    for (const auto& call : calls) EXPECT_EQ(world.outcome(call), "ok") << call->message;
  }
  void release(const std::vector<std::string>& addresses) {
    for (const auto& address : addresses) EXPECT_EQ(value_of(client.release(address)), 0) << address;
  }

  Peripheral& second = bluez.add_peripheral(kSecond);
  Peripheral& third = bluez.add_peripheral(kThird);
  Client& scanner = world.client();
  PendingReply lamp_call;
};

}  // namespace bleconnd::integration
