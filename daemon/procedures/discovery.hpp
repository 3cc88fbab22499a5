// One LE discovery session an adapter, shared by counted tokens. BlueZ ties a session to our bus name, so two
// callers of ours are one session to it. A keeper coroutine an adapter makes the truth follow the wish:
// whatever fails, restarts or is unplugged, the session is stopped again.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>

#include "async/notice.hpp"
#include "async/scope.hpp"
#include "ports/bluez.hpp"

namespace bleconnd {

class Discovery {
  struct Session {
    Session(Executor& executor, std::string path, std::string of)
        : adapter{std::move(path)}, address{std::move(of)}, changed{executor} {}
    std::string adapter;
    std::string address;       // a path is the next adapter's when this one has gone
    std::uint32_t wanted = 0;  // tokens out
    std::uint32_t paused = 0;  // pauses out
    std::uint64_t running_in =
        0;                     // power epoch of the adapter in which the session was started; 0: not running
    Duration deaf{};           // in pauses that are over, all together
    TimePoint changed_at{};    // when the pause began, or the last one ended
    Duration deaf_in_a_row{};  // in pauses without a rest between them
    bool acts = false;         // the keeper waits for an answer of BlueZ
    std::stop_source starting{std::nostopstate};  // of the start that is under way
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

    // How long the session has been paused since it was first wanted.
    Duration deaf(TimePoint now) const {
      return session_->deaf + (session_->paused > 0 ? now - session_->changed_at : Duration{});
    }

   private:
    friend class Discovery;
    explicit Token(std::shared_ptr<Session> session) : session_{std::move(session)} { ++session_->wanted; }
    std::shared_ptr<Session> session_;
  };

  // While it lives the adapter does not discover: a dial has the radio. Who waits to be heard waits on.
  class Pause {
   public:
    Pause(Pause&& other) noexcept = default;
    Pause& operator=(Pause&& other) = delete;
    ~Pause() {
      if (session_) owner_->resume(*session_);
    }

   private:
    friend class Discovery;
    Pause(Discovery& owner, std::shared_ptr<Session> session)
        : owner_{&owner}, session_{std::move(session)} {}
    Discovery* owner_;
    std::shared_ptr<Session> session_;
  };

  // Dials in a row keep those who wait to be heard deaf for so long; then the radio listens for a moment:
  // three times the slowest interval (1285 ms, Core specification Vol 3 Part C, appendix A) would be fair to
  // all, one hears most.
  static constexpr std::chrono::seconds kMostDeaf{5};
  static constexpr std::chrono::seconds kRest{1};

  Discovery(Executor& executor, Bluez& bluez)
      : executor_{executor}, bluez_{bluez}, changed_{executor}, became_wanted_{executor}, scope_{executor} {}

  Token join(const std::string& adapter);
  Pause pause(const std::string& adapter);
  bool wanted(const std::string& adapter) const;  // somebody waits to be heard there
  Notice& became_wanted() { return became_wanted_; }
  // Until when nobody should dial, since others wait to be heard and have been deaf for too long.
  TimePoint rests_until(const std::string& adapter) const;
  bool idle() const { return sessions_.empty(); }
  bool quiet() const;  // nothing runs, as far as we know
  // BlueZ refuses to end a discovery on it: a kernel that timed out on the end of a scan never does (6.12),
  // and hears nothing any more until the power of the adapter is cycled.
  bool stuck(const AdapterState& adapter) const;
  Notice& changes() { return changed_; }  // of the three

  // While it is held nothing is discovered, whoever waits to be heard.
  void hold();
  void go_on();

 private:
  std::shared_ptr<Session> session(const std::string& adapter);
  void resume(Session& session);
  std::uint64_t epoch(const Session& session) const;
  Task<Unit> keep(std::shared_ptr<Session> session);
  Task<Unit> start(std::shared_ptr<Session> session);
  Task<Unit> end(std::shared_ptr<Session> session);

  Executor& executor_;
  Bluez& bluez_;
  Notice changed_;
  Notice became_wanted_;
  std::map<std::string, std::shared_ptr<Session>> sessions_;  // by adapter path, while a keeper lives
  std::map<std::string, std::uint64_t> stuck_;                // by adapter path: in which power epoch
  bool held_ = false;
  std::map<std::string, Pause> holds_;  // by adapter path
  Scope scope_;
};

}  // namespace bleconnd
