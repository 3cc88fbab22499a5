// The JSON of every command: its keys are what bleconnctl(1) documents, and scripts read.
#include <sstream>

#include "ctl_fixture.hpp"

namespace bleconnd::integration {
namespace {

using ::testing::UnorderedElementsAre;
using ::testing::UnorderedElementsAreArray;

class CtlJson : public CtlFixture {
 protected:
  static std::vector<std::string> keys(const json& object) {
    std::vector<std::string> all;
    for (auto& [key, value] : object.items()) all.push_back(key);
    return all;
  }
  static std::vector<json> lines(const std::string& text) {
    std::vector<json> all;
    std::istringstream lines_of{text};
    for (std::string line; std::getline(lines_of, line);) all.push_back(json::parse(line, nullptr, false));
    return all;
  }
};

const std::vector<std::string> kConnected{
    "address",          "state",        "adapter", "bluez-device",
    "attempts",         "elapsed-usec", "shared",  "services-from-cache",
    "services-verified"};
const std::vector<std::string> kAttempt{"event", "address", "attempt", "max-attempts",
                                        "error", "token",   "message", "retry-in-usec"};
const std::vector<std::string> kError{"error", "token", "message", "advice"};

TEST_F(CtlJson, of_connect) {
  bluez.fail_next("Connect", "org.bluez.Error.Failed", "le-connection-abort-by-local");
  const auto told = lines(output_of({"connect", "--json", "--persistent", kLamp}));
  ASSERT_EQ(told.size(), 2u);
  EXPECT_THAT(keys(told[0]), UnorderedElementsAreArray(kAttempt));
  EXPECT_EQ(told[0]["event"], "attempt-failed");
  EXPECT_EQ(told[0]["error"], "Aborted");
  EXPECT_THAT(keys(told[1]), UnorderedElementsAreArray(kConnected));
  EXPECT_THAT(keys(json_of({"connect", "--no-wait", "--persistent", kLamp})),
              UnorderedElementsAre("address", "state"));
  EXPECT_THAT(keys(json_of({"release", kLamp})), UnorderedElementsAre("leases-left"));
  EXPECT_THAT(keys(json_of({"release", kLamp}, 10)), UnorderedElementsAreArray(kError));
}

TEST_F(CtlJson, of_a_link_that_is_held) {
  const auto program = run({"--json", "connect", "--hold", "--maintain", kLamp});
  ASSERT_TRUE(says(*program, "\"connected\""));
  lamp.drop_link();
  ASSERT_TRUE(world.until([&] { return lines(program->output()).size() >= 3; }));
  for (const auto at : {1u, 2u}) {
    const auto event = lines(program->output())[at];
    EXPECT_THAT(keys(event), UnorderedElementsAre("event", "address", "state", "reason"));
    EXPECT_EQ(event["state"], at == 1 ? "disconnected" : "connected");
    EXPECT_EQ(event["reason"], at == 1 ? "link-lost" : "");
  }
  program->send_signal(SIGINT);
  ends(*program, 128 + SIGINT);
}

TEST_F(CtlJson, of_what_there_is) {
  ASSERT_EQ(world.outcome(client.establish(kLamp)), "ok");
  EXPECT_THAT(keys(json_of({"list"})[0]), UnorderedElementsAre("address", "state", "adapter", "leases"));
  const auto status = json_of({"status"});
  for (const char* key : {"version", "state", "bluetoothd", "leases-and-calls", "adapters", "devices"})
    EXPECT_TRUE(status.contains(key)) << key;
  const auto explained = json_of({"explain", kLamp});
  for (const char* key : {"bluetoothd", "leases-and-calls", "adapters", "devices"})
    EXPECT_TRUE(explained.contains(key)) << key;
  EXPECT_EQ(explained["devices"][0]["state"], "connected");
  EXPECT_THAT(keys(json_of({"log-level"})), UnorderedElementsAre("log-level"));
  EXPECT_EQ(json_of({"stats"})["calls-answered/ok"], 1);
  EXPECT_EQ(keys(json_of({"metrics"})), keys(json_of({"stats"})));
  EXPECT_EQ(value_of(client.release(kLamp)), 0);
}

TEST_F(CtlJson, of_services) {
  ASSERT_EQ(world.outcome(client.establish(kLamp)), "ok");
  const auto told = json::parse(output_of({"services", "--json", kLamp}));
  EXPECT_THAT(keys(told), UnorderedElementsAre("from-cache", "age-usec", "services"));
  const auto& service = told["services"][0];
  EXPECT_THAT(keys(service), UnorderedElementsAre("uuid", "handle", "primary", "path", "characteristics"));
  const auto& characteristic = service["characteristics"][0];
  EXPECT_THAT(keys(characteristic), UnorderedElementsAre("uuid", "handle", "path", "flags", "descriptors"));
  EXPECT_THAT(keys(characteristic["descriptors"][0]), UnorderedElementsAre("uuid", "handle", "path"));
  EXPECT_THAT(output_of({"services", "--json=pretty", kLamp}), HasSubstr("\n  \"from-cache\": false"));
  EXPECT_EQ(value_of(client.release(kLamp)), 0);
}

TEST_F(CtlJson, of_what_is_done) {
  const json done{{"done", true}};
  EXPECT_EQ(json_of({"stats", "--reset"}), done);
  EXPECT_EQ(json_of({"log-level", "debug"}), done);
  EXPECT_EQ(json_of({"close-stale", kLamp}), (json{{"links-closed", 0}}));
  ASSERT_EQ(world.outcome(client.establish(kLamp)), "ok");
  ASSERT_TRUE(world.until([&] { return property(kLamp, "ServicesCached") == true; }));
  EXPECT_EQ(json_of({"clear-cache", kLamp}), (json{{"cleared", 1}}));
  EXPECT_EQ(json_of({"clear-cache", "--all"}), (json{{"cleared", 0}}));
  EXPECT_EQ(json_of({"disconnect", kLamp}), done);
}

TEST_F(CtlJson, of_monitor) {
  const auto program = run({"--json", "monitor"});
  ASSERT_TRUE(says(*program, "\"there\":true"));
  bluez.fail_next("Connect", "org.bluez.Error.Failed", "le-connection-abort-by-local");
  EXPECT_EQ(world.outcome(client.establish(kLamp)), "ok");
  ASSERT_TRUE(says(*program, "\"connected\""));
  EXPECT_EQ(value_of(client.release(kLamp)), 0);
  ASSERT_TRUE(says(*program, "\"released\""));
  end_daemon();
  ASSERT_TRUE(says(*program, "\"there\":false"));
  program->send_signal(SIGTERM);
  ends(*program, 128 + SIGTERM);

  auto attempt = kAttempt;
  attempt.push_back("seconds");
  std::vector<std::string> seen;
  for (const auto& event : lines(program->output())) {
    seen.push_back(event["event"]);
    if (event["event"] == "daemon") {
      EXPECT_THAT(keys(event), UnorderedElementsAre("seconds", "event", "there"));
    } else if (event["event"] == "state") {
      EXPECT_THAT(keys(event), UnorderedElementsAre("seconds", "event", "address", "state", "reason"));
    } else if (event["event"] == "attempt-failed") {
      EXPECT_THAT(keys(event), UnorderedElementsAreArray(attempt));
    }
  }
  EXPECT_THAT(seen, ::testing::IsSupersetOf({"daemon", "state", "attempt-failed"}));
}

}  // namespace
}  // namespace bleconnd::integration
