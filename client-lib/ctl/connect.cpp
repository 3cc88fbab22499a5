// The call, what comes of it, and the lease while it is held. Callbacks write: the client is polled here.
#include "connect.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <chrono>
#include <memory>
#include <optional>

#include "progress.hpp"
#include "signals.hpp"

namespace bleconnctl {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;
constexpr auto kTick = 200ms;  // of the seconds on the live line
constexpr auto kAskAgain = 1s;

using Answer = std::optional<bleconn::Result<bleconn::Connection>>;

bleconn::Client::Loop polled() {
  bleconn::Client::Loop loop;
  loop.polled = true;
  return loop;
}

class Step {
 public:
  Step(bleconn::Client& client, const Signals& signals) : client_{client}, signals_{signals} {}
  // Exit code of a signal that has come, or 0.
  int operator()(int timeout_ms) {
    pollfd ready[2] = {{client_.fd(), POLLIN, 0}, {signals_.file(), POLLIN, 0}};
    poll(ready, 2, timeout_ms);
    client_.dispatch();
    return signals_.exit_code();
  }

 private:
  bleconn::Client& client_;
  const Signals& signals_;
};

// What stands still is asked about, one question at a time.
class Questions {
 public:
  void ask(bleconn::Client& client, const std::string& address, Progress& progress) {
    if (asked_ || Clock::now() < next_) return;
    asked_ = true;
    next_ = Clock::now() + kAskAgain;
    client.describe(address, [this, &progress](const bleconn::Result<std::string>& result) {
      asked_ = false;
      auto answer = result;
      if (answer.ok()) progress.described(answer.value());
    });
  }

 private:
  bool asked_ = false;
  Clock::time_point next_{};
};

json to_json(const bleconn::Connection& link) {
  return {{"address", link.address()},
          {"state", "connected"},
          {"adapter", link.adapter()},
          {"bluez-device", link.bluez_device()},
          {"attempts", link.attempts()},
          {"elapsed-usec", link.elapsed().count()},
          {"services-from-cache", link.services_from_cache()},
          {"services-verified", link.services_verified()},
          {"shared", link.shared()}};
}

void tell_connected(const Style& style, const ConnectRequest& request, const bleconn::Connection& link) {
  if (style.as_json) return print(style, to_json(link));
  const auto line = fmt::format(
      "{}: connected on {}, attempt {}, {:.2f} s{}{}", link.address(), link.adapter(), link.attempts(),
      std::chrono::duration<double>(link.elapsed()).count(), link.shared() ? ", shared" : "",
      link.services_from_cache() ? ", services from the cache" : "");
  fmt::print("{}\n{}\n", coloured(style, kGood, printable(line)), printable(link.bluez_device()));
  if (!request.hold && request.options.lifetime == bleconn::Lifetime::caller)
    fmt::print("{}\n", coloured(style, kDim,
                                "kept for LingerSec of main.conf; --hold or --persistent keeps it longer"));
}

void tell_declared(const Style& style, const bleconn::Connection& link) {
  if (style.as_json) return print(style, {{"address", link.address()}, {"state", link.state()}});
  fmt::print("{}: {}\n", link.address(), printable(link.state()));
}

// The link while it is held: what happens to it, line by line.
class Held {
 public:
  Held(const Style& style, const std::string& address) : style_{style}, address_{address} {}

  void watch(bleconn::Connection& link) {
    link.on_connected(
        [this, &link] { tell("connected", link.adapter(), "connected again on " + link.adapter()); });
    link.on_disconnected([this](const std::string& reason) {
      ended_ = reason;
      if (reason != "bus-lost") tell("disconnected", reason, "the link has ended: " + reason);
    });
  }
  // The reason, once; empty: it has not ended.
  std::string take_ended() { return std::exchange(ended_, {}); }

 private:
  void tell(const char* state, const std::string& detail, const std::string& sentence) {
    const bool up = std::string_view{state} == "connected";
    if (style_.as_json)
      print(style_,
            {{"event", "state"}, {"address", address_}, {"state", state}, {"reason", up ? "" : detail}});
    else
      fmt::print("{}: {}\n", address_, coloured(style_, up ? kGood : kBad, printable(sentence)));
    std::fflush(stdout);
  }
  const Style& style_;
  std::string address_;
  std::string ended_;
};

int hold(const Style& style, const ConnectRequest& request, Step& step, bleconn::Connection&& given) {
  Held held{style, given.address()};
  const auto link = std::make_unique<bleconn::Connection>(std::move(given));
  held.watch(*link);
  int code = 0;
  while (code == 0) {
    code = step(-1);
    const auto reason = held.take_ended();
    if (reason == "bus-lost")
      throw bleconn::Error{bleconn::Category::daemon_not_running,
                           "bus-lost: the connection to the system bus has ended; connect again"};
    if (!reason.empty() && !request.options.maintain) return 4;
  }
  // Where a persistent lease is held only this program ends: the lease is for `release` to give up.
  if (request.options.lifetime == bleconn::Lifetime::persistent) return code;
  try {
    link->release();
  } catch (const bleconn::Error& error) {
    print(style, error);
  }
  return code;
}

}  // namespace

int connect(const Style& style, const std::string& host, const ConnectRequest& request) {
  const Signals signals;
  Answer answer;
  Questions questions;
  Progress progress{style, request.address};
  bleconn::Client client{host, polled()};
  Step step{client, signals};
  auto options = request.options;
  options.on_attempt_failed = [&](const bleconn::AttemptFailed& failed) { progress.failed(failed); };
  options.on_state = [&](const std::string& state, const std::string& adapter) {
    progress.state(state, adapter);
  };
  client.establish(request.address, options,
                   [&](bleconn::Result<bleconn::Connection> result) { answer.emplace(std::move(result)); });
  while (!answer) {
    progress.show();
    if (style.live && progress.stands_still()) questions.ask(client, request.address, progress);
    if (const int code = step(style.live ? static_cast<int>(kTick.count()) : -1)) return code;
  }
  progress.clear();
  auto link = std::move(answer->value());
  answer.reset();
  if (!options.wait) {
    tell_declared(style, link);
    return 0;
  }
  tell_connected(style, request, link);
  std::fflush(stdout);
  if (request.hold) return hold(style, request, step, std::move(link));
  // The lease lingers with the daemon, as that of any program that leaves the bus.
  if (options.lifetime == bleconn::Lifetime::caller) link.leave_to_linger();
  return 0;
}

}  // namespace bleconnctl
