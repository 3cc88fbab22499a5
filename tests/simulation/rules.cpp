// What must be true after every step, and what at the end.
#include <algorithm>

#include "scene.hpp"

namespace bleconnd::simulation {
namespace {

// How long a fact can be on its way to the procedures in the worst of worlds: they cannot know it earlier.
constexpr auto kUnderWay = 3s;

}  // namespace

void Scene::complain(const std::string& what) {
  world.trace("VIOLATION " + what);
  world.set_tracing(false);  // what led to the first one is what is looked for
  if (violations_.size() < 20) violations_.push_back(clock_text(world.now() - begun_) + " " + what);
}

void Scene::check() {
  if (!life_) return;
  check_dials();
  check_slots();
  if (world.now() == leases_checked_) return;  // at the beginning of each instant
  leases_checked_ = world.now();
  check_leases();
}

// A lease ends with its client, or a linger later.
void Scene::check_leases() {
  for (auto* session : life_->connections.sessions()) {
    for (auto& lease : session->leases().all()) {
      const auto left = left_.find(lease.holder.name);
      if (!lease.lingers_to) {
        if (left != left_.end()) complain("a lease of " + lease.holder.name + " without its client");
        continue;
      }
      if (*lease.lingers_to < world.now()) complain("a lease of " + lease.holder.name + " is overdue");
      if (left == left_.end() || *lease.lingers_to > left->second + settings.linger)
        complain("a lease of " + lease.holder.name + " lingers for too long");
    }
  }
}

// A dial that nobody waits for any more has been answered by Disconnect, and not too many are under way.
void Scene::check_dials() {
  std::map<const Controller*, std::uint32_t> under_way;
  std::map<DeviceAddress, std::string> dialled;
  for (auto& [path, object] : bluetoothd.objects()) {
    if (!object->dial || object->dial->program != Program::ours) continue;
    const auto call = object->dial->call;
    if (left_behind_.contains(path)) continue;
    if (++under_way[object->controller] > 1) complain("too many dials on " + object->controller->path);
    if (life_->bluez.waits_for(call) && !dialled.emplace(object->address, path).second)
      complain("dialled on two adapters at once: " + path);
    if (!life_->bluez.waits_for(call) && life_->bluez.last_disconnect(path) < call)
      complain("abandoned without Disconnect: " + path);
  }
}

// Nothing is dialled beyond the limit of an adapter. Links of a former life are known by a count only, and
// those of other programs by one that was asked for shortly before the dial.
void Scene::check_slots() {
  for (auto& [adapter, limit] : limits) {
    if (limit == 0) continue;
    std::uint32_t held = 0;
    std::uint32_t others = 0;
    const Dial* dial = nullptr;
    for (auto& [path, object] : bluetoothd.objects()) {
      if (object->controller->address != adapter || left_behind_.contains(path)) continue;
      // What dials on a link that is up makes none: a pairing, on whosever link.
      const bool dialling = !object->link && object->dial && object->dial->program == Program::ours &&
                            life_->bluez.waits_for(object->dial->call);
      const bool link = object->link && object->link->program == Program::ours;
      held += dialling || link ? 1 : 0;
      if (dialling) dial = object->dial.get();
    }
    if (!dial) continue;
    if (held > limit) complain("dialled beyond the slots of " + adapter);
    if (!counts_others) continue;
    for (auto& [path, object] : bluetoothd.objects())
      others += object->controller->address == adapter && object->link &&
                object->link->program == Program::foreign && object->connected &&
                object->link->since + LinkCensus::kCurrent + kUnderWay < dial->since;
    if (held + others > limit) complain("dialled beyond the slots that others left of " + adapter);
  }
}

// Fairness: no request waits behind more than eight that came later. With several adapters a request may wait
// for another one than the dialled, so one adapter shows it.
void Scene::check_order(const std::string& path) {
  const auto* object = bluetoothd.object(path);
  if (!object || !life_ || life_->bluez.stack().adapters.size() != 1) return;
  const auto since = arrived_.find(object->address.text());
  const auto came = since == arrived_.end() ? world.now() : since->second;
  for (auto& waiting : life_->radio.queue.queued(object->controller->address)) {
    const auto other = queued_since_.find(waiting.text());
    if (other == queued_since_.end() || other->second >= came) continue;
    if (++overtaken_[waiting.text()] > kMostOvertaken)
      complain(waiting.text() + " waits behind more than " + std::to_string(kMostOvertaken) + " later ones");
  }
}

// A dial that had its turn before goes on; a session that BlueZ has forgotten is started to be ended.
void Scene::check_ignored(const std::string& member, const std::string& path) {
  const bool is_dial = member == "Connect" || member == "Pair";
  if (!is_dial && member != "StartDiscovery") return;
  const auto* adapter = life_->bluez.stack().adapter(path.substr(0, path.find("/dev_")));
  if (!adapter) return;
  const auto since = ignored_since_.find(adapter->address);
  if (since == ignored_since_.end() || world.now() - since->second < (is_dial ? 30s : 120s)) return;
  complain(member + " on an adapter that is ignored: " + path);
}

// No storm: what is maintained is dialled rarely when it is in vain, whatever happens around it. A call
// begins anew.
void Scene::check_unattended(const std::string& path) {
  constexpr std::size_t kMostDials = 40;  // 5 that fail after each of 5 links of a minute, and one in 30 s
  const auto* object = bluetoothd.object(path);
  if (!object || !life_) return;
  const auto* session = life_->connections.find(object->address);
  auto& since = unattended_[object->address.text()];
  if (!session || session->calls() > 0) return since.clear();
  while (!since.empty() && since.front() + 5min < world.now()) since.pop_front();
  since.push_back(world.now());
  if (since.size() > kMostDials) complain("a storm of dials: " + path);
}

// One of our Disconnects hit another program's dial or link.
void Scene::foreign_ended(const Object& object) {
  if (forced_.contains(object.address.text())) return;
  if (left_behind_.contains(object.path)) return;  // by the record it is ours, as far as anybody can know
  const bool is_dial = !object.link;
  const auto since = is_dial ? object.dial->since : object.link->since;
  if (world.now() - since < kUnderWay) return;
  const bool phantom = !is_dial && (!object.resolved || object.gatt.empty());
  if (!phantom)
    complain("ended another program's " + std::string{is_dial ? "dial" : "link"} + ": " + object.path);
}

void Scene::check_idle() {
  auto& life = *life_;
  const auto must_be_none = [this](std::size_t number, const std::string& what) {
    if (number > 0) complain("left over: " + std::to_string(number) + " " + what);
  };
  must_be_none(clients_->size(), "calls without an answer");
  must_be_none(life.connections.sessions().size(), "sessions");
  must_be_none(bluetoothd.dials(Program::ours), "dials");
  must_be_none(bluetoothd.links(Program::ours), "links");
  must_be_none(bluetoothd.discoveries(Program::ours), "discovery sessions");
  must_be_none(bluetoothd.scans_for_nobody(), "scans for nobody");
  must_be_none(life.bluez.watches(), "watches");
  must_be_none(life.bluez.ears(), "ears");
  must_be_none(life.bluez.calls(), "calls to BlueZ");
  must_be_none(world.daemon_timers(), "timers");
  must_be_none(dials.size(), "recorded dials");
  must_be_none(life.radio.discovery.idle() ? 0 : 1, "discovery keepers");
  must_be_none(life.radio.queue.idle() ? 0 : 1, "dial turns, or slots");
}

}  // namespace bleconnd::simulation
