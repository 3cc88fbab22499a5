// One seeded run: clients that call, leave and change their minds, a world in which everything goes wrong,
// then calm, in which everything must work again and nothing may be left over.
#pragma once
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "scene.hpp"

namespace bleconnd::simulation {

class Chaos {
 public:
  // `without`: kinds of trouble that this run leaves out. What follows them is then drawn differently.
  Chaos(std::uint64_t seed, bool tracing, std::set<std::string> without = {});
  static const std::vector<std::string>& kinds();
  void run();
  const std::vector<std::string>& violations() const { return scene_.violations(); }
  const std::deque<std::string>& trace() const { return scene_.world.traced(); }
  Duration lived() const { return scene_.world.elapsed(); }

  // How many calls ended how, to see that the seeds reach everything.
  const std::map<std::string, std::size_t>& answers() const { return answers_; }
  const std::map<std::string, std::size_t>& troubles() const { return scene_.bluetoothd.troubles(); }

 private:
  static Scene::Setting setting(std::uint64_t seed);
  void build();
  void live();
  void crash();
  void calm_down();

  // chaos_clients.cpp
  void client_acts(std::size_t number);
  void establish(const std::string& client, const std::string& device);
  EstablishOptions some_options();
  void check_answers();
  void check_call(const Call& call);
  void maintained_must_be_connected();
  void everybody_must_be_served();

  // chaos_faults.cpp
  void something_happens();
  void device_fault();
  void adapter_fault();
  void bluetoothd_fault();
  void host_sleeps();
  void configuration_changes();
  void neighbour_acts();
  void call_fault();
  Manner some_manner();

  World& world() { return scene_.world; }
  Bluetoothd& bluetoothd() { return scene_.bluetoothd; }
  template <class T>
  const T& any_of(const std::vector<T>& all) {
    return all[world().number(all.size())];
  }
  void later(Duration shortest, Duration longest, World::Action action);

  Scene scene_;
  bool happens(const std::string& kind) const { return !without_.contains(kind); }
  std::set<std::string> without_;
  bool faults_ = true;      // a fifth of the seeds has none: there every call must get its link
  bool neighbours_ = true;  // other programs dial, too
  bool limited_ = false;    // slots, by main.conf
  bool calm_ = false;
  bool stopped_ = false;
  std::vector<std::string> adapters_, devices_;
  std::map<std::string, std::map<std::string, std::int16_t>> heard_by_;  // by device, when nothing is wrong
  std::vector<std::string> clients_;
  std::size_t names_ = 0;
  TimePoint spared_until_{};
  std::vector<CallHandle> calls_;
  std::vector<EndingHandle> endings_;
  std::map<std::string, std::size_t> answers_;
};

}  // namespace bleconnd::simulation
