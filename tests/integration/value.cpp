// Values to and from sd-bus messages. The append calls are not checked one by one: sd_bus_send refuses a
// message that is broken.
#include "value.hpp"

#include <stdexcept>

namespace bleconnd::integration {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

template <class Map>
void append_byte_dictionary(sd_bus_message* message, char key_type, const Map& entries) {
  const std::string entry_signature = std::string{"{"} + key_type + "v}";
  const std::string inner = std::string{key_type} + "v";
  sd_bus_message_open_container(message, 'a', entry_signature.c_str());
  for (const auto& [key, bytes] : entries) {
    sd_bus_message_open_container(message, 'e', inner.c_str());
    append(message, Value{key});
    append_variant(message, Value{bytes});
    sd_bus_message_close_container(message);
  }
  sd_bus_message_close_container(message);
}

using Json = nlohmann::json;

Json read_one(sd_bus_message* message, char type, const char* contents);

Json read_array(sd_bus_message* message, const char* contents) {
  const bool dictionary = contents[0] == '{';
  Json result = dictionary ? Json::object() : Json::array();
  checked(sd_bus_message_enter_container(message, 'a', contents), "enter array");
  char type = 0;
  const char* inner = nullptr;
  while (checked(sd_bus_message_peek_type(message, &type, &inner), "peek") > 0) {
    if (!dictionary) {
      result.push_back(read_one(message, type, inner));
      continue;
    }
    const Json entry = read_one(message, type, inner);
    result[entry[0].is_string() ? entry[0].get<std::string>() : entry[0].dump()] = entry[1];
  }
  checked(sd_bus_message_exit_container(message), "exit array");
  return result;
}

Json read_members(sd_bus_message* message, char container, const char* contents) {
  Json result = Json::array();
  checked(sd_bus_message_enter_container(message, container, contents), "enter container");
  char type = 0;
  const char* inner = nullptr;
  while (checked(sd_bus_message_peek_type(message, &type, &inner), "peek") > 0)
    result.push_back(read_one(message, type, inner));
  checked(sd_bus_message_exit_container(message), "exit container");
  return result;
}

template <class Number>
Json read_number(sd_bus_message* message, char type) {
  Number number{};
  checked(sd_bus_message_read_basic(message, type, &number), "read number");
  return number;
}

Json read_one(sd_bus_message* message, char type, const char* contents) {
  switch (type) {
    case 'a':
      return read_array(message, contents);
    case 'r':
    case 'e':
      return read_members(message, type, contents);
    case 'v':
      return read_members(message, type, contents)[0];
    case 'y':
      return read_number<uint8_t>(message, type);
    case 'b':
      return read_number<int>(message, type) != 0;
    case 'n':
      return read_number<int16_t>(message, type);
    case 'q':
      return read_number<uint16_t>(message, type);
    case 'i':
    case 'h':
      return read_number<int32_t>(message, type);
    case 'u':
      return read_number<uint32_t>(message, type);
    case 'x':
      return read_number<int64_t>(message, type);
    case 't':
      return read_number<uint64_t>(message, type);
    case 'd':
      return read_number<double>(message, type);
    default:
      return std::string{read_number<const char*>(message, type).get<std::string>()};
  }
}

}  // namespace

std::string signature_of(const Value& value) {
  static const char* const signatures[] = {"b", "y", "n",  "q",  "i",  "u",     "t",
                                           "s", "o", "as", "ay", "ao", "a{qv}", "a{sv}"};
  return signatures[value.index()];
}

void append(sd_bus_message* message, const Value& value) {
  const std::string signature = signature_of(value);
  const char type = signature[0];
  std::visit(
      Overloaded{
          [&](bool flag) {
            const int number = flag ? 1 : 0;
            sd_bus_message_append_basic(message, 'b', &number);
          },
          [&](const std::string& text) { sd_bus_message_append_basic(message, 's', text.c_str()); },
          [&](const ObjectPath& path) { sd_bus_message_append_basic(message, 'o', path.text.c_str()); },
          [&](const std::vector<std::string>& texts) {
            sd_bus_message_open_container(message, 'a', "s");
            for (const auto& text : texts) sd_bus_message_append_basic(message, 's', text.c_str());
            sd_bus_message_close_container(message);
          },
          [&](const std::vector<ObjectPath>& paths) {
            sd_bus_message_open_container(message, 'a', "o");
            for (const auto& path : paths) sd_bus_message_append_basic(message, 'o', path.text.c_str());
            sd_bus_message_close_container(message);
          },
          [&](const Bytes& bytes) { sd_bus_message_append_array(message, 'y', bytes.data(), bytes.size()); },
          [&](const std::map<uint16_t, Bytes>& entries) { append_byte_dictionary(message, 'q', entries); },
          [&](const std::map<std::string, Bytes>& entries) { append_byte_dictionary(message, 's', entries); },
          [&](const auto& number) { sd_bus_message_append_basic(message, type, &number); },
      },
      value);
}

void append_variant(sd_bus_message* message, const Value& value) {
  sd_bus_message_open_container(message, 'v', signature_of(value).c_str());
  append(message, value);
  sd_bus_message_close_container(message);
}

void append(sd_bus_message* message, const Dictionary& dictionary) {
  sd_bus_message_open_container(message, 'a', "{sv}");
  for (const auto& [key, value] : dictionary) {
    sd_bus_message_open_container(message, 'e', "sv");
    sd_bus_message_append_basic(message, 's', key.c_str());
    append_variant(message, value);
    sd_bus_message_close_container(message);
  }
  sd_bus_message_close_container(message);
}

void append(sd_bus_message* message, const Argument& argument) {
  std::visit(Overloaded{[&](const Value& value) { append(message, value); },
                        [&](const InVariant& wrapped) { append_variant(message, wrapped.value); },
                        [&](const Dictionary& dictionary) { append(message, dictionary); }},
             argument);
}

nlohmann::json read_arguments(sd_bus_message* message) {
  checked(sd_bus_message_rewind(message, 1), "rewind");
  Json result = Json::array();
  char type = 0;
  const char* contents = nullptr;
  while (checked(sd_bus_message_peek_type(message, &type, &contents), "peek") > 0)
    result.push_back(read_one(message, type, contents));
  checked(sd_bus_message_rewind(message, 1), "rewind");
  return result;
}

}  // namespace bleconnd::integration
