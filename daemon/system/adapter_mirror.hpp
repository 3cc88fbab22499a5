// bluetoothd and its adapters as BlueZ's signals and answers tell of them, kept as the one value
// ports::Stack. An adapter is listed once its address is known. Each function says whether the value has
// changed.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "ports/bluez.hpp"
#include "system/bluez_messages.hpp"

namespace bleconnd {

class AdapterMirror {
 public:
  const Stack& stack() const { return stack_; }

  void owner_is(std::string owner);  // empty: none; either way nothing is known of it yet
  void explored() { stack_.explored = true; }

  // A full set of properties. No valid address: not taken.
  bool found(std::string_view path, const AdapterProperties& properties);
  bool changed(std::string_view path, const AdapterProperties& properties);
  bool removed(std::string_view path);
  bool lists(std::string_view path) const;

 private:
  AdapterState* find(std::string_view path);
  void set_power(AdapterState& adapter, bool powered);

  Stack stack_;
  std::uint64_t epochs_ = 0;
};

}  // namespace bleconnd
