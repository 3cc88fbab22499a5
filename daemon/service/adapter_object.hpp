// /org/bleconnd/hciN: Adapter1 of one adapter, as the dial queue and its ledger of slots have it.
#pragma once
#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <string>
#include <vector>

#include "bleconnd_adaptor.hpp"
#include "procedures/radio.hpp"

namespace bleconnd {

class AdapterObject final : public sdbus::AdaptorInterfaces<org::bleconnd::Adapter1_adaptor> {
 public:
  AdapterObject(sdbus::IConnection& connection, const Radio& radio, const AdapterState& adapter);
  ~AdapterObject();

  const std::string& address() const { return address_; }
  void announce_changes();

 private:
  struct Values {
    std::uint32_t slots = 0, slots_free = 0;
    std::vector<std::string> allocated;
    std::string dialling;
    bool operator==(const Values&) const = default;
  };
  Values read() const;

  std::string Name() override { return name_; }
  std::string Address() override { return address_; }
  std::uint32_t Slots() override { return read().slots; }
  std::uint32_t SlotsFree() override { return read().slots_free; }
  std::vector<std::string> Allocated() override { return read().allocated; }
  std::string Dialling() override { return read().dialling; }
  std::vector<std::string> Queued() override;

  const Radio& radio_;
  std::string name_;
  std::string address_;
  Values told_;
};

}  // namespace bleconnd
