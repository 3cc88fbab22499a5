// bleconnctl connect.
#pragma once
#include <string>

#include "print.hpp"

namespace bleconnctl {

struct ConnectRequest {
  std::string host;
  std::string address;
  bleconn::Options options;
  bool hold = false;  // until a signal ends it
  bool wait = true;
};
// Exit code.
int connect(const Style& style, const ConnectRequest& request);

}  // namespace bleconnctl
