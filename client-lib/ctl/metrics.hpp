// The daemon's statistics as OpenMetrics text, version 1.0.0, which Prometheus and node_exporter's text file
// collector read.
#pragma once
#include <cstdint>
#include <map>
#include <string>

namespace bleconnctl {

// From the flat names of GetStatistics, org.bleconnd(5). What this version does not know is left out: its
// labels have no names here.
std::string open_metrics(const std::map<std::string, std::uint64_t>& flat);

}  // namespace bleconnctl
