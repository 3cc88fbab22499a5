// When an adapter is said to fail, and how rarely it is tried then.
#include "core/adapter_circuit.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
using std::chrono::seconds;

const std::string kAdapter = "00:00:00:00:00:A0";

AdapterCircuit::Time at(seconds since) {
  return AdapterCircuit::Time{} + 1h + since;
}

DeviceAddress device(int number) {
  return *DeviceAddress::parse("AA:00:00:00:00:0" + std::to_string(number));
}

AdapterCircuit after(int failures, int devices, Cause cause = Cause::dial_timeout_heard) {
  AdapterCircuit circuit;
  for (int i = 0; i < failures; ++i) circuit.failed(kAdapter, device(i % devices), cause, at(0s));
  return circuit;
}

TEST(AdapterCircuit, OpensAfterFiveFailuresOfThreeDevices) {
  EXPECT_FALSE(AdapterCircuit{}.is_open(kAdapter));
  EXPECT_FALSE(after(4, 3).is_open(kAdapter));
  EXPECT_TRUE(after(5, 3).is_open(kAdapter));
  EXPECT_FALSE(after(50, 2).is_open(kAdapter));
}

TEST(AdapterCircuit, CountsWhatAWorkingAdapterWouldNotDo) {
  for (int i = 0; i < kCauses; ++i) {
    const auto cause = static_cast<Cause>(i);
    const Cause blamed[] = {Cause::dial_timeout_heard, Cause::removed_heard_again, Cause::aborted,
                            Cause::aborted_esp_medium, Cause::aborted_esp_long,    Cause::no_link,
                            Cause::bluez_error};
    EXPECT_EQ(after(5, 3, cause).is_open(kAdapter), std::ranges::count(blamed, cause) == 1) << i;
  }
}

TEST(AdapterCircuit, IsClosedByALinkWhateverBecameOfIt) {
  for (const auto cause :
       {Cause::link_lost, Cause::services_incomplete, Cause::key_missing, Cause::auth_failed}) {
    auto circuit = after(7, 3);
    circuit.failed(kAdapter, device(0), cause, at(0s));
    EXPECT_EQ(circuit.failures(kAdapter), 0U);
  }
  auto circuit = after(7, 3);
  circuit.close(kAdapter);
  EXPECT_FALSE(circuit.is_open(kAdapter));
}

TEST(AdapterCircuit, IsTriedEverMoreRarely) {
  auto circuit = after(5, 3);
  seconds pauses[] = {30s, 60s, 120s, 120s};
  for (const auto pause : pauses) {
    EXPECT_EQ(circuit.due(kAdapter), at(pause));
    EXPECT_TRUE(circuit.blocks(kAdapter, at(pause - 1s)));
    EXPECT_FALSE(circuit.blocks(kAdapter, at(pause)));
    circuit.failed(kAdapter, device(0), Cause::aborted, at(0s));
  }
}

TEST(AdapterCircuit, ATryCountsFromItsBeginning) {
  auto circuit = after(5, 3);
  circuit.tried(kAdapter, at(30s));
  EXPECT_TRUE(circuit.blocks(kAdapter, at(59s))) << "no second one before the first has failed";
  circuit.failed(kAdapter, device(0), Cause::aborted, at(50s));
  EXPECT_EQ(circuit.due(kAdapter), at(110s));
}

TEST(AdapterCircuit, KnowsNothingOfAnAdapterWhereNothingFailed) {
  AdapterCircuit circuit;
  circuit.tried(kAdapter, at(30s));
  EXPECT_EQ(circuit.due(kAdapter), AdapterCircuit::Time{});
  EXPECT_EQ(circuit.failures(kAdapter), 0U);
  EXPECT_EQ(circuit.devices(kAdapter), 0U);
  EXPECT_FALSE(circuit.blocks(kAdapter, at(0s)));
}

TEST(AdapterCircuit, RemembersABoundedNumberOfDevices) {
  AdapterCircuit circuit;
  for (int i = 10; i < 90; ++i)
    circuit.failed(kAdapter, *DeviceAddress::parse("AA:00:00:00:00:" + std::to_string(i)), Cause::aborted,
                   at(0s));
  EXPECT_EQ(circuit.failures(kAdapter), 80U);
  EXPECT_EQ(circuit.devices(kAdapter), 64U);
}

TEST(AdapterCircuit, SomebodyHeardThereIsWorthATryOnceInHalfAMinute) {
  auto circuit = after(9, 3);
  circuit.heard(kAdapter, at(5s));
  EXPECT_EQ(circuit.due(kAdapter), at(30s));
  circuit = after(9, 3);
  circuit.heard(kAdapter, at(50s));
  EXPECT_EQ(circuit.due(kAdapter), at(50s));
  circuit.heard("00:00:00:00:00:B0", at(50s));
}

}  // namespace
}  // namespace bleconnd
