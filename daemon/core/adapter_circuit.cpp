// Only failures that a healthy adapter would not have count.
#include "core/adapter_circuit.hpp"

#include <algorithm>

namespace bleconnd {
namespace {

// Not: devices that are away, adapters that are off or full, other programs' dials, devices that refuse.
bool blames_adapter(Cause cause) {
  switch (cause) {
    case Cause::dial_timeout_heard:
    case Cause::removed_heard_again:
    case Cause::aborted:
    case Cause::aborted_esp_medium:
    case Cause::aborted_esp_long:
    case Cause::no_link:
    case Cause::bluez_error:
      return true;
    default:
      return false;
  }
}

// The device was there, so its adapter works.
bool had_a_link(Cause cause) {
  return cause == Cause::link_lost || cause == Cause::services_incomplete || cause == Cause::key_missing ||
         cause == Cause::auth_failed;
}

}  // namespace

const AdapterCircuit::Row* AdapterCircuit::row(const std::string& adapter) const {
  const auto at = rows_.find(adapter);
  return at == rows_.end() ? nullptr : &at->second;
}

void AdapterCircuit::failed(const std::string& adapter, DeviceAddress device, Cause cause, Time now) {
  if (had_a_link(cause)) return close(adapter);
  if (!blames_adapter(cause)) return;
  auto& row = rows_[adapter];
  ++row.failures;
  if (row.devices.size() < kMostDevices) row.devices.insert(device);
  constexpr std::uint32_t enough = 2;  // 30 s x 2^2 is kMostPause
  const auto beyond = row.failures > kOpenAfter ? row.failures - kOpenAfter : 0;
  row.tried = now;
  row.due = now + std::min<std::chrono::seconds>(kPause * (1U << std::min(beyond, enough)), kMostPause);
}

void AdapterCircuit::tried(const std::string& adapter, Time now) {
  const auto at = rows_.find(adapter);
  if (at == rows_.end()) return;
  at->second.tried = now;
  at->second.due = std::max(at->second.due, now + kPause);
}

void AdapterCircuit::heard(const std::string& adapter, Time now) {
  const auto at = rows_.find(adapter);
  if (at == rows_.end()) return;
  auto& row = at->second;
  row.due = std::min(row.due, std::max(now, row.tried + kPause));
}

bool AdapterCircuit::is_open(const std::string& adapter) const {
  const auto* its = row(adapter);
  return its && its->failures >= kOpenAfter && its->devices.size() >= kDevices;
}

AdapterCircuit::Time AdapterCircuit::due(const std::string& adapter) const {
  const auto* its = row(adapter);
  return its ? its->due : Time{};
}

std::uint32_t AdapterCircuit::failures(const std::string& adapter) const {
  const auto* its = row(adapter);
  return its ? its->failures : 0;
}

std::size_t AdapterCircuit::devices(const std::string& adapter) const {
  const auto* its = row(adapter);
  return its ? its->devices.size() : 0;
}

}  // namespace bleconnd
