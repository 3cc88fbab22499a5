// The stage's machinery: lives of the daemon, calls of clients, the list of effects.
#include "scene.hpp"

#include <algorithm>
#include <cstdio>

namespace bleconnd::simulation {
namespace {

const Caller kRoot{.name = ":0.0", .uid = 0};

std::string category_name(Category category) {
  const std::string name{error_name(category)};
  return name.substr(name.rfind('.') + 1);
}

std::string text_of(const Refusal& refusal) {
  return category_name(refusal.category) + " " + refusal.token;
}

Task<Unit> hear(World& world, Task<Answer<Established>> task, CallHandle call) {
  auto answer = co_await task;
  ++call->answers;
  call->answered = world.now();
  call->answer = std::move(answer);
  world.trace(call->client + " is answered: " + call->text());
  co_return Unit{};
}

template <class T>
Task<Unit> hear_end(World& world, Task<Answer<T>> task, EndingHandle ending) {
  auto answer = co_await task;
  ++ending->answers;
  ending->answered = world.now();
  if (auto* refusal = std::get_if<Refusal>(&answer)) {
    ending->text = text_of(*refusal);
  } else if constexpr (std::is_same_v<T, Unit>) {
    ending->text = "ok";
  } else if constexpr (std::is_same_v<T, Cleared>) {
    const auto& cleared = std::get<Cleared>(answer);
    ending->text = std::to_string(cleared.entries) + " entries, " + std::to_string(cleared.objects) +
                   " objects" + (cleared.later ? ", later" : "");
  } else if constexpr (std::is_same_v<T, Services>) {
    const auto& services = std::get<Services>(answer);
    std::size_t count = 0;
    for (auto& [path, object] : services.objects) count += object.interface == "org.bluez.GattService1";
    ending->text = (services.from_cache ? "cached " : "live ") + std::to_string(count);
    if (services.from_cache)
      ending->text += " under " + short_path(device_path(services.objects.begin()->first));
  } else {
    ending->text = std::to_string(std::get<0>(answer));
  }
  world.trace("the end is answered: " + ending->text);
  co_return Unit{};
}

Task<Unit> hear_stale(World& world, Task<std::vector<DeviceState>> task, EndingHandle ending) {
  const auto stale = co_await task;
  ++ending->answers;
  ending->answered = world.now();
  ending->text.clear();
  for (auto& each : stale) ending->text += (ending->text.empty() ? "" : " ") + short_path(each.path);
  co_return Unit{};
}

}  // namespace

std::string device_path(const std::string& object) {
  return object.substr(0, object.find("/service"));
}

std::string short_path(const std::string& path) {
  auto text = path.starts_with("/org/bluez/") ? path.substr(11) : path;
  const auto device = text.find("/dev_");
  return device == std::string::npos ? text : text.substr(0, device + 1) + text.substr(text.size() - 2);
}

std::string Call::text() const {
  if (!answer) return "-";
  if (!ok()) return text_of(std::get<1>(*answer));
  auto& established = std::get<0>(*answer);
  if (established.stage != Stage::connected)
    return "so far " + std::string{bleconnd::text(established.stage)};
  return "ok " + established.adapter + (established.services_verified ? "" : " unverified") +
         (established.shared ? " shared" : "");
}

Scene::Scene(Setting setting)
    : world{setting.seed}, bluetoothd{world, setting.habits}, latency_{setting.latency}, begun_{world.now()} {
  bluetoothd.on_foreign_ended = [this](const Object& object) { foreign_ended(object); };
  world.set_inspector([this] { check(); });
  start_daemon();
}

Scene::~Scene() {
  crash_daemon();
}

// --- the daemon ---

Scene::Life::Life(Scene& scene)
    : bluez{scene.world, scene.bluetoothd, scene.latency_},
      radio{.executor = scene.world,
            .bluez = bluez,
            .dials = scene.dials,
            .cache = scene.cache,
            .leases = scene.leases,
            .slots = scene.slots},
      connections{radio, scene} {
  bluez.on_call = [&scene](auto& member, auto& path) { scene.called(member, path); };
}

void Scene::start_daemon() {
  dials.next_life();
  stages_.clear();
  queued_since_.clear();
  arrived_.clear();
  overtaken_.clear();
  // Who left while we were away is seen to be away when we start.
  for (auto& [client, when] : left_) when = world.now();
  preparing_ = false;
  life_ = std::make_unique<Life>(*this);
  configure();
  clients_ = std::make_unique<Scope>(world);
  life_->connections.restore(present_);
}

void Scene::crash_daemon() {
  clients_.reset();
  life_.reset();
  asleep_ = ready_ = quiet_ = preparing_ = false;
  for (auto& path : dials.paths()) left_behind_.insert(path);
}

void Scene::sleep() {
  auto preparing = [](Scene& scene) -> Task<Unit> {
    co_await scene.life_->connections.prepare_for_sleep(4s);
    scene.preparing_ = false;
    if (!scene.asleep_) {
      scene.life_->connections.wake_up();
      co_return Unit{};
    }
    scene.ready_ = true;
    // One that BlueZ does not end is tried again, by a start that can be ended.
    scene.quiet_ = scene.life_->radio.discovery.quiet();
    co_return Unit{};
  };
  note("sleeps");
  asleep_ = true;
  if (!std::exchange(preparing_, true)) clients_->spawn(preparing(*this));
}

void Scene::wake() {
  asleep_ = ready_ = quiet_ = false;
  note("wakes");
  if (!preparing_) life_->connections.wake_up();
}

void Scene::stop_daemon(Duration patience) {
  bool stopped = false;
  auto stopping = [](Scene& scene, Duration allowed, bool& done) -> Task<Unit> {
    co_await scene.life_->connections.shut_down(allowed);
    done = true;
    co_return Unit{};
  };
  note("SIGTERM");
  clients_->spawn(stopping(*this, patience, stopped));
  const auto limit = patience + 1s;
  if (!world.run_until([&] { return stopped; }, limit)) complain("shut_down() does not end");
  note("ended");
}

void Scene::set_linger(std::chrono::seconds linger) {
  settings.linger = linger;
  if (life_) configure();
}

void Scene::configure() {
  for (auto& [adapter, limit] : limits) settings.adapters[adapter].slots = limit;
  for (auto& [adapter, set] : settings.adapters)
    if (!limits.contains(adapter)) set.slots.reset();
  for (auto& [adapter, set] : settings.adapters)
    if (set.ignore) ignored_since_.try_emplace(adapter, world.now());
  std::erase_if(ignored_since_, [this](auto& each) { return !settings.ignores(each.first); });
  life_->connections.configure(settings);
}

// --- clients ---

Caller Scene::caller(const std::string& client) const {
  auto uid = uids.find(client);
  return {.name = client, .uid = uid == uids.end() ? 1000 : uid->second};
}

CallHandle Scene::establish(const std::string& client, const std::string& device, EstablishOptions options) {
  left_.erase(client);
  present_.insert(client);
  auto call = std::make_shared<Call>(Call{
      .client = client, .device = *DeviceAddress::parse(device), .options = options, .asked = world.now()});
  world.trace(client + " calls EstablishConnection " + device);
  clients_->spawn(
      hear(world, life_->connections.establish(caller(client), call->device, std::move(options)), call));
  return call;
}

EndingHandle Scene::release(const std::string& client, const std::string& device,
                            std::optional<Lifetime> only) {
  auto ending = std::make_shared<Ending>(Ending{.asked = world.now()});
  world.trace(client + " calls ReleaseConnection " + device);
  clients_->spawn(hear_end<std::uint32_t>(
      world, life_->connections.release(caller(client), *DeviceAddress::parse(device), only), ending));
  return ending;
}

EndingHandle Scene::disconnect(const std::string& device) {
  auto ending = std::make_shared<Ending>(Ending{.asked = world.now()});
  world.trace("root calls Disconnect " + device);
  forced_.insert(device);
  clients_->spawn(
      hear_end<Unit>(world, life_->connections.disconnect(*DeviceAddress::parse(device)), ending));
  return ending;
}

EndingHandle Scene::close_stale(const std::string& device, bool only_other_adapters) {
  auto ending = std::make_shared<Ending>(Ending{.asked = world.now(), .is_dropped_at_end = true});
  forced_.insert(device);
  clients_->spawn(hear_end<std::uint32_t>(
      world, life_->connections.close_stale(kRoot, *DeviceAddress::parse(device), only_other_adapters),
      ending));
  return ending;
}

EndingHandle Scene::stale_links() {
  auto ending = std::make_shared<Ending>(Ending{.asked = world.now(), .is_dropped_at_end = true});
  clients_->spawn(hear_stale(world, life_->connections.stale_links(), ending));
  return ending;
}

EndingHandle Scene::clear_cache(const std::string& client, const std::string& device, bool force) {
  auto ending = std::make_shared<Ending>(Ending{.asked = world.now(), .is_dropped_at_end = true});
  clients_->spawn(hear_end<Cleared>(
      world, life_->connections.clear_cache(caller(client), *DeviceAddress::parse(device), force), ending));
  return ending;
}

EndingHandle Scene::clear_all_caches() {
  auto ending = std::make_shared<Ending>(Ending{.asked = world.now(), .is_dropped_at_end = true});
  clients_->spawn(hear_end<Cleared>(world, life_->connections.clear_all_caches(kRoot), ending));
  return ending;
}

EndingHandle Scene::services(const std::string& device) {
  auto ending = std::make_shared<Ending>(Ending{.asked = world.now(), .is_dropped_at_end = true});
  clients_->spawn(
      hear_end<Services>(world, life_->connections.services(kRoot, *DeviceAddress::parse(device)), ending));
  return ending;
}

void Scene::leave(const std::string& client) {
  world.trace(client + " leaves the bus");
  left_[client] = world.now();
  present_.erase(client);
  if (life_) life_->connections.caller_left(client);
}

void Scene::everybody_leaves() {
  for (auto& client : std::set<std::string>{present_}) leave(client);
}

// --- looking ---

bool Scene::run_until_answered(const CallHandle& call, Duration limit) {
  return world.run_until([&] { return call->answers > 0; }, limit);
}

bool Scene::run_until_answered(const EndingHandle& ending, Duration limit) {
  return world.run_until([&] { return ending->answers > 0; }, limit);
}

void Scene::begin() {
  begun_ = world.now();
  effects_.clear();
  counts_.clear();
}

void Scene::note(const std::string& line) {
  world.trace(line);
  char when[32];
  const auto tenths =
      std::chrono::duration_cast<std::chrono::milliseconds>(world.now() - begun_).count() / 100;
  std::snprintf(when, sizeof when, "%lld.%lld ", static_cast<long long>(tenths / 10),
                static_cast<long long>(tenths % 10));
  effects_.push_back(when + line);
}

std::vector<std::string> Scene::effects(const std::string& containing) const {
  std::vector<std::string> some;
  for (auto& line : effects_)
    if (line.find(containing) != std::string::npos) some.push_back(line);
  return some;
}

std::size_t Scene::count(const std::string& member) const {
  auto found = counts_.find(member);
  return found == counts_.end() ? 0 : found->second;
}

std::string Scene::stage(const std::string& device) const {
  auto found = stages_.find(device);
  return found == stages_.end() ? std::string{} : found->second;
}

void Scene::called(const std::string& member, const std::string& path) {
  ++counts_[member];
  if (member == "Connect" || member == "Pair") check_order(path);
  if (member == "Connect") check_unattended(path);
  check_ignored(member, path);
  if (quiet_ && (member == "Connect" || member == "Pair" || member == "StartDiscovery"))
    complain(member + " though the host is about to sleep");
  if (!member.starts_with("Get")) note(member + " " + short_path(path));
}

// --- what the daemon tells ---

void Scene::appeared(DeviceSession& session) {
  stages_[session.address().text()] = bleconnd::text(session.stage());
}

void Scene::gone(DeviceSession& session) {
  stages_.erase(session.address().text());
}

void Scene::stage_changed(DeviceSession& session, const std::string& reason) {
  const std::string stage{bleconnd::text(session.stage())};
  const auto device = session.address().text();
  arrived_.erase(device);
  if (session.stage() == Stage::queued) {
    queued_since_.try_emplace(device, world.now());
  } else if (auto since = queued_since_.extract(device)) {
    if (session.stage() == Stage::connecting) arrived_[device] = since.mapped();
    overtaken_.erase(device);
  }
  stages_[session.address().text()] = stage;
  world.trace(session.address().text() + " " + stage + " " + session.adapter() + " " + reason);
}

void Scene::attempt_failed(DeviceSession&, const FailedAttempt& failed, const Refusal& as) {
  auto line = "attempt " + std::to_string(failed.attempt) + ": " + as.token + " " +
              std::to_string(failed.count) + "/" + std::to_string(failed.bound);
  if (!failed.last) line += " again in " + clock_text(failed.retry_in);
  note(line);
  if (failed.last != (failed.retry_in == 0ms) && failed.last) complain("the last failure pays a wait");
}

void Scene::link_ended(DeviceSession& session, const std::string& reason) {
  if (session.services_verified()) complain("verified services of a link that has ended");
  note("link ended: " + reason);
}

void Scene::link_stays(DeviceSession&, const std::string& path, bool answered) {
  note((answered ? "phantom: " : "silent: ") + short_path(path));
}

void Scene::services_changed(DeviceSession&, const std::vector<std::string>& difference) {
  note("services changed: " + std::to_string(difference.size()));
}

}  // namespace bleconnd::simulation
