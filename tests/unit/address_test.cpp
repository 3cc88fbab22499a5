// Addresses: what is one, what is none, and how they are printed.
// The refused ones are what callers and BlueZ could pass by mistake or with intent.
#include "core/address.hpp"

#include <gtest/gtest.h>

#include <set>

namespace bleconnd {
namespace {

TEST(Address, AcceptsSixHexPairsInAnyCase) {
  struct Row {
    std::string_view text, printed, object;
  };
  const Row rows[] = {
      {"AA:BB:CC:DD:EE:FF", "AA:BB:CC:DD:EE:FF", "dev_AA_BB_CC_DD_EE_FF"},
      {"aa:bb:cc:dd:ee:ff", "AA:BB:CC:DD:EE:FF", "dev_AA_BB_CC_DD_EE_FF"},
      {"aA:0b:C9:90:fE:1f", "AA:0B:C9:90:FE:1F", "dev_AA_0B_C9_90_FE_1F"},
      {"00:00:00:00:00:01", "00:00:00:00:00:01", "dev_00_00_00_00_00_01"},
      {"01:00:00:00:00:00", "01:00:00:00:00:00", "dev_01_00_00_00_00_00"},
      {"FF:FF:FF:FF:FF:FE", "FF:FF:FF:FF:FF:FE", "dev_FF_FF_FF_FF_FF_FE"},
  };
  for (const auto& row : rows) {
    const auto address = DeviceAddress::parse(row.text);
    ASSERT_TRUE(address) << row.text;
    EXPECT_EQ(address->text(), row.printed);
    EXPECT_EQ(address->object_name(), row.object);
    EXPECT_EQ(DeviceAddress::of_object_name(row.object), address);
    EXPECT_EQ(DeviceAddress::parse(address->text()), address) << "printed text parses to the same address";
  }
}

TEST(Address, AnObjectNameIsAsItIsPrinted) {
  for (const auto* name : {"", "dev_", "AA_BB_CC_DD_EE_FF", "dev_aa_BB_CC_DD_EE_FF", "dev_AA:BB:CC:DD:EE:FF",
                           "dev_AA_BB_CC_DD_EE", "dev_AA_BB_CC_DD_EE_FF/", "dev_00_00_00_00_00_00"})
    EXPECT_FALSE(DeviceAddress::of_object_name(name)) << name;
}

TEST(Address, RefusesEverythingElse) {
  using namespace std::string_view_literals;
  const std::string_view rows[] = {
      ""sv,
      ":"sv,
      "AA:BB:CC:DD:EE"sv,
      "AA:BB:CC:DD:EE:"sv,
      "AA:BB:CC:DD:EE:F"sv,
      "AA:BB:CC:DD:EE:FF:"sv,
      "AA:BB:CC:DD:EE:FF:00"sv,
      "AA-BB-CC-DD-EE-FF"sv,
      "AA_BB_CC_DD_EE_FF"sv,
      "AABBCCDDEEFF"sv,
      "AA:BB:CC-DD:EE:FF"sv,
      "AA:BB:CC:DD:EE-FF"sv,
      "AA:BB:CC:DD:EE:FG"sv,
      "GA:BB:CC:DD:EE:FF"sv,
      "AA:BB:CC:DD:EE:F "sv,
      " A:BB:CC:DD:EE:FF"sv,
      "+A:BB:CC:DD:EE:FF"sv,
      "0x:BB:CC:DD:EE:FF"sv,
      " AA:BB:CC:DD:EE:FF"sv,
      "AA:BB:CC:DD:EE:FF\n"sv,
      "AA:BB:CC:DD:EE:FF\0"sv,
      "AA:BB:CC:DD:EE:F\0"sv,
      "AA::BB:CC:DD:EE:F"sv,
      "\u00C4:BB:CC:DD:EE:FF"sv,
      "dev_AA_BB_CC_DD_EE_FF"sv,
      "/org/bluez/hci0/dev_AA_BB_CC_DD_EE_FF"sv,
      "../../etc/passwd."sv,
      "00:00:00:00:00:00"sv,
      "FF:FF:FF:FF:FF:FF"sv,
      "ff:ff:ff:ff:ff:ff"sv,
  };
  for (const auto& text : rows) EXPECT_FALSE(DeviceAddress::parse(text)) << "'" << text << "'";
}

TEST(Address, ComparesAsPrinted) {
  const auto low = *DeviceAddress::parse("01:FF:FF:FF:FF:FF");
  const auto high = *DeviceAddress::parse("02:00:00:00:00:00");
  EXPECT_LT(low, high);
  EXPECT_LT(low.text(), high.text());
  EXPECT_EQ(low, *DeviceAddress::parse("01:ff:ff:ff:ff:ff"));
  EXPECT_EQ((std::set<DeviceAddress>{high, low, high}.size()), 2U);
}

}  // namespace
}  // namespace bleconnd
