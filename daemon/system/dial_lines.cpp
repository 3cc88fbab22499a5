// A spare connection holds no rules and no name; it is closed with all calls that nobody waits for.
// Opening one does not wait: what is sent before the bus has answered is queued.
#include "system/dial_lines.hpp"

#include <cstring>
#include <utility>

#include "system/journal.hpp"

namespace bleconnd {

struct DialLines::Spare {
  explicit Spare(OwnBus owned) : bus{std::move(owned)}, line{bus.get()} {}
  ~Spare() { sd_bus_detach_event(bus.get()); }
  OwnBus bus;
  DbusLine line;
};

DialLines::DialLines(DbusLine& main, sd_event* event, const Journal& journal)
    : main_{main}, event_{event}, journal_{journal} {}
DialLines::~DialLines() = default;

DbusLine& DialLines::line(std::string_view path) {
  if (main_.waits_for(path)) return main_;
  if (spare_ && spare_->line.waits_for(path)) return spare_->line;
  const bool spare_idle = spare_ && !spare_->line.in_use();
  if (main_.given_up() < kLost) {  // as always, or again after a restart of bluetoothd
    if (spare_idle) spare_.reset();
    return main_;
  }
  if (spare_idle && spare_->line.given_up() >= kLost) spare_.reset();
  if (!spare_) open();
  return spare_ ? spare_->line : main_;
}

void DialLines::open() {
  sd_bus* bus{};
  int opened = sd_bus_open_system(&bus);
  OwnBus owned{bus};
  if (opened >= 0) opened = sd_bus_attach_event(bus, event_, SD_EVENT_PRIORITY_NORMAL);
  if (opened < 0) return journal_.warning("no spare bus connection: {}", std::strerror(-opened));
  spare_ = std::make_unique<Spare>(std::move(owned));
  journal_.info("bluetoothd left {} calls without an answer; dials take a fresh bus connection", kLost);
}

void DialLines::gone(std::string_view destination) {
  if (spare_) spare_->line.gone(destination);
}

}  // namespace bleconnd
