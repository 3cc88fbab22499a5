// A device that moves between adapters: each call dials on the one that hears it best, and avoids one that
// has just failed. adapters AA:BB:CC:DD:EE:FF [hciN, to be bound to one]
#include <bleconn/bleconn.hpp>
#include <cstdio>

int main(int argc, char** argv) try {
  if (argc < 2) return std::fprintf(stderr, "usage: %s ADDRESS [ADAPTER]\n", argv[0]), 2;
  bleconn::Client client;
  bleconn::Options options;
  if (argc > 2) options.adapter = argv[2];
  for (int round = 0; round < 3; ++round) {
    bleconn::Connection device = client.establish(argv[1], options);
    std::printf("round %d: %s, %s\n", round + 1, device.adapter().c_str(), device.bluez_device().c_str());
    device.release();
  }
} catch (const bleconn::Error& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
