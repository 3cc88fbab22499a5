// The devices that somebody watches, and the most recently watched ones, as BlueZ's signals and answers tell
// of them. Two rules a device let through its object and its GATT objects; advertisements match neither. The
// third, for its properties, is held while somebody watches, and for the last few of the others until they
// advertise: a device that is used again and again need not be followed and read anew each time.
#pragma once
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "core/gatt_database.hpp"
#include "ports/bluez.hpp"
#include "system/bluez_messages.hpp"
#include "system/match_rules.hpp"

namespace bleconnd {

class DeviceMirror {
 public:
  static constexpr std::size_t kRemembered = 64;  // devices that nobody watches
  // Of these, those whose properties are followed on. Few: the bus compares each signal of each device with
  // their rules, since they name no interface.
  static constexpr std::size_t kKeptCurrent = 8;

  DeviceMirror(Executor& executor, MatchRules& rules) : executor_{executor}, rules_{rules} {}
  DeviceMirror(const DeviceMirror&) = delete;
  DeviceMirror& operator=(const DeviceMirror&) = delete;

  Outcome<std::unique_ptr<DeviceWatch>> watch(const std::string& path);
  void remember(const std::string& path);   // among the most recently used, if there is a rule left for it
  bool knows(std::string_view path) const;  // followed, and its object is there
  bool has_services(std::string_view path) const;
  bool follows(std::string_view path) const;  // watched or remembered

  // Signals, about followed devices or others.
  void added(std::string_view path, const DeviceProperties& properties);
  void removed(std::string_view path);
  void changed(std::string_view path, const DeviceProperties& properties);
  void link_ended(std::string_view path, std::string reason);
  void gatt_added(std::string_view path, const GattObject& object);
  void gatt_removed(std::string_view path);

  // Answers.
  void looked_at(std::string_view path, const DeviceProperties& properties);
  void connected_is(std::string_view path, bool connected);
  void absent(std::string_view path);
  void services_read(std::string_view path, const GattObjects& objects);
  void services_listed(std::string_view path, std::vector<std::uint16_t> handles);
  std::vector<std::string> not_whole() const;  // watched, and not all GATT objects are known
  void listed(const std::set<std::string, std::less<>>& paths);  // all Device1 objects that there are

  // Objects go without a signal: bluetoothd left, or an adapter did (`under`: its path).
  void all_gone(std::string_view under);

 private:
  struct Entry {
    Entry(Executor& executor, MatchRules::Held object_itself, MatchRules::Held objects_below)
        : changed{executor}, object{std::move(object_itself)}, below{std::move(objects_below)} {}
    Observation seen;
    Notice changed;
    MatchRules::Held object;
    MatchRules::Held below;
    std::optional<MatchRules::Held> own_signals;  // while watched or kept current
    bool paired = false;
    bool bonded = false;
    std::size_t watches = 0;
    std::list<Entry*>::iterator place{};  // among the unwatched ones
    const std::string* path = nullptr;    // its key
  };
  class Watch;
  using Entries = std::map<std::string, Entry, std::less<>>;

  using Confirmed = MatchRules::Confirmed;
  Entries::iterator follow(const std::string& path, Confirmed confirmed);
  bool make_room(std::size_t rules, const Entry* keep);
  bool forget_oldest(const Entry* keep);
  void forget_surplus();
  void unwatch(Entry& entry);
  static void follow_no_more(Entry& entry);
  void keep_few_current();
  Entry* find(std::string_view path);
  void gone(Entry& entry);
  static bool tells_of_next_link(const Observation& seen, const DeviceProperties& properties);
  void take_values(Entry& entry, const DeviceProperties& properties);

  Executor& executor_;
  MatchRules& rules_;
  Entries entries_;
  std::list<Entry*> unwatched_;  // the least recently used first
};

}  // namespace bleconnd
