// Calls to us that are larger than any that makes sense are refused before anything of them is copied: the
// bus lets 32 MiB through, and what reads arguments holds them several times over.
#pragma once
#include <systemd/sd-bus.h>

#include <cstddef>

#include "system/sd_handles.hpp"

namespace bleconnd {

class CallLimit {
 public:
  // Of arguments. The largest sensible one has 64 UUIDs of 36 characters and a label of 64: below 4 KiB.
  static constexpr std::size_t kMostBytes = 64 * 1024;

  explicit CallLimit(sd_bus* bus);
  CallLimit(const CallLimit&) = delete;
  CallLimit& operator=(const CallLimit&) = delete;

 private:
  static int on_message(sd_bus_message* message, void* self, sd_bus_error* error);
  BusSlot slot_;
};

}  // namespace bleconnd
