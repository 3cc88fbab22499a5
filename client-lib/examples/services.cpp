// Connects a device and lists its services: services AA:BB:CC:DD:EE:FF
#include <bleconn/bleconn.hpp>
#include <cstdio>

int main(int argc, char** argv) try {
  if (argc != 2) return std::fprintf(stderr, "usage: %s ADDRESS\n", argv[0]), 2;
  bleconn::Client client;
  const bleconn::Connection device = client.establish(argv[1]);
  for (const auto& service : device.services().all()) {
    std::printf("%s\n", service.uuid.c_str());
    for (const auto& characteristic : service.characteristics)
      std::printf("  %s  %s\n", characteristic.uuid.c_str(), characteristic.path.c_str());
  }
} catch (const bleconn::Error& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
