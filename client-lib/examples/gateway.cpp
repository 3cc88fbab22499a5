// A complete program: keeps devices connected for as long as it runs, and says what happens to them.
// gateway AA:BB:CC:DD:EE:01 AA:BB:CC:DD:EE:02 …
#include <bleconn/bleconn.hpp>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <map>
#include <mutex>
#include <set>
#include <string>

namespace {

class Gateway {
 public:
  void keep(const std::string& address) {
    bleconn::Options options;
    options.maintain = true;  // bleconnd connects, and connects again after every loss
    options.wait = false;     // the device need not be there yet
    options.label = "gateway";
    client_.establish(address, options, [this, address](bleconn::Result<bleconn::Connection> result) {
      if (result.ok())
        kept(address, std::move(result.value()));
      else
        refused(address, result.error());
    });
  }
  // bleconnd was not there, or had no room.
  void keep_the_others() {
    std::set<std::string> others;
    {
      const std::lock_guard locked{mutex_};
      others.swap(others_);
    }
    for (auto& address : others) keep(address);
  }

 private:
  void kept(const std::string& address, bleconn::Connection device) {
    device.on_connected([this, address] { say(address, "connected"); });
    device.on_disconnected([this, address](const std::string& reason) { say(address, "lost: " + reason); });
    say(address, device.is_connected() ? "connected" : "is waited for");
    const std::lock_guard locked{mutex_};
    devices_[address] = std::move(device);
  }
  void refused(const std::string& address, const bleconn::Error& error) {
    say(address, error.what());
    using bleconn::Category;
    const bool later = error.category() == Category::daemon_not_running ||
                       error.category() == Category::limits_exceeded || error.category() == Category::timeout;
    const std::lock_guard locked{mutex_};
    if (later) others_.insert(address);
  }
  void say(const std::string& address, const std::string& what) {
    std::printf("%s  %s\n", address.c_str(), what.c_str());
    std::fflush(stdout);
  }
  std::mutex mutex_;
  std::map<std::string, bleconn::Connection> devices_;
  std::set<std::string> others_;
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
  const timespec pause{5, 0};
  while (sigtimedwait(&end, nullptr, &pause) < 0) gateway.keep_the_others();
  // The links end with the program's leases.
} catch (const bleconn::Error& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
