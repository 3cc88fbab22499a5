// One line an event, at once.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>

#include "bus.hpp"
#include "commands.hpp"
#include "signals.hpp"

namespace bleconnctl {
namespace {

struct Line {
  std::string who, what, detail;
};

Line line_of(const StateChanged& event) {
  return {event.address, event.state, event.reason};
}
Line line_of(const AttemptOf& event) {
  return {event.address, fmt::format("attempt {} failed", event.failed.attempt), event.failed.error.what()};
}
Line line_of(const ServicesChanged& event) {
  return {event.address, "services changed", {}};
}
Line line_of(const DaemonThere& event) {
  return {"bleconnd", event.there ? "is there" : "has left the bus", {}};
}

json json_of(const StateChanged& event) {
  return {{"event", "state"}, {"address", event.address}, {"state", event.state}, {"reason", event.reason}};
}
json json_of(const AttemptOf& event) {
  return to_json(event.address, event.failed);
}
json json_of(const ServicesChanged& event) {
  return {{"event", "services-changed"}, {"address", event.address}};
}
json json_of(const DaemonThere& event) {
  return {{"event", "daemon"}, {"there", event.there}};
}

void print(const Style& style, double seconds, const Event& event) {
  if (style.as_json) {
    json object{{"seconds", seconds}};
    object.update(std::visit([](auto& each) { return json_of(each); }, event));
    print(style, object);
  } else {
    const auto line = std::visit([](auto& each) { return line_of(each); }, event);
    fmt::print("{:8.2f} s  {}  {}{}\n", seconds, printable(line.who), printable(line.what),
               line.detail.empty() ? "" : "  " + coloured(style, kDim, printable(line.detail)));
  }
  std::fflush(stdout);
}

}  // namespace

int monitor(const Style& style, const std::string& host) {
  const Signals signals;
  const auto begun = std::chrono::steady_clock::now();
  Bus bus{host};
  bus.watch(
      [&](const Event& event) {
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begun;
        print(style, elapsed.count(), event);
      },
      signals.file());
  return signals.exit_code();
}

}  // namespace bleconnctl
