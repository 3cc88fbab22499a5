// Counts by user; a user who holds nothing has no entry.
#include "core/quota.hpp"

namespace bleconnd {

struct Quota::Hold::Counts {
  struct User {
    std::uint32_t all = 0;
    std::uint32_t persistent = 0;
  };
  std::map<std::uint32_t, User> users;
  std::uint32_t all = 0;
};

Quota::Hold::Hold(std::shared_ptr<Counts> counts, std::uint32_t uid, Kind kind)
    : counts_{std::move(counts)}, uid_{uid}, kind_{kind} {
  auto& user = counts_->users[uid_];
  ++user.all;
  user.persistent += kind_ == Kind::persistent ? 1 : 0;
  ++counts_->all;
}

Quota::Hold::~Hold() {
  if (!counts_) return;
  const auto user = counts_->users.find(uid_);
  user->second.persistent -= kind_ == Kind::persistent ? 1 : 0;
  if (--user->second.all == 0) counts_->users.erase(user);
  --counts_->all;
}

Quota::Quota() : counts_{std::make_shared<Hold::Counts>()} {}

std::optional<std::string> Quota::objection(std::uint32_t uid, Kind kind, std::uint32_t more) const {
  if (counts_->all + more > limits_.all)
    return "all users hold " + std::to_string(counts_->all) + " of " + std::to_string(limits_.all) +
           " leases and calls";
  if (uid == 0) return {};
  const auto at = counts_->users.find(uid);
  const auto user = at == counts_->users.end() ? Hold::Counts::User{} : at->second;
  const auto text = "uid " + std::to_string(uid) + " holds ";
  if (user.all + more > limits_.per_user)
    return text + std::to_string(user.all) + " of " + std::to_string(limits_.per_user) + " leases and calls";
  if (kind == Kind::persistent && user.persistent + 1 > limits_.persistent)
    return text + std::to_string(user.persistent) + " of " + std::to_string(limits_.persistent) +
           " persistent leases";
  return {};
}

Quota::Hold Quota::hold(std::uint32_t uid, Kind kind) {
  return {counts_, uid, kind};
}

std::uint32_t Quota::held(std::uint32_t uid) const {
  const auto at = counts_->users.find(uid);
  return at == counts_->users.end() ? 0 : at->second.all;
}

std::uint32_t Quota::held_by_all() const {
  return counts_->all;
}

}  // namespace bleconnd
