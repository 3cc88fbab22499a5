// What has happened, in numbers that survive restarts: counters, and histograms of how long things took.
// Pure. A series is a name and up to two labels, "attempts-failed/hci0/NotFound"; labels are adapters and
// categories, never devices, so that their number is bounded whatever is dialled.
#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace bleconnd {

// Upper bounds of the buckets in seconds; the last bucket has none. 0.1 and 0.25: a connect whose services
// are cached (0.23 s with a connection interval of 50 ms); 0.5 and 1: one that discovers them; 2.5 and 5: one
// or two retries; 10: a device that advertises rarely; 20: attempt-timeout's default; 60; 120: timeout's
// default.
inline constexpr std::array<double, 10> kBucketBounds{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60, 120};

struct Histogram {
  std::array<std::uint64_t, kBucketBounds.size() + 1> buckets{};  // not cumulative
  std::uint64_t sum_usec = 0;

  void observe(std::chrono::microseconds duration);
  std::uint64_t count() const;
  bool operator==(const Histogram&) const = default;
};

class Statistics {
 public:
  using Flat = std::map<std::string, std::uint64_t>;
  // Of counters and of histograms each; what is beyond is not counted. 16 adapters with 20 reasons need 320.
  static constexpr std::size_t kMostSeries = 512;

  void count(const std::string& series, std::uint64_t by = 1);
  void observe(const std::string& series, std::chrono::microseconds duration);
  void reset();
  // As they were kept; adds to what is there.
  void restore(const std::string& series, std::uint64_t value);
  void restore(const std::string& series, const Histogram& histogram);

  // Everything by name: counters as they are; a histogram NAME/LABELS as NAME-bucket/LABELS/BOUND,
  // cumulative, the bounds as kBucketBounds has them and "+Inf", NAME-count/LABELS, and NAME-sum-usec/LABELS.
  Flat flat() const;
  const Flat& counters() const { return counters_; }
  const std::map<std::string, Histogram>& histograms() const { return histograms_; }

  // Told of every change, also of a reset.
  void on_change(std::function<void()> told) { told_ = std::move(told); }

 private:
  void changed() {
    if (told_) told_();
  }
  Flat counters_;
  std::map<std::string, Histogram> histograms_;
  std::function<void()> told_;
};

// "hci0" as a label: "none" without one, "other" for what is no hciN or beyond the 16 first, so that a host
// whose adapter is replugged for years does not grow.
std::string adapter_label(std::string_view name);
// Why a link has ended, as a label: BlueZ's own words become "link-lost".
std::string reason_label(std::string_view reason);

}  // namespace bleconnd
