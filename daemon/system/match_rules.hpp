// The match rules of our bus connection: what the bus wakes us for. Each is a token; dropping it removes the
// rule. They are not sd-bus' matches: one filter sees every signal once, however many rules let it through.
#pragma once
#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "system/sd_handles.hpp"

namespace bleconnd {

class Journal;

class MatchRules {
 public:
  // The system bus allows 512 a connection (max_match_rules_per_connection of dbus-daemon); the rest is a
  // reserve.
  static constexpr std::size_t kMost = 400;

  class Held {
   public:
    Held(Held&& other) noexcept : rules_{std::exchange(other.rules_, nullptr)}, at_{other.at_} {}
    Held& operator=(Held&& other) noexcept {
      std::swap(rules_, other.rules_);
      std::swap(at_, other.at_);
      return *this;
    }
    ~Held() {
      if (rules_) rules_->remove(at_);
    }

   private:
    friend class MatchRules;
    struct Rule;
    using At = std::list<Rule>::iterator;
    Held(MatchRules* rules, At at) : rules_{rules}, at_{at} {}
    MatchRules* rules_;
    At at_;
  };

  MatchRules(sd_bus* bus, const Journal& journal);
  MatchRules(const MatchRules&) = delete;
  MatchRules& operator=(const MatchRules&) = delete;
  ~MatchRules();

  // Sent at once and in order with our calls, not waited for. None: all are used up.
  // `with_next`: another one follows, no rule is removed before it, and its answer speaks for both: a bus
  // that has no room for this one has none for that. An answer costs a wake-up of ours.
  enum class Confirmed : bool { itself, with_next };
  std::optional<Held> hold(std::string rule, Confirmed confirmed = Confirmed::itself);
  std::size_t room() const;

 private:
  int send_asking(sd_bus_message* call, Held::Rule& rule);
  static int on_added(sd_bus_message* answer, void* rule, sd_bus_error* error);
  void remove(Held::At at);

  sd_bus* bus_;
  const Journal& journal_;
  std::list<Held::Rule> held_;
  std::size_t most_ = kMost;
};

}  // namespace bleconnd
