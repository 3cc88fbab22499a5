// What is kept of devices' services beyond their connections: one entry a device, on disk.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "async/task.hpp"
#include "core/address.hpp"
#include "core/gatt_database.hpp"
#include "ports/outcome.hpp"

namespace bleconnd {

struct CacheEntry {
  GattDatabase services;
  std::vector<std::uint8_t> hash;  // Database Hash (0x2B2A), 16 bytes; empty: the device has none
  std::string adapter;             // Adapter1.Address that it was last read through
  // Name of BlueZ's object, "dev_AA_BB_CC_DD_EE_FF"; its address can differ from the device's.
  std::string object;
  std::chrono::sys_seconds read_at{};  // when the services were last known to be these
  bool operator==(const CacheEntry&) const = default;
};

class CacheStore {
 public:
  virtual ~CacheStore() = default;
  // The clock of `read_at`.
  virtual std::chrono::sys_seconds now() const = 0;
  // Nothing where there is no entry, or none that can be used: that is said in the journal, once.
  // Counts as a use: what was used least recently goes first when there are too many.
  virtual std::optional<CacheEntry> load(DeviceAddress device) = 0;
  virtual bool has(DeviceAddress device) const = 0;
  // Written in the background; later ones of the same device replace those that are not yet being written.
  // load() knows it at once.
  virtual void save(DeviceAddress device, CacheEntry entry) = 0;
  // At once and for good: a write under way cannot bring it back. Whether there was one.
  virtual Task<bool> remove(DeviceAddress device) = 0;
  // The same, and nobody waits for it.
  virtual void drop(DeviceAddress device) = 0;
  virtual Task<std::uint32_t> remove_all() = 0;  // how many there were
};

}  // namespace bleconnd
