// bleconnctl: what people type. Each command is one function here; what it shows is in print.cpp.
#include <fmt/format.h>
#include <sys/signalfd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>

#include "bus.hpp"
#include "connect.hpp"
#include "print.hpp"

using namespace bleconnctl;

namespace {

struct Global {
  std::string host;
  std::string json_option = "compact";
  CLI::Option* json = nullptr;
  Style style() const { return style_of(json_option, json->count() > 0); }
};

bleconn::Client client_of(const Global& global) {
  return bleconn::Client{global.host, bleconn::Client::Loop{}};
}

void list(const Global& global) {
  const auto style = global.style();
  auto client = client_of(global);
  const auto all = client.list();
  if (style.as_json) {
    json rows = json::array();
    for (auto& each : all)
      rows.push_back({{"address", each.address},
                      {"state", each.state},
                      {"adapter", each.adapter},
                      {"leases", each.leases}});
    return print(style, rows);
  }
  if (all.empty()) return fmt::print("no device is leased, attempted or connected\n");
  std::vector<std::vector<std::string>> rows{{"ADDRESS", "STATE", "ADAPTER", "LEASES"}};
  for (auto& each : all)
    rows.push_back({printable(each.address), printable(each.state),
                    each.adapter.empty() ? "-" : printable(each.adapter), std::to_string(each.leases)});
  print_table(rows);
}

void status(const Global& global) {
  const auto style = global.style();
  auto client = client_of(global);
  Bus bus{global.host};
  auto described = json::parse(client.describe());
  const auto version = bus.property("Version"), state = bus.property("State");
  if (!style.as_json) return print_status(style, described, version, state);
  described["version"] = version;
  described["state"] = state;
  print(style, described);
}

void explain_device(const Global& global, const std::string& address) {
  const auto style = global.style();
  auto client = client_of(global);
  const auto described = json::parse(client.describe(address));
  style.as_json ? print(style, described) : explain(style, described);
}

void services(const Global& global, const std::string& address) {
  const auto style = global.style();
  auto client = client_of(global);
  const auto found = client.services(address);
  style.as_json ? print(style, to_json(found)) : print_tree(style, found);
}

void monitor(const Global& global) {
  const auto style = global.style();
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  const int ends = signalfd(-1, &set, SFD_CLOEXEC);
  const auto begun = std::chrono::steady_clock::now();
  Bus bus{global.host};
  bus.watch(
      [&](const Bus::Event& event) {
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begun;
        if (style.as_json)
          print(style, {{"seconds", elapsed.count()},
                        {"address", event.address},
                        {"event", event.what},
                        {"detail", event.detail}});
        else
          fmt::print("{:8.2f} s  {}  {}{}\n", elapsed.count(), printable(event.address),
                     printable(event.what),
                     event.detail.empty() ? "" : "  " + coloured(style, kDim, printable(event.detail)));
        std::fflush(stdout);
      },
      ends);
}

void counted(const Global& global, const char* what, std::uint32_t number) {
  const auto style = global.style();
  style.as_json ? print(style, {{what, number}}) : fmt::print("{} {}\n", number, what);
}

int failed(const Style& style, const bleconn::Error& error) {
  if (style.as_json)
    print(style, to_json(error));
  else
    fmt::print(stderr, "{}\n", printable(error.what()));
  return exit_code(error.category());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "bleconnctl: Bluetooth LE connections of this host, by bleconnd.\n"
      "Exit status: 0 done, 2 wrong usage, 3 time-out, 4 failed, 8 bleconnd does not run, 10 not found."};
  app.set_version_flag("--version", std::string{"bleconnctl "} + BLECONND_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  Global global;
  app.add_option("--host", global.host, "the system bus of HOST, by ssh; [USER@]HOST");
  global.json =
      app.add_option("--json", global.json_option, "JSON on stdout: compact (one line a value) or pretty")
          ->expected(0, 1)
          ->default_str("compact")
          ->check(CLI::IsMember({"compact", "pretty"}));
  int status_code = 0;

  ConnectRequest request;
  std::uint32_t timeout = 120, attempt_timeout = 20;
  bool no_cache = false, persistent = false, no_wait = false;
  std::string priority = "normal";
  auto* connect_command = app.add_subcommand("connect", "connect a device, or join what connects it");
  connect_command->add_option("ADDRESS", request.address, "AA:BB:CC:DD:EE:FF")->required();
  connect_command->add_flag("--hold", request.hold, "keep the link while this runs");
  connect_command->add_flag("--persistent", persistent, "a lease of your user, over restarts, until release");
  connect_command->add_flag("--no-wait", no_wait, "only say so: a --persistent lease, best with --maintain")
      ->excludes("--hold")
      ->needs("--persistent");
  connect_command->add_flag("--maintain", request.options.maintain, "connect again after every loss");
  connect_command->add_option("--timeout", timeout, "of the whole call, seconds")
      ->check(CLI::Range(1, 86400));
  connect_command
      ->add_option("--attempt-timeout", attempt_timeout, "of each window, dial and resolve, seconds")
      ->check(CLI::Range(1, 300));
  connect_command->add_option("--max-attempts", request.options.max_attempts)->check(CLI::Range(1, 100));
  connect_command->add_option("--adapter", request.options.adapter, "hciN or an adapter's address");
  connect_command->add_flag("--no-services-cache", no_cache, "wait until BlueZ has resolved the services");
  connect_command->add_option("--require", request.options.required_uuids,
                              "a service or characteristic that must exist");
  connect_command->add_flag("--pair", request.options.pair, "pair first, if there is no bond");
  connect_command->add_flag("--trust", request.options.trust, "set BlueZ's Trusted");
  connect_command->add_option("--priority", priority)->check(CLI::IsMember({"low", "normal", "high"}));
  connect_command->add_option("--label", request.options.label, "for bleconnd's log");
  connect_command->callback([&] {
    request.host = global.host;
    request.options.timeout = std::chrono::seconds{timeout};
    request.options.attempt_timeout = std::chrono::seconds{attempt_timeout};
    request.options.use_services_cache = !no_cache;
    if (persistent) request.options.lifetime = bleconn::Lifetime::persistent;
    if (priority == "low") request.options.priority = bleconn::Priority::low;
    if (priority == "high") request.options.priority = bleconn::Priority::high;
    if (no_wait) {
      const auto state = Bus{global.host}.declare(request.address, persistent, request.options.maintain);
      if (global.style().as_json)
        print(global.style(), {{"address", request.address}, {"state", state}});
      else
        fmt::print("{}: {}\n", request.address, printable(state));
      return;
    }
    status_code = connect(global.style(), request);
  });

  std::string address;
  const auto with_address = [&](const char* name, const char* what) {
    auto* command = app.add_subcommand(name, what);
    command->add_option("ADDRESS", address, "AA:BB:CC:DD:EE:FF")->required();
    return command;
  };
  with_address("disconnect", "end the link for every holder, and all leases (root)")->callback([&] {
    Bus{global.host}.disconnect(address);
  });
  with_address("release", "give up a lease of your user")->callback([&] {
    counted(global, "leases left", Bus{global.host}.release(address));
  });
  with_address("services", "the services of a device, live or from the cache")->callback([&] {
    services(global, address);
  });
  with_address("explain", "who sees a device, who holds it, and what a call would do now")->callback([&] {
    explain_device(global, address);
  });
  bool only_other = false;
  auto* stale = with_address("close-stale", "end links that nobody leases (root)");
  stale->add_flag("--only-other-adapters", only_other);
  stale->callback(
      [&] { counted(global, "links closed", client_of(global).close_stale(address, only_other)); });

  bool all = false, force = false;
  std::string forgotten;
  auto* clear = app.add_subcommand("clear-cache", "forget the services of a device");
  auto* which = clear->add_option("ADDRESS", forgotten, "AA:BB:CC:DD:EE:FF");
  clear->add_flag("--all", all, "of every device (root)")->excludes(which);
  clear->add_flag("--force", force, "BlueZ's object too, with its bond, in any case");
  clear->callback([&] {
    if (!all && forgotten.empty()) throw CLI::RequiredError("ADDRESS or --all");
    const auto cleared = all ? Bus{global.host}.clear_all_caches()
                         : client_of(global).clear_cache(forgotten, force) ? 1U
                                                                           : 0U;
    counted(global, "cleared", cleared);
  });

  app.add_subcommand("list", "devices that are leased, attempted or connected")->callback([&] {
    list(global);
  });
  app.add_subcommand("status", "the daemon and its adapters")->callback([&] { status(global); });
  app.add_subcommand("monitor", "what happens, line by line, until it is interrupted")->callback([&] {
    monitor(global);
  });
  bool reset = false;
  auto* stats = app.add_subcommand("stats", "counters since the start");
  stats->add_flag("--reset", reset, "begin anew (root)");
  stats->callback([&] {
    Bus bus{global.host};
    if (reset) return bus.reset_statistics();
    const auto counters = bus.statistics();
    if (global.style().as_json) return print(global.style(), counters);
    for (auto& [name, value] : counters) fmt::print("{:>12}  {}\n", value, printable(name));
  });
  app.add_subcommand("metrics", "the counters for Prometheus")->callback([&] {
    const auto counters = Bus{global.host}.statistics();
    global.style().as_json ? print(global.style(), counters) : print_metrics(counters);
  });
  std::string level;
  auto* log_level = app.add_subcommand("log-level", "show, or set, how much bleconnd logs (root)");
  log_level->add_option("LEVEL", level)->check(CLI::IsMember({"err", "warning", "notice", "info", "debug"}));
  log_level->callback([&] {
    Bus bus{global.host};
    if (!level.empty()) return bus.set_log_level(level);
    const auto now = bus.log_level();
    global.style().as_json ? print(global.style(), {{"log-level", now}}) : fmt::print("{}\n", now);
  });

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForVersion& version) {
    return app.exit(version);
  } catch (const CLI::ParseError& wrong) {
    app.exit(wrong, std::cerr, std::cerr);
    return 2;
  } catch (const bleconn::Error& error) {
    return failed(global.style(), error);
  }
  return status_code;
}
