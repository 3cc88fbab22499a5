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
  auto message = core.manager_call("GetServices");
  if (message) sd_bus_message_append(message.get(), "s", canonical(address).c_str());
  core.ask(std::move(message), kAnswer, answered<Services>(std::move(done), Reader::services));
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
  const auto handle = state_->handle;
  {
    std::unique_lock locked{state_->mutex};
    state_->on_disconnected = {};
    state_->on_connected = {};
    if (!handle->core->pump().is_inside()) state_->changed.wait(locked, [this] { return !state_->calling; });
  }
  handle->core->in_loop([core = handle->core.get(), address = state_->address,
                         persistent = state_->persistent] { core->connection_went(address, persistent); });
  state_.reset();
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
  const std::lock_guard locked{state_->mutex};
  return state_->from_cache;
}
bool Connection::services_verified() const {
  const std::lock_guard locked{state_->mutex};
  return state_->verified;
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
  std::string reason;
  {
    const std::lock_guard locked{state_->mutex};
    state_->on_disconnected = callback;
    if (state_->connected) return;
    reason = state_->reason;
  }
  if (callback) callback(reason);
}

void Connection::on_connected(std::function<void()> callback) {
  const std::lock_guard locked{state_->mutex};
  state_->on_connected = std::move(callback);
}

std::uint32_t Connection::release() {
  auto& core = *state_->handle->core;
  const auto left =
      core.wait_for<std::uint32_t>([&core, address = state_->address](Done<std::uint32_t> done) {
        core.release(address, std::move(done));
      });
  let_go();
  return left;
}

void Connection::leave_to_linger() {
  state_->handle->core->in_loop(
      [core = state_->handle->core.get(), address = state_->address] { core->leave_to_linger(address); });
  let_go();
}

bool Connection::is_lost_within(std::chrono::milliseconds patience) const {
  const auto& handle = state_->handle;
  if (!handle->core->pump().has_thread()) {  // nobody else runs the loop
    const auto until = Clock::now() + patience;
    while (is_connected() && Clock::now() < until) {
      handle->core->pump().step();
      std::unique_lock locked{state_->mutex};
      state_->changed.wait_for(locked, std::chrono::milliseconds{5}, [this] { return !state_->connected; });
    }
    return !is_connected();
  }
  std::unique_lock locked{state_->mutex};
  return state_->changed.wait_for(locked, patience, [this] { return !state_->connected; });
}

// --- Call ---

void Call::cancel() {
  if (const auto core = core_.lock())
    core->in_loop([core, number = number_] { core->cancel(number, "by the program itself"); });
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
Client& Client::operator=(Client&& other) noexcept = default;
Client::~Client() {
  if (!handle_) return;
  auto& core = *handle_->core;
  if (!core.pump().has_thread() || core.pump().is_inside()) {
    core.in_loop([&core] { core.cancel_all(); });
    return;
  }
  // What the callbacks of its calls refer to may go with the caller.
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
  return handle->core->wait_for<Connection>([handle, number, address, options](Done<Connection> done) {
    handle->core->establish(handle, number, address, options, std::move(done));
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

Call Client::establish(const std::string& address, const Options& options, Done<Connection> done) {
  const auto number = handle_->core->new_number();
  handle_->core->in_loop([handle = handle_, number, address, options, done = std::move(done)] {
    handle->core->establish(handle, number, address, options, done);
  });
  Call call;
  call.core_ = handle_->core;
  call.number_ = number;
  return call;
}

bool Client::clear_cache(const std::string& address, bool force) {
  auto& core = *handle_->core;
  return core.wait_for<bool>([&core, address, force](Done<bool> done) {
    auto message = core.manager_call("ClearCache");
    if (message)
      sd_bus_message_append(message.get(), "sa{sv}", canonical(address).c_str(), 1, "force", "b",
                            force ? 1 : 0);
    core.ask(std::move(message), kAnswer,
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
    auto message = core.manager_call("CloseStaleConnections");
    if (message)
      sd_bus_message_append(message.get(), "sa{sv}", canonical(address).c_str(), 1, "only-other-adapters",
                            "b", only_other_adapters ? 1 : 0);
    core.ask(std::move(message), kStale,
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
    core.ask(core.manager_call("ListConnections"), kAnswer,
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
  return core.wait_for<std::string>([&core, address](Done<std::string> done) {
    auto message = core.manager_call("Describe");
    if (message) sd_bus_message_append(message.get(), "s", canonical(address).c_str());
    core.ask(std::move(message), kAnswer,
             answered<std::string>(std::move(done), [](sd_bus_message* reply, std::string& json) {
               const char* text{};
               if (sd_bus_message_read(reply, "s", &text) <= 0) return false;
               json = text;
               return true;
             }));
  });
}

int Client::fd() const {
  return handle_->core->pump().fd();
}

void Client::dispatch() {
  handle_->core->pump().step();
}

}  // namespace bleconn
