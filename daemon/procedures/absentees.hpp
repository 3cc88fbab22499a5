// Maintained devices that are away. They are listened for together, in windows with pauses that grow: a
// hundred cost the radio what the one costs that has been away for the shortest time.
#pragma once
#include <list>
#include <map>
#include <memory>
#include <string>

#include "async/notice.hpp"
#include "async/scope.hpp"
#include "core/settings.hpp"
#include "ports/bluez.hpp"
#include "procedures/discovery.hpp"

namespace bleconnd {

class Absentees {
 public:
  Absentees(Executor& executor, Bluez& bluez, Discovery& discovery, const Settings& settings)
      : executor_{executor},
        bluez_{bluez},
        discovery_{discovery},
        settings_{settings},
        changed_{executor},
        tasks_{executor} {}
  Absentees(const Absentees&) = delete;

  // One device that is waited for; dropping it is enough.
  class Place {
   public:
    Place(Absentees& owner, DeviceAddress device, Terms terms, std::uint32_t missed, Notice& wake);
    Place(const Place&) = delete;
    ~Place();
    bool heard() const { return heard_; }
    std::uint32_t missed() const { return missed_; }               // windows in a row
    const std::string& adapter() const { return terms_.adapter; }  // that it is pinned to; or empty

   private:
    friend class Absentees;
    Absentees& owner_;
    DeviceAddress device_;
    Terms terms_;
    std::uint32_t missed_;
    Notice& wake_;
    bool heard_ = false;
    TimePoint due_;                                     // of the next window that is opened for it
    TimePoint since_;                                   // it has waited
    std::map<std::string, std::unique_ptr<Ear>> ears_;  // by adapter path
    std::list<Place*>::iterator at_;
  };
  // `missed`: how many windows in a row it has missed before. `wake` is told when it is heard.
  std::unique_ptr<Place> join(DeviceAddress device, const Terms& terms, std::uint32_t missed, Notice& wake) {
    return std::make_unique<Place>(*this, device, terms, missed, wake);
  }
  // A window for all of them at once: an adapter has come up, or the host has woken.
  void look_now();

 private:
  class Window;
  Duration pause(std::uint32_t missed) const;
  TimePoint due() const;
  Task<Unit> keep();
  Task<Unit> listen();
  Task<Unit> look_for_links();

  Executor& executor_;
  Bluez& bluez_;
  Discovery& discovery_;
  const Settings& settings_;
  Notice changed_;
  std::list<Place*> places_;
  bool keeping_ = false;
  Scope tasks_;
};

}  // namespace bleconnd
