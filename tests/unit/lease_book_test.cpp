// Who holds a device, from the first call to the end of the linger.
// Time is made up: seconds since a start that is not the clock's zero.
#include "core/lease_book.hpp"

#include <gtest/gtest.h>

namespace bleconnd {
namespace {

LeaseBook::Time at(int seconds) {
  return LeaseBook::Time{} + std::chrono::hours{1} + std::chrono::seconds{seconds};
}
const Caller kAnna{":1.1", 1000}, kAnnaAgain{":1.2", 1000}, kBert{":1.3", 1001}, kRoot{":1.4", 0};

TEST(LeaseBook, OneLeaseACallerHoweverOftenItCalls) {
  LeaseBook book;
  EXPECT_TRUE(book.empty());
  book.take(kAnna, "first");
  book.take(kAnna, "");
  book.take(kBert, "");
  EXPECT_EQ(book.size(), 2U);
  EXPECT_EQ(book.all().front().label, "first") << "an empty label does not erase one";
  book.take(kAnna, "second");
  EXPECT_EQ(book.all().front().label, "second");
  EXPECT_TRUE(book.holds(kAnna.name));
  EXPECT_FALSE(book.holds(kAnnaAgain.name)) << "a lease is a bus name's, not a user's";
}

TEST(LeaseBook, AMaintainedLeaseOutlastsItsLink) {
  LeaseBook book;
  book.take(kBert, "");
  book.take(kAnna, "", Lifetime::caller, {}, Terms{.adapter = "hci1"});
  EXPECT_TRUE(book.maintained());
  EXPECT_FALSE(book.only_lasting());
  EXPECT_FALSE(book.take(kAnna, "")) << "a call without it does not end it";
  EXPECT_TRUE(book.is_maintained(kAnna.name));
  EXPECT_FALSE(book.is_maintained(kBert.name));
  book.end_callers();
  EXPECT_EQ(book.size(), 1U);
  EXPECT_TRUE(book.only_lasting());
  book.take(kAnna, "", Lifetime::caller, {}, Terms{.adapter = "hci2"});
  EXPECT_EQ(book.all().front().maintained->adapter, "hci2") << "the last call's terms";
  EXPECT_TRUE(book.left(kAnna.name, at(0), at(30)));
  EXPECT_TRUE(book.maintained()) << "while it lingers";
  EXPECT_TRUE(book.expire(at(30)));
  EXPECT_FALSE(book.maintained());
}

TEST(LeaseBook, EndsWithoutLinger) {
  LeaseBook book;
  book.take(kAnna, "");
  EXPECT_FALSE(book.end(kBert.name));
  EXPECT_TRUE(book.end(kAnna.name));
  EXPECT_FALSE(book.end(kAnna.name));
  EXPECT_TRUE(book.empty());
}

TEST(LeaseBook, LingersWhenTheCallerLeaves) {
  LeaseBook book;
  book.take(kAnna, "");
  book.take(kBert, "");
  EXPECT_FALSE(book.left(kRoot.name, at(0), at(30))) << "never held one";
  EXPECT_TRUE(book.left(kAnna.name, at(0), at(30)));
  EXPECT_FALSE(book.holds(kAnna.name));
  EXPECT_FALSE(book.only_lingering());
  EXPECT_TRUE(book.left(kBert.name, at(5), at(20)));
  EXPECT_TRUE(book.only_lingering());
  EXPECT_EQ(book.next_expiry(), at(20)) << "the earliest";

  EXPECT_FALSE(book.expire(at(19)));
  EXPECT_TRUE(book.expire(at(20)));
  EXPECT_EQ(book.next_expiry(), at(30));
  EXPECT_TRUE(book.expire(at(31)));
  EXPECT_TRUE(book.empty());
  EXPECT_FALSE(book.next_expiry());
  EXPECT_FALSE(book.expire(at(99)));
}

TEST(LeaseBook, NoLingerNoLease) {
  LeaseBook book;
  book.take(kAnna, "");
  EXPECT_TRUE(book.left(kAnna.name, at(0), at(0)));
  EXPECT_TRUE(book.empty());
}

TEST(LeaseBook, ANewCallTakesOverWhatLingers) {
  LeaseBook book;
  book.take(kAnna, "");
  book.left(kAnna.name, at(0), at(30));
  book.take(kBert, "");
  EXPECT_EQ(book.size(), 1U);
  EXPECT_FALSE(book.next_expiry());
  EXPECT_TRUE(book.holds(kBert.name));
}

TEST(LeaseBook, ReleasesTheOwnLeaseFirstThenALingeringOneOfTheUser) {
  struct Row {
    const char* what;
    Caller caller;
    bool released;
  };
  for (const auto& row : {Row{"of the same user", kAnnaAgain, true}, Row{"of another user", kBert, false},
                          Row{"root may release anybody's", kRoot, true}}) {
    LeaseBook book;
    book.take(kAnna, "");
    EXPECT_FALSE(book.release(row.caller)) << "not while its holder is there: " << row.what;
    book.left(kAnna.name, at(0), at(30));
    EXPECT_EQ(book.release(row.caller), row.released) << row.what;
    EXPECT_EQ(book.empty(), row.released) << row.what;
  }

  LeaseBook book;
  book.take(kAnna, "");
  book.take(kAnnaAgain, "");
  book.left(kAnna.name, at(0), at(30));
  EXPECT_TRUE(book.release(kAnnaAgain));
  EXPECT_TRUE(book.only_lingering()) << "the own one went, the lingering one stays";
  EXPECT_TRUE(book.release(kAnnaAgain));
  EXPECT_FALSE(book.release(kAnnaAgain));
}

TEST(LeaseBook, APersistentLeaseIsTheUsersAndDoesNotLinger) {
  LeaseBook book;
  EXPECT_TRUE(book.take(kAnna, "hub", Lifetime::persistent));
  EXPECT_FALSE(book.take(kAnnaAgain, "", Lifetime::persistent)) << "one a user";
  EXPECT_TRUE(book.take(kBert, "", Lifetime::persistent));
  EXPECT_EQ(book.size(), 2U);
  EXPECT_EQ(book.all().front().holder.name, "");
  EXPECT_EQ(book.all().front().label, "hub");
  EXPECT_FALSE(book.left(kAnna.name, at(0), at(30)));
  EXPECT_FALSE(book.next_expiry());
  EXPECT_FALSE(book.only_lingering());
  EXPECT_TRUE(book.only_lasting());
  EXPECT_TRUE(book.holds(kAnnaAgain, Lifetime::persistent));
  EXPECT_FALSE(book.holds(kAnnaAgain, Lifetime::caller));
  book.take(kAnna, "");
  EXPECT_FALSE(book.only_lasting());
  book.end_callers();
  EXPECT_EQ(book.size(), 2U) << "it stays when the link ends";
  EXPECT_TRUE(book.end_persistent(kAnna.uid));
  EXPECT_FALSE(book.end_persistent(kAnna.uid));
}

TEST(LeaseBook, ReleasesOwnThenLingeringThenPersistent) {
  LeaseBook book;
  book.take(kAnna, "", Lifetime::persistent);
  book.take(kAnna, "");
  book.take(kAnnaAgain, "");
  book.left(kAnna.name, at(0), at(30));
  EXPECT_TRUE(book.release(kAnnaAgain));
  EXPECT_FALSE(book.holds(kAnnaAgain.name)) << "the own one";
  EXPECT_TRUE(book.release(kAnnaAgain));
  EXPECT_FALSE(book.next_expiry()) << "the lingering one";
  EXPECT_FALSE(book.release(kBert)) << "a persistent one of another user";
  EXPECT_TRUE(book.release(kAnnaAgain));
  EXPECT_TRUE(book.empty());

  book.take(kAnna, "", Lifetime::persistent);
  EXPECT_TRUE(book.release(kRoot)) << "root's is anybody's";
  EXPECT_TRUE(book.empty());
}

TEST(LeaseBook, ReleasesOneKindAloneWhereOneIsNamed) {
  LeaseBook book;
  book.take(kAnna, "", Lifetime::persistent);
  book.take(kAnna, "");
  book.take(kAnnaAgain, "");
  EXPECT_TRUE(book.release(kAnnaAgain, Lifetime::caller));
  book.left(kAnna.name, at(0), at(30));
  EXPECT_FALSE(book.release(kAnnaAgain, Lifetime::caller)) << "neither a lingering nor a persistent one";
  EXPECT_FALSE(book.release(kBert, Lifetime::persistent));
  EXPECT_TRUE(book.release(kAnnaAgain, Lifetime::persistent));
  EXPECT_TRUE(book.only_lingering()) << "not a lingering one";
  EXPECT_FALSE(book.release(kAnnaAgain, Lifetime::persistent));
}

TEST(LeaseBook, EndingCallersKeepsThoseThatAreSpared) {
  LeaseBook book;
  book.take(kAnna, "");
  book.take(kBert, "");
  book.end_callers([](const Lease& lease) { return lease.holder.name == kBert.name; });
  EXPECT_FALSE(book.holds(kAnna.name));
  EXPECT_TRUE(book.holds(kBert.name));
}

TEST(LeaseBook, ClearEndsAll) {
  LeaseBook book;
  book.take(kAnna, "");
  book.take(kBert, "");
  book.left(kBert.name, at(0), at(30));
  book.clear();
  EXPECT_TRUE(book.empty());
  EXPECT_TRUE(book.only_lingering());
}

}  // namespace
}  // namespace bleconnd
