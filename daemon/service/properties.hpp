// Writes the entries of an a{sv} into a message. What sdbus-c++ has for that, a map of its variants, makes a
// message of its own of each value.
#pragma once
#include <systemd/sd-bus.h>

#include <cstdint>
#include <string>

namespace bleconnd {

// What `write` appends has this type.
template <class Write>
void write_property(sd_bus_message* to, const char* name, const char* type, Write write) {
  sd_bus_message_open_container(to, 'e', "sv");
  sd_bus_message_append_basic(to, 's', name);
  sd_bus_message_open_container(to, 'v', type);
  write();
  sd_bus_message_close_container(to);
  sd_bus_message_close_container(to);
}

inline void text_property(sd_bus_message* to, const char* name, const std::string& value, char type = 's') {
  const char signature[] = {type, '\0'};
  write_property(to, name, signature, [&] { sd_bus_message_append_basic(to, type, value.c_str()); });
}

inline void flag_property(sd_bus_message* to, const char* name, bool value) {
  const int truth = value;
  write_property(to, name, "b", [&] { sd_bus_message_append_basic(to, 'b', &truth); });
}

inline void number_property(sd_bus_message* to, const char* name, std::uint32_t value) {
  write_property(to, name, "u", [&] { sd_bus_message_append_basic(to, 'u', &value); });
}

inline void number_property(sd_bus_message* to, const char* name, std::uint64_t value) {
  write_property(to, name, "t", [&] { sd_bus_message_append_basic(to, 't', &value); });
}

}  // namespace bleconnd
