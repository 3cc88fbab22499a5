// Says when and why the link of a device ends: disconnected AA:BB:CC:DD:EE:FF
#include <bleconn/bleconn.hpp>
#include <cstdio>
#include <future>

int main(int argc, char** argv) try {
  if (argc != 2) return std::fprintf(stderr, "usage: %s ADDRESS\n", argv[0]), 2;
  bleconn::Client client;
  std::promise<std::string> ended;
  bleconn::Connection device = client.establish(argv[1]);
  // On the client's own thread: it hands the reason over and does nothing else.
  device.on_disconnected([&](const std::string& reason) { ended.set_value(reason); });
  std::printf("connected on %s\n", device.adapter().c_str());
  std::fflush(stdout);
  std::printf("ended: %s\n", ended.get_future().get().c_str());
} catch (const bleconn::Error& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
