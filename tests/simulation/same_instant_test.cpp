// One thing at each millisecond of an attempt, with the signals, answers and wake-ups of one instant in any
// order. Whatever it meets: every call is answered once, the next one gets a link, and nothing is left over.
#include "stage.hpp"

namespace bleconnd::simulation {
namespace {

// Look-up, or discovery; dial, link, services: all within 40 ms.
struct Fast : Stage {
  Fast(std::uint64_t seed, bool has_object) : Stage{{.seed = seed}} {
    world.set_interleaving(true);
    for (auto& device : {kLamp, kLock}) {
      auto& peer = bluetoothd.peer(device);
      peer.interval = peer.link_time = 1ms;
      peer.discovery_time = 2ms;
      bluetoothd.hears(kFirst, device);
      if (has_object) keep_object(device);
    }
  }
};

struct Event {
  const char* name;
  void (*happens)(Fast&);
  bool cancels = false;
};
std::ostream& operator<<(std::ostream& out, const Event& event) {
  return out << event.name;
}
const Event kEvents[] = {
    {"power off and on",
     [](Fast& stage) {
       stage.bluetoothd.power(kFirst, false);
       stage.world.after(1ms, [&] { stage.bluetoothd.power(kFirst, true); });
     }},
    {"unplugged and plugged in",
     [](Fast& stage) {
       stage.bluetoothd.unplug(kFirst);
       stage.world.after(1ms, [&] { stage.bluetoothd.plug(kFirst); });
     }},
    {"bluetoothd killed and started",
     [](Fast& stage) {
       stage.bluetoothd.kill();
       stage.world.after(1ms, [&] { stage.bluetoothd.start(); });
     }},
    {"the object removed", [](Fast& stage) { stage.bluetoothd.foreign_remove(stage.lamp_at()); }},
    {"the link lost", [](Fast& stage) { stage.bluetoothd.drop_link(kLamp); }},
    {"a short sleep",
     [](Fast& stage) {
       stage.sleep();
       stage.world.after(5ms, [&] { stage.wake(); });
     }},
    {"a reload that ignores another adapter",
     [](Fast& stage) {
       stage.settings.adapters[kSecond].ignore = true;
       stage.configure();
       stage.bluetoothd.power(kFirst, false);
       stage.world.after(1ms, [&] { stage.bluetoothd.power(kFirst, true); });
     }},
    {"the caller releases", [](Fast& stage) { stage.release(kAlice, kLamp); }, true},
    {"root disconnects", [](Fast& stage) { stage.disconnect(kLamp); }, true},
};

class InTheSameInstant : public ::testing::TestWithParam<Event> {};
INSTANTIATE_TEST_SUITE_P(Each, InTheSameInstant, ::testing::ValuesIn(kEvents));

TEST_P(InTheSameInstant, AsAnythingOfAnAttempt) {
  for (const bool has_object : {true, false})
    for (Duration at = 0ms; at < 48ms; at += 1ms)
      for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        Fast stage{seed, has_object};
        auto call = stage.establish(kAlice, kLamp);
        auto waits = stage.establish(kBob, kLock);
        stage.world.after(at, [&] { GetParam().happens(stage); });
        stage.run_until_answered(call);
        stage.run_until_answered(waits);
        const auto where = clock_text(at) + " seed " + std::to_string(seed);
        EXPECT_THAT(waits->text(), HasSubstr("ok hci0")) << where;
        if (GetParam().cancels && !call->ok()) {
          EXPECT_EQ(call->text(), "Cancelled cancelled") << where;
        } else {
          EXPECT_THAT(call->text(), HasSubstr("ok hci0")) << where;
        }
        stage.run_for(3s);
        EXPECT_THAT(stage.connect(kAlice, kLamp), HasSubstr("ok hci0")) << where;
        EXPECT_TRUE(stage.violations().empty()) << where;
      }
}

// Two callers of one device: the one goes at every moment, the other is not harmed.
TEST(SameInstant, AsAnythingOfAnAttemptAnotherCallerGoesOrComes) {
  EstablishOptions certain;
  certain.terms.use_cache = false;
  for (const bool fails : {false, true})
    for (Duration at = 0ms; at < 44ms; at += 1ms)
      for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        Fast stage{seed, true};
        if (fails)
          stage.bluetoothd.faults["Connect"] = {{.name = "org.bluez.Error.Failed",
                                                 .text = "le-connection-abort-by-local",
                                                 .after = Duration{at}}};
        auto stays = stage.establish(kAlice, kLamp, certain);
        auto goes = stage.establish(kBob, kLamp);
        CallHandle comes;
        stage.world.after(at, [&] {
          stage.release(kBob, kLamp);
          comes = stage.establish(":1.3", kLamp, certain);
        });
        stage.run_until_answered(stays);
        stage.run_for(2s);
        EXPECT_THAT(stays->text(), HasSubstr("ok hci0")) << clock_text(at);
        EXPECT_THAT(comes->text(), HasSubstr("ok hci0")) << clock_text(at);
        EXPECT_EQ(goes->answers, 1) << clock_text(at);
        EXPECT_EQ(stage.stage(kLamp), "connected");
      }
}

// Absentees that are heard in one window, and one instant.
TEST(SameInstant, AllAbsenteesThatAreHeardAreConnected) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    Stage stage{{.seed = seed}};
    stage.world.set_interleaving(true);
    EstablishOptions maintained;
    maintained.terms.maintain = true;
    maintained.wait = false;
    for (int i = 10; i < 16; ++i) stage.establish(kAlice, "AA:00:00:00:00:" + std::to_string(i), maintained);
    stage.run_for(60s);
    for (int i = 10; i < 16; ++i) stage.bluetoothd.hears(kFirst, "AA:00:00:00:00:" + std::to_string(i));
    stage.run_for(ListenTimes{}.longest_pause + 60s);
    for (int i = 10; i < 16; ++i)
      EXPECT_EQ(stage.stage("AA:00:00:00:00:" + std::to_string(i)), "connected") << i;
  }
}

}  // namespace
}  // namespace bleconnd::simulation
