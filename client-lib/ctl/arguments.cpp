// Here, and not left to the daemon: a typing error is told with the usage, also where no daemon runs.
#include "arguments.hpp"

#include <algorithm>
#include <cctype>

#include "names.hpp"

namespace bleconnctl {

std::string address_error(const std::string& text) {
  const auto says = [&](const char* what) { return "'" + text + "' " + what; };
  if (!bleconn::parse_address(text))
    return says("is no address: six hex pairs with colons, AA:BB:CC:DD:EE:FF");
  const auto is_all = [&](char digit) {
    return std::all_of(text.begin(), text.end(), [&](char c) {
      return c == ':' || std::toupper(static_cast<unsigned char>(c)) == digit;
    });
  };
  if (is_all('0') || is_all('F')) return says("is the address of no device");
  return {};
}

CLI::Option* add_address(CLI::App& command, std::string& address) {
  const auto take = [&address](const std::string& text) { address = bleconn::canonical(text); };
  return command.add_option_function<std::string>("ADDRESS", take, "AA:BB:CC:DD:EE:FF, any case")
      ->type_name("")
      ->check(CLI::Validator{[](std::string& text) { return address_error(text); }, "", "address"});
}

}  // namespace bleconnctl
