// A service of the bus that a test stands in for: a name, and a filter that sees every message.
#pragma once
#include <string>

#include "loop.hpp"
#include "sd_bus_types.hpp"
#include "value.hpp"

namespace bleconnd::integration {

class FakeService {
 public:
  FakeService(const FakeService&) = delete;

 protected:
  FakeService(Loop& loop, const std::string& bus_address, const char* name) {
    sd_bus* raw = nullptr;
    checked(sd_bus_new(&raw), "sd_bus_new");
    bus_.reset(raw);
    checked(sd_bus_set_address(raw, bus_address.c_str()), "sd_bus_set_address");
    checked(sd_bus_set_bus_client(raw, 1), "sd_bus_set_bus_client");
    checked(sd_bus_negotiate_fds(raw, 1), "sd_bus_negotiate_fds");
    checked(sd_bus_start(raw), "sd_bus_start");
    const auto filter = [](sd_bus_message* message, void* self, sd_bus_error*) {
      return static_cast<FakeService*>(self)->receive(message);
    };
    checked(sd_bus_add_filter(raw, nullptr, filter, this), "sd_bus_add_filter");
    checked(sd_bus_request_name(raw, name, 0), "sd_bus_request_name");
    checked(sd_bus_attach_event(raw, loop.event(), SD_EVENT_PRIORITY_NORMAL), "sd_bus_attach_event");
  }
  ~FakeService() { sd_bus_detach_event(bus_.get()); }

  sd_bus* bus() const { return bus_.get(); }

 private:
  virtual int receive(sd_bus_message* message) = 0;  // 0: it is none of its business

  Bus bus_;
};

}  // namespace bleconnd::integration
