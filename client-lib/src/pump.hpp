// One bus connection and whoever runs it. Everything of the library happens on one thread, the loop's: other
// threads leave functions for it. What is waited for is one epoll descriptor, so that a thread of our own, an
// sd_event loop and a poll loop of the caller's are the same to us.
#pragma once
#include <systemd/sd-bus.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

struct sd_event;
struct sd_event_source;

namespace bleconn {

using Clock = std::chrono::steady_clock;

struct UnrefMessage {
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
struct UnrefSlot {
  void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
};
using Message = std::unique_ptr<sd_bus_message, UnrefMessage>;
using Slot = std::unique_ptr<sd_bus_slot, UnrefSlot>;

class Pump {
 public:
  using Work = std::function<void()>;
  // Throws Error(daemon_not_running) where there is no system bus.
  explicit Pump(const std::string& host);
  Pump(const Pump&) = delete;
  ~Pump();

  sd_bus* bus() const { return bus_; }
  int fd() const { return epoll_; }
  void step();  // what is to be done now; never waits
  // Who must not go while step() runs.
  void kept_by(std::weak_ptr<void> owner) { owner_ = std::move(owner); }
  void run_on(sd_event* loop);
  void run_on_thread(std::shared_ptr<void> kept);  // `kept` lives until the thread has ended
  // On the thread that runs the loop, or inside step() of a loop of the caller's: nobody may wait there.
  bool is_inside() const;
  // Runs the loop here until `done`. Not where a thread runs it, nor inside().
  void run_until(const std::function<bool()>& done);
  bool has_thread() const { return has_thread_; }

  // On any thread: `work` runs in the loop, soon, in the order in which it was left.
  void post(Work work);
  // On the loop's thread only.
  using Timer = std::pair<Clock::time_point, std::uint64_t>;
  Timer call_at(Clock::time_point when, Work work);
  void forget(const Timer& timer) { timers_.erase(timer); }
  // The thread, if it is ours, ends when what is left has been sent; waited for, but not by itself.
  void stop();

 private:
  void prepare();  // what epoll is to wake for
  void run_posted();
  void run_due();
  static int on_ready(sd_event_source*, int, std::uint32_t, void* self);

  std::weak_ptr<void> owner_;
  sd_bus* bus_ = nullptr;
  sd_event_source* source_ = nullptr;
  int epoll_ = -1, posted_ = -1, clock_ = -1;
  int bus_events_ = -1;
  bool bus_watched_ = false;
  std::mutex mutex_;
  std::vector<Work> works_;
  bool stopping_ = false;
  std::thread thread_;
  bool has_thread_ = false;
  std::atomic<std::thread::id> inside_{};  // the thread that is in step()
  std::map<Timer, Work> timers_;
  std::uint64_t numbers_ = 0;
};

}  // namespace bleconn
