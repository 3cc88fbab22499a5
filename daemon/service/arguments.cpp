// One row an option: its key, and how it is read into EstablishOptions.
#include "service/arguments.hpp"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <functional>

#include "core/gatt_database.hpp"
#include "core/printable.hpp"

namespace bleconnd {
namespace {

constexpr std::size_t kLongestLabel = 64;
constexpr std::size_t kMostUuids = 64;

Refusal invalid(const std::string& what, const std::string& advice) {
  return {Category::invalid_args, "invalid", fmt::format("invalid: {}; {}", what, advice)};
}

std::string signature_of(const sdbus::Variant& value) {
  return std::string{value.peekValueType()};
}

// What is wrong with a value; empty if nothing is.
using Complaint = std::string;

Complaint wrong_type(const sdbus::Variant& value, const std::string& expected) {
  return fmt::format("must be {}, is of type {}", expected, signature_of(value));
}

Complaint read_uint(const sdbus::Variant& value, std::uint32_t low, std::uint32_t high,
                    const std::string& unit, std::uint32_t& into) {
  const auto expected = fmt::format("u from {} to {}{}", low, high, unit);
  if (signature_of(value) != "u") return wrong_type(value, expected);
  into = value.get<std::uint32_t>();
  if (into < low || into > high) return fmt::format("must be {}, is {}", expected, into);
  return {};
}

Complaint read_bool(const sdbus::Variant& value, bool& into) {
  if (signature_of(value) != "b") return wrong_type(value, "b");
  into = value.get<bool>();
  return {};
}

Complaint timeout(const sdbus::Variant& value, EstablishOptions& options) {
  std::uint32_t seconds = 0;
  auto complaint = read_uint(value, 0, 86'400, " s (0: none)", seconds);
  options.timeout = std::chrono::seconds{seconds};
  return complaint;
}

Complaint attempt_timeout(const sdbus::Variant& value, EstablishOptions& options) {
  std::uint32_t seconds = 0;
  auto complaint = read_uint(value, 1, 300, " s", seconds);
  options.terms.attempt_timeout = std::chrono::seconds{seconds};
  return complaint;
}

Complaint max_attempts(const sdbus::Variant& value, EstablishOptions& options) {
  return read_uint(value, 1, 100, "", options.terms.max_attempts);
}

bool is_hci_name(const std::string& text) {
  if (!text.starts_with("hci") || text.size() < 4 || text.size() > 8) return false;
  for (char c : text.substr(3))
    if (!std::isdigit(static_cast<unsigned char>(c))) return false;
  return true;
}

Complaint adapter(const sdbus::Variant& value, EstablishOptions& options) {
  const std::string expected = "s, hciN or the address of an adapter";
  if (signature_of(value) != "s") return wrong_type(value, expected);
  auto text = value.get<std::string>();
  const auto address = DeviceAddress::parse(text);
  if (!address && !is_hci_name(text)) return fmt::format("must be {}, is \"{}\"", expected, printable(text));
  options.terms.adapter = address ? address->text() : text;
  return {};
}

Complaint label(const sdbus::Variant& value, EstablishOptions& options) {
  const auto expected = fmt::format("s of at most {} bytes", kLongestLabel);
  if (signature_of(value) != "s") return wrong_type(value, expected);
  auto text = value.get<std::string>();
  if (text.size() > kLongestLabel) return fmt::format("must be {}, has {}", expected, text.size());
  options.label = printable(text);
  return {};
}

Complaint pair(const sdbus::Variant& value, EstablishOptions& options) {
  return read_bool(value, options.terms.pair);
}
Complaint wait(const sdbus::Variant& value, EstablishOptions& options) {
  return read_bool(value, options.wait);
}
Complaint trust(const sdbus::Variant& value, EstablishOptions& options) {
  auto complaint = read_bool(value, options.terms.trust);
  options.insists_on_trust = options.terms.trust;
  return complaint;
}
Complaint maintain(const sdbus::Variant& value, EstablishOptions& options) {
  return read_bool(value, options.terms.maintain);
}
Complaint use_services_cache(const sdbus::Variant& value, EstablishOptions& options) {
  return read_bool(value, options.terms.use_cache);
}

Complaint required_uuids(const sdbus::Variant& value, EstablishOptions& options) {
  const auto expected = fmt::format("as of at most {} UUIDs", kMostUuids);
  if (signature_of(value) != "as") return wrong_type(value, expected);
  const auto texts = value.get<std::vector<std::string>>();
  if (texts.size() > kMostUuids) return fmt::format("must be {}, has {}", expected, texts.size());
  for (auto& text : texts) {
    auto uuid = full_uuid(text);
    if (!uuid) return fmt::format("must be {}, \"{}\" is none", expected, printable(text));
    options.required_uuids.push_back(std::move(*uuid));
  }
  return {};
}

Complaint lifetime(const sdbus::Variant& value, EstablishOptions& options) {
  const std::string expected = "s, caller or persistent";
  if (signature_of(value) != "s") return wrong_type(value, expected);
  const auto text = value.get<std::string>();
  if (text != "caller" && text != "persistent")
    return fmt::format("must be {}, is \"{}\"", expected, printable(text));
  options.lifetime = text == "persistent" ? Lifetime::persistent : Lifetime::caller;
  return {};
}

Complaint priority(const sdbus::Variant& value, EstablishOptions& options) {
  constexpr std::array<std::pair<const char*, Priority>, 3> kWords{
      {{"low", Priority::low}, {"normal", Priority::normal}, {"high", Priority::high}}};
  const std::string expected = "s, low, normal or high";
  if (signature_of(value) != "s") return wrong_type(value, expected);
  const auto text = value.get<std::string>();
  for (auto& [word, meaning] : kWords) {
    if (text != word) continue;
    options.terms.priority = meaning;
    return {};
  }
  return fmt::format("must be {}, is \"{}\"", expected, printable(text));
}

struct Option {
  const char* key;
  Complaint (*read)(const sdbus::Variant&, EstablishOptions&);
};
constexpr std::array<Option, 13> kOptions{{{"timeout", timeout},
                                           {"attempt-timeout", attempt_timeout},
                                           {"max-attempts", max_attempts},
                                           {"adapter", adapter},
                                           {"lifetime", lifetime},
                                           {"priority", priority},
                                           {"use-services-cache", use_services_cache},
                                           {"required-uuids", required_uuids},
                                           {"pair", pair},
                                           {"trust", trust},
                                           {"maintain", maintain},
                                           {"wait", wait},
                                           {"label", label}}};

const Option* option(const std::string& key) {
  for (auto& each : kOptions)
    if (key == each.key) return &each;
  return nullptr;
}

Refusal unknown_option(const std::string& key, const std::string& known) {
  return invalid(fmt::format("there is no option \"{}\"", printable(key)), known);
}

}  // namespace

std::variant<DeviceAddress, Refusal> parse_address(const std::string& text) {
  if (auto address = DeviceAddress::parse(text)) return *address;
  return invalid(fmt::format("\"{}\" is not the address of a Bluetooth device", printable(text)),
                 "write six hex pairs with colons: AA:BB:CC:DD:EE:FF");
}

std::variant<EstablishOptions, Refusal> parse_establish_options(const Options& options,
                                                                const Terms& defaults) {
  EstablishOptions parsed;
  parsed.terms = defaults;
  for (auto& [key, value] : options) {
    const auto* known = option(key);
    if (!known)
      return unknown_option(key, fmt::format("the options are {}", fmt::join(establish_option_names(), " ")));
    if (auto complaint = known->read(value, parsed); !complaint.empty())
      return invalid(fmt::format("option {} {}", key, complaint), "correct it or leave it out");
  }
  return parsed;
}

std::variant<std::optional<Lifetime>, Refusal> parse_release_options(const Options& options) {
  std::optional<Lifetime> only;
  for (auto& [key, value] : options) {
    if (key != "lifetime") return unknown_option(key, "the option is lifetime");
    EstablishOptions read;
    if (auto complaint = lifetime(value, read); !complaint.empty())
      return invalid(fmt::format("option {} {}", key, complaint), "correct it or leave it out");
    only = read.lifetime;
  }
  return only;
}

std::variant<bool, Refusal> parse_flag(const Options& options, const std::string& name) {
  bool set = false;
  for (auto& [key, value] : options) {
    if (key != name) return unknown_option(key, "the option is " + name);
    if (auto complaint = read_bool(value, set); !complaint.empty())
      return invalid(fmt::format("option {} {}", key, complaint), "correct it or leave it out");
  }
  return set;
}

std::vector<std::string> establish_option_names() {
  std::vector<std::string> names;
  names.reserve(std::size(kOptions));
  for (auto& each : kOptions) names.emplace_back(each.key);
  return names;
}

}  // namespace bleconnd
