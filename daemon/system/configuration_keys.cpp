// The table, and how a value of each type is read and written.
#include "system/configuration_keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <vector>

#include "core/address.hpp"

namespace bleconnd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using In = Configuration&;
using Of = const std::string&;  // address of an adapter

constexpr std::int64_t kDay = 86'400;
constexpr std::int64_t kMostEntries = 65'536;
constexpr std::int64_t kMostHeld = Quota::Limits{}.all;  // files and tables are made for no more
// inih reads lines of 200 bytes.
constexpr std::size_t kMostAddresses = 10;

constexpr std::string_view kAtOnce = "at once";
constexpr std::string_view kNextCall = "next call";
constexpr std::string_view kNextPause = "next pause";

// clang-format off
constexpr ConfigurationKey kKeys[] = {
    {"General", "LingerSec", 0, 3600, "next departure",
     "how long the attempt or link of a program that left the bus is kept for the next call; 0: not at all",
     [](In in, Of) -> Spot { return &in.settings.linger; }},
    {"General", "NotReadySec", 1, 3600, kAtOnce,
     "how long a call without a timeout of its own waits for bluetoothd or an adapter that is on",
     [](In in, Of) -> Spot { return &in.settings.not_ready; }},
    {"General", "Adapters", 0, 0, "next dial",
     "the adapters to use, all others are ignored",
     [](In in, Of) -> Spot { return &in.settings.only; }},
    {"General", "LogLevel", 0, 0, kAtOnce,
     "what is less important is not logged; bleconnctl log-level changes it until the next change here",
     [](In in, Of) -> Spot { return &in.log_level; }},

    {"Connection", "TimeoutSec", 0, kDay, kNextCall,
     "timeout of EstablishConnection where the call has none; 0: none",
     [](In in, Of) -> Spot { return &in.settings.timeout; }},
    {"Connection", "AttemptTimeoutSec", 1, 300, kNextCall,
     "attempt-timeout where the call has none: each discovery window, dial and resolve of services",
     [](In in, Of) -> Spot { return &in.settings.terms.attempt_timeout; }},
    {"Connection", "MaxAttempts", 1, 100, kNextCall,
     "max-attempts where the call has none: bound for timeouts and connect errors",
     [](In in, Of) -> Spot { return &in.settings.terms.max_attempts; }},
    {"Connection", "Priority", 0, 0, kNextCall,
     "priority in the dial queue where the call has none",
     [](In in, Of) -> Spot { return &in.settings.terms.priority; }},
    {"Connection", "UseServicesCache", 0, 0, kNextCall,
     "use-services-cache where the call has none: answer as soon as the link is up where services are known",
     [](In in, Of) -> Spot { return &in.settings.terms.use_cache; }},
    {"Connection", "Trust", 0, 0, kNextCall,
     "trust where the call has none: BlueZ keeps object, path and GATT cache of the device",
     [](In in, Of) -> Spot { return &in.settings.terms.trust; }},
    {"Connection", "LinkLostLongestPauseSec", 250, 2'000, kNextPause,
     "longest pause between attempts whose links come up and are lost: four at once, then 0.25 s, doubled each time",
     [](In in, Of) -> Spot { return &in.settings.pauses.link_lost_longest; }},
    {"Connection", "SlotRefusedPauseSec", 0, 300'000, kNextPause,
     "pause after a dial that BlueZ refused for want of a slot",
     [](In in, Of) -> Spot { return &in.settings.pauses.slot_refused; }},

    {"Maintain", "LongestPauseSec", 1, kDay, kNextPause,
     "longest pause between two dials of a maintained device that fails: 0.25 s, doubled with each failure",
     [](In in, Of) -> Spot { return &in.settings.reconnect.longest; }},
    {"Maintain", "StableSec", 0, 3600, "next loss",
     "a maintained link that lasted so long forgives the failures before it",
     [](In in, Of) -> Spot { return &in.settings.reconnect.stable; }},
    {"Maintain", "ListenSec", 1, 300, "next window",
     "how long maintained devices that are away are listened for at a time",
     [](In in, Of) -> Spot { return &in.settings.listen.window; }},
    {"Maintain", "ListenPauseSec", 1, kDay, kNextPause,
     "first pause between two such windows, doubled with each one in which the device was not heard",
     [](In in, Of) -> Spot { return &in.settings.listen.pause; }},
    {"Maintain", "ListenLongestPauseSec", 1, kDay, kNextPause,
     "longest pause between two such windows",
     [](In in, Of) -> Spot { return &in.settings.listen.longest_pause; }},

    {"Limits", "LeasesPerUser", 2, kMostHeld, kNextCall,
     "leases and waiting calls of one user together; root is bound by LeasesOfAll alone",
     [](In in, Of) -> Spot { return &in.settings.quota.per_user; }},
    {"Limits", "PersistentLeasesPerUser", 0, kMostHeld, kNextCall,
     "persistent leases of one user",
     [](In in, Of) -> Spot { return &in.settings.quota.persistent; }},
    {"Limits", "LeasesOfAll", 2, kMostHeld, kNextCall,
     "leases and waiting calls of all users together",
     [](In in, Of) -> Spot { return &in.settings.quota.all; }},

    {"Cache", "MaxEntries", 1, kMostEntries, "next write",
     "devices whose services are kept in files; those used least recently go",
     [](In in, Of) -> Spot { return &in.cache_entries; }},
    {"Cache", "MaxMiB", 1, 1024, "next write",
     "MiB of these files together; those used least recently go",
     [](In in, Of) -> Spot { return &in.cache_mib; }},
    {"Cache", "MaxAgeSec", 0, 3650 * kDay, "next dial",
     "services that were last verified so long ago do not answer a call: they are read afresh; 0: any age will do",
     [](In in, Of) -> Spot { return &in.settings.cache_age; }},

    {kAdapterSection, "Slots", 0, 255, kAtOnce,
     "the most LE links of this adapter, those of other programs included; 0: no limit; learn: by refusals",
     [](In in, Of adapter) -> Spot { return &in.settings.adapters[adapter].slots; }},
    {kAdapterSection, "Ignore", 0, 0, "next dial",
     "leaves the adapter to other programs",
     [](In in, Of adapter) -> Spot { return &in.settings.adapters[adapter].ignore; }},
};
// clang-format on

template <class Value>
using Words = std::span<const std::pair<std::string_view, Value>>;

// The first word of a value is the one that is printed.
constexpr std::pair<std::string_view, bool> kFlags[] = {{"yes", true},    {"no", false}, {"true", true},
                                                        {"false", false}, {"on", true},  {"off", false},
                                                        {"1", true},      {"0", false}};
constexpr std::pair<std::string_view, Priority> kPriorities[] = {
    {"low", Priority::low}, {"normal", Priority::normal}, {"high", Priority::high}};
constexpr std::pair<std::string_view, LogLevel> kLevels[] = {{"err", LogLevel::error},
                                                             {"warning", LogLevel::warning},
                                                             {"notice", LogLevel::notice},
                                                             {"info", LogLevel::info},
                                                             {"debug", LogLevel::debug}};

template <class Value>
bool read_word(Words<Value> words, std::string_view text, Value& into) {
  const auto at = std::ranges::find(words, text, [](const auto& word) { return word.first; });
  if (at == words.end()) return false;
  into = at->second;
  return true;
}

template <class Value>
std::string word_of(Words<Value> words, Value value) {
  for (auto& [word, meaning] : words)
    if (meaning == value) return std::string{word};
  return {};
}

template <class Value>
std::string all_words(Words<Value> words) {
  std::string all;
  for (std::size_t i = 0; i < words.size(); ++i)
    all += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + std::string{words[i].first};
  return all;
}

// The digits at the front, which are taken from the text.
std::optional<std::int64_t> take_number(std::string_view& text) {
  std::int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto digits = static_cast<std::size_t>(parsed.ptr - text.data());
  constexpr std::size_t enough = 10;  // of weeks in ms: no overflow
  if (parsed.ec != std::errc{} || value < 0 || text.front() == '-' || digits > enough) return {};
  text.remove_prefix(digits);
  return value;
}

std::optional<std::int64_t> read_number(std::string_view text) {
  const auto value = text.empty() ? std::nullopt : take_number(text);
  return text.empty() ? value : std::nullopt;
}

void skip_blanks(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
}

constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {{"ms", 1},
                                                                {"msec", 1},
                                                                {"s", 1'000},
                                                                {"sec", 1'000},
                                                                {"m", 60'000},
                                                                {"min", 60'000},
                                                                {"h", 3'600'000},
                                                                {"hr", 3'600'000},
                                                                {"d", 86'400'000},
                                                                {"day", 86'400'000},
                                                                {"days", 86'400'000},
                                                                {"w", 604'800'000},
                                                                {"week", 604'800'000},
                                                                {"weeks", 604'800'000}};

// "90", "90s", "1min 30s", as systemd.time(7) has spans; without a unit seconds.
std::optional<milliseconds> read_span(std::string_view text) {
  constexpr std::int64_t enough = 1'000'000'000'000'000;
  std::int64_t total = 0;
  if (text.empty()) return {};
  while (!text.empty()) {
    const auto value = take_number(text);
    if (!value) return {};
    skip_blanks(text);
    const auto letters = std::ranges::find_if_not(text, [](char c) { return c >= 'a' && c <= 'z'; });
    const auto unit = text.substr(0, static_cast<std::size_t>(letters - text.begin()));
    std::int64_t factor = 1'000;
    if (!unit.empty() && !read_word<std::int64_t>(kUnits, unit, factor)) return {};
    if (unit.empty() && !text.empty()) return {};
    text.remove_prefix(unit.size());
    skip_blanks(text);
    total += *value * factor;
    if (total > enough) return {};
  }
  return milliseconds{total};
}

std::string span_text(milliseconds span) {
  return span % seconds{1} == milliseconds{0} ? std::to_string(span / seconds{1})
                                              : std::to_string(span.count()) + "ms";
}

std::optional<std::set<std::string>> read_addresses(std::string_view text) {
  std::set<std::string> all;
  if (text == "all") return all;
  while (!text.empty()) {
    const auto word = text.substr(0, text.find_first_of(" \t,"));
    const auto address = DeviceAddress::parse(word);
    if (!address || all.size() == kMostAddresses) return {};
    all.insert(address->text());
    text.remove_prefix(word.size());
    text.remove_prefix(std::min(text.find_first_not_of(" \t,"), text.size()));
  }
  return all.empty() ? std::nullopt : std::optional{all};
}

class Reader {
 public:
  Reader(const ConfigurationKey& key, std::string_view text) : key_{key}, text_{text} {}

  bool operator()(seconds* into) const {
    const auto span = read_span(text_);
    if (!span || *span % seconds{1} != milliseconds{0}) return false;
    const auto whole = std::chrono::duration_cast<seconds>(*span);
    if (!is_within(whole.count())) return false;
    *into = whole;
    return true;
  }
  bool operator()(milliseconds* into) const {
    const auto span = read_span(text_);
    if (!span || !is_within(span->count())) return false;
    *into = *span;
    return true;
  }
  bool operator()(std::uint32_t* into) const {
    const auto number = read_number(text_);
    if (!number || !is_within(*number)) return false;
    *into = static_cast<std::uint32_t>(*number);
    return true;
  }
  bool operator()(std::optional<std::uint32_t>* into) const {
    std::uint32_t number = 0;
    if (text_ == "learn")
      into->reset();
    else if ((*this)(&number))
      *into = number;
    else
      return false;
    return true;
  }
  bool operator()(bool* into) const { return read_word<bool>(kFlags, text_, *into); }
  bool operator()(Priority* into) const { return read_word<Priority>(kPriorities, text_, *into); }
  bool operator()(LogLevel* into) const { return read_word<LogLevel>(kLevels, text_, *into); }
  bool operator()(std::set<std::string>* into) const {
    auto all = read_addresses(text_);
    if (all) *into = std::move(*all);
    return all.has_value();
  }

 private:
  bool is_within(std::int64_t value) const { return value >= key_.least && value <= key_.most; }
  const ConfigurationKey& key_;
  std::string_view text_;
};

struct Writer {
  std::string operator()(const seconds* value) const { return span_text(*value); }
  std::string operator()(const milliseconds* value) const { return span_text(*value); }
  std::string operator()(const std::uint32_t* value) const { return std::to_string(*value); }
  std::string operator()(const std::optional<std::uint32_t>* value) const {
    return *value ? std::to_string(**value) : "learn";
  }
  std::string operator()(const bool* value) const { return word_of<bool>(kFlags, *value); }
  std::string operator()(const Priority* value) const { return word_of<Priority>(kPriorities, *value); }
  std::string operator()(const LogLevel* value) const { return word_of<LogLevel>(kLevels, *value); }
  std::string operator()(const std::set<std::string>* value) const {
    if (value->empty()) return "all";
    return fmt::format("{}", fmt::join(*value, " "));
  }
};

struct Allowed {
  const ConfigurationKey& key;
  std::string operator()(const seconds*) const { return fmt::format("{} to {} s", key.least, key.most); }
  std::string operator()(const milliseconds*) const {
    if (key.least % 1'000 == 0) return fmt::format("{} to {} s", key.least / 1'000, key.most / 1'000);
    return fmt::format("{}ms to {}s", key.least, key.most / 1'000);
  }
  std::string operator()(const std::uint32_t*) const { return fmt::format("{} to {}", key.least, key.most); }
  std::string operator()(const std::optional<std::uint32_t>*) const {
    return fmt::format("learn, or {} to {}", key.least, key.most);
  }
  std::string operator()(const bool*) const { return "yes or no"; }
  std::string operator()(const Priority*) const { return all_words<Priority>(kPriorities); }
  std::string operator()(const LogLevel*) const { return all_words<LogLevel>(kLevels); }
  std::string operator()(const std::set<std::string>*) const {
    return fmt::format("all, or 1 to {} addresses of adapters", kMostAddresses);
  }
};

}  // namespace

std::span<const ConfigurationKey> configuration_keys() {
  return kKeys;
}

const ConfigurationKey* find_key(std::string_view section, std::string_view name) {
  for (auto& key : kKeys)
    if (key.section == section && key.name == name) return &key;
  return nullptr;
}

std::string allowed(const ConfigurationKey& key) {
  Configuration any;
  return std::visit(Allowed{key}, key.spot(any, {}));
}

std::string value_text(const ConfigurationKey& key, const Configuration& of, const std::string& adapter) {
  auto copy = of;
  return std::visit(Writer{}, key.spot(copy, adapter));
}

std::string default_text(const ConfigurationKey& key) {
  return value_text(key, {}, {});
}

bool set_value(const ConfigurationKey& key, std::string_view text, Configuration& in,
               const std::string& adapter) {
  return std::visit(Reader{key, text}, key.spot(in, adapter));
}

}  // namespace bleconnd
