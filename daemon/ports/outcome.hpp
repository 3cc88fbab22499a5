// Outcome<T>: a value or a Failure. A stopped wait is the failure `cancelled`.
#pragma once
#include <optional>
#include <utility>
#include <variant>

#include "async/pending.hpp"
#include "async/task.hpp"
#include "core/failure.hpp"

namespace bleconnd {

template <class T = Unit>
class [[nodiscard]] Outcome {
 public:
  Outcome(T value) : state_{std::in_place_index<0>, std::move(value)} {}
  Outcome(Failure failure) : state_{std::in_place_index<1>, std::move(failure)} {}
  Outcome(Cause cause) : Outcome{Failure{cause, {}}} {}
  Outcome(Stopped) : Outcome{Cause::cancelled} {}

  bool ok() const { return state_.index() == 0; }
  T& value() { return std::get<0>(state_); }
  const T& value() const { return std::get<0>(state_); }
  const Failure& failure() const { return std::get<1>(state_); }
  bool failed_by(Cause cause) const { return !ok() && failure().cause == cause; }

 private:
  std::variant<T, Failure> state_;
};

}  // namespace bleconnd
