// Who may dial now. The kernel makes one link at a time on an adapter and queues the rest; this bounds how
// many Connects wait there, first come first served, so that calls, match rules and bluetoothd stay within
// their limits however many devices are asked for at once.
#pragma once
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "async/notice.hpp"
#include "ports/outcome.hpp"

namespace bleconnd {

class DialTurns {
 public:
  // Connects under way on one adapter. Eight: below the 64 unanswered calls of our connection with several
  // adapters, above what a radio needs.
  static constexpr std::uint32_t kPerAdapter = 8;

  // The right to dial; dropping it passes it on.
  class Turn {
   public:
    Turn(Turn&&) noexcept = default;
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (turns_) turns_->pass_on(adapter_);
    }

   private:
    friend class DialTurns;
    struct NoDelete {
      void operator()(DialTurns*) const {}
    };
    Turn(DialTurns& turns, std::string adapter) : turns_{&turns}, adapter_{std::move(adapter)} {}
    std::unique_ptr<DialTurns, NoDelete> turns_;
    std::string adapter_;
  };

  explicit DialTurns(Executor& executor) : executor_{executor} {}
  Task<Outcome<Turn>> turn(std::string adapter, std::stop_token stop);
  bool idle() const { return adapters_.empty(); }

 private:
  // A place in the queue; whoever leaves without taking the turn gives the place, or the turn, back.
  struct Waiting {
    Waiting(DialTurns& owner, std::string path);
    Waiting(const Waiting&) = delete;
    ~Waiting();
    DialTurns& turns;
    std::string adapter;
    Notice wake;
    bool granted = false;
    bool taken = false;
  };
  struct Adapter {
    std::uint32_t dialling = 0;
    std::list<Waiting*> queue;
  };
  void pass_on(const std::string& adapter);

  Executor& executor_;
  std::map<std::string, Adapter> adapters_;  // by adapter path, while somebody dials or waits
};

}  // namespace bleconnd
