// Virtual time: the executor of the code under test and the agenda of its surroundings, in one thread.
// A seed decides everything that is left open, so that a run replays exactly.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "async/executor.hpp"

namespace bleconnd::simulation {

using namespace std::chrono_literals;

class World final : public Executor {
 public:
  using Action = std::function<void()>;

  explicit World(std::uint64_t seed = 1) : random_{seed} {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void post(std::coroutine_handle<> ready) override { ready_.push_back(ready); }
  void forget(std::coroutine_handle<> gone) noexcept override { std::erase(ready_, gone); }
  TimePoint now() const override { return now_; }
  std::unique_ptr<Timer> call_at(TimePoint when, Action due) override;

  // The surroundings': these do not count as timers of the code under test.
  void after(Duration delay, Action action);
  [[nodiscard]] std::unique_ptr<Timer> timer(Duration delay, Action due);

  // One ready coroutine, or the next entry of the agenda; false when there is neither. Throws when coroutines
  // or timers run on and on without time passing: a busy loop.
  bool step();
  void run_for(Duration span);
  // Until `done`, or for `limit`; whether it is done.
  bool run_until(const std::function<bool()>& done, Duration limit);

  std::size_t daemon_timers() const { return daemon_timers_; }
  bool anything_ready() const { return !ready_.empty(); }
  Duration elapsed() const { return now_ - kBegin; }
  std::uint64_t steps() const { return steps_; }

  // Called after each step.
  void set_inspector(Action inspector) { inspector_ = std::move(inspector); }
  // Lets entries that are due within a millisecond go before ready coroutines now and then, as the events of
  // a real loop do.
  void set_interleaving(bool on) { interleaving_ = on; }

  std::uint64_t number(std::uint64_t below) { return below ? random_() % below : 0; }
  bool chance(unsigned percent) { return number(100) < percent; }
  Duration between(Duration low, Duration high);

  void set_tracing(bool on) { tracing_ = on; }
  bool tracing() const { return tracing_; }
  void trace(const std::string& line);
  const std::deque<std::string>& traced() const { return traced_; }

 private:
  static constexpr TimePoint kBegin{std::chrono::hours{1}};
  static constexpr std::size_t kTracedLines = 400;
  static constexpr std::uint32_t kStepsWithoutTime = 20'000;  // the most that was seen is near 500

  using Key = std::pair<TimePoint, std::uint64_t>;  // by time, then in the order of insertion
  struct Entry {
    Action action;
    bool daemon;
  };
  class Armed;

  Key insert(TimePoint when, Action action, bool daemon);
  void disarm(const Key& key);
  bool agenda_goes_first();
  void fire_next();

  TimePoint now_ = kBegin;
  std::uint64_t inserted_ = 0;
  std::uint64_t steps_ = 0;
  std::uint32_t steps_without_time_ = 0;
  std::size_t daemon_timers_ = 0;
  bool interleaving_ = false;
  bool tracing_ = false;
  std::deque<std::coroutine_handle<>> ready_;
  std::map<Key, Entry> agenda_;
  std::mt19937_64 random_;
  Action inspector_;
  std::deque<std::string> traced_;
};

std::string clock_text(Duration elapsed);  // "12.345"

}  // namespace bleconnd::simulation
