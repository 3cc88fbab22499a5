// Manager1: every method is parsed here, served by a task of its own, and answered once.
#include "service/root_object.hpp"

#include <fmt/format.h>

#include <cerrno>

#include "core/printable.hpp"
#include "service/description_json.hpp"
#include "service/properties.hpp"
#include "system/sdbus_compat.hpp"

namespace bleconnd {
namespace {

std::string seconds(std::chrono::milliseconds duration) {
  return fmt::format("{:.2f} s", static_cast<double>(duration.count()) / 1000);
}

// "org.bleconnd.Error.NotFound" → "NotFound"
std::string short_name(Category category) {
  const auto name = error_name(category);
  return std::string{name.substr(name.rfind('.') + 1)};
}

// "oa{sv}". Of what sd-bus appends, it refuses paths alone.
int write_established(sd_bus_message* to, const std::string& path, const Established& established) {
  const auto elapsed = std::chrono::duration_cast<std::chrono::microseconds>(established.elapsed);
  if (!sd_bus_object_path_is_valid(path.c_str()) ||
      !sd_bus_object_path_is_valid(established.bluez_device.c_str()))
    return -EINVAL;
  sd_bus_message_append_basic(to, 'o', path.c_str());
  sd_bus_message_open_container(to, 'a', "{sv}");
  text_property(to, "state", std::string{text(established.stage)});
  text_property(to, "adapter", established.adapter);
  text_property(to, "bluez-device", established.bluez_device, 'o');
  number_property(to, "attempts", established.attempts);
  number_property(to, "elapsed-usec", static_cast<std::uint64_t>(elapsed.count()));
  flag_property(to, "services-from-cache", established.services_from_cache);
  flag_property(to, "services-verified", established.services_verified);
  flag_property(to, "shared", established.shared);
  flag_property(to, "adopted", established.adopted);
  return sd_bus_message_close_container(to);
}

constexpr auto kQuotaSaid = std::chrono::minutes{1};  // a program that asks in a loop fills no journal
constexpr std::size_t kQuotaUsers = 64;
constexpr auto kTogether =
    std::chrono::milliseconds{20};  // not seen by people; a connect changes a device 9 times
constexpr auto kNoAdapter = std::chrono::seconds{2};  // a restart of bluetoothd is over by then

LogFields fields(const DeviceSession& session, LogKind kind) {
  return {.kind = kind,
          .address = session.address().text(),
          .adapter = session.adapter(),
          .attempt = session.attempt()};
}

LogKind kind_of_end(const std::string& reason) {
  if (reason == "services-incomplete") return LogKind::link_without_services;
  return reason == "released" || reason == "forced" ? LogKind::link_ended : LogKind::link_lost;
}

}  // namespace

RootObject::RootObject(sdbus::IConnection& connection, Radio& radio, Statistics& statistics, const Log& log,
                       UidOf uid_of, std::string version)
    : AdaptorInterfaces{connection, sdbus::ObjectPath{kRootPath}},
      connection_{connection},
      radio_{radio},
      log_{log},
      uid_of_{std::move(uid_of)},
      version_{std::move(version)},
      statistics_{statistics},
      status_changed_{radio.executor},
      devices_{bus::native(connection)},
      changes_{radio.executor},
      connections_{radio, *this},
      serving_{radio.executor} {
  state_ = stack_state();
  registerAdaptor();
  serving_.spawn(follow_stack());
  serving_.spawn(follow_adapters());
  serving_.spawn(tell_changes());
}

RootObject::~RootObject() {
  devices_.tell_all();
  unregisterAdaptor();
}

// --- methods ---

Caller RootObject::caller() {
  const auto& call = bus::current_message(getObject());
  return {bus::sender_of(call), uid_of_(call)};
}

void RootObject::EstablishConnection(sdbus::Result<sdbus::ObjectPath, VariantMap>&& result,
                                     std::string address, Options options) {
  Reply<sdbus::ObjectPath, VariantMap> reply{std::move(result), log_, "EstablishConnection"};
  auto device = parse_address(address);
  if (auto* refusal = std::get_if<Refusal>(&device)) return reply.refuse_with(*refusal);
  auto parsed = parse_establish_options(options, radio_.settings.terms);
  if (auto* refusal = std::get_if<Refusal>(&parsed)) return reply.refuse_with(*refusal);
  const auto to = std::get<DeviceAddress>(device);
  const auto by = caller();
  statistics_.count("calls");
  const auto began = radio_.now();
  auto answer = connections_.establish(by, to, std::get<EstablishOptions>(parsed));
  BusMessage call{bus::current_call(getObject())};
  serving_.spawn(serve_establish(std::move(reply), std::move(call), by, to, began, std::move(answer)));
}

Task<Unit> RootObject::serve_establish(Reply<sdbus::ObjectPath, VariantMap> reply, BusMessage call, Caller by,
                                       DeviceAddress address, TimePoint began,
                                       Task<Answer<Established>> answer) {
  auto answered = co_await answer;
  devices_.announce(address);
  if (auto* refusal = std::get_if<Refusal>(&answered)) {
    count_answer({}, short_name(refusal->category), began);
    log_refused(by, address, *refusal);
    reply.refuse_with(*refusal);
    co_return Unit{};
  }
  const auto& established = std::get<Established>(answered);
  count_answer(established.adapter, established.stage == Stage::connected ? "ok" : "queued", began);
  if (established.services_from_cache) statistics_.count("services-from-cache");
  const auto path = object_path(address);
  reply.answer_written(call.get(), "oa{sv}",
                       [&](sd_bus_message* to) { return write_established(to, path, established); });
  co_return Unit{};
}

void RootObject::count_answer(const std::string& adapter, const std::string& category, TimePoint began) {
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(radio_.now() - began);
  statistics_.count("calls-answered/" + category);
  statistics_.observe("call-seconds/" + adapter_label(adapter) + "/" + category, took);
}

// What the radio refused, and a user who has too much; mistakes of callers are theirs to log.
void RootObject::log_refused(const Caller& by, DeviceAddress address, const Refusal& refusal) {
  LogFields about{.kind = LogKind::call_failed,
                  .address = address.text(),
                  .error = short_name(refusal.category),
                  .detail = refusal.token};
  switch (refusal.category) {
    case Category::cancelled:
    case Category::busy:
    case Category::invalid_args:
    case Category::access_denied:
      return;
    case Category::limits_exceeded: {
      const auto said = quota_told_.find(by.uid);
      if (said != quota_told_.end() && radio_.now() < said->second + kQuotaSaid) return;
      if (quota_told_.size() >= kQuotaUsers) quota_told_.clear();
      quota_told_.insert_or_assign(by.uid, radio_.now());
      about.kind = LogKind::quota_refused;
      return log_.write(LogLevel::warning,
                        fmt::format("{} of uid {} is refused: {}", by.name, by.uid, refusal.message), about);
    }
    default:
      log_.write(LogLevel::info,
                 fmt::format("{}: {} (uid {}) gets no connection: {}", address.text(), by.name, by.uid,
                             refusal.message),
                 about);
  }
}

void RootObject::ReleaseConnection(sdbus::Result<std::uint32_t>&& result, std::string address,
                                   Options options) {
  Reply<std::uint32_t> reply{std::move(result), log_, "ReleaseConnection"};
  auto device = parse_address(address);
  if (auto* refusal = std::get_if<Refusal>(&device)) return reply.refuse_with(*refusal);
  auto only = parse_release_options(options);
  if (auto* refusal = std::get_if<Refusal>(&only)) return reply.refuse_with(*refusal);
  const auto of = std::get<DeviceAddress>(device);
  auto answer = connections_.release(caller(), of, std::get<std::optional<Lifetime>>(only));
  serving_.spawn(serve_release(std::move(reply), std::move(answer)));
}

Task<Unit> RootObject::serve_release(Reply<std::uint32_t> reply, Task<Answer<std::uint32_t>> answer) {
  auto answered = co_await answer;
  if (auto* refusal = std::get_if<Refusal>(&answered)) {
    reply.refuse_with(*refusal);
  } else {
    reply.answer(std::get<std::uint32_t>(answered));
  }
  co_return Unit{};
}

void RootObject::Disconnect(sdbus::Result<>&& result, std::string address) {
  Reply<> reply{std::move(result), log_, "Disconnect"};
  auto device = parse_address(address);
  if (auto* refusal = std::get_if<Refusal>(&device)) return reply.refuse_with(*refusal);
  const auto to = std::get<DeviceAddress>(device);
  const auto by = caller();
  log_.write(LogLevel::notice,
             to.text() + ": disconnect for every holder, asked by " + by.name + " (uid " +
                 std::to_string(by.uid) + ")",
             {.address = to.text()});
  auto answer = connections_.disconnect(to);
  serving_.spawn(serve_disconnect(std::move(reply), std::move(answer)));
}

void RootObject::CloseStaleConnections(sdbus::Result<std::uint32_t>&& result, std::string address,
                                       Options options) {
  Reply<std::uint32_t> reply{std::move(result), log_, "CloseStaleConnections"};
  auto device = parse_address(address);
  if (auto* refusal = std::get_if<Refusal>(&device)) return reply.refuse_with(*refusal);
  auto only_others = parse_flag(options, "only-other-adapters");
  if (auto* refusal = std::get_if<Refusal>(&only_others)) return reply.refuse_with(*refusal);
  const auto of = std::get<DeviceAddress>(device);
  const auto by = caller();
  const auto what =
      fmt::format("{}: close stale connections, asked by {} (uid {})", of.text(), by.name, by.uid);
  auto answer = connections_.close_stale(by, of, std::get<bool>(only_others));
  serving_.spawn(serve_close_stale(std::move(reply), what, of, std::move(answer)));
}

Task<Unit> RootObject::serve_close_stale(Reply<std::uint32_t> reply, std::string what, DeviceAddress of,
                                         Task<Answer<std::uint32_t>> answer) {
  auto answered = co_await answer;
  if (auto* refusal = std::get_if<Refusal>(&answered)) {
    reply.refuse_with(*refusal);
    co_return Unit{};
  }
  log_.write(LogLevel::notice, fmt::format("{}: {} closed", what, std::get<std::uint32_t>(answered)),
             {.kind = LogKind::stale_closed, .address = of.text()});
  reply.answer(std::get<std::uint32_t>(answered));
  co_return Unit{};
}

Task<Unit> RootObject::serve_disconnect(Reply<> reply, Task<Answer<Unit>> answer) {
  auto answered = co_await answer;
  if (auto* refusal = std::get_if<Refusal>(&answered)) {
    reply.refuse_with(*refusal);
  } else {
    reply.answer();
  }
  co_return Unit{};
}

void RootObject::GetServices(sdbus::Result<ManagedObjects, VariantMap>&& result, std::string address) {
  Reply<ManagedObjects, VariantMap> reply{std::move(result), log_, "GetServices"};
  auto device = parse_address(address);
  if (auto* refusal = std::get_if<Refusal>(&device)) return reply.refuse_with(*refusal);
  auto answer = connections_.services(caller(), std::get<DeviceAddress>(device));
  serving_.spawn(serve_services(std::move(reply), std::move(answer)));
}

Task<Unit> RootObject::serve_services(Reply<ManagedObjects, VariantMap> reply,
                                      Task<Answer<Services>> answer) {
  auto answered = co_await answer;
  if (auto* refusal = std::get_if<Refusal>(&answered)) {
    reply.refuse_with(*refusal);
    co_return Unit{};
  }
  const auto& services = std::get<Services>(answered);
  const auto age = std::chrono::microseconds{services.age};
  reply.answer_made([&] {
    VariantMap info;
    info.emplace("from-cache", sdbus::Variant{services.from_cache});
    info.emplace("age-usec", sdbus::Variant{static_cast<std::uint64_t>(age.count())});
    return std::tuple{managed_objects(services.objects), std::move(info)};
  });
  co_return Unit{};
}

void RootObject::ClearCache(sdbus::Result<bool>&& result, std::string address, Options options) {
  Reply<bool> reply{std::move(result), log_, "ClearCache"};
  auto device = parse_address(address);
  if (auto* refusal = std::get_if<Refusal>(&device)) return reply.refuse_with(*refusal);
  auto force = parse_flag(options, "force");
  if (auto* refusal = std::get_if<Refusal>(&force)) return reply.refuse_with(*refusal);
  const auto of = std::get<DeviceAddress>(device);
  const auto by = caller();
  const auto what = of.text() + (std::get<bool>(force) ? ": clear cache, by force" : ": clear cache");
  auto answer = connections_.clear_cache(by, of, std::get<bool>(force));
  serving_.spawn(serve_clear(std::move(reply), by, what, of, std::move(answer)));
}

Task<Unit> RootObject::serve_clear(Reply<bool> reply, Caller by, std::string what, DeviceAddress of,
                                   Task<Answer<Cleared>> answer) {
  auto answered = co_await answer;
  if (auto* refusal = std::get_if<Refusal>(&answered)) {
    reply.refuse_with(*refusal);
    co_return Unit{};
  }
  const auto& cleared = std::get<Cleared>(answered);
  log_cleared(by, what, of.text(), cleared);
  reply.answer(cleared.entries + cleared.objects > 0);
  co_return Unit{};
}

void RootObject::ClearAllCaches(sdbus::Result<std::uint32_t>&& result) {
  Reply<std::uint32_t> reply{std::move(result), log_, "ClearAllCaches"};
  const auto by = caller();
  serving_.spawn(serve_clear_all(std::move(reply), by, connections_.clear_all_caches(by)));
}

Task<Unit> RootObject::serve_clear_all(Reply<std::uint32_t> reply, Caller by, Task<Answer<Cleared>> answer) {
  auto answered = co_await answer;
  if (auto* refusal = std::get_if<Refusal>(&answered)) {
    reply.refuse_with(*refusal);
    co_return Unit{};
  }
  const auto& cleared = std::get<Cleared>(answered);
  log_cleared(by, "all devices: clear cache", {}, cleared);
  reply.answer(cleared.entries);
  co_return Unit{};
}

void RootObject::log_cleared(const Caller& by, const std::string& what, const std::string& of,
                             const Cleared& cleared) {
  log_.write(LogLevel::notice,
             fmt::format("{}, asked by {} (uid {}): {} entries and {} objects of BlueZ removed{}", what,
                         by.name, by.uid, cleared.entries, cleared.objects,
                         cleared.later ? "; BlueZ's object follows when the link has ended" : ""),
             {.kind = LogKind::cache_cleared, .address = of});
}

void RootObject::Describe(sdbus::Result<std::string>&& result, std::string address) {
  Reply<std::string> reply{std::move(result), log_, "Describe"};
  std::optional<DeviceAddress> device;
  if (!address.empty()) {
    auto parsed = parse_address(address);
    if (auto* refusal = std::get_if<Refusal>(&parsed)) return reply.refuse_with(*refusal);
    device = std::get<DeviceAddress>(parsed);
  }
  serving_.spawn(serve_describe(std::move(reply), describe(radio_, connections_, caller(), device)));
}

Task<Unit> RootObject::serve_describe(Reply<std::string> reply, Task<Answer<Description>> answer) {
  auto answered = co_await answer;
  if (auto* refusal = std::get_if<Refusal>(&answered)) {
    reply.refuse_with(*refusal);
  } else {
    reply.answer(to_json(std::get<Description>(answered)));
  }
  co_return Unit{};
}

std::vector<sdbus::Struct<std::string, std::string, std::string, std::uint32_t, sdbus::ObjectPath>>
RootObject::ListConnections() {
  std::vector<sdbus::Struct<std::string, std::string, std::string, std::uint32_t, sdbus::ObjectPath>> rows;
  for (const auto* session : connections_.sessions())
    rows.push_back({session->address().text(), std::string{text(session->stage())}, session->adapter(),
                    static_cast<std::uint32_t>(session->leases().size()),
                    sdbus::ObjectPath{object_path(session->address())}});
  return rows;
}

std::map<std::string, std::uint64_t> RootObject::GetStatistics() {
  count_others();
  auto all = statistics_.flat();
  for (auto& [name, other] : other_counters_) all.emplace(name, 0);
  all.insert_or_assign("now-connected", connected_.size());
  all.insert_or_assign("now-devices", devices_.size());
  all.insert_or_assign("now-leases-and-calls", connections_.quota().held_by_all());
  return all;
}

std::vector<std::string> RootObject::Features() {
  std::vector<std::string> features{
      "EstablishConnection", "ReleaseConnection",     "Disconnect",      "GetServices",     "ClearCache",
      "ClearAllCaches",      "CloseStaleConnections", "Describe",        "ListConnections", "force",
      "only-other-adapters", "GetStatistics",         "ResetStatistics", "Reload"};
  for (auto& option : establish_option_names()) features.push_back(option);
  return features;
}

void RootObject::Reload() {
  const auto by = caller();
  log_.write(LogLevel::notice, fmt::format("reload, asked by {} (uid {})", by.name, by.uid));
  reload_();
}

// Once, at the start: links that a former life's leases do not explain, nor a call.
Task<Unit> RootObject::report_stale() {
  const auto stale = co_await connections_.stale_links();
  for (auto& link : stale)
    log_.write(
        LogLevel::notice,
        fmt::format("{} is connected ({}), and nobody leases it here; to end that: busctl call org.bleconnd "
                    "/org/bleconnd org.bleconnd.Manager1 CloseStaleConnections 'sa{{sv}}' {} 0",
                    link.address, link.path, link.address),
        {.kind = LogKind::foreign_link, .address = link.address});
  co_return Unit{};
}

// --- state ---

std::string RootObject::stack_state() const {
  if (radio_.stack().owner.empty()) return "waiting-for-bluez";
  return radio_.any_adapter() ? "running" : "waiting-for-adapter";
}

Task<Unit> RootObject::follow_stack() {
  for (;;) {
    if (auto now = stack_state(); now != state_) {
      state_ = now;
      log_.write(LogLevel::debug, "state: " + state_);
      announce("State");
    }
    status_changed_.notify();
    const auto due = say_whether_adapter();
    co_await radio_.bluez.stack_changed().until(due, unstoppable());
  }
}

// An adapter is missed when bluetoothd has been asked for its adapters: while it is looked at there is none
// yet; and when it stays so: a bluetoothd that ends turns its adapters off first. Until when that has to be
// seen.
TimePoint RootObject::say_whether_adapter() {
  if (state_ == "running" && std::exchange(without_adapter_, false))
    log_.write(LogLevel::notice, "there is an adapter that is on", {.kind = LogKind::adapter_there});
  if (state_ != "waiting-for-adapter" || !radio_.stack().explored) {
    no_adapter_since_.reset();
    return kNever;
  }
  if (!no_adapter_since_) no_adapter_since_ = radio_.now();
  if (without_adapter_) return kNever;
  const auto due = *no_adapter_since_ + kNoAdapter;
  if (radio_.now() < due) return due;
  without_adapter_ = true;
  log_.write(LogLevel::warning,
             radio_.stack().any_powered() ? "every adapter that is on is ignored (Adapters= or Ignore= of "
                                            "main.conf): nothing can be connected"
                                          : "bluetoothd has no adapter that is on: nothing can be connected",
             {.kind = LogKind::no_adapter});
  return kNever;
}

// However much changes within kTogether, one signal an object tells of it.
Task<Unit> RootObject::tell_changes() {
  for (;;) {
    co_await changes_.until(kNever, unstoppable());
    const auto until = radio_.now() + kTogether;
    co_await sleep_until(radio_.executor, until, unstoppable());
    devices_.tell_all();
    for (auto& [name, adapter] : adapters_) adapter->announce_changes();
    const auto connections = Connections();
    if (std::exchange(told_connections_, connections) != connections) announce("Connections");
  }
}

Task<Unit> RootObject::follow_adapters() {
  Notice wake{radio_.executor};
  Notice::Forward queue{radio_.queue.changes(), wake};
  Notice::Forward stack{radio_.bluez.stack_changed(), wake};
  Notice::Forward discovery{radio_.discovery.changes(), wake};
  for (;;) {
    match_adapters();
    report_troubles();
    changes_.notify();
    status_changed_.notify();  // slots
    co_await wake.until(kNever, unstoppable());
  }
}

void RootObject::match_adapters() {
  const auto& stack = radio_.stack();
  std::erase_if(adapters_, [&](const auto& each) {
    const auto* adapter = stack.adapter_of(each.second->address());
    return !adapter || adapter->name != each.first;
  });
  for (auto& adapter : stack.adapters)
    if (!adapters_.contains(adapter.name))
      adapters_.emplace(adapter.name, std::make_unique<AdapterObject>(connection_, radio_, adapter));
}

void RootObject::report_troubles() {
  for (auto& adapter : radio_.stack().adapters) {
    const auto what = trouble(adapter, radio_);
    if (what.empty()) {
      if (troubled_.erase(adapter.address) > 0)
        log_.write(LogLevel::notice, adapter.name + ": works again",
                   {.kind = LogKind::adapter_well, .adapter = adapter.name});
    } else if (troubled_.insert(adapter.address).second) {
      log_.write(
          LogLevel::warning,
          fmt::format("{}: {}; other adapters are preferred{}; if nothing is heard or connected: "
                      "bluetoothctl select {}, power off, power on; or unplug it",
                      adapter.name, what,
                      radio_.queue.failing(adapter.address) ? ", maintained devices are tried rarely" : "",
                      adapter.address),
          {.kind = LogKind::adapter_failing, .adapter = adapter.name});
    }
  }
}

void RootObject::announce_connections() {
  status_changed_.notify();
  changes_.notify();
}

void RootObject::announce(const char* property) {
  const auto interface = bus::interface_name(org::bleconnd::Manager1_adaptor::INTERFACE_NAME);
  tell([&] { getObject().emitPropertiesChangedSignal(interface, {bus::PropertyName{property}}); });
}

std::string RootObject::status() const {
  const auto up = connected_.size();
  const auto coming = devices_.size() - up;
  std::string status = fmt::format("{} connected", up);
  if (coming > 0) status += fmt::format(", {} connecting", coming);
  if (state_ != "running") status += ", " + state_;
  const auto& slots = radio_.queue.slots();
  for (auto& adapter : radio_.stack().adapters) {
    const auto limit = slots.limit(adapter.address, radio_.now());
    status += ", " + adapter.name;
    if (radio_.settings.ignores(adapter.address))
      status += " ignored";
    else if (!adapter.powered)
      status += " off";
    else if (limit > 0)
      status += fmt::format(" {}/{} slots", slots.used(adapter.address), limit);
    else
      status += " on";
  }
  return status;
}

// --- what the procedures tell ---

void RootObject::appeared(DeviceSession& session) {
  devices_.appeared(session);
  changes_.notify();
}

void RootObject::changed(DeviceSession& session) {
  changes_.notify();
  devices_.changed(session.address());
  auto way = on_their_way_.find(session.address());
  if (way == on_their_way_.end() || !session.services_verified()) return;
  if (!std::exchange(way->second.verified, true)) statistics_.count("services-verified");
}

void RootObject::stage_changed(DeviceSession& session, const std::string& reason) {
  devices_.stage_changed(session, reason);
  if (session.connected())
    connected_.insert(session.address());
  else
    connected_.erase(session.address());
  changed(session);
  count_stage(session);
  if (session.connected())
    log_.write(LogLevel::info,
               session.address().text() + ": connected on " + session.adapter() +
                   (session.adopted() ? ", which had the link already"
                                      : ", attempt " + std::to_string(session.attempt())),
               fields(session, LogKind::link_up));
  log_.write(LogLevel::debug,
             session.address().text() + ": " + std::string{text(session.stage())} +
                 (reason.empty() ? "" : " (" + reason + ")"),
             fields(session, LogKind::plain));
  announce_connections();
}

// Dials, links, and how long each took. Services that come from the cache take no time, and are not measured.
void RootObject::count_stage(DeviceSession& session) {
  const auto adapter = adapter_label(session.adapter());
  auto& way = on_their_way_[session.address()];
  const auto now = radio_.now();
  const auto since = [now](TimePoint then) {
    return std::chrono::duration_cast<std::chrono::microseconds>(now - then);
  };
  const bool up = session.stage() == Stage::resolving || session.connected();
  if (up && way.dialled) statistics_.observe("dial-seconds/" + adapter, since(*way.dialled));
  if (session.connected() && way.linked)
    statistics_.observe("services-seconds/" + adapter, since(*way.linked));
  way.dialled.reset();
  way.linked.reset();
  if (session.stage() == Stage::connecting) {
    way.dialled = now;
    statistics_.count("dials/" + adapter);
    count_others();
  }
  if (session.stage() == Stage::resolving) way.linked = now;
  if (session.connected()) statistics_.count("links-up/" + adapter);
}

void RootObject::count_others() {
  const auto& now = radio_.queue.waits();
  statistics_.count("turn-waits", now.turns - waits_counted_.turns);
  statistics_.count("slot-waits", now.slots - waits_counted_.slots);
  waits_counted_ = now;
  for (auto& [name, other] : other_counters_) {
    const auto count = other.now();
    statistics_.count(name, count - other.counted);
    other.counted = count;
  }
}

void RootObject::attempt_failed(DeviceSession& session, const FailedAttempt& failed, const Refusal& as) {
  statistics_.count("attempts-failed/" + adapter_label(session.adapter()) + "/" + short_name(as.category));
  statistics_.count("failures/" + as.token);
  changed(session);
  devices_.attempt_failed(session.address(), failed, as);
  auto about = fields(session, failed.last ? LogKind::gave_up : LogKind::attempt_failed);
  about.attempt = failed.attempt;
  about.error = short_name(as.category);
  about.detail = as.token;
  const auto next = failed.last ? std::string{"given up"} : "next in " + seconds(failed.retry_in);
  log_.write(failed.last ? LogLevel::warning : LogLevel::info,
             session.address().text() + ": attempt " + std::to_string(failed.attempt) + " failed, " + next +
                 ": " + as.message,
             about);
}

void RootObject::link_ended(DeviceSession& session, const std::string& reason) {
  statistics_.count("links-ended/" + adapter_label(session.adapter()) + "/" + reason_label(reason));
  on_their_way_.erase(session.address());
  devices_.link_ended(session.address(), reason);
  const bool silent = reason == "services-incomplete";
  auto about = fields(session, kind_of_end(reason));
  about.detail = reason;
  log_.write(silent ? LogLevel::warning : LogLevel::info,
             session.address().text() + ": disconnected (" + reason + ")" +
                 (silent ? "; the link was up and had no services: restart the device if it stays so" : ""),
             about);
}

void RootObject::link_stays(DeviceSession& session, const std::string& path, bool answered) {
  const auto* what = answered ? "does not end: BlueZ has answered Disconnect, and says that it is connected"
                              : "is silent: BlueZ answered none of 2 Disconnects within 5 s each";
  log_.write(
      LogLevel::warning,
      fmt::format("{}: the link at {} {}; end it: busctl call org.bleconnd /org/bleconnd "
                  "org.bleconnd.Manager1 CloseStaleConnections 'sa{{sv}}' {} 0; if that ends none, restart "
                  "bluetoothd: systemctl restart bluetooth",
                  session.address().text(), path, what, session.address().text()),
      fields(session, LogKind::link_stays));
}

void RootObject::lease_passes(DeviceSession& session, LeaseChange change, const std::string& by) {
  const auto device = session.address().text();
  switch (change) {
    case LeaseChange::lingers:
      return log_.write(LogLevel::info,
                        device + ": " + by + " has left the bus without a release; its lease lingers",
                        fields(session, LogKind::lease_lingers));
    case LeaseChange::taken_over:
      return log_.write(LogLevel::info, device + ": " + by + " takes over a lease that lingered",
                        fields(session, LogKind::lease_taken_over));
    case LeaseChange::linger_ended:
      return log_.write(LogLevel::info, device + ": the lease of a program that has left the bus is over",
                        fields(session, LogKind::linger_ended));
  }
}

void RootObject::services_changed(DeviceSession& session, const std::vector<std::string>& difference) {
  statistics_.count("services-changed");
  devices_.services_changed(session.address());
  changes_.notify();
  log_.write(LogLevel::notice,
             fmt::format("{}: services changed: {}", session.address().text(), fmt::join(difference, ", ")),
             fields(session, LogKind::services_changed));
}

void RootObject::gone(DeviceSession& session) {
  if (session.connected())  // it ends, and its link does not
    log_.write(LogLevel::info, session.address().text() + ": the link stays up for those who lease it",
               fields(session, LogKind::link_left_up));
  devices_.gone(session.address());
  on_their_way_.erase(session.address());
  connected_.erase(session.address());
  announce_connections();
}

}  // namespace bleconnd
