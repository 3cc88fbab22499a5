// The cache as files and as what GetServices answers from them: shape, age, place; files that cannot be used
// and folders that cannot be written to never stop a connection.
#include "daemon_cache_fixture.hpp"
#include "device.hpp"

namespace bleconnd::integration {
namespace {

using nlohmann::json;

std::chrono::seconds wall_clock() {
  return std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::system_clock::now().time_since_epoch());
}

class OfflineServices : public CacheFixture {
 protected:
  std::chrono::seconds age() {
    const auto reply = get_services();
    value_of(reply);
    const auto usec = reply->ok() ? reply->arguments[1]["age-usec"].get<uint64_t>() : 0;
    EXPECT_EQ(usec % 1'000'000, 0u);
    return std::chrono::seconds{usec / 1'000'000};
  }
};

// With a BlueZ that tells handles, which the cache keeps.
TEST_F(OfflineServices, are_those_of_the_link_without_what_only_a_link_has) {
  bluez.settings().version = {69};
  connect();
  auto live = value_of(get_services());
  release_the_lamp();
  const auto reply = get_services();
  const auto offline = value_of(reply);
  EXPECT_EQ(reply->arguments[1]["from-cache"], true);
  std::size_t left_out = 0;
  for (auto& [path, interfaces] : live.items())
    for (auto& [interface, properties] : interfaces.items())
      for (const char* of_a_link : {"Value", "Notifying", "MTU"}) left_out += properties.erase(of_a_link);
  EXPECT_GT(left_out, 10u);
  EXPECT_EQ(offline, live);
}

TEST_F(OfflineServices, have_the_types_of_bluez) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  const auto answer = busctl({"GetServices", "s", kLamp});
  EXPECT_EQ(answer["type"], "a{oa{sa{sv}}}a{sv}");
  const auto types = [&](const std::string& below, const std::string& interface) {
    std::map<std::string, std::string> found;
    for (const auto& [key, value] : answer["data"][0]["/org/bluez/" + kDev + below][interface].items())
      found[key] = value["type"];
    return found;
  };
  using Types = std::map<std::string, std::string>;
  EXPECT_EQ(types("/service0020", "org.bluez.GattService1"),
            (Types{{"UUID", "s"}, {"Device", "o"}, {"Primary", "b"}, {"Includes", "ao"}, {"Handle", "q"}}));
  EXPECT_EQ(types(kOldObject, "org.bluez.GattCharacteristic1"),
            (Types{{"UUID", "s"}, {"Service", "o"}, {"Flags", "as"}, {"Handle", "q"}}));
  EXPECT_EQ(types(kOldObject + "/desc0023", "org.bluez.GattDescriptor1"),
            (Types{{"UUID", "s"}, {"Characteristic", "o"}, {"Handle", "q"}}));
  const auto& info = answer["data"][1];
  EXPECT_EQ(info["from-cache"], (json{{"type", "b"}, {"data", true}}));
  EXPECT_EQ(info["age-usec"]["type"], "t");
}

TEST_F(OfflineServices, tell_their_age_and_grow_young_with_a_connection) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  EXPECT_LT(age(), std::chrono::minutes{2});
  auto aged = entry();
  const auto hours_ago = wall_clock() - std::chrono::hours{2};
  aged["read-at"] = hours_ago.count();
  put(aged);
  EXPECT_GE(age(), std::chrono::hours{2});
  EXPECT_LT(age(), std::chrono::hours{2} + std::chrono::minutes{2});
  connect();
  ASSERT_TRUE(verified_is_told());
  release_the_lamp();
  EXPECT_LT(age(), std::chrono::minutes{2});
  EXPECT_TRUE(world.until([&] { return entry()["read-at"] > hours_ago.count(); }));
}

// "object" may be missing in a file.
TEST_F(OfflineServices, without_the_name_of_their_object_are_below_that_of_their_address) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  const auto before = value_of(get_services());
  auto nameless = entry();
  ASSERT_EQ(nameless.erase("object"), 1u);
  put(nameless);
  EXPECT_EQ(value_of(get_services()), before);
}

// A host without a clock of its own starts in the past.
TEST_F(OfflineServices, of_the_future_are_of_now) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  auto future = entry();
  future["read-at"] = (wall_clock() + std::chrono::hours{1000}).count();
  put(future);
  EXPECT_EQ(age(), std::chrono::seconds{0});
}

class MovedAdapter : public OfflineServices, public ::testing::WithParamInterface<unsigned> {};

TEST_P(MovedAdapter, is_where_offline_services_are) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  bluez.unplug(hci0);
  ASSERT_TRUE(state_becomes("waiting-for-adapter"));
  bluez.plug(hci0, GetParam());
  ASSERT_TRUE(state_becomes("running"));
  const auto below = hci0.path() + "/dev_AA_BB_CC_DD_EE_FF/service";
  const auto offline = value_of(get_services());
  EXPECT_GT(offline.size(), 5u);
  for (const auto& [path, interfaces] : offline.items()) EXPECT_THAT(path, StartsWith(below));
  ASSERT_NO_FATAL_FAILURE(restart(SIGKILL));
  EXPECT_EQ(value_of(get_services()), offline);
  // The same entry serves the device there: nothing has changed.
  EXPECT_TRUE(is_verified(connect()));
  release_the_lamp();
  EXPECT_EQ(client.count_signals("ServicesChanged"), 0u);
}

INSTANTIATE_TEST_SUITE_P(to, MovedAdapter, ::testing::Values(1u, 10u),
                         [](const auto& index) { return "hci" + std::to_string(index.param); });

TEST_F(OfflineServices, of_nothing_that_is_known_are_an_error) {
  const auto reply = get_services();
  EXPECT_EQ(world.outcome(reply), kNotCached);
  EXPECT_THAT(reply->message, HasSubstr("; connect it first: EstablishConnection"));
  hci0.discovered(lamp);
  EXPECT_EQ(world.outcome(get_services()), kNotCached);
}

// --- files ---

class CacheFiles : public CacheFixture {};

TEST_F(CacheFiles, are_one_a_device_for_the_owner_alone) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  EXPECT_TRUE(files_become(only_the_entry));
  struct stat file {};
  ASSERT_EQ(stat(entry_file().c_str(), &file), 0);
  EXPECT_EQ(file.st_mode, S_IFREG | 0600u);
  const auto written = entry();
  EXPECT_EQ(written["address"], kLamp);
  EXPECT_EQ(written["adapter"], hci0.address());
  EXPECT_EQ(written["object"], "dev_AA_BB_CC_DD_EE_FF");
  EXPECT_LE(wall_clock().count() - written["read-at"].get<int64_t>(), 120);
}

class HostileFiles : public CacheFixture, public ::testing::WithParamInterface<std::string> {
 protected:
  // The file as a test names it, made from a good one.
  void make(const std::string& kind) {
    auto good = entry();
    if (kind == "truncated") std::filesystem::resize_file(entry_file(), good.dump().size() / 2);
    if (kind == "empty") std::filesystem::resize_file(entry_file(), 0);
    if (kind == "large") std::filesystem::resize_file(entry_file(), 300 * 1024);
    if (kind == "deep") std::ofstream(entry_file()) << std::string(100'000, '[');
    if (kind == "binary") std::ofstream(entry_file()) << std::string(1000, '\0') + "\xff\xfe\x1b[2J";
    if (kind == "foreign_version") good["bleconnd-gatt-cache"] = 2;
    if (kind == "other_device") good["address"] = "AA:BB:CC:DD:EE:00";
    if (kind == "path_as_object") good["object"] = "dev_/../../hci1";
    if (kind == "handle_zero") good["services"][0]["handle"] = 0;
    if (kind == "unknown_member") good["password"] = "x";
    if (good != entry() && !entry().is_discarded()) put(good);
    if (kind == "link" || kind == "folder") std::filesystem::remove(entry_file());
    if (kind == "link") std::filesystem::create_symlink("/etc/passwd", entry_file());
    if (kind == "folder") std::filesystem::create_directories(entry_file() + "/below");
  }
};

TEST_P(HostileFiles, are_set_aside_and_never_stop_a_connection) {
  ASSERT_NO_FATAL_FAILURE(learn_the_lamp());
  const auto good = entry();
  make(GetParam());
  EXPECT_EQ(world.outcome(get_services()), kNotCached);
  EXPECT_TRUE(is_verified(connect()));
  release_the_lamp();
  EXPECT_TRUE(world.until([&] {
    return files() == std::vector<std::string>{kEntryName, kEntryName + ".bad"};
  })) << ::testing::PrintToString(files());
  EXPECT_EQ(entry()["services"], good["services"]);
  EXPECT_TRUE(is_logged_once(kEntryName + " cannot be used and becomes "));
  resolve_later();
  EXPECT_TRUE(is_cached(connect()));
  release_the_lamp();
}

INSTANTIATE_TEST_SUITE_P(that_are, HostileFiles,
                         ::testing::Values("truncated", "empty", "large", "deep", "binary", "foreign_version",
                                           "other_device", "path_as_object", "handle_zero", "unknown_member",
                                           "link", "folder"),
                         [](const auto& kind) { return kind.param; });

// Root writes where nobody may: what stands in the way of the temporary file does for a read-only folder.
TEST_F(CacheFiles, that_cannot_be_written_are_kept_in_memory_with_one_warning) {
  std::filesystem::create_directories(cache_ + "/writing.tmp/in_the_way");
  EXPECT_TRUE(is_verified(connect()));
  release_the_lamp();
  EXPECT_TRUE(is_cached(connect()));
  ASSERT_TRUE(verified_is_told());
  release_the_lamp();
  Peripheral& second = bluez.add_peripheral("AA:BB:CC:DD:EE:02");
  EXPECT_EQ(world.outcome(client.establish(second.address)), "ok");
  EXPECT_EQ(world.outcome(client.release(second.address)), "ok");
  EXPECT_TRUE(is_logged_once("cannot write to " + cache_));
  EXPECT_EQ(world.daemon->log().find("\nerror "), std::string::npos);

  std::filesystem::remove_all(cache_ + "/writing.tmp");
  Peripheral& third = bluez.add_peripheral("AA:BB:CC:DD:EE:03");
  EXPECT_EQ(world.outcome(client.establish(third.address)), "ok");
  EXPECT_TRUE(world.until([&] { return files().size() == 3; })) << ::testing::PrintToString(files());
  EXPECT_TRUE(is_logged_once("services are written to " + cache_ + " again"));
  EXPECT_TRUE(is_logged_once("cannot write to"));
  EXPECT_EQ(world.outcome(client.release(third.address)), "ok");
}

TEST_F(CacheFiles, of_a_folder_that_is_gone_are_kept_in_memory) {
  std::filesystem::remove_all(cache_);
  EXPECT_TRUE(is_verified(connect()));
  release_the_lamp();
  EXPECT_TRUE(is_cached(connect()));
  release_the_lamp();
  EXPECT_EQ(clear(), true);
  EXPECT_EQ(world.outcome(get_services()), kNotCached);
  EXPECT_TRUE(is_logged_once("cannot write to " + cache_));
  EXPECT_LE(logged("cannot read services from " + cache_), 1u);
}

}  // namespace
}  // namespace bleconnd::integration
