// Notice: "something changed, look again". Coroutines wait for it with a deadline and then look at values,
// since signals of BlueZ are coalesced and can be missing. Between a look and the wait nothing else runs, so
// no notice is lost.
#pragma once
#include <algorithm>
#include <memory>
#include <stop_token>
#include <vector>

#include "async/executor.hpp"
#include "async/pending.hpp"

namespace bleconnd {

class Notice {
 public:
  enum class Woken { changed, deadline, stopped };
  struct Wake {
    Woken by;
    Wake(Woken why) : by{why} {}
    Wake(Stopped) : by{Woken::stopped} {}
  };

  class Wait : public Pending<Wake> {
   public:
    Wait(Executor& executor, Notice* notice, TimePoint deadline, std::stop_token stop)
        : Pending{executor, std::move(stop)}, notice_{notice}, deadline_{deadline} {}
    ~Wait() override { leave(); }

   private:
    friend class Notice;
    void start() override {
      if (notice_) notice_->waiting_.push_back(this);
      if (deadline_ == kNever) return;
      timer_ = executor_.call_at(deadline_, [this] { finish(Woken::deadline); });
    }
    void abandon() override { leave(); }
    void finish(Woken why) {
      leave();
      complete(why);
    }
    void leave() {
      if (notice_) std::erase(notice_->waiting_, this);
      timer_.reset();
    }
    Notice* notice_;
    TimePoint deadline_;
    std::unique_ptr<Executor::Timer> timer_;
  };

  // Passes the notices of `source` on to `target` while it lives.
  class Forward {
   public:
    Forward(Notice& source, Notice& target) : source_{&source}, target_{&target} {
      source_->forwards_.push_back(target_);
    }
    Forward(const Forward&) = delete;
    ~Forward() {
      auto& list = source_->forwards_;
      if (auto at = std::find(list.begin(), list.end(), target_); at != list.end()) list.erase(at);
    }

   private:
    Notice* source_;
    Notice* target_;
  };

  explicit Notice(Executor& executor) : executor_{executor} {}
  Notice(const Notice&) = delete;
  Notice& operator=(const Notice&) = delete;

  void notify() {
    for (auto waiting = std::exchange(waiting_, {}); auto* wait : waiting) wait->finish(Woken::changed);
    for (auto* target : forwards_) target->notify();
  }
  // Until the next notify(), the deadline or the stop token.
  Wait until(TimePoint deadline, std::stop_token stop) {
    return Wait{executor_, this, deadline, std::move(stop)};
  }

 private:
  Executor& executor_;
  std::vector<Wait*> waiting_;
  std::vector<Notice*> forwards_;
};

// Waits for nothing but time.
inline Notice::Wait sleep_until(Executor& executor, TimePoint deadline, std::stop_token stop) {
  return Notice::Wait{executor, nullptr, deadline, std::move(stop)};
}

}  // namespace bleconnd
