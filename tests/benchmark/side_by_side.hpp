// What the rows share: three worlds that take turns, each a bus, a scripted BlueZ and one who is measured, so
// that none of them hears the others' signals; and the figures, one line of JSON each, that `table` reads.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <list>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "measure.hpp"
#include "world.hpp"

namespace bleconnd::benchmark {

using namespace bleconnd::integration;

enum class Who { floor, relay, ours, library };
inline const char* const kNames[] = {"floor", "relay", "ours", "library"};

struct Programs {
  std::string daemon;
  std::string cycle;
  std::vector<std::string> library;  // the command; empty: not there
};

// Answers a line of text with a line of JSON; says {"ready":true} when it can.
class Worker {
 public:
  Worker(Loop& loop, const std::string& bus, const std::vector<std::string>& command)
      : loop_{loop}, command_{command.front()} {
    int ends[2];
    checked(pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0, "pipe2");
    input_ = ends[1];
    process_ = std::make_unique<ChildProcess>(
        loop, ChildCommand{command,
                           {{"DBUS_SYSTEM_BUS_ADDRESS", bus}, {"PYTHONUNBUFFERED", "1"}},
                           [read_end = ends[0]] { return dup2(read_end, STDIN_FILENO) == STDIN_FILENO; }});
    close(ends[0]);
    (void)next("ready", std::chrono::seconds{60});
  }
  ~Worker() { close(input_); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void say(const std::string& line) const {
    const auto text = line + "\n";
    require(write(input_, text.data(), text.size()) == static_cast<ssize_t>(text.size()),
            command_ + " reads nothing");
  }
  // The next line that has this key.
  nlohmann::json next(const std::string& key, std::chrono::milliseconds patience) {
    std::optional<nlohmann::json> found;
    const auto came = [&] {
      for (auto end = text().find('\n', read_); !found && end != std::string::npos;
           end = text().find('\n', read_)) {
        const auto line = nlohmann::json::parse(text().substr(read_, end - read_), nullptr, false);
        read_ = end + 1;
        if (line.is_object() && line.contains(key)) found = line;
      }
      return found || process_->exit_status();
    };
    loop_.run_until(came, patience);
    if (!found) throw std::runtime_error(command_ + " did not answer; it said:\n" + text());
    return *found;
  }
  nlohmann::json ask(const std::string& line, std::chrono::milliseconds patience = std::chrono::seconds{20}) {
    say(line);
    auto answer = next("wall", patience);
    (void)next("ready", patience);
    return answer;
  }
  [[nodiscard]] pid_t pid() const { return process_->pid(); }

 private:
  [[nodiscard]] const std::string& text() const { return process_->output(); }

  Loop& loop_;
  std::string command_;
  int input_ = -1;
  std::unique_ptr<ChildProcess> process_;
  std::size_t read_ = 0;
};

inline std::vector<std::string> command_of(const Programs& programs, Who who) {
  if (who == Who::library) return programs.library;
  return {programs.cycle, who == Who::floor ? "floor" : "daemon"};
}

// BlueZ's own times are nothing: what is measured is everybody's own share and the bus'.
inline WorldOptions instant() {
  WorldOptions options;
  options.bluez.speed = 1;
  auto& timing = options.bluez.timing;
  timing.make_links_instant();
  timing.power_change = timing.discovering_signal = 1ms;
  timing.advertising = 100ms;
  timing.temporary = std::chrono::hours{10};
  return options;
}

inline std::string address_of(std::size_t number) {
  char text[18];
  std::snprintf(text, sizeof text, "C0:00:00:%02zX:%02zX:%02zX", number >> 16 & 255, number >> 8 & 255,
                number & 255);
  return text;
}
inline std::string device_path(const std::string& address, const std::string& adapter = "hci0") {
  auto path = "/org/bluez/" + adapter + "/dev_" + address;
  std::ranges::replace(path, ':', '_');
  return path;
}

class Side {
 public:
  Side(const Programs& programs, Who who_it_is, const WorldOptions& options = instant())
      : who{who_it_is}, world{options}, bluez{world.bluez}, programs_{programs} {}

  // After the scene is set.
  void start(const std::string& main_conf = "[General]\nLingerSec=0\n") {
    if (!bluez.running()) bluez.start();
    if (who == Who::ours) use_memory();
    if (who == Who::ours && !world.start_daemon(programs_.daemon, main_conf))
      throw std::runtime_error("no READY=1: " + log());
    if (who == Who::relay)
      relay = std::make_unique<Worker>(world.loop, world.bus.address(),
                                       std::vector<std::string>{programs_.cycle, "relay"});
    worker = std::make_unique<Worker>(world.loop, world.bus.address(), command_of(programs_, who));
  }
  void pass(std::chrono::milliseconds time) {
    world.until([] { return false; }, time);
  }
  // Nothing is left over in BlueZ, and what follows an answer has been done.
  void settle() {
    if (!world.until([&] { return bluez.leftovers() == Leftovers{}; }))
      throw std::runtime_error(name() + " leaves something over\n" + world.report());
    // They end unseen by this loop.
    for (int tries = 0; who == Who::ours && !world.daemon->process().children().empty(); ++tries) {
      require(tries < 2000, "the daemon's children do not end");
      pass(5ms);
    }
    pass(4ms);
  }
  [[nodiscard]] std::string name() const { return kNames[static_cast<int>(who)]; }
  // A cycle to its end; what it took, as the client says.
  nlohmann::json cycle(const std::string& address) {
    const auto answer = worker->ask(name_of(address));
    if (answer["failure"] != "")
      throw std::runtime_error(name() + ": " + answer["failure"].get<std::string>() + "\n" + world.report() +
                               log());
    settle();
    bluez.forget_calls();
    return answer;
  }
  // The daemon has its objects and the links that it needs for nothing else than waiting.
  void until_running() {
    auto& client = world.client();
    const auto runs = [&] {
      const auto reply = client.manager_property("State");
      return world.outcome(reply) == "ok" && reply->arguments[0] == "running";
    };
    if (!world.until(runs)) throw std::runtime_error("the daemon does not run: " + log());
  }
  // The daemon has given back what its start left over, once and for all.
  void until_settled() {
    if (!world.until([&] { return world.daemon->said("X_BLECONND_SETTLED=1"); }))
      throw std::runtime_error("the daemon does not settle: " + world.daemon->log());
  }
  // Of all processes that stand between a program and BlueZ.
  [[nodiscard]] double cpu() {
    return cpu_ms(worker->pid()) + (who == Who::ours ? cpu_ms(daemon_pid())
                                    : relay          ? cpu_ms(relay->pid())
                                                     : 0);
  }
  [[nodiscard]] std::string log() const {
    std::ifstream file{log_file_};
    return {std::istreambuf_iterator<char>{file}, {}};
  }
  [[nodiscard]] pid_t daemon_pid() { return world.daemon->process().pid(); }
  // Who holds the links: the daemon, or the library's process.
  [[nodiscard]] pid_t holder() { return who == Who::ours ? daemon_pid() : worker->pid(); }
  [[nodiscard]] std::string name_of(const std::string& address) const {
    return who == Who::floor ? device_path(address) : address;
  }

  const Who who;
  World world;
  ScriptedBluez& bluez;
  std::unique_ptr<Worker> relay;  // takes the daemon's place
  std::unique_ptr<Worker> worker;

 private:
  // A service's /run is a tmpfs, and its log a socket: a disk that is written to makes neither wait. The log
  // does not go to this process: it plays BlueZ, and would be woken for each line in the midst of a call.
  void use_memory() {
    memory_ = std::make_unique<TemporaryDirectory>("/dev/shm");
    world.daemon_options.environment["RUNTIME_DIRECTORY"] = memory_->make_directory("run");
    log_file_ = memory_->file("log");
    world.daemon_options.before_exec = [file = log_file_] {
      const int log = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
      return dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0;
    };
  }
  const Programs& programs_;
  std::unique_ptr<TemporaryDirectory> memory_;
  std::string log_file_;
};

struct Figure {
  std::string id;  // what `table` knows it by
  std::string what;
  std::string unit;
  std::size_t n = 1;
  std::optional<double> floor{};
  std::optional<double> ours{};
  std::optional<double> library{};
  std::optional<double> relay{};
};

class Figures {
 public:
  explicit Figures(const std::string& file) : file_{file, std::ios::app} {
    require(file_.good(), "cannot write " + file);
  }
  void add(const Figure& figure) {
    const auto value = [](const std::optional<double>& number) {
      return number ? nlohmann::json(*number) : nlohmann::json();
    };
    const nlohmann::json line{{"id", figure.id},
                              {"what", figure.what},
                              {"unit", figure.unit},
                              {"n", figure.n},
                              {"floor", value(figure.floor)},
                              {"relay", value(figure.relay)},
                              {"ours", value(figure.ours)},
                              {"library", value(figure.library)}};
    file_ << line.dump() << std::endl;
    std::printf("%s %s\n", figure.id.c_str(), line.dump().c_str());
    std::fflush(stdout);
  }

 private:
  std::ofstream file_;
};

struct Run {
  Programs programs;
  Figures figures;
  std::size_t rounds;
};

// The rows, P1 to P7.
void connects(Run& run);     // P1, P2
void reports(Run& run);      // P3
void memory(Run& run);       // P4
void start_up(Run& run);     // P5
void recovery(Run& run);     // P6
void concurrency(Run& run);  // P7

}  // namespace bleconnd::benchmark
