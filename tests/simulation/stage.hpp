// The usual stage of a scripted scene: one adapter, bluetoothd up, a lamp that is heard. When it ends,
// everybody leaves, lingers pass, and the checkers must find nothing wrong and nothing left over.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "scene.hpp"

namespace bleconnd::simulation {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

inline const std::string kFirst = "00:00:00:00:00:A0";   // adapters: hci0
inline const std::string kSecond = "00:00:00:00:00:B0";  // hci1
inline const std::string kLamp = "AA:00:00:00:00:01";    // devices
inline const std::string kLock = "AA:00:00:00:00:02";
inline const std::string kAlice = ":1.1";  // clients
inline const std::string kBob = ":1.2";

class Stage : public Scene {
 public:
  explicit Stage(Setting setting = {}, bool started = true) : Scene{setting} {
    bluetoothd.plug(kFirst);
    if (!started) return;
    bluetoothd.start();
    run_for(1s);
    begin();
  }
  ~Stage() override {
    if (ends_idle) {
      everybody_leaves();
      run_for(200s);
      check_idle();
    }
    EXPECT_THAT(violations(), IsEmpty()) << ::testing::PrintToString(effects());
  }
  bool ends_idle = true;

  // A client that connects a device, and the answer.
  std::string connect(const std::string& client, const std::string& device, EstablishOptions options = {}) {
    auto call = establish(client, device, std::move(options));
    run_until_answered(call);
    return call->text();
  }
  void add_second_adapter() {
    bluetoothd.plug(kSecond);
    run_for(1s);
    begin();
  }
  std::string lamp_at(const std::string& adapter = kFirst) { return bluetoothd.path(adapter, kLamp); }
  // An object that stays though the device is not heard.
  Object& keep_object(const std::string& device, const std::string& adapter = kFirst) {
    return bluetoothd.make_object(adapter, device);
  }
  // Happens whenever this call is on its way to BlueZ.
  void at_call(const std::string& which, std::function<void()> happens) {
    auto& bluez = daemon().bluez;
    bluez.on_call = [which, happens, told = bluez.on_call](const std::string& member,
                                                           const std::string& path) {
      told(member, path);
      if (member == which) happens();
    };
  }
  double seconds(const CallHandle& call) const {
    return std::chrono::duration<double>(call->answered.value_or(world.now()) - call->asked).count();
  }
};

inline EstablishOptions with_attempts(std::chrono::seconds attempt_timeout, std::uint32_t max_attempts = 4) {
  EstablishOptions options;
  options.terms.attempt_timeout = attempt_timeout;
  options.terms.max_attempts = max_attempts;
  return options;
}
inline EstablishOptions with_timeout(std::chrono::seconds timeout) {
  EstablishOptions options;
  options.timeout = timeout;
  return options;
}
inline EstablishOptions on_adapter(const std::string& adapter) {
  EstablishOptions options;
  options.terms.adapter = adapter;
  return options;
}
inline EstablishOptions with_pairing() {
  EstablishOptions options;
  options.terms.pair = true;
  return options;
}
inline EstablishOptions without_waiting() {
  EstablishOptions options;
  options.wait = false;
  return options;
}

}  // namespace bleconnd::simulation
