// Who may dial now, on which adapter: one dial at a time an adapter and never more links than it can hold,
// across all programs. Those who wait cost nothing until something changes: no match rule, no timer, no
// wake-up.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "async/notice.hpp"
#include "async/scope.hpp"
#include "core/adapter_circuit.hpp"
#include "core/dial_order.hpp"
#include "core/slot_ledger.hpp"
#include "procedures/attempt.hpp"
#include "procedures/discovery.hpp"

namespace bleconnd {

class DialQueue {
 public:
  DialQueue(Executor& executor, Bluez& bluez, Discovery& discovery)
      : executor_{executor}, bluez_{bluez}, discovery_{discovery}, changed_{executor}, tasks_{executor} {}
  DialQueue(const DialQueue&) = delete;

  // A slot of one adapter, from the grant of the dial until Connected=false; dropping it frees it and lets
  // the next one dial.
  class Slot {
   public:
    Slot(Slot&&) noexcept = default;
    Slot& operator=(Slot&&) = delete;
    ~Slot() {
      if (queue_) queue_->freed(*this);
    }
    void connected() { queue_->slot_is(*this, SlotState::connected); }
    void releasing() { queue_->slot_is(*this, SlotState::releasing); }

   private:
    friend class DialQueue;
    struct NoDelete {
      void operator()(DialQueue*) const {}
    };
    Slot(DialQueue& queue, std::string adapter, DeviceAddress device, std::uint64_t number)
        : queue_{&queue}, adapter_{std::move(adapter)}, device_{device}, number_{number} {}
    std::unique_ptr<DialQueue, NoDelete> queue_;
    std::string adapter_;
    DeviceAddress device_;
    std::uint64_t number_;
  };

  // The right to dial; dropping it passes it on.
  class Turn {
   public:
    Turn(Turn&&) noexcept = default;
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (queue_) queue_->pass_on(adapter_);
    }

   private:
    friend class DialQueue;
    Turn(DialQueue& queue, std::string adapter) : queue_{&queue}, adapter_{std::move(adapter)} {}
    std::unique_ptr<DialQueue, Slot::NoDelete> queue_;
    std::string adapter_;
  };

  struct Grant {
    Turn turn;
    Slot slot;
    std::string adapter;  // Adapter1.Address
  };

  // A place in the line, kept by whoever has to look for its device once more before it dials.
  struct Ticket {
    std::uint64_t number = 0;  // in the order of arrival; 0: none yet
    std::uint32_t overtaken = 0;
    bool waited = false;  // and that was counted
  };

  // A request counts as waiting from here on, also while its device is not heard and it stands outside the
  // line.
  void arrive(Ticket& ticket) {
    if (ticket.number == 0) ticket.number = ++arrivals_;
  }
  // `adapters`: addresses, the preferred one first, and never none. The first that has a slot free is waited
  // for, however busy; a full one is no reason to wait while another has room. `terms.priority` may change
  // meanwhile; `ticket` is kept by the caller, and given up with the grant. Nothing: look for the device
  // again, since all of these adapters have gone or are off, or all are full and another one has come up.
  // cancelled: `stop` fired.
  Task<Outcome<std::optional<Grant>>> turn(DeviceAddress device, const Terms& terms,
                                           std::vector<std::string> adapters, Ticket& ticket,
                                           std::stop_token stop);
  // At once, where nobody waits for an adapter of these and it is free: nothing else.
  std::optional<Grant> turn_now(DeviceAddress device, const Terms& terms,
                                const std::vector<std::string>& adapters, Ticket& ticket);
  // The slot of a link that is up already.
  Slot adopted(const std::string& adapter, DeviceAddress device);
  // Frees it at Connected=false. What is up for 5 s more is a phantom, or another program's: it counts as
  // such.
  void let_go(Slot slot, std::shared_ptr<DeviceWatch> watch);

  // A dial ended without a link, or with one.
  void dial_failed(const std::string& adapter, DeviceAddress device, Cause cause);
  void dial_succeeded(const std::string& adapter);
  void heard(const std::string& adapter);  // an advertisement of a device that is to be dialled
  // Dials of different devices fail there, and no link of ours is up.
  bool failing(const std::string& adapter) const {
    return circuits_.is_open(adapter) && !slots_.has_link(adapter);
  }
  const AdapterCircuit& circuits() const { return circuits_; }

  // A dial was refused within a moment by an adapter that held `links` others; or ended otherwise.
  bool refused(const std::string& adapter, DeviceAddress device, std::uint32_t links);
  void not_refused(const std::string& adapter) { slots_.not_refused(adapter); }

  // While it is held nobody dials: those who wait keep their places, and dials give up.
  void hold();
  void go_on();
  bool held() const { return held_; }

  // How often somebody had to wait for others on the same adapter, or for a slot. Since the start.
  struct Waits {
    std::uint64_t turns = 0, slots = 0;
  };
  const Waits& waits() const { return waits_; }

  // --- looking ---
  bool none_dials() const { return dialling_.empty(); }
  const SlotLedger& slots() const { return slots_; }
  bool full(const std::string& adapter) const { return slots_.full(adapter, executor_.now()); }
  bool overdrawn(const std::string& adapter) const { return slots_.overdrawn(adapter, executor_.now()); }
  bool busy(const std::string& adapter) const;     // somebody dials, or is listened for
  bool awaited(const std::string& adapter) const;  // somebody waits for it
  std::optional<DeviceAddress> dialling(const std::string& adapter) const;
  std::vector<DeviceAddress> queued(
      const std::string& adapter) const;               // who waits for it, the next one first
  std::uint32_t position(DeviceAddress device) const;  // 1: next; 0: it does not wait
  // The terms of one that waits have changed.
  void reordered();
  // What a device waits for, in words and numbers: "hci0 has 0 of 5 slots free"; empty: not for a slot.
  std::string lack_of_slots(DeviceAddress device) const;
  Notice& changes() { return changed_; }
  bool idle() const { return waiting_.empty() && dialling_.empty() && slots_.own() == 0; }

  // --- what others know ---
  void configure(std::map<std::string, std::uint32_t> limits);
  void look_again();                      // all who wait: other adapters are to be used
  void look_again(DeviceAddress device);  // this one, if it waits
  void restore(const std::string& adapter, std::uint32_t limit, TimePoint learned_at) {
    slots_.restore(adapter, limit, learned_at);
  }
  void others(const std::string& adapter, std::set<DeviceAddress> devices);
  void other_came(const std::string& adapter, DeviceAddress device);
  void other_went(const std::string& adapter, DeviceAddress device);

 private:
  struct Waiting {
    Waiting(DialQueue& owner, DeviceAddress who, const Terms& its_terms, std::vector<std::string> any_of,
            Ticket& its_ticket);
    Waiting(const Waiting&) = delete;
    ~Waiting();
    bool is_raised() const { return ticket.overtaken >= kMostOvertaken; }
    DialQueue& queue;
    DeviceAddress device;
    const Terms& terms;
    std::vector<std::string> adapters;
    Ticket& ticket;
    Notice wake;
    std::optional<Grant> grant;
    bool looks_again = false;
    bool left = false;  // the line
    std::list<Waiting*>::iterator place{};
    Priority counted_as{};
  };

  const AdapterState* usable(const std::string& adapter) const;
  TimePoint rests_until(const std::string& adapter) const;
  std::string first_open(const Waiting& waiting) const;  // empty: none
  Grant grant(DeviceAddress device, const Terms& terms, const std::string& adapter);
  // What an adapter has to offer now, the same for all who wait.
  struct Opening {
    TimePoint now;
    bool usable;
    bool room_for_all;       // no limit of its slots is known
    bool for_the_unhurried;  // those who yield where it fails
  };
  Opening opening(const std::string& adapter) const;
  bool is_served_by(const std::string& adapter, const Opening& open, const Waiting& waiting) const;
  bool is_open_to(const std::string& adapter, const Opening& open, DeviceAddress device,
                  const Terms& terms) const;
  static bool goes_before(const Waiting& one, const Waiting& other);
  const Waiting* find(DeviceAddress device) const;
  void arrived(Waiting& waiting);
  void look_again_without_adapter(Waiting& waiting);
  void pump();
  void serve(const std::string& adapter);
  void leave(Waiting& waiting);
  void count(Waiting& waiting);
  LineBounds bounds() const;
  Slot take(const std::string& adapter, DeviceAddress device, SlotState state);
  bool is_current(const Slot& slot) const;
  void slot_is(const Slot& slot, SlotState state);
  void freed(const Slot& slot);
  Task<Unit> until_down(Slot slot, std::shared_ptr<DeviceWatch> watch);
  void pass_on(const std::string& adapter);
  void changed();
  void arm_for(const std::string& adapter);
  void disarm();
  void follow();
  void stack_moved();
  Task<Unit> follow_stack();

  Executor& executor_;
  Bluez& bluez_;
  Discovery& discovery_;
  Notice changed_;
  SlotLedger slots_;
  AdapterCircuit circuits_;
  std::uint64_t arrivals_ = 0;
  std::uint64_t taken_ = 0;
  Waits waits_;
  // Which token stands for a slot: one that was taken again is not freed by the former.
  std::map<std::pair<std::string, DeviceAddress>, std::uint64_t> current_;
  std::list<Waiting*> waiting_;  // in the order of arrival
  std::map<DeviceAddress, Waiting*> by_device_;
  std::array<std::size_t, 3> of_priority_{};  // how many wait
  std::size_t raised_ = 0;                    // how many of them may not be overtaken any more
  // Places in the line of each adapter, made when a second one is asked for since the last change: then
  // everybody's are.
  mutable std::map<std::string, std::map<DeviceAddress, std::uint32_t>> places_;
  mutable bool asked_for_places_ = false;
  std::map<std::string, DeviceAddress> dialling_;     // by adapter address
  std::map<std::string, std::uint64_t> known_power_;  // power epochs, to see which adapter came up
  std::unique_ptr<Executor::Timer> timer_;
  TimePoint due_ = kNever;  // of the timer
  bool following_ = false;
  bool held_ = false;
  Scope tasks_;  // goes first
};

}  // namespace bleconnd
