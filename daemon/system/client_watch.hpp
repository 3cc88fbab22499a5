// The clients of the bus: who has left it, and as which user a caller runs. One rule covers all departures.
// Who called and left is the leases' business; here only names and users are known.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/lease_book.hpp"
#include "system/match_rules.hpp"
#include "system/signal_filter.hpp"

namespace sdbus {
class IConnection;
class Message;
}  // namespace sdbus

namespace bleconnd {

class Journal;

class ClientWatch {
 public:
  ClientWatch(sdbus::IConnection& connection, const Journal& journal);

  // `left` is called with the unique name of every client that leaves the bus, also of those that never
  // called us; inside sd-bus, so it takes values and wakes coroutines, nothing more.
  void on_left(std::function<void(const std::string&)> left) { left_ = std::move(left); }

  // The user of who sent a call. Asks the bus driver once a client and waits for its answer; then it is known
  // until the client leaves. nobody_known: it has left already.
  std::uint32_t uid(const sdbus::Message& call);
  // The unique names that are on the bus now; asks the bus driver and waits for its answer. Departures after
  // it are told by on_left().
  std::set<std::string> present();
  static constexpr std::uint32_t nobody_known = Caller::kUnknown;

 private:
  void on_signal(sd_bus_message* signal);
  std::uint32_t ask(const std::string& client);

  sd_bus* bus_;
  std::function<void(const std::string&)> left_;
  std::unordered_map<std::string, std::uint32_t> uids_;
  MatchRules rules_;
  std::optional<MatchRules::Held> rule_;
  SignalFilter filter_;
};

}  // namespace bleconnd
