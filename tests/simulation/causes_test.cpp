// Every row of the table of causes: one cause alone, its counter, its category and its token.
#include "stage.hpp"

namespace bleconnd::simulation {
namespace {

TEST(Causes, DiscoveryWindowOverNeverHeard) {
  Stage stage;
  auto call = stage.establish(kAlice, kLamp, with_attempts(5s));
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "NotFound not-seen");
  EXPECT_THAT(
      stage.effects("attempt"),
      ElementsAre("5.0 attempt 1: not-seen 1/4 again in 0.000", "10.0 attempt 2: not-seen 2/4 again in 0.000",
                  "15.0 attempt 3: not-seen 3/4 again in 0.000", "20.0 attempt 4: not-seen 4/4"));
  EXPECT_EQ(stage.count("Connect"), 0U);
  stage.run_for(1s);
  EXPECT_EQ(stage.bluetoothd.discoveries(Program::ours), 0U);
}

TEST(Causes, DialTimeoutNeverHeard) {
  Stage stage;
  stage.keep_object(kLamp);
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(3s, 1)), "NotFound not-seen");
  EXPECT_THAT(stage.effects(),
              ElementsAre("0.0 Connect hci0/01", "3.0 Disconnect hci0/01", "3.0 attempt 1: not-seen 1/1"));
}

TEST(Causes, DialTimeoutThoughHeard) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.peer(kLamp).manner.completes = false;
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(3s, 1)), "NotFound seen-no-answer");
  EXPECT_THAT(stage.effects(),
              ElementsAre("0.0 StartDiscovery hci0", "0.2 Connect hci0/01", "0.2 StopDiscovery hci0",
                          "3.2 Disconnect hci0/01", "3.2 attempt 1: seen-no-answer 1/1"));
}

TEST(Causes, ObjectGoneBeforeTheDial) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  for (int i = 0; i < 9; ++i)
    stage.bluetoothd.faults["Connect"].push_back(
        {.name = "org.freedesktop.DBus.Error.UnknownObject", .text = "Method \"Connect\" … doesn't exist\n"});
  EXPECT_EQ(stage.connect(kAlice, kLamp), "NotFound removed");
  EXPECT_EQ(stage.effects("attempt").size(), 9U);
  EXPECT_EQ(stage.count("Disconnect"), 0U);
}

// An untrusted device's object goes with a failed dial, and Connect is never answered.
TEST(Causes, RemovedDuringTheDialAndHeardAgain) {
  Stage stage{{.habits = {.create_timeout = 4s}}};
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.peer(kLamp).manner.completes = false;
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(20s, 1)), "Aborted seen-no-answer");
  EXPECT_THAT(stage.effects("attempt"), ElementsAre("4.6 attempt 1: seen-no-answer 1/3 again in 0.250",
                                                    HasSubstr("2/3"), HasSubstr("3/3")));
  EXPECT_EQ(stage.count("Disconnect"), 0U);
}

TEST(Causes, RemovedDuringTheDialAndNotHeardAgain) {
  Stage stage{{.habits = {.create_timeout = 4s}}};
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.peer(kLamp).manner.completes = false;
  auto call = stage.establish(kAlice, kLamp, with_attempts(20s, 1));
  stage.run_for(3s);
  stage.bluetoothd.hears_no_more(kFirst, kLamp);
  stage.run_until_answered(call);
  // Three seconds of listening after the removal; then a window in which it is not heard.
  EXPECT_THAT(stage.effects("attempt"),
              ElementsAre("7.4 attempt 1: removed 1/3 again in 0.000", "27.4 attempt 2: not-seen 1/1"));
  EXPECT_EQ(call->text(), "NotFound not-seen");
}

TEST(Causes, RemovedAtOnceOnAnAdapterThatHoldsLinks) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.hears(kFirst, kLock);
  stage.bluetoothd.controller(kFirst).slots = 1;
  EXPECT_EQ(stage.connect(kBob, kLock), "ok hci0");
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(20s, 1)), "OutOfConnectionSlots no-slot");
  EXPECT_EQ(stage.effects("no-slot").size(), 3U);
}

TEST(Causes, RemovedAtOnceOnAnIdleAdapterIsNoLackOfSlots) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  auto call = stage.establish(kAlice, kLamp);
  stage.world.run_until([&] { return stage.count("Connect") > 0; }, 10s);
  stage.run_for(50ms);
  stage.bluetoothd.foreign_remove(stage.lamp_at());
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
  EXPECT_THAT(stage.effects("attempt"), ElementsAre(HasSubstr("attempt 1: seen-no-answer 1/9")));
}

TEST(Causes, LinkLostBeforeItsServices) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.peer(kLamp).manner.drops_after = 50ms;
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(20s, 1)), "Aborted link-lost");
  EXPECT_EQ(stage.effects("link-lost").size(), 3U);
}

TEST(Causes, LinkThatDropsAtOnce) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.peer(kLamp).manner.drops_after = 1ms;
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(20s, 1)), "Aborted link-lost");
}

TEST(Causes, MutePeerHasNoServices) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.peer(kLamp).manner.mute = true;
  auto call = stage.establish(kAlice, kLamp, with_attempts(20s, 1));
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ConnectionFailed services-incomplete");
  EXPECT_EQ(stage.count("Disconnect"), 1U);
  stage.run_for(1s);
  EXPECT_EQ(stage.bluetoothd.links(Program::ours), 0U);
}

TEST(Causes, ServicesThatAreToldBehindServicesResolvedAreNoFailure) {
  Stage stage{{.habits = {.tells_objects_late = true}}};
  stage.bluetoothd.hears(kFirst, kLamp);
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  EXPECT_THAT(stage.effects("attempt"), IsEmpty());
}

TEST(Causes, ServicesResolvedIsNotBelievedWithoutServices) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.peer(kLamp).manner.mute = true;
  auto call = stage.establish(kAlice, kLamp, with_attempts(60s, 1));
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ConnectionFailed services-incomplete");
  EXPECT_THAT(call->message(), HasSubstr("came without services"));
  EXPECT_LT(stage.seconds(call), 34);
}

TEST(Causes, TheLastCountedFailureDecidesTheCategory) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.bluetoothd.faults["Connect"] = {
      {.name = "org.bluez.Error.Failed", .text = "le-connection-abort-by-local"},
      {.name = "org.bluez.Error.Failed", .text = "what is this"}};
  EXPECT_EQ(stage.connect(kAlice, kLamp, with_attempts(20s, 1)), "ConnectionFailed bluez-error");
  EXPECT_THAT(stage.effects("attempt"),
              ElementsAre(HasSubstr("seen-no-answer 1/3"), HasSubstr("bluez-error 1/1")));
}

TEST(Causes, TimeoutsAndConnectErrorsShareTheirBoundTransientOnesHaveTheirOwn) {
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  const Fault error{.name = "org.bluez.Error.Failed", .text = "what is this"};
  const Fault transient{.name = "org.bluez.Error.Failed", .text = "le-connection-abort-by-local"};
  stage.bluetoothd.faults["Connect"] = {error, transient, transient, transient, transient, error,
                                        error, transient, transient, transient, transient};
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0") << "three errors of four, eight transient ones of nine";
}

// What BlueZ, or a bus, answers to Connect.
struct Row {
  const char* name;
  const char* text;
  const char* answer;
  std::size_t attempts;
};
class Answers : public ::testing::TestWithParam<Row> {};

TEST_P(Answers, OfConnect) {
  const auto row = GetParam();
  Stage stage;
  stage.bluetoothd.hears(kFirst, kLamp);
  for (int i = 0; i < 20; ++i)
    stage.bluetoothd.faults["Connect"].push_back({.name = row.name, .text = row.text});
  EXPECT_EQ(stage.connect(kAlice, kLamp), row.answer);
  EXPECT_EQ(stage.effects("attempt").size(), row.attempts);
  EXPECT_EQ(stage.count("Connect"), row.attempts);
}

constexpr const char* kFailed = "org.bluez.Error.Failed";
INSTANTIATE_TEST_SUITE_P(
    Causes, Answers,
    ::testing::Values(
        Row{"", "", "Aborted link-lost", 9},  // success, and no link
        Row{kFailed, "le-connection-abort-by-local", "Aborted seen-no-answer", 9},
        Row{kFailed, "br-connection-canceled", "Aborted seen-no-answer", 9},
        Row{kFailed, "Software caused connection abort", "Aborted seen-no-answer", 9},
        Row{kFailed, "ESP_GATT_ERROR", "Aborted seen-no-answer", 9},
        Row{kFailed, "ESP_GATT_CONN_TIMEOUT", "Aborted seen-no-answer", 9},
        Row{kFailed, "ESP_GATT_CONN_FAIL_ESTABLISH", "Aborted seen-no-answer", 9},
        Row{kFailed, "ESP_GATT_CONN_TERMINATE_PEER_USER", "Aborted link-lost", 9},
        Row{kFailed, "ESP_GATT_CONN_TERMINATE_LOCAL_HOST", "Aborted link-lost", 9},
        Row{kFailed, "le-connection-concurrent-connection-limit", "OutOfConnectionSlots no-slot", 9},
        Row{kFailed, "br-connection-memory-allocation", "OutOfConnectionSlots no-slot", 9},
        Row{kFailed, "no available connection", "OutOfConnectionSlots no-slot", 9},
        Row{kFailed, "all connection slots are in use", "OutOfConnectionSlots no-slot", 9},
        Row{kFailed, "ESP_GATT_CONN_CONN_CANCEL", "OutOfConnectionSlots no-slot", 9},
        Row{kFailed, "br-connection-key-missing", "ConnectionFailed key-missing", 1},
        Row{"org.bluez.Error.AuthenticationRejected", "Authentication Rejected",
            "ConnectionFailed auth-failed", 1},
        Row{"org.bluez.Error.AuthenticationFailed", "Authentication Failed", "ConnectionFailed auth-failed",
            1},
        Row{"org.bluez.Error.NotSupported", "Operation is not supported", "ConnectionFailed not-supported",
            1},
        Row{"org.freedesktop.DBus.Error.AccessDenied", "Rejected send message", "ConnectionFailed denied", 1},
        Row{kFailed, "le-connection-unknown", "ConnectionFailed bluez-error", 4},
        Row{kFailed, "device not found", "ConnectionFailed bluez-error", 4},
        Row{"org.example.Error", "", "ConnectionFailed bluez-error", 4},
        // "Not powered" and "no bluetoothd", though both are there: counted, or they would be asked for ever.
        Row{kFailed, "Input/output error", "ConnectionFailed bluez-error", 4},
        Row{"org.freedesktop.DBus.Error.ServiceUnknown", "The name is not activatable",
            "ConnectionFailed bluez-error", 4},
        Row{"org.freedesktop.DBus.Error.UnknownObject", "gone", "NotFound removed", 9}));

}  // namespace
}  // namespace bleconnd::simulation
