// What is in the air: the peers, who hears them, and how they take a dial.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/address.hpp"
#include "world.hpp"

namespace bleconnd::simulation {

// How a peer takes one dial.
struct Manner {
  bool completes = true;                     // the link is made; else the kernel gives the dial up
  bool fails_unseen = false;                 // LE Connection Complete with an error: the kernel ignores it
  std::optional<Duration> drops_after = {};  // the link, since it came up
  bool mute = false;                         // never answers ATT: ServicesResolved comes after 30 s, a lie
  bool silent = false;                       // Connected=true is never signalled (5.66 to 5.87)
  bool unresolved = false;                   // ServicesResolved never comes while the link is up (5.66)
  enum class Pairing { works, rejected, mute } pairing = Pairing::works;
};

struct Peer {
  DeviceAddress address;
  std::map<std::string, std::int16_t> heard_by = {};  // dBm, by the adapter's address
  Manner manner = {};
  std::deque<Manner> first = {};  // for the next dials, before `manner`
  Duration interval = 200ms;      // between two reports
  Duration link_time = 100ms;     // LE_Create_Connection
  Duration discovery_time = 500ms;
  int services = 2;
  std::vector<std::uint8_t> hash = {};  // Database Hash; empty: it has none
  bool nameless = false;                // its services have no UUID
  bool private_address = false;         // objects of it stay temporary
  std::string linked_at = {};           // the object that holds its link; a linked peer is not heard

  Manner next_manner() {
    if (first.empty()) return manner;
    auto next = first.front();
    first.pop_front();
    return next;
  }
};

}  // namespace bleconnd::simulation
