// Counters and histograms: where a duration is counted, what the flat names are, and that nothing grows
// without bound.
#include "core/statistics.hpp"

#include <gtest/gtest.h>

namespace bleconnd {
namespace {

using namespace std::chrono_literals;

TEST(Statistics, ADurationIsInTheFirstBucketWhoseBoundItDoesNotExceed) {
  struct Row {
    std::chrono::microseconds duration;
    std::size_t bucket;
  };
  const Row rows[]{{-1s, 0}, {0us, 0}, {100ms, 0}, {100'001us, 1},      {250ms, 1}, {251ms, 2},
                   {1s, 3},  {20s, 7}, {120s, 9},  {120'000'001us, 10}, {48h, 10}};
  for (const auto& [duration, bucket] : rows) {
    Histogram histogram;
    histogram.observe(duration);
    EXPECT_EQ(histogram.buckets.at(bucket), 1u) << duration.count();
    EXPECT_EQ(histogram.count(), 1u);
    EXPECT_EQ(histogram.sum_usec, static_cast<std::uint64_t>(std::max(duration, 0us).count()));
  }
}

TEST(Statistics, FlatNamesAreCumulativeAndKeepTheLabels) {
  Statistics statistics;
  statistics.count("calls");
  statistics.count("dials/hci0", 3);
  statistics.observe("call-seconds/hci0/ok", 230ms);
  statistics.observe("call-seconds/hci0/ok", 900ms);
  statistics.observe("call-seconds/hci0/ok", 10min);
  const auto flat = statistics.flat();
  EXPECT_EQ(flat.at("calls"), 1u);
  EXPECT_EQ(flat.at("dials/hci0"), 3u);
  EXPECT_EQ(flat.at("call-seconds-bucket/hci0/ok/0.1"), 0u);
  EXPECT_EQ(flat.at("call-seconds-bucket/hci0/ok/0.25"), 1u);
  EXPECT_EQ(flat.at("call-seconds-bucket/hci0/ok/1"), 2u);
  EXPECT_EQ(flat.at("call-seconds-bucket/hci0/ok/120"), 2u);
  EXPECT_EQ(flat.at("call-seconds-bucket/hci0/ok/+Inf"), 3u);
  EXPECT_EQ(flat.at("call-seconds-count/hci0/ok"), 3u);
  EXPECT_EQ(flat.at("call-seconds-sum-usec/hci0/ok"), 601'130'000u);
  EXPECT_EQ(flat.size(), 2u + kBucketBounds.size() + 1 + 2);
}

TEST(Statistics, RestoredValuesAreAddedToAndTellNobody) {
  Statistics statistics;
  int told = 0;
  statistics.on_change([&told] { ++told; });
  Histogram former;
  former.observe(1s);
  statistics.restore("calls", 41);
  statistics.restore("dial-seconds/hci0", former);
  EXPECT_EQ(told, 0);
  statistics.count("calls");
  statistics.observe("dial-seconds/hci0", 2s);
  EXPECT_EQ(told, 2);
  EXPECT_EQ(statistics.counters().at("calls"), 42u);
  EXPECT_EQ(statistics.histograms().at("dial-seconds/hci0").sum_usec, 3'000'000u);
  statistics.reset();
  EXPECT_EQ(told, 3);
  EXPECT_TRUE(statistics.flat().empty());
  statistics.count("nothing", 0);
  EXPECT_EQ(told, 3);
}

TEST(Statistics, SeriesAreBounded) {
  Statistics statistics;
  for (std::size_t i = 0; i < Statistics::kMostSeries + 100; ++i) {
    statistics.count("a/" + std::to_string(i));
    statistics.observe("b/" + std::to_string(i), 1s);
  }
  EXPECT_EQ(statistics.counters().size(), Statistics::kMostSeries);
  EXPECT_EQ(statistics.histograms().size(), Statistics::kMostSeries);
  statistics.count("a/0");
  EXPECT_EQ(statistics.counters().at("a/0"), 2u);
  statistics.observe("b/0", 1s);
  EXPECT_EQ(statistics.histograms().at("b/0").count(), 2u);
  statistics.restore("b/0", statistics.histograms().at("b/0"));
  EXPECT_EQ(statistics.histograms().at("b/0").count(), 4u);
  statistics.restore("b/more", Histogram{});
  EXPECT_FALSE(statistics.histograms().contains("b/more")) << "a file of a former life is no way around it";
}

TEST(Statistics, LabelsAreOfAFixedSet) {
  for (const auto& [name, label] : std::map<std::string, std::string>{{"", "none"},
                                                                      {"hci0", "hci0"},
                                                                      {"hci15", "hci15"},
                                                                      {"hci16", "other"},
                                                                      {"hci", "other"},
                                                                      {"hci1x", "other"},
                                                                      {"hci-1", "other"},
                                                                      {"eth0", "other"},
                                                                      {"hci99999999999", "other"}})
    EXPECT_EQ(adapter_label(name), label) << name;
  EXPECT_EQ(reason_label("released"), "released");
  EXPECT_EQ(reason_label("link-lost-remote"), "link-lost-remote");
  EXPECT_EQ(reason_label("link-lost-\"}\n"), "link-lost");
  EXPECT_EQ(reason_label(""), "link-lost");
}

}  // namespace
}  // namespace bleconnd
