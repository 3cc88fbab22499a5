// The options of `connect`. Ranges are the daemon's; defaults too, so nothing is sent that was not given.
#include <chrono>
#include <memory>

#include "connect.hpp"

namespace bleconnctl {
namespace {

void add_times(CLI::App& command, bleconn::Options& options) {
  const auto add = [&](const char* name, std::optional<std::chrono::seconds>& time, unsigned most,
                       const char* what) {
    const auto take = [&time](const std::uint32_t& given) { time = std::chrono::seconds{given}; };
    command.add_option_function<std::uint32_t>(name, take, what)
        ->check(CLI::Range(1U, most))
        ->option_text("SECONDS");
  };
  add("--timeout", options.timeout, 86'400, "of the whole call, 1 to 86400; 120 without it");
  add("--attempt-timeout", options.attempt_timeout, 300,
      "of each window, dial and resolve, 1 to 300; 20 without it");
}

void add_choices(CLI::App& command, bleconn::Options& options) {
  const auto turn = [&](const char* name, std::optional<bool>& choice, bool to, const char* what) {
    command.add_flag_callback(
        name, [&choice, to] { choice = to; }, what);
  };
  turn("--no-services-cache", options.use_services_cache, false,
       "wait until BlueZ has resolved the services");
  turn("--pair", options.pair, true, "pair first, if there is no bond");
  turn("--trust", options.trust, true, "set BlueZ's Trusted");
  const auto prefer = [&options](const std::string& word) {
    options.priority = word == "low"    ? bleconn::Priority::low
                       : word == "high" ? bleconn::Priority::high
                                        : bleconn::Priority::normal;
  };
  command.add_option_function<std::string>("--priority", prefer, "in the dial queue: low, normal or high")
      ->check(CLI::IsMember({"low", "normal", "high"}))
      ->option_text("PRIORITY");
}

}  // namespace

void add_connect(CLI::App& app, Global& global) {
  const auto request = std::make_shared<ConnectRequest>();
  auto& options = request->options;
  auto& command = *app.add_subcommand("connect", "connect a device, or join what connects it");
  add_address(command, request->address)->required();
  command.add_flag("--hold", request->hold, "keep the link while this runs");
  const auto keep = [&options] { options.lifetime = bleconn::Lifetime::persistent; };
  command.add_flag_callback("--persistent", keep, "a lease of your user, over restarts, until release");
  const auto say_so = [&options] { options.wait = false; };
  command.add_flag_callback("--no-wait", say_so, "only say so: a --persistent lease, best with --maintain")
      ->excludes("--hold")
      ->needs("--persistent");
  command.add_flag("--maintain", options.maintain, "connect again after every loss");
  add_times(command, options);
  const auto bound = [&options](const std::uint32_t& given) { options.max_attempts = given; };
  command.add_option_function<std::uint32_t>("--max-attempts", bound, "1 to 100; 4 without it")
      ->check(CLI::Range(1U, 100U))
      ->option_text("NUMBER");
  command.add_option("--adapter", options.adapter, "hciN or an adapter's address")->option_text("ADAPTER");
  command.add_option("--require", options.required_uuids, "services or characteristics that must exist")
      ->option_text("UUID...");
  add_choices(command, options);
  command.add_option("--label", options.label, "for bleconnd's log")->option_text("TEXT");
  command.callback([&global, request] {
    global.run = [&global, request] { return connect(global.style(), global.host, *request); };
  });
}

}  // namespace bleconnctl
