// SPDX-License-Identifier: Apache-2.0
// fairlead-agent: reads the command line, starts the agent, turns errors into words and exit codes.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>

#include "agent/admin/meeting.hpp"
#include "agent/agent.hpp"
#include "agent/kernel/leaving.hpp"
#include "agent/kernel/links.hpp"
#include "agent/kernel/pins.hpp"
#include "agent/settings.hpp"
#include "fairlead/base/standard_output.hpp"

namespace {

using fairlead::Result;
using fairlead::agent::Settings;

int report(const Result<>& result) {
  if (result) return 0;
  std::cerr << "fairlead-agent: " << result.error().message << "\n";
  return 1;
}

/// The file first, then the flags over it.
Result<> gather(Settings& settings, const std::string& file, const std::map<std::string, std::string>& flags) {
  if (!file.empty()) FL_CHECK(fairlead::agent::read_settings(settings, file));
  for (const auto& [name, value] : flags) FL_CHECK(fairlead::agent::take_setting(settings, "--" + name, name, value));
  return {};
}

Result<> serve(const Settings& settings) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("fairlead-agent"));
  spdlog::set_level(spdlog::level::from_str(settings.log_level));
  FL_TRY(const auto agent, fairlead::agent::Agent::start(settings));
  agent->run();
  return {};
}

Result<> uninstall(const Settings& settings) {
  FL_TRY(const auto lock, fairlead::kernel::lock_pins(settings.pin_dir, settings.run_dir, false));
  FL_CHECK(fairlead::kernel::drain_redirection(settings.pin_dir, fairlead::kernel::kDrainLimit));
  FL_CHECK(fairlead::kernel::uninstall(settings.pin_dir));
  FL_CHECK(fairlead::kernel::remove_socket(settings.socket));
  return fairlead::kernel::remove_lock(settings.pin_dir, settings.run_dir);
}

int check(const Settings& settings, const std::string& directory, bool json) {
  const auto checked = fairlead::admin::check(directory, {.node_name = settings.node,
                                                          .node_port_low = settings.node_port_low,
                                                          .node_port_high = settings.node_port_high,
                                                          .mesh = settings.mesh});
  if (!checked) {
    std::cerr << "fairlead-agent: " << checked.error().message << "\n";
    return 1;
  }
  if (json) {
    std::cout << checked->json() << "\n";
  } else {
    for (const auto& found : checked->update.diagnostics) std::cout << found.text() << "\n";
    std::cout << checked->summary(directory) << "\n";
  }
  const int written = report(fairlead::flush_standard_output());
  return checked->refused == 0 ? written : 1;
}

constexpr const char* kFooter = R"(
Examples:
  fairlead-agent check ./objects                       is this configuration right? (kernel not touched)
  fairlead-agent --config ./objects --node worker-1    serve the whole node
  fairlead-agent --config ./objects --cgroup /sys/fs/cgroup/test --pin-dir /sys/fs/bpf/test --run-dir /tmp/test
                                                       serve what runs below one cgroup only
  fairlead-agent uninstall                             leave nothing in the kernel

`ready` on standard output: the kernel holds the configuration. SIGHUP: look at the configuration again. SIGTERM: end;
the programs stay in force until the next start or `uninstall`.
Exit status: 0 done or ended by a signal, 1 an error (said on standard error) or, for check, a refused object; 2 a
wrong command line.)";

constexpr int kUsage = 2;  // as fairctl's

int run(int count, char** arguments) {
  CLI::App app("fairlead-agent: balances, authorizes, redirects and measures this node's connections in the kernel",
               "fairlead-agent");
  app.footer(kFooter);
  app.set_version_flag("-V,--version", "fairlead-agent " FAIRLEAD_VERSION, "the version of fairlead-agent");
  std::string settings_file;
  std::map<std::string, std::string> flags;
  app.add_option("--settings", settings_file, "YAML file of the settings below; flags win over it")->type_name("FILE");
  for (const auto& kind : fairlead::agent::setting_kinds())
    app.add_option_function<std::string>(
           std::string("--") + kind.name,
           [&flags, name = std::string(kind.name)](const std::string& value) { flags[name] = value; },
           std::string(kind.help) + " (default: " + kind.standard + ")")
        ->type_name(kind.placeholder)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  const auto* uninstall_command = app.add_subcommand("uninstall", "remove every program, map and pin")->fallthrough();
  auto* check_command =
      app.add_subcommand("check", "validate a configuration without touching the kernel")->fallthrough();
  std::string directory;
  check_command->add_option("DIR", directory, "directory or file of YAML and JSON objects")->type_name("")->required();
  std::string output;
  check_command->add_option("-o,--output", output, "json: all that is found, for programs")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"text", "json"}));
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;  // 0: --help, --version
  }
  Settings settings;
  if (const auto gathered = gather(settings, settings_file, flags); !gathered) return report(gathered);
  if (check_command->parsed()) return check(settings, directory, output == "json");
  if (uninstall_command->parsed()) return report(uninstall(settings));
  return report(serve(settings));
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run(count, arguments);
  } catch (const std::exception& error) {  // CLI11, spdlog and the standard library throw
    std::cerr << "fairlead-agent: " << error.what() << "\n";
    return 1;
  }
}
