// A complete program: keeps devices connected for as long as it runs, and says what happens to them.
// gateway AA:BB:CC:DD:EE:01 AA:BB:CC:DD:EE:02 …
#include <bleconn/bleconn.hpp>
#include <csignal>
#include <cstdio>
#include <map>
#include <mutex>
#include <string>

namespace {

class Gateway {
 public:
  void keep(const std::string& address) {
    bleconn::Options options;
    options.maintain = true;  // from the first link on, bleconnd connects again after every loss
    options.timeout = std::chrono::hours{24};
    options.max_attempts = 100;
    options.label = "gateway";
    options.on_attempt_failed = [this, address](const bleconn::AttemptFailed& failed) {
      say(address, failed.error.what());
    };
    client_.establish(address, options, [this, address](bleconn::Result<bleconn::Connection> result) {
      if (!result.ok()) {
        say(address, result.error().what());
        const auto category = result.error().category();
        const bool in_vain = category == bleconn::Category::invalid_args;
        if (!in_vain && category != bleconn::Category::cancelled) keep(address);
        return;
      }
      auto& device = result.value();
      say(address, "connected on " + device.adapter());
      device.on_disconnected([this, address](const std::string& reason) { say(address, "lost: " + reason); });
      device.on_connected([this, address] { say(address, "back"); });
      const std::lock_guard locked{mutex_};
      devices_[address] = std::move(device);
    });
  }

 private:
  void say(const std::string& address, const std::string& what) {
    std::printf("%s  %s\n", address.c_str(), what.c_str());
    std::fflush(stdout);
  }
  std::mutex mutex_;
  std::map<std::string, bleconn::Connection> devices_;
  bleconn::Client client_;
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) return std::fprintf(stderr, "usage: %s ADDRESS …\n", argv[0]), 2;
  sigset_t end;
  sigemptyset(&end);
  sigaddset(&end, SIGINT);
  sigaddset(&end, SIGTERM);
  sigprocmask(SIG_BLOCK, &end, nullptr);
  Gateway gateway;
  for (int i = 1; i < argc; ++i) gateway.keep(argv[i]);
  int signal = 0;
  sigwait(&end, &signal);  // the links end with the program's leases
} catch (const bleconn::Error& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
