// ports::DialRecord as a file in the runtime directory, which outlives this process but not the host's
// uptime. Entries count for one message bus and one bluetoothd: another bus gives out the same unique names
// again.
#pragma once
#include <map>
#include <string>

#include "ports/dial_record.hpp"
#include "system/line_log.hpp"

namespace bleconnd {

class DialRecordFile final : public DialRecord {
 public:
  // `directory`: $RUNTIME_DIRECTORY; empty: nothing is kept. `bus`: the bus' own id.
  DialRecordFile(const std::string& directory, const std::string& bus, const Journal& journal);

  void dialling(const std::string& owner, const std::string& path) override;
  void linked(const std::string& path) override;
  // Of this life; where it has none, what a former life left, which whoever says so has taken back or taken
  // over.
  void ended(const std::string& path) override;
  void outlived(const std::string& path) override;
  void cleared(const std::string& path) override;
  std::vector<std::string> left_behind() const override;
  bool dial_left_behind(const std::string& owner, const std::string& path) const override;
  // Also where the former life saw only its dial: the link can have come up since.
  bool link_left_behind(const std::string& owner, const std::string& path) const override;

 private:
  struct Dial {
    std::string owner;
    bool linked = false;
  };
  using Dials = std::map<std::string, Dial>;  // by path

  void forget_others(Dials& dials, const std::string& owner);
  void keep(const std::string& path);

  LineLog lines_;
  Dials own_;
  Dials former_;
};

// $RUNTIME_DIRECTORY, the first one if it lists several; empty if it is not set.
std::string runtime_directory();

}  // namespace bleconnd
