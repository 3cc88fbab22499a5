// Connects a device over and over until SIGTERM, by several threads: for valgrind. Status 1: a call failed.
#include <atomic>
#include <bleconn/bleconn.hpp>
#include <csignal>
#include <cstdio>
#include <thread>
#include <vector>

namespace {

std::atomic<bool> ends = false;
static_assert(std::atomic<bool>::is_always_lock_free, "it is written in a signal handler");

}  // namespace

int main(int, char** argv) {
  std::signal(SIGTERM, [](int) { ends = true; });
  std::atomic<int> failures = 0;
  bleconn::Client client;
  std::vector<std::thread> workers;
  for (int worker = 0; worker < 2; ++worker)
    workers.emplace_back([&] {
      while (!ends) {
        try {
          const auto link = client.establish(argv[1]);
          std::printf("connected\n");
        } catch (const bleconn::Error& error) {
          std::printf("%s\n", error.what());
          ++failures;
        }
        std::fflush(stdout);
      }
    });
  for (auto& worker : workers) worker.join();
  return failures == 0 ? 0 : 1;
}
