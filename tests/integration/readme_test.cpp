// The calls of README's section on other languages, as they stand there.
#include <fstream>
#include <sstream>

#include "daemon_sharing_fixture.hpp"
#include "device.hpp"
#include "paths.hpp"

namespace bleconnd::integration {
namespace {

// The block of code of the file that begins with `fence` and contains `marker`.
std::string block(const std::string& fence, const std::string& marker) {
  std::ifstream file{paths::readme};
  std::string line, text;
  for (bool inside = false; std::getline(file, line);) {
    if (!inside) {
      inside = line == "```" + fence;
      text.clear();
    } else if (line == "```") {
      if (text.find(marker) != std::string::npos) return text;
      inside = false;
    } else {
      text += line + "\n";
    }
  }
  return {};
}

class Readme : public SharingFixture {
 protected:
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(start(linger(30))); }
  void TearDown() override {
    if (property(kLamp, "State") == "connected") {
      EXPECT_EQ(value_of(client.release(kLamp)), 0);
    }
    SharingFixture::TearDown();
  }
  std::string output_of(std::vector<std::string> arguments) {
    ChildCommand command;
    command.arguments = std::move(arguments);
    command.environment = {{"DBUS_SYSTEM_BUS_ADDRESS", world.bus.address()}};
    const ChildProcess program{world.loop, command};
    EXPECT_TRUE(world.until([&] { return program.exit_status().has_value(); })) << program.output();
    EXPECT_EQ(program.exit_status(), 0) << program.output();
    return program.output();
  }
  // From a comment that names it to the next comment.
  static std::string part(const std::string& text, const std::string& name) {
    const auto from = text.find("# " + name + "\n");
    if (from == std::string::npos) return {};
    return text.substr(from, text.find("\n# ", from) - from);
  }
};

TEST_F(Readme, busctl) {
  const auto call = part(block("sh", "# gdbus"), "busctl");
  ASSERT_FALSE(call.empty());
  EXPECT_THAT(output_of({"sh", "-c", call}), HasSubstr(kBluezPath));
}

TEST_F(Readme, gdbus) {
  const auto call = part(block("sh", "# gdbus"), "gdbus");
  ASSERT_FALSE(call.empty());
  EXPECT_THAT(output_of({"sh", "-c", call}), HasSubstr(kBluezPath));
}

TEST_F(Readme, dbus_fast) {
  const auto program = block("python", "dbus_fast");
  ASSERT_FALSE(program.empty());
  EXPECT_EQ(output_of({"/usr/bin/python3", "-c", program}), kBluezPath + "\n");
}

}  // namespace
}  // namespace bleconnd::integration
