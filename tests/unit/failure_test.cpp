// The table of causes as it is documented, and the messages made of it.
// Counters and categories are the contract with callers, tokens with programs: this table is typed again on
// purpose.
#include "core/failure.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <limits>
#include <map>
#include <regex>
#include <set>
#include <vector>

namespace bleconnd {
namespace {

struct Documented {
  Counter counter;
  Category category;
  std::string_view token;
};

const std::map<Cause, Documented> kDocumented{
    {Cause::window_over, {Counter::timeouts, Category::not_found, "not-seen"}},
    {Cause::dial_timeout_heard, {Counter::timeouts, Category::not_found, "seen-no-answer"}},
    {Cause::dial_timeout_unheard, {Counter::timeouts, Category::not_found, "not-seen"}},
    {Cause::object_gone, {Counter::transient, Category::not_found, "removed"}},
    {Cause::removed_heard_again, {Counter::transient, Category::aborted, "seen-no-answer"}},
    {Cause::removed_unheard, {Counter::transient, Category::not_found, "removed"}},
    {Cause::removed_at_once, {Counter::transient, Category::out_of_connection_slots, "no-slot"}},
    {Cause::aborted, {Counter::transient, Category::aborted, "seen-no-answer"}},
    {Cause::aborted_esp_medium, {Counter::transient, Category::aborted, "seen-no-answer"}},
    {Cause::aborted_esp_long, {Counter::transient, Category::aborted, "seen-no-answer"}},
    {Cause::link_lost, {Counter::transient, Category::aborted, "link-lost"}},
    {Cause::no_link, {Counter::transient, Category::aborted, "link-lost"}},
    {Cause::slot_refused, {Counter::transient, Category::out_of_connection_slots, "no-slot"}},
    {Cause::services_incomplete,
     {Counter::connect_errors, Category::connection_failed, "services-incomplete"}},
    {Cause::key_missing, {Counter::hopeless, Category::connection_failed, "key-missing"}},
    {Cause::auth_failed, {Counter::hopeless, Category::connection_failed, "auth-failed"}},
    {Cause::not_supported, {Counter::hopeless, Category::connection_failed, "not-supported"}},
    {Cause::denied, {Counter::hopeless, Category::connection_failed, "denied"}},
    {Cause::in_progress, {Counter::none, Category::connection_failed, "in-progress"}},
    {Cause::in_progress_too_long, {Counter::connect_errors, Category::connection_failed, "in-progress"}},
    {Cause::already_so, {Counter::connect_errors, Category::connection_failed, "bluez-error"}},
    {Cause::bluez_error, {Counter::connect_errors, Category::connection_failed, "bluez-error"}},
    {Cause::adapter_off, {Counter::none, Category::not_ready, "adapter-off"}},
    {Cause::stack_down, {Counter::none, Category::not_ready, "stack-down"}},
    {Cause::slots_taken, {Counter::none, Category::out_of_connection_slots, "no-slot"}},
    {Cause::adapter_busy, {Counter::none, Category::timeout, "adapter-busy"}},
    {Cause::timeout, {Counter::timeouts, Category::timeout, "timeout"}},
    {Cause::cancelled, {Counter::hopeless, Category::cancelled, "cancelled"}},
    {Cause::stopping, {Counter::hopeless, Category::cancelled, "stopping"}},
    {Cause::busy, {Counter::hopeless, Category::busy, "busy"}},
    {Cause::not_ready, {Counter::hopeless, Category::not_ready, "stack-down"}},
    {Cause::not_connected, {Counter::hopeless, Category::not_connected, "invalid"}},
    {Cause::invalid, {Counter::hopeless, Category::invalid_args, "invalid"}},
    {Cause::limits, {Counter::hopeless, Category::limits_exceeded, "busy"}},
};

const std::set<std::string_view> kTokens{
    "not-seen",     "seen-no-answer", "no-slot",
    "adapter-busy", "adapter-off",    "key-missing",
    "removed",      "link-lost",      "services-incomplete",
    "stack-down",   "auth-failed",    "not-supported",
    "denied",       "in-progress",    "bluez-error",
    "timeout",      "cancelled",      "stopping",
    "busy",         "invalid",
};

TEST(Causes, EachHasItsRowAsDocumented) {
  ASSERT_EQ(kDocumented.size(), static_cast<std::size_t>(kCauses));
  for (int i = 0; i < kCauses; ++i) {
    const auto cause = static_cast<Cause>(i);
    const auto& documented = kDocumented.at(cause);
    EXPECT_EQ(row(cause).cause, cause) << i;
    EXPECT_EQ(static_cast<int>(row(cause).counter), static_cast<int>(documented.counter)) << i;
    EXPECT_EQ(static_cast<int>(row(cause).category), static_cast<int>(documented.category)) << i;
    EXPECT_EQ(row(cause).token, documented.token) << i;
    EXPECT_TRUE(kTokens.contains(row(cause).token)) << row(cause).token;
  }
}

// Programs split a message at ": ", " (" and "; "; people read it in one line of a terminal.
TEST(Causes, TextsAreOneLineAndDoNotBreakTheFormat) {
  for (int i = 0; i < kCauses; ++i) {
    const auto& texts = row(static_cast<Cause>(i));
    for (const auto text : {texts.happened, texts.advice}) {
      EXPECT_FALSE(text.empty()) << texts.token;
      EXPECT_EQ(text.find(';'), std::string_view::npos) << text;
      EXPECT_FALSE(text.ends_with('.')) << text;
      for (const char c : text) EXPECT_TRUE(std::isprint(static_cast<unsigned char>(c))) << text;
    }
    EXPECT_EQ(texts.happened.find_first_of(":()"), std::string_view::npos) << texts.happened;
    EXPECT_LE(texts.token.size() + texts.happened.size(), 80U) << texts.happened;
    EXPECT_LE(texts.advice.size(), 110U) << texts.advice;
  }
}

TEST(Categories, HaveWellFormedNamesOfTheirOwn) {
  const std::regex well_formed{"[A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z_][A-Za-z0-9_]*)+"};  // D-Bus specification
  std::set<std::string> names;
  for (int i = 0; i < kCategories; ++i) {
    const std::string name{error_name(static_cast<Category>(i))};
    EXPECT_TRUE(std::regex_match(name, well_formed)) << name;
    EXPECT_LE(name.size(), 255U);
    EXPECT_TRUE(names.insert(name).second) << name << " twice";
  }
  const std::set<std::string> documented{"org.bleconnd.Error.NotFound",
                                         "org.bleconnd.Error.OutOfConnectionSlots",
                                         "org.bleconnd.Error.Aborted",
                                         "org.bleconnd.Error.ConnectionFailed",
                                         "org.bleconnd.Error.Timeout",
                                         "org.bleconnd.Error.Cancelled",
                                         "org.bleconnd.Error.NotReady",
                                         "org.bleconnd.Error.NotConnected",
                                         "org.bleconnd.Error.NotCached",
                                         "org.bleconnd.Error.Busy",
                                         "org.freedesktop.DBus.Error.InvalidArgs",
                                         "org.freedesktop.DBus.Error.AccessDenied",
                                         "org.freedesktop.DBus.Error.LimitsExceeded"};
  EXPECT_EQ(names, documented);
  EXPECT_EQ(error_name(Category::not_found), "org.bleconnd.Error.NotFound");
  EXPECT_EQ(error_name(Category::out_of_connection_slots), "org.bleconnd.Error.OutOfConnectionSlots");
  EXPECT_EQ(error_name(Category::aborted), "org.bleconnd.Error.Aborted");
  EXPECT_EQ(error_name(Category::connection_failed), "org.bleconnd.Error.ConnectionFailed");
  EXPECT_EQ(error_name(Category::invalid_args), "org.freedesktop.DBus.Error.InvalidArgs");
}

TEST(Message, LeavesOutWhatIsNotKnown) {
  struct Row {
    Failure failure;
    Report report;
    std::string_view start;  // up to the advice
  };
  const Failure aborted{Cause::aborted, "org.bluez.Error.Failed le-connection-abort-by-local"};
  const std::vector<Row> rows{
      {aborted,
       {.failure = 3, .bound = 9, .seconds = 41.2},
       "seen-no-answer: BlueZ gave up the dial (failure 3 of 9, 41 s, org.bluez.Error.Failed "
       "le-connection-abort-by-local)"},
      {{Cause::window_over, ""}, {}, "not-seen: the device was not heard"},
      {{Cause::window_over, ""},
       {.failure = 4, .bound = 4},
       "not-seen: the device was not heard (failure 4 of 4)"},
      {{Cause::window_over, ""}, {.seconds = 0.4}, "not-seen: the device was not heard (0.4 s)"},
      {{Cause::window_over, ""}, {.bound = 4}, "not-seen: the device was not heard"},
      {{Cause::invalid, "max-attempts must be 1 to 100"},
       {},
       "invalid: the call is wrong (max-attempts must be 1 to 100)"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(message(row.failure, row.report),
              std::string{row.start} + "; " + std::string{bleconnd::row(row.failure.cause).advice});
}

TEST(Message, AtADeadlineShowsTokenAndAdviceOfTheLastFailure) {
  const Failure deadline{Cause::timeout, ""};
  const std::string wake{row(Cause::window_over).advice};
  EXPECT_EQ(message(deadline, {.failure = 2, .bound = 4, .seconds = 120, .last = Cause::window_over}),
            "not-seen: the time allowed is over (failure 2 of 4, 120 s, the device was not heard); " + wake);
  EXPECT_EQ(message({Cause::window_over, ""}, {.last = Cause::window_over}),
            "not-seen: the device was not heard; " + wake)
      << "the same cause is not told twice";
}

TEST(Message, RoundsSeconds) {
  const std::pair<double, std::string> rows[] = {
      {0, "0.0 s"},   {0.04, "0.0 s"}, {0.44, "0.4 s"},    {0.46, "0.5 s"},
      {4, "4.0 s"},   {9.94, "9.9 s"}, {9.96, "10 s"},     {10.4, "10 s"},
      {41.2, "41 s"}, {59.6, "60 s"},  {86400, "86400 s"}, {std::numeric_limits<double>::max(), "very long"},
  };
  for (const auto& [seconds, text] : rows)
    EXPECT_NE(message({Cause::aborted, ""}, {.seconds = seconds}).find(" (" + text + ");"), std::string::npos)
        << seconds << ": " << message({Cause::aborted, ""}, {.seconds = seconds});
  for (const double seconds : {-1.0, -0.001, std::numeric_limits<double>::quiet_NaN()})
    EXPECT_EQ(message({Cause::aborted, ""}, {.seconds = seconds}), message({Cause::aborted, ""})) << seconds;
}

}  // namespace
}  // namespace bleconnd
