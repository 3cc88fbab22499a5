// The host suspends: nothing of ours has the radio then, nothing is counted, and everything goes on after it.
#include "stage.hpp"

namespace bleconnd::simulation {
namespace {

std::string sensor(int number) {
  return "AA:00:00:00:00:" + std::to_string(10 + number);
}

struct Sleeper : Stage {
  // Whether the daemon is ready for it within 4 s.
  bool falls_asleep() {
    sleep();
    return world.run_until([&] { return is_ready_to_sleep(); }, 4100ms);
  }
  bool is_quiet() { return bluetoothd.dials(Program::ours) + bluetoothd.discoveries(Program::ours) == 0; }
};

TEST(Sleep, EndsDialsAndDiscoveryUncounted) {
  Sleeper stage;
  stage.keep_object(kLamp).rssi = -60;
  stage.bluetoothd.peer(kLamp).interval = 10s;
  stage.bluetoothd.hears(kFirst, kLamp);
  auto dialled = stage.establish(kAlice, kLamp);
  auto listened = stage.establish(kAlice, kLock);
  stage.run_for(1s);
  ASSERT_EQ(stage.bluetoothd.dials(Program::ours), 1U);
  const auto begin = stage.world.now();
  EXPECT_TRUE(stage.falls_asleep());
  EXPECT_LT(stage.world.now() - begin, 1s);
  EXPECT_TRUE(stage.is_quiet());
  stage.run_for(60s);
  EXPECT_TRUE(stage.is_quiet()) << "whoever has the radio wakes nobody up";
  EXPECT_THAT(stage.effects("attempt"), IsEmpty());
  stage.bluetoothd.hears(kFirst, kLock);
  stage.wake();
  stage.run_until_answered(dialled);
  stage.run_until_answered(listened);
  EXPECT_EQ(dialled->text(), "ok hci0");
  EXPECT_EQ(listened->text(), "ok hci0");
  EXPECT_THAT(stage.effects("attempt"), IsEmpty());
}

TEST(Sleep, WakesInTheOrderOfPriorities) {
  Sleeper stage;
  ASSERT_TRUE(stage.falls_asleep());
  const Priority priorities[] = {Priority::low, Priority::normal, Priority::high};
  for (int i = 0; i < 3; ++i) {
    stage.bluetoothd.hears(kFirst, sensor(i));
    stage.keep_object(sensor(i)).rssi = -60;
    EstablishOptions options;
    options.terms.priority = priorities[i];
    stage.establish(kAlice, sensor(i), options);
  }
  stage.run_for(10s);
  stage.begin();
  stage.wake();
  stage.run_for(20s);
  EXPECT_THAT(stage.effects("Connect "),
              ElementsAre(HasSubstr("hci0/12"), HasSubstr("hci0/11"), HasSubstr("hci0/10")));
}

TEST(Sleep, LinksThatItEndedComeBack) {
  Sleeper stage;
  EstablishOptions maintained;
  maintained.terms.maintain = true;
  for (int i = 0; i < 5; ++i) {
    stage.bluetoothd.hears(kFirst, sensor(i));
    EXPECT_EQ(stage.connect(kAlice, sensor(i), maintained), "ok hci0");
  }
  stage.run_for(90s);
  ASSERT_TRUE(stage.falls_asleep());
  for (int i = 0; i < 5; ++i) stage.bluetoothd.drop_link(sensor(i));
  stage.begin();
  stage.run_for(100s);
  EXPECT_EQ(stage.count("Connect"), 0U);
  stage.wake();
  stage.run_for(30s);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(stage.stage(sensor(i)), "connected") << i;
}

TEST(Sleep, ADisconnectThatIsNotAnsweredHoldsItUpForItsPatienceOnly) {
  Sleeper stage;
  stage.keep_object(kLamp).rssi = -60;
  stage.bluetoothd.peer(kLamp).interval = 10s;
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.establish(kAlice, kLamp);
  stage.run_for(1s);
  stage.bluetoothd.faults["Disconnect"] = {{.answered = false}};
  const auto begin = stage.world.now();
  EXPECT_TRUE(stage.falls_asleep());
  EXPECT_EQ(stage.world.now() - begin, 4s);
  stage.wake();
}

}  // namespace
}  // namespace bleconnd::simulation
