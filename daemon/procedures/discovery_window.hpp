// The discovery sessions of one window, on adapters that come and go while it is open.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "procedures/discovery.hpp"

namespace bleconnd {

class DiscoveryWindow {
 public:
  DiscoveryWindow(Executor& executor, Bluez& bluez, Discovery& discovery)
      : executor_{executor}, bluez_{bluez}, discovery_{discovery} {}

  // Ends the sessions on adapters that have gone, are off or have come up anew, and on those not `wanted`.
  void keep(const std::function<bool(const AdapterState&)>& wanted);
  void open(const AdapterState& adapter);
  bool is_open(const std::string& adapter) const { return open_.contains(adapter); }  // by its path
  bool none() const { return open_.empty(); }
  std::vector<std::string> adapters() const;  // paths

  // How long no adapter at all has listened, since dials had their radios: that is no part of the window.
  Duration deaf() const;
  // The sessions go on with who takes them.
  std::vector<Discovery::Token> take();

 private:
  struct Session {
    std::uint64_t power_epoch;
    Discovery::Token token;
    Duration deaf_before;
  };
  Executor& executor_;
  Bluez& bluez_;
  Discovery& discovery_;
  std::map<std::string, Session> open_;  // by adapter path
};

}  // namespace bleconnd
