// Calls are made again while the daemon restarts; leases are taken again when it is back.
#include "core.hpp"

#include <algorithm>
#include <cstring>

#include "names.hpp"
#include "read.hpp"

namespace bleconn {
namespace {

using namespace std::chrono_literals;
constexpr auto kMargin = 30s;     // beyond the daemon's own deadline: it answers at it
constexpr auto kNobody = 10s;     // a daemon that restarts is back within RestartSec= and a moment
constexpr auto kAgain = 250ms;    // between two looks whether it is
constexpr auto kTakeAgain = 30s;  // to find out whether the link outlived the daemon's restart
constexpr auto kRelease = 30s;    // the answer comes when the link is down, 20 s at most

const char* priority_word(Priority priority) {
  return priority == Priority::low ? "low" : priority == Priority::high ? "high" : "normal";
}

std::uint32_t seconds_of(std::chrono::seconds span) {
  const auto count = std::clamp<std::int64_t>(span.count(), 0, 0xFFFFFFFF);
  return static_cast<std::uint32_t>(count);  // what is out of the daemon's range is refused by it
}

void add(sd_bus_message* message, const char* key, const char* type, const char* text) {
  sd_bus_message_append(message, "{sv}", key, type, text);
}
void add(sd_bus_message* message, const char* key, bool value) {
  sd_bus_message_append(message, "{sv}", key, "b", value ? 1 : 0);
}
void add(sd_bus_message* message, const char* key, std::uint32_t value) {
  sd_bus_message_append(message, "{sv}", key, "u", value);
}

Error cancelled(const std::string& why) {
  return {Category::cancelled, "cancelled: " + why};
}

}  // namespace

Handle::~Handle() {
  core->in_loop([core = core] { core->cancel_all(); });
  core->pump().stop();
}

Core::Core(const std::string& host) : pump_{host} {}
Core::~Core() = default;

void Core::begin() {
  sd_bus_slot* slot{};
  const auto changed = [](sd_bus_message* signal, void* self, sd_bus_error*) {
    const char *name{}, *before{}, *now{};
    const char* sender = sd_bus_message_get_sender(signal);
    if (!sender || std::strcmp(sender, "org.freedesktop.DBus") != 0) return 0;
    if (sd_bus_message_read(signal, "sss", &name, &before, &now) < 0 || std::strcmp(name, kDaemon) != 0)
      return 0;
    static_cast<Core*>(self)->owner_is(now);
    return 0;
  };
  sd_bus_add_match_async(pump_.bus(), &slot,
                         "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                         "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.bleconnd'",
                         changed, nullptr, this);
  owner_signal_.reset(slot);
  sd_bus_message* made{};
  sd_bus_message_new_method_call(pump_.bus(), &made, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                 "org.freedesktop.DBus", "GetNameOwner");
  Message message{made};
  if (message) sd_bus_message_append(made, "s", kDaemon);
  ask(std::move(message), kMargin, [this](sd_bus_message* reply, const Error*) {
    const char* owner{};
    if (reply && sd_bus_message_read(reply, "s", &owner) > 0) owner_ = owner;
  });
  pump_.kept_by(weak_from_this());
}

void Core::in_loop(Pump::Work work) {
  if (pump_.is_inside()) return work();
  pump_.post(std::move(work));
  if (!pump_.has_thread()) pump_.step();
}

// --- calls ---

Message Core::manager_call(const char* member) {
  sd_bus_message* message{};
  sd_bus_message_new_method_call(pump_.bus(), &message, kDaemon, kRoot, kManager, member);
  return Message{message};
}

void Core::ask(Message message, std::chrono::microseconds patience, Answered answered) {
  const auto at = asks_.insert(asks_.end(), std::make_unique<Ask>(Ask{*this, std::move(answered)}));
  auto& ask = **at;
  ask.at = at;
  const auto replied = [](sd_bus_message* reply, void* self, sd_bus_error*) {
    auto& its = *static_cast<Ask*>(self);
    const auto owned = std::move(*its.at);
    its.core.asks_.erase(owned->at);
    if (const auto* error = sd_bus_message_get_error(reply)) {
      const auto as_error = error_of(error->name, error->message ? error->message : "");
      owned->answered(nullptr, &as_error);
    } else {
      owned->answered(reply, nullptr);
    }
    return 0;
  };
  sd_bus_slot* slot{};
  const int sent = message ? sd_bus_call_async(pump_.bus(), &slot, message.get(), replied, &ask,
                                               static_cast<std::uint64_t>(patience.count()))
                           : -ENOTCONN;
  ask.slot.reset(slot);
  if (sent >= 0) return;
  const auto owned = std::move(*at);
  asks_.erase(at);
  const Error error{Category::daemon_not_running,
                    "the connection to the bus has ended (" + std::string{std::strerror(-sent)} + ")"};
  owned->answered(nullptr, &error);
}

Core::Device& Core::device(const std::string& address) {
  const auto known = devices_.find(address);
  if (known != devices_.end()) return known->second;
  auto& made = devices_.emplace(address, Device{*this, address}).first->second;
  const auto seen = [](sd_bus_message* signal, void* self, sd_bus_error*) {
    auto& its = *static_cast<Device*>(self);
    return its.core.on_device_signal(its, signal);
  };
  sd_bus_slot* slot{};
  const auto rule = "type='signal',sender='" + std::string{kDaemon} + "',path='" + device_path(address) + "'";
  sd_bus_add_match_async(pump_.bus(), &slot, rule.c_str(), seen, nullptr, &made);
  made.signals.reset(slot);
  return made;
}

void Core::drop_if_unused(const std::string& address) {
  const auto at = devices_.find(address);
  if (at == devices_.end() || at->second.connections > 0 || at->second.waiting > 0) return;
  const bool leased = at->second.leased && at->second.options.lifetime == Lifetime::caller;
  devices_.erase(at);
  if (!leased) return;
  auto message = manager_call("ReleaseConnection");
  if (message) sd_bus_message_append(message.get(), "sa{sv}", address.c_str(), 0);
  ask(std::move(message), kRelease, [](sd_bus_message*, const Error*) {});
}

Message Core::establish_call(const std::string& address, const Options& options, std::chrono::seconds timeout,
                             bool wait) {
  auto message = manager_call("EstablishConnection");
  if (!message) return message;
  auto* to = message.get();
  sd_bus_message_append(to, "s", address.c_str());
  sd_bus_message_open_container(to, 'a', "{sv}");
  if (options.lifetime == Lifetime::persistent) add(to, "lifetime", "s", "persistent");
  add(to, "timeout", seconds_of(timeout));
  add(to, "attempt-timeout", seconds_of(options.attempt_timeout));
  add(to, "max-attempts", options.max_attempts);
  if (!options.adapter.empty()) add(to, "adapter", "s", options.adapter.c_str());
  if (!options.use_services_cache) add(to, "use-services-cache", false);
  if (!options.required_uuids.empty()) {
    sd_bus_message_open_container(to, 'e', "sv");
    sd_bus_message_append(to, "s", "required-uuids");
    sd_bus_message_open_container(to, 'v', "as");
    sd_bus_message_open_container(to, 'a', "s");
    for (const auto& uuid : options.required_uuids) sd_bus_message_append(to, "s", uuid.c_str());
    sd_bus_message_close_container(to);
    sd_bus_message_close_container(to);
    sd_bus_message_close_container(to);
  }
  if (options.pair) add(to, "pair", true);
  if (options.trust) add(to, "trust", true);
  if (options.maintain) add(to, "maintain", true);
  if (options.priority != Priority::normal) add(to, "priority", "s", priority_word(options.priority));
  if (!options.label.empty()) add(to, "label", "s", options.label.c_str());
  if (!wait) add(to, "wait", false);
  sd_bus_message_close_container(to);
  return message;
}

void Core::establish(const std::shared_ptr<Handle>& handle, std::uint64_t number, const std::string& address,
                     const Options& options, Done done) {
  if (options.timeout < 1s)
    return done(Error{Category::invalid_args, "invalid: timeout is below 1 s; every call has a deadline"});
  auto waiting = std::make_unique<Waiting>(Waiting{*this, number, canonical(address), options,
                                                   Clock::now() + options.timeout, handle, std::move(done)});
  auto& its = *waiting;
  ++device(its.address).waiting;
  waiting_.emplace(number, std::move(waiting));
  send(its);
}

void Core::send(Waiting& waiting) {
  waiting.again.reset();
  const auto left = std::chrono::ceil<std::chrono::seconds>(waiting.deadline - Clock::now());
  auto message =
      establish_call(waiting.address, waiting.options, std::max<std::chrono::seconds>(left, 1s), true);
  const auto replied = [](sd_bus_message* reply, void* self, sd_bus_error*) {
    auto& its = *static_cast<Waiting*>(self);
    const auto* error = sd_bus_message_get_error(reply);
    error ? its.core.failed(its, *error) : its.core.answered(its, reply);
    return 0;
  };
  sd_bus_slot* slot{};
  const auto patience = std::chrono::microseconds{left + kMargin}.count();
  const int sent = message ? sd_bus_call_async(pump_.bus(), &slot, message.get(), replied, &waiting,
                                               static_cast<std::uint64_t>(patience))
                           : -ENOTCONN;
  waiting.slot.reset(slot);
  if (sent < 0)
    finish(waiting.number, Error{Category::daemon_not_running, "the connection to the bus has ended (" +
                                                                   std::string{std::strerror(-sent)} + ")"});
}

void Core::answered(Waiting& waiting, sd_bus_message* reply) {
  if (const char* sender = sd_bus_message_get_sender(reply)) owner_ = sender;
  const auto handle = waiting.handle.lock();
  const bool persistent = waiting.options.lifetime == Lifetime::persistent;
  auto& its = device(waiting.address);
  its.leased = true;
  its.options = waiting.options;
  its.options.on_attempt_failed = {};
  its.options.on_state = {};
  auto state = handle ? read_established(reply, handle, waiting.address, persistent) : nullptr;
  if (!state) return finish(waiting.number, Error{Category::unexpected, "an answer that cannot be read"});
  ++its.connections;
  its.states.push_back(state);
  finish(waiting.number, Connection{std::move(state)});
}

// A daemon that went is waited for: it is started again, and what it had promised is asked for once more.
void Core::failed(Waiting& waiting, const sd_bus_error& error) {
  const auto as_error = error_of(error.name, error.message ? error.message : "");
  const auto now = Clock::now();
  if (as_error.category() != Category::daemon_not_running) return finish(waiting.number, as_error);
  if (now >= waiting.deadline)
    return finish(waiting.number, Error{Category::timeout, "timeout: the daemon did not answer in time (" +
                                                               std::string{as_error.what()} + ")"});
  // It had the call and went, or has just gone; where nobody was, that is said at once.
  const bool had_it = std::strcmp(error.name, SD_BUS_ERROR_NO_REPLY) == 0;
  const bool restarts = !owner_.empty() || (left_at_ && now - *left_at_ < kNobody);
  const bool was_there = had_it || restarts || waiting.gone_since != Clock::time_point{};
  if (waiting.gone_since == Clock::time_point{}) waiting.gone_since = now;
  if (!was_there || now - waiting.gone_since >= kNobody) return finish(waiting.number, as_error);
  send_again_in(waiting, kAgain);
}

void Core::send_again_in(Waiting& waiting, Clock::duration pause) {
  const auto when = std::min(Clock::now() + pause, waiting.deadline);
  waiting.again = pump_.call_at(when, [this, number = waiting.number] {
    if (const auto at = waiting_.find(number); at != waiting_.end()) send(*at->second);
  });
}

void Core::finish(std::uint64_t number, Result<Connection> result) {
  const auto at = waiting_.find(number);
  if (at == waiting_.end()) return;
  const auto waiting = std::move(at->second);
  waiting_.erase(at);
  if (waiting->again) pump_.forget(*waiting->again);
  --device(waiting->address).waiting;
  drop_if_unused(waiting->address);
  if (waiting->done) waiting->done(std::move(result));
}

// Others of this process may wait for the same device: the daemon cancels all calls of a bus name at once.
void Core::cancel(std::uint64_t number, const std::string& why) {
  const auto at = waiting_.find(number);
  if (at == waiting_.end()) return;
  auto& its = device(at->second->address);
  if (its.waiting == 1 && its.connections == 0) {
    its.leased = true;  // the call's own
    its.options.lifetime = Lifetime::caller;
  }
  finish(number, cancelled(why));
}

void Core::cancel_all() {
  while (!waiting_.empty()) cancel(waiting_.begin()->first, "the client goes");
}

void Core::connection_went(const std::string& address, bool) {
  const auto at = devices_.find(address);
  if (at == devices_.end()) return;
  --at->second.connections;
  at->second.states.remove_if([](const auto& state) { return state.expired(); });
  drop_if_unused(address);
}

void Core::leave_to_linger(const std::string& address) {
  if (const auto at = devices_.find(address); at != devices_.end()) at->second.leased = false;
}

void Core::release(const std::string& address, std::function<void(Result<std::uint32_t>)> done) {
  const auto at = devices_.find(address);
  const int others = at == devices_.end() ? 0 : at->second.connections - 1 + at->second.waiting;
  if (others > 0) return done(static_cast<std::uint32_t>(others));
  if (at != devices_.end()) at->second.leased = false;  // given up here
  auto message = manager_call("ReleaseConnection");
  if (message) sd_bus_message_append(message.get(), "sa{sv}", address.c_str(), 0);
  ask(std::move(message), kRelease, [done](sd_bus_message* reply, const Error* error) {
    if (error && error->category() != Category::not_connected) return done(*error);
    std::uint32_t left = 0;
    if (reply) sd_bus_message_read(reply, "u", &left);
    done(left);
  });
}

std::shared_ptr<Connection::State> Core::read_established(sd_bus_message* reply,
                                                          const std::shared_ptr<Handle>& handle,
                                                          const std::string& address, bool persistent) {
  auto state = std::make_shared<Connection::State>();
  state->handle = handle;
  state->address = address;
  state->persistent = persistent;
  const char* ours{};
  if (sd_bus_message_read(reply, "o", &ours) <= 0) return {};
  const bool whole = for_each_entry(reply, [&](const std::string& key, Value value) {
    if (key == "adapter") state->adapter = value.text();
    if (key == "bluez-device") state->bluez_device = value.text();
    if (key == "attempts") state->attempts = static_cast<std::uint32_t>(value.number());
    if (key == "elapsed-usec") state->elapsed = std::chrono::microseconds{value.number()};
    if (key == "services-from-cache") state->from_cache = value.is_true();
    if (key == "services-verified") state->verified = value.is_true();
    if (key == "shared") state->shared = value.is_true();
  });
  return whole ? state : nullptr;
}

// --- what the daemon tells ---

void Core::owner_is(const std::string& owner) {
  const auto former = std::exchange(owner_, owner);
  if (owner.empty() && !former.empty()) left_at_ = Clock::now();
  if (owner.empty() || owner == former) return;
  for (auto& [number, waiting] : waiting_) {
    waiting->gone_since = {};
    if (waiting->again) {
      pump_.forget(*waiting->again);
      send_again_in(*waiting, 0s);
    }
  }
  for (auto& [address, its] : devices_)
    if (its.connections > 0 && its.leased) take_again(its);
}

// A link that outlived the restart is shared at once. One that did not is dialled by this: then its loss is
// told, and what was dialled is given up, unless it is maintained.
void Core::take_again(Device& its) {
  auto message = establish_call(its.address, its.options, kTakeAgain, !its.options.maintain);
  ask(std::move(message), kTakeAgain + kMargin,
      [this, address = its.address](sd_bus_message* reply, const Error* error) {
        const auto at = devices_.find(address);
        if (at == devices_.end() || at->second.connections == 0) return;
        auto& device = at->second;
        if (device.options.maintain && !error) return;
        const auto state = reply ? read_established(reply, nullptr, address, false) : nullptr;
        if (state && state->shared) return link_is_up(device, state->bluez_device, state->adapter);
        link_ended(device, "daemon-restarted");
        if (!state) return;
        device.leased = false;
        auto release = manager_call("ReleaseConnection");
        if (release) sd_bus_message_append(release.get(), "sa{sv}", address.c_str(), 0);
        ask(std::move(release), kRelease, [](sd_bus_message*, const Error*) {});
      });
}

int Core::on_device_signal(Device& its, sd_bus_message* signal) {
  // Any user may send us a signal past the rule's sender: only the daemon's own name counts.
  const char* sender = sd_bus_message_get_sender(signal);
  if (!sender || owner_ != sender) return 0;
  if (sd_bus_message_is_signal(signal, kDevice, "Disconnected") > 0) {
    const char* reason{};
    if (sd_bus_message_read(signal, "s", &reason) > 0) link_ended(its, reason);
  } else if (sd_bus_message_is_signal(signal, kDevice, "AttemptFailed") > 0) {
    std::uint32_t attempt{}, most{};
    const char *name{}, *detail{}, *message{};
    std::uint64_t retry_in{};
    if (sd_bus_message_read(signal, "uussst", &attempt, &most, &name, &detail, &message, &retry_in) > 0)
      attempt_failed(its, {attempt, most, error_of(name, message),
                           std::chrono::microseconds{static_cast<std::int64_t>(retry_in)}});
  } else if (sd_bus_message_is_signal(signal, "org.freedesktop.DBus.Properties", "PropertiesChanged") > 0) {
    read_properties(its, signal);
  }
  return 0;
}

void Core::read_properties(Device& its, sd_bus_message* signal) {
  const char* interface {};
  if (sd_bus_message_read(signal, "s", &interface) <= 0 || std::strcmp(interface, kDevice) != 0) return;
  std::string state, path, adapter;
  std::optional<bool> verified;
  for_each_entry(signal, [&](const std::string& key, Value value) {
    if (key == "State") state = value.text();
    if (key == "BluezDevice") path = value.text();
    if (key == "Adapter") adapter = value.text();
    if (key == "ServicesVerified") verified = value.is_true();
  });
  if (state == "connected") link_is_up(its, path, adapter);
  if (!state.empty()) state_changed(its, state, adapter);
  if (!verified) return;
  for (auto& weak : its.states)
    if (const auto each = weak.lock()) {
      const std::lock_guard locked{each->mutex};
      each->verified = *verified;
    }
}

void Core::link_ended(Device& its, const std::string& reason) {
  if (!its.options.maintain && its.options.lifetime == Lifetime::caller) its.leased = false;
  const auto states = its.states;  // callbacks may change the list
  for (auto& weak : states) {
    const auto state = weak.lock();
    if (!state) continue;
    std::function<void(const std::string&)> callback;
    {
      const std::lock_guard locked{state->mutex};
      if (!std::exchange(state->connected, false)) continue;
      state->reason = reason;
      callback = state->on_disconnected;
      state->calling = true;
    }
    state->changed.notify_all();
    state->call(callback, reason);
  }
}

void Core::link_is_up(Device& its, const std::string& bluez_device, const std::string& adapter) {
  const auto states = its.states;
  for (auto& weak : states) {
    const auto state = weak.lock();
    if (!state) continue;
    std::function<void()> callback;
    {
      const std::lock_guard locked{state->mutex};
      if (!bluez_device.empty() && bluez_device != "/") state->bluez_device = bluez_device;
      if (!adapter.empty()) state->adapter = adapter;
      if (!its.leased) continue;  // it ended with its link; another program has made a new one
      if (std::exchange(state->connected, true)) continue;
      callback = state->on_connected;
      state->calling = true;
    }
    state->call(callback);
  }
}

void Core::state_changed(const Device& its, const std::string& state, const std::string& adapter) {
  std::vector<std::function<void(const std::string&, const std::string&)>> callbacks;
  for (auto& [number, waiting] : waiting_)
    if (waiting->address == its.address && waiting->options.on_state)
      callbacks.push_back(waiting->options.on_state);
  for (auto& callback : callbacks) callback(state, adapter);
}

void Core::attempt_failed(const Device& its, const AttemptFailed& failed) {
  std::vector<std::function<void(const AttemptFailed&)>> callbacks;
  for (auto& [number, waiting] : waiting_)
    if (waiting->address == its.address && waiting->options.on_attempt_failed)
      callbacks.push_back(waiting->options.on_attempt_failed);
  for (auto& callback : callbacks) callback(failed);
}

}  // namespace bleconn
