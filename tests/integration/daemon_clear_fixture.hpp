// The fixture of the tests of ClearCache: what BlueZ discovers for a connection is counted by its objects.
#pragma once

#include "daemon_cache_fixture.hpp"
#include "device.hpp"

namespace bleconnd::integration {

inline const Dictionary kForce{{"force", true}};

class DaemonClear : public CacheFixture {
 protected:
  void SetUp() override {
    CacheFixture::SetUp();
    watcher.watch_bluez();
  }
  // Connects, and counts the GATT objects that BlueZ makes for it.
  std::size_t objects_discovered_by(const std::function<void()>& connecting) {
    watcher.forget_signals();
    connecting();
    // Signals of one sender keep their order: behind the answer nothing is on its way.
    world.outcome(watcher.get({"org.bluez", hci0.path(), "org.bluez.Adapter1"}, "Powered"));
    const auto lines = watcher.described();
    return static_cast<std::size_t>(std::ranges::count_if(lines, [](const auto& line) {
      return line.starts_with("IA ") && line.find("/service") != line.npos;
    }));
  }
  void expect_discovered_afresh() {
    nlohmann::json results;
    EXPECT_GT(objects_discovered_by([&] { results = connect(); }), 5u);
    EXPECT_TRUE(is_verified(results)) << results;
    release_the_lamp();
    EXPECT_EQ(client.count_signals("ServicesChanged"), 0u);
  }
  bool bluez_has_it() const { return hci0.device(lamp) != nullptr; }
  // BlueZ answers RemoveDevice of a link before the link is down and the object gone.
  bool bluez_forgets() {
    return world.until([&] { return !bluez_has_it(); });
  }

  Client& watcher = world.client();
};

}  // namespace bleconnd::integration
