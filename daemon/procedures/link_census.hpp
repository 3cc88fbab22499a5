// The links that other programs hold, for the adapters whose slots are limited. BlueZ tells of them only when
// it is asked, and a rule for all devices would wake us for every advertisement: so they are counted when a
// dial depends on it, and the end of those that were found is followed while somebody waits or dials.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "async/scope.hpp"
#include "procedures/dial_queue.hpp"

namespace bleconnd {

class LinkCensus {
 public:
  LinkCensus(Executor& executor, Bluez& bluez, DialQueue& queue)
      : executor_{executor}, bluez_{bluez}, queue_{queue}, counted_now_{executor} {}
  LinkCensus(const LinkCensus&) = delete;

  // Somebody waits or dials: what was counted is followed until the last of them has gone.
  // Whoever counts has one.
  class Interest {
   public:
    explicit Interest(LinkCensus& census) : census_{census} { ++census.interested_; }
    Interest(const Interest&) = delete;
    ~Interest() {
      if (--census_.interested_ == 0) census_.forget();
    }

   private:
    LinkCensus& census_;
  };

  // A count that is older is made again before a dial: another program can have made a link since.
  static constexpr std::chrono::seconds kCurrent{1};
  // Counts if one of `adapters` (addresses) has a limit and no current count; nothing otherwise. `device` is
  // any device at hand: BlueZ is asked for it and for all that are connected.
  Task<Unit> bring_up_to_date(std::vector<std::string> adapters, DeviceAddress device, std::stop_token stop);
  // Counts now: the LE links of `adapter` without `device`; 0 if BlueZ does not answer.
  Task<std::uint32_t> links(std::string adapter, DeviceAddress device, std::stop_token stop);

 private:
  struct Reading {
    explicit Reading(LinkCensus& of) : census{of} { ++census.reading_; }
    Reading(const Reading&) = delete;
    ~Reading() {
      --census.reading_;
      census.counted_now_.notify();
    }
    LinkCensus& census;
  };
  bool must_count(const std::vector<std::string>& adapters, TimePoint since) const;
  Task<Outcome<std::vector<DeviceState>>> read(DeviceAddress device, std::stop_token stop);
  void count(const std::vector<DeviceState>& devices, TimePoint asked);
  Task<Unit> follow_link(std::string path, std::string adapter, DeviceAddress device);
  void forget();

  Executor& executor_;
  Bluez& bluez_;
  DialQueue& queue_;
  Notice counted_now_;
  std::uint32_t interested_ = 0;
  std::uint32_t reading_ = 0;
  bool read_failed_ = false;  // the last one
  struct Count {
    std::uint64_t power_epoch;
    TimePoint asked;
  };
  std::map<std::string, Count> counted_;  // by adapter address
  std::set<std::string> followed_;        // paths
  std::unique_ptr<Scope> following_;      // goes first
};

}  // namespace bleconnd
