// Two indexes, so that a report costs the same however many wait.
// They are no owners: an ear takes itself out of both when it goes.
#include "system/ears.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "system/bluez_paths.hpp"

namespace bleconnd {
namespace {

// Of one device below one adapter: one for each private address that it was paired under.
constexpr std::size_t kPaths = 64;

std::string address_key(std::string_view adapter, std::string_view address) {
  return fmt::format("{}/{}", adapter, address);
}

template <class Map, class T>
void erase_pair(Map& map, const std::string& key, const T* value) {
  const auto range = map.equal_range(key);
  for (auto at = range.first; at != range.second; ++at) {
    if (at->second != value) continue;
    map.erase(at);
    return;
  }
}

}  // namespace

class Ears::Listening final : public Ear {
 public:
  Listening(Ears& ears, std::string adapter, DeviceAddress address, std::vector<std::string> paths,
            Notice& notice)
      : ears_{ears},
        adapter_{std::move(adapter)},
        address_key_{address_key(adapter_, address.text())},
        notice_{notice} {
    ears_.by_address_.emplace(address_key_, this);
    for (auto& path : paths) hear_path(path);
  }
  ~Listening() override {
    erase_pair(ears_.by_address_, address_key_, this);
    for (auto& path : paths_) erase_pair(ears_.by_path_, path, this);
    ears_.leave(*this);
  }
  const std::optional<Report>& heard() const override { return heard_; }
  const std::string& adapter() const { return adapter_; }

  void hear_path(std::string_view path) {
    const bool ours = adapter_part(path) == adapter_ && paths_.size() < kPaths;
    if (!ours || std::find(paths_.begin(), paths_.end(), path) != paths_.end()) return;
    paths_.emplace_back(path);
    ears_.by_path_.emplace(paths_.back(), this);
  }
  void report(std::string_view path, const DeviceProperties& properties) {
    heard_ = Report{std::string{path}, properties.rssi, ears_.executor_.now()};
    notice_.notify();
  }

 private:
  Ears& ears_;
  std::string adapter_;
  std::string address_key_;
  std::vector<std::string> paths_;
  Notice& notice_;
  std::optional<Report> heard_;
};

Outcome<std::unique_ptr<Ear>> Ears::listen(const std::string& adapter, DeviceAddress address,
                                           std::vector<std::string> paths, Notice& notice) {
  if (!adapter_index(adapter)) return Failure{Cause::invalid, "no path of an adapter"};
  auto* rules = rules_for(adapter);
  if (!rules) return Failure{Cause::limits, "no match rule is left"};
  ++rules->ears;
  return std::unique_ptr<Ear>{std::make_unique<Listening>(*this, adapter, address, std::move(paths), notice)};
}

Ears::Rules* Ears::rules_for(const std::string& adapter) {
  if (const auto at = adapters_.find(adapter); at != adapters_.end()) return &at->second;
  auto properties = rules_.hold(fmt::format(
      "type='signal',sender='org.bluez',path_namespace='{}',interface='org.freedesktop.DBus.Properties',"
      "member='PropertiesChanged',arg0='{}'",
      adapter, kDeviceInterface));
  auto objects = rules_.hold(fmt::format(
      "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.ObjectManager',arg0path='{}/'",
      adapter));
  if (!properties || !objects) return nullptr;
  return &adapters_.try_emplace(adapter, Rules{std::move(*properties), std::move(*objects)}).first->second;
}

void Ears::leave(Listening& ear) {
  const auto at = adapters_.find(ear.adapter());
  if (--at->second.ears == 0) adapters_.erase(at);
}

bool Ears::added(std::string_view path, const DeviceProperties& properties) {
  if (!properties.address) return false;
  const auto range = by_address_.equal_range(address_key(adapter_part(path), *properties.address));
  std::vector<Listening*> told;
  for (auto at = range.first; at != range.second; ++at) told.push_back(at->second);
  for (auto* ear : told) {
    ear->hear_path(path);
    ear->report(path, properties);
  }
  return !told.empty();
}

void Ears::changed(std::string_view path, const DeviceProperties& properties) {
  if (!properties.reported) return;
  const auto range = by_path_.equal_range(std::string{path});
  for (auto at = range.first; at != range.second; ++at) at->second->report(path, properties);
}

}  // namespace bleconnd
