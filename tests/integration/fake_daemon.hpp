// org.bleconnd as it should not be: it answers what a test says, or not at all.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "loop.hpp"
#include "sd_bus_types.hpp"
#include "value.hpp"

namespace bleconnd::integration {

class FakeDaemon {
 public:
  // Called with each call of Manager1, to answer it or not.
  using Answers = std::function<void(const std::string& member, sd_bus_message* call)>;

  FakeDaemon(Loop& loop, const std::string& bus_address, Answers answers) : answers_{std::move(answers)} {
    sd_bus* raw = nullptr;
    checked(sd_bus_new(&raw), "sd_bus_new");
    bus_.reset(raw);
    checked(sd_bus_set_address(raw, bus_address.c_str()), "sd_bus_set_address");
    checked(sd_bus_set_bus_client(raw, 1), "sd_bus_set_bus_client");
    checked(sd_bus_start(raw), "sd_bus_start");
    const auto filter = [](sd_bus_message* message, void* self, sd_bus_error*) {
      return static_cast<FakeDaemon*>(self)->receive(message);
    };
    checked(sd_bus_add_filter(raw, nullptr, filter, this), "sd_bus_add_filter");
    checked(sd_bus_request_name(raw, "org.bleconnd", 0), "own org.bleconnd");
    checked(sd_bus_attach_event(raw, loop.event(), SD_EVENT_PRIORITY_NORMAL), "sd_bus_attach_event");
  }
  ~FakeDaemon() { sd_bus_detach_event(bus_.get()); }
  FakeDaemon(const FakeDaemon&) = delete;

 private:
  int receive(sd_bus_message* message) {
    if (sd_bus_message_is_method_call(message, "org.bleconnd.Manager1", nullptr) <= 0) return 0;
    answers_(text_or_empty(sd_bus_message_get_member(message)), message);
    return 1;
  }

  Answers answers_;
  Bus bus_;
};

}  // namespace bleconnd::integration
