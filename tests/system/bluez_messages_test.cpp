// BlueZ's messages as values: every type that they have, types that they should not have, sizes beyond the
// limits. The messages are made by hand; no bus is needed.
#include "system/bluez_messages.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "system/bluez_paths.hpp"

namespace bleconnd {
namespace {

using ::testing::IsEmpty;

class Message {
 public:
  Message() {
    sd_bus_new(&bus_);
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    other_ = pair[1];
    sd_bus_set_fd(bus_, pair[0], pair[0]);
    sd_bus_start(bus_);
    sd_bus_message_new_signal(bus_, &message_, "/", "a.b", "C");
  }
  ~Message() {
    sd_bus_message_unref(message_);
    sd_bus_close_unref(bus_);
    close(other_);
  }
  template <class... Args>
  Message& with(const char* types, Args... args) {
    EXPECT_GE(sd_bus_message_append(message_, types, args...), 0) << types;
    return *this;
  }
  sd_bus_message* read() {
    EXPECT_GE(sd_bus_message_seal(message_, 1, 0), 0);
    EXPECT_GE(sd_bus_message_rewind(message_, 1), 0);
    return message_;
  }
  sd_bus_message* get() { return message_; }

 private:
  sd_bus* bus_{};
  sd_bus_message* message_{};
  int other_ = -1;
};

TEST(BluezMessages, DevicePropertiesOfAnyShape) {
  Message message;
  message.with("a{sv}", 9, "Address", "s", "AA:BB:CC:DD:EE:FF", "RSSI", "n", -60, "Connected", "b", 1,
               "ManufacturerData", "a{qv}", 1, 76, "ay", 2, 1, 2, "UUIDs", "as", 2, "x", "y", "Paired", "s",
               "wrong", "Icon", "(sa{sv}v)", "i", 0, "v", "s", "deep", "Trusted", "b", 0, "ServicesResolved",
               "b", 1);
  DeviceProperties properties;
  ASSERT_TRUE(read_properties(message.read(), properties));
  EXPECT_EQ(properties.address, "AA:BB:CC:DD:EE:FF");
  EXPECT_EQ(properties.rssi, std::int16_t{-60});
  EXPECT_EQ(properties.connected, true);
  EXPECT_EQ(properties.trusted, false);
  EXPECT_EQ(properties.services_resolved, true);
  EXPECT_FALSE(properties.paired.has_value());
  EXPECT_TRUE(properties.reported);
}

TEST(BluezMessages, GattObjectsKeepEveryTypeOfTheirs) {
  Message message;
  message.with("a{sa{sv}}", 3, "org.freedesktop.DBus.Properties", 0, "org.bluez.GattCharacteristic1", 8,
               "UUID", "s", "0000", "Service", "o", "/a/b", "Value", "ay", 3, 1, 2, 3, "Notifying", "b", 1,
               "Flags", "as", 2, "read", "write", "MTU", "q", 517, "Includes", "ao", 1, "/x", "Odd", "d", 1.5,
               "org.example.Other", 1, "K", "v", "a{sv}", 0);
  ObjectInterfaces interfaces;
  ASSERT_TRUE(read_interfaces(message.read(), interfaces));
  ASSERT_TRUE(interfaces.gatt);
  EXPECT_FALSE(interfaces.device || interfaces.adapter);
  auto& properties = interfaces.gatt->properties;
  EXPECT_EQ(properties.size(), 7u);
  EXPECT_EQ(std::get<std::string>(properties["UUID"]), "0000");
  EXPECT_EQ(std::get<ObjectPathText>(properties["Service"]).text, "/a/b");
  EXPECT_EQ(std::get<std::vector<std::uint8_t>>(properties["Value"]).size(), 3u);
  EXPECT_EQ(std::get<bool>(properties["Notifying"]), true);
  EXPECT_EQ(std::get<std::vector<std::string>>(properties["Flags"])[1], "write");
  EXPECT_EQ(std::get<std::uint16_t>(properties["MTU"]), 517);
  EXPECT_EQ(std::get<std::vector<ObjectPathText>>(properties["Includes"])[0].text, "/x");
}

TEST(BluezMessages, LimitsHold) {
  Message message;
  auto* m = message.get();
  const std::string text(5000, 'x');
  const std::vector<std::uint8_t> bytes(5000, 7);
  sd_bus_message_open_container(m, 'a', "{sv}");
  sd_bus_message_append(m, "{sv}", "UUID", "s", text.c_str());
  sd_bus_message_open_container(m, 'e', "sv");
  sd_bus_message_append(m, "s", "Value");
  sd_bus_message_open_container(m, 'v', "ay");
  sd_bus_message_append_array(m, 'y', bytes.data(), bytes.size());
  sd_bus_message_close_container(m);
  sd_bus_message_close_container(m);
  for (int each = 0; each < 300; ++each)
    sd_bus_message_append(m, "{sv}", ("K" + std::to_string(each)).c_str(), "b", 1);
  sd_bus_message_close_container(m);
  Message whole;
  sd_bus_message_open_container(whole.get(), 'a', "{sa{sv}}");
  sd_bus_message_open_container(whole.get(), 'e', "sa{sv}");
  sd_bus_message_append(whole.get(), "s", "org.bluez.GattDescriptor1");
  sd_bus_message_copy(whole.get(), message.read(), 1);
  sd_bus_message_close_container(whole.get());
  sd_bus_message_close_container(whole.get());
  ObjectInterfaces interfaces;
  ASSERT_TRUE(read_interfaces(whole.read(), interfaces));
  EXPECT_FALSE(interfaces.gatt->properties.contains("UUID"));
  EXPECT_EQ(std::get<std::vector<std::uint8_t>>(interfaces.gatt->properties["Value"]).size(), 512u);
  EXPECT_LE(interfaces.gatt->properties.size(), 64u);
}

TEST(BluezMessages, OtherSignaturesAreRefused) {
  const char* const shapes[] = {"s", "u", "as", "a{ss}", "a{sa{ss}}", "(sv)", "v"};
  for (const auto* shape : shapes) {
    Message message;
    if (std::string{shape} == "s") message.with("s", "x");
    if (std::string{shape} == "u") message.with("u", 7);
    if (std::string{shape} == "as") message.with("as", 1, "x");
    if (std::string{shape} == "a{ss}") message.with("a{ss}", 1, "x", "y");
    if (std::string{shape} == "a{sa{ss}}") message.with("a{sa{ss}}", 1, "x", 1, "y", "z");
    if (std::string{shape} == "(sv)") message.with("(sv)", "x", "s", "y");
    if (std::string{shape} == "v") message.with("v", "s", "y");
    auto* m = message.read();
    DeviceProperties device;
    EXPECT_FALSE(read_properties(m, device)) << shape;
    sd_bus_message_rewind(m, 1);
    ObjectInterfaces interfaces;
    EXPECT_FALSE(read_interfaces(m, interfaces)) << shape;
    sd_bus_message_rewind(m, 1);
    RemovedInterfaces removed;
    EXPECT_EQ(read_removed(m, removed), std::string{shape} == "as") << shape;
    sd_bus_message_rewind(m, 1);
    EXPECT_FALSE(for_each_object(m, [&](std::string_view) { return skip_interfaces(m); })) << shape;
  }
}

TEST(BluezMessages, Paths) {
  EXPECT_EQ(adapter_index("/org/bluez/hci0"), 0u);
  EXPECT_EQ(adapter_index("/org/bluez/hci12"), 12u);
  for (const auto* bad : {"", "/", "/org/bluez/hci", "/org/bluez/hci01", "/org/bluez/hci-1",
                          "/org/bluez/hci0/", "/org/bluez/hci99999", "/org/bluez/hcix", "/org/bluezhci0"})
    EXPECT_FALSE(adapter_index(bad)) << bad;
  EXPECT_EQ(adapter_part("/org/bluez/hci10/dev_X/service0001"), "/org/bluez/hci10");
  EXPECT_EQ(device_part("/org/bluez/hci10/dev_X/service0001/char0002"), "/org/bluez/hci10/dev_X");
  EXPECT_EQ(device_part("/org/bluez/hci10/dev_X"), "/org/bluez/hci10/dev_X");
  for (const auto* bad :
       {"", "/", "/org/bluez/hci0", "/org/bluez/hci0/player0", "/org/bluez/x/dev_X", "/evil/dev_X"})
    EXPECT_EQ(device_part(bad), "") << bad;
  EXPECT_THAT(
      adapter_names(
          "<node><interface name=\"x\"/><node name=\"hci0\"/><node name=\"test\"/><node name=\"hci11\">"),
      ::testing::ElementsAre("hci0", "hci11"));
  EXPECT_THAT(adapter_names("<node name=\""), IsEmpty());
  EXPECT_THAT(adapter_names(""), IsEmpty());
}

}  // namespace
}  // namespace bleconnd
