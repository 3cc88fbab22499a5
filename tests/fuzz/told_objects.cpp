// From text to message. sd-bus refuses to append what no message may hold; such an input is passed over.
#include "told_objects.hpp"

#include <sys/socket.h>

#include <cstdint>
#include <cstdlib>

namespace bleconnd::fuzz {
namespace {

std::string_view cut(std::string_view& text, char end) {
  const auto at = text.find(end);
  const auto part = text.substr(0, at);
  text.remove_prefix(at == text.npos ? text.size() : at + 1);
  return part;
}

std::string_view known_type(std::string_view type) {
  static constexpr std::string_view kTypes[] = {"b", "y", "n", "q", "i", "u",  "x",  "t",
                                                "d", "o", "g", "m", "v", "as", "ao", "ay"};
  for (const auto each : kTypes)
    if (each == type) return type;
  return "s";
}

// A bus that goes nowhere: messages are made of one.
sd_bus* bus_of_messages() {
  static sd_bus* bus = [] {
    sd_bus* made = nullptr;
    int ends[2];
    if (sd_bus_new(&made) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) std::abort();
    if (sd_bus_set_fd(made, ends[0], ends[0]) < 0 || sd_bus_start(made) < 0) std::abort();
    return made;
  }();
  return bus;
}

}  // namespace

std::vector<ToldObject> told_objects(std::string_view text) {
  std::vector<ToldObject> objects;
  while (!text.empty()) {
    auto line = cut(text, '\n');
    line = line.substr(0, line.find('\0'));
    if (line.starts_with('/') || objects.empty()) objects.push_back({});
    auto& object = objects.back();
    if (line.starts_with('/')) {
      object.path = line;
      continue;
    }
    if (line.starts_with('@') || object.interfaces.empty()) object.interfaces.push_back({});
    if (line.starts_with('@')) {
      object.interfaces.back().name = line.substr(1);
      continue;
    }
    ToldProperty property;
    property.key = cut(line, ' ');
    property.type = known_type(cut(line, ' '));
    property.value = line;
    object.interfaces.back().properties.push_back(std::move(property));
  }
  return objects;
}

Message::Message() {
  if (sd_bus_message_new_signal(bus_of_messages(), &message_, "/", "a.b", "C") < 0) std::abort();
}

Message::~Message() {
  sd_bus_message_unref(message_);
}

void Message::append_list(char type, const std::string& values) {
  const char contents[] = {type, 0};
  check(sd_bus_message_open_container(message_, 'a', contents));
  std::string_view left{values};
  while (made_ && !left.empty()) {
    const std::string each{cut(left, ',')};
    check(sd_bus_message_append_basic(message_, type, each.c_str()));
  }
  if (made_) check(sd_bus_message_close_container(message_));
}

void Message::append_bytes(const std::string& value) {
  check(sd_bus_message_append_array(message_, 'y', value.data(), value.size()));
}

void Message::append_map(const std::string& value) {
  check(sd_bus_message_append(message_, "a{qv}", 1, 76, "y", static_cast<int>(value.size() & 0xFF)));
}

void Message::append(const ToldProperty& property) {
  const auto& type = property.type;
  const auto number = static_cast<std::uint64_t>(std::strtoll(property.value.c_str(), nullptr, 10));
  const auto variant = [&](const char* signature, auto fill) {
    check(sd_bus_message_open_container(message_, 'v', signature));
    if (made_) fill();
    if (made_) check(sd_bus_message_close_container(message_));
  };
  if (type.size() == 1 && std::string_view{"bynqiuxt"}.find(type[0]) != std::string_view::npos) {
    // A truth is an int of 0 or 1. The others are read from the low bytes, as the machine has them.
    const std::uint64_t value = type == "b" ? number & 1 : number;
    return variant(type.c_str(), [&] { check(sd_bus_message_append_basic(message_, type[0], &value)); });
  }
  if (type == "d") {
    const double value = std::strtod(property.value.c_str(), nullptr);
    return variant("d", [&] { check(sd_bus_message_append_basic(message_, 'd', &value)); });
  }
  if (type == "o" || type == "g")
    return variant(type.c_str(),
                   [&] { check(sd_bus_message_append_basic(message_, type[0], property.value.c_str())); });
  if (type == "as" || type == "ao")
    return variant(type.c_str(), [&] { append_list(type[1], property.value); });
  if (type == "ay") return variant("ay", [&] { append_bytes(property.value); });
  if (type == "m") return variant("a{qv}", [&] { append_map(property.value); });
  if (type == "v")
    return variant("v", [&] { check(sd_bus_message_append(message_, "v", "s", property.value.c_str())); });
  variant("s", [&] { check(sd_bus_message_append_basic(message_, 's', property.value.c_str())); });
}

void Message::append(const std::vector<ToldProperty>& properties) {
  check(sd_bus_message_open_container(message_, 'a', "{sv}"));
  for (const auto& property : properties) {
    if (!made_) return;
    check(sd_bus_message_open_container(message_, 'e', "sv"));
    check(sd_bus_message_append_basic(message_, 's', property.key.c_str()));
    if (made_) append(property);
    if (made_) check(sd_bus_message_close_container(message_));
  }
  if (made_) check(sd_bus_message_close_container(message_));
}

void Message::append(const std::vector<ToldInterface>& interfaces) {
  check(sd_bus_message_open_container(message_, 'a', "{sa{sv}}"));
  for (const auto& interface : interfaces) {
    if (!made_) return;
    check(sd_bus_message_open_container(message_, 'e', "sa{sv}"));
    check(sd_bus_message_append_basic(message_, 's', interface.name.c_str()));
    if (made_) append(interface.properties);
    if (made_) check(sd_bus_message_close_container(message_));
  }
  if (made_) check(sd_bus_message_close_container(message_));
}

void Message::append(const std::vector<ToldObject>& objects) {
  check(sd_bus_message_open_container(message_, 'a', "{oa{sa{sv}}}"));
  for (const auto& object : objects) {
    if (!made_) return;
    check(sd_bus_message_open_container(message_, 'e', "oa{sa{sv}}"));
    check(sd_bus_message_append_basic(message_, 'o', object.path.c_str()));
    if (made_) append(object.interfaces);
    if (made_) check(sd_bus_message_close_container(message_));
  }
  if (made_) check(sd_bus_message_close_container(message_));
}

void Message::append_names(const std::vector<ToldInterface>& removed) {
  check(sd_bus_message_open_container(message_, 'a', "s"));
  for (const auto& interface : removed)
    if (made_) check(sd_bus_message_append_basic(message_, 's', interface.name.c_str()));
  if (made_) check(sd_bus_message_close_container(message_));
}

sd_bus_message* Message::read() {
  if (!made_) return nullptr;
  check(sd_bus_message_seal(message_, 1, 0));
  check(sd_bus_message_rewind(message_, 1));
  return made_ ? message_ : nullptr;
}

}  // namespace bleconnd::fuzz
