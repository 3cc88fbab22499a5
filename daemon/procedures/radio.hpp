// What every procedure works with, named once: the port to BlueZ and what the attempts of all devices share.
#pragma once
#include "core/route_memory.hpp"
#include "ports/bluez.hpp"
#include "ports/cache_store.hpp"
#include "ports/dial_record.hpp"
#include "procedures/dial_turns.hpp"
#include "procedures/discovery.hpp"

namespace bleconnd {

struct Radio {
  Executor& executor;
  Bluez& bluez;
  DialRecord& dials;
  CacheStore& cache;
  Discovery discovery{executor, bluez};
  DialTurns turns{executor};
  RouteMemory routes{};

  const Stack& stack() const { return bluez.stack(); }
  TimePoint now() const { return executor.now(); }
};

}  // namespace bleconnd
