// bleconnd beside the least that a program can do and beside the Python library, on a scripted BlueZ; rows P1
// to P7. Usage: side_by_side FIGURES DAEMON CYCLE ROUNDS ROWS [LIBRARY_COMMAND ...]. ROWS: P1,P3,P5 or all
// (P1 has P2). Figures are appended to FIGURES, a line of JSON each; `table` judges them.
//
// No Google Benchmark: a sample is a cycle of several processes on a bus, and each is judged against another
// of the same round. A framework that runs one case to its end before the next would let the machine's mood
// of the minute into the ratio.
#include "side_by_side.hpp"

#include <csignal>
#include <cstdlib>
#include <iostream>

using namespace bleconnd::benchmark;

namespace {

struct Row {
  std::vector<std::string> names;
  void (*measure)(Run&);
};
const Row kRows[] = {{{"P1", "P2"}, connects}, {{"P3"}, reports},  {{"P4"}, memory},
                     {{"P5"}, start_up},       {{"P6"}, recovery}, {{"P7"}, concurrency}};

bool wanted(const std::string& rows, const std::string& name) {
  return rows == "all" || ("," + rows + ",").find("," + name + ",") != std::string::npos;
}

}  // namespace

int main(int count, char** words) {
  if (count < 6) {
    std::cerr << "usage: side_by_side FIGURES DAEMON CYCLE ROUNDS ROWS [LIBRARY_COMMAND ...]\n";
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  try {
    Run run{{words[2], words[3], {words + 6, words + count}},
            Figures{words[1]},
            static_cast<std::size_t>(std::stoul(words[4]))};
    for (const auto& row : kRows)
      if (std::ranges::any_of(row.names, [&](const auto& name) { return wanted(words[5], name); }))
        row.measure(run);
    return 0;
  } catch (const std::exception& failure) {
    std::cerr << "side_by_side: " << failure.what() << "\n";
    return 2;
  }
}
