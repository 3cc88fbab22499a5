// The waits of a maintained device.
// Time is made up: a start that is not the clock's zero, and milliseconds since.
#include "core/reconnect.hpp"

#include <gtest/gtest.h>

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

Reconnect::Time at(milliseconds since) {
  return Reconnect::Time{} + 1h + since;
}

TEST(Reconnect, IsDueAtOnceInTheBeginning) {
  EXPECT_LE(Reconnect{}.due(), at(0ms));
}

TEST(Reconnect, TheReasonOfALossSaysHowSoon) {
  const struct {
    const char* reason;
    milliseconds delay;
  } rows[] = {{"link-lost", 250ms},         {"link-lost-timeout", 250ms}, {"link-lost-unknown", 250ms},
              {"link-lost-suspend", 250ms}, {"adapter-off", 250ms},       {"stack-down", 250ms},
              {"link-lost-remote", 1s},     {"link-lost-local", 5s},      {"link-lost-authentication", 60s}};
  for (auto& row : rows) {
    Reconnect reconnect;
    reconnect.connected(at(0ms));
    reconnect.lost(row.reason, at(1h));
    EXPECT_EQ(reconnect.due() - at(1h), row.delay) << row.reason;
    EXPECT_EQ(reconnect.failures(), 0U);
  }
}

TEST(Reconnect, DoublesWithEachFailureInARowToFiveMinutes) {
  Reconnect reconnect;
  auto delay = 250ms;
  for (int failure = 1; failure < 40; ++failure) {
    reconnect.failed(Cause::aborted, at(0ms));
    delay = std::min<milliseconds>(delay * 2, Reconnect::kMost);
    EXPECT_EQ(reconnect.due() - at(0ms), delay) << failure;
    EXPECT_EQ(reconnect.is_open(), failure >= 5);
  }
}

TEST(Reconnect, WhatNoRetryMendsIsTriedEveryFiveMinutes) {
  Reconnect reconnect;
  reconnect.failed(Cause::key_missing, at(0ms));
  EXPECT_EQ(reconnect.due() - at(0ms), Reconnect::kMost);
}

TEST(Reconnect, TheAdministratorSaysHowLongThePausesBecomeAndWhatIsStable) {
  const Reconnect::Times times{.longest = 24h, .stable = 10s};
  Reconnect reconnect;
  auto delay = 250ms;
  for (int failure = 1; failure < 40; ++failure) {
    reconnect.failed(Cause::aborted, at(0ms), times);
    delay = std::min<milliseconds>(delay * 2, 24h);
    EXPECT_EQ(reconnect.due() - at(0ms), delay) << failure;
  }
  reconnect.failed(Cause::key_missing, at(0ms), {.longest = 1s});
  EXPECT_EQ(reconnect.due() - at(0ms), 1s);
  reconnect.connected(at(0ms));
  reconnect.lost("link-lost", at(9'999ms), times);
  EXPECT_GT(reconnect.failures(), 40U);
  reconnect.connected(at(0ms));
  reconnect.lost("link-lost", at(10s), times);
  EXPECT_EQ(reconnect.failures(), 0U);
}

TEST(Reconnect, OnlyALinkThatLastedForgives) {
  Reconnect reconnect;
  for (int each = 0; each < 3; ++each) reconnect.failed(Cause::aborted, at(0ms));
  reconnect.connected(at(0ms));
  reconnect.lost("link-lost", at(59'999ms));
  EXPECT_EQ(reconnect.failures(), 4U);
  EXPECT_EQ(reconnect.due() - at(59'999ms), 4s);
  reconnect.connected(at(100s));
  reconnect.lost("link-lost", at(160s));
  EXPECT_EQ(reconnect.failures(), 0U);
  reconnect.lost("link-lost", at(161s));
  EXPECT_EQ(reconnect.failures(), 1U) << "it was not connected";
}

TEST(Reconnect, ASignIsWorthADialAtOnceUntilTheCircuitIsOpen) {
  Reconnect reconnect;
  for (int failure = 1; failure <= 4; ++failure) reconnect.failed(Cause::aborted, at(0ms));
  reconnect.sign(at(10ms));
  EXPECT_EQ(reconnect.due(), at(10ms));
  reconnect.failed(Cause::aborted, at(10ms));  // the fifth: due at 8.01 s
  ASSERT_TRUE(reconnect.is_open());
  reconnect.sign(at(20ms));
  EXPECT_EQ(reconnect.due(), at(8'010ms)) << "no later than it was";
  for (int each = 0; each < 10; ++each) reconnect.failed(Cause::aborted, at(10s));
  reconnect.sign(at(11s));
  EXPECT_EQ(reconnect.due(), at(40s));
  reconnect.sign(at(50s));
  EXPECT_EQ(reconnect.due(), at(40s)) << "it is due already";
  reconnect.forgive();
  EXPECT_FALSE(reconnect.is_open());
}

}  // namespace
}  // namespace bleconnd
