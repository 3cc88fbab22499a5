// Everything that is known of a device, or of all, for people and for bug reports.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "procedures/connections.hpp"

namespace bleconnd {

struct Description {
  struct Sighting {  // an object of the device at BlueZ
    std::string adapter, path;
    std::optional<std::int16_t> rssi;
    bool connected = false, bonded = false, trusted = false;
    std::uint32_t failures = 0;  // of the last ten minutes
  };
  struct Choice {  // what speaks for or against an adapter, for a call that comes now
    std::string adapter;
    bool chosen = false;
    std::string why;
  };
  struct Device {
    std::string address{};
    std::string state{};    // as Device1.State; "none" without a session
    std::string adapter{};  // hciN
    std::uint32_t attempt = 0, queue_position = 0;
    std::string waits_for{};  // in words; empty: not for a slot
    std::string last_error{};
    std::vector<std::string> leases{};  // "uid 1000 :1.42 label"
    bool maintained = false;
    std::uint32_t failures_in_a_row = 0;                // of dials, or of links that did not last
    std::optional<std::chrono::seconds> next_try_in{};  // of a maintained device without a link
    bool link_of_others = false;                        // another program made it
    std::size_t calls = 0;
    bool cached = false;
    std::optional<std::chrono::seconds> cache_age{};
    std::size_t cached_services = 0;
    bool services_verified = false;
    std::vector<Sighting> seen{};
    std::vector<Choice> choices{};
    std::string now{};  // what a call would do
  };
  struct Adapter {
    std::string name, address;
    bool powered = false;
    bool ignored = false;  // by the configuration
    std::uint32_t slots = 0, slots_free = 0;
    std::vector<std::string> allocated{}, queued{};
    std::string dialling{};
    std::uint32_t links_of_others = 0;
    bool discovering = false;  // for us
    std::uint32_t failures_in_a_row = 0;
    std::optional<std::chrono::seconds> avoided_for{};
    std::string trouble{};  // in words; empty: none is known
  };
  bool bluetoothd = false;
  std::uint32_t leases_and_calls = 0;
  std::vector<Adapter> adapters;
  std::vector<Device> devices;
};

// What is wrong with an adapter as a whole, in words: "5 dials of 3 devices failed in a row"; empty: nothing
// known.
std::string trouble(const AdapterState& adapter, const Radio& radio);

// Of one device, which BlueZ is asked for; or of all that have a session, from memory.
Task<Answer<Description>> describe(Radio& radio, Connections& connections, Caller caller,
                                   std::optional<DeviceAddress> device);

}  // namespace bleconnd
