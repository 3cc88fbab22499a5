// The answer that a D-Bus caller still waits for, as a token: it is given once, and dropping it unanswered
// answers too.
#pragma once
#include <sdbus-c++/sdbus-c++.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "core/refusal.hpp"
#include "ports/log.hpp"
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
  // `method`: for the log, where an answer cannot be written.
  Reply(sdbus::Result<Results...>&& result, const Log& log, const char* method)
      : log_{log}, method_{method}, result_{std::move(result)} {}
  Reply(Reply&& other) noexcept
      : log_{other.log_}, method_{other.method_}, result_{std::exchange(other.result_, std::nullopt)} {}
  Reply& operator=(Reply&&) = delete;
  ~Reply() {
    if (result_) refuse_with(refuse({Cause::stopping, {}}));
  }

  void answer(const Results&... results) {
    answer_made([&] { return std::tie(results...); });
  }
  // `make` gives a tuple of the results. Making one can fail as writing it can: a variant is written at once.
  template <class Make>
  void answer_made(Make make) {
    auto result = take();
    try {
      std::apply([&](const auto&... results) { result.returnResults(results...); }, make());
    } catch (const sdbus::Error& error) {
      failed(result, error.getMessage());
    }
  }
  // `write` appends the results to the message: those of `signature`. It returns a negative errno where one
  // of them was refused: sd-bus would send the rest, and the bus would close our connection for it.
  template <class Write>
  void answer_written(sd_bus_message* call, std::string_view signature, Write write) {
    auto result = take();
    sd_bus_message* made{};
    int error = sd_bus_message_new_method_return(call, &made);
    const BusMessage answer{made};
    if (error >= 0) error = write(made);
    if (error >= 0 && sd_bus_message_get_signature(made, 1) != signature) error = -EINVAL;
    // One whose containers are still open, because something in them was refused, is not sent either.
    if (error >= 0) error = sd_bus_send(sd_bus_message_get_bus(call), made, nullptr);
    if (error < 0) failed(result, std::strerror(-error));
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
  // The caller would wait for its time-out. On a connection that is closing nobody is there to be told, and
  // nothing is wrong.
  void failed(sdbus::Result<Results...>& result, const std::string& why) {
    try {
      result.returnError(bus::error(SD_BUS_ERROR_FAILED, "internal: the answer cannot be written (" + why +
                                                             "); see the journal: journalctl -u bleconnd"));
    } catch (const sdbus::Error&) {
      return;
    }
    log_.write(LogLevel::error, std::string{method_} + ": the answer cannot be written: " + why);
  }

  const Log& log_;
  const char* method_;
  std::optional<sdbus::Result<Results...>> result_;
};

}  // namespace bleconnd
