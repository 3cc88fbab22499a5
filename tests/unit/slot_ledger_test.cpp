// Who holds the slots of an adapter, and how a limit is learned.
#include "core/slot_ledger.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bleconnd {
namespace {

using ::testing::ElementsAre;
using namespace std::chrono_literals;

SlotLedger::Time at(std::chrono::seconds seconds) {
  return SlotLedger::Time{} + 1h + seconds;
}
const std::string kFirst = "00:00:00:00:00:A0", kSecond = "00:00:00:00:00:B0";
const auto kLamp = *DeviceAddress::parse("AA:00:00:00:00:01");
const auto kLock = *DeviceAddress::parse("AA:00:00:00:00:02");
const auto kBell = *DeviceAddress::parse("AA:00:00:00:00:03");

TEST(SlotLedger, WithoutALimitNothingIsFull) {
  SlotLedger ledger;
  ledger.take(kFirst, kLamp, SlotState::connected);
  EXPECT_EQ(ledger.limit(kFirst, at(0s)), 0U);
  EXPECT_FALSE(ledger.full(kFirst, at(0s)));
  EXPECT_EQ(ledger.free_slots(kFirst, at(0s)), 0U);
  EXPECT_EQ(ledger.used(kFirst), 1U);
}

TEST(SlotLedger, EveryStateHoldsASlotUntilItIsFreed) {
  for (auto state : {SlotState::dialling, SlotState::connected, SlotState::releasing}) {
    SlotLedger ledger;
    ledger.configure({{kFirst, 1}});
    ledger.take(kFirst, kLamp, state);
    EXPECT_TRUE(ledger.full(kFirst, at(0s)));
    EXPECT_FALSE(ledger.has_room(kFirst, kLock, at(0s)));
    EXPECT_TRUE(ledger.has_room(kFirst, kLamp, at(0s))) << "its own slot is no obstacle";
    ledger.free(kFirst, kLamp);
    EXPECT_FALSE(ledger.full(kFirst, at(0s)));
  }
}

TEST(SlotLedger, IsNeverNegativeAndCountsADeviceOnce) {
  SlotLedger ledger;
  ledger.configure({{kFirst, 2}});
  ledger.free(kFirst, kLamp);
  ledger.other_went(kFirst, kLamp);
  EXPECT_EQ(ledger.used(kFirst), 0U);
  ledger.take(kFirst, kLamp, SlotState::dialling);
  ledger.take(kFirst, kLamp, SlotState::connected);
  ledger.others(kFirst, {kLamp, kLock});  // counted while it was ours already
  EXPECT_EQ(ledger.used(kFirst), 2U);
  EXPECT_THAT(ledger.holders(kFirst), ElementsAre(kLamp, kLock));
  ledger.free(kFirst, kLamp);
  ledger.free(kFirst, kLamp);
  EXPECT_EQ(ledger.used(kFirst), 2U) << "as another program's it is still there";
  ledger.others(kFirst, {});
  EXPECT_EQ(ledger.used(kFirst), 0U);
  EXPECT_EQ(ledger.own(), 0U);
}

TEST(SlotLedger, TellsOthersFromOurs) {
  SlotLedger ledger;
  EXPECT_EQ(ledger.others(kFirst), 0U);
  ledger.take(kFirst, kLamp, SlotState::connected);
  ledger.others(kFirst, {kLamp, kLock, kBell});
  EXPECT_EQ(ledger.others(kFirst), 2U) << "the lamp is ours";
  EXPECT_EQ(ledger.others(kSecond), 0U);
  ledger.free(kFirst, kLamp);
  EXPECT_EQ(ledger.others(kFirst), 3U);
}

TEST(SlotLedger, CountsTheLinksThatEnd) {
  SlotLedger ledger;
  const auto ended = [&] { return ledger.links_ended(kFirst); };
  ledger.take(kFirst, kLamp, SlotState::dialling);
  ledger.free(kFirst, kLamp);
  EXPECT_EQ(ended(), 0U) << "a dial is no link";
  for (auto state : {SlotState::connected, SlotState::releasing}) {
    ledger.take(kFirst, kLamp, state);
    ledger.free(kFirst, kLamp);
  }
  ledger.free(kFirst, kLamp);
  EXPECT_EQ(ended(), 2U);
  ledger.take(kFirst, kLamp, SlotState::releasing);
  ledger.other_came(kFirst, kLamp);
  ledger.free(kFirst, kLamp);
  EXPECT_EQ(ended(), 2U) << "a phantom stays, as another program's";
  ledger.others(kFirst, {kLamp, kLock, kBell});
  ledger.take(kFirst, kLamp, SlotState::connected);
  ledger.others(kFirst, {kLock, kBell});
  ledger.other_went(kFirst, kLamp);
  EXPECT_EQ(ended(), 2U) << "another program's link became ours, too";
  ledger.others(kFirst, {kLock});
  EXPECT_EQ(ended(), 3U);
  ledger.other_went(kFirst, kLock);
  ledger.other_went(kFirst, kLock);
  EXPECT_EQ(ended(), 4U);
  EXPECT_EQ(ledger.links_ended(kSecond), 0U);
  ledger.free(kFirst, kBell);
  EXPECT_EQ(ended(), 4U) << "it held none, though the lamp does";
}

TEST(SlotLedger, AnAdoptedLinkMayExceedTheLimit) {
  SlotLedger ledger;
  ledger.configure({{kFirst, 1}});
  ledger.take(kFirst, kLamp, SlotState::connected);
  ledger.take(kFirst, kLock, SlotState::connected);
  EXPECT_EQ(ledger.used(kFirst), 2U);
  EXPECT_EQ(ledger.free_slots(kFirst, at(0s)), 0U) << "not 4,294,967,295";
}

TEST(SlotLedger, FreeSlotsAreTheLimitWithoutWhatIsHeld) {
  SlotLedger ledger;
  ledger.configure({{kFirst, 3}});
  EXPECT_EQ(ledger.free_slots(kFirst, at(0s)), 3U);
  ledger.take(kFirst, kLamp, SlotState::dialling);
  ledger.others(kFirst, {kLock});
  EXPECT_EQ(ledger.free_slots(kFirst, at(0s)), 1U);
  EXPECT_EQ(ledger.own(), 1U);
}

TEST(SlotLedger, AFullAdapterHasRoomForWhatIsLinkedThere) {
  SlotLedger ledger;
  ledger.configure({{kFirst, 1}});
  ledger.others(kFirst, {kLock});
  EXPECT_TRUE(ledger.has_room(kFirst, kLock, at(0s))) << "another program's link is shared";
  EXPECT_FALSE(ledger.has_room(kFirst, kLamp, at(0s)));
}

TEST(SlotLedger, KnowsNothingOfAnAdapterWithoutLinks) {
  SlotLedger ledger;
  EXPECT_TRUE(ledger.holders(kFirst).empty());
  EXPECT_FALSE(ledger.has_link(kFirst));
  EXPECT_FALSE(ledger.next_raise(kFirst, at(0s)));
  ledger.others(kFirst, {kLock});
  EXPECT_THAT(ledger.holders(kFirst), ElementsAre(kLock));
}

TEST(SlotLedger, LearnsFromTwoRefusalsInARowOfDifferentDevices) {
  struct Row {
    const char* what;
    std::vector<DeviceAddress> refused;
    bool accepted_between;
    std::uint32_t limit;
  };
  for (auto& row : {Row{"one", {kLamp}, false, 0}, Row{"the same twice", {kLamp, kLamp}, false, 0},
                    Row{"two", {kLamp, kLock}, false, 3}, Row{"not in a row", {kLamp, kLock}, true, 0},
                    Row{"the third is another", {kLamp, kLamp, kLock}, false, 3}}) {
    SlotLedger ledger;
    for (auto& device : row.refused) {
      ledger.refused(kFirst, device, 3, at(0s));
      if (row.accepted_between) ledger.not_refused(kFirst);
    }
    EXPECT_EQ(ledger.limit(kFirst, at(0s)), row.limit) << row.what;
    EXPECT_EQ(ledger.limit(kSecond, at(0s)), 0U) << row.what;
  }
}

TEST(SlotLedger, ALearnedLimitIsNeverBelowOne) {
  SlotLedger ledger;
  ledger.refused(kFirst, kLamp, 0, at(0s));
  EXPECT_TRUE(ledger.refused(kFirst, kLock, 0, at(0s)));
  EXPECT_EQ(ledger.limit(kFirst, at(0s)), 1U);
}

TEST(SlotLedger, ALearnedLimitIsRaisedByOneEachTenMinutes) {
  SlotLedger ledger;
  ledger.refused(kFirst, kLamp, 3, at(0s));
  ledger.refused(kFirst, kLock, 3, at(0s));
  EXPECT_EQ(ledger.limit(kFirst, at(599s)), 3U);
  EXPECT_EQ(ledger.next_raise(kFirst, at(599s)), at(600s));
  EXPECT_EQ(ledger.limit(kFirst, at(600s)), 4U);
  EXPECT_EQ(ledger.next_raise(kFirst, at(600s)), at(1200s));
  EXPECT_EQ(ledger.limit(kFirst, at(1200s)), 5U);
  EXPECT_EQ(ledger.limit(kFirst, at(-5s)), 3U) << "an age that cannot be";
  ledger.refused(kFirst, kLamp, 3, at(1201s));
  ledger.refused(kFirst, kBell, 3, at(1202s));
  EXPECT_EQ(ledger.limit(kFirst, at(1203s)), 3U) << "learned anew";
  EXPECT_EQ(ledger.limit(kFirst, at(1202s + 255 * 600s)), 0U) << "beyond any controller: no limit";
}

TEST(SlotLedger, TheAdministratorsLimitWins) {
  SlotLedger ledger;
  ledger.restore(kFirst, 3, at(0s));
  ledger.restore(kSecond, 3, at(0s));
  ledger.configure({{kFirst, 7}, {kSecond, 0}});
  EXPECT_EQ(ledger.limit(kFirst, at(0s)), 7U);
  EXPECT_EQ(ledger.limit(kSecond, at(0s)), 0U) << "0: no limit, and none is learned";
  EXPECT_FALSE(ledger.next_raise(kFirst, at(0s)));
  ledger.refused(kSecond, kLamp, 2, at(0s));
  EXPECT_FALSE(ledger.refused(kSecond, kLock, 2, at(0s)));
  ledger.configure({});
  EXPECT_EQ(ledger.limit(kFirst, at(0s)), 3U) << "what was learned counts again";
}

TEST(SlotLedger, RestoresNoNonsense) {
  SlotLedger ledger;
  ledger.restore(kFirst, 0, at(0s));
  ledger.restore(kSecond, 256, at(0s));
  EXPECT_EQ(ledger.limit(kFirst, at(0s)), 0U);
  EXPECT_EQ(ledger.limit(kSecond, at(0s)), 0U);
}

}  // namespace
}  // namespace bleconnd
