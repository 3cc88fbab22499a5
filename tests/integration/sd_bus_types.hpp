// Owning handles for sd-bus and sd-event objects, and one check for their return values.
// The harness uses plain sd-bus so that the daemon is judged by other code than its own bus library.
#pragma once

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace bleconnd::integration {

// Throws on a negative return value of systemd's libraries. Not for use inside their callbacks: those are C.
inline int checked(int result, const std::string& what) {
  if (result < 0) throw std::system_error(-result, std::generic_category(), what);
  return result;
}

struct CloseBus {
  void operator()(sd_bus* bus) const {
    sd_bus_close(bus);
    sd_bus_unref(bus);
  }
};
using Bus = std::unique_ptr<sd_bus, CloseBus>;

struct UnrefSlot {
  void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
};
using Slot = std::unique_ptr<sd_bus_slot, UnrefSlot>;

struct DisableSource {
  void operator()(sd_event_source* source) const { sd_event_source_disable_unref(source); }
};
using EventSource = std::unique_ptr<sd_event_source, DisableSource>;

// A counted reference to a message; a null one stands for "nobody waits for the answer".
class Message {
 public:
  Message() = default;
  explicit Message(sd_bus_message* borrowed) : message_(sd_bus_message_ref(borrowed)) {}
  Message(const Message& other) : message_(sd_bus_message_ref(other.message_)) {}
  Message(Message&& other) noexcept : message_(std::exchange(other.message_, nullptr)) {}
  Message& operator=(Message other) noexcept {
    std::swap(message_, other.message_);
    return *this;
  }
  ~Message() { sd_bus_message_unref(message_); }

  static Message owned(sd_bus_message* message) {
    Message taken;
    taken.message_ = message;
    return taken;
  }
  [[nodiscard]] sd_bus_message* get() const { return message_; }
  explicit operator bool() const { return message_ != nullptr; }

 private:
  sd_bus_message* message_ = nullptr;
};

inline std::string text_or_empty(const char* text) {
  return text == nullptr ? std::string{} : std::string{text};
}

}  // namespace bleconnd::integration
