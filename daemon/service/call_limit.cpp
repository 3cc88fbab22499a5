// sd-bus tells no size of a message, so its arguments are walked, in place and no further than the limit. A
// string is looked through by sd-bus before its length is known: some 10 ms for 32 MiB.
#include "service/call_limit.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <cstring>

namespace bleconnd {
namespace {

constexpr std::size_t kEach = 8;  // of any argument: a number, or what a string or an array has beside itself

enum class Size { fits, too_large, unreadable };

class Walk {
 public:
  explicit Walk(sd_bus_message* call) : call_{call} {}

  Size rest() {
    char type{};
    const char* contents{};
    int more = 0;
    while ((more = sd_bus_message_peek_type(call_, &type, &contents)) > 0) {
      const auto size = contents ? inside(type, contents) : basic(type);
      if (size != Size::fits) return size;
    }
    return more < 0 ? Size::unreadable : Size::fits;
  }

 private:
  // sd-bus enters 128 containers and no more.
  Size inside(char type, const char* contents) {
    if (!takes(kEach)) return Size::too_large;
    if (sd_bus_message_enter_container(call_, type, contents) < 0) return Size::unreadable;
    const auto size = rest();
    if (size != Size::fits) return size;
    return sd_bus_message_exit_container(call_) < 0 ? Size::unreadable : Size::fits;
  }

  Size basic(char type) {
    union {
      const char* text;
      std::uint64_t number;
    } value{};
    if (sd_bus_message_read_basic(call_, type, &value) < 0) return Size::unreadable;
    const bool is_text =
        type == SD_BUS_TYPE_STRING || type == SD_BUS_TYPE_OBJECT_PATH || type == SD_BUS_TYPE_SIGNATURE;
    return takes(kEach + (is_text ? std::strlen(value.text) : 0)) ? Size::fits : Size::too_large;
  }

  bool takes(std::size_t bytes) {
    taken_ += bytes;
    return taken_ <= CallLimit::kMostBytes;
  }

  sd_bus_message* call_;
  std::size_t taken_ = 0;
};

}  // namespace

CallLimit::CallLimit(sd_bus* bus) {
  sd_bus_slot* slot{};
  must(sd_bus_add_filter(bus, &slot, on_message, this), "sd_bus_add_filter");
  slot_.reset(slot);
}

// What cannot be read is left to who wants to read it, and to his complaint: it is met before what is behind.
int CallLimit::on_message(sd_bus_message* message, void*, sd_bus_error*) {
  if (sd_bus_message_is_method_call(message, nullptr, nullptr) <= 0) return 0;
  const auto size = Walk{message}.rest();
  sd_bus_message_rewind(message, 1);
  if (size != Size::too_large) return 0;
  const auto text =
      fmt::format("invalid: the arguments take more than {} KiB; leave out or shorten what is that long",
                  kMostBytes / 1024);
  sd_bus_reply_method_errorf(message, SD_BUS_ERROR_INVALID_ARGS, "%s", text.c_str());
  return 1;
}

}  // namespace bleconnd
