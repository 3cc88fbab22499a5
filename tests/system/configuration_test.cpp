// main.conf with good and bad lines: nothing in it keeps the service from starting.
// A warning names the file and the line.
#include "system/configuration.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "captured_stderr.hpp"
#include "system/journal.hpp"
#include "temporary_directory.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
using integration::TemporaryDirectory;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Configuration, DefaultsWithoutAFile) {
  TemporaryDirectory folder;
  Captured captured;
  EXPECT_EQ(read_configuration(folder.path().string(), Journal{}).linger, 30s);
  EXPECT_THAT(captured.text(), IsEmpty());
}

TEST(Configuration, ReadsLinger) {
  TemporaryDirectory folder;
  (void)folder.write("main.conf", "# comment\n[General]\nLingerSec=0\n");
  Captured captured;
  EXPECT_EQ(read_configuration(folder.path().string(), Journal{}).linger, 0s);
  EXPECT_THAT(captured.text(), IsEmpty());
  (void)folder.write("main.conf", "[General]\nLingerSec = 3600");
  EXPECT_EQ(read_configuration(folder.path().string(), Journal{}).linger, 3600s);
}

TEST(Configuration, BadLinesAreWarningsWithTheirNumber) {
  const struct {
    const char* text;
    const char* warning;
    std::chrono::seconds linger;
  } cases[] = {
      {"[General]\nLingerSec=-1\n", "main.conf:2: LingerSec=-1", 30s},
      {"[General]\nLingerSec=3601\n", "main.conf:2: LingerSec=3601", 30s},
      {"[General]\nLingerSec=5s\n", "main.conf:2: LingerSec=5s", 30s},
      {"[General]\nLingerSec=\n", "main.conf:2: LingerSec=", 30s},
      {"[General]\nLingerSec=99999999999999999999\n", "main.conf:2: LingerSec=", 30s},
      {"\n\n[General]\nLinger=5\nLingerSec=7\n", "main.conf:4: unknown key Linger in section [General]", 7s},
      {"[general]\nLingerSec=5\n", "main.conf:2: unknown key LingerSec in section [general]", 30s},
      {"LingerSec=5\n", "main.conf:1: unknown key", 30s},
      {"[General]\nnonsense\nLingerSec=7\n", "main.conf:2: neither", 7s},
      {"[General]\nLin\x1b[31mger=5\n", "unknown key Lin\\x1B[31mger", 30s},
  };
  for (auto& each : cases) {
    TemporaryDirectory folder;
    (void)folder.write("main.conf", each.text);
    Captured captured;
    EXPECT_EQ(read_configuration(folder.path().string(), Journal{}).linger, each.linger) << each.text;
    const auto said = captured.text();
    EXPECT_THAT(said, HasSubstr(each.warning)) << each.text;
    EXPECT_THAT(said, ::testing::StartsWith("warning ")) << each.text;
  }
}

TEST(Configuration, ReadsTheSlotsOfAdaptersByAddress) {
  TemporaryDirectory folder;
  (void)folder.write("main.conf",
                     "[Adapter aa:bb:cc:dd:ee:ff]\nSlots=5\n[General]\nLingerSec=7\n"
                     "[Adapter 00:11:22:33:44:55]\nSlots=0\n");
  Captured captured;
  const auto read = read_configuration(folder.path().string(), Journal{});
  EXPECT_EQ(read.slots,
            (std::map<std::string, std::uint32_t>{{"AA:BB:CC:DD:EE:FF", 5}, {"00:11:22:33:44:55", 0}}));
  EXPECT_EQ(read.linger, 7s);
  EXPECT_THAT(captured.text(), IsEmpty());
  (void)folder.write("main.conf",
                     "[Adapter hci0]\nSlots=5\n[Adapter AA:BB:CC:DD:EE:FF]\nSlots=256\nLingerSec=1\n");
  Captured bad;
  EXPECT_THAT(read_configuration(folder.path().string(), Journal{}).slots, IsEmpty());
  const auto said = bad.text();
  EXPECT_THAT(said, HasSubstr("main.conf:2: unknown key Slots in section [Adapter hci0]"));
  EXPECT_THAT(said, HasSubstr("main.conf:4: Slots=256 is no number from 0 to 255"));
  EXPECT_THAT(said, HasSubstr("main.conf:5: unknown key LingerSec in section [Adapter AA:BB:CC:DD:EE:FF]"));
}

TEST(Configuration, LongLinesAndGarbageEnd) {
  TemporaryDirectory folder;
  (void)folder.write("main.conf", "# " + std::string(5000, 'x') + "\n[General]\nLingerSec=5\n");
  Captured captured;
  EXPECT_EQ(read_configuration(folder.path().string(), Journal{}).linger, 5s);
  EXPECT_THAT(captured.text(), HasSubstr("main.conf:1: too long"));
  std::string garbage(100'000, '\0');
  for (std::size_t at = 0; at < garbage.size(); ++at) garbage[at] = static_cast<char>((at * 7919) >> 3);
  (void)folder.write("main.conf", garbage);
  Captured again;
  EXPECT_EQ(read_configuration(folder.path().string(), Journal{}).linger, 30s);
  (void)again.text();
  (void)folder.write("main.conf", std::string(300, '\0') + "\n[General]\nLingerSec=5\n");
  Captured nul;
  EXPECT_EQ(read_configuration(folder.path().string(), Journal{}).linger, 5s);
  (void)nul.text();
  mkdir((folder.path().string() + "/sub").c_str(), 0700);
  mkdir((folder.path().string() + "/sub/main.conf").c_str(), 0700);
  Captured third;
  EXPECT_EQ(read_configuration(folder.path().string() + "/sub", Journal{}).linger, 30s);
  EXPECT_THAT(third.text(), HasSubstr("main.conf"));
}

}  // namespace
}  // namespace bleconnd
