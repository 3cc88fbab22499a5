// The phases of a device on its way to a link and back, the way into each, and what lets a phase end well:
// tests strike while one lasts. One client calls, another watches, so that the caller can leave the bus.
#pragma once

#include <csignal>

#include "daemon_fixture.hpp"
#include "device.hpp"

namespace bleconnd::integration {

enum class Phase { queued, discovering, connecting, resolving, connected, backing_off, disconnecting };

inline const std::vector<Phase> kBeforeTheLink{Phase::queued, Phase::discovering, Phase::connecting,
                                               Phase::resolving, Phase::backing_off};
inline const std::vector<Phase> kAllPhases{Phase::queued,       Phase::discovering, Phase::connecting,
                                           Phase::resolving,    Phase::connected,   Phase::backing_off,
                                           Phase::disconnecting};

// As in the names of tests; Device1.State has a dash.
inline std::string name_of(Phase phase) {
  static const std::vector<std::string> names{"queued",    "discovering", "connecting",   "resolving",
                                              "connected", "backing_off", "disconnecting"};
  return names.at(static_cast<std::size_t>(phase));
}
inline std::string state_in(Phase phase) {
  return phase == Phase::backing_off ? "backing-off" : name_of(phase);
}
inline bool before_the_link(Phase phase) {
  return std::ranges::count(kBeforeTheLink, phase) > 0;
}

// The first value of a reply, and one of the results of EstablishConnection; null if there is none.
inline nlohmann::json answer_of(const PendingReply& reply) {
  return reply->ok() ? reply->arguments[0] : nlohmann::json{};
}
inline nlohmann::json result_of(const PendingReply& reply, const std::string& key) {
  return reply->ok() ? reply->arguments[1][key] : nlohmann::json{};
}

class PhaseFixture : public DaemonFixture {
 protected:
  static constexpr std::chrono::seconds kPatience{30};  // above the longest wait of the daemon's own

  // Brings the lamp's session into the phase, where it stays until something happens.
  void reach(Phase phase, const Dictionary& options = {}) {
    prepare(phase);
    call = caller.establish(kLamp, options);
    if (phase == Phase::connected || phase == Phase::disconnecting) {
      ASSERT_EQ(world.outcome(call), "ok") << call->message;
    }
    if (phase == Phase::disconnecting) release = caller.release(kLamp);
    ASSERT_TRUE(world.until([&] { return state() == state_in(phase) && bluez_is_in(phase); }))
        << "no " << state_in(phase) << ", but " << state();
  }

  // What holds the phase up goes away.
  void let_go(Phase phase) {
    if (phase == Phase::queued) hci0.power_on();
    if (phase == Phase::discovering) lamp.advertise(true);
    if (phase == Phase::connecting) hci0.device(lamp)->connect_aborts();
    if (phase == Phase::resolving) lamp.drop_link();
  }

  // The last Device1.State that was told, with its reason.
  std::string state() const {
    const auto told = client.signals("ConnectionStateChanged");
    return told.empty() ? "" : told.back().arguments[2].get<std::string>();
  }
  std::string reason() const {
    const auto told = client.signals("ConnectionStateChanged");
    return told.empty() ? "" : told.back().arguments[3].get<std::string>();
  }
  bool state_told(const std::string& wanted) {
    return world.until([&] { return state() == wanted; }, kPatience);
  }
  bool object_gone() {
    return world.until([&] { return daemon_objects().empty(); }, kPatience);
  }

  std::string lamp_path() const { return hci0.path() + "/dev_AA_BB_CC_DD_EE_FF"; }

  // After whatever happened: one call connects, one release ends it.
  void connects_again(const Dictionary& options = {}) {
    const auto again = caller.establish(kLamp, options);
    EXPECT_EQ(world.outcome(again, kPatience), "ok") << again->message;
    releases();
  }
  void releases() {
    const auto released = caller.release(kLamp);
    EXPECT_EQ(world.outcome(released, kPatience), "ok") << released->message;
    EXPECT_EQ(answer_of(released), 0u);
  }

  // The daemon's calls to methods that begin or end something.
  std::size_t dials() const { return bluez.count("Connect"); }
  std::size_t hang_ups() const { return bluez.count("Disconnect"); }

  Client& caller = world.client();
  PendingReply call;     // EstablishConnection
  PendingReply release;  // ReleaseConnection, of the phase `disconnecting`

 private:
  void prepare(Phase phase) {
    if (phase == Phase::queued) {
      hci0.power_off();
      ASSERT_TRUE(state_becomes("waiting-for-adapter"));
    }
    if (phase == Phase::discovering) lamp.advertise(false);
    if (phase == Phase::connecting) lamp.next_connects({hangs()});
    if (phase == Phase::resolving) lamp.next_connects({never_resolves()});
    // The longest back-off there is: 4 s.
    if (phase == Phase::backing_off) lamp.next_connects({fails("le-connection-concurrent-connection-limit")});
  }
  bool bluez_is_in(Phase phase) const {
    if (phase == Phase::discovering) return hci0.discovering();
    if (phase == Phase::connecting) return bluez.leftovers().pending_connects == 1;
    if (phase == Phase::disconnecting) return hang_ups() == 1;
    return true;
  }
};

}  // namespace bleconnd::integration
