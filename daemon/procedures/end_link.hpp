// Ends what BlueZ has of a device: a link, a dial, or what is left of either.
#pragma once
#include <cstdint>
#include <stop_token>
#include <string>

#include "procedures/radio.hpp"

namespace bleconnd {

// Device1.Disconnect, which ends a link or a dial; never stopped early. False: neither of two was answered as
// done, within 10 s.
Task<bool> hang_up(Radio& radio, DeviceWatch& watch);

// The link that is there now: another one at the same path is another program's, for all we know.
struct LinkMark {
  explicit LinkMark(const DeviceWatch& watch)
      : removals{watch.seen().removals}, losses{watch.seen().links_down} {}
  bool is_over(const DeviceWatch& watch) const {
    return watch.seen().removals != removals || watch.seen().links_down != losses;
  }
  bool is_still(const DeviceWatch& watch) const { return watch.seen().connected && !is_over(watch); }
  std::uint32_t removals;
  std::uint32_t losses;
};

// To be asked of a `link` that is still up kLinkDown after an answered Disconnect: that is a phantom, and
// only the removal of its object ends it; never of a bonded or trusted device. True: it is down.
Task<bool> forget_phantom(Radio& radio, DeviceWatch& watch, LinkMark link, std::stop_token stop);
// Behind an answered Disconnect: waits until `link` is down, then forget_phantom().
Task<bool> until_ended(Radio& radio, DeviceWatch& watch, LinkMark link);

// hang_up() and until_ended(). True: no link is left.
Task<bool> end_link(Radio& radio, DeviceWatch& watch);

// A dial or a link that a former life of this daemon left behind at `path`, and that nobody wants.
Task<Unit> end_left_behind(Radio& radio, std::string path, std::stop_token stop);

}  // namespace bleconnd
