// The method calls of one bus connection: sent in the order they are made, at most 64 of them without an
// answer; further ones queue. A call whose waiter has gone counts until it is answered, since the bus counts
// it too: dbus-daemon allows 128 a connection, forgets none, and then refuses every call (measured, 1.14).
// BlueZ never answers a Connect whose object is removed, so that is reached in time.
#pragma once
#include <cstddef>
#include <deque>
#include <list>
#include <string>
#include <string_view>

#include "core/failure.hpp"
#include "system/sd_handles.hpp"

namespace bleconnd {

class DbusLine {
  struct Call;

 public:
  static constexpr std::size_t kUnanswered = 64;

  // Who waits for one answer. Both are called inside sd-bus: they take values and wake coroutines, nothing
  // more.
  class Waiter {
   public:
    virtual void answered(sd_bus_message* reply) = 0;
    virtual void failed(Failure failure) = 0;

   protected:
    ~Waiter() = default;

   private:
    friend class DbusLine;
    Call* call_ = nullptr;  // the one it waits for
  };

  // Whoever may still withdraw() from this line: it must not go before. Longer than the wait for an answer,
  // since the coroutine that waited goes on later.
  class Use {
   public:
    explicit Use(DbusLine& line) : line_{line} { ++line_.uses_; }
    Use(const Use&) = delete;
    ~Use() { --line_.uses_; }

   private:
    DbusLine& line_;
  };

  explicit DbusLine(sd_bus* bus) : bus_{bus} {}
  DbusLine(const DbusLine&) = delete;
  DbusLine& operator=(const DbusLine&) = delete;

  // A call that can be filled and then given to call(); null if the connection is closed or a name is none.
  BusMessage new_call(const std::string& destination, const std::string& path, const char* interface,
                      const char* member) const;
  // May answer `waiter` at once, by failed().
  void call(BusMessage message, Waiter& waiter);
  // `waiter` will not hear any more. A call that has been sent goes on; one that has not is taken back.
  void withdraw(Waiter& waiter);
  // `destination` has left the bus: its waiters fail with stack_down.
  void gone(std::string_view destination);

  bool in_use() const { return uses_ > 0; }
  // Calls without an answer that nobody waits for any more.
  std::size_t given_up() const { return given_up_; }

 private:
  // In one of the two lists, which it finds itself in: hundreds can be queued.
  struct Call {
    DbusLine* line;
    BusMessage message;
    Waiter* waiter;
    BusSlot slot{};
    bool sent = false;
    std::list<Call>::iterator place{};
  };

  static int on_answer(sd_bus_message* reply, void* call, sd_bus_error* error);
  void send_next();
  void send(Call& call);
  void end(Call& call);
  static Waiter* forget_waiter(Call& call);

  sd_bus* bus_;
  std::size_t uses_ = 0;
  std::size_t given_up_ = 0;  // of sent_, those without a waiter
  std::list<Call> sent_;
  std::list<Call> queued_;
};

}  // namespace bleconnd
