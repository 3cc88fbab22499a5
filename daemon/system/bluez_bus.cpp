// bluetoothd comes and goes: which rules are always held, who owns its name, what adapters it has.
// Its answers are read where they arrive, in order with the signals.
#include "system/bluez_bus.hpp"

#include <fmt/format.h>

#include <utility>

#include "core/printable.hpp"
#include "system/bluez_paths.hpp"
#include "system/sdbus_compat.hpp"

namespace bleconnd {
namespace {

using namespace std::chrono_literals;
constexpr char kBus[] = "org.freedesktop.DBus";
constexpr char kBusPath[] = "/org/freedesktop/DBus";
constexpr char kProperties[] = "org.freedesktop.DBus.Properties";
constexpr char kObjectManager[] = "org.freedesktop.DBus.ObjectManager";
constexpr char kIntrospectable[] = "org.freedesktop.DBus.Introspectable";
constexpr char kBluezPath[] = "/org/bluez";

// hci0 … hci15 are heard of when they come; others when their power changes.
constexpr unsigned kRuledAdapters = 16;
// GetAll answers in milliseconds, a starved bluetoothd in seconds (measured, 5.66).
constexpr auto kExploreTimeout = 10s;
constexpr auto kExploreAgain = 1s;

}  // namespace

BluezBus::BluezBus(sdbus::IConnection& connection, EventLoop& loop, const Journal& journal)
    : bus_{bus::native(connection)},
      loop_{loop},
      journal_{journal},
      rules_{bus_, journal},
      line_{bus_},
      dial_lines_{line_, loop.event(), journal},
      stack_changed_{loop},
      devices_{loop, rules_},
      ears_{loop, rules_},
      filter_{bus_, [this](sd_bus_message* signal) { on_signal(signal); }},
      exploring_{loop} {
  hold_rules();
}

void BluezBus::begin() {
  exploring_.spawn(find_owner());
}

void BluezBus::hold_rules() {
  const auto hold = [this](std::string rule) {
    if (auto held = rules_.hold(std::move(rule))) held_.push_back(std::move(*held));
  };
  hold(fmt::format(
      "type='signal',sender='{0}',path='{1}',interface='{0}',member='NameOwnerChanged',arg0='org.bluez'",
      kBus, kBusPath));
  hold(fmt::format(
      "type='signal',sender='org.bluez',path_namespace='{}',interface='{}',member='PropertiesChanged',"
      "arg0='{}'",
      kBluezPath, kProperties, kAdapterInterface));
  for (unsigned index = 0; index < kRuledAdapters; ++index) hold_adapter_rules(index);
}

// Exactly this object: a prefix would let all its devices through.
void BluezBus::hold_adapter_rules(unsigned index) {
  if (!ruled_adapters_.insert(index).second) return;
  if (auto held =
          rules_.hold(fmt::format("type='signal',sender='org.bluez',interface='{}',arg0path='{}/hci{}'",
                                  kObjectManager, kBluezPath, index)))
    held_.push_back(std::move(*held));
}

Task<Unit> BluezBus::find_owner() {
  auto message = line_.new_call(kBus, kBusPath, kBus, "GetNameOwner");
  if (message) sd_bus_message_append(message.get(), "s", "org.bluez");
  // The rule for changes was sent before: what changes after this answer is told by a signal after it.
  const auto read = [this](const DbusAnswer& answer) -> Outcome<> {
    std::string_view name;
    if (!answer.ok()) return answer.failure();
    if (read_text(answer.value(), 's', name)) owner_is(std::string{name});
    return Unit{};
  };
  DbusCall<Unit> call{loop_, line_, std::move(message), read, kNever, unstoppable()};
  (void)co_await call;
  co_return Unit{};
}

void BluezBus::owner_is(std::string bluetoothd) {
  const auto former = owner();
  if (bluetoothd == former) return;
  adapters_.owner_is(bluetoothd);
  if (!former.empty()) {
    journal_.tell(LogLevel::notice, {.kind = LogKind::bluetoothd_away}, "bluetoothd has left the bus");
    devices_.all_gone({});
    line_.gone(former);
    dial_lines_.gone(former);
  }
  if (!bluetoothd.empty()) {
    journal_.tell(LogLevel::info, {.kind = LogKind::bluetoothd_there}, "bluetoothd is there: {}",
                  printable(bluetoothd));
    exploring_.spawn(explore(std::move(bluetoothd)));
  }
  stack_changed_.notify();
}

// The adapters by name, then each by itself: GetManagedObjects would bring every device with them.
Task<Unit> BluezBus::explore(std::string bluetoothd) {
  while (owner() == bluetoothd) {
    auto names = co_await read_adapter_names();
    bool whole = names.ok();
    for (std::size_t next = 0; names.ok() && next < names.value().size() && owner() == bluetoothd; ++next) {
      auto path = fmt::format("{}/{}", kBluezPath, names.value()[next]);
      auto read = co_await read_adapter(std::move(path));
      whole = whole && (read.ok() || read.failed_by(Cause::object_gone));
    }
    if (owner() != bluetoothd) break;
    if (whole) {
      adapters_.explored();
      stack_changed_.notify();
      break;
    }
    journal_.debug("bluetoothd's adapters could not be read; once more");
    const auto again = loop_.now() + kExploreAgain;
    co_await sleep_until(loop_, again, unstoppable());
  }
  co_return Unit{};
}

Task<Outcome<std::vector<std::string>>> BluezBus::read_adapter_names() {
  auto message = line_.new_call(owner(), kBluezPath, kIntrospectable, "Introspect");
  const auto read = [](const DbusAnswer& answer) -> Outcome<std::vector<std::string>> {
    if (!answer.ok()) return answer.failure();
    std::string_view text;
    if (!read_text(answer.value(), 's', text)) return unreadable_answer();
    return adapter_names(text);
  };
  const auto deadline = loop_.now() + kExploreTimeout;
  DbusCall<std::vector<std::string>> call{loop_, line_, std::move(message), read, deadline, unstoppable()};
  co_return co_await call;
}

Task<Outcome<>> BluezBus::read_adapter(std::string path) {
  auto message = line_.new_call(owner(), path, kProperties, "GetAll");
  if (message) sd_bus_message_append(message.get(), "s", kAdapterInterface);
  const auto read = [this, asked = owner(), path](const DbusAnswer& answer) -> Outcome<> {
    if (!answer.ok()) return answer.failure();
    if (asked != owner()) return Cause::stack_down;
    AdapterProperties properties;
    if (!read_properties(answer.value(), properties)) return unreadable_answer();
    adapter_found(path, properties);
    return Unit{};
  };
  const auto deadline = loop_.now() + kExploreTimeout;
  DbusCall<Unit> call{loop_, line_, std::move(message), read, deadline, unstoppable()};
  co_return co_await call;
}

Task<Unit> BluezBus::meet_adapter(std::string path) {
  (void)co_await read_adapter(std::move(path));
  co_return Unit{};
}

void BluezBus::adapter_found(std::string_view path, const AdapterProperties& properties) {
  if (!adapters_.found(path, properties)) return;
  const auto& adapter = *adapters_.stack().adapter(std::string{path});
  hold_adapter_rules(adapter.index);
  journal_.write(LogLevel::info,
                 fmt::format("{} {} is {}", adapter.name, adapter.address, adapter.powered ? "on" : "off"),
                 {.adapter = adapter.name});
  stack_changed_.notify();
}

}  // namespace bleconnd
