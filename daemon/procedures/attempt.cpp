// The words for stages, and the small questions about terms and routes.
#include "procedures/attempt.hpp"

#include <array>

namespace bleconnd {

std::string_view text(Stage stage) {
  constexpr std::array<std::string_view, 8> kWords{"disconnected", "queued",       "discovering",
                                                   "connecting",   "resolving",    "connected",
                                                   "backing-off",  "disconnecting"};
  return kWords.at(static_cast<std::size_t>(stage));
}

bool may_use(const Settings& settings, const Terms& terms, const AdapterState& adapter) {
  if (settings.ignores(adapter.address)) return false;
  return terms.adapter.empty() || terms.adapter == adapter.name || terms.adapter == adapter.address;
}

Cause broken(const Stack& stack, const Route& route) {
  if (stack.owner != route.owner) return Cause::stack_down;
  const auto* adapter = stack.adapter(route.adapter);
  if (!adapter || !adapter->powered || adapter->power_epoch != route.power_epoch) return Cause::adapter_off;
  return Cause::bluez_error;
}

}  // namespace bleconnd
