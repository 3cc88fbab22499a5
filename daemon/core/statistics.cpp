// Names of series are made here and nowhere else read: bleconnctl takes them apart at '/'.
#include "core/statistics.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <numeric>

namespace bleconnd {
namespace {

constexpr unsigned kAdapters = 16;
constexpr std::array<std::string_view, 9> kReasons{
    "released",         "forced",          "link-lost",           "link-lost-timeout",
    "link-lost-remote", "link-lost-local", "services-incomplete", "stack-down",
    "adapter-off"};

// "0.25", "1"
std::string bound_text(std::size_t bucket) {
  if (bucket == kBucketBounds.size()) return "+Inf";
  char text[32];
  const int size = std::snprintf(text, sizeof text, "%g", kBucketBounds.at(bucket));
  return {text, static_cast<std::size_t>(size)};
}

// "call-seconds/hci0/ok", "-count" → "call-seconds-count/hci0/ok"
std::string with_suffix(const std::string& series, const char* suffix) {
  const auto slash = std::min(series.find('/'), series.size());
  return series.substr(0, slash) + suffix + series.substr(slash);
}

}  // namespace

void Histogram::observe(std::chrono::microseconds duration) {
  const auto usec = std::max<std::int64_t>(duration.count(), 0);
  const auto seconds = static_cast<double>(usec) / 1e6;
  // A bucket has what is at most its bound.
  const auto bound = std::ranges::lower_bound(kBucketBounds, seconds);
  ++buckets.at(static_cast<std::size_t>(bound - kBucketBounds.begin()));
  sum_usec += static_cast<std::uint64_t>(usec);
}

std::uint64_t Histogram::count() const {
  return std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0});
}

void Statistics::count(const std::string& series, std::uint64_t by) {
  if (by == 0) return;
  restore(series, by);
  changed();
}

void Statistics::observe(const std::string& series, std::chrono::microseconds duration) {
  if (histograms_.size() >= kMostSeries && !histograms_.contains(series)) return;
  histograms_[series].observe(duration);
  changed();
}

void Statistics::reset() {
  counters_.clear();
  histograms_.clear();
  changed();
}

void Statistics::restore(const std::string& series, std::uint64_t value) {
  if (counters_.size() < kMostSeries || counters_.contains(series)) counters_[series] += value;
}

void Statistics::restore(const std::string& series, const Histogram& histogram) {
  if (histograms_.size() >= kMostSeries && !histograms_.contains(series)) return;
  auto& own = histograms_[series];
  for (std::size_t i = 0; i < own.buckets.size(); ++i) own.buckets.at(i) += histogram.buckets.at(i);
  own.sum_usec += histogram.sum_usec;
}

Statistics::Flat Statistics::flat() const {
  auto all = counters_;
  for (const auto& [series, histogram] : histograms_) {
    std::uint64_t up_to = 0;
    for (std::size_t i = 0; i < histogram.buckets.size(); ++i) {
      up_to += histogram.buckets.at(i);
      all.insert_or_assign(with_suffix(series, "-bucket") + "/" + bound_text(i), up_to);
    }
    all.insert_or_assign(with_suffix(series, "-count"), up_to);
    all.insert_or_assign(with_suffix(series, "-sum-usec"), histogram.sum_usec);
  }
  return all;
}

std::string adapter_label(std::string_view name) {
  if (name.empty()) return "none";
  unsigned index = kAdapters;
  if (name.starts_with("hci")) {
    const auto* end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + 3, end, index);
    if (parsed.ec != std::errc{} || parsed.ptr != end) index = kAdapters;
  }
  return index < kAdapters ? "hci" + std::to_string(index) : "other";
}

std::string reason_label(std::string_view reason) {
  const bool known = std::ranges::find(kReasons, reason) != kReasons.end();
  return std::string{known ? reason : "link-lost"};
}

}  // namespace bleconnd
