// Every option of a connection: options AA:BB:CC:DD:EE:FF
#include <bleconn/bleconn.hpp>
#include <cstdio>

int main(int argc, char** argv) try {
  using namespace std::chrono_literals;
  if (argc != 2) return std::fprintf(stderr, "usage: %s ADDRESS\n", argv[0]), 2;
  bleconn::Options options;
  options.lifetime = bleconn::Lifetime::caller;  // persistent: for good
  options.timeout = 60s;
  options.attempt_timeout = 10s;
  options.max_attempts = 6;
  options.adapter = {};  // any
  options.use_services_cache = true;
  options.required_uuids = {"180a"};  // Device Information
  options.pair = false;
  options.trust = false;
  options.maintain = true;
  options.priority = bleconn::Priority::high;
  options.label = "options example";
  options.on_attempt_failed = [](const bleconn::AttemptFailed& failed) {
    std::printf("attempt %u of %u: %s\n", failed.attempt, failed.max_attempts, failed.error.what());
  };
  bleconn::Client client;
  const bleconn::Connection device = client.establish(argv[1], options);
  std::printf("connected on %s, attempt %u, %.2f s%s%s\n", device.adapter().c_str(), device.attempts(),
              std::chrono::duration<double>(device.elapsed()).count(), device.shared() ? ", shared" : "",
              device.services_from_cache() ? ", services from the cache" : "");
} catch (const bleconn::Error& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
