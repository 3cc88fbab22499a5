// org.bleconnd as it should not be: it answers what a test says, or not at all.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "fake_service.hpp"

namespace bleconnd::integration {

class FakeDaemon final : private FakeService {
 public:
  // Called with each call of Manager1, to answer it or not.
  using Answers = std::function<void(const std::string& member, sd_bus_message* call)>;

  FakeDaemon(Loop& loop, const std::string& bus_address, Answers answers)
      : FakeService{loop, bus_address, "org.bleconnd"}, answers_{std::move(answers)} {}

 private:
  int receive(sd_bus_message* message) override {
    if (sd_bus_message_is_method_call(message, "org.bleconnd.Manager1", nullptr) <= 0) return 0;
    answers_(text_or_empty(sd_bus_message_get_member(message)), message);
    return 1;
  }

  Answers answers_;
};

}  // namespace bleconnd::integration
