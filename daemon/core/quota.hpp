// What each user may hold at a time. Pure. A hold is a token: what is counted is given back when it goes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace bleconnd {

class Quota {
 public:
  // Leases and pending calls together, and persistent leases, of one user; of everybody together. root (uid
  // 0) is bound by the total alone. What is held already stays when they are lowered.
  static constexpr std::uint32_t kMost = 2048;
  static constexpr std::uint32_t kMostPersistent = 64;
  static constexpr std::uint32_t kMostOfAll = 8192;
  struct Limits {
    std::uint32_t per_user = kMost;
    std::uint32_t persistent = kMostPersistent;
    std::uint32_t all = kMostOfAll;
    bool operator==(const Limits&) const = default;
  };

  enum class Kind : std::uint8_t { ordinary, persistent };

  class Hold {
   public:
    Hold() = default;
    Hold(Hold&& other) noexcept = default;
    Hold& operator=(Hold&& other) noexcept {
      std::swap(counts_, other.counts_);
      std::swap(uid_, other.uid_);
      std::swap(kind_, other.kind_);
      return *this;
    }
    ~Hold();

   private:
    friend class Quota;
    struct Counts;
    Hold(std::shared_ptr<Counts> counts, std::uint32_t uid, Kind kind);
    std::shared_ptr<Counts> counts_;
    std::uint32_t uid_ = 0;
    Kind kind_ = Kind::ordinary;
  };

  Quota();
  void configure(const Limits& limits) { limits_ = limits; }
  // What a limit says against one more (`more` of them), in words; nothing if there is room.
  std::optional<std::string> objection(std::uint32_t uid, Kind kind, std::uint32_t more = 1) const;
  Hold hold(std::uint32_t uid, Kind kind);  // without asking: whoever takes several asks once before
  std::uint32_t held(std::uint32_t uid) const;
  std::uint32_t held_by_all() const;

 private:
  std::shared_ptr<Hold::Counts> counts_;
  Limits limits_;
};

}  // namespace bleconnd
