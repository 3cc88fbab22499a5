// The objects of org.bluez with their properties, and the signals of their changes, as BlueZ's gdbus has
// them: changes wait, are coalesced with the value at emission time, and go out before any reply.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "value.hpp"

namespace bleconnd::integration {

struct ExportedInterface {
  std::string name;
  Dictionary properties;
  std::set<std::string> changed;  // to be told in the next PropertiesChanged
};

struct ExportedObject {
  std::vector<ExportedInterface> interfaces;  // in the order of BlueZ's InterfacesAdded
  bool announced = false;
  bool waiting = false;  // in the list of objects with something to tell
};

class ObjectTable {
 public:
  using Told = std::function<void(const std::string&)>;

  // `something_waits` asks the owner for a later idle().
  explicit ObjectTable(std::function<void()> something_waits)
      : something_waits_(std::move(something_waits)) {}

  // Signals go to this bus from now on; with none, changes are made without signals.
  void attach(sd_bus* bus) { bus_ = bus; }
  void on_signal(Told told) { told_ = std::move(told); }
  // Forgets everything without a signal: bluetoothd was killed.
  void clear();

  void add(const std::string& path, const std::string& interface, Dictionary properties);
  void add_interface(const std::string& path, const std::string& interface, Dictionary properties);
  // Tells what waits for this object, then InterfacesRemoved; nothing if it was never announced.
  void remove(const std::string& path);

  [[nodiscard]] bool contains(const std::string& path) const { return objects_.contains(path); }
  [[nodiscard]] const ExportedInterface* find(const std::string& path, const std::string& interface) const;
  [[nodiscard]] const Value* find(const std::string& path, const std::string& interface,
                                  const std::string& property) const;
  [[nodiscard]] std::vector<std::string> children_of(const std::string& path) const;  // last path elements
  [[nodiscard]] std::vector<std::string> interfaces_of(const std::string& path) const;
  [[nodiscard]] std::size_t size() const { return objects_.size(); }

  // A change that is told; nothing happens when the value is the same.
  void set(const std::string& path, const std::string& interface, const std::string& property, Value value);
  // The property ceases to be: told as invalidated.
  void withdraw(const std::string& path, const std::string& interface, const std::string& property);
  // Changes that BlueZ tells nobody.
  void set_quietly(const std::string& path, const std::string& interface, const std::string& property,
                   Value value);
  void withdraw_quietly(const std::string& path, const std::string& interface, const std::string& property);

  void flush();  // before every reply
  void idle();   // after every event: a flush, unless the idle handlers starve
  // BlueZ's idle handlers starve under a flood of reports: nothing is told until a reply goes out or this
  // ends.
  void starve(bool on) {
    starving_ = on;
    if (!on) something_waits_();
  }

  void append_managed_objects(sd_bus_message* message) const;

 private:
  ExportedInterface* find_mutable(const std::string& path, const std::string& interface);
  void wait(const std::string& path);
  void tell(const std::string& path);
  void tell_added(const std::string& path, const ExportedObject& object);
  void tell_changed(const std::string& path, ExportedInterface& interface);
  void tell_removed(const std::string& path, const ExportedObject& object);

  std::function<void()> something_waits_;
  sd_bus* bus_ = nullptr;
  Told told_;
  std::map<std::string, ExportedObject> objects_;
  std::list<std::string> waiting_;
  bool starving_ = false;
};

}  // namespace bleconnd::integration
