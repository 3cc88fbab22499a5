// From BlueZ's objects to the services of a device and back: by hand-made trees with one thing wrong, and by
// random ones that must come back as they were.
#include "core/gatt_tree.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>

namespace bleconnd {
namespace {

const std::string kDevice = "/org/bluez/hci0/dev_AA_BB_CC_DD_EE_FF";
const std::string kOther = "/org/bluez/hci1/dev_AA_BB_CC_DD_EE_FF";
const std::string kHeartRate = kDevice + "/service0010";
const std::string kMeasurement = kHeartRate + "/char0011";
const std::string kLocation = kHeartRate + "/char0014";
const std::string kConfiguration = kMeasurement + "/desc0013";
const std::string kBattery = kDevice + "/service0020";

std::string uuid(std::string_view digits) {
  return "0000" + std::string{digits} + "-0000-1000-8000-00805f9b34fb";
}
ObjectPathText path(std::string text) {
  return {std::move(text)};
}

using Flags = std::vector<std::string>;
using Paths = std::vector<ObjectPathText>;
using Bytes = std::vector<std::uint8_t>;

// As BlueZ 5.66 has it while the device is connected.
GattObjects tree() {
  return {
      {kHeartRate,
       {"org.bluez.GattService1",
        {{"UUID", uuid("180d")},
         {"Device", path(kDevice)},
         {"Primary", true},
         {"Includes", Paths{path(kBattery)}}}}},
      {kMeasurement,
       {"org.bluez.GattCharacteristic1",
        {{"UUID", uuid("2a37")},
         {"Service", path(kHeartRate)},
         {"Value", Bytes{1, 2}},
         {"Notifying", true},
         {"Flags", Flags{"read", "notify"}},
         {"MTU", std::uint16_t{247}}}}},
      {kConfiguration,
       {"org.bluez.GattDescriptor1",
        {{"UUID", uuid("2902")}, {"Characteristic", path(kMeasurement)}, {"Value", Bytes{1, 0}}}}},
      {kLocation,
       {"org.bluez.GattCharacteristic1",
        {{"UUID", uuid("2a38")}, {"Service", path(kHeartRate)}, {"Flags", Flags{"read"}}}}},
      {kBattery,
       {"org.bluez.GattService1",
        {{"UUID", uuid("180f")}, {"Device", path(kDevice)}, {"Primary", false}, {"Includes", Paths{}}}}},
  };
}

std::optional<GattDatabase> database_of(const GattObjects& objects, std::string_view device) {
  return packed(objects, device).database();
}
bool all_exist(const GattDatabase& database, const GattObjects& objects, std::string_view device) {
  return packed(objects, device).has_all(database);
}

GattDatabase database() {
  return {{
      {0x0010,
       uuid("180d"),
       true,
       {0x0020},
       {{0x0011, {}, uuid("2a37"), {"read", "notify"}, {{0x0013, uuid("2902")}}},
        {0x0014, {}, uuid("2a38"), {"read"}, {}}}},
      {0x0020, uuid("180f"), false, {}, {}},
  }};
}

template <class T>
GattDatabase without(T remove) {
  auto all = database();
  remove(all);
  return all;
}

TEST(GattTree, ReadsWhatBluezHas) {
  EXPECT_EQ(database_of(tree(), kDevice), database());
}

TEST(GattTree, LeavesOutWhatBluezWouldNotMake) {
  const auto all = database();
  const auto no_heart_rate = without([](auto& it) { it.services.erase(it.services.begin()); });
  const auto no_measurement =
      without([](auto& it) { it.services[0].characteristics.erase(it.services[0].characteristics.begin()); });
  const auto no_descriptor = without([](auto& it) { it.services[0].characteristics[0].descriptors.clear(); });
  const auto no_includes = without([](auto& it) { it.services[0].includes.clear(); });
  const auto set = [](std::string object, const char* name, GattValue value) {
    return [=](GattObjects& objects) { objects.at(object).properties[name] = value; };
  };
  const auto drop = [](std::string object, const char* name) {
    return [=](GattObjects& objects) { objects.at(object).properties.erase(name); };
  };
  const auto is_a = [](std::string object, const char* interface) {
    return [=](GattObjects& objects) { objects.at(object).interface = interface; };
  };
  const auto rename = [](std::string object, std::string to) {
    return [=](GattObjects& objects) {
      auto node = objects.extract(object);
      node.key() = to;
      objects.insert(std::move(node));
    };
  };
  struct Row {
    const char* what;
    std::function<void(GattObjects&)> change;
    GattDatabase expected;
  };
  const Row rows[] = {
      // parents
      {"no service", [](auto& it) { it.erase(kHeartRate); }, no_heart_rate},
      {"no characteristic", [](auto& it) { it.erase(kMeasurement); }, no_measurement},
      {"no service, behind another",
       [](auto& it) { it[kDevice + "/service0030/char0031"] = it.at(kLocation); }, all},
      {"no characteristic, behind another",
       [](auto& it) { it[kHeartRate + "/char0015/desc0016"] = it.at(kConfiguration); }, all},
      // names
      {"upper case", rename(kHeartRate, kDevice + "/service001A"), no_heart_rate},
      {"short", rename(kMeasurement, kHeartRate + "/char011"), no_measurement},
      {"handle 0", rename(kConfiguration, kMeasurement + "/desc0000"), no_descriptor},
      {"below a service", rename(kConfiguration, kHeartRate + "/desc0013"), no_descriptor},
      {"too deep", rename(kConfiguration, kConfiguration + "/desc0014"), no_descriptor},
      {"no slash", rename(kHeartRate, kDevice + "service0010"), no_heart_rate},
      {"another sign in its place", rename(kHeartRate, kDevice + "-service0010"), no_heart_rate},
      {"of another device", rename(kHeartRate, kOther + "/service0010"), no_heart_rate},
      {"of a longer device", rename(kHeartRate, kDevice + "0/service0010"), no_heart_rate},
      // interfaces
      {"a device", is_a(kHeartRate, "org.bluez.Device1"), no_heart_rate},
      {"a characteristic in place of a service", is_a(kHeartRate, "org.bluez.GattCharacteristic1"),
       no_heart_rate},
      {"a service in place of a characteristic", is_a(kMeasurement, "org.bluez.GattService1"),
       no_measurement},
      {"a descriptor in place of a characteristic", is_a(kMeasurement, "org.bluez.GattDescriptor1"),
       no_measurement},
      {"a characteristic in place of a descriptor", is_a(kConfiguration, "org.bluez.GattCharacteristic1"),
       no_descriptor},
      {"nothing", is_a(kConfiguration, ""), no_descriptor},
      // UUIDs
      {"service without UUID", drop(kHeartRate, "UUID"), no_heart_rate},
      {"characteristic without UUID", drop(kMeasurement, "UUID"), no_measurement},
      {"descriptor without UUID", drop(kConfiguration, "UUID"), no_descriptor},
      {"UUID is a path", set(kHeartRate, "UUID", path("/180d")), no_heart_rate},
      {"UUID is a number", set(kMeasurement, "UUID", std::uint16_t{0x2a37}), no_measurement},
      {"UUID is bytes", set(kConfiguration, "UUID", Bytes{0x02, 0x29}), no_descriptor},
      {"no UUID", set(kConfiguration, "UUID", std::string{"Client Configuration"}), no_descriptor},
      // other properties
      {"Primary is a number", set(kHeartRate, "Primary", std::uint16_t{1}), no_heart_rate},
      {"Includes are texts", set(kHeartRate, "Includes", Flags{kBattery}), no_heart_rate},
      {"Flags are paths", set(kMeasurement, "Flags", Paths{path("/read")}), no_measurement},
      {"Flags is a text", set(kMeasurement, "Flags", std::string{"read"}), no_measurement},
      // what does no harm
      {"UUID in short form", set(kHeartRate, "UUID", std::string{"180D"}), all},
      {"UUID in upper case", set(kMeasurement, "UUID", std::string{"00002A37-0000-1000-8000-00805F9B34FB"}),
       all},
      {"Primary not told", drop(kHeartRate, "Primary"), all},
      {"Includes not told", drop(kHeartRate, "Includes"), no_includes},
      {"Flags not told", drop(kLocation, "Flags"),
       without([](auto& it) { it.services[0].characteristics[1].flags.clear(); })},
      {"another interface's object",
       [](auto& it) {
         it[kDevice + "/sep1"] = {"org.bluez.MediaEndpoint1", {}};
       },
       all},
      {"the device itself",
       [](auto& it) {
         it[kDevice] = {"org.bluez.Device1", {}};
       },
       all},
      {"the other adapter's", [](auto& it) { it[kOther + "/service0001"] = it.at(kHeartRate); }, all},
  };
  for (const auto& row : rows) {
    auto objects = tree();
    row.change(objects);
    EXPECT_EQ(database_of(objects, kDevice), row.expected) << row.what;
  }
}

TEST(GattTree, KeepsOfListsWhatBelongsThere) {
  auto objects = tree();
  objects.at(kHeartRate).properties["Includes"] = Paths{path(kDevice + "/service0030"),
                                                        path(kBattery),
                                                        path(kOther + "/service0040"),
                                                        path(kDevice + "/service0010/char0011"),
                                                        path(kDevice + "/service005"),
                                                        path(kBattery),
                                                        path(kDevice + "/service0005"),
                                                        path("/"),
                                                        path("")};
  objects.at(kMeasurement).properties["Flags"] =
      Flags{"notify", "", "Read", "re\nad", "read", "\xff", std::string(kGattFlagLength + 1, 'a')};
  const auto read = database_of(objects, kDevice);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->services[0].includes, (std::vector<std::uint16_t>{0x0005, 0x0020, 0x0030}));
  EXPECT_EQ(read->services[0].characteristics[0].flags, (Flags{"notify", "read"})) << "in BlueZ's order";
}

TEST(GattTree, CutsListsAtTheirLimits) {
  auto objects = tree();
  Paths includes;
  for (unsigned i = 0; i <= kGattIncludeLimit; ++i)
    includes.push_back(path(path_of({static_cast<std::uint16_t>(0x1000 + i)}, kDevice)));
  objects.at(kHeartRate).properties["Includes"] = includes;
  objects.at(kMeasurement).properties["Flags"] = Flags(kGattFlagLimit + 1, "read");
  const auto read = database_of(objects, kDevice);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->services[0].includes.size(), kGattIncludeLimit);
  EXPECT_EQ(read->services[0].characteristics[0].flags.size(), kGattFlagLimit);
}

// Handle as the versions tell it, on the objects in turn: service 0x0010, characteristic 0x0011, descriptor
// 0x0013.
TEST(GattTree, TakesHandlesFromPathsWhateverHandleSays) {
  struct Row {
    const char* what;
    std::vector<GattValue> told;  // none: the property is not there
    std::optional<std::uint16_t> value_handle;
  };
  const auto q = [](unsigned value) { return GattValue{static_cast<std::uint16_t>(value)}; };
  const Row rows[] = {
      {"before 5.69", {}, {}},
      {"5.69 to 5.79: the descriptor's is wrong", {q(0x0010), q(0x0011), q(0xbeef)}, {}},
      {"5.80 to 5.87", {q(0x0010), q(0x0011), q(0x0013)}, {}},
      {"a value handle", {q(0x0010), q(0x0012), q(0x0013)}, 0x0012},
      {"a value handle, not the next", {q(0x0010), q(0xffff), q(0x0013)}, 0xffff},
      {"before the declaration", {q(0x0001), q(0x0010), q(0x0001)}, {}},
      {"0", {q(0), q(0), q(0)}, {}},
      {"another type", {GattValue{true}, GattValue{std::string{"18"}}, GattValue{Bytes{0x12, 0}}}, {}},
  };
  for (const auto& row : rows) {
    auto objects = tree();
    const std::string* const paths[] = {&kHeartRate, &kMeasurement, &kConfiguration};
    for (std::size_t i = 0; i < row.told.size(); ++i)
      objects.at(*paths[i]).properties["Handle"] = row.told[i];
    auto expected = database();
    expected.services[0].characteristics[0].value_handle = row.value_handle;
    EXPECT_EQ(database_of(objects, kDevice), expected) << row.what;
  }
}

TEST(GattTree, IsNothingWithoutServicesOrBeyondTheLimit) {
  EXPECT_FALSE(database_of({}, kDevice));
  EXPECT_FALSE(database_of(tree(), kOther));
  auto orphans = tree();
  orphans.erase(kHeartRate);
  orphans.erase(kBattery);
  EXPECT_FALSE(database_of(orphans, kDevice));

  GattObjects many;
  for (unsigned handle = 1; handle <= kGattObjectLimit; ++handle)
    many[path_of({static_cast<std::uint16_t>(handle)}, kDevice)] = tree().at(kBattery);
  const auto full = database_of(many, kDevice);
  ASSERT_TRUE(full);
  EXPECT_EQ(full->services.size(), kGattObjectLimit);
  many[kDevice + "/serviceffff"] = tree().at(kBattery);
  EXPECT_FALSE(database_of(many, kDevice)) << "a part is not taken for all";
}

// Properties as text, so that a difference can be read; ObjectPathText has no comparison.
std::string shown(const GattValue& value) {
  struct Show {
    std::string operator()(bool is) const { return is ? "true" : "false"; }
    std::string operator()(std::uint16_t number) const { return std::to_string(number); }
    std::string operator()(const std::string& text) const { return '"' + text + '"'; }
    std::string operator()(const ObjectPathText& object) const { return object.text; }
    std::string operator()(const Flags& texts) const {
      std::string all = "as";
      for (auto& text : texts) all += " \"" + text + '"';
      return all;
    }
    std::string operator()(const Paths& paths) const {
      std::string all = "ao";
      for (auto& each : paths) all += ' ' + each.text;
      return all;
    }
    std::string operator()(const Bytes& bytes) const { return "ay" + std::to_string(bytes.size()); }
  };
  return std::visit(Show{}, value);
}

std::vector<std::string> shown(const GattObjects& objects) {
  std::vector<std::string> lines;
  for (auto& [at, object] : objects)
    for (auto& [name, value] : object.properties)
      lines.push_back(at + ' ' + object.interface + '.' + name + " = " + shown(value));
  return lines;
}

TEST(GattTree, IsWrittenAsBluezHasIt) {
  auto known = database();
  known.services[0].characteristics[1].value_handle = 0x0016;
  const GattObjects expected = {
      {kOther + "/service0010",
       {"org.bluez.GattService1",
        {{"UUID", uuid("180d")},
         {"Device", path(kOther)},
         {"Primary", true},
         {"Includes", Paths{path(kOther + "/service0020")}},
         {"Handle", std::uint16_t{0x0010}}}}},
      {kOther + "/service0010/char0011",
       {"org.bluez.GattCharacteristic1",
        {{"UUID", uuid("2a37")},
         {"Service", path(kOther + "/service0010")},
         {"Flags", Flags{"read", "notify"}},
         {"Handle", std::uint16_t{0x0011}}}}},
      {kOther + "/service0010/char0011/desc0013",
       {"org.bluez.GattDescriptor1",
        {{"UUID", uuid("2902")},
         {"Characteristic", path(kOther + "/service0010/char0011")},
         {"Handle", std::uint16_t{0x0013}}}}},
      {kOther + "/service0010/char0014",
       {"org.bluez.GattCharacteristic1",
        {{"UUID", uuid("2a38")},
         {"Service", path(kOther + "/service0010")},
         {"Flags", Flags{"read"}},
         {"Handle", std::uint16_t{0x0016}}}}},
      {kOther + "/service0020",
       {"org.bluez.GattService1",
        {{"UUID", uuid("180f")},
         {"Device", path(kOther)},
         {"Primary", false},
         {"Includes", Paths{}},
         {"Handle", std::uint16_t{0x0020}}}}},
  };
  EXPECT_EQ(shown(objects_of(known, kOther)), shown(expected));
  EXPECT_TRUE(objects_of({}, kOther).empty());
}

TEST(GattTree, AllExistWhereEveryPathIsThere) {
  EXPECT_TRUE(all_exist(database(), tree(), kDevice));
  EXPECT_FALSE(all_exist(database(), tree(), kOther)) << "another adapter's object";
  EXPECT_FALSE(all_exist(database(), {}, kDevice));
  for (auto& [at, object] : tree()) {
    auto objects = tree();
    objects.erase(at);
    EXPECT_FALSE(all_exist(database(), objects, kDevice)) << "without " << at;
    objects[kOther + at.substr(kDevice.size())] = object;
    EXPECT_FALSE(all_exist(database(), objects, kDevice)) << "elsewhere: " << at;
  }
  auto more = tree();
  more[kDevice + "/service0030"] = more.at(kBattery);
  EXPECT_TRUE(all_exist(database(), more, kDevice)) << "more than the entry has";
  EXPECT_FALSE(all_exist({}, tree(), kDevice)) << "no services cannot be used";
}

// --- random databases ---

class RandomDatabase {
 public:
  explicit RandomDatabase(std::uint32_t seed) : random_{seed} {}

  unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }

  GattDatabase operator()() {
    GattDatabase all;
    do all.services.push_back(service());
    while (all.services.size() < 12 && below(8) != 0);
    for (auto& each : all.services)
      for (auto& other : all.services)
        if (below(6) == 0) each.includes.push_back(other.handle);
    return all;
  }

  // The same with one object's one value changed, or one object more or less.
  GattDatabase mutated(GattDatabase all) {
    auto& service = all.services[below(static_cast<unsigned>(all.services.size()))];
    const auto what = below(8);
    if (what == 0) all.services.push_back(this->service());
    if (what == 1) service.uuid = uuid();
    if (what == 2) service.primary = !service.primary;
    if (what == 3) service.includes.push_back(next());
    if (what == 4) service.characteristics.push_back(characteristic());
    if (what < 5) return all;
    if (service.characteristics.empty()) service.characteristics.push_back(characteristic());
    auto& one = service.characteristics.back();
    if (what == 5) one.uuid = uuid();
    if (what == 6) one.flags.emplace_back("new-flag");
    if (what == 7) one.descriptors.push_back({next(), uuid()});
    return all;
  }

 private:
  // Gaps as real tables have them.
  std::uint16_t next() { return handle_ = static_cast<std::uint16_t>(handle_ + 1U + below(3) * below(20)); }
  std::string uuid() {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text =
        below(2) == 0 ? "0000xxxx-0000-1000-8000-00805f9b34fb" : "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    for (auto& c : text)
      if (c == 'x') c = digits[below(16)];
    return text;
  }
  GattService service() {
    GattService made{next(), uuid(), below(5) != 0, {}, {}};
    for (auto count = below(6); count > 0; --count) made.characteristics.push_back(characteristic());
    return made;
  }
  GattCharacteristic characteristic() {
    GattCharacteristic made{next(), {}, uuid(), {}, {}};
    const auto value = next();
    if (below(3) == 0) made.value_handle = value;
    for (auto flag : {"broadcast", "read", "write-without-response", "write", "notify", "indicate"})
      if (below(2) == 0) made.flags.emplace_back(flag);
    for (auto count = below(3); count > 0; --count) made.descriptors.push_back({next(), uuid()});
    return made;
  }

  std::mt19937 random_;
  std::uint16_t handle_ = 0;
};

// What else a read may bring, none of which belongs to the device's services.
void add_noise(GattObjects& objects, RandomDatabase& random) {
  const auto real = objects;
  for (auto& [at, object] : real) {
    auto& properties = objects.at(at).properties;
    if (random.below(4) == 0) properties["Value"] = Bytes{1, 2, 3};
    if (random.below(4) == 0) properties["MTU"] = std::uint16_t{23};
    if (object.interface == "org.bluez.GattDescriptor1") properties["Handle"] = std::uint16_t{0xbeef};
    if (object.interface == "org.bluez.GattService1") properties.erase("Handle");
    if (random.below(4) == 0) objects[kOther + at.substr(kDevice.size())] = object;
    if (random.below(4) == 0) objects[at + "0"] = object;
    if (random.below(4) == 0) objects[at + "/desc0001/desc0002"] = object;
    if (random.below(4) == 0) objects[kDevice + "/serviceFFFF" + at.substr(kDevice.size())] = object;
  }
  objects[kDevice] = {"org.bluez.Device1", {}};
}

TEST(GattTree, RandomDatabasesComeBackAsTheyWere) {
  std::size_t objects_in_all = 0;
  for (std::uint32_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomDatabase random{seed};
    const auto original = random();
    ASSERT_TRUE(well_formed(original));
    auto objects = objects_of(original, kDevice);
    ASSERT_EQ(objects.size(), names_of(original).size());
    ASSERT_TRUE(all_exist(original, objects, kDevice));
    ASSERT_EQ(database_of(objects, kDevice), original);
    objects_in_all += objects.size();
    add_noise(objects, random);
    ASSERT_EQ(database_of(objects, kDevice), original) << "with noise";
    ASSERT_EQ(difference(original, original), std::vector<std::string>{});
    const auto elsewhere = objects_of(original, kOther);
    ASSERT_EQ(database_of(elsewhere, kOther), original) << "whichever adapter it is read through";
    ASSERT_FALSE(all_exist(original, elsewhere, kDevice));
  }
  EXPECT_GT(objects_in_all, 400U * 10U) << "the databases are not trivial";
}

TEST(GattTree, EveryRandomChangeIsADifference) {
  for (std::uint32_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomDatabase random{seed};
    const auto before = random();
    const auto after = random.mutated(before);
    ASSERT_TRUE(well_formed(after));
    const auto there = difference(before, after);
    const auto back = difference(after, before);
    ASSERT_FALSE(there.empty());
    ASSERT_LE(there.size(), 2U) << "one object, or one in place of another";
    ASSERT_EQ(there.size(), back.size());
    ASSERT_EQ(database_of(objects_of(after, kDevice), kDevice), after);
  }
}

}  // namespace
}  // namespace bleconnd
