// The reader of a cache file: what is written is read again, everything else is refused with a reason.
// The example of the schema's description and the seeds of the fuzzer are read as well.
#include "system/cache_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cache_stage.hpp"
#include "system/cache_rules.hpp"

namespace bleconnd {
namespace {

using ::testing::HasSubstr;

const DeviceAddress kDevice = *DeviceAddress::parse("AA:BB:CC:DD:EE:FF");

std::string text_of(const CacheEntry& entry) {
  return cache_file_text(kDevice, entry);
}

std::string complaint(const std::string& text) {
  auto read = parse_cache_file(text, kDevice);
  EXPECT_EQ(read.entry.has_value(), read.complaint.empty());
  return read.complaint;
}

TEST(CacheFile, WhatIsWrittenIsRead) {
  for (int number = 0; number < 7; ++number) {
    const auto sample = entry(number);
    EXPECT_EQ(complaint_about(sample), "");
    EXPECT_EQ(parse_cache_file(text_of(sample), kDevice).entry, sample);
  }
  CacheEntry least;
  least.services.services = {{1, "0000180f-0000-1000-8000-00805f9b34fb", true, {}, {}}};
  EXPECT_EQ(text_of(least),
            R"({"bleconnd-gatt-cache":1,"address":"AA:BB:CC:DD:EE:FF","read-at":0,"services":[)"
            R"({"handle":1,"uuid":"0000180f-0000-1000-8000-00805f9b34fb","primary":true}]})");
  EXPECT_EQ(parse_cache_file(text_of(least), kDevice).entry, least);
}

TEST(CacheFile, TheDescriptionsExampleIsOne) {
  const auto page = CacheStage::contents(BLECONND_SOURCE "/daemon/system/cache_file.md");
  const auto begin = page.find("```json\n");
  ASSERT_NE(begin, page.npos);
  const auto example = page.substr(begin + 8, page.find("```", begin + 8) - begin - 8);
  EXPECT_EQ(complaint(example), "");
}

TEST(CacheFile, TheFuzzersSeedsAreWhatTheirNamesSay) {
  int good = 0;
  int bad = 0;
  for (const auto& each : std::filesystem::directory_iterator(BLECONND_SOURCE "/tests/fuzz/cache_file")) {
    const bool expected = each.path().filename().string().starts_with("good");
    EXPECT_EQ(complaint(CacheStage::contents(each.path().string())).empty(), expected) << each.path();
    ++(expected ? good : bad);
  }
  EXPECT_GE(good, 3);
  EXPECT_GE(bad, 3);
}

TEST(CacheFile, CutAnywhereItIsRefused) {
  const auto whole = text_of(entry(3));
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_THAT(complaint(whole.substr(0, size)), HasSubstr("no JSON at byte")) << size;
}

TEST(CacheFile, AnyByteChangedItIsRefusedOrReadAsItSays) {
  const auto whole = text_of(entry(3));
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const char other : {'\0', ' ', '"', '0', '9', 'a', '[', '}', '\\', '\x7f', '\xff'}) {
      auto text = whole;
      text[i] = other;
      const auto read = parse_cache_file(text, kDevice);
      if (!read.entry) continue;
      EXPECT_EQ(parse_cache_file(text_of(*read.entry), kDevice).entry, read.entry);
    }
  }
}

struct Change {
  std::string what;
  std::string by;
  std::string complaint;
};

// A change of the sample's text and what is said of it.
TEST(CacheFile, SaysWhatIsWrongAndWhere) {
  const auto whole = text_of(entry(0));
  const std::string uuid = R"(")" + entry(0).services.services[0].uuid + R"(")";
  const std::string handle = R"({"handle":10,)";
  const std::vector<Change> changes{
      {whole, "", "no JSON at byte 1"},
      {whole, "[]", "not a file of this cache"},
      {whole, "null", "not a file of this cache"},
      {whole, "{}", "not a file of this cache"},
      {whole, "\xff\xfe{}", "no JSON at byte 1"},
      {"cache\":1", "cache\":2", "bleconnd-gatt-cache: another version"},
      {"cache\":1", "cache\":1.5", "bleconnd-gatt-cache: another version"},
      {"cache\":1", "cache\":\"1\"", "bleconnd-gatt-cache: another version"},
      {"cache\":1", "cache\":1.0", "bleconnd-gatt-cache: not a whole number from 0 on"},
      {"cache\":1", "cache\":1,\"more\":1", "a member that the schema does not know"},
      {"\"address\":\"AA", "\"address\":\"AB", "address: not that of the file's name"},
      {"\"address\"", "\"addresses\"", "address: missing"},
      {"\"00:11:22:33:44:55\"", "\"hci0\"", "adapter: not an address in upper case"},
      {"\"00:11:22:33:44:55\"", "7", "adapter: not a string"},
      {"dev_AA", "dev/AA", "object: not dev_ and an address"},
      {"dev_AA_BB", "dev_AA:BB", "object: not dev_ and an address"},
      {"dev_AA", "../_AA", "object: not dev_ and an address"},
      {"1700000000", "-1", "read-at: not a whole number from 0 on"},
      {"1700000000", "17e8", "read-at: not a whole number from 0 on"},
      {"1700000000", "4102444801", "read-at: after 2099"},
      {"1700000000", "18446744073709551615", "read-at: after 2099"},
      {"1700000000", "18446744073709551616", "read-at: not a whole number from 0 on"},
      {"1700000000", "1e999", "a number that is too large"},
      {"0eff\"", "0e\"", "hash: not 16 bytes"},
      {"0eff\"", "0efff\"", "hash: not 16 bytes"},
      {"0eff\"", "0eFF\"", "hash: not hexadecimal in lower case"},
      {"\"services\":[", "\"services\":[7,", "services[0]: not an object"},
      {handle, R"({)", "services[0].handle: missing"},
      {handle, R"({"handle":"10",)", "services[0].handle: not a whole number from 0 on"},
      {handle, R"({"handle":65536,)", "services[0].handle: above 65535"},
      {handle, R"({"handle":0,)", "services[0].handle: not above the one before it"},
      {handle, R"({"handle":11,)", "services[0].characteristics[0].handle: not above the one before it"},
      {handle, R"({"Handle":1,"handle":10,)", "services[0]: a member that the schema does not know"},
      {"{\"handle\":20,", "{\"handle\":10,", "services[1].handle: not above the one before it"},
      {"\"handle\":13", "\"handle\":11",
       "services[0].characteristics[0].descriptors[0].handle: not above the one before it"},
      {"\"value-handle\":12", "\"value-handle\":0", "services[0].characteristics[0].value-handle: 0"},
      {uuid, R"("180f")", "services[0].uuid: not 128 bits in lower case"},
      {uuid, R"("0000180F-0000-1000-8000-00805f9b34fb")", "services[0].uuid: not 128 bits in lower case"},
      {uuid, R"("0000180f-0000-1000-800000805f9b34fb-")", "services[0].uuid: not 128 bits in lower case"},
      {"\"primary\":true", "\"primary\":1", "services[0].primary: not true or false"},
      {"[15,20]", "[15,-20]", "services[0].includes: not a whole number from 0 on"},
      {"[15,20]", "[15,0]", "services[0].includes: not in ascending order"},
      {"[15,20]", "{}", "services[0].includes: not a list"},
      {"\"notify\"", "\"\"",
       "services[0].characteristics[0].flags: not 1 to 64 lower-case letters, digits and dashes"},
      {"\"notify\"", R"("a\nb")",
       "services[0].characteristics[0].flags: not 1 to 64 lower-case letters, digits and dashes"},
      {"\"notify\"", R"("\u0000")",
       "services[0].characteristics[0].flags: not 1 to 64 lower-case letters, digits and dashes"},
      {"\"notify\"", "\"" + std::string(65, 'x') + "\"",
       "services[0].characteristics[0].flags: not 1 to 64 lower-case letters, digits and dashes"},
      {"\"notify\"", "7", "services[0].characteristics[0].flags: not strings"},
      {"\"notify\"", std::string(600, ' ') + "[[[[[[]]]]]]", "nested deeper than 8"},
      {"[15,20]", std::string(kMostCacheFileBytes, ' '), "longer than 262144 bytes"},
  };
  for (const auto& change : changes) {
    auto text = whole;
    const auto at = text.find(change.what);
    ASSERT_NE(at, text.npos) << change.what;
    text.replace(at, change.what.size(), change.by);
    EXPECT_EQ(complaint(text), change.complaint) << change.what << " -> " << change.by.substr(0, 50);
  }
}

TEST(CacheFile, DeepNestingCostsNothing) {
  EXPECT_EQ(complaint(std::string(kMostCacheFileBytes, '[')), "nested deeper than 8");
  EXPECT_EQ(complaint(std::string(kMostCacheFileBytes, '{')), "nested deeper than 8");
  EXPECT_EQ(complaint("\"" + std::string(1000, '[') + "\""), "not a file of this cache");
}

TEST(CacheFile, AsManyObjectsAsAreMirrored) {
  const std::string uuid = "0000180f-0000-1000-8000-00805f9b34fb";
  CacheEntry most;
  most.services.services.push_back({1, uuid, true, {}, {{2, {}, uuid, {}, {}}}});
  auto& descriptors = most.services.services[0].characteristics[0].descriptors;
  for (std::uint16_t handle = 3; descriptors.size() < kGattObjectLimit - 2; ++handle)
    descriptors.push_back({handle, uuid});
  EXPECT_EQ(parse_cache_file(text_of(most), kDevice).entry, most);
  descriptors.push_back({9000, uuid});
  EXPECT_EQ(complaint(text_of(most)),
            "services[0].characteristics[0].descriptors[2046]: more than 2048 objects");
  descriptors.pop_back();
  most.services.services.push_back({9000, uuid, true, {}, {}});
  EXPECT_EQ(complaint(text_of(most)), "services[1]: more than 2048 objects");
  CacheEntry flags;
  flags.services.services = {{1, uuid, true, {}, {{2, {}, uuid, std::vector<std::string>(33, "read"), {}}}}};
  EXPECT_EQ(complaint(text_of(flags)), "services[0].characteristics[0].flags: more than 32");
}

}  // namespace
}  // namespace bleconnd
