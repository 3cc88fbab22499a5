// A firmware update moved a characteristic: the cached services are forgotten, once, and discovered afresh.
// missing AA:BB:CC:DD:EE:FF 2a19
#include <bleconn/bleconn.hpp>
#include <cstdio>

int main(int argc, char** argv) try {
  if (argc != 3) return std::fprintf(stderr, "usage: %s ADDRESS UUID\n", argv[0]), 2;
  bleconn::Client client;
  bleconn::Connection device = client.establish(argv[1]);
  bleconn::Services services = device.services();
  if (!services.characteristic(argv[2])) {
    client.clear_cache(argv[1]);
    device.release();  // the device is discovered afresh by the next connection
    device = client.establish(argv[1]);
    services = device.services();
  }
  const auto* characteristic = services.characteristic(argv[2]);
  if (!characteristic) return std::fprintf(stderr, "%s has no %s\n", argv[1], argv[2]), 1;
  std::printf("%s\n", characteristic->path.c_str());
} catch (const bleconn::Error& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
