// One line a device: AA:BB:CC:DD:EE:FF [{"name":":1.5","uid":1000,"label":"","until":123}, …]; `until` in
// microseconds of CLOCK_MONOTONIC, where the holder had left the bus. Persistent ones have no name.
#include "system/lease_record_file.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "core/quota.hpp"
#include "system/journal.hpp"

namespace bleconnd {
namespace {

using nlohmann::json;
constexpr std::size_t kMostText = 256;  // of a bus name; of a label of 64 bytes, each as \xNN
constexpr std::int64_t kMostUsec = 4'000'000'000'000'000;  // of an uptime: 126 years, and no overflow

std::string file_in(const std::string& directory) {
  return directory.empty() ? std::string{} : directory + "/leases";
}

std::int64_t usec(TimePoint when) {
  return std::chrono::duration_cast<std::chrono::microseconds>(when.time_since_epoch()).count();
}

json to_json(const Terms& terms) {
  return {{"attempt-timeout", terms.attempt_timeout.count()},
          {"max-attempts", terms.max_attempts},
          {"adapter", terms.adapter},
          {"pair", terms.pair},
          {"trust", terms.trust},
          {"use-services-cache", terms.use_cache},
          {"priority", static_cast<int>(terms.priority)}};
}

bool read_number(const json& object, const char* key, std::uint64_t low, std::uint64_t high,
                 std::uint64_t& to) {
  const auto at = object.find(key);
  if (at == object.end() || !at->is_number_unsigned()) return false;
  to = at->get<std::uint64_t>();
  return low <= to && to <= high;
}

bool read_flag(const json& object, const char* key, bool& to) {
  const auto at = object.find(key);
  if (at == object.end() || !at->is_boolean()) return false;
  to = at->get<bool>();
  return true;
}

std::optional<Terms> maintained_from(const json& object) {
  Terms terms{.maintain = true};
  std::uint64_t timeout = 0, attempts = 0, priority = 0;
  const auto adapter = object.find("adapter");
  const bool sound = read_number(object, "attempt-timeout", 1, 300, timeout) &&
                     read_number(object, "max-attempts", 1, 100, attempts) &&
                     read_number(object, "priority", 0, 2, priority) &&
                     read_flag(object, "pair", terms.pair) && read_flag(object, "trust", terms.trust) &&
                     read_flag(object, "use-services-cache", terms.use_cache) && adapter != object.end() &&
                     adapter->is_string();
  if (!sound) return {};
  terms.attempt_timeout = std::chrono::seconds{timeout};
  terms.max_attempts = static_cast<std::uint32_t>(attempts);
  terms.priority = static_cast<Priority>(priority);
  terms.adapter = adapter->get<std::string>();
  if (terms.adapter.size() > kMostText) return {};
  return terms;
}

json to_json(const KeptLease& lease) {
  json object{{"uid", lease.uid}, {"label", lease.label}};
  if (!lease.persistent) object["name"] = lease.name;
  if (lease.maintained) object["maintain"] = to_json(*lease.maintained);
  if (lease.lingers_to) object["until"] = usec(*lease.lingers_to);
  return object;
}

std::optional<KeptLease> from_json(const json& object, bool persistent) {
  KeptLease lease{.persistent = persistent};
  const auto uid = object.find("uid");
  const auto text = [&](const char* key, std::string& to) {
    const auto at = object.find(key);
    if (at == object.end() || !at->is_string()) return false;
    to = at->get<std::string>();
    return to.size() <= kMostText;
  };
  if (uid == object.end() || !uid->is_number_unsigned() || !text("label", lease.label)) return {};
  lease.uid = uid->get<std::uint32_t>();
  if (const auto terms = object.find("maintain"); terms != object.end()) {
    if (terms->is_object()) lease.maintained = maintained_from(*terms);
    if (!lease.maintained) return {};
  }
  if (persistent) return lease;
  if (!text("name", lease.name) || !lease.name.starts_with(':')) return {};
  const auto until = object.find("until");
  if (until != object.end()) {
    if (!until->is_number_unsigned() || until->get<std::uint64_t>() > kMostUsec) return {};
    lease.lingers_to = TimePoint{std::chrono::microseconds{until->get<std::int64_t>()}};
  }
  return lease;
}

// False: a line that we did not write.
bool add(LeaseRecord::Leases& all, const std::map<std::string, std::string>& lines, bool persistent) {
  bool sound = true;
  std::size_t count = 0;
  for (auto& [key, value] : lines) {
    const auto device = DeviceAddress::parse(key);
    const auto parsed = json::parse(value, nullptr, false);
    if (!device || !parsed.is_array()) {
      sound = false;
      continue;
    }
    for (auto& object : parsed) {
      auto lease = object.is_object() ? from_json(object, persistent) : std::nullopt;
      sound = sound && lease;
      if (lease && ++count <= Quota::kMostOfAll) all[*device].push_back(std::move(*lease));
    }
  }
  return sound;
}

std::string line_of(const std::vector<KeptLease>& leases, bool persistent) {
  auto all = json::array();
  for (auto& lease : leases)
    if (lease.persistent == persistent) all.push_back(to_json(lease));
  return all.empty() ? std::string{} : all.dump(-1, ' ', true, json::error_handler_t::replace);
}

}  // namespace

std::string state_directory() {
  const char* set = std::getenv("STATE_DIRECTORY");
  const std::string_view directories{set ? set : ""};
  return std::string{directories.substr(0, directories.find(':'))};
}

LeaseRecordFile::LeaseRecordFile(const std::string& runtime, const std::string& state, const std::string& bus,
                                 const Journal& journal)
    : journal_{journal},
      callers_{file_in(runtime), "bleconnd leases 1", journal, bus},
      persistent_{file_in(state), "bleconnd persistent leases 1", journal} {}

LeaseRecord::Leases LeaseRecordFile::former() {
  Leases all;
  const bool persistent_sound = add(all, persistent_.read(), true);
  const bool callers_sound = add(all, callers_.read(), false);
  if (!persistent_sound || !callers_sound)
    journal_.tell(LogLevel::warning, {.kind = LogKind::record_damaged},
                  "the record of leases is damaged, a part of it is ignored");
  return all;
}

void LeaseRecordFile::keep(DeviceAddress device, std::vector<KeptLease> leases) {
  callers_.put(device.text(), line_of(leases, false));
  persistent_.put(device.text(), line_of(leases, true));
}

}  // namespace bleconnd
