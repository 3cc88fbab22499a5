// How many links an adapter was learned to hold, kept beyond this life of the daemon.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <string>

namespace bleconnd {

struct LearnedLimit {
  std::uint32_t limit = 0;
  std::chrono::seconds age{0};  // since it was learned
};

class SlotRecord {
 public:
  virtual ~SlotRecord() = default;
  virtual std::map<std::string, LearnedLimit> former() = 0;  // by Adapter1.Address
  virtual void learned(const std::string& adapter, std::uint32_t limit) = 0;
};

}  // namespace bleconnd
