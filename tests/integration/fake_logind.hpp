// org.freedesktop.login1 as far as a delay inhibitor of sleep needs it. A lock is the writing end of a pipe:
// it is held for as long as anybody has that open.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "fake_service.hpp"

namespace bleconnd::integration {

class FakeLogind final : private FakeService {
 public:
  FakeLogind(Loop& loop, const std::string& bus_address)
      : FakeService{loop, bus_address, "org.freedesktop.login1"} {}
  ~FakeLogind() {
    for (int lock : locks_) close(lock);
  }

  bool refuses = false;
  // The arguments of each Inhibit.
  [[nodiscard]] const std::vector<nlohmann::json>& asked() const { return asked_; }
  // The lock that was given last.
  [[nodiscard]] bool locked() const {
    if (locks_.empty()) return false;
    pollfd lock{locks_.back(), 0, 0};
    return poll(&lock, 1, 0) == 0;
  }
  void prepare_for_sleep(bool begins) {
    checked(sd_bus_emit_signal(bus(), "/org/freedesktop/login1", "org.freedesktop.login1.Manager",
                               "PrepareForSleep", "b", begins ? 1 : 0),
            "PrepareForSleep");
  }

 private:
  int receive(sd_bus_message* message) override {
    if (sd_bus_message_is_method_call(message, "org.freedesktop.login1.Manager", "Inhibit") <= 0) return 0;
    asked_.push_back(read_arguments(message));
    if (refuses) return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_ACCESS_DENIED, "Permission denied");
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -1;
    locks_.push_back(ends[0]);
    const int sent = sd_bus_reply_method_return(message, "h", ends[1]);
    close(ends[1]);
    return sent < 0 ? sent : 1;
  }

  std::vector<int> locks_;
  std::vector<nlohmann::json> asked_;
};

}  // namespace bleconnd::integration
