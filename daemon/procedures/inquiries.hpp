// Calls that ask BlueZ something for a caller (Describe, GetServices, ClearCache …): a few at a time, the
// others in the order in which they came. However many there are, a dial finds little before it on the bus.
#pragma once
#include <cstddef>
#include <list>
#include <memory>

#include "async/notice.hpp"
#include "async/task.hpp"

namespace bleconnd {

class Inquiries {
 public:
  // Each has one call to BlueZ under way at a time. 8 are a tenth of what the bus lets a connection have
  // unanswered (128, dbus-daemon 1.14), and bluetoothd answers in turn anyway.
  static constexpr std::size_t kAtOnce = 8;

  explicit Inquiries(Executor& executor) : executor_{executor} {}
  Inquiries(const Inquiries&) = delete;

  // The right to ask; dropping it lets the next one ask.
  class Pass {
   public:
    Pass(Pass&&) noexcept = default;
    Pass& operator=(Pass&&) = delete;
    ~Pass() {
      if (of_) of_->ended();
    }

   private:
    friend class Inquiries;
    struct NoDelete {
      void operator()(Inquiries*) const {}
    };
    explicit Pass(Inquiries& of) : of_{&of} { ++of.under_way_; }
    std::unique_ptr<Inquiries, NoDelete> of_;
  };

  Task<Pass> pass();
  std::size_t waiting() const { return waiting_.size(); }

 private:
  struct Waiting {
    explicit Waiting(Inquiries& of);
    Waiting(const Waiting&) = delete;
    ~Waiting();
    Inquiries& inquiries;
    Notice wake;
    std::list<Waiting*>::iterator at;
  };
  void ended();

  Executor& executor_;
  std::size_t under_way_ = 0;
  std::list<Waiting*> waiting_;
};

}  // namespace bleconnd
