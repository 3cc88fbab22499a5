// A filter of sd-bus: it runs before matches and objects and lets everything pass.
// sd-bus rewinds the message before each filter, so that several can read it.
#include "system/signal_filter.hpp"

#include <utility>

namespace bleconnd {

SignalFilter::SignalFilter(sd_bus* bus, std::function<void(sd_bus_message* signal)> see)
    : see_{std::move(see)} {
  sd_bus_slot* slot{};
  must(sd_bus_add_filter(bus, &slot, on_message, this), "sd_bus_add_filter");
  slot_.reset(slot);
}

int SignalFilter::on_message(sd_bus_message* message, void* self, sd_bus_error*) {
  if (sd_bus_message_is_signal(message, nullptr, nullptr) > 0)
    static_cast<SignalFilter*>(self)->see_(message);
  return 0;
}

}  // namespace bleconnd
