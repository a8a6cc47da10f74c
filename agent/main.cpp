// SPDX-License-Identifier: Apache-2.0
// fairlead-agent: reads the command line, starts the agent, turns errors into words and exit codes.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>

#include "agent/agent.hpp"
#include "agent/configuration.hpp"
#include "agent/kernel/links.hpp"
#include "agent/kernel/pins.hpp"
#include "agent/settings.hpp"

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
  FL_TRY(const fairlead::Fd lock, fairlead::kernel::lock_pins(settings.pin_dir, settings.run_dir));
  return fairlead::kernel::uninstall(settings.pin_dir);
}

int check(const std::string& directory) {
  const auto refused = fairlead::agent::check_configuration(directory);
  if (!refused) {
    std::cerr << "fairlead-agent: " << refused.error().message << "\n";
    return 1;
  }
  return *refused == 0 ? 0 : 1;
}

int run(int count, char** arguments) {
  CLI::App app("fairlead-agent: balances, authorizes, redirects and measures this node's connections in the kernel");
  std::string settings_file;
  std::map<std::string, std::string> flags;
  app.add_option("--settings", settings_file, "YAML file of the settings below; flags win over it");
  for (const auto& kind : fairlead::agent::setting_kinds())
    app.add_option_function<std::string>(
           std::string("--") + kind.name, [&flags, name = std::string(kind.name)](const std::string& value) { flags[name] = value; },
           kind.help)->type_name(kind.expected);
  const auto* uninstall_command = app.add_subcommand("uninstall", "remove every program, map and pin")->fallthrough();
  auto* check_command = app.add_subcommand("check", "validate a configuration without touching the kernel");
  std::string directory;
  check_command->add_option("DIR", directory, "directory or file")->required();
  CLI11_PARSE(app, count, arguments);
  if (check_command->parsed()) return check(directory);
  Settings settings;
  if (const auto gathered = gather(settings, settings_file, flags); !gathered) return report(gathered);
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
