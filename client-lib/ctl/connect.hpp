// bleconnctl connect.
#pragma once
#include <string>

#include "arguments.hpp"

namespace bleconnctl {

struct ConnectRequest {
  std::string address;
  bleconn::Options options;  // what is not given on the command line is not set
  bool hold = false;         // until a signal ends it
};
// Exit code.
int connect(const Style& style, const std::string& host, const ConnectRequest& request);

void add_connect(CLI::App& app, Global& global);

}  // namespace bleconnctl
