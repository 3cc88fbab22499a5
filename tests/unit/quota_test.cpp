// What each user may hold, and that it is given back.
#include "core/quota.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace bleconnd {
namespace {

using ::testing::HasSubstr;
using Kind = Quota::Kind;

std::vector<Quota::Hold> take(Quota& quota, std::uint32_t uid, std::uint32_t count,
                              Kind kind = Kind::ordinary) {
  std::vector<Quota::Hold> holds;
  for (std::uint32_t i = 0; i < count; ++i) holds.push_back(quota.hold(uid, kind));
  return holds;
}

TEST(Quota, CountsUntilTheTokenGoes) {
  Quota quota;
  {
    auto one = quota.hold(1000, Kind::ordinary);
    auto moved = std::move(one);
    EXPECT_EQ(quota.held(1000), 1U);
    EXPECT_EQ(quota.held(1001), 0U);
  }
  EXPECT_EQ(quota.held(1000), 0U);
  EXPECT_EQ(quota.held_by_all(), 0U);
}

TEST(Quota, OfOneUserLeavesOthersAlone) {
  Quota quota;
  const auto holds = take(quota, 1000, Quota::kMost - 1);
  EXPECT_FALSE(quota.objection(1000, Kind::ordinary, 1));
  EXPECT_THAT(quota.objection(1000, Kind::ordinary, 2).value_or(""),
              HasSubstr("uid 1000 holds 2047 of 2048 leases and calls"));
  EXPECT_FALSE(quota.objection(1001, Kind::ordinary, 2));
}

TEST(Quota, BindsWhoHoldsNothingYet) {
  const Quota quota;
  EXPECT_THAT(quota.objection(1000, Kind::ordinary, Quota::kMost + 1).value_or(""),
              HasSubstr("uid 1000 holds 0 of 2048 leases and calls"));
  EXPECT_FALSE(quota.objection(1000, Kind::persistent, Quota::kMost));
  EXPECT_FALSE(quota.objection(0, Kind::ordinary, Quota::kMost + 1)) << "root is bound by the total alone";
}

TEST(Quota, OfPersistentLeasesIsApart) {
  Quota quota;
  const auto holds = take(quota, 1000, Quota::kMostPersistent, Kind::persistent);
  EXPECT_THAT(quota.objection(1000, Kind::persistent, 1).value_or(""),
              HasSubstr("64 of 64 persistent leases"));
  EXPECT_FALSE(quota.objection(1000, Kind::ordinary, 2));
  EXPECT_FALSE(quota.objection(0, Kind::persistent, 1)) << "root is bound by the total alone";
}

TEST(Quota, TheAdministratorSetsTheLimits) {
  Quota quota;
  const auto holds = take(quota, 1000, 3);
  quota.configure({.per_user = 2, .persistent = 0, .all = 4});
  EXPECT_THAT(quota.objection(1000, Kind::ordinary).value_or(""), HasSubstr("uid 1000 holds 3 of 2 leases"));
  EXPECT_THAT(quota.objection(1001, Kind::persistent).value_or(""), HasSubstr("holds 0 of 0 persistent"));
  EXPECT_FALSE(quota.objection(1001, Kind::ordinary));
  EXPECT_THAT(quota.objection(1001, Kind::ordinary, 2).value_or(""), HasSubstr("all users hold 3 of 4"));
  EXPECT_EQ(quota.held(1000), 3U) << "what is held stays";
  quota.configure({});
  EXPECT_FALSE(quota.objection(1000, Kind::persistent));
}

TEST(Quota, OfAllBindsRootToo) {
  Quota quota;
  const auto holds = take(quota, 0, Quota::kMostOfAll);
  EXPECT_THAT(quota.objection(0, Kind::ordinary, 1).value_or(""), HasSubstr("8192 of 8192"));
  EXPECT_THAT(quota.objection(1000, Kind::ordinary, 1).value_or(""), HasSubstr("8192 of 8192"));
}

}  // namespace
}  // namespace bleconnd
