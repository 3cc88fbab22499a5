// ports::SlotRecord as a file in the state directory: one line an adapter, its limit and when it was learned.
#pragma once
#include <map>
#include <string>

#include "ports/slot_record.hpp"
#include "system/line_log.hpp"

namespace bleconnd {

class SlotRecordFile final : public SlotRecord {
 public:
  SlotRecordFile(const std::string& state, const Journal& journal);  // a directory; empty: nothing is kept

  std::map<std::string, LearnedLimit> former() override;
  void learned(const std::string& adapter, std::uint32_t limit) override;

 private:
  const Journal& journal_;
  LineLog lines_;
};

}  // namespace bleconnd
