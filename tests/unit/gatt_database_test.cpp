// The model of a device's services: what may be in it, names of objects, UUIDs, what is missing, what
// differs. Every rule is broken once, so that each check can fail.
#include "core/gatt_database.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace bleconnd {
namespace {

using namespace std::string_view_literals;
using Lines = std::vector<std::string>;
using Change = std::function<void(GattDatabase&)>;

const std::string kVendor = "f0de0001-1212-efde-1523-785feabcd123";

std::string uuid(std::string_view digits) {
  return "0000" + std::string{digits} + "-0000-1000-8000-00805f9b34fb";
}

// Generic Attribute, Heart Rate that includes Battery, and Battery; a vendor's secondary service.
GattDatabase sample() {
  return {{
      {0x0001,
       uuid("1801"),
       true,
       {},
       {{0x0002, {}, uuid("2a05"), {"indicate"}, {{0x0004, uuid("2902")}}},
        {0x0005, {}, uuid("2b2a"), {"read"}, {}}}},
      {0x0010,
       uuid("180d"),
       true,
       {0x0020},
       {{0x0011, 0x0012, uuid("2a37"), {"notify"}, {{0x0013, uuid("2902")}, {0x0014, uuid("2901")}}},
        {0x0015, {}, uuid("2a38"), {"read", "write"}, {}}}},
      {0x0020, uuid("180f"), true, {}, {{0x0021, {}, uuid("2a19"), {"read"}, {}}}},
      {0xfff0, kVendor, false, {}, {{0xfff1, {}, uuid("2a19"), {}, {{0xffff, uuid("2904")}}}}},
  }};
}

GattDatabase changed(const Change& change) {
  auto database = sample();
  change(database);
  return database;
}

// 1 service and the rest characteristics.
GattDatabase of_size(std::size_t objects) {
  GattDatabase database{{{1, uuid("180f"), true, {}, {}}}};
  for (std::size_t i = 1; i < objects; ++i)
    database.services[0].characteristics.push_back(
        {static_cast<std::uint16_t>(i + 1), {}, uuid("2a19"), {}, {}});
  return database;
}

std::vector<std::uint16_t> handles_from_one(std::size_t count) {
  std::vector<std::uint16_t> handles(count);
  for (std::size_t i = 0; i < count; ++i) handles[i] = static_cast<std::uint16_t>(i + 1);
  return handles;
}

TEST(GattDatabase, IsWellFormedUpToItsLimits) {
  EXPECT_TRUE(well_formed(sample()));
  EXPECT_TRUE(well_formed(of_size(kGattObjectLimit)));
  const Change rows[] = {
      [](auto& all) { all.services.resize(1); },
      [](auto& all) { all.services[0].characteristics.clear(); },
      [](auto& all) { all.services[1].includes = handles_from_one(kGattIncludeLimit); },
      [](auto& all) { all.services[1].includes = {0xffff}; },
      [](auto& all) { all.services[0].characteristics[0].flags.assign(kGattFlagLimit, "read"); },
      [](auto& all) { all.services[0].characteristics[0].flags = {std::string(kGattFlagLength, 'x')}; },
      [](auto& all) { all.services[0].characteristics[0].value_handle = 0x0003; },
      [](auto& all) { all.services[0].characteristics[0].value_handle = 0xffff; },
  };
  for (std::size_t i = 0; i < std::size(rows); ++i) EXPECT_TRUE(well_formed(changed(rows[i]))) << "row " << i;
}

TEST(GattDatabase, IsNotWellFormedWhereOneRuleIsBroken) {
  EXPECT_FALSE(well_formed(GattDatabase{}));
  EXPECT_FALSE(well_formed(of_size(kGattObjectLimit + 1)));
  const Change rows[] = {
      // order, repetition, 0
      [](auto& all) { std::swap(all.services[0], all.services[1]); },
      [](auto& all) { all.services.push_back(all.services.back()); },
      [](auto& all) { all.services[0].handle = 0; },
      [](auto& all) { std::ranges::reverse(all.services[0].characteristics); },
      [](auto& all) { all.services[0].characteristics[1].handle = 0x0002; },
      [](auto& all) { all.services[0].characteristics[0].handle = 0; },
      [](auto& all) { std::ranges::reverse(all.services[1].characteristics[0].descriptors); },
      [](auto& all) { all.services[1].characteristics[0].descriptors[1].handle = 0x0013; },
      [](auto& all) { all.services[3].characteristics[0].descriptors[0].handle = 0; },
      [](auto& all) {
        all.services[1].includes = {0x0020, 0x0001};
      },
      [](auto& all) {
        all.services[1].includes = {0x0020, 0x0020};
      },
      [](auto& all) {
        all.services[1].includes = {0x0000, 0x0020};
      },
      [](auto& all) { all.services[1].includes = handles_from_one(kGattIncludeLimit + 1); },
      // UUIDs
      [](auto& all) { all.services[3].uuid = ""; },
      [](auto& all) { all.services[0].uuid = "1801"; },
      [](auto& all) { all.services[3].uuid[0] = 'F'; },
      [](auto& all) { all.services[0].characteristics[1].uuid = "2b2a"; },
      [](auto& all) { all.services[3].characteristics[0].uuid += '\n'; },
      [](auto& all) { all.services[0].characteristics[0].descriptors[0].uuid = "2902"; },
      [](auto& all) { all.services[1].characteristics[0].descriptors[1].uuid = ""; },
      // flags, value handles
      [](auto& all) { all.services[0].characteristics[0].flags.assign(kGattFlagLimit + 1, "read"); },
      [](auto& all) {
        all.services[0].characteristics[0].flags = {"read", ""};
      },
      [](auto& all) { all.services[0].characteristics[0].flags = {std::string(kGattFlagLength + 1, 'x')}; },
      [](auto& all) { all.services[0].characteristics[0].value_handle = 0x0002; },
      [](auto& all) { all.services[0].characteristics[0].value_handle = 0x0001; },
      [](auto& all) { all.services[3].characteristics[0].value_handle = 0; },
  };
  for (std::size_t i = 0; i < std::size(rows); ++i)
    EXPECT_FALSE(well_formed(changed(rows[i]))) << "row " << i;
}

TEST(GattDatabase, CountsObjectsOfEveryLevel) {
  auto full = of_size(kGattObjectLimit);
  full.services.push_back({0xfffe, uuid("180f"), true, {}, {}});
  EXPECT_FALSE(well_formed(full)) << "a service";
  full.services.pop_back();
  full.services[0].characteristics.back().descriptors.push_back({0xfffe, uuid("2902")});
  EXPECT_FALSE(well_formed(full)) << "a descriptor";
  full.services[0].characteristics[0] = full.services[0].characteristics[1];
  full.services[0].characteristics.erase(full.services[0].characteristics.begin());
  EXPECT_TRUE(well_formed(full)) << "one of the others less";
}

TEST(GattDatabase, FlagsAreLettersDigitsAndDashes) {
  for (auto text : {"read", "write-without-response", "a", "z", "0", "9", "-"})
    EXPECT_TRUE(is_gatt_flag(text)) << text;
  for (auto text : {""sv, "Read"sv, "re ad"sv, "read\n"sv, "read\0"sv, "r\u00E9ad"sv, "read\xff"sv, "read,"sv,
                    "{"sv, "`"sv, ":"sv, "/"sv})
    EXPECT_FALSE(is_gatt_flag(text)) << text;
}

TEST(GattName, ParsesWhatBluezMakes) {
  struct Row {
    std::string_view text;
    GattName name;
    std::size_t depth;
  };
  const Row rows[] = {
      {"service0001", {0x0001}, 1},
      {"service000a", {0x000a}, 1},
      {"serviceffff", {0xffff}, 1},
      {"service1234/charabcd", {0x1234, 0xabcd}, 2},
      {"service000a/char000b/desc000d", {0x000a, 0x000b, 0x000d}, 3},
      {"service90ef/char9000/descffff", {0x90ef, 0x9000, 0xffff}, 3},
  };
  for (const auto& row : rows) {
    const auto name = GattName::parse(row.text);
    ASSERT_TRUE(name) << row.text;
    EXPECT_EQ(*name, row.name) << row.text;
    EXPECT_EQ(name->depth(), row.depth) << row.text;
    EXPECT_EQ(name->text(), row.text);
  }
}

TEST(GattName, RefusesEverythingElse) {
  const std::string_view rows[] = {
      ""sv,
      "/"sv,
      "service"sv,
      "service000"sv,
      "service00001"sv,
      "service000A"sv,
      "service000g"sv,
      "service000`"sv,
      "service000:"sv,
      "service000/"sv,
      "service 001"sv,
      "service+001"sv,
      "service0x01"sv,
      "service-001"sv,
      "service0000"sv,
      "Service0001"sv,
      "service0001 "sv,
      "service0001\0"sv,
      "service0001/"sv,
      "/service0001"sv,
      "service0001//char0002"sv,
      "service0001/char0000"sv,
      "service0000/char0002"sv,
      "service0001/char002"sv,
      "service0001/char00002"sv,
      "service0001/char0002/"sv,
      "service0001/desc0002"sv,
      "service0001/service0002"sv,
      "char0002"sv,
      "desc0003"sv,
      "char0002/desc0003"sv,
      "service0001/char0002/char0003"sv,
      "service0001/char0002/desc0000"sv,
      "service0001/char0002/desc003"sv,
      "service0001/char0002/desc0003/"sv,
      "service0001/char0002/desc0003/desc0004"sv,
      "service0001/char0002/desc0003/prop0004"sv,
      "service0001/../char0002"sv,
      "sep1"sv,
  };
  for (const auto& text : rows) EXPECT_FALSE(GattName::parse(text)) << "'" << text << "'";
}

TEST(GattName, EveryHandleComesBackFromItsText) {
  for (unsigned handle = 1; handle <= 0xffff; ++handle) {
    const auto digits = static_cast<std::uint16_t>(handle);
    const GattName name{digits, static_cast<std::uint16_t>(~digits | 1), digits};
    ASSERT_EQ(GattName::parse(name.text()), name) << name.text();
  }
}

TEST(GattName, OfEveryObjectParentsFirst) {
  std::vector<std::string> texts;
  for (auto& name : names_of(sample())) texts.push_back(name.text());
  const std::vector<std::string> expected = {
      "service0001",
      "service0001/char0002",
      "service0001/char0002/desc0004",
      "service0001/char0005",
      "service0010",
      "service0010/char0011",
      "service0010/char0011/desc0013",
      "service0010/char0011/desc0014",
      "service0010/char0015",
      "service0020",
      "service0020/char0021",
      "servicefff0",
      "servicefff0/charfff1",
      "servicefff0/charfff1/descffff",
  };
  EXPECT_EQ(texts, expected);
  const auto names = names_of(sample());
  EXPECT_TRUE(std::ranges::is_sorted(names)) << "names are ordered as the database is";
}

TEST(FullUuid, CompletesShortFormsAndLowersLetters) {
  struct Row {
    std::string_view text, full;
  };
  const Row rows[] = {
      {"180f", "0000180f-0000-1000-8000-00805f9b34fb"},
      {"180F", "0000180f-0000-1000-8000-00805f9b34fb"},
      {"0000", "00000000-0000-1000-8000-00805f9b34fb"},
      {"0000180f", "0000180f-0000-1000-8000-00805f9b34fb"},
      {"ABCD1234", "abcd1234-0000-1000-8000-00805f9b34fb"},
      {"0000180F-0000-1000-8000-00805F9B34FB", "0000180f-0000-1000-8000-00805f9b34fb"},
      {"F0DE0001-1212-eFdE-1523-785FEABCD123", "f0de0001-1212-efde-1523-785feabcd123"},
      {"f0de0001-1212-efde-1523-785feabcd123", "f0de0001-1212-efde-1523-785feabcd123"},
  };
  for (const auto& row : rows) EXPECT_EQ(full_uuid(row.text), std::string{row.full}) << row.text;
}

TEST(FullUuid, RefusesEverythingElse) {
  const std::string_view rows[] = {
      ""sv,
      "180"sv,
      "180g"sv,
      "180/"sv,
      "180:"sv,
      "180@"sv,
      "180G"sv,
      "180`"sv,
      "18-f"sv,
      "0x180f"sv,
      " 180f"sv,
      "180f\n"sv,
      "180f0"sv,
      "000180f"sv,
      "0000180g"sv,
      "0000180f0"sv,
      "0000-180"sv,
      "0000180f-0000-1000-8000-00805f9b34f"sv,
      "0000180f-0000-1000-8000-00805f9b34fb0"sv,
      "0000180f-0000-1000-8000-00805f9b34fg"sv,
      "0000180f00000-1000-8000-00805f9b34fb"sv,
      "0000180f-000001000-8000-00805f9b34fb"sv,
      "0000180f-0000-100008000-00805f9b34fb"sv,
      "0000180f-0000-1000-8000000805f9b34fb"sv,
      "0000180f-0000-1000-80-0-00805f9b34fb"sv,
      "0000180f_0000_1000_8000_00805f9b34fb"sv,
      "-000180f-0000-1000-8000-00805f9b34fb"sv,
      "0000180f00001000800000805f9b34fb"sv,
      "{000180f-0000-1000-8000-00805f9b34f}"sv,
  };
  for (const auto& text : rows) EXPECT_FALSE(full_uuid(text)) << "'" << text << "'";
}

TEST(FindCharacteristic, ByServiceAndCharacteristic) {
  struct Row {
    std::string_view service, characteristic;
    std::optional<GattName> name;
  };
  const std::string vendor_upper = "F0DE0001-1212-EFDE-1523-785FEABCD123";
  const Row rows[] = {
      {kGenericAttributeUuid, kDatabaseHashUuid, GattName{0x0001, 0x0005}},
      {"1801", "2B2A", GattName{0x0001, 0x0005}},
      {"180f", "2a19", GattName{0x0020, 0x0021}},
      {vendor_upper, "00002a19", GattName{0xfff0, 0xfff1}},  // the same characteristic elsewhere
      {"180d", "2b2a", {}},                                  // of another service
      {"180a", "2a19", {}},
      {"1801", "2902", {}},  // a descriptor
      {"1801", "1801", {}},  // a service
      {"1801", "", {}},
      {"", "2b2a", {}},
  };
  for (const auto& row : rows)
    EXPECT_EQ(find_characteristic(sample(), row.service, row.characteristic), row.name)
        << row.service << ' ' << row.characteristic;
}

TEST(FindCharacteristic, LooksIntoEveryServiceOfThatUuid) {
  auto twice = sample();
  twice.services[2].uuid = twice.services[0].uuid;
  EXPECT_EQ(find_characteristic(twice, "1801", "2a19"), (GattName{0x0020, 0x0021}));
  EXPECT_EQ(find_characteristic(twice, "1801", "2b2a"), (GattName{0x0001, 0x0005}));
  twice.services[2].characteristics[0].uuid = uuid("2b2a");
  EXPECT_EQ(find_characteristic(twice, "1801", "2b2a"), (GattName{0x0001, 0x0005})) << "the first one";
  EXPECT_FALSE(find_characteristic({}, "1801", "2b2a"));
}

TEST(Missing, NamesRequiredUuidsThatAreNotThere) {
  struct Row {
    std::vector<std::string> required, missing;
  };
  const Row rows[] = {
      {{}, {}},
      {{"180f"}, {}},
      {{"0000180F", "180D", uuid("1801"), kVendor}, {}},
      {{"F0DE0001-1212-EFDE-1523-785FEABCD123"}, {}},
      {{"2a19", "00002A37"}, {}},
      {{"180a"}, {uuid("180a")}},
      {{"180f", "180A", "2a19", "2A00"}, {uuid("180a"), uuid("2a00")}},
      {{"2a00", "180a"}, {uuid("2a00"), uuid("180a")}},              // as asked
      {{"180a", "0000180A", uuid("180a"), "180f"}, {uuid("180a")}},  // once
      {{"2902"}, {uuid("2902")}},                                    // descriptors do not count
      {{"0001180f"}, {"0001180f-0000-1000-8000-00805f9b34fb"}},      // 32 bits
      {{"battery", "", "180f", "battery"}, {"battery", ""}},         // no UUIDs
      {{"f0de0001-1212-efde-1523-785feabcd12"}, {"f0de0001-1212-efde-1523-785feabcd12"}},
  };
  for (const auto& row : rows)
    EXPECT_EQ(missing(sample(), row.required), row.missing) << testing::PrintToString(row.required);
  EXPECT_EQ(missing({}, {"180f"}), Lines{uuid("180f")}) << "nothing is there";
}

TEST(Difference, NamesWhatChanged) {
  struct Row {
    const char* what;
    Change change;
    Lines lines;
  };
  const Row rows[] = {
      {"nothing", [](auto&) {}, {}},
      {"order of flags",
       [](auto& all) { std::ranges::reverse(all.services[1].characteristics[1].flags); },
       {}},
      {"value handle forgotten",
       [](auto& all) { all.services[1].characteristics[0].value_handle.reset(); },
       {}},
      {"value handle learned",
       [](auto& all) { all.services[1].characteristics[1].value_handle = 0x0016; },
       {}},
      {"first service gone",
       [](auto& all) { all.services.erase(all.services.begin()); },
       {"-service 0x0001 " + uuid("1801")}},
      {"last service gone", [](auto& all) { all.services.pop_back(); }, {"-service 0xfff0 " + kVendor}},
      {"service added between",
       [](auto& all) {
         all.services.insert(all.services.begin() + 1, {0x000b, uuid("180a"), true, {}, {}});
       },
       {"+service 0x000b " + uuid("180a")}},
      {"service added behind",
       [](auto& all) {
         all.services.push_back({0xffff, uuid("180a"), true, {}, {}});
       },
       {"+service 0xffff " + uuid("180a")}},
      {"service moved",
       [](auto& all) { all.services[2].handle = 0x0022; },
       {"-service 0x0020 " + uuid("180f"), "+service 0x0022 " + uuid("180f")}},
      {"service became another: what is below goes with it",
       [](auto& all) {
         all.services[2].uuid = uuid("180a");
         all.services[2].characteristics[0].uuid = uuid("2a29");
       },
       {"-service 0x0020 " + uuid("180f"), "+service 0x0020 " + uuid("180a")}},
      {"secondary",
       [](auto& all) { all.services[2].primary = false; },
       {"~service 0x0020 " + uuid("180f") + " secondary"}},
      {"primary",
       [](auto& all) { all.services[3].primary = true; },
       {"~service 0xfff0 " + kVendor + " primary"}},
      {"includes",
       [](auto& all) { all.services[1].includes.clear(); },
       {"~service 0x0010 " + uuid("180d") + " includes"}},
      {"two of one service",
       [](auto& all) {
         all.services[0].includes = {0x0020};
         all.services[0].primary = false;
       },
       {"~service 0x0001 " + uuid("1801") + " secondary includes"}},
      {"characteristic gone",
       [](auto& all) { all.services[2].characteristics.clear(); },
       {"-characteristic 0x0021 " + uuid("2a19")}},
      {"characteristic added, with a descriptor",
       [](auto& all) {
         all.services[2].characteristics.push_back({0x0023, {}, uuid("2a1a"), {}, {{0x0025, uuid("2902")}}});
       },
       {"+characteristic 0x0023 " + uuid("2a1a")}},
      {"flags",
       [](auto& all) {
         all.services[1].characteristics[0].flags = {"notify", "read"};
       },
       {"~characteristic 0x0011 " + uuid("2a37") + " flags"}},
      {"a flag in place of another",
       [](auto& all) { all.services[1].characteristics[0].flags = {"indicate"}; },
       {"~characteristic 0x0011 " + uuid("2a37") + " flags"}},
      {"value handle",
       [](auto& all) { all.services[1].characteristics[0].value_handle = 0x0013; },
       {"~characteristic 0x0011 " + uuid("2a37") + " value-handle"}},
      {"flags, value handle and a descriptor",
       [](auto& all) {
         all.services[1].characteristics[0].flags.clear();
         all.services[1].characteristics[0].value_handle = 0x0013;
         all.services[1].characteristics[0].descriptors.pop_back();
       },
       {"~characteristic 0x0011 " + uuid("2a37") + " flags value-handle",
        "-descriptor 0x0014 " + uuid("2901")}},
      {"descriptor added",
       [](auto& all) {
         all.services[0].characteristics[1].descriptors = {{0x0006, uuid("2901")}};
       },
       {"+descriptor 0x0006 " + uuid("2901")}},
      {"descriptor became another",
       [](auto& all) { all.services[0].characteristics[0].descriptors[0].uuid = uuid("2903"); },
       {"-descriptor 0x0004 " + uuid("2902"), "+descriptor 0x0004 " + uuid("2903")}},
      {"at several places, in order of handles",
       [](auto& all) {
         all.services[0].characteristics.pop_back();
         all.services[1].handle = 0x000f;
         all.services[3].primary = true;
       },
       {"-characteristic 0x0005 " + uuid("2b2a"), "+service 0x000f " + uuid("180d"),
        "-service 0x0010 " + uuid("180d"), "~service 0xfff0 " + kVendor + " primary"}},
  };
  for (const auto& row : rows) EXPECT_EQ(difference(sample(), changed(row.change)), row.lines) << row.what;
}

TEST(Difference, BackwardsTurnsTheSigns) {
  const auto other = changed([](auto& all) {
    all.services.pop_back();
    all.services[0].characteristics[0].descriptors.clear();
    all.services[1].characteristics.push_back({0x0017, {}, uuid("2a39"), {"write"}, {}});
  });
  const Lines there = {"-descriptor 0x0004 " + uuid("2902"), "+characteristic 0x0017 " + uuid("2a39"),
                       "-service 0xfff0 " + kVendor};
  const Lines back = {"+descriptor 0x0004 " + uuid("2902"), "-characteristic 0x0017 " + uuid("2a39"),
                      "+service 0xfff0 " + kVendor};
  EXPECT_EQ(difference(sample(), other), there);
  EXPECT_EQ(difference(other, sample()), back);
}

TEST(Difference, SaysHowManyMoreThereAre) {
  const auto none = of_size(1);
  const auto named = difference(none, of_size(1 + kDifferenceLines));
  ASSERT_EQ(named.size(), kDifferenceLines);
  EXPECT_EQ(named.back(), "+characteristic 0x0011 " + uuid("2a19")) << "as many as there are lines";
  for (const std::size_t more : {1U, 2U, 1000U}) {
    const auto cut = difference(none, of_size(1 + kDifferenceLines + more));
    ASSERT_EQ(cut.size(), kDifferenceLines);
    EXPECT_EQ(cut[kDifferenceLines - 2], "+characteristic 0x0010 " + uuid("2a19"));
    EXPECT_EQ(cut.back(), "and " + std::to_string(more + 1) + " more");
  }
}

}  // namespace
}  // namespace bleconnd
