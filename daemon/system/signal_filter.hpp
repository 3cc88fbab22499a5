// Every signal that reaches our bus connection, once. Also those that no rule of ours let through: anybody
// can send us signals directly, so who looks at one compares its sender first.
#pragma once
#include <functional>

#include "system/sd_handles.hpp"

namespace bleconnd {

class SignalFilter {
 public:
  // `see` is called inside sd-bus; the message stands at its first argument.
  SignalFilter(sd_bus* bus, std::function<void(sd_bus_message* signal)> see);
  SignalFilter(const SignalFilter&) = delete;
  SignalFilter& operator=(const SignalFilter&) = delete;

 private:
  static int on_message(sd_bus_message* message, void* self, sd_bus_error* error);
  std::function<void(sd_bus_message*)> see_;
  BusSlot slot_;
};

}  // namespace bleconnd
