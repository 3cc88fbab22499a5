// What a program does about each kind of failure: categories AA:BB:CC:DD:EE:FF
#include <bleconn/bleconn.hpp>
#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: %s ADDRESS\n", argv[0]), 2;
  try {
    bleconn::Client client;
    const bleconn::Connection device = client.establish(argv[1]);
    std::printf("connected on %s\n", device.adapter().c_str());
    return 0;
  } catch (const bleconn::Error& error) {
    switch (error.category()) {
      case bleconn::Category::not_found:
        std::printf("out of range or asleep; ask again later\n");
        break;
      case bleconn::Category::out_of_connection_slots:
        std::printf("all connections are in use; release one\n");
        break;
      case bleconn::Category::aborted:
        std::printf("it was there, and the link did not last; closer is better\n");
        break;
      case bleconn::Category::connection_failed:
        std::printf("more attempts do not help: %s\n", error.token().c_str());
        break;
      default:
        std::printf("%s\n", std::string{to_string(error.category())}.c_str());
    }
    std::printf("what to do: %s\n", error.advice().c_str());
    return 1;
  }
}
