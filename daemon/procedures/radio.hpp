// What every procedure works with, named once: the port to BlueZ and what the attempts of all devices share.
#pragma once
#include "core/route_memory.hpp"
#include "core/settings.hpp"
#include "ports/bluez.hpp"
#include "ports/cache_store.hpp"
#include "ports/dial_record.hpp"
#include "ports/lease_record.hpp"
#include "ports/slot_record.hpp"
#include "procedures/absentees.hpp"
#include "procedures/dial_queue.hpp"
#include "procedures/discovery.hpp"
#include "procedures/link_census.hpp"

namespace bleconnd {

struct Radio {
  Executor& executor;
  Bluez& bluez;
  DialRecord& dials;
  CacheStore& cache;
  LeaseRecord& leases;
  SlotRecord& slots;
  Settings settings{};
  Discovery discovery{executor, bluez};
  DialQueue queue{executor, bluez, discovery};
  LinkCensus census{executor, bluez, queue};
  Absentees absentees{executor, bluez, discovery, settings};
  RouteMemory routes{};

  // Another adapter is better, where one hears the device.
  bool avoids(const AdapterState& adapter) const {
    return queue.failing(adapter.address) || discovery.stuck(adapter);
  }
  bool may_use(const Terms& terms, const AdapterState& adapter) const {
    return bleconnd::may_use(settings, terms, adapter);
  }
  // An adapter that is on, and not ignored.
  bool any_adapter() const;
  // Obeyed from here on; links and dials that are there stay.
  void configure(Settings now);

  const Stack& stack() const { return bluez.stack(); }
  TimePoint now() const { return executor.now(); }
};

}  // namespace bleconnd
