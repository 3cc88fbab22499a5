// The packed form of a device's objects: what comes out is what was put in, in whatever order, and it takes
// little. That random databases come back is in gatt_tree_test.cpp.
#include "core/packed_services.hpp"

#include <gtest/gtest.h>

namespace bleconnd {
namespace {

std::string uuid(std::string_view digits) {
  return "0000" + std::string{digits} + "-0000-1000-8000-00805f9b34fb";
}

const GattDatabase kDatabase{{
    {0x0010,
     uuid("180d"),
     true,
     {0x0020, 0xFFFF},
     {{0x0011, 0x0012, uuid("2a37"), {"read", "write-without-response"}, {{0x0013, uuid("2902")}}},
      {0x0014, {}, "f0de0002-1212-efde-1523-785feabcd123", {}, {}}}},
    {0x0020, uuid("180f"), false, {}, {}},
}};
const GattPart kBattery{{0x0020}, true, GattService{0x0020, uuid("180f"), false, {}, {}}};

TEST(PackedServices, ComeBackAsTheyWere) {
  const PackedServices packed{kDatabase};
  EXPECT_EQ(packed.size(), 5U);
  EXPECT_TRUE(packed.has_service());
  EXPECT_TRUE(packed.has_all(kDatabase));
  EXPECT_EQ(packed.database(), kDatabase);
}

TEST(PackedServices, AreNothingWithoutAny) {
  PackedServices packed;
  EXPECT_TRUE(packed.empty());
  EXPECT_FALSE(packed.has_service());
  EXPECT_FALSE(packed.has_all({}));
  EXPECT_FALSE(packed.database());
  packed.put(kBattery);
  EXPECT_FALSE(packed.has_all({})) << "no services cannot be used";
  packed.clear();
  EXPECT_TRUE(packed.empty());
  EXPECT_EQ(packed.size(), 0U);
}

TEST(PackedServices, AreInOrderOfNamesHoweverTheyCome) {
  const GattCharacteristic level{0x0021, {}, uuid("2a19"), {"read", "notify"}, {}};
  const GattDescriptor configuration{0x0023, uuid("2902")};
  PackedServices packed;
  packed.put({{0x0020, 0x0021, 0x0023}, false, configuration});
  packed.put({{0x0020, 0x0021}, false, level});
  EXPECT_FALSE(packed.has_service());
  EXPECT_FALSE(packed.database()) << "their service is not there";
  packed.put(kBattery);
  packed.put({{0x0010}, true, GattService{0x0010, uuid("180a"), true, {}, {}}});
  auto with_descriptor = level;
  with_descriptor.descriptors = {configuration};
  const GattDatabase expected{
      {{0x0010, uuid("180a"), true, {}, {}}, {0x0020, uuid("180f"), false, {}, {with_descriptor}}}};
  EXPECT_EQ(packed.database(), expected);
}

TEST(PackedServices, AreReplacedAndErasedByName) {
  PackedServices packed{kDatabase};
  packed.put({{0x0020}, true, GattService{0x0020, uuid("1800"), true, {1, 2, 3}, {}}});
  EXPECT_EQ(packed.size(), 5U);
  auto changed = kDatabase;
  changed.services[1] = {0x0020, uuid("1800"), true, {1, 2, 3}, {}};
  EXPECT_EQ(packed.database(), changed);
  packed.put(kBattery);
  packed.erase({0x0030});
  packed.erase({0x0010, 0x0011, 0x0012});
  EXPECT_EQ(packed.database(), kDatabase);
  packed.erase({0x0010, 0x0011, 0x0013});
  EXPECT_EQ(packed.size(), 4U);
  EXPECT_FALSE(packed.has_all(kDatabase));
  changed = kDatabase;
  changed.services[0].characteristics[0].descriptors.clear();
  EXPECT_EQ(packed.database(), changed);
}

TEST(PackedServices, KnowOfWhatIsThereAndLeftOut) {
  PackedServices packed{kDatabase};
  packed.put({{0x0010}, true});  // a service without a UUID
  EXPECT_TRUE(packed.has_all(kDatabase)) << "its path is there";
  const GattDatabase expected{{kDatabase.services[1]}};
  EXPECT_EQ(packed.database(), expected) << "with those below it";
  PackedServices nameless;
  nameless.put({{0x0010}, true});
  EXPECT_TRUE(nameless.has_service());
  EXPECT_FALSE(nameless.database());
}

}  // namespace
}  // namespace bleconnd
