// A command is a function here; what it shows is in print.cpp.
#include "commands.hpp"

#include <fmt/format.h>

#include <memory>

#include "bus.hpp"
#include "metrics.hpp"

namespace bleconnctl {
namespace {

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
  auto described = parsed(client.describe());
  const auto version = bus.property("Version"), state = bus.property("State");
  if (!style.as_json) return print_status(style, described, version, state);
  described["version"] = version;
  described["state"] = state;
  print(style, described);
}

void explain_device(const Global& global, const std::string& address) {
  const auto style = global.style();
  auto client = client_of(global);
  const auto described = parsed(client.describe(address));
  style.as_json ? print(style, described) : explain(style, described);
}

void services(const Global& global, const std::string& address) {
  const auto style = global.style();
  auto client = client_of(global);
  const auto found = client.services(address);
  style.as_json ? print(style, to_json(found)) : print_tree(style, found);
}

void counted(const Global& global, const char* key, const char* words, std::uint32_t number) {
  const auto style = global.style();
  style.as_json ? print(style, {{key, number}}) : fmt::print("{} {}\n", number, words);
}

void done(const Global& global) {
  if (global.style().as_json) print(global.style(), {{"done", true}});
}

// `act` is what the command does, once the command line is read.
template <class Act>
void runs(CLI::App& command, Global& global, Act act) {
  command.callback([&global, act] {
    global.run = [act] {
      act();
      return 0;
    };
  });
}

struct OfDevice {
  std::string address;
  bool all = false, force = false, only_other = false;
};

void add_clear_cache(CLI::App& app, Global& global, const std::shared_ptr<OfDevice>& given) {
  auto& command = *app.add_subcommand("clear-cache", "forget the services of a device");
  auto* address = add_address(command, given->address);
  auto* force = command.add_flag("--force", given->force, "BlueZ's object too, with its bond, in any case");
  command.add_flag("--all", given->all, "of every device (root)")->excludes(address)->excludes(force);
  command.callback([&global, given] {
    if (!given->all && given->address.empty()) throw CLI::RequiredError("ADDRESS or --all");
    global.run = [&global, given] {
      const auto cleared = given->all ? Bus{global.host}.clear_all_caches()
                           : client_of(global).clear_cache(given->address, given->force) ? 1U
                                                                                         : 0U;
      counted(global, "cleared", "cleared", cleared);
      return 0;
    };
  });
}

}  // namespace

void add_device_commands(CLI::App& app, Global& global) {
  const auto given = std::make_shared<OfDevice>();
  const auto add = [&](const char* name, const char* what) -> CLI::App& {
    auto* command = app.add_subcommand(name, what);
    add_address(*command, given->address)->required();
    return *command;
  };
  runs(add("disconnect", "end the link for every holder, and all leases (root)"), global, [&global, given] {
    Bus{global.host}.disconnect(given->address);
    done(global);
  });
  runs(add("release", "give up a lease of your user"), global, [&global, given] {
    counted(global, "leases-left", "leases left", Bus{global.host}.release(given->address));
  });
  runs(add("services", "the services of a device, live or from the cache"), global,
       [&global, given] { services(global, given->address); });
  auto& explained = *app.add_subcommand(
      "explain", "who sees a device, who holds it, and what a call would do now; or everything");
  add_address(explained, given->address);
  runs(explained, global, [&global, given] { explain_device(global, given->address); });
  auto& stale = add("close-stale", "end links that nobody leases (root)");
  stale.add_flag("--only-other-adapters", given->only_other, "not on the adapter it is used on, or was last");
  runs(stale, global, [&global, given] {
    counted(global, "links-closed", "links closed",
            client_of(global).close_stale(given->address, given->only_other));
  });
  add_clear_cache(app, global, given);
}

void add_daemon_commands(CLI::App& app, Global& global) {
  runs(*app.add_subcommand("list", "devices that are leased, attempted or connected"), global,
       [&global] { list(global); });
  runs(*app.add_subcommand("status", "the daemon and its adapters"), global, [&global] { status(global); });
  app.add_subcommand("monitor", "what happens, line by line, until it is interrupted")->callback([&global] {
    global.run = [&global] { return monitor(global.style(), global.host); };
  });
  const auto reset = std::make_shared<bool>();
  auto& stats = *app.add_subcommand("stats", "counters and times since the last reset");
  stats.add_flag("--reset", *reset, "begin anew (root)");
  runs(stats, global, [&global, reset] {
    Bus bus{global.host};
    if (*reset) {
      bus.reset_statistics();
      return done(global);
    }
    const auto counters = bus.statistics();
    if (global.style().as_json) return print(global.style(), counters);
    for (auto& [name, value] : counters)  // buckets are for programs
      if (name.find("-bucket/") == std::string::npos) fmt::print("{:>12}  {}\n", value, printable(name));
  });
  runs(*app.add_subcommand("metrics", "the statistics as OpenMetrics text, for Prometheus"), global,
       [&global] {
         const auto counters = Bus{global.host}.statistics();
         global.style().as_json ? print(global.style(), counters) : fmt::print("{}", open_metrics(counters));
       });
  const auto level = std::make_shared<std::string>();
  auto& log_level = *app.add_subcommand("log-level", "show, or set (root), how much bleconnd logs");
  log_level.add_option("LEVEL", *level, "err, warning, notice, info or debug")
      ->type_name("")
      ->check(CLI::IsMember({"err", "warning", "notice", "info", "debug"}));
  runs(log_level, global, [&global, level] {
    Bus bus{global.host};
    if (!level->empty()) {
      bus.set_log_level(*level);
      return done(global);
    }
    const auto now = bus.log_level();
    global.style().as_json ? print(global.style(), {{"log-level", now}}) : fmt::print("{}\n", printable(now));
  });
}

}  // namespace bleconnctl
