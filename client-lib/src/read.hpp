// Answers of the daemon, read member by member.
#pragma once
#include <systemd/sd-bus.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bleconn/bleconn.hpp"

namespace bleconn {

// One variant of a basic type, or an array of strings; anything else is empty.
class Value {
 public:
  static bool read(sd_bus_message* message, Value& value);  // the variant that stands next
  const std::string& text() const { return text_; }
  std::int64_t number() const { return number_; }
  bool is_true() const { return number_ != 0; }
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::string text_;
  std::int64_t number_ = 0;
  std::vector<std::string> texts_;
};

// a{sv}; false: it is none.
template <class Take>
bool for_each_entry(sd_bus_message* message, Take take) {
  if (sd_bus_message_enter_container(message, 'a', "{sv}") <= 0) return false;
  while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
    const char* key{};
    Value value;
    if (sd_bus_message_read_basic(message, 's', &key) <= 0 || !Value::read(message, value)) return false;
    take(std::string{key}, std::move(value));
    if (sd_bus_message_exit_container(message) < 0) return false;
  }
  return sd_bus_message_exit_container(message) >= 0;
}

// The answer of GetServices.
class Reader {
 public:
  static bool services(sd_bus_message* message, Services& services);
};

}  // namespace bleconn
