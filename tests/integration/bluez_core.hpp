// What the scripted adapters and devices share: the objects, the clock, the settings, and the way to answer a
// call. An answer always leaves behind the signals that were waiting, as in BlueZ.
#pragma once

#include <string>
#include <vector>

#include "bluez_settings.hpp"
#include "object_table.hpp"
#include "timeline.hpp"

namespace bleconnd::integration {

class Device;

class BluezCore {
 public:
  BluezCore(Loop& loop, BluezSettings chosen);
  ~BluezCore();

  BluezSettings settings;
  ObjectTable objects;
  Timeline timeline;

  void attach(sd_bus* bus);  // null: bluetoothd is gone
  [[nodiscard]] sd_bus* bus() const { return bus_; }
  void pause(bool on);  // no appointment is kept and nothing is told meanwhile

  // A null call is one that nobody waits for, a dial by another program for example.
  void answer(const Message& call);
  void answer(const Message& call, const std::function<void(sd_bus_message*)>& fill);
  void fail(const Message& call, const std::string& error, const std::string& message);
  // A signal that is no property change; what waits goes first.
  void emit(const std::string& path, const std::string& interface, const std::string& member,
            const std::vector<Value>& arguments);

  [[nodiscard]] Timeline::Appointment after(microseconds delay, Timeline::Action action) {
    return timeline.after(delay, std::move(action));
  }
  // A device object whose method may still be running is freed after the event.
  void bury(std::unique_ptr<Device> device);

  // The course of events, for the message of a failed test.
  void note(const std::string& line);
  [[nodiscard]] const std::vector<std::string>& story() const { return story_; }

 private:
  void after_event();

  Loop& loop_;
  sd_bus* bus_ = nullptr;
  EventSource idle_source_;
  std::vector<std::unique_ptr<Device>> graveyard_;
  std::vector<std::string> story_;
};

}  // namespace bleconnd::integration
