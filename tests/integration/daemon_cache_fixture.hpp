// The fixture of the tests of the GATT cache: BlueZ keeps its objects, discovery takes as long as a test
// wants it to, and the files of the cache can be looked at.
#pragma once

#include <sys/stat.h>

#include <csignal>

#include "daemon_fixture.hpp"

namespace bleconnd::integration {

inline const std::string kNotCached = kErrors + "NotCached";
inline const std::string kEntryName = "AA_BB_CC_DD_EE_FF.json";

inline GattTree other_services() {
  auto tree = small_gatt_tree();
  tree.back() = {0x0030, uuid_of(0x1805), {{0x0031, uuid_of(0x2a2b), {"read"}, {1}, {}}}};
  return tree;
}
// What other_services() has more and less, as D-Bus objects and as UUIDs.
inline const std::string kNewObject = "/service0030/char0031";
inline const std::string kOldObject = "/service0020/char0021";
inline const std::string kNewUuid = uuid_of(0x1805);
inline const std::string kOldUuid = "f0de0001-1212-efde-1523-785feabcd123";

class CacheFixture : public DaemonFixture {
 protected:
  void SetUp() override {
    bluez.settings().timing.temporary = std::chrono::hours{1};  // else objects go 30 s after the link
    start();
    cache_ = world.folders.cache();
  }

  // --- the lamp ---

  // What EstablishConnection answers as results; null if it fails.
  nlohmann::json connect(const Dictionary& options = {}) {
    const auto reply = client.establish(kLamp, options);
    EXPECT_EQ(world.outcome(reply), "ok") << reply->message;
    return reply->ok() ? reply->arguments[1] : nlohmann::json{};
  }
  static bool is_cached(const nlohmann::json& results) {
    return results["services-from-cache"] == true && results["services-verified"] == false;
  }
  static bool is_verified(const nlohmann::json& results) {
    return results["services-from-cache"] == false && results["services-verified"] == true;
  }
  // Afterwards the lamp's services are on disk, and BlueZ has its objects.
  void learn_the_lamp(const Dictionary& options = {}) {
    ASSERT_TRUE(is_verified(connect(options)));
    release_the_lamp();
    // By a child, after whose end the file counts.
    ASSERT_TRUE(world.until(
        [&] { return std::filesystem::exists(entry_file()) && world.daemon->process().children().empty(); }));
    client.forget_signals();
    bluez.forget_calls();
  }
  // The next link has no ServicesResolved until resolve().
  void resolve_later() { lamp.next_connects({never_resolves()}); }
  void resolve() { hci0.device(lamp)->resolve_at_last(); }
  // A link that was answered from the cache and waits to be verified.
  void connect_unverified() {
    resolve_later();
    ASSERT_TRUE(is_cached(connect()));
    ASSERT_FALSE(hci0.device(lamp)->services_resolved());
  }
  bool verified() {
    const auto property = client.device_property(kLamp, "ServicesVerified");
    world.until([&] { return property->done; });
    return property->ok() && property->arguments[0] == true;
  }
  // As PropertiesChanged of Device1 says it.
  bool verified_is_told() {
    return world.until([&] {
      return std::ranges::any_of(client.signals("PropertiesChanged"), [](const Signal& signal) {
        return signal.path == kOurPath && signal.arguments[1].value("ServicesVerified", false);
      });
    });
  }
  bool change_is_told() {
    return world.until([&] { return client.count_signals("ServicesChanged") == 1; });
  }
  bool resolving_is_told() {
    return world.until([&] { return !told_states().empty() && told_states().back() == "resolving"; });
  }

  // --- calls ---

  PendingReply get_services() { return client.manager("GetServices", {Value{kLamp}}); }
  bool knows_object(const std::string& below_the_device) {
    return value_of(get_services()).contains("/org/bluez/" + kDev + below_the_device);
  }
  PendingReply clear(Client& by, const Dictionary& options = {}) {
    return by.manager("ClearCache", {Value{kLamp}, options});
  }
  nlohmann::json clear(const Dictionary& options = {}) { return value_of(clear(client, options)); }

  // --- the daemon ---

  void restart(int signal_number) {
    const auto status = world.daemon->end(signal_number);
    ASSERT_EQ(status, signal_number == SIGKILL ? 128 + SIGKILL : 0) << world.daemon->log();
    start();
    client.forget_signals();
    bluez.forget_calls();
  }
  void restart_bluetoothd() {
    bluez.kill();
    ASSERT_TRUE(state_becomes("waiting-for-bluez"));
    bluez.come_back();
    ASSERT_TRUE(state_becomes("running"));
  }
  std::size_t logged(const std::string& text) const {
    std::size_t times = 0;
    const auto& log = world.daemon->log();
    for (auto at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) ++times;
    return times;
  }
  // The log comes through a pipe of its own.
  bool is_logged_once(const std::string& text) {
    world.until([&] { return logged(text) > 0; });
    return logged(text) == 1;
  }

  // --- the files ---

  std::string entry_file() const { return cache_ + "/" + kEntryName; }
  nlohmann::json entry() const {
    std::ifstream file(entry_file());
    return nlohmann::json::parse(file, nullptr, false);
  }
  void put(const nlohmann::json& entry) const { std::ofstream(entry_file()) << entry.dump(); }
  // Each write makes a new file.
  ino_t inode() const {
    struct stat file {};
    return stat(entry_file().c_str(), &file) == 0 ? file.st_ino : 0;
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(cache_))
      names.push_back(file.path().filename().string());
    std::ranges::sort(names);
    return names;
  }

  bool files_become(const std::vector<std::string>& names) {
    return world.until([&] { return files() == names; });
  }
  const std::vector<std::string> only_the_entry{kEntryName};

  std::string cache_;
};

}  // namespace bleconnd::integration
