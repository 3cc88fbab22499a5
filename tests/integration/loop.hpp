// The one event loop of a test process: the scripted BlueZ, the clients and the watched children all run on
// it. Tests wait for conditions with a deadline; there is no call that merely lets time pass.
#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include "sd_bus_types.hpp"

namespace bleconnd::integration {

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  [[nodiscard]] sd_event* event() const { return event_; }

  // Handles events until the condition holds; false if the deadline passes first.
  bool run_until(const std::function<bool()>& condition,
                 std::chrono::milliseconds deadline = std::chrono::seconds(10));

  // Runs the action from the loop, after the event that is being handled.
  void soon(std::function<void()> action);

 private:
  void run_actions();

  sd_event* event_ = nullptr;
  EventSource actions_source_;
  std::vector<std::function<void()>> actions_;
};

}  // namespace bleconnd::integration
