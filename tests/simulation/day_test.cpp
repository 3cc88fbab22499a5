// A day of a gateway in virtual time: what its maintained devices cost the radio, as a table. Twenty devices
// of every kind, and a host on which everything restarts once.
#include <algorithm>
#include <array>
#include <cstdio>
#include <map>

#include "stage.hpp"

namespace bleconnd::simulation {
namespace {

using std::chrono::hours;

struct Kind {
  const char* what;
  int devices;
  std::size_t most_in_an_hour;  // dials of one of them
  double least_connected;       // of the day, of each
};

const std::array<Kind, 5> kKinds{{{"steady, lost once an hour", 10, 20, 0.94},
                                  {"drop every link after 5 s", 3, 40, 0},
                                  {"are heard, never answer", 2, 40, 0},
                                  {"away from 8 to 16", 2, 20, 0.60},
                                  {"never there", 3, 2, 0}}};

std::string address(std::size_t kind, int number) {
  return "AA:00:00:00:00:" + std::to_string(kind + 1) + std::to_string(number);
}

class Day : public Stage {
 public:
  Day() {
    each([this](std::size_t kind, const std::string& device) {
      if (kind != 4) bluetoothd.hears(kFirst, device);
      if (kind == 1) bluetoothd.peer(device).manner.drops_after = 5s;
      if (kind == 2) bluetoothd.peer(device).manner.completes = false;
      EstablishOptions options;
      options.terms.maintain = true;
      options.wait = false;
      establish(kAlice, device, options);
    });
    run_for(600s);
    begin();
  }

  void live() {
    for (int hour = 0; hour < 24; ++hour) {
      each([&](std::size_t kind, const std::string& device) {
        if (kind == 0) bluetoothd.drop_link(device);
        if (kind == 3 && hour == 8) {
          bluetoothd.hears_no_more(kFirst, device);
          bluetoothd.drop_link(device);
        }
        if (kind == 3 && hour == 16) bluetoothd.hears(kFirst, device);
      });
      if (hour == 6) restart_bluetoothd();
      if (hour == 12) replug();
      if (hour == 18) suspend();
      if (hour == 21) restart_daemon();
      for (int minute = 0; minute < 60; ++minute) {
        run_for(60s);
        each([&](std::size_t, const std::string& device) {
          if (stage(device) == "connected") ++minutes_connected_[device];
        });
      }
    }
  }

  // Dials of one device: in the day, and in its worst hour.
  std::pair<std::size_t, std::size_t> dials(const std::string& device) const {
    std::map<int, std::size_t> hourly;
    std::size_t all = 0, most = 0;
    for (auto& line : effects("Connect ")) {
      if (!line.ends_with("/" + device.substr(device.size() - 2))) continue;
      ++all;
      most = std::max(most, ++hourly[static_cast<int>(std::stod(line) / 3600)]);
    }
    return {all, most};
  }
  double connected(const std::string& device) const {
    const auto at = minutes_connected_.find(device);
    return at == minutes_connected_.end() ? 0 : at->second / (24 * 60.0);
  }
  double discovering_minutes() const {
    double seconds = 0, since = -1;
    for (auto& line : effects("Discovery")) {
      const auto at = std::stod(line);
      if (line.find("StartDiscovery") != std::string::npos && since < 0) since = at;
      if (line.find("StopDiscovery") != std::string::npos && since >= 0) {
        seconds += at - since;
        since = -1;
      }
    }
    return seconds / 60;
  }
  template <class Act>
  void each(Act act) const {
    for (std::size_t kind = 0; kind < kKinds.size(); ++kind)
      for (int number = 0; number < kKinds[kind].devices; ++number) act(kind, address(kind, number));
  }

 private:
  void restart_bluetoothd() {
    bluetoothd.kill();
    run_for(3s);
    bluetoothd.start();
  }
  void replug() {
    bluetoothd.unplug(kFirst);
    bluetoothd.plug(kSecond);
    run_for(5s);
    bluetoothd.plug(kFirst);
  }
  void suspend() {
    sleep();
    run_for(4s);
    each([this](std::size_t, const std::string& device) { bluetoothd.drop_link(device); });
    wake();
  }
  void restart_daemon() {
    crash_daemon();
    run_for(1s);
    start_daemon();
  }
  std::map<std::string, int> minutes_connected_;
};

TEST(Day, CostsTheRadioLittle) {
  Day day;
  day.live();
  std::printf("%-28s %7s %16s %14s %10s\n", "maintained devices that", "number", "dials each a day",
              "worst hour", "connected");
  for (std::size_t kind = 0; kind < kKinds.size(); ++kind) {
    std::size_t dials = 0, worst = 0;
    double least = 1;
    for (int number = 0; number < kKinds[kind].devices; ++number) {
      const auto [all, most] = day.dials(address(kind, number));
      dials += all;
      worst = std::max(worst, most);
      least = std::min(least, day.connected(address(kind, number)));
    }
    std::printf("%-28s %7d %16.1f %14zu %9.1f%%\n", kKinds[kind].what, kKinds[kind].devices,
                static_cast<double>(dials) / kKinds[kind].devices, worst, 100 * least);
    EXPECT_LE(worst, kKinds[kind].most_in_an_hour) << kKinds[kind].what;
    EXPECT_GE(least, kKinds[kind].least_connected) << kKinds[kind].what;
  }
  std::printf("discovery: %.0f minutes of the day\n", day.discovering_minutes());
  EXPECT_LE(day.discovering_minutes(), 120);
}

}  // namespace
}  // namespace bleconnd::simulation
