// Each way in which an attempt can fail, as its caller sees it: category, token, count; and the ways in which
// BlueZ misleads. Then the choice of an adapter, and what advertisements cost while nobody asks.
#include <fstream>

#include "daemon_fixture.hpp"

namespace bleconnd::integration {
namespace {

using nlohmann::json;
using ::testing::SizeIs;

class DaemonAttempts : public DaemonFixture {
 protected:
  // The error's name without its prefix, then the message: "NotFound not-seen: …".
  std::string failure(const PendingReply& reply) {
    const auto error = world.outcome(reply);
    return (error.starts_with(kErrors) ? error.substr(kErrors.size()) : error) + " " + reply->message;
  }
  // "1/9 seen-no-answer", one an AttemptFailed.
  std::vector<std::string> failed_attempts() {
    std::vector<std::string> lines;
    for (const auto& signal : client.signals("AttemptFailed"))
      lines.push_back(signal.arguments[0].dump() + "/" + signal.arguments[1].dump() + " " +
                      signal.arguments[3].get<std::string>());
    return lines;
  }
  bool status_has(const std::string& text) {
    return world.until([&] { return world.daemon->status().find(text) != std::string::npos; });
  }
};

// --- the categories ---

TEST_F(DaemonAttempts, a_device_that_is_not_heard_is_not_found) {
  lamp.advertise(false);
  const auto reply = client.establish(kLamp, {{"attempt-timeout", 1u}, {"max-attempts", 2u}});
  EXPECT_THAT(failure(reply),
              StartsWith("NotFound not-seen: the device was not heard (failure 2 of 2, 2."));  // seconds
  EXPECT_THAT(failed_attempts(), ElementsAre("1/2 not-seen", "2/2 not-seen"));
  EXPECT_EQ(client.signals("AttemptFailed").back().arguments[5], 0);  // the last one waits for nothing
  EXPECT_EQ(bluez.count("Connect"), 0u);
}

TEST_F(DaemonAttempts, a_device_that_stopped_advertising_is_not_found) {
  hci0.discovered(lamp);
  lamp.advertise(false);
  const auto reply = client.establish(kLamp, {{"attempt-timeout", 1u}, {"max-attempts", 1u}});
  EXPECT_THAT(failure(reply), StartsWith("NotFound "));
  EXPECT_THAT(bluez.called({"Connect", "Disconnect"}), ElementsAre("Connect " + kDev, "Disconnect " + kDev));
}

TEST_F(DaemonAttempts, aborted_dials_are_given_up_after_their_bound) {
  hci0.discovered(lamp);
  lamp.every_connect(aborts());
  const auto reply = client.establish(kLamp, {{"max-attempts", 1u}});
  EXPECT_THAT(failure(reply), StartsWith("Aborted seen-no-answer: BlueZ gave up the dial (failure 3 of 3, "));
  EXPECT_THAT(reply->message, HasSubstr("le-connection-abort-by-local"));
  EXPECT_THAT(failed_attempts(),
              ElementsAre("1/3 seen-no-answer", "2/3 seen-no-answer", "3/3 seen-no-answer"));
  EXPECT_EQ(bluez.count("Connect"), 3u);
}

TEST_F(DaemonAttempts, two_aborted_dials_do_not_keep_the_third_from_success) {
  hci0.discovered(lamp);
  lamp.next_connects({aborts(), aborts()});
  connect_the_lamp();
  EXPECT_THAT(failed_attempts(), ElementsAre("1/9 seen-no-answer", "2/9 seen-no-answer"));
  release_the_lamp();
}

TEST_F(DaemonAttempts, a_full_controller_is_out_of_connection_slots) {
  connect_the_lamp();
  hci0.slots = 1;
  Peripheral& other = bluez.add_peripheral("AA:BB:CC:DD:EE:02");
  client.forget_signals();
  const auto reply = client.establish(other.address, {{"max-attempts", 1u}});
  EXPECT_THAT(
      failure(reply),
      StartsWith("OutOfConnectionSlots no-slot: the adapter refused a further connection (failure 3 of 3, "));
  EXPECT_THAT(failed_attempts(), ElementsAre("1/3 no-slot", "2/3 no-slot", "3/3 no-slot"));
  release_the_lamp();
}

TEST_F(DaemonAttempts, services_that_never_come_are_a_failed_connection) {
  lamp.every_connect(never_resolves());
  const auto reply = client.establish(kLamp, {{"attempt-timeout", 1u}, {"max-attempts", 1u}});
  EXPECT_THAT(failure(reply), StartsWith("ConnectionFailed services-incomplete: "));
}

TEST_F(DaemonAttempts, a_mute_peers_resolved_services_are_not_believed) {
  lamp.every_connect(is_mute());
  const auto reply = client.establish(kLamp, {{"max-attempts", 1u}});
  EXPECT_THAT(failure(reply), StartsWith("ConnectionFailed services-incomplete: "));
  EXPECT_THAT(reply->message, HasSubstr("ServicesResolved came without services"));
}

TEST_F(DaemonAttempts, the_whole_call_has_a_deadline) {
  lamp.advertise(false);
  const auto reply = client.establish(kLamp, {{"timeout", 1u}});
  EXPECT_THAT(failure(reply), StartsWith("Timeout not-seen: no link within 1 s (still discovering); "));
}

TEST_F(DaemonAttempts, the_deadline_names_the_last_failure) {
  hci0.discovered(lamp);
  lamp.next_connects({aborts(), hangs()});
  const auto reply = client.establish(kLamp, {{"timeout", 1u}});
  EXPECT_THAT(failure(reply), StartsWith("Timeout seen-no-answer: no link within 1 s (1 failed attempts, "));
}

TEST_F(DaemonAttempts, an_adapter_that_is_off_is_not_ready) {
  hci0.power_off();
  ASSERT_TRUE(state_becomes("waiting-for-adapter"));
  const auto reply = client.establish(kLamp, {{"timeout", 1u}});
  EXPECT_THAT(failure(reply), StartsWith("NotReady adapter-off: the adapter is off or gone (waited 1 s); "));
}

TEST_F(DaemonAttempts, without_bluetoothd_nothing_is_ready) {
  bluez.kill();
  ASSERT_TRUE(state_becomes("waiting-for-bluez"));
  const auto reply = client.establish(kLamp, {{"timeout", 1u}});
  EXPECT_THAT(failure(reply), StartsWith("NotReady stack-down: bluetoothd is not running (waited 1 s); "));
  EXPECT_EQ(world.bus.bluez_activations(), 0u);
  bluez.come_back();
  ASSERT_TRUE(state_becomes("running"));
}

TEST_F(DaemonAttempts, a_call_waits_for_bluetoothd_and_costs_no_attempt) {
  bluez.kill();
  ASSERT_TRUE(state_becomes("waiting-for-bluez"));
  const auto reply = client.establish(kLamp);
  ASSERT_TRUE(told_state_becomes("queued"));
  bluez.come_back();
  ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  EXPECT_EQ(reply->arguments[1]["attempts"], 1);
  release_the_lamp();
}

// --- pairing ---

TEST_F(DaemonAttempts, pair_dials_by_pairing) {
  hci0.discovered(lamp);
  const auto reply = client.establish(kLamp, {{"pair", true}});
  ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  EXPECT_TRUE(hci0.device(lamp)->paired());
  EXPECT_THAT(bluez.called({"Pair", "Connect", "CancelPairing"}), ElementsAre("Pair " + kDev));
  release_the_lamp();
}

TEST_F(DaemonAttempts, a_bonded_device_is_connected_not_paired_again) {
  hci0.discovered(lamp);
  ASSERT_EQ(world.outcome(client.establish(kLamp, {{"pair", true}})), "ok");
  release_the_lamp();
  bluez.forget_calls();
  ASSERT_EQ(world.outcome(client.establish(kLamp, {{"pair", true}})), "ok");
  EXPECT_THAT(bluez.called({"Pair", "Connect"}), ElementsAre("Connect " + kDev));
  release_the_lamp();
}

TEST_F(DaemonAttempts, a_rejected_pairing_is_hopeless_at_once) {
  hci0.discovered(lamp);
  lamp.next_pairs({pair_fails("AuthenticationRejected", "Authentication Rejected")});
  const auto reply = client.establish(kLamp, {{"pair", true}});
  EXPECT_THAT(failure(reply), StartsWith("ConnectionFailed auth-failed: "));
  EXPECT_THAT(failed_attempts(), SizeIs(1));
  EXPECT_EQ(bluez.count("Pair"), 1u);
  EXPECT_EQ(bluez.count("Connect"), 0u);
}

TEST_F(DaemonAttempts, a_pairing_that_is_given_up_is_cancelled) {
  hci0.discovered(lamp);
  lamp.next_pairs({pair_never()});
  const auto reply = client.establish(kLamp, {{"pair", true}});
  ASSERT_TRUE(called_becomes("Pair", 1));
  EXPECT_EQ(value_of(client.release(kLamp)), 0);
  EXPECT_EQ(world.outcome(reply), kErrors + "Cancelled");
  EXPECT_THAT(bluez.called({"Pair", "CancelPairing"}), ElementsAre("Pair " + kDev, "CancelPairing " + kDev));
  EXPECT_EQ(bluez.leftovers(), Leftovers{});
}

// --- where BlueZ misleads ---

TEST_F(DaemonAttempts, success_without_a_link_is_a_failure) {
  hci0.discovered(lamp);
  lamp.next_connects({succeeds_without_link()});
  connect_the_lamp();
  EXPECT_THAT(failed_attempts(), ElementsAre("1/9 link-lost"));
  EXPECT_EQ(client.signals("AttemptFailed")[0].arguments[2], kErrors + "Aborted");
  release_the_lamp();
}

TEST_F(DaemonAttempts, a_link_that_comes_up_without_a_signal_is_found) {
  hci0.discovered(lamp);
  lamp.next_connects({succeeds_silently()});
  connect_the_lamp();
  EXPECT_THAT(failed_attempts(), IsEmpty());
  release_the_lamp();
}

TEST_F(DaemonAttempts, a_dial_whose_object_vanishes_is_answered_without_bluez) {
  hci0.discovered(lamp);
  lamp.next_connects({object_vanishes()});
  connect_the_lamp();
  EXPECT_THAT(failed_attempts(), ElementsAre("1/9 seen-no-answer"));
  release_the_lamp();
}

TEST_F(DaemonAttempts, an_object_that_vanishes_with_its_device_is_not_found) {
  hci0.discovered(lamp);
  lamp.next_connects({object_vanishes()});
  bluez.when_called("Connect", [&] { lamp.advertise(false); });
  const auto reply = client.establish(kLamp, {{"max-attempts", 1u}, {"attempt-timeout", 1u}});
  EXPECT_THAT(failure(reply), StartsWith("NotFound not-seen: "));
  EXPECT_THAT(failed_attempts(), ElementsAre("1/3 removed", "2/1 not-seen"));
}

TEST_F(DaemonAttempts, links_that_drop_before_their_services_are_dialled_again_at_once) {
  lamp.next_connects({drops_at_once(), drops_before_services(), drops_while_discovering()});
  connect_the_lamp();
  EXPECT_THAT(failed_attempts(), ElementsAre("1/9 link-lost", "2/9 link-lost", "3/9 link-lost"));
  for (const auto& signal : client.signals("AttemptFailed")) EXPECT_EQ(signal.arguments[5], 1);
  release_the_lamp();
}

TEST_F(DaemonAttempts, a_late_answer_of_an_old_dial_is_not_taken_for_the_next) {
  hci0.discovered(lamp);
  // The first dial is given up after 1 s; its error comes while the second one, linked, waits for its answer.
  lamp.next_connects({fails_late(std::chrono::seconds{28}), replies_late(std::chrono::seconds{14})});
  const auto reply = client.establish(kLamp, {{"attempt-timeout", 1u}});
  ASSERT_TRUE(called_becomes("Connect", 2));
  ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  EXPECT_EQ(reply->arguments[1]["attempts"], 2);
  EXPECT_GE(reply->took, std::chrono::milliseconds{1'400});
  EXPECT_THAT(failed_attempts(), SizeIs(1));
  EXPECT_THAT(bluez.called({"Connect", "Disconnect"}),
              ElementsAre("Connect " + kDev, "Disconnect " + kDev, "Connect " + kDev));
  release_the_lamp();
}

TEST_F(DaemonAttempts, an_object_whose_path_has_another_address_is_found) {
  lamp.path_address = "11:22:33:44:55:66";
  hci0.discovered(lamp);
  const auto reply = client.establish(kLamp);
  ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  EXPECT_EQ(reply->arguments[1]["bluez-device"], "/org/bluez/hci0/dev_11_22_33_44_55_66");
  EXPECT_EQ(bluez.count("StartDiscovery"), 0u);
  release_the_lamp();
}

TEST_F(DaemonAttempts, a_new_object_whose_path_has_another_address_is_heard) {
  lamp.path_address = "11:22:33:44:55:66";
  const auto reply = client.establish(kLamp);
  ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  EXPECT_EQ(reply->arguments[1]["bluez-device"], "/org/bluez/hci0/dev_11_22_33_44_55_66");
  release_the_lamp();
}

// --- the choice of an adapter ---

class DaemonTwoAdapters : public DaemonAttempts {
 protected:
  void SetUp() override {
    start();
    ASSERT_TRUE(status_has("hci1 on"));
  }
  std::string adapter_of(const PendingReply& reply) {
    EXPECT_EQ(world.outcome(reply), "ok") << reply->message;
    return reply->ok() ? reply->arguments[1]["adapter"].get<std::string>() : "none";
  }
  Adapter& hci1 = bluez.add_adapter();
};

TEST_F(DaemonTwoAdapters, the_one_that_hears_the_device_is_taken) {
  lamp.rssi_at[&hci0] = std::nullopt;
  EXPECT_EQ(adapter_of(client.establish(kLamp)), "hci1");
  release_the_lamp();
  EXPECT_EQ(bluez.count("StartDiscovery"), 2u);
  EXPECT_EQ(bluez.count("StopDiscovery"), 2u);
}

TEST_F(DaemonTwoAdapters, the_one_that_hears_it_louder_is_taken) {
  lamp.rssi_at[&hci0] = -90;
  lamp.rssi_at[&hci1] = -50;
  EXPECT_EQ(adapter_of(client.establish(kLamp)), "hci1");
  release_the_lamp();
}

TEST_F(DaemonTwoAdapters, a_little_louder_is_not_enough) {
  lamp.rssi_at[&hci0] = -60;
  lamp.rssi_at[&hci1] = -57;
  EXPECT_EQ(adapter_of(client.establish(kLamp)), "hci0");
  release_the_lamp();
}

TEST_F(DaemonTwoAdapters, a_pinned_one_is_taken_by_name_and_by_address) {
  lamp.rssi_at[&hci0] = -90;
  lamp.rssi_at[&hci1] = -50;
  EXPECT_EQ(adapter_of(client.establish(kLamp, {{"adapter", "hci0"}})), "hci0");
  release_the_lamp();
  EXPECT_THAT(bluez.called({"StartDiscovery"}), ElementsAre("StartDiscovery hci0"));
  EXPECT_EQ(adapter_of(client.establish(kLamp, {{"adapter", hci1.address()}})), "hci1");
  release_the_lamp();
}

TEST_F(DaemonTwoAdapters, a_pinned_one_that_is_not_there_is_waited_for) {
  const auto reply = client.establish(kLamp, {{"adapter", "hci7"}, {"timeout", 1u}});
  EXPECT_THAT(failure(reply), StartsWith("NotReady adapter-off: "));
  EXPECT_EQ(bluez.count("StartDiscovery"), 0u);
}

TEST_F(DaemonTwoAdapters, an_existing_link_comes_before_every_other_reason) {
  lamp.rssi_at[&hci0] = -30;
  hci0.discovered(lamp);
  hci1.discovered(lamp);
  Client& stranger = world.client();
  const std::string there = "/org/bluez/hci1/dev_AA_BB_CC_DD_EE_FF";
  ASSERT_EQ(world.outcome(stranger.bluez_device(there, "Connect")), "ok");
  EXPECT_EQ(adapter_of(client.establish(kLamp)), "hci1");
  release_the_lamp();
  EXPECT_EQ(world.outcome(stranger.bluez_device(there, "Disconnect")), "ok");
}

TEST_F(DaemonTwoAdapters, two_digits_in_the_index_are_no_obstacle) {
  lamp.rssi_at[&hci0] = std::nullopt;
  bluez.unplug(hci1);
  bluez.plug(hci1, 10);
  ASSERT_TRUE(status_has("hci10 on"));
  const auto reply = client.establish(kLamp);
  EXPECT_EQ(adapter_of(reply), "hci10");
  EXPECT_EQ(reply->arguments[1]["bluez-device"], "/org/bluez/hci10/dev_AA_BB_CC_DD_EE_FF");
  release_the_lamp();
}

TEST_F(DaemonTwoAdapters, an_index_beyond_the_ruled_ones_is_met_by_its_first_change) {
  lamp.rssi_at[&hci0] = std::nullopt;
  bluez.unplug(hci1);
  bluez.plug(hci1, 120);
  ASSERT_TRUE(status_has("hci120 on"));
  look_at_rest();  // it has a rule of its own from now on
  EXPECT_EQ(adapter_of(client.establish(kLamp)), "hci120");
  release_the_lamp();
}

// --- idle is free ---

class DaemonIdle : public DaemonAttempts {
 protected:
  long wake_ups() {
    std::ifstream file("/proc/" + std::to_string(world.daemon->process().pid()) + "/status");
    const std::string field = "voluntary_ctxt_switches:";
    for (std::string line; std::getline(file, line);)
      if (line.starts_with(field)) return std::stol(line.substr(field.size()));
    return -1;
  }
  // 300 devices advertise for another program that discovers; until it has seen this many changes.
  void storm(std::size_t reports) {
    listener.forget_signals();
    listener.forget_events();
    ASSERT_TRUE(world.until([&] { return listener.count_signals("PropertiesChanged") >= reports; }));
  }
  Client& listener = world.client();
};

TEST_F(DaemonIdle, advertisements_do_not_wake_the_daemon) {
  connect_the_lamp();  // leaves the rules of a remembered device behind
  release_the_lamp();
  for (int i = 0; i < 300; ++i) {
    char address[18];
    std::snprintf(address, sizeof address, "C0:00:00:00:%02X:%02X", i / 256, i % 256);
    bluez.add_peripheral(address).changes_data = true;
  }
  listener.watch_bluez();
  ASSERT_EQ(world.outcome(listener.bluez_adapter("/org/bluez/hci0", "StartDiscovery")), "ok");
  storm(100);
  EXPECT_EQ(value_of(client.manager_property("State")), "running");  // whatever was on its way is read
  // What follows a release, a file of the cache and a status line among it, has been done.
  auto before = wake_ups();
  for (auto last = -1L; last != before && !HasFatalFailure(); before = wake_ups()) {
    last = before;
    storm(1'000);
  }
  ASSERT_GT(before, 0);
  storm(3'000);
  EXPECT_LE(wake_ups(), before + 3);
  EXPECT_EQ(world.outcome(listener.bluez_adapter("/org/bluez/hci0", "StopDiscovery")), "ok");
  // The measure works: a call does wake it.
  for (int i = 0; i < 10; ++i) EXPECT_EQ(value_of(client.manager_property("State")), "running");
  EXPECT_GE(wake_ups(), before + 5);
}

}  // namespace
}  // namespace bleconnd::integration
