// What a former life of the daemon left behind, and damaged files of it.
// Each DialRecordFile is one life.
#include "system/dial_record_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "captured_stderr.hpp"
#include "system/journal.hpp"
#include "temporary_directory.hpp"

namespace bleconnd {
namespace {

using integration::TemporaryDirectory;

constexpr char kPath[] = "/org/bluez/hci0/dev_AA_BB_CC_DD_EE_FF";
constexpr char kOther[] = "/org/bluez/hci0/dev_AA_BB_CC_DD_EE_01";

TEST(DialRecordFile, TellsOnlyOfFormerLives) {
  TemporaryDirectory folder;
  const Journal journal;
  DialRecordFile first{folder.path().string(), "bus1", journal};
  first.dialling(":1.5", kPath);
  first.dialling(":1.5", kOther);
  first.linked(kOther);
  EXPECT_FALSE(first.dial_left_behind(":1.5", kPath));
  EXPECT_FALSE(first.link_left_behind(":1.5", kOther));
  struct stat file {};
  ASSERT_EQ(stat((folder.path().string() + "/dials").c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);

  DialRecordFile second{folder.path().string(), "bus1", journal};
  EXPECT_TRUE(second.dial_left_behind(":1.5", kPath));
  EXPECT_TRUE(second.link_left_behind(":1.5", kPath));  // its dial can have succeeded since
  EXPECT_FALSE(second.dial_left_behind(":1.5", kOther));
  EXPECT_TRUE(second.link_left_behind(":1.5", kOther));
  EXPECT_FALSE(second.dial_left_behind(":1.6", kPath));

  EXPECT_EQ(second.left_behind(), (std::vector<std::string>{kOther, kPath}));

  // What a former life left has ended while ours dials there: ours goes on, for the next life too.
  {
    TemporaryDirectory other;
    DialRecordFile one{other.path().string(), "bus1", journal};
    one.dialling(":1.5", kPath);
    DialRecordFile two{other.path().string(), "bus1", journal};
    two.dialling(":1.5", kPath);
    two.cleared(kPath);
    EXPECT_TRUE(two.left_behind().empty());
    EXPECT_TRUE((DialRecordFile{other.path().string(), "bus1", journal}.dial_left_behind(":1.5", kPath)));
    two.ended(kPath);
    EXPECT_TRUE((DialRecordFile{other.path().string(), "bus1", journal}.left_behind().empty()));
  }

  // Our own dial is refused: the former one is still to be cleared. Then it is.
  second.dialling(":1.5", kPath);
  second.ended(kPath);
  EXPECT_TRUE(second.dial_left_behind(":1.5", kPath));
  // A third life knows it, too.
  EXPECT_TRUE((DialRecordFile{folder.path().string(), "bus1", journal}.dial_left_behind(":1.5", kPath)));
  second.ended(kPath);
  EXPECT_FALSE(second.dial_left_behind(":1.5", kPath));
  EXPECT_FALSE((DialRecordFile{folder.path().string(), "bus1", journal}.dial_left_behind(":1.5", kPath)));

  // What our own Disconnect could not end is left behind, too.
  second.dialling(":1.5", kPath);
  second.linked(kPath);
  second.outlived(kPath);
  EXPECT_TRUE(second.link_left_behind(":1.5", kPath));
  EXPECT_FALSE(second.dial_left_behind(":1.5", kPath));
  second.outlived(kOther);  // not ours: a former life's, as before
  EXPECT_TRUE(second.link_left_behind(":1.5", kOther));

  // A link of our own replaces what was left.
  second.dialling(":1.5", kOther);
  second.linked(kOther);
  second.ended(kOther);
  EXPECT_FALSE(second.link_left_behind(":1.5", kOther));
  EXPECT_FALSE((DialRecordFile{folder.path().string(), "bus1", journal}.link_left_behind(":1.5", kOther)));
}

TEST(DialRecordFile, AnotherBusOrBluetoothdIsAnotherWorld) {
  TemporaryDirectory folder;
  const Journal journal;
  DialRecordFile{folder.path().string(), "bus1", journal}.dialling(":1.5", kPath);
  EXPECT_FALSE((DialRecordFile{folder.path().string(), "bus2", journal}.dial_left_behind(":1.5", kPath)));
  DialRecordFile next{folder.path().string(), "bus1", journal};
  next.dialling(":1.9", kOther);
  EXPECT_FALSE(next.dial_left_behind(":1.5", kPath));
}

TEST(DialRecordFile, OfADamagedFileCountsWhatIsSound) {
  const std::string head = "bleconnd dials 1 bus1\n";
  const std::string sound = std::string{kOther} + " :1.5 linked\n";
  const std::string cut = std::string{kPath} + " :1.5 linked";  // without its line's end
  const struct {
    std::string text;
    bool counts, said;
  } files[] = {
      {"", false, false},
      {"\xff\xfe", false, true},
      {"{\"bus\":\"bus1\",\"dials\":[]}\n", false, true},  // of another version
      {sound, false, true},                                // without a head
      {"bleconnd dials 1 bus0\n" + sound, false, false},
      {head + sound, true, false},
      {head + sound + cut, true, false},  // the last line of a crash
      {head + sound + kPath + " :1.5 dancing\n", true, true},
      {head + sound + kPath + " :1.5\n", true, true},
      {head + kPath + "  linked\n" + sound, true, true},
      {head + std::string(300, 'x') + " :1.5 linked\n" + sound, true, true},
      {head + kPath + " :" + std::string(300, '1') + " linked\n" + sound, true, true},
      {head + sound + std::string(LineLog::kMostBytes, ' '), false, true},  // longer than is read
  };
  for (const auto& file : files) {
    TemporaryDirectory folder;
    const Journal journal;
    (void)folder.write("dials", file.text);
    Captured captured;
    DialRecordFile record{folder.path().string(), "bus1", journal};
    const auto said = captured.text();
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), file.said ? 1 : 0) << said;
    EXPECT_EQ(record.link_left_behind(":1.5", kOther), file.counts) << file.text.substr(0, 60);
    EXPECT_FALSE(record.link_left_behind(":1.5", kPath)) << file.text.substr(0, 60);
    record.dialling(":1.5", kPath);
    EXPECT_TRUE((DialRecordFile{folder.path().string(), "bus1", journal}.dial_left_behind(":1.5", kPath)));
  }
}

TEST(DialRecordFile, WithoutADirectoryOrAWritableOneItKeepsWorking) {
  const Journal journal;
  DialRecordFile memory{"", "bus1", journal};
  memory.dialling(":1.5", kPath);
  memory.ended(kPath);
  Captured captured;
  DialRecordFile nowhere{"/nonexistent/folder", "bus1", journal};
  nowhere.dialling(":1.5", kPath);
  nowhere.ended(kPath);
  const auto said = captured.text();
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
}

}  // namespace
}  // namespace bleconnd
