// What people see: text for a terminal or a pipe, or JSON.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bleconn/bleconn.hpp"

namespace bleconnctl {

using json = nlohmann::ordered_json;

struct Style {
  bool as_json = false;
  bool pretty = false;
  bool live = false;     // stdout is a terminal
  bool colours = false;  // and $NO_COLOR is not set, or empty
};
Style style_of(const std::string& json_option);  // "compact", "pretty", "": text

// Without control characters: names and texts come from the air and from other programs.
std::string printable(const std::string& text);
std::string coloured(const Style& style, const char* code, const std::string& text);
inline constexpr char kGood[] = "32", kBad[] = "31", kDim[] = "2";

void print(const Style& style, const json& value);
void print(const Style& style, const bleconn::Error& error);  // a sentence on stderr, or JSON on stdout
void print_table(const std::vector<std::vector<std::string>>& rows);  // the first one is the head

json to_json(const bleconn::Services& services);
json to_json(const bleconn::Error& error);
json to_json(const std::string& address, const bleconn::AttemptFailed& failed);
json parsed(const std::string& text);  // throws bleconn::Error
// The value of a key: a string as it may be shown, anything else as JSON; empty without it.
std::string text_of(const json& object, const char* key);
void print_tree(const Style& style, const bleconn::Services& services);
// What Describe tells of one device, or of all, in sentences.
void explain(const Style& style, const json& described);
void print_status(const Style& style, const json& described, const std::string& version,
                  const std::string& state);

// Exit codes: 0, 2 usage, 3 time-out, 4 failed, 8 the daemon does not run, 10 no such thing.
int exit_code(bleconn::Category category);

}  // namespace bleconnctl
