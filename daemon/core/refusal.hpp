// The answer to a caller that does not get what it asked for: the category that is the D-Bus error name, the
// token, and the whole message.
#pragma once
#include <string>

#include "core/failure.hpp"

namespace bleconnd {

struct Refusal {
  Category category;
  std::string token;
  std::string message;  // `token: what happened (failure n of m, seconds, cause); what to do`
};

inline Refusal refuse(const Failure& failure, const Report& report = {}) {
  const auto& shown = row(report.last.value_or(failure.cause));  // as message() does
  return {row(failure.cause).category, std::string{shown.token}, message(failure, report)};
}

}  // namespace bleconnd
