// One keeper while anybody is away: it sleeps until a window is due, and listens for all of them in it.
#include "procedures/absentees.hpp"

#include <algorithm>
#include <set>

#include "procedures/attempt.hpp"
#include "procedures/discovery_window.hpp"
#include "procedures/settle.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
constexpr auto kLook = 10s;  // all objects of BlueZ, which may be starved

}  // namespace

// Who listens for whom in one window.
class Absentees::Window {
 public:
  explicit Window(Absentees& of) : of_{of}, sessions_{of.executor_, of.bluez_, of.discovery_} {}

  // Follows adapters and devices as they come and go.
  void follow() {
    sessions_.keep([this](const AdapterState& adapter) { return wanted(adapter); });
    for (auto& adapter : of_.bluez_.stack().adapters)
      if (adapter.powered && wanted(adapter) && !sessions_.is_open(adapter.path)) sessions_.open(adapter);
    for (auto* place : of_.places_) listen_for(*place);
  }
  bool none() const { return sessions_.none(); }
  Duration deaf() const { return sessions_.deaf(); }

 private:
  bool wanted(const AdapterState& adapter) const {
    return std::ranges::any_of(of_.places_, [&](const Place* place) {
      return !place->heard_ && may_use(of_.settings_, place->terms_, adapter);
    });
  }
  void listen_for(Place& place) {
    if (place.heard_) return;
    std::erase_if(place.ears_, [&](const auto& ear) { return !sessions_.is_open(ear.first); });
    for (auto& path : sessions_.adapters()) {
      const auto* adapter = of_.bluez_.stack().adapter(path);
      if (place.ears_.contains(path) || !adapter || !may_use(of_.settings_, place.terms_, *adapter)) continue;
      auto ear =
          of_.bluez_.listen(path, place.device_, {path + "/" + place.device_.object_name()}, of_.changed_);
      if (ear.ok()) place.ears_.emplace(path, std::move(ear.value()));
    }
    place.heard_ =
        std::ranges::any_of(place.ears_, [](auto& ear) { return ear.second->heard().has_value(); });
    if (!place.heard_) return;
    place.ears_.clear();
    place.wake_.notify();
  }

  Absentees& of_;
  DiscoveryWindow sessions_;
};

Absentees::Place::Place(Absentees& owner, DeviceAddress device, Terms terms, std::uint32_t missed,
                        Notice& wake)
    : owner_{owner},
      device_{device},
      terms_{std::move(terms)},
      missed_{missed},
      wake_{wake},
      due_{owner.executor_.now() + (missed == 0 ? Duration{} : owner.pause(missed))},
      since_{owner.executor_.now()} {
  at_ = owner_.places_.insert(owner_.places_.end(), this);
  if (!std::exchange(owner_.keeping_, true)) owner_.tasks_.spawn(owner_.keep());
  owner_.changed_.notify();
}

Absentees::Place::~Place() {
  owner_.places_.erase(at_);
  owner_.changed_.notify();
}

Duration Absentees::pause(std::uint32_t missed) const {
  constexpr std::uint32_t enough = 17;  // 1 s x 2^17 is beyond the day that can be set
  const auto doublings = std::min(missed - 1, enough);
  return std::min(settings_.listen.pause * (1U << doublings), settings_.listen.longest_pause);
}

TimePoint Absentees::due() const {
  auto due = kNever;
  for (auto* place : places_)
    if (!place->heard_) due = std::min(due, place->due_);
  return due;
}

void Absentees::look_now() {
  for (auto* place : places_) place->due_ = std::min(place->due_, executor_.now());
  changed_.notify();
}

Task<Unit> Absentees::keep() {
  Notice::Forward stack{bluez_.stack_changed(), changed_};
  Hope before{bluez_.stack()};
  while (!places_.empty()) {
    const Hope now{bluez_.stack()};
    if (now.better_than(before)) look_now();
    before = now;
    const auto next = due();
    if (executor_.now() < next) {
      co_await changed_.until(next, unstoppable());
    } else {
      co_await listen();
      before = Hope{bluez_.stack()};
      co_await look_for_links();
    }
  }
  keeping_ = false;
  co_return Unit{};
}

Task<Unit> Absentees::listen() {
  Window window{*this};
  auto began = executor_.now();
  for (;;) {
    const bool had_none = window.none();
    window.follow();
    if (had_none) began = executor_.now();  // the window begins with its first adapter
    const auto waits = [](const Place* place) { return !place->heard_; };
    if (std::ranges::none_of(places_, waits)) break;
    // Who has just been lost gets a whole window.
    auto full = began;
    for (auto* place : places_)
      if (waits(place) && place->missed_ == 0) full = std::max(full, place->since_);
    const auto until = window.none() ? kNever : full + settings_.listen.window + window.deaf();
    if (executor_.now() >= until) break;
    co_await changed_.until(until, unstoppable());
  }
  for (auto* place : places_) {
    place->ears_.clear();
    if (place->heard_) continue;
    ++place->missed_;
    place->due_ = executor_.now() + pause(place->missed_);
  }
  co_return Unit{};
}

// A device with a link does not advertise: one that came up unnoticed, or by another program, is found in one
// read for all of them.
Task<Unit> Absentees::look_for_links() {
  const auto deadline = executor_.now() + kLook;
  auto all = co_await bluez_.all_devices(deadline, unstoppable());
  if (!all.ok()) co_return Unit{};
  std::set<std::string> connected;
  for (auto& each : all.value())
    if (each.connected) connected.insert(each.address);
  for (auto* place : places_) {
    if (!connected.contains(place->device_.text())) continue;
    place->heard_ = true;
    place->wake_.notify();
  }
  co_return Unit{};
}

}  // namespace bleconnd
