// A peripheral in the air: what it advertises, what services it has, and how it behaves when it is dialled.
// It outlives bluetoothd and its objects; whatever is public here may be changed by a test at any time.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "bluez_script.hpp"
#include "gatt_tree.hpp"

namespace bleconnd::integration {

class Adapter;
class Device;

enum class LinkEnd { local, remote, timeout };  // who or what ended a link

class Peripheral {
 public:
  explicit Peripheral(std::string its_address) : address(std::move(its_address)) {}

  std::string address;
  std::string address_type = "public";
  std::string path_address;      // address in the object path, if it is another one
  std::string identity;          // of a private address: what pairing reveals
  bool private_address = false;  // resolvable or not: BlueZ keeps nothing of it
  std::string name = "Lamp";     // empty: none is advertised
  std::string gap_name;          // read from the GAP service after the services; empty: none
  std::map<uint16_t, Bytes> manufacturer_data;
  bool changes_data = false;  // every report carries other manufacturer data
  int16_t rssi = -60;
  std::map<const Adapter*, std::optional<int16_t>> rssi_at;  // per adapter; nullopt: out of its range
  GattTree services = small_gatt_tree();

  Script<ConnectStep> connects;
  Script<PairStep> pairs;
  void next_connects(std::initializer_list<ConnectStep> steps) { connects.queue(steps); }
  void every_connect(ConnectStep step) { connects.repeat(std::move(step)); }
  void next_pairs(std::initializer_list<PairStep> steps) { pairs.queue(steps); }

  void advertise(bool on);
  void rotate_address(const std::string& next);
  void drop_link(LinkEnd end = LinkEnd::remote);
  // While connected BlueZ is told by Service Changed, else it finds out at the next connection.
  void change_services(GattTree next);

  [[nodiscard]] bool connected() const { return link_ != nullptr || link_lingers_; }
  // Heard by this adapter now; nobody hears a device that is connected.
  [[nodiscard]] bool heard_by(const Adapter& adapter) const;
  [[nodiscard]] int16_t rssi_by(const Adapter& adapter) const;

 private:
  friend class Device;
  friend class ScriptedBluez;
  void wake_waiting();

  bool advertising_ = true;
  bool link_lingers_ = false;  // the kernel has not dropped the link of a killed bluetoothd yet
  Device* link_ = nullptr;     // the object through which it is connected
  std::set<Device*> waiting_;  // dials that wait to hear it
};

}  // namespace bleconnd::integration
