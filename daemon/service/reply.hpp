// The answer that a D-Bus caller still waits for, as a token: it is given once, and dropping it unanswered
// answers too.
#pragma once
#include <sdbus-c++/sdbus-c++.h>

#include <optional>
#include <string>
#include <utility>

#include "core/refusal.hpp"
#include "system/sd_handles.hpp"
#include "system/sdbus_compat.hpp"

namespace bleconnd {

// Emits signals. When the bus has gone nobody listens, and the service ends: no reason to throw out of a
// destructor.
template <class Emit>
void tell(Emit emit) noexcept {
  try {
    emit();
  } catch (const sdbus::Error&) {
  }
}

template <class... Results>
class Reply {
 public:
  explicit Reply(sdbus::Result<Results...>&& result) : result_{std::move(result)} {}
  Reply(Reply&& other) noexcept : result_{std::exchange(other.result_, std::nullopt)} {}
  Reply& operator=(Reply&&) = delete;
  ~Reply() {
    if (result_) refuse_with(refuse({Cause::stopping, {}}));
  }

  void answer(const Results&... results) {
    auto result = take();
    try {
      result.returnResults(results...);
    } catch (const sdbus::Error&) {  // the connection is closing: nobody is there to be told
    }
  }
  // `write` appends the results to the message.
  template <class Write>
  void answer_written(sd_bus_message* call, Write write) {
    (void)take();
    sd_bus_message* made{};
    if (sd_bus_message_new_method_return(call, &made) < 0) return;
    const BusMessage answer{made};
    write(made);
    sd_bus_send(sd_bus_message_get_bus(call), made, nullptr);  // a bus that is closing: nobody is there
  }
  void refuse_with(const Refusal& refusal) {
    auto result = take();
    try {
      result.returnError(
          bus::error(std::string{error_name(refusal.category)}.c_str(), refusal.message.c_str()));
    } catch (const sdbus::Error&) {
    }
  }

 private:
  sdbus::Result<Results...> take() {
    auto result = std::move(*result_);
    result_.reset();
    return result;
  }
  std::optional<sdbus::Result<Results...>> result_;
};

}  // namespace bleconnd
