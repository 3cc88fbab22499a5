// The order of everything: the ready queue first in, first out; the agenda by time, then by insertion.
#include "world.hpp"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

namespace bleconnd::simulation {

class World::Armed final : public Executor::Timer {
 public:
  Armed(World& world, Key key) : world_{world}, key_{key} {}
  Armed(const Armed&) = delete;
  ~Armed() override { world_.disarm(key_); }

 private:
  World& world_;
  Key key_;
};

World::Key World::insert(TimePoint when, Action action, bool daemon) {
  const Key key{std::max(when, now_), ++inserted_};
  agenda_.emplace(key, Entry{std::move(action), daemon});
  if (daemon) ++daemon_timers_;
  return key;
}

void World::disarm(const Key& key) {
  auto entry = agenda_.find(key);
  if (entry == agenda_.end()) return;  // it has fired
  if (entry->second.daemon) --daemon_timers_;
  agenda_.erase(entry);
}

std::unique_ptr<Executor::Timer> World::call_at(TimePoint when, Action due) {
  return std::make_unique<Armed>(*this, insert(when, std::move(due), true));
}

std::unique_ptr<Executor::Timer> World::timer(Duration delay, Action due) {
  return std::make_unique<Armed>(*this, insert(now_ + delay, std::move(due), false));
}

void World::after(Duration delay, Action action) {
  insert(now_ + delay, std::move(action), false);
}

bool World::agenda_goes_first() {
  if (agenda_.empty()) return false;
  if (ready_.empty()) return true;
  return interleaving_ && agenda_.begin()->first.first <= now_ + 1ms && number(8) == 0;
}

void World::fire_next() {
  auto entry = agenda_.extract(agenda_.begin());
  if (entry.key().first > now_) steps_without_time_ = 0;
  now_ = entry.key().first;
  if (entry.mapped().daemon) --daemon_timers_;
  entry.mapped().action();
}

bool World::step() {
  if (ready_.empty() && agenda_.empty()) return false;
  ++steps_;
  if (++steps_without_time_ > kStepsWithoutTime)
    throw std::runtime_error("busy loop at " + clock_text(elapsed()) + " s");
  if (agenda_goes_first()) {
    fire_next();
  } else {
    auto next = ready_.front();
    ready_.pop_front();
    next.resume();
  }
  if (inspector_) inspector_();
  return true;
}

bool World::run_until(const std::function<bool()>& done, Duration limit) {
  const auto end = now_ + limit;
  while (!done()) {
    const bool due = !ready_.empty() || (!agenda_.empty() && agenda_.begin()->first.first <= end);
    if (!due) {
      now_ = std::max(now_, end);
      return done();
    }
    step();
  }
  return true;
}

void World::run_for(Duration span) {
  run_until([] { return false; }, span);
}

Duration World::between(Duration low, Duration high) {
  const auto range = static_cast<std::uint64_t>((high - low).count());
  return low + Duration{static_cast<Duration::rep>(number(range + 1))};
}

void World::trace(const std::string& line) {
  if (!tracing_) return;
  traced_.push_back(clock_text(elapsed()) + " " + line);
  if (traced_.size() > kTracedLines) traced_.pop_front();
}

std::string clock_text(Duration elapsed) {
  char text[32];
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count();
  std::snprintf(text, sizeof text, "%lld.%03lld", static_cast<long long>(ms / 1000),
                static_cast<long long>(ms % 1000));
  return text;
}

}  // namespace bleconnd::simulation
