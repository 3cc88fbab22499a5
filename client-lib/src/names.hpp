// The words of org.bleconnd: error names, the parts of a message, object paths, UUIDs.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "bleconn/bleconn.hpp"

namespace bleconn {

inline constexpr char kDaemon[] = "org.bleconnd";
inline constexpr char kRoot[] = "/org/bleconnd";
inline constexpr char kManager[] = "org.bleconnd.Manager1";
inline constexpr char kDevice[] = "org.bleconnd.Device1";

// Category::unexpected for a name that is none of the daemon's. `daemon_not_running` for those by which the
// bus says that nobody answers.
Category category_of(std::string_view error_name) noexcept;
Error error_of(std::string_view error_name, std::string_view message);
Error bus_lost(int status);  // -errno, or errno
// Where the bus of `host` ("": this one) is not there.
Error no_bus(const std::string& host, const std::string& why);

// "token: what happened (…); what to do"; parts that are not there are empty.
struct MessageParts {
  std::string_view token;
  std::string_view advice;
};
MessageParts parts_of(std::string_view message) noexcept;

// Upper case, as the daemon writes it.
std::string canonical(std::string_view address);
std::optional<std::string> parse_address(std::string_view text);  // canonical; none: it is no address
Error no_address(std::string_view text);
std::string device_path(std::string_view address);             // the daemon's object of a canonical one
std::optional<std::string> address_in(std::string_view path);  // the other way round
std::string full_uuid(std::string_view uuid);  // "180f" -> "0000180f-0000-1000-8000-00805f9b34fb"; lower case

}  // namespace bleconn
