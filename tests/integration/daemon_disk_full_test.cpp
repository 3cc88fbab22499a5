// The folders of the daemon are on file systems of 64 KiB that somebody fills: links work, the log names the
// cause, what was there stays whole, nothing half-written stays, and with room all is written again.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include <fstream>

#include "daemon_sharing_fixture.hpp"

namespace bleconnd::integration {
namespace {

enum class Lack { bytes, inodes };

// A mount namespace with a small file system on each folder, kept by a process that does nothing.
class SmallFolders {
 public:
  SmallFolders(Loop& loop, const DaemonFolders& folders, Lack lack) : holder_(loop, command(folders, lack)) {
    // It runs the program when it has mounted.
    loop.run_until([&] { return holder_.exit_status() || holder_.output().starts_with("ready"); });
  }
  [[nodiscard]] bool there() const { return !holder_.exit_status(); }
  // Where the test sees such a folder.
  [[nodiscard]] std::string inside(const std::string& folder) const {
    return "/proc/" + std::to_string(holder_.pid()) + "/root" + folder;
  }
  // For a process that shall see them.
  [[nodiscard]] std::function<bool()> join() const {
    return [pid = std::to_string(holder_.pid())] {
      // A mount namespace that is entered is seen from its own root, not from that of a test in a tree.
      const int root = open(("/proc/" + pid + "/root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
      return (getuid() == 0 || enter(pid, "user", CLONE_NEWUSER)) && enter(pid, "mnt", CLONE_NEWNS) &&
             fchdir(root) == 0 && chroot(".") == 0;
    };
  }

 private:
  static bool enter(const std::string& pid, const std::string& name, int kind) {
    const int space = open(("/proc/" + pid + "/ns/" + name).c_str(), O_RDONLY | O_CLOEXEC);
    return space >= 0 && setns(space, kind) == 0 && close(space) == 0;
  }
  static bool write_to(const char* file, const std::string& text) {
    const int to = open(file, O_WRONLY | O_CLOEXEC);
    return to >= 0 && write(to, text.data(), text.size()) > 0 && close(to) == 0;
  }
  // Without root it is the user of the test in a user namespace, too.
  static bool own_namespace() {
    const auto uid = std::to_string(getuid());
    const auto gid = std::to_string(getgid());
    if (uid == "0") return unshare(CLONE_NEWNS) == 0;
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_to("/proc/self/setgroups", "deny") &&
           write_to("/proc/self/uid_map", uid + " " + uid + " 1") &&
           write_to("/proc/self/gid_map", gid + " " + gid + " 1");
  }
  static ChildCommand command(const DaemonFolders& folders, Lack lack) {
    ChildCommand command;
    command.arguments = {"sh", "-c", "echo ready; exec sleep infinity"};
    const char* options = lack == Lack::bytes ? "size=64k" : "nr_inodes=8";
    const std::vector<std::string> all{folders.cache(), folders.state(), folders.runtime()};
    command.before_exec = [all, options] {
      if (!own_namespace() || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) return false;
      return std::ranges::all_of(
          all, [&](auto& each) { return mount("none", each.c_str(), "tmpfs", 0, options) == 0; });
    };
    return command;
  }

  ChildProcess holder_;
};

class DaemonDiskFull : public SharingFixture, public ::testing::WithParamInterface<Lack> {
 protected:
  void SetUp() override {
    if (!small.there()) GTEST_SKIP() << "no right to a mount namespace";
    world.daemon_options.before_exec = small.join();
    start();
  }

  std::vector<std::string> folders() const {
    return {small.inside(world.folders.cache()), small.inside(world.folders.state()),
            small.inside(world.folders.runtime())};
  }
  static std::string filler(const std::string& folder, int number) {
    return folder + "/filler" + std::to_string(number);
  }
  void fill() {
    for (const auto& folder : folders()) {
      if (GetParam() == Lack::inodes) {
        int number = 0;
        while (std::ofstream{filler(folder, number)}.is_open()) ASSERT_LT(++number, 100);
      } else {
        std::ofstream file(filler(folder, 0));
        while (file << std::string(4096, 'x') << std::flush)
          ;
      }
    }
  }
  void make_room() {
    for (const auto& folder : folders())
      for (int number = 0; std::filesystem::remove(filler(folder, number)); ++number)
        ;
  }
  std::string text_of(const std::string& name) {
    std::ifstream file(small.inside(world.folders.cache()) + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void expect_no_half_written_file() {
    for (const auto& folder : folders())
      for (const auto& file : std::filesystem::directory_iterator(folder)) {
        const auto name = file.path().filename().string();
        EXPECT_FALSE(name.ends_with(".new") || name == "writing.tmp" || name.ends_with(".bad"))
            << file.path();
      }
  }
  std::size_t logged(const std::string& text) {
    std::size_t times = 0;
    const auto& log = world.daemon->log();
    for (auto at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) ++times;
    return times;
  }
  void connect(const std::string& address, const Dictionary& options = {}) {
    const auto reply = client.establish(address, options);
    ASSERT_EQ(world.outcome(reply), "ok") << reply->message;
  }
  void use(const std::string& address) {
    connect(address);
    ASSERT_EQ(world.outcome(client.release(address)), "ok");
  }

  SmallFolders small{world.loop, world.folders, GetParam()};
  Peripheral& second = another_lamp(kSecond);
  Peripheral& third = another_lamp(kThird);
  const std::string kFull = "No space left on device";
  const std::string kLampFile = "AA_BB_CC_DD_EE_FF.json", kSecondFile = "AA_BB_CC_DD_EE_02.json",
                    kThirdFile = "AA_BB_CC_DD_EE_03.json";
};

TEST_P(DaemonDiskFull, costs_no_link_and_is_told_and_is_made_up_for) {
  const auto cannot_write = "cannot write to " + world.folders.cache() + ": " + kFull;
  const auto persistent_lost = world.folders.state() + "/leases cannot be written: " + kFull;
  use(kLamp);
  ASSERT_TRUE(world.until([&] { return !text_of(kLampFile).empty(); }));
  const auto before = text_of(kLampFile);
  ASSERT_NO_FATAL_FAILURE(fill());

  connect(kSecond, {{"lifetime", std::string{"persistent"}}});
  EXPECT_TRUE(world.until([&] { return logged(cannot_write) > 0; }));
  EXPECT_TRUE(world.until([&] { return logged(persistent_lost) > 0; }));
  EXPECT_EQ(world.outcome(client.manager("GetServices", {Value{kSecond}})), "ok");
  for (int times = 0; times < 3; ++times) use(kLamp);
  EXPECT_EQ(logged(cannot_write), 1u);
  EXPECT_EQ(logged(persistent_lost), 1u);
  world.until([&] { return world.daemon->process().children().empty(); });
  expect_no_half_written_file();
  EXPECT_EQ(text_of(kLampFile), before);
  EXPECT_EQ(text_of(kSecondFile), "");

  make_room();
  use(kThird);
  EXPECT_TRUE(
      world.until([&] { return logged("services are written to " + world.folders.cache() + " again"); }));
  EXPECT_FALSE(text_of(kThirdFile).empty());
  EXPECT_FALSE(text_of(kSecondFile).empty());
  EXPECT_EQ(logged(world.folders.state() + "/leases is written again"), 1u);
  ASSERT_NO_FATAL_FAILURE(restart(linger(0)));
  EXPECT_EQ(logged("leases of before that are restored: 1"), 1u);
  EXPECT_EQ(world.outcome(client.manager("Disconnect", {Value{kSecond}})), "ok");
}

TEST_P(DaemonDiskFull, keeps_no_daemon_from_its_end_and_its_start) {
  use(kLamp);
  ASSERT_TRUE(world.until([&] { return !text_of(kLampFile).empty(); }));
  ASSERT_NO_FATAL_FAILURE(fill());
  use(kSecond);
  EXPECT_EQ(world.daemon->end(SIGTERM), 0);
  EXPECT_EQ(logged(world.folders.state() + "/statistics cannot be written: " + kFull), 1u)
      << world.daemon->log();
  expect_no_half_written_file();
  ASSERT_NO_FATAL_FAILURE(start());
  const auto cached = client.establish(kLamp);
  EXPECT_EQ(world.outcome(cached), "ok") << cached->message;
  EXPECT_EQ(cached->arguments[1]["services-from-cache"], true);
  release_the_lamp();
  use(kSecond);
  make_room();
  use(kThird);
  EXPECT_TRUE(world.until([&] { return !text_of(kSecondFile).empty() && !text_of(kThirdFile).empty(); }));
}

INSTANTIATE_TEST_SUITE_P(of, DaemonDiskFull, ::testing::Values(Lack::bytes, Lack::inodes),
                         [](const auto& lack) { return lack.param == Lack::bytes ? "bytes" : "inodes"; });

}  // namespace
}  // namespace bleconnd::integration
