// A spare connection holds no rules and no name; it is closed with all calls that nobody waits for.
// Opening one does not wait: what is sent before the bus has answered is queued.
#include "system/dial_lines.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "system/journal.hpp"

namespace bleconnd {

struct DialLines::Spare {
  explicit Spare(OwnBus owned) : bus{std::move(owned)}, line{bus.get()} {}
  ~Spare() { sd_bus_detach_event(bus.get()); }
  // Or closed by the bus.
  bool worn() const { return line.given_up() >= kLost || sd_bus_is_open(bus.get()) <= 0; }
  OwnBus bus;
  DbusLine line;
};

DialLines::DialLines(DbusLine& main, sd_event* event, const Journal& journal)
    : main_{main}, event_{event}, journal_{journal} {}
DialLines::~DialLines() = default;

DialLines::UnderWay::UnderWay(DialLines& lines, std::string_view path, DbusLine& line)
    : lines_{lines}, path_{path}, line_{line} {
  lines_.under_way_.push_back(this);
}
DialLines::UnderWay::~UnderWay() {
  std::erase(lines_.under_way_, this);
}

DbusLine* DialLines::dialling(std::string_view path) const {
  const auto call = std::ranges::find(under_way_, path, &UnderWay::path_);
  return call == under_way_.end() ? nullptr : &(*call)->line_;
}

DbusLine& DialLines::line(std::string_view path) {
  if (auto* taken = dialling(path)) return *taken;
  close_idle();
  if (main_.given_up() < kLost) return main_;  // as always, or again after a restart of bluetoothd
  if (spares_.empty() || spares_.back()->worn()) open();
  return spares_.empty() ? main_ : spares_.back()->line;
}

// One that is not worn stays for the next dial, as long as ours is.
void DialLines::close_idle() {
  std::erase_if(spares_, [this](const std::unique_ptr<Spare>& spare) {
    const bool needed = main_.given_up() >= kLost && !spare->worn();
    return !needed && !spare->line.in_use();
  });
}

DialLines::ToCome::ToCome(DialLines& lines, std::string_view path) : lines_{lines}, path_{path} {
  lines_.to_come_.push_back(this);
}
DialLines::ToCome::~ToCome() {
  std::erase(lines_.to_come_, this);
}

bool DialLines::take_back(std::string_view path) {
  bool any = false;
  for (auto* dial : to_come_)
    if (dial->path_ == path) any = dial->taken_back_ = true;
  return any;
}

void DialLines::open() {
  sd_bus* bus{};
  int opened = sd_bus_open_system(&bus);
  OwnBus owned{bus};
  if (opened >= 0) opened = sd_bus_attach_event(bus, event_, SD_EVENT_PRIORITY_NORMAL);
  if (opened < 0) return journal_.warning("no spare bus connection: {}", std::strerror(-opened));
  spares_.push_back(std::make_unique<Spare>(std::move(owned)));
  journal_.info("bluetoothd left {} calls without an answer; dials take a fresh bus connection", kLost);
}

void DialLines::gone(std::string_view destination) {
  for (auto& spare : spares_) spare->line.gone(destination);
}

}  // namespace bleconnd
