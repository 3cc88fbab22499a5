// What is remembered of the ways to a device, and when it is forgotten.
// Failures age, and the number of devices is bounded: anybody may ask for any address.
#include "core/route_memory.hpp"

#include <gtest/gtest.h>

#include <cstdio>

namespace bleconnd {
namespace {

using namespace std::chrono_literals;

const std::string kOne = "00:00:00:00:00:01", kTwo = "00:00:00:00:00:02";  // adapters
constexpr RouteMemory::Time kStart = RouteMemory::Time{} + std::chrono::hours{1};

DeviceAddress device(std::size_t number) {
  char text[18];
  std::snprintf(text, sizeof text, "C0:00:00:00:%02zX:%02zX", number / 256 % 256, number % 256);
  return *DeviceAddress::parse(text);
}

TEST(RouteMemory, CountsFailuresByDeviceAndAdapter) {
  RouteMemory memory;
  EXPECT_EQ(memory.failures(device(1), kOne, kStart), 0U);
  memory.failed(device(1), kOne, kStart);
  memory.failed(device(1), kOne, kStart);
  memory.failed(device(1), kTwo, kStart);
  EXPECT_EQ(memory.failures(device(1), kOne, kStart), 2U);
  EXPECT_EQ(memory.failures(device(1), kTwo, kStart), 1U);
  EXPECT_EQ(memory.failures(device(2), kOne, kStart), 0U);
}

TEST(RouteMemory, FailuresHaveALimitAndAnAge) {
  RouteMemory memory;
  for (int n = 0; n < 10; ++n) memory.failed(device(1), kOne, kStart);
  EXPECT_EQ(memory.failures(device(1), kOne, kStart), RouteMemory::kMaxFailures);
  EXPECT_EQ(memory.failures(device(1), kOne, kStart + RouteMemory::kRecent), RouteMemory::kMaxFailures);
  const auto later = kStart + RouteMemory::kRecent + 1s;
  EXPECT_EQ(memory.failures(device(1), kOne, later), 0U);
  memory.failed(device(1), kOne, later);
  EXPECT_EQ(memory.failures(device(1), kOne, later), 1U) << "the old ones do not come back";
}

TEST(RouteMemory, ALinkForgivesTheAdapterThatMadeIt) {
  RouteMemory memory;
  EXPECT_EQ(memory.last_adapter(device(1)), "");
  EXPECT_EQ(memory.last_path(device(1)), "");
  memory.failed(device(1), kOne, kStart);
  memory.failed(device(1), kTwo, kStart);
  EXPECT_EQ(memory.last_adapter(device(1)), "") << "a failure is no link";
  memory.succeeded(device(1), kTwo, "/org/bluez/hci1/dev", kStart);
  EXPECT_EQ(memory.failures(device(1), kOne, kStart), 1U);
  EXPECT_EQ(memory.failures(device(1), kTwo, kStart), 0U);
  EXPECT_EQ(memory.last_adapter(device(1)), kTwo);
  EXPECT_EQ(memory.last_path(device(1)), "/org/bluez/hci1/dev");
}

TEST(RouteMemory, ForgetsTheLeastRecentlyUsedDevice) {
  RouteMemory memory;
  for (std::size_t n = 0; n < RouteMemory::kMaxDevices; ++n)
    memory.succeeded(device(n), kOne, "path", kStart + std::chrono::seconds{n});
  const auto full = kStart + std::chrono::seconds{RouteMemory::kMaxDevices};
  memory.failed(device(0), kOne, full);  // used again: the oldest is now number 1
  memory.succeeded(device(5000), kOne, "path", full + 1s);
  EXPECT_EQ(memory.last_path(device(0)), "path");
  EXPECT_EQ(memory.last_path(device(1)), "");
  EXPECT_EQ(memory.last_path(device(2)), "path");
  EXPECT_EQ(memory.last_path(device(5000)), "path");
}

}  // namespace
}  // namespace bleconnd
