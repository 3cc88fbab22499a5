// Maintained devices that are away. They are listened for together, in windows with pauses that grow: a
// hundred cost the radio what the one costs that has been away for the shortest time.
#pragma once
#include <list>
#include <map>
#include <memory>
#include <string>

#include "async/notice.hpp"
#include "async/scope.hpp"
#include "core/terms.hpp"
#include "ports/bluez.hpp"
#include "procedures/discovery.hpp"

namespace bleconnd {

class Absentees {
 public:
  // Architecture: 10 s, then a pause of 20 s, doubled with each window in which it was not heard, to 5 min.
  static constexpr std::chrono::seconds kWindow{10};
  static constexpr std::chrono::seconds kPause{20};
  static constexpr std::chrono::minutes kMostPause{5};

  Absentees(Executor& executor, Bluez& bluez, Discovery& discovery)
      : executor_{executor}, bluez_{bluez}, discovery_{discovery}, changed_{executor}, tasks_{executor} {}
  Absentees(const Absentees&) = delete;

  // One device that is waited for; dropping it is enough.
  class Place {
   public:
    Place(Absentees& owner, DeviceAddress device, Terms terms, std::uint32_t missed, Notice& wake);
    Place(const Place&) = delete;
    ~Place();
    bool heard() const { return heard_; }
    std::uint32_t missed() const { return missed_; }  // windows in a row

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
  static Duration pause(std::uint32_t missed);
  // A window for all of them at once: an adapter has come up, or the host has woken.
  void look_now();

 private:
  class Window;
  TimePoint due() const;
  Task<Unit> keep();
  Task<Unit> listen();
  Task<Unit> look_for_links();

  Executor& executor_;
  Bluez& bluez_;
  Discovery& discovery_;
  Notice changed_;
  std::list<Place*> places_;
  bool keeping_ = false;
  Scope tasks_;
};

}  // namespace bleconnd
