// The public classes: each call is left for the loop, and waited for where it blocks.
#include <chrono>

#include "core.hpp"
#include "names.hpp"
#include "read.hpp"

namespace bleconn {
namespace {

using namespace std::chrono_literals;
constexpr auto kAnswer = 25s;  // D-Bus' usual patience
constexpr auto kStale = 60s;   // two Disconnects, a wait and a removal a link

template <class T>
using Done = std::function<void(Result<T>)>;

// Answers with what `read` makes of the reply.
template <class T>
Core::Answered answered(Done<T> done, std::function<bool(sd_bus_message*, T&)> read) {
  return [done, read](sd_bus_message* reply, const Error* error) {
    if (error) return done(*error);
    T value{};
    if (!read(reply, value)) return done(Error{Category::unexpected, "an answer that cannot be read"});
    done(std::move(value));
  };
}

void call_services(Core& core, const std::string& address, Done<Services> done) {
  const auto device = parse_address(address);
  if (!device) return done(no_address(address));
  Request request{core.pump().bus(), "GetServices"};
  request.add("s", device->c_str());
  core.ask(std::move(request), kAnswer, answered<Services>(std::move(done), Reader::services));
}

void call_describe(Core& core, const std::string& address, Done<std::string> done) {
  if (!address.empty() && !parse_address(address)) return done(no_address(address));
  Request request{core.pump().bus(), "Describe"};
  request.add("s", canonical(address).c_str());
  core.ask(std::move(request), kAnswer,
           answered<std::string>(std::move(done), [](sd_bus_message* reply, std::string& json) {
             const char* text{};
             if (sd_bus_message_read(reply, "s", &text) <= 0) return false;
             json = text;
             return true;
           }));
}

}  // namespace

// --- Connection ---

Connection::Connection() noexcept = default;
Connection::Connection(std::shared_ptr<State> state) noexcept : state_{std::move(state)} {}
Connection::Connection(Connection&& other) noexcept = default;
Connection& Connection::operator=(Connection&& other) noexcept {
  if (this == &other) return *this;
  let_go();
  state_ = std::move(other.state_);
  return *this;
}
Connection::~Connection() {
  let_go();
}

void Connection::let_go() noexcept {
  if (!state_) return;
  const auto state = std::move(state_);
  const auto& handle = state->handle;
  // What they refer to is destroyed outside the lock: it may be the owner of a Connection.
  std::function<void(const std::string&)> on_disconnected;
  std::function<void()> on_connected, on_services_changed;
  {
    std::unique_lock locked{state->mutex};
    on_disconnected.swap(state->on_disconnected);
    on_connected.swap(state->on_connected);
    on_services_changed.swap(state->on_services_changed);
    auto& pump = handle->core->pump();
    if (pump.is_forked()) return;
    if (!pump.is_inside()) state->changed.wait(locked, [&] { return state->calling == 0; });
  }
  handle->core->in_loop([core = handle->core.get(), address = state->address, number = state->number] {
    core->connection_went(address, number);
  });
}

const std::string& Connection::address() const {
  return state_->address;
}
std::string Connection::adapter() const {
  const std::lock_guard locked{state_->mutex};
  return state_->adapter;
}
std::string Connection::bluez_device() const {
  const std::lock_guard locked{state_->mutex};
  return state_->bluez_device;
}
bool Connection::is_connected() const {
  const std::lock_guard locked{state_->mutex};
  return state_->connected;
}
std::uint32_t Connection::attempts() const {
  return state_->attempts;
}
std::chrono::microseconds Connection::elapsed() const {
  return state_->elapsed;
}
bool Connection::services_from_cache() const {
  return state_->from_cache;
}
bool Connection::services_verified() const {
  const std::lock_guard locked{state_->mutex};
  return state_->verified;
}
const Options& Connection::options() const {
  return state_->options;
}
const std::string& Connection::state() const {
  return state_->state;
}
bool Connection::shared() const {
  return state_->shared;
}

Services Connection::services() const {
  auto& core = *state_->handle->core;
  return core.wait_for<Services>([&core, address = state_->address](Done<Services> done) {
    call_services(core, address, std::move(done));
  });
}

void Connection::on_disconnected(std::function<void(const std::string&)> callback) {
  // Then what was set before: it goes outside the lock, as it may be the owner of a Connection.
  auto kept = callback;
  std::string reason;
  {
    const std::lock_guard locked{state_->mutex};
    state_->on_disconnected.swap(kept);
    if (state_->connected || state_->reason.empty()) return;
    reason = state_->reason;
  }
  tell(callback, reason);
}

void Connection::on_connected(std::function<void()> callback) {
  const std::lock_guard locked{state_->mutex};
  state_->on_connected.swap(callback);
}

void Connection::on_services_changed(std::function<void()> callback) {
  const std::lock_guard locked{state_->mutex};
  state_->on_services_changed.swap(callback);
}

std::uint32_t Connection::release() {
  auto& core = *state_->handle->core;
  const auto left =
      core.wait_for<std::uint32_t>([&core, address = state_->address, number = state_->number](
                                       Done<std::uint32_t> done) { core.release(address, number, done); });
  let_go();
  return left;
}

void Connection::leave_to_linger() {
  state_->handle->core->in_loop(
      [core = state_->handle->core.get(), address = state_->address] { core->leave_to_linger(address); });
  let_go();
}

bool Connection::is_lost_within(std::chrono::milliseconds patience) const {
  auto& pump = state_->handle->core->pump();
  if (pump.is_inside())
    throw Error{Category::invalid_args,
                "invalid: a blocking call in a callback; connect again from elsewhere"};
  if (pump.runs_here()) {  // nobody else runs the loop
    pump.run_until([this] { return !is_connected(); }, Clock::now() + patience);
    return !is_connected();
  }
  std::unique_lock locked{state_->mutex};
  return state_->changed.wait_for(locked, patience, [this] { return !state_->connected; });
}

// --- Call ---

void Call::cancel() {
  if (const auto core = core_.lock())
    core->in_loop([core = core.get(), number = number_] { core->cancel(number, "by the program itself"); });
}

// --- Client ---

Client::Client() : Client{std::string{}, Loop{}} {}
Client::Client(Loop loop) : Client{std::string{}, loop} {}
Client::Client(const std::string& host, Loop loop) {
  auto core = std::make_shared<Core>(host);
  core->begin();
  if (loop.of)
    core->pump().run_on(loop.of);
  else if (!loop.polled)
    core->pump().run_on_thread(core);
  handle_ = std::make_shared<Handle>(std::move(core));
}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&& other) noexcept {
  if (this == &other) return *this;
  close();
  handle_ = std::move(other.handle_);
  return *this;
}
Client::~Client() {
  close();
}

// What the callbacks of its calls refer to may go with the caller: they have run when this returns.
void Client::close() noexcept {
  const auto handle = std::move(handle_);
  if (!handle || handle->core->pump().is_forked()) return;
  auto& core = *handle->core;
  if (!core.pump().has_thread() || core.pump().is_inside()) {
    core.pump().dispatch();  // from here on this thread runs what is left
    return core.in_loop([&core] { core.cancel_all(); });
  }
  std::promise<void> done;
  core.in_loop([&] {
    core.cancel_all();
    done.set_value();
  });
  done.get_future().wait();
}

Connection Client::establish(const std::string& address, const Options& options) {
  const auto handle = handle_;
  const auto number = handle->core->new_number();
  const std::weak_ptr<Handle> kept = handle;
  return handle->core->wait_for<Connection>(
      [core = handle->core.get(), kept, number, address, options](Done<Connection> done) {
        core->establish(kept, number, address, options, std::move(done));
      });
}

std::future<Connection> Client::establish_future(const std::string& address, const Options& options) {
  const auto promise = std::make_shared<std::promise<Connection>>();
  auto future = promise->get_future();
  establish(address, options, [promise](Result<Connection> result) {
    if (result.ok())
      promise->set_value(std::move(result.value()));
    else
      promise->set_exception(std::make_exception_ptr(result.error()));
  });
  return future;
}

// What is left for the loop names the Core only: whoever keeps it going decides when it ends.
Call Client::establish(const std::string& address, const Options& options, Done<Connection> done) {
  const auto number = handle_->core->new_number();
  const std::weak_ptr<Handle> kept = handle_;
  handle_->core->in_loop([core = handle_->core.get(), kept, number, address, options,
                          done = std::move(done)] { core->establish(kept, number, address, options, done); });
  Call call;
  call.core_ = handle_->core;
  call.number_ = number;
  return call;
}

bool Client::clear_cache(const std::string& address, bool force) {
  auto& core = *handle_->core;
  return core.wait_for<bool>([&core, address, force](Done<bool> done) {
    const auto device = parse_address(address);
    if (!device) return done(no_address(address));
    Request request{core.pump().bus(), "ClearCache"};
    request.add("sa{sv}", device->c_str(), 1, "force", "b", force ? 1 : 0);
    core.ask(std::move(request), kAnswer,
             answered<bool>(std::move(done), [](sd_bus_message* reply, bool& cleared) {
               int value = 0;
               if (sd_bus_message_read(reply, "b", &value) <= 0) return false;
               cleared = value != 0;
               return true;
             }));
  });
}

std::uint32_t Client::close_stale(const std::string& address, bool only_other_adapters) {
  auto& core = *handle_->core;
  return core.wait_for<std::uint32_t>([&core, address, only_other_adapters](Done<std::uint32_t> done) {
    const auto device = parse_address(address);
    if (!device) return done(no_address(address));
    Request request{core.pump().bus(), "CloseStaleConnections"};
    request.add("sa{sv}", device->c_str(), 1, "only-other-adapters", "b", only_other_adapters ? 1 : 0);
    core.ask(std::move(request), kStale,
             answered<std::uint32_t>(std::move(done), [](sd_bus_message* reply, std::uint32_t& closed) {
               return sd_bus_message_read(reply, "u", &closed) > 0;
             }));
  });
}

Services Client::services(const std::string& address) {
  auto& core = *handle_->core;
  return core.wait_for<Services>(
      [&core, address](Done<Services> done) { call_services(core, address, std::move(done)); });
}

std::vector<Listed> Client::list() {
  auto& core = *handle_->core;
  using All = std::vector<Listed>;
  return core.wait_for<All>([&core](Done<All> done) {
    core.ask(Request{core.pump().bus(), "ListConnections"}, kAnswer,
             answered<All>(std::move(done), [](sd_bus_message* reply, All& all) {
               if (sd_bus_message_enter_container(reply, 'a', "(sssuo)") <= 0) return false;
               const char *address{}, *state{}, *adapter{}, *path{};
               std::uint32_t leases{};
               while (sd_bus_message_read(reply, "(sssuo)", &address, &state, &adapter, &leases, &path) > 0)
                 all.push_back({address, state, adapter, leases});
               return true;
             }));
  });
}

std::string Client::describe(const std::string& address) {
  auto& core = *handle_->core;
  return core.wait_for<std::string>(
      [&core, address](Done<std::string> done) { call_describe(core, address, std::move(done)); });
}

void Client::describe(const std::string& address, Done<std::string> done) {
  handle_->core->in_loop([core = handle_->core.get(), address, done = std::move(done)] {
    call_describe(*core, address, [done](Result<std::string> result) { tell(done, std::move(result)); });
  });
}

int Client::fd() const {
  return handle_->core->pump().fd();
}

void Client::dispatch() {
  handle_->core->pump().dispatch();
}

}  // namespace bleconn
