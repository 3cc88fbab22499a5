// A text as a message of org.bluez, so that seeds can be read and words be mixed. Lines:
//   /path           the next object            @interface      the next interface of it
//   Key TYPE value  a property: TYPE is a signature of one letter, or of two that begin with 'a', or m for
//   a{qv};
//                   lists have commas; v: a variant of s in a variant; anything else counts as s
// What it makes is well-formed, as the bus guarantees: only texts may be no UTF-8 and paths none.
#pragma once
#include <systemd/sd-bus.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace bleconnd::fuzz {

struct ToldProperty {
  std::string key, type, value;
};
struct ToldInterface {
  std::string name;
  std::vector<ToldProperty> properties;
};
struct ToldObject {
  std::string path;
  std::vector<ToldInterface> interfaces;
};

std::vector<ToldObject> told_objects(std::string_view text);

// A message that can be read, of one thing of the text.
class Message {
 public:
  Message();
  ~Message();
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  void append(const std::vector<ToldProperty>& properties);      // a{sv}
  void append(const std::vector<ToldInterface>& interfaces);     // a{sa{sv}}
  void append(const std::vector<ToldObject>& objects);           // a{oa{sa{sv}}}
  void append_names(const std::vector<ToldInterface>& removed);  // as
  sd_bus_message* read();                                        // from its start; null if it cannot be made

 private:
  void append(const ToldProperty& property);
  void append_list(char type, const std::string& values);
  void append_bytes(const std::string& value);
  void append_map(const std::string& value);

  sd_bus_message* message_ = nullptr;
  bool made_ = true;
  void check(int result) { made_ = made_ && result >= 0; }
};

}  // namespace bleconnd::fuzz
