// Who waits to hear which device on which adapter. While somebody listens to an adapter, two rules let its
// reports through; they are shared by all who listen there and go with the last one. Reports of devices that
// nobody waits for are dropped unread.
#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ports/bluez.hpp"
#include "system/bluez_messages.hpp"
#include "system/match_rules.hpp"

namespace bleconnd {

class Ears {
 public:
  Ears(Executor& executor, MatchRules& rules) : executor_{executor}, rules_{rules} {}
  Ears(const Ears&) = delete;
  Ears& operator=(const Ears&) = delete;

  Outcome<std::unique_ptr<Ear>> listen(const std::string& adapter, DeviceAddress address,
                                       std::vector<std::string> paths, Notice& notice);

  bool listens_to(std::string_view path) const { return by_path_.contains(std::string{path}); }
  // An object was made: by its address property, which can differ from the one in its path. Whether somebody
  // waits for it.
  bool added(std::string_view path, const DeviceProperties& properties);
  void changed(std::string_view path, const DeviceProperties& properties);

 private:
  class Listening;
  struct Rules {
    MatchRules::Held properties;
    MatchRules::Held objects;
    std::size_t ears = 0;
  };

  Rules* rules_for(const std::string& adapter);
  void leave(Listening& ear);

  Executor& executor_;
  MatchRules& rules_;
  std::map<std::string, Rules> adapters_;
  std::unordered_multimap<std::string, Listening*> by_path_;
  std::unordered_multimap<std::string, Listening*> by_address_;  // "adapter path/address"
};

}  // namespace bleconnd
