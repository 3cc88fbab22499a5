// One line that changes while the call goes on, on a terminal; else one line for each attempt that fails.
#include "connect.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <optional>

namespace bleconnctl {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;
constexpr auto kTick = 200ms;  // of the seconds on the live line

double seconds(Clock::duration span) {
  return std::chrono::duration<double>(span).count();
}

class Progress {
 public:
  Progress(const Style& style, const std::string& address) : style_{style}, address_{address} {}

  void state(const std::string& state, const std::string& adapter) {
    state_ = adapter.empty() ? state : state + " on " + adapter;
    next_.reset();
    show();
  }
  void failed(const bleconn::AttemptFailed& failed) {
    clear();
    const auto next =
        failed.retry_in.count() > 0
            ? fmt::format("next in {:.2f} s", std::chrono::duration<double>(failed.retry_in).count())
            : std::string{"given up"};
    if (style_.as_json)
      print(style_, {{"attempt", failed.attempt},
                     {"max-attempts", failed.max_attempts},
                     {"token", failed.error.token()},
                     {"message", failed.error.what()},
                     {"retry-in-usec", failed.retry_in.count()}});
    else
      fmt::print("{}: attempt {} failed, {}: {}\n", address_, failed.attempt, next,
                 coloured(style_, kBad, printable(failed.error.what())));
    if (failed.retry_in.count() > 0) next_ = Clock::now() + failed.retry_in;
    std::fflush(stdout);
  }
  void show() {
    if (!style_.live) return;
    const auto now = Clock::now();
    auto line = fmt::format("{}: {}, {:.1f} s", address_, state_, seconds(now - begun_));
    if (next_ && *next_ > now) line += fmt::format(", next attempt in {:.1f} s", seconds(*next_ - now));
    fmt::print("\r\033[K{}", line);
    std::fflush(stdout);
    shown_ = true;
  }
  void clear() {
    if (std::exchange(shown_, false)) fmt::print("\r\033[K");
  }

 private:
  const Style& style_;
  std::string address_;
  std::string state_ = "asking";
  Clock::time_point begun_ = Clock::now();
  std::optional<Clock::time_point> next_;
  bool shown_ = false;
};

// SIGINT and SIGTERM as a file that can be polled.
int signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return signalfd(-1, &set, SFD_CLOEXEC);
}

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

void tell(const Style& style, const ConnectRequest& request, const bleconn::Connection& link) {
  if (style.as_json) return print(style, to_json(link));
  fmt::print("{}\n", coloured(style, kGood,
                              fmt::format("{}: connected on {}, attempt {}, {:.2f} s{}{}", link.address(),
                                          link.adapter(), link.attempts(),
                                          std::chrono::duration<double>(link.elapsed()).count(),
                                          link.shared() ? ", shared" : "",
                                          link.services_from_cache() ? ", services from the cache" : "")));
  fmt::print("{}\n", link.bluez_device());
  if (!request.hold && request.options.lifetime == bleconn::Lifetime::caller)
    fmt::print("{}\n", coloured(style, kDim,
                                "kept for LingerSec (30 s) now; --hold or --persistent keeps it longer"));
}

}  // namespace

int connect(const Style& style, const ConnectRequest& request) {
  const int ends = signals();
  bleconn::Client::Loop loop;
  loop.polled = true;
  bleconn::Client client{request.host, loop};
  Progress progress{style, request.address};
  auto options = request.options;
  options.on_attempt_failed = [&](const bleconn::AttemptFailed& failed) { progress.failed(failed); };
  options.on_state = [&](const std::string& state, const std::string& adapter) {
    progress.state(state, adapter);
  };

  std::optional<bleconn::Result<bleconn::Connection>> answer;
  auto call = client.establish(request.address, options, [&](bleconn::Result<bleconn::Connection> result) {
    answer.emplace(std::move(result));
  });
  const auto step = [&](int timeout_ms) {  // false: a signal has come
    pollfd ready[2] = {{client.fd(), POLLIN, 0}, {ends, POLLIN, 0}};
    poll(ready, 2, timeout_ms);
    client.dispatch();
    return ready[1].revents == 0;
  };
  while (!answer) {
    progress.show();
    if (step(style.live ? static_cast<int>(kTick.count()) : -1)) continue;
    progress.clear();
    call.cancel();
    step(0);
    return 128 + SIGINT;
  }
  progress.clear();
  auto link = std::move(answer->value());
  tell(style, request, link);
  std::fflush(stdout);
  if (!request.hold) {
    // The lease lingers with the daemon, as that of any program that leaves the bus.
    link.leave_to_linger();
    return 0;
  }
  bool up = true;
  while (step(-1)) {
    if (link.is_connected() == up) continue;
    up = link.is_connected();
    if (style.as_json)
      print(style, {{"address", link.address()}, {"state", up ? "connected" : "disconnected"}});
    else
      fmt::print("{}: {}\n", link.address(),
                 up ? "connected again on " + link.adapter() : "the link has ended");
    std::fflush(stdout);
    if (!up && !options.maintain) return 4;
  }
  link.release();
  return 0;
}

}  // namespace bleconnctl
