// One bus connection and whoever runs it. Everything of the library happens in the loop: other threads leave
// functions for it. What is waited for is one epoll descriptor, so that a thread of our own, an sd_event loop
// and a poll loop of the caller's are the same to us.
#pragma once
#include <systemd/sd-bus.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
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
  // Throws Error(daemon_not_running) where there is no system bus, limits_exceeded without file descriptors.
  explicit Pump(const std::string& host);
  Pump(const Pump&) = delete;
  ~Pump();

  sd_bus* bus() const { return bus_; }
  int fd() const { return epoll_; }
  // What is to be done now, by the caller's thread, which is the loop's from here on. Never waits; nothing in
  // a callback.
  void dispatch();
  // Who must not go while a step runs.
  void kept_by(std::weak_ptr<void> owner) { owner_ = std::move(owner); }
  void run_on(sd_event* loop);
  void run_on_thread(std::shared_ptr<void> kept);  // `kept` lives until the thread has ended
  // This is the loop's thread, in a callback: nobody may wait here.
  bool is_inside() const { return inside_ == std::this_thread::get_id(); }
  // There is no thread of our own, and this is the one that dispatched last (or made the Client).
  bool runs_here() const { return !has_thread_ && loop_thread_ == std::this_thread::get_id(); }
  bool has_thread() const { return has_thread_; }
  bool is_forked() const;  // this is a child of the process that made it
  // Runs the loop here until `done`, or `until`. Only where runs_here(), not inside.
  void run_until(const std::function<bool()>& done, std::optional<Clock::time_point> until = {});

  // On any thread: `work` runs in the loop, soon, in the order in which it was left.
  void post(Work work);
  // In the loop only.
  using Timer = std::pair<Clock::time_point, std::uint64_t>;
  Timer call_at(Clock::time_point when, Work work);
  void forget(const Timer& timer) { timers_.erase(timer); }
  // The last that happens, by whatever thread: `work`, and what is left is sent, for 1 s at most. Our thread
  // ends with it, and is waited for, but not by itself.
  void end(const Work& work);

 private:
  void step();
  void prepare();  // what epoll is to wake for
  void run_posted();
  void run_due();
  void flush();
  void close_files();
  static int on_ready(sd_event_source*, int, std::uint32_t, void* self);

  std::weak_ptr<void> owner_;
  sd_bus* bus_ = nullptr;
  sd_event_source* source_ = nullptr;
  int epoll_ = -1, posted_ = -1, clock_ = -1;
  int bus_events_ = -1;
  bool bus_watched_ = false;
  int process_;
  std::mutex stepping_;  // a caller's loop may move to another thread
  std::mutex mutex_;     // of the next two
  std::vector<Work> works_;
  bool stopping_ = false;
  bool flushes_ = false;
  std::thread thread_;
  bool has_thread_ = false;
  std::atomic<std::thread::id> inside_{};  // the thread that is in step()
  std::atomic<std::thread::id> loop_thread_;
  std::map<Timer, Work> timers_;
  std::uint64_t numbers_ = 0;
};

}  // namespace bleconn
