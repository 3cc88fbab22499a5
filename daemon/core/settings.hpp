// What the administrator sets and the procedures obey, as values: those here are the defaults. Pure.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "core/backoff.hpp"
#include "core/quota.hpp"
#include "core/reconnect.hpp"
#include "core/terms.hpp"

namespace bleconnd {

// Maintained devices that are away are listened for in windows; the pause doubles with each one in which the
// device was not heard.
struct ListenTimes {
  std::chrono::seconds window{10};
  std::chrono::seconds pause{20};
  std::chrono::seconds longest_pause{300};
  bool operator==(const ListenTimes&) const = default;
};

struct AdapterSettings {
  std::optional<std::uint32_t> slots{};  // 0: no limit; none: it is learned
  bool ignore = false;
  bool operator==(const AdapterSettings&) const = default;
};

struct Settings {
  std::chrono::seconds linger{30};     // of a caller's lease, after it has left the bus
  std::chrono::seconds not_ready{20};  // without bluetoothd or an adapter, for calls without a timeout
  std::chrono::seconds timeout{120};   // of a call that names none; 0: none
  Terms terms{};                       // of a call that names none
  Pauses pauses{};
  Quota::Limits quota{};
  Reconnect::Times reconnect{};
  ListenTimes listen{};
  std::chrono::seconds cache_age{0};                  // of services that answer a call; 0: any
  std::set<std::string> only{};                       // adapters by address; empty: all of them
  std::map<std::string, AdapterSettings> adapters{};  // by address

  // Nothing is dialled, discovered or adopted there: it is left to other programs.
  bool ignores(const std::string& adapter) const {
    if (!only.empty() && !only.contains(adapter)) return true;
    const auto at = adapters.find(adapter);
    return at != adapters.end() && at->second.ignore;
  }
  std::map<std::string, std::uint32_t> slots() const {
    std::map<std::string, std::uint32_t> set;
    for (auto& [address, adapter] : adapters)
      if (adapter.slots) set.emplace(address, *adapter.slots);
    return set;
  }
  bool operator==(const Settings&) const = default;
};

}  // namespace bleconnd
