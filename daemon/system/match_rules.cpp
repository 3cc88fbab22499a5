// AddMatch and RemoveMatch of the bus driver, without waiting for their answers.
// The bus handles them in order with our calls, so a call sent later is answered with the rule in force.
#include "system/match_rules.hpp"

#include <algorithm>

#include "system/journal.hpp"

namespace bleconnd {
namespace {

constexpr char kBus[] = "org.freedesktop.DBus";
constexpr char kBusPath[] = "/org/freedesktop/DBus";

BusMessage driver_call(sd_bus* bus, const char* member, const std::string& rule) {
  sd_bus_message* call{};
  if (sd_bus_message_new_method_call(bus, &call, kBus, kBusPath, kBus, member) < 0) return {};
  BusMessage owned{call};
  if (sd_bus_message_append(call, "s", rule.c_str()) < 0) return {};
  return owned;
}

// Without an answer.
int send(sd_bus* bus, sd_bus_message* call) {
  const int set = sd_bus_message_set_expect_reply(call, 0);
  return set < 0 ? set : sd_bus_send(bus, call, nullptr);
}

}  // namespace

struct MatchRules::Held::Rule {
  MatchRules* rules;
  std::string text;
  BusSlot adding{};
};

MatchRules::MatchRules(sd_bus* bus, const Journal& journal) : bus_{bus}, journal_{journal} {}
MatchRules::~MatchRules() = default;

std::optional<MatchRules::Held> MatchRules::hold(std::string rule, Confirmed confirmed) {
  if (room() == 0) return {};
  auto call = driver_call(bus_, "AddMatch", rule);
  if (!call) return {};
  const auto at = held_.insert(held_.end(), Held::Rule{this, std::move(rule)});
  const int sent = confirmed == Confirmed::itself ? send_asking(call.get(), *at) : send(bus_, call.get());
  if (sent >= 0) return Held{this, at};
  held_.erase(at);
  return {};
}

int MatchRules::send_asking(sd_bus_message* call, Held::Rule& rule) {
  sd_bus_slot* slot{};
  const int sent = sd_bus_call_async(bus_, &slot, call, on_added, &rule, UINT64_MAX);
  rule.adding.reset(slot);
  return sent;
}

std::size_t MatchRules::room() const {
  return most_ - std::min(most_, held_.size());
}

// A refusal means that this bus allows fewer: what we have is then the most.
int MatchRules::on_added(sd_bus_message* answer, void* rule_, sd_bus_error*) {
  auto& rule = *static_cast<Held::Rule*>(rule_);
  auto& rules = *rule.rules;
  rule.adding.reset();
  const auto* error = sd_bus_message_get_error(answer);
  if (!error) return 0;
  rules.most_ = std::min(rules.most_, rules.held_.size() - 1);
  rules.journal_.error("the bus refused a match rule ({}), {} at most from now on", error->name, rules.most_);
  return 0;
}

void MatchRules::remove(Held::At at) {
  auto call = driver_call(bus_, "RemoveMatch", at->text);
  held_.erase(at);
  if (call) send(bus_, call.get());
}

}  // namespace bleconnd
