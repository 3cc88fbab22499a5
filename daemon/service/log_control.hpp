// /org/freedesktop/LogControl1: how much is logged, changed while the daemon runs.
#pragma once
#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <functional>
#include <string>

#include "freedesktop.LogControl1_adaptor.hpp"
#include "ports/log.hpp"

namespace bleconnd {

class LogControl final : public sdbus::AdaptorInterfaces<org::freedesktop::LogControl1_adaptor> {
 public:
  using UidOf = std::function<std::uint32_t(const sdbus::Message& call)>;

  LogControl(sdbus::IConnection& connection, LeveledLog& log, UidOf uid_of);
  ~LogControl();

 private:
  std::string LogLevel() override;
  void LogLevel(const std::string& level) override;
  std::string LogTarget() override { return log_.target(); }
  void LogTarget(const std::string& target) override;
  std::string SyslogIdentifier() override { return "bleconnd"; }
  void root_only();

  LeveledLog& log_;
  UidOf uid_of_;
};

}  // namespace bleconnd
