// A second after its start the daemon gives back what only the start needed, once, and works as before.
#include <fstream>

#include "daemon_fixture.hpp"

namespace bleconnd::integration {
namespace {

class DaemonSettled : public DaemonFixture {
 protected:
  bool settles() {
    return world.until([&] { return world.daemon->said("X_BLECONND_SETTLED=1"); });
  }
  // VmRSS of /proc/PID/status may be some hundred KiB out.
  std::size_t resident_kib() {
    std::ifstream file{"/proc/" + std::to_string(world.daemon->process().pid()) + "/smaps_rollup"};
    for (std::string line; std::getline(file, line);)
      if (line.starts_with("Rss:")) return std::stoul(line.substr(4));
    return 0;
  }
};

TEST_F(DaemonSettled, is_small_and_serves) {
  connect_the_lamp();
  const auto before = resident_kib();
  ASSERT_TRUE(settles());
  // By the size of what it has loaded; a daemon with sanitizers or in valgrind is large by what they
  // allocate.
  EXPECT_LT(resident_kib(), before - 2 * 1024);
  release_the_lamp();
  connect_the_lamp();
  release_the_lamp();
}

TEST_F(DaemonSettled, says_so_once) {
  ASSERT_TRUE(settles());
  connect_the_lamp();
  release_the_lamp();
  EXPECT_EQ(std::ranges::count(world.daemon->notifications(), "X_BLECONND_SETTLED=1"), 1);
}

}  // namespace
}  // namespace bleconnd::integration
