// ports::CacheStore in memory. It survives a life of the daemon, as the folder does.
#pragma once
#include <map>
#include <optional>

#include "ports/cache_store.hpp"
#include "world.hpp"

namespace bleconnd::simulation {

class Cache final : public CacheStore {
 public:
  explicit Cache(World& world) : world_{world} {}
  std::chrono::sys_seconds now() const override {
    return std::chrono::sys_seconds{
        std::chrono::duration_cast<std::chrono::seconds>(world_.now().time_since_epoch())};
  }
  std::optional<CacheEntry> load(DeviceAddress device) override {
    auto at = entries_.find(device);
    return at == entries_.end() ? std::nullopt : std::optional{at->second};
  }
  bool has(DeviceAddress device) const override { return entries_.contains(device); }
  void save(DeviceAddress device, CacheEntry entry) override {
    ++writes;
    entries_.insert_or_assign(device, std::move(entry));
  }
  void drop(DeviceAddress device) override { entries_.erase(device); }
  Task<bool> remove(DeviceAddress device) override { co_return entries_.erase(device) > 0; }
  Task<std::uint32_t> remove_all() override {
    const auto removed = entries_.size();
    entries_.clear();
    co_return static_cast<std::uint32_t>(removed);
  }

  std::size_t writes = 0;

 private:
  World& world_;
  std::map<DeviceAddress, CacheEntry> entries_;
};

}  // namespace bleconnd::simulation
