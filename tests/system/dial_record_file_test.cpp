// What a former life of the daemon left behind, and damaged files of it.
// Each DialRecordFile is one life.
#include "system/dial_record_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "captured_stderr.hpp"
#include "system/journal.hpp"
#include "temporary_directory.hpp"

namespace bleconnd {
namespace {

using integration::TemporaryDirectory;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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
  ASSERT_EQ(stat((folder.path().string() + "/dials.json").c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);

  DialRecordFile second{folder.path().string(), "bus1", journal};
  EXPECT_TRUE(second.dial_left_behind(":1.5", kPath));
  EXPECT_TRUE(second.link_left_behind(":1.5", kPath));  // its dial can have succeeded since
  EXPECT_FALSE(second.dial_left_behind(":1.5", kOther));
  EXPECT_TRUE(second.link_left_behind(":1.5", kOther));
  EXPECT_FALSE(second.dial_left_behind(":1.6", kPath));

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

TEST(DialRecordFile, DamagedFilesAreIgnoredWithOneLine) {
  const std::string deep(200'000, '[');
  const std::string huge = "{\"bus\":\"bus1\",\"dials\":[" + std::string(600'000, ' ') + "]}";
  for (const std::string& text : {std::string{""}, std::string{"{"}, std::string{"[]"},
                                  std::string{"{\"dials\":7}"}, std::string{"\xff\xfe"}, deep, huge}) {
    TemporaryDirectory folder;
    const Journal journal;
    (void)folder.write("dials.json", text);
    Captured captured;
    DialRecordFile record{folder.path().string(), "bus1", journal};
    const auto said = captured.text();
    EXPECT_THAT(said, HasSubstr("damaged")) << text.substr(0, 20);
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1);
    record.dialling(":1.5", kPath);
    EXPECT_TRUE((DialRecordFile{folder.path().string(), "bus1", journal}.dial_left_behind(":1.5", kPath)));
  }
  TemporaryDirectory folder;
  const Journal journal;
  (void)folder.write("dials.json", R"({"bus":"bus1","dials":[7,{},{"owner":1,"path":2},{"owner":":1.5"},
    {"owner":":1.5","path":"/p","linked":"yes"},null,{"owner":":1.5","path":"/q","linked":true}]})");
  Captured captured;
  DialRecordFile record{folder.path().string(), "bus1", journal};
  EXPECT_THAT(captured.text(), IsEmpty());
  EXPECT_TRUE(record.dial_left_behind(":1.5", "/p"));
  EXPECT_FALSE(record.dial_left_behind(":1.5", "/q"));
  EXPECT_TRUE(record.link_left_behind(":1.5", "/q"));
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
