// The clients of a seeded run, and what they may expect.
#include "chaos.hpp"

namespace bleconnd::simulation {

EstablishOptions Chaos::some_options() {
  EstablishOptions options;
  auto& dice = world();
  const auto seconds = [&](int low, int high) {
    return std::chrono::seconds{low +
                                static_cast<int>(dice.number(static_cast<std::uint64_t>(high - low + 1)))};
  };
  if (dice.chance(40)) options.timeout = seconds(faults_ ? 1 : 30, 60);
  if (dice.chance(5)) options.timeout = 0s;
  if (dice.chance(40)) options.terms.attempt_timeout = seconds(faults_ ? 1 : 10, 25);
  if (dice.chance(40)) options.terms.max_attempts = static_cast<std::uint32_t>(1 + dice.number(6));
  if (dice.chance(30)) options.terms.priority = static_cast<Priority>(dice.number(3));
  if (dice.chance(8)) options.lifetime = Lifetime::persistent;
  options.wait = !dice.chance(15);
  options.terms.maintain = dice.chance(15);
  options.terms.pair = dice.chance(8);
  options.terms.trust = dice.chance(5);
  options.terms.use_cache = !dice.chance(20);
  if (dice.chance(10)) options.required_uuids = {*full_uuid(faults_ && dice.chance(50) ? "180f" : "1801")};
  return options;
}

void Chaos::establish(const std::string& client, const std::string& device) {
  auto options = some_options();
  if (world().chance(12)) {
    std::vector<std::string> hearing;
    for (auto& [adapter, rssi] : heard_by_[device]) hearing.push_back(adapter);
    options.terms.adapter = any_of(hearing);
  }
  calls_.push_back(scene_.establish(client, device, options));
}

void Chaos::client_acts(std::size_t number) {
  auto& client = clients_[number];
  const auto& device = any_of(devices_);
  switch (world().number(20)) {
    case 0:
    case 1:
    case 2:
      scene_.leave(client);
      client = ":1." + std::to_string(++names_);
      break;
    case 3:
      endings_.push_back(scene_.disconnect(device));
      break;
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
      endings_.push_back(scene_.release(client, device));
      if (world().chance(30)) establish(client, device);  // right behind it
      break;
    case 11:
      // By force it ends whatever runs, a pairing too: that is a fault.
      endings_.push_back(scene_.clear_cache(client, device, world().chance(20) && faults_));
      break;
    case 12:
      endings_.push_back(scene_.services(device));
      break;
    default:
      establish(client, device);
  }
  // In bursts, with pauses that let a link, a linger or an object's 30 s run out.
  const bool burst = world().chance(50);
  later(0s, burst ? Duration{1500ms} : Duration{20s}, [this, number] { client_acts(number); });
}

void Chaos::check_answers() {
  for (auto& call : calls_) check_call(*call);
  for (auto& ending : endings_) {
    if (ending->answers == 0 && ending->is_dropped_at_end && stopped_) continue;
    if (ending->answers != 1)
      scene_.complain("an end was answered " + std::to_string(ending->answers) + " times");
    else if (*ending->answered - ending->asked > 20s + 50ms)
      scene_.complain("an end took too long");
  }
}

void Chaos::check_call(const Call& call) {
  ++answers_[call.text()];
  if (call.answers != 1) {
    scene_.complain("a call was answered " + std::to_string(call.answers) + " times");
    return;
  }
  const auto timeout = call.options.timeout.value_or(120s);
  if (timeout > 0s && *call.answered - call.asked > timeout + 50ms) scene_.complain("a deadline was missed");
  if (faults_ || call.ok()) return;
  const auto text = call.text();
  // Waiting for a slot can use up all of a deadline, or what a dial would have needed of it.
  const bool no_slot = limited_ && (text == "OutOfConnectionSlots no-slot" || text.starts_with("Timeout"));
  const bool may_be = text.starts_with("Cancelled") || text.starts_with("Busy") || no_slot;
  if (!may_be) scene_.complain("without any fault: " + text + " " + call.message());
}

}  // namespace bleconnd::simulation
