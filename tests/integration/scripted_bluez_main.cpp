// scripted_bluez: an org.bluez without a radio, for the quick start, demonstrations and benchmarks.
// One peripheral is heard as soon as somebody discovers; it can be told to fail its first connections.
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "scripted_bluez.hpp"

using namespace bleconnd::integration;

namespace {

struct Arguments {
  std::string device = "AA:BB:CC:DD:EE:FF";
  std::string name = "Demo sensor";
  int fail = 0;
  int adapters = 1;
  double speed = 1;
};

int usage(std::ostream& out, int status) {
  out << "scripted_bluez [--device ADDRESS] [--name NAME] [--fail N] [--adapters N] [--speed FACTOR]\n"
         "Owns org.bluez on the bus of DBUS_SYSTEM_BUS_ADDRESS until SIGTERM.\n"
         "The first N connections to the device fail as those to a device at the edge of its range do.\n";
  return status;
}

bool parse(const std::vector<std::string>& words, Arguments& arguments) {
  for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
    const std::string& value = words[i + 1];
    if (words[i] == "--device")
      arguments.device = value;
    else if (words[i] == "--name")
      arguments.name = value;
    else if (words[i] == "--fail")
      arguments.fail = std::stoi(value);
    else if (words[i] == "--adapters")
      arguments.adapters = std::stoi(value);
    else if (words[i] == "--speed")
      arguments.speed = std::stod(value);
    else
      return false;
  }
  return words.size() % 2 == 0 && arguments.speed > 0;
}

int run(const Arguments& arguments) {
  const char* address = std::getenv("DBUS_SYSTEM_BUS_ADDRESS");
  if (address == nullptr) {
    std::cerr << "scripted_bluez: DBUS_SYSTEM_BUS_ADDRESS is not set; it must not take org.bluez of the "
                 "system bus\n";
    return 2;
  }
  Loop loop;
  bool stop = false;
  const auto end = [](sd_event_source*, const signalfd_siginfo*, void* flag) {
    *static_cast<bool*>(flag) = true;
    return 0;
  };
  checked(sd_event_add_signal(loop.event(), nullptr, SIGTERM, end, &stop), "SIGTERM");
  checked(sd_event_add_signal(loop.event(), nullptr, SIGINT, end, &stop), "SIGINT");

  BluezSettings settings;
  settings.speed = arguments.speed;
  ScriptedBluez bluez(loop, address, settings);
  for (int i = 0; i < arguments.adapters; ++i) bluez.add_adapter();
  Peripheral& device = bluez.add_peripheral(arguments.device);
  device.name = arguments.name;
  for (int i = 0; i < arguments.fail; ++i) device.next_connects({aborts(300ms)});
  bluez.start();
  std::cout << "org.bluez is ready: " << arguments.adapters << " adapter(s), " << arguments.device << " ("
            << arguments.name << ") is in range" << std::endl;
  while (!stop) loop.run_until([&] { return stop; }, std::chrono::hours(1));
  bluez.terminate();
  return 0;
}

}  // namespace

int main(int count, char** words) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  try {
    Arguments arguments;
    const std::vector<std::string> given(words + 1, words + count);
    if (given == std::vector<std::string>{"--help"}) return usage(std::cout, 0);
    if (!parse(given, arguments)) return usage(std::cerr, 2);
    return run(arguments);
  } catch (const std::exception& failure) {
    std::cerr << "scripted_bluez: " << failure.what() << "\n";
    return 1;
  }
}
