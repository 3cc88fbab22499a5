// The line is never longer than the terminal is wide: a wrapped one could not be taken back.
#include "progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

namespace bleconnctl {
namespace {

using namespace std::chrono_literals;

double seconds(std::chrono::duration<double> span) {
  return span.count();
}

std::size_t columns() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// It is called in a callback of the library, so it throws nothing, whatever the answer is.
std::string waits_for(const json& description) {
  if (!description.is_object() || !description.contains("devices")) return {};
  const auto& devices = description["devices"];
  if (!devices.is_array() || devices.empty() || !devices[0].is_object()) return {};
  const auto& device = devices[0];
  if (const auto at = device.find("waits-for"); at != device.end() && at->is_string())
    return at->get<std::string>();
  const auto place = device.find("queue-position");
  if (place == device.end() || !place->is_number_unsigned() || *place == 0U) return {};
  return "a dial, number " + place->dump() + " in line";
}

}  // namespace

void Progress::state(const std::string& state, const std::string& adapter) {
  state_ = state;
  adapter_ = adapter;
  waits_for_.clear();
  if (state != "backing-off") next_.reset();
  show();
}

void Progress::described(const std::string& description) {
  if (!stands_still()) return;
  waits_for_ = waits_for(json::parse(description, nullptr, false));
  show();
}

void Progress::failed(const bleconn::AttemptFailed& failed) {
  clear();
  const bool again = failed.retry_in.count() > 0;
  const bool at_once = failed.retry_in < 1ms;
  if (style_.as_json)
    print(style_, to_json(address_, failed));
  else
    fmt::print("{}: attempt {} failed, {}: {}\n", address_, failed.attempt,
               !again    ? "given up"
               : at_once ? "next at once"
                         : fmt::format("next in {:.2f} s", seconds(failed.retry_in)),
               coloured(style_, kBad, printable(failed.error.what())));
  if (again) next_ = Clock::now() + failed.retry_in;
  std::fflush(stdout);
}

void Progress::show() {
  if (!style_.live) return;
  const auto now = Clock::now();
  auto line = fmt::format("{}: {}{}{}, {:.1f} s", address_, state_, adapter_.empty() ? "" : " on ", adapter_,
                          seconds(now - begun_));
  if (next_ && *next_ > now) line += fmt::format(", next attempt in {:.1f} s", seconds(*next_ - now));
  if (!waits_for_.empty()) line += ", waits for " + waits_for_;
  fmt::print("\r\033[K{}", printable(line).substr(0, columns() - 1));
  std::fflush(stdout);
  shown_ = true;
}

void Progress::clear() {
  if (!std::exchange(shown_, false)) return;
  fmt::print("\r\033[K");
  std::fflush(stdout);
}

}  // namespace bleconnctl
