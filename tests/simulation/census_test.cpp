// The links that other programs hold: which count, how often BlueZ is asked for them, and what becomes of
// those that cannot be followed.
#include "stage.hpp"

namespace bleconnd::simulation {
namespace {

const std::string kBell = "AA:00:00:00:00:03";
const std::string kDoor = "AA:00:00:00:00:04";
const Fault kNoAnswer{.answered = false};
const Fault kRefused{.name = "org.bluez.Error.Failed", .text = "what is this"};

// hci0 has one slot; the lamp and the lock are heard.
struct OneSlot : Stage {
  explicit OneSlot(std::uint32_t limit = 1) {
    limits = {{kFirst, limit}};
    configure();
    for (auto& device : {kLamp, kLock}) {
      bluetoothd.hears(kFirst, device);
      keep_object(device).rssi = -60;
    }
  }
  // Of another program.
  Object& link_of_others(const std::string& device) {
    bluetoothd.hears(kFirst, device);
    auto& made = keep_object(device);
    bluetoothd.foreign_connect(made.path);
    run_for(3s);
    EXPECT_TRUE(made.connected);
    begin();
    return made;
  }
  void link_of_others_ends(const std::string& device) {
    bluetoothd.foreign_disconnect(bluetoothd.path(kFirst, device));
  }
  // When the link of the bell is looked at first.
  void at_look_of_bell(std::function<void()> happens) {
    auto& bluez = daemon().bluez;
    bluez.on_call = [happens = std::move(happens), told = bluez.on_call](const std::string& member,
                                                                         const std::string& path) mutable {
      told(member, path);
      if (member == "GetAll" && short_path(path) == "hci0/03" && happens) std::exchange(happens, {})();
    };
  }
  CallHandle patient(const std::string& client, const std::string& device) {
    return establish(client, device, with_timeout(600s));
  }
};

TEST(Census, CountsNoLinkThatTakesNoSlot) {
  for (const bool audio : {true, false}) {
    OneSlot stage;
    auto& other = stage.link_of_others(kBell);
    if (audio) other.low_energy = false;
    if (!audio) other.told_address = "not an address";
    EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0") << audio;
    other.low_energy = true;
    other.told_address.clear();
  }
}

// Two devices that are refused at once tell how many links an adapter holds. A second object of the first,
// whose path holds another address, is no other link to it.
TEST(Census, ALinkOfTheDeviceItselfFillsNoAdapter) {
  for (const bool others : {false, true}) {
    Stage stage;
    auto& up = stage.bluetoothd.make_object(kFirst, others ? kDoor : kLamp, kBell);
    up.connected = true;
    auto& audio = stage.bluetoothd.make_object(kFirst, "AA:00:00:00:00:05");
    audio.connected = true;
    audio.low_energy = false;
    for (auto& device : {kLamp, kLock}) {
      stage.bluetoothd.hears(kFirst, device);
      stage.keep_object(device).rssi = -60;
      stage.bluetoothd.faults["Connect"] = {
          {.name = "org.bluez.Error.Failed", .text = "le-connection-abort-by-local", .after = 10ms}};
      stage.establish(kAlice, device);
      stage.run_for(100ms);
    }
    EXPECT_EQ(stage.daemon().radio.queue.slots().limit(kFirst, stage.world.now()), others ? 1U : 0U);
    up.connected = audio.connected = false;
  }
}

TEST(Census, IsOneReadForAllWhoWaitForIt) {
  for (const bool answered : {true, false}) {
    OneSlot stage;
    stage.link_of_others(kBell);
    if (!answered) stage.bluetoothd.faults["GetManagedObjects"] = {kNoAnswer};
    auto first = stage.patient(kAlice, kLamp);
    auto second = stage.patient(kBob, kLock);
    stage.run_for(2900ms);
    EXPECT_EQ(stage.count("GetManagedObjects"), 1U);
    EXPECT_EQ(stage.count("Connect"), 0U);
    if (answered) stage.link_of_others_ends(kBell);
    stage.run_for(3s);
    EXPECT_EQ(stage.effects("Connect ").size(), 1U) << "not counted: the controller has the last word";
    stage.link_of_others_ends(kBell);
    stage.run_for(5s);
    stage.release(kAlice, kLamp);
    stage.run_for(10s);
    EXPECT_EQ(first->text(), "ok hci0");
    EXPECT_EQ(second->text(), "ok hci0");
  }
}

TEST(Census, WhoGivesUpWhileItIsMadeIsAnsweredAtOnce) {
  for (auto& gives_up : {kAlice, kBob}) {
    OneSlot stage;
    stage.link_of_others(kBell);
    stage.bluetoothd.faults["GetManagedObjects"] = {kNoAnswer, kNoAnswer};
    const auto device_of = [](const std::string& client) { return client == kAlice ? kLamp : kLock; };
    auto first = stage.patient(kAlice, kLamp);
    auto second = stage.patient(kBob, kLock);
    stage.run_for(1s);
    auto& given_up = gives_up == kAlice ? first : second;
    auto& other = gives_up == kAlice ? second : first;
    stage.run_until_answered(stage.release(gives_up, device_of(gives_up)), 100ms);
    EXPECT_EQ(given_up->text(), "Cancelled cancelled");
    EXPECT_EQ(other->text(), "-");
    EXPECT_EQ(stage.count("Connect"), 0U);
    stage.link_of_others_ends(kBell);
    stage.run_until_answered(other);
    EXPECT_EQ(other->text(), "ok hci0");
  }
}

// hci0 is full of our own links: who waits for it and for the census is cancelled by both.
TEST(Census, OfAFullAdapterIsGivenUpBeforeItsQueue) {
  OneSlot stage;
  EXPECT_EQ(stage.connect(kAlice, kLock), "ok hci0");
  stage.run_for(5s);
  stage.bluetoothd.faults["GetManagedObjects"] = {kNoAnswer};
  auto call = stage.patient(kBob, kLamp);
  stage.run_for(1s);
  stage.release(kBob, kLamp);
  stage.run_until_answered(call, 100ms);
  EXPECT_EQ(call->text(), "Cancelled cancelled");
  EXPECT_TRUE(stage.daemon().radio.queue.queued(kFirst).empty());
}

TEST(Census, FollowsEachLinkOnceThoughItIsCountedAgain) {
  OneSlot stage{2};
  stage.link_of_others(kBell);
  stage.link_of_others(kDoor);
  auto first = stage.patient(kAlice, kLamp);
  stage.run_for(5s);
  stage.begin();
  auto second = stage.patient(kBob, kLock);
  stage.run_for(5s);
  EXPECT_EQ(stage.count("GetManagedObjects"), 1U);
  EXPECT_EQ(stage.daemon().bluez.watches(), 2U) << "one a link";
  EXPECT_EQ(first->answers + second->answers, 0);
  stage.link_of_others_ends(kBell);
  stage.run_for(5s);
  EXPECT_EQ(first->text(), "ok hci0") << "who came first";
  EXPECT_EQ(second->text(), "-");
  stage.link_of_others_ends(kDoor);
  stage.run_until_answered(second);
  EXPECT_EQ(second->text(), "ok hci0");
}

TEST(Census, ALinkThatCannotBeFollowedIsFollowedFromTheNextCountOn) {
  OneSlot stage;
  stage.link_of_others(kBell);
  stage.daemon().bluez.rules_are_used_up = true;
  auto first = stage.patient(kAlice, kLamp);
  stage.run_for(5s);
  EXPECT_EQ(stage.daemon().bluez.watches(), 0U);
  EXPECT_EQ(stage.stage(kLamp), "queued") << "it counts all the same";
  stage.daemon().bluez.rules_are_used_up = false;
  auto second = stage.patient(kBob, kLock);
  stage.run_for(5s);
  EXPECT_EQ(stage.daemon().bluez.watches(), 1U);
  stage.link_of_others_ends(kBell);
  stage.run_for(10s);
  EXPECT_EQ(first->text(), "ok hci0");
  EXPECT_EQ(second->text(), "-");
}

// It is not known to be up: it is dialled all the same, since the controller has the last word.
TEST(Census, ALinkWhoseLookFailsIsTakenForEnded) {
  OneSlot stage;
  stage.link_of_others(kBell);
  stage.at_look_of_bell([&] { stage.bluetoothd.faults["GetAll"] = {kRefused}; });
  EXPECT_EQ(stage.connect(kAlice, kLamp), "ok hci0");
  stage.link_of_others_ends(kBell);
}

TEST(Census, ALinkWhoseObjectGoesMeanwhileFreesItsSlot) {
  OneSlot stage;
  stage.link_of_others(kBell);
  stage.at_look_of_bell([&] {
    stage.bluetoothd.drop_link(kBell);
    stage.bluetoothd.foreign_remove(stage.bluetoothd.path(kFirst, kBell));
  });
  auto call = stage.patient(kAlice, kLamp);
  stage.run_until_answered(call, 3s);
  EXPECT_EQ(call->text(), "ok hci0");
}

}  // namespace
}  // namespace bleconnd::simulation
