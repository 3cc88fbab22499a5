// Calls are made again while the daemon restarts; leases are taken again when it is back.
#include "core.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "daemon_signals.hpp"
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
constexpr auto kAnswer = 25s;     // D-Bus' usual patience
constexpr auto kUnset = 3600s;    // the library's own deadline where the daemon's default holds
constexpr std::uint64_t kNever = UINT64_MAX;  // for sd-bus: the deadline is ours

// The system bus lets 128 calls of a connection be unanswered (max_replies_per_connection).
constexpr std::size_t kCallsOnWire = 96;
constexpr std::size_t kAsksOnWire = 24;

const char* priority_word(Priority priority) {
  return priority == Priority::low ? "low" : priority == Priority::high ? "high" : "normal";
}

const char* lifetime_word(Lifetime lifetime) {
  return lifetime == Lifetime::persistent ? "persistent" : "caller";
}

std::uint32_t seconds_of(std::chrono::seconds span) {
  const auto count = std::clamp<std::int64_t>(span.count(), 0, 0xFFFFFFFF);
  return static_cast<std::uint32_t>(count);  // what is out of the daemon's range is refused by it
}

void add(Request& to, const char* key, const std::string& text) {
  if (!text.empty()) to.add("{sv}", key, "s", text.c_str());
}
void add(Request& to, const char* key, std::optional<bool> value) {
  if (value) to.add("{sv}", key, "b", *value ? 1 : 0);
}
void add(Request& to, const char* key, std::optional<std::uint32_t> value) {
  if (value) to.add("{sv}", key, "u", *value);
}
void add(Request& to, const char* key, std::optional<std::chrono::seconds> value) {
  if (value) to.add("{sv}", key, "u", seconds_of(*value));
}

Request& add_uuids(Request& to, const std::vector<std::string>& uuids) {
  to.open('e', "sv").add("s", "required-uuids").open('v', "as").open('a', "s");
  for (const auto& uuid : uuids) to.add("s", uuid.c_str());
  return to.close().close().close();
}

Error cancelled(const std::string& why) {
  return {Category::cancelled, "cancelled: " + why};
}

Error not_in_time(std::chrono::microseconds patience) {
  return {Category::timeout, "timeout: bleconnd has not answered for " +
                                 std::to_string(patience.count() / 1'000'000) +
                                 " s; systemctl status bleconnd"};
}

}  // namespace

Handle::~Handle() {
  if (core->pump().is_forked())
    new std::shared_ptr<Core>{
        std::move(core)};  // its thread and its bus are the parent's: never touched here
  else
    core->pump().end([core = core.get()] { core->cancel_all(); });
}

Core::Core(const std::string& host) : pump_{host} {}
Core::~Core() = default;

// Without a callback for its answer, a rule that the bus refuses would end the connection.
void Core::add_match(const char* rule, sd_bus_message_handler_t seen, Slot& slot) {
  const auto installed = [](sd_bus_message* reply, void* self, sd_bus_error*) {
    auto& its = *static_cast<Core*>(self);
    if (const auto* error = sd_bus_message_get_error(reply)) its.is_deaf_ = error_of(*error);
    return 0;
  };
  sd_bus_slot* made{};
  if (const int added = sd_bus_add_match_async(pump_.bus(), &made, rule, seen, installed, this); added < 0)
    is_deaf_ = bus_lost(added);
  slot.reset(made);
}

void Core::begin() {
  add_match(
      kOwnerRule,
      [](sd_bus_message* signal, void* self, sd_bus_error*) {
        if (const char* owner = owner_in(signal)) static_cast<Core*>(self)->owner_is(owner);
        return 0;
      },
      owner_signal_);
  // One rule for all devices: a bus connection may have 512, and what the daemon tells is little.
  add_match(
      kDaemonRule,
      [](sd_bus_message* signal, void* self, sd_bus_error*) {
        auto& its = *static_cast<Core*>(self);
        const char* sender = sd_bus_message_get_sender(signal);
        if (!sender || its.owner_ != sender) return 0;
        const auto address = address_in(sd_bus_message_get_path(signal));
        if (const auto device = address ? its.known(*address) : nullptr) its.on_device_signal(device, signal);
        return 0;
      },
      daemon_signal_);
  add_match(
      "type='signal',sender='org.freedesktop.DBus.Local',path='/org/freedesktop/DBus/Local',"
      "interface='org.freedesktop.DBus.Local',member='Disconnected'",
      [](sd_bus_message*, void* self, sd_bus_error*) {
        static_cast<Core*>(self)->bus_ended();
        return 0;
      },
      end_signal_);
  Request owner{pump_.bus(), "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                "GetNameOwner"};
  owner.add("s", kDaemon);
  ask(std::move(owner), kAnswer, [this](sd_bus_message* reply, const Error*) {
    const char* name{};
    if (reply && sd_bus_message_read(reply, "s", &name) > 0) owner_ = name;
  });
  pump_.kept_by(weak_from_this());
}

void Core::in_loop(Pump::Work work) {
  if (pump_.is_inside()) return work();
  pump_.post(std::move(work));
  if (pump_.runs_here()) pump_.dispatch();
}

// --- calls that only ask ---

void Core::ask(Request request, std::chrono::microseconds patience, Answered answered,
               const std::string& releases) {
  const auto at = asks_.insert(asks_.end(), std::make_unique<Ask>(Ask{*this, std::move(request), patience,
                                                                      std::move(answered), releases}));
  (*at)->at = at;
  asks_unsent_.push_back(at->get());
  send_asks();
}

void Core::send_asks() {
  while (!asks_unsent_.empty() && asks_sent_ < kAsksOnWire) {
    auto& next = *asks_unsent_.front();
    asks_unsent_.pop_front();
    send(next);
    if (!next.releases.empty()) send_held(next.releases);
  }
}

// sd-bus answers by itself what is over its time, and what waits when the bus ends.
Error Core::unanswered(const Ask& ask, const sd_bus_error& error) const {
  if (sd_bus_is_open(pump_.bus()) <= 0) return bus_lost(ECONNRESET);
  return Clock::now() >= ask.due ? not_in_time(ask.patience) : error_of(error);
}

void Core::send(Ask& ask) {
  const auto replied = [](sd_bus_message* reply, void* self, sd_bus_error*) {
    auto& core = static_cast<Ask*>(self)->core;
    const auto owned = std::move(*static_cast<Ask*>(self)->at);
    core.asks_.erase(owned->at);
    --core.asks_sent_;
    if (const auto* error = sd_bus_message_get_error(reply)) {
      const auto as_error = core.unanswered(*owned, *error);
      owned->answered(nullptr, &as_error);
    } else {
      owned->answered(reply, nullptr);
    }
    core.send_asks();
    return 0;
  };
  int status = ask.request.status();
  ask.due = Clock::now() + ask.patience;
  if (status >= 0) {
    sd_bus_slot* slot{};
    status = sd_bus_call_async(pump_.bus(), &slot, ask.request.message(), replied, &ask,
                               static_cast<std::uint64_t>(ask.patience.count()));
    ask.slot.reset(slot);
  }
  ++asks_sent_;
  if (status >= 0) return;
  // Told in a turn of its own: whoever asks again at once would never come to an end.
  pump_.call_at(Clock::now(), [this, &ask, status] {
    const auto owned = std::move(*ask.at);
    asks_.erase(owned->at);
    --asks_sent_;
    const auto error = not_sent(status);
    owned->answered(nullptr, &error);
    send_asks();
  });
}

// --- devices ---

bool Core::Device::is_held(Lifetime by) const {
  return std::any_of(connections.begin(), connections.end(),
                     [by](const Held& each) { return each.holds && each.lifetime == by; });
}

std::shared_ptr<Core::Device> Core::known(const std::string& address) const {
  const auto at = devices_.find(address);
  return at == devices_.end() ? nullptr : at->second;
}

std::shared_ptr<Core::Device> Core::device(const std::string& address) {
  auto& its = devices_[address];
  if (!its) its = std::make_shared<Device>(Device{address});
  return its;
}

// What nobody here holds or waits for any more is given up; what nobody has is forgotten. A callback of the
// program can have had the device forgotten and made anew: the new one is none of the former's business.
void Core::settle(const std::shared_ptr<Device>& device) {
  if (device->waiting > 0 || known(device->address) != device) return;
  if (!device->is_held(Lifetime::caller)) send_release(*device);
  if (device->connections.empty()) devices_.erase(device->address);
}

// Of this process' own lease: none that is the user's can go by it, whatever has happened meanwhile.
void Core::send_release(Device& device) {
  if (!std::exchange(device.owes_release, false)) return;
  ask_release(device.address, Lifetime::caller, [](sd_bus_message*, const Error*) {});
}

void Core::ask_release(const std::string& address, Lifetime lifetime, Answered answered) {
  Request request{pump_.bus(), "ReleaseConnection"};
  request.add("sa{sv}", address.c_str(), 1, "lifetime", "s", lifetime_word(lifetime));
  ask(std::move(request), kRelease, std::move(answered), address);
}

bool Core::has_unsent_release(const std::string& address) const {
  return std::any_of(asks_unsent_.begin(), asks_unsent_.end(),
                     [&](const Ask* each) { return each->releases == address; });
}

void Core::connection_went(const std::string& address, std::uint64_t number) {
  const auto its = known(address);
  if (!its) return;
  its->connections.remove_if([&](const Held& each) { return each.number == number; });
  settle(its);
}

void Core::leave_to_linger(const std::string& address) {
  if (const auto its = known(address)) its->owes_release = false;
}

void Core::release(const std::string& address, std::uint64_t number,
                   const std::function<void(Result<std::uint32_t>)>& done) {
  const auto its = device(address);
  std::uint32_t others = static_cast<std::uint32_t>(its->waiting);
  auto lifetime = Lifetime::caller;
  for (auto& each : its->connections) {
    if (each.number == number) {
      each.holds = false;
      lifetime = each.lifetime;
    } else if (each.holds && each.lifetime == Lifetime::caller) {
      ++others;
    }
  }
  if (lifetime == Lifetime::caller) {
    if (others > 0) return done(others);
    its->owes_release = false;  // given up here
  }
  ask_release(address, lifetime, [done](sd_bus_message* reply, const Error* error) {
    if (error && error->category() != Category::not_connected) return done(*error);
    std::uint32_t left = 0;
    if (reply) sd_bus_message_read(reply, "u", &left);
    done(left);
  });
}

// --- calls that connect ---

Request Core::establish_call(const std::string& address, const Options& options,
                             std::optional<std::chrono::seconds> timeout) {
  Request to{pump_.bus(), "EstablishConnection"};
  to.add("s", address.c_str()).open('a', "{sv}");
  add(to, "lifetime", std::string{lifetime_word(options.lifetime)});
  add(to, "timeout", timeout);
  add(to, "attempt-timeout", options.attempt_timeout);
  add(to, "max-attempts", options.max_attempts);
  add(to, "adapter", options.adapter);
  add(to, "use-services-cache", options.use_services_cache);
  if (!options.required_uuids.empty()) add_uuids(to, options.required_uuids);
  add(to, "pair", options.pair);
  add(to, "trust", options.trust);
  add(to, "maintain", std::optional<bool>{options.maintain});
  if (options.priority) add(to, "priority", std::string{priority_word(*options.priority)});
  add(to, "label", options.label);
  if (!options.wait) add(to, "wait", std::optional<bool>{false});
  to.close();
  return to;
}

std::optional<Error> Core::refused(const std::string& address, const Options& options) const {
  if (!parse_address(address)) return no_address(address);
  if (options.timeout && *options.timeout < 1s)
    return Error{Category::invalid_args, "invalid: timeout is below 1 s; every call has a deadline"};
  if (!options.wait && !options.maintain && options.lifetime == Lifetime::caller)
    return Error{
        Category::invalid_args,
        "invalid: without wait, nobody keeps the attempt going; set maintain, or a persistent lifetime"};
  return is_deaf_;
}

void Core::establish(const std::weak_ptr<Handle>& handle, std::uint64_t number, const std::string& address,
                     const Options& options, Done done) {
  auto waiting = std::make_unique<Waiting>(Waiting{*this, number, canonical(address), options,
                                                   Clock::now() + options.timeout.value_or(kUnset), handle,
                                                   std::move(done)});
  auto& its = *waiting;
  ++device(its.address)->waiting;
  waiting_.emplace(number, std::move(waiting));
  if (const auto error = refused(address, options)) return fail_soon(its, *error);
  send(its);
}

void Core::at(Waiting& waiting, Clock::time_point when, void (Core::*what)(Waiting&)) {
  if (waiting.timer) pump_.forget(*waiting.timer);
  waiting.timer = pump_.call_at(when, [this, number = waiting.number, what] {
    const auto at = waiting_.find(number);
    if (at == waiting_.end()) return;
    at->second->timer.reset();
    (this->*what)(*at->second);
  });
}

// In a turn of its own: a program that calls again at once would never come to an end.
void Core::fail_soon(Waiting& waiting, const Error& error) {
  waiting.over = true;
  if (waiting.timer) pump_.forget(*waiting.timer);
  waiting.timer =
      pump_.call_at(Clock::now(), [this, number = waiting.number, error] { finish(number, error); });
}

// A release that is still to be sent would end the lease of this call. Taking it back instead would leave
// what the former lease was asked for, as to be maintained.
void Core::send(Waiting& waiting) {
  if (has_unsent_release(waiting.address)) return at(waiting, waiting.deadline, &Core::due);
  if (calls_sent_ >= kCallsOnWire) {
    unsent_.push_back(waiting.number);
    return at(waiting, waiting.deadline, &Core::due);
  }
  const auto left = std::chrono::ceil<std::chrono::seconds>(waiting.deadline - Clock::now());
  std::optional<std::chrono::seconds> timeout;
  if (waiting.options.timeout) timeout = std::max<std::chrono::seconds>(left, 1s);
  const auto request = establish_call(waiting.address, waiting.options, timeout);
  const auto replied = [](sd_bus_message* reply, void* self, sd_bus_error*) {
    auto& its = *static_cast<Waiting*>(self);
    auto& core = its.core;
    --core.calls_sent_;
    const Slot slot = std::move(its.slot);  // of a call that is over
    const auto* error = sd_bus_message_get_error(reply);
    error ? core.failed(its, *error) : core.answered(its, reply);
    core.send_unsent();
    return 0;
  };
  int status = request.status();
  sd_bus_slot* slot{};
  if (status >= 0)
    status = sd_bus_call_async(pump_.bus(), &slot, request.message(), replied, &waiting, kNever);
  if (status < 0) return fail_soon(waiting, not_sent(status));
  waiting.slot.reset(slot);
  ++calls_sent_;
  at(waiting, waiting.deadline + kMargin, &Core::due);
  if (waiting.options.on_state) tell_state_now(waiting.address, waiting.number);
}

void Core::send_if_unsent(std::uint64_t number) {
  const auto at = waiting_.find(number);
  if (at != waiting_.end() && !at->second->slot && !at->second->over) send(*at->second);
}

void Core::send_unsent() {
  while (!unsent_.empty() && calls_sent_ < kCallsOnWire) {
    const auto next = unsent_.front();
    unsent_.pop_front();
    send_if_unsent(next);
  }
}

void Core::send_held(const std::string& address) {
  for (const auto number : waiting_for(address)) send_if_unsent(number);
}

// What runs already changes its state later: what it is now is asked for.
void Core::tell_state_now(const std::string& address, std::uint64_t number) {
  ask_state(address, [this, number](sd_bus_message* reply, const Error*) {
    const auto at = waiting_.find(number);
    if (!reply || at == waiting_.end()) return;
    std::string state, adapter;
    for_each_entry(reply, [&](const std::string& key, Value value) {
      if (key == "State") state = value.text();
      if (key == "Adapter") adapter = value.text();
    });
    const auto callback = at->second->options.on_state;
    if (!state.empty()) tell(callback, state, adapter);
  });
}

void Core::ask_state(const std::string& address, Answered answered) {
  Request request{pump_.bus(), kDaemon, device_path(address).c_str(), "org.freedesktop.DBus.Properties",
                  "GetAll"};
  request.add("s", kDevice);
  ask(std::move(request), kAnswer, std::move(answered));
}

void Core::answered(Waiting& waiting, sd_bus_message* reply) {
  if (const char* sender = sd_bus_message_get_sender(reply)) owner_ = sender;
  const auto its = device(waiting.address);
  if (waiting.options.lifetime == Lifetime::caller) its->owes_release = true;
  const auto state = read_established(reply);
  const auto handle = waiting.handle.lock();
  if (!state || !handle)
    return finish(waiting.number, Error{Category::unexpected, "an answer that cannot be read"});
  state->handle = handle;
  state->number = waiting.number;
  state->address = waiting.address;
  state->options = waiting.options;
  its->connections.push_back({waiting.number, state, waiting.options.lifetime, waiting.options.maintain});
  finish(waiting.number, Connection{state});
}

// A daemon that went is waited for: it is started again, and what it had promised is asked for once more.
void Core::failed(Waiting& waiting, const sd_bus_error& error) {
  // What is answered is made anew: two of which one is copied share their text, with a count that
  // ThreadSanitizer does not see.
  const auto as_error = error_of(error);
  const auto now = Clock::now();
  const bool stops = as_error.token() == "stopping";
  if (as_error.category() != Category::daemon_not_running && !stops)
    return finish(waiting.number, error_of(error));
  if (now >= waiting.deadline) return due(waiting);
  // It had the call and went, or has just gone; where nobody was, that is said at once.
  const bool had_it = stops || std::strcmp(error.name, SD_BUS_ERROR_NO_REPLY) == 0;
  const bool restarts = !owner_.empty() || (left_at_ && now - *left_at_ < kNobody);
  const bool was_there = had_it || restarts || waiting.gone_since != Clock::time_point{};
  if (waiting.gone_since == Clock::time_point{}) waiting.gone_since = now;
  if (!was_there || now - waiting.gone_since >= kNobody) return finish(waiting.number, error_of(error));
  at(waiting, std::min(now + kAgain, waiting.deadline), &Core::send);
}

void Core::due(Waiting& waiting) {
  if (waiting.slot) {
    device(waiting.address)->owes_release = true;
    finish(waiting.number, not_in_time(waiting.options.timeout.value_or(kUnset) + kMargin));
  } else {
    finish(waiting.number, Error{Category::timeout,
                                 "timeout: bleconnd did not come back, or other calls of this "
                                 "program were before this one; systemctl status bleconnd"});
  }
}

void Core::finish(std::uint64_t number, Result<Connection> result) {
  const auto at = waiting_.find(number);
  if (at == waiting_.end()) return;
  const auto waiting = std::move(at->second);
  waiting_.erase(at);
  if (waiting->timer) pump_.forget(*waiting->timer);
  if (waiting->slot) {  // it goes on in the daemon
    waiting->slot.reset();
    --calls_sent_;
  }
  const auto its = device(waiting->address);
  --its->waiting;
  tell(waiting->done, std::move(result));
  settle(its);
  send_unsent();
}

// Others of this process may wait for the same device: the daemon cancels all calls of a bus name at once. So
// it is the last one here that has it cancelled.
void Core::cancel(std::uint64_t number, const std::string& why) {
  const auto at = waiting_.find(number);
  if (at == waiting_.end()) return;
  if (at->second->slot) device(at->second->address)->owes_release = true;
  finish(number, cancelled(why));
}

void Core::cancel_all() {
  while (!waiting_.empty()) cancel(waiting_.begin()->first, "the client goes");
}

std::shared_ptr<Connection::State> Core::read_established(sd_bus_message* reply) {
  auto state = std::make_shared<Connection::State>();
  const char* ours{};
  if (sd_bus_message_read(reply, "o", &ours) <= 0) return {};
  const bool whole = for_each_entry(reply, [&](const std::string& key, Value value) {
    if (key == "state") state->state = value.text();
    if (key == "adapter") state->adapter = value.text();
    if (key == "bluez-device" && value.text() != "/") state->bluez_device = value.text();
    if (key == "attempts") state->attempts = static_cast<std::uint32_t>(value.number());
    if (key == "elapsed-usec") state->elapsed = std::chrono::microseconds{value.number()};
    if (key == "services-from-cache") state->from_cache = value.is_true();
    if (key == "services-verified") state->verified = value.is_true();
    if (key == "shared") state->shared = value.is_true();
    if (key == "adopted") state->adopted = value.is_true();
  });
  state->connected = state->state == "connected";
  return whole ? state : nullptr;
}

// --- what the daemon tells ---

void Core::owner_is(const std::string& owner) {
  const auto former = std::exchange(owner_, owner);
  if (owner.empty() && !former.empty()) left_at_ = Clock::now();
  if (owner.empty() || owner == former) return;
  for (auto& [number, waiting] : waiting_) {
    waiting->gone_since = {};
    if (waiting->timer && !waiting->slot && !waiting->over) at(*waiting, Clock::now(), &Core::send);
  }
  const auto devices = devices_;  // what follows may change the map
  for (auto& [address, its] : devices) {
    if (its->is_held(Lifetime::caller)) take_again(its);
    if (its->is_held(Lifetime::persistent)) look_again(its);
  }
}

void Core::bus_ended() {
  is_deaf_ = bus_lost(ECONNRESET);
  const auto devices = devices_;
  for (auto& [address, its] : devices) {
    its->owes_release = false;
    link_ended(its, "bus-lost", {}, true);
  }
  // A program that calls again at once is told in a turn of its own, like all that call from here on.
  std::vector<std::uint64_t> numbers;
  numbers.reserve(waiting_.size());
  for (auto& [number, waiting] : waiting_) numbers.push_back(number);
  for (const auto number : numbers) finish(number, *is_deaf_);
}

// A link that outlived the restart is adopted. One that did not is dialled by this: then its loss is told,
// and what was dialled is given up, unless it is maintained. A daemon that goes again meanwhile is asked when
// it is back.
void Core::take_again(const std::shared_ptr<Device>& device) {
  Options options;
  for (const auto& state : states_of(*device))
    if (state->options.lifetime == Lifetime::caller && (state->options.maintain || !options.maintain))
      options = state->options;
  options.wait = !options.maintain;
  options.required_uuids.clear();  // of its former answer
  ask(establish_call(device->address, options,
                     options.wait ? std::optional<std::chrono::seconds>{kTakeAgain} : std::nullopt),
      kTakeAgain + kMargin,
      [this, device, maintain = options.maintain](sd_bus_message* reply, const Error* error) {
        const bool gone =
            error && (error->category() == Category::daemon_not_running || error->token() == "stopping");
        if (gone) return;
        const auto now = reply ? read_established(reply) : nullptr;
        if (now) path_is(*device, now->bluez_device, now->adapter);
        const bool goes_on = now && now->connected && (maintain || now->adopted);
        if (!goes_on) link_ended(device, "daemon-restarted", Lifetime::caller, !now);
      });
}

// The user's lease needs no call; only whether its link outlived the restart is not known.
void Core::look_again(const std::shared_ptr<Device>& device) {
  ask_state(device->address, [this, device](sd_bus_message* reply, const Error* error) {
    if (error && error->category() == Category::daemon_not_running) return;
    std::string state;
    if (reply)
      for_each_entry(reply, [&](const std::string& key, Value value) {
        if (key == "State") state = value.text();
      });
    if (state != "connected") link_ended(device, "daemon-restarted", Lifetime::persistent);
  });
}

void Core::on_device_signal(const std::shared_ptr<Device>& device, sd_bus_message* signal) {
  if (sd_bus_message_is_signal(signal, kDevice, "Disconnected") > 0) {
    const char* reason{};
    if (sd_bus_message_read(signal, "s", &reason) > 0) link_ended(device, reason);
  } else if (sd_bus_message_is_signal(signal, kDevice, "ServicesChanged") > 0) {
    for (const auto& state : states_of(*device)) state->call(&Connection::State::on_services_changed);
  } else if (sd_bus_message_is_signal(signal, kDevice, "AttemptFailed") > 0) {
    if (const auto failed = attempt_in(signal)) attempt_failed(device->address, *failed);
  } else if (sd_bus_message_is_signal(signal, "org.freedesktop.DBus.Properties", "PropertiesChanged") > 0) {
    read_properties(device, signal);
  }
}

void Core::read_properties(const std::shared_ptr<Device>& device, sd_bus_message* signal) {
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
  path_is(*device, path, adapter);
  if (verified)
    for (const auto& each : states_of(*device)) {
      const std::lock_guard locked{each->mutex};
      each->verified = *verified;
    }
  if (state == "connected") link_is_up(device);
  if (!state.empty()) state_changed(device->address, state, adapter);
}

void Core::link_ended(const std::shared_ptr<Device>& device, const std::string& reason,
                      std::optional<Lifetime> only, bool for_good) {
  std::vector<std::shared_ptr<Connection::State>> ended;
  for (auto& each : device->connections) {
    if (only && each.lifetime != *only) continue;
    const bool outlasts = each.lifetime == Lifetime::persistent || each.maintained;
    if (for_good || !outlasts) each.holds = false;
    if (auto state = each.state.lock()) ended.push_back(std::move(state));
  }
  for (const auto& state : ended) {
    const auto ends = [&] {
      if (!std::exchange(state->connected, false)) return false;
      state->reason = reason;
      return true;
    };
    state->call_if(ends, &Connection::State::on_disconnected, reason);
  }
  settle(device);
}

void Core::link_is_up(const std::shared_ptr<Device>& device) {
  for (const auto& state : states_of(*device)) {
    if (!state->outlasts_its_link()) continue;  // it ended with its link
    const auto is_back = [&] { return !std::exchange(state->connected, true); };
    state->call_if(is_back, &Connection::State::on_connected);
  }
}

void Core::path_is(const Device& device, const std::string& bluez_device, const std::string& adapter) {
  for (const auto& state : states_of(device)) {
    const std::lock_guard locked{state->mutex};
    if (!bluez_device.empty() && bluez_device != "/") state->bluez_device = bluez_device;
    if (!adapter.empty()) state->adapter = adapter;
  }
}

// Callbacks may end others of them: each is looked for again before its turn.
std::vector<std::uint64_t> Core::waiting_for(const std::string& address) const {
  std::vector<std::uint64_t> numbers;
  for (auto& [number, waiting] : waiting_)
    if (waiting->address == address) numbers.push_back(number);
  return numbers;
}

std::vector<std::shared_ptr<Connection::State>> Core::states_of(const Device& device) const {
  std::vector<std::shared_ptr<Connection::State>> states;
  for (auto& each : device.connections)
    if (auto state = each.state.lock()) states.push_back(std::move(state));
  return states;
}

void Core::state_changed(const std::string& address, const std::string& state, const std::string& adapter) {
  for (const auto number : waiting_for(address)) {
    const auto at = waiting_.find(number);
    if (at == waiting_.end()) continue;
    const auto callback = at->second->options.on_state;
    tell(callback, state, adapter);
  }
}

void Core::attempt_failed(const std::string& address, const AttemptFailed& failed) {
  for (const auto number : waiting_for(address)) {
    const auto at = waiting_.find(number);
    if (at == waiting_.end()) continue;
    const auto callback = at->second->options.on_attempt_failed;
    tell(callback, failed);
  }
}

}  // namespace bleconn
