// One LE discovery session an adapter, shared by counted tokens. BlueZ ties a session to our bus name, so two
// callers of ours are one session to it. A keeper coroutine an adapter makes the truth follow the wish:
// whatever fails, restarts or is unplugged, the session is stopped again.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "async/notice.hpp"
#include "async/scope.hpp"
#include "ports/bluez.hpp"

namespace bleconnd {

class Discovery {
  struct Session {
    Session(Executor& executor, std::string path) : adapter{std::move(path)}, changed{executor} {}
    std::string adapter;
    std::uint32_t wanted = 0;  // tokens out
    std::uint64_t running_in =
        0;  // power epoch of the adapter in which the session was started; 0: not running
    Notice changed;
  };

 public:
  // Somebody waits to be heard on one adapter. Dropping it is enough.
  class Token {
   public:
    Token(Token&& other) noexcept = default;
    Token& operator=(Token&& other) noexcept {
      std::swap(session_, other.session_);
      return *this;
    }
    ~Token() {
      if (session_ && --session_->wanted == 0) session_->changed.notify();
    }

   private:
    friend class Discovery;
    explicit Token(std::shared_ptr<Session> session) : session_{std::move(session)} { ++session_->wanted; }
    std::shared_ptr<Session> session_;
  };

  Discovery(Executor& executor, Bluez& bluez)
      : executor_{executor}, bluez_{bluez}, idle_{executor}, scope_{executor} {}

  Token join(const std::string& adapter);
  bool idle() const { return sessions_.empty(); }
  Notice& became_idle() { return idle_; }

 private:
  std::uint64_t epoch(const Session& session) const;
  Task<Unit> keep(std::shared_ptr<Session> session);
  Task<Unit> start(std::shared_ptr<Session> session);
  Task<Unit> end(std::shared_ptr<Session> session);

  Executor& executor_;
  Bluez& bluez_;
  Notice idle_;
  std::map<std::string, std::shared_ptr<Session>> sessions_;  // by adapter path, while a keeper lives
  Scope scope_;
};

}  // namespace bleconnd
