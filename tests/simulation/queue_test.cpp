// One dial at a time on an adapter: whose turn it is, and who does not stand in the way.
#include "stage.hpp"

namespace bleconnd::simulation {
namespace {

std::string device(int number) {
  return "AA:00:00:00:00:" + std::to_string(number);
}

EstablishOptions with_priority(Priority priority) {
  EstablishOptions options;
  options.terms.priority = priority;
  return options;
}

// The devices, in the order of their Connects.
std::vector<std::string> dialled(const Stage& stage) {
  std::vector<std::string> order;
  for (auto& line : stage.effects("Connect ")) order.push_back(line.substr(line.size() - 2));
  return order;
}

// Devices that are heard, known to BlueZ, and slow to connect: a second each.
struct Slow : Stage {
  explicit Slow(int devices = 12) {
    for (int i = 10; i < 10 + devices; ++i) {
      bluetoothd.hears(kFirst, device(i));
      bluetoothd.peer(device(i)).link_time = 1s;
      keep_object(device(i)).rssi = -60;
    }
  }
  std::vector<std::string> dialled() const { return bleconnd::simulation::dialled(*this); }
};

TEST(Queue, FirstComeFirstServed) {
  Slow stage;
  for (int i : {13, 11, 12}) stage.establish(kAlice, device(i));
  stage.run_for(10s);
  EXPECT_THAT(stage.dialled(), ElementsAre("13", "11", "12"));
}

TEST(Queue, HighPriorityGoesFirstLowLast) {
  Slow stage;
  stage.establish(kAlice, device(10));
  stage.run_for(100ms);
  stage.establish(kAlice, device(11), with_priority(Priority::low));
  stage.establish(kAlice, device(12));
  stage.establish(kBob, device(13), with_priority(Priority::high));
  stage.establish(kBob, device(14), with_priority(Priority::high));
  stage.run_for(10s);
  EXPECT_THAT(stage.dialled(), ElementsAre("10", "13", "14", "12", "11"));
}

TEST(Queue, WhoJoinsWithAHigherPriorityRaisesTheRun) {
  Slow stage;
  stage.establish(kAlice, device(10));
  stage.run_for(100ms);
  stage.establish(kAlice, device(11), with_priority(Priority::low));
  stage.establish(kAlice, device(12));
  stage.run_for(100ms);
  stage.establish(kBob, device(11), with_priority(Priority::high));
  stage.run_for(10s);
  EXPECT_THAT(stage.dialled(), ElementsAre("10", "11", "12"));
}

TEST(Queue, AnOldLowRequestIsServedAfterEightLaterOnes) {
  Slow stage{30};
  stage.establish(kAlice, device(10));
  stage.run_for(100ms);
  auto low = stage.establish(kAlice, device(11), with_priority(Priority::low));
  for (int i = 12; i < 36; ++i) stage.establish(kBob, device(i), with_priority(Priority::high));
  stage.run_until_answered(low);
  const auto order = stage.dialled();
  EXPECT_EQ(std::ranges::find(order, "11") - order.begin(), 9) << "the first, eight later ones, then it";
}

TEST(Queue, WhoMayNotBeOvertakenStaysSoOverAReload) {
  Slow stage{30};
  stage.add_second_adapter();
  stage.establish(kAlice, device(10));
  stage.run_for(100ms);
  auto low = stage.establish(kAlice, device(11), with_priority(Priority::low));
  for (int i = 12; i < 36; ++i) stage.establish(kBob, device(i), with_priority(Priority::high));
  ASSERT_TRUE(stage.world.run_until([&] { return stage.dialled().size() == 9; }, 20s));
  stage.settings.adapters[kSecond].ignore = true;
  stage.configure();  // all who wait look anew for their ways
  stage.run_until_answered(low);
  const auto order = stage.dialled();
  EXPECT_EQ(std::ranges::find(order, "11") - order.begin(), 9);
}

// Between two dials the radio listens for a moment: who is heard then goes behind those who wait for it.
TEST(Queue, WhoIsHeardInTheMomentBetweenTwoDialsDoesNotOvertake) {
  Stage stage;
  EstablishOptions maintained;
  maintained.terms.maintain = true;
  maintained.wait = false;
  for (int i = 10; i < 15; ++i) {
    stage.bluetoothd.hears(kFirst, device(i));
    stage.keep_object(device(i)).rssi = -60;
    stage.bluetoothd.peer(device(i)).manner.completes = false;
    stage.establish(kAlice, device(i), maintained);
  }
  stage.bluetoothd.hears(kFirst, kLamp);
  auto call = stage.establish(kBob, kLamp);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci0");
  const auto order = dialled(stage);
  EXPECT_LE(std::ranges::find(order, "01") - order.begin(), 5) << ::testing::PrintToString(order);
}

TEST(Queue, PositionIsVisible) {
  Slow stage;
  stage.establish(kAlice, device(10));
  for (int i : {11, 12, 13}) stage.establish(kAlice, device(i));
  stage.run_for(100ms);
  auto& queue = stage.daemon().radio.queue;
  EXPECT_EQ(queue.position(*DeviceAddress::parse(device(10))), 0U) << "it is dialled";
  EXPECT_EQ(queue.position(*DeviceAddress::parse(device(11))), 1U);
  EXPECT_EQ(queue.position(*DeviceAddress::parse(device(13))), 3U);
  EXPECT_EQ(queue.queued(kFirst).size(), 3U);
  EXPECT_EQ(queue.dialling(kFirst)->text(), device(10));
  EXPECT_FALSE(queue.dialling(kSecond));
  EXPECT_EQ(stage.stage(device(12)), "queued");
}

TEST(Queue, IsIdleWhenNobodyWaitsDialsOrHoldsALink) {
  Slow stage;
  auto& queue = stage.daemon().radio.queue;
  EXPECT_TRUE(queue.idle());
  stage.establish(kAlice, device(10));
  auto last = stage.establish(kAlice, device(11));
  stage.run_for(100ms);
  EXPECT_FALSE(queue.idle()) << "one waits";
  stage.run_for(2s);
  EXPECT_FALSE(queue.idle()) << "one dials";
  stage.run_until_answered(last);
  EXPECT_FALSE(queue.idle()) << "there are links";
  for (int i : {10, 11}) stage.run_until_answered(stage.release(kAlice, device(i)));
  EXPECT_TRUE(queue.idle());
}

TEST(Queue, OfEachAdapterIsItsOwn) {
  Slow stage;
  stage.add_second_adapter();
  for (int i : {30, 31, 32}) {
    stage.bluetoothd.hears(kSecond, device(i));
    stage.bluetoothd.peer(device(i)).link_time = 1s;
    stage.keep_object(device(i), kSecond).rssi = -60;
  }
  for (int i : {10, 30, 11, 31, 12, 32}) stage.establish(kAlice, device(i));
  stage.run_for(100ms);
  auto& queue = stage.daemon().radio.queue;
  for (int twice = 0; twice < 2; ++twice)  // one by one, then all at once
    for (int i : {31, 11})
      for (int place : {1, 2})
        EXPECT_EQ(queue.position(*DeviceAddress::parse(device(i + place - 1))), static_cast<unsigned>(place));
  EXPECT_EQ(queue.queued(kFirst).size(), 2U);
  EXPECT_EQ(queue.queued(kSecond).size(), 2U);
}

TEST(Queue, WhoMayNotBeOvertakenAnyMoreGoesInTheOrderOfArrival) {
  Slow stage{30};
  stage.establish(kAlice, device(10));
  stage.run_for(100ms);
  for (int i : {11, 12}) stage.establish(kAlice, device(i), with_priority(Priority::low));
  for (int i = 13; i < 35; ++i) stage.establish(kBob, device(i), with_priority(Priority::high));
  stage.world.run_until([&] { return stage.count("Connect") == 9; }, 100s);
  const auto line = stage.daemon().radio.queue.queued(kFirst);
  ASSERT_GE(line.size(), 2U);
  EXPECT_EQ(line[0].text(), device(11));
  EXPECT_EQ(line[1].text(), device(12));
  stage.run_for(20s);
  const auto order = stage.dialled();
  EXPECT_EQ(std::ranges::find(order, "12") - std::ranges::find(order, "11"), 1);
}

TEST(Queue, PositionsOfAllAreThoseOfEach) {
  Slow stage;
  stage.establish(kAlice, device(10));
  for (int i = 11; i < 16; ++i) stage.establish(kAlice, device(i));
  stage.run_for(100ms);
  auto& queue = stage.daemon().radio.queue;
  const auto positions = [&] {
    std::vector<std::uint32_t> all;
    for (int i = 11; i < 16; ++i) all.push_back(queue.position(*DeviceAddress::parse(device(i))));
    return all;
  };
  EXPECT_THAT(positions(), ElementsAre(1, 2, 3, 4, 5));
  stage.establish(kBob, device(14), with_priority(Priority::high));
  EXPECT_THAT(positions(), ElementsAre(2, 3, 4, 1, 5)) << "at once, when one is raised";
  EXPECT_THAT(positions(), ElementsAre(2, 3, 4, 1, 5));
}

TEST(Queue, ACallerThatLeavesLeavesTheLine) {
  Slow stage;
  stage.set_linger(0s);
  stage.establish(kAlice, device(10));
  stage.establish(kBob, device(11));
  stage.establish(kAlice, device(12));
  stage.run_for(200ms);
  stage.leave(kBob);
  stage.run_for(10s);
  EXPECT_THAT(stage.dialled(), ElementsAre("10", "12"));
}

TEST(Queue, ADeadTargetHoldsTheOthersNoLongerThanItsAttemptTimeout) {
  Slow stage;
  stage.bluetoothd.peer(device(10)).manner.completes = false;  // it is heard, and never answers
  auto dead = stage.establish(kAlice, device(10), with_attempts(5s, 1));
  stage.run_for(100ms);
  auto live = stage.establish(kBob, device(11));
  stage.run_until_answered(live);
  EXPECT_EQ(live->text(), "ok hci0");
  EXPECT_LT(stage.seconds(live), 5 + 2);
  EXPECT_THAT(stage.effects("Connect hci0/11"), ElementsAre(HasSubstr("5.0 Connect")));
  stage.run_until_answered(dead);
}

TEST(Queue, ATargetThatIsNotHeardWaitsOutsideAndDialsWithinATenthOfASecondOfItsReport) {
  Slow stage;
  auto absent = stage.establish(kAlice, kLamp);
  stage.run_for(2s);
  for (int i : {10, 11, 12}) stage.establish(kBob, device(i));
  stage.run_for(8s);
  EXPECT_THAT(stage.dialled(), ElementsAre("10", "11", "12"));
  stage.bluetoothd.peer(kLamp).interval = 10ms;
  stage.begin();
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.world.run_until([&] { return stage.count("Connect") > 0; }, 5s);
  EXPECT_EQ(stage.effects("Connect hci0/01"), std::vector<std::string>{"0.0 Connect hci0/01"});
  stage.run_until_answered(absent);
  EXPECT_EQ(absent->text(), "ok hci0");
}

TEST(Queue, DialsInARowLetThoseWhoListenHaveTheRadioNowAndThen) {
  Slow stage{40};
  auto listens = stage.establish(kAlice, kLamp, with_attempts(100s));
  stage.run_for(500ms);
  for (int i = 10; i < 50; ++i) stage.establish(kBob, device(i));
  stage.run_for(2s);
  stage.bluetoothd.hears(kFirst, kLamp);
  stage.run_until_answered(listens);
  EXPECT_EQ(listens->text(), "ok hci0");
  EXPECT_LT(stage.dialled().size(), 12U) << "it was heard in the first rest";
}

TEST(Queue, WhoWaitsForATurnAtTheDeadlineIsToldSo) {
  Slow stage;
  stage.bluetoothd.peer(device(10)).manner.completes = false;
  stage.establish(kAlice, device(10), with_attempts(20s, 1));
  stage.run_for(100ms);
  EXPECT_EQ(stage.connect(kBob, device(11), with_timeout(5s)), "Timeout adapter-busy");
}

TEST(Queue, TwoAdaptersDialAtTheSameTime) {
  Slow stage;
  stage.add_second_adapter();
  stage.bluetoothd.hears(kSecond, kLamp);
  stage.keep_object(kLamp, kSecond).rssi = -60;
  stage.establish(kAlice, device(10));
  auto other = stage.establish(kBob, kLamp);
  stage.run_for(100ms);
  EXPECT_EQ(stage.bluetoothd.dials(Program::ours), 2U);
  stage.run_until_answered(other);
}

TEST(Queue, ATurnOnAnAdapterThatGoesIsLookedForElsewhere) {
  Slow stage;
  stage.add_second_adapter();
  for (auto& adapter : {kFirst, kSecond}) stage.bluetoothd.hears(adapter, kLamp);
  for (auto& adapter : {kFirst, kSecond})
    stage.keep_object(kLamp, adapter).rssi = adapter == kFirst ? -40 : -80;
  stage.bluetoothd.peer(device(10)).manner.completes = false;
  stage.establish(kAlice, device(10));
  stage.run_for(100ms);
  auto call = stage.establish(kBob, kLamp);
  stage.run_for(100ms);
  EXPECT_EQ(stage.stage(kLamp), "queued");
  stage.bluetoothd.unplug(kFirst);
  stage.run_until_answered(call);
  EXPECT_EQ(call->text(), "ok hci1");
  EXPECT_THAT(stage.effects("attempt 2"), IsEmpty());
}

}  // namespace
}  // namespace bleconnd::simulation
