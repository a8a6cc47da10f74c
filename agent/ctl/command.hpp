// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "fairlead/admin/client.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::ctl {

/// What fairctl ends with.
enum ExitCode : int {
  kDone = 0,
  kFailed = 1,  ///< the daemon answered with an error, or the answer is no: check or convert found faults, config diff
                ///< differences
  kUsage = 2,  ///< the command line is wrong
  kUnreachable = 3,  ///< nobody listens on the socket
  kForbidden = 4,  ///< the socket is there, but not for this user
};

struct Option {
  const char* name;  ///< "--last"
  char letter;  ///< 0: none
  const char* argument;  ///< what stands after it; null: nothing
  const char* help;
  const char* choices;  ///< for completion, separated by spaces; null: anything
  bool repeatable = false;  ///< values are joined by line ends
};

struct Positional {
  const char* name;
  const char* help;
  bool required;
};

struct Example {
  const char* command;
  const char* says;
};

/// The command line of one call, after it was checked against the command's definition.
struct Arguments {
  std::string socket{};  ///< by default the agent's or the gateway's
  bool gateway = false;  ///< the gateway is asked, not the agent
  bool json = false;
  std::map<std::string, std::string> options;  ///< by long name without dashes; "" for those without argument
  std::vector<std::string> positionals;

  [[nodiscard]] bool has(const std::string& name) const { return options.contains(name); }
  [[nodiscard]] std::string get(const std::string& name, const std::string& otherwise = {}) const {
    const auto found = options.find(name);
    return found == options.end() ? otherwise : found->second;
  }
};

/// One subcommand. Help, completion and man pages are made from these definitions.
struct Command {
  const char* name;
  const char* summary;
  const char* text;  ///< for help and manual, one or more paragraphs
  std::vector<Option> options;
  std::vector<Positional> positionals;
  std::vector<Example> examples;
  int (*run)(const Arguments& arguments);  ///< null: only its actions do something
  const char* group = nullptr;  ///< of an action: the command that it belongs to
  std::vector<Command> actions{};

  [[nodiscard]] std::string full_name() const { return (group == nullptr ? "" : std::string(group) + " ") + name; }
};

[[nodiscard]] std::span<const Command> commands();
/// What asks the gateway, in gateway_definitions.cpp.
[[nodiscard]] Command gateway_command();
/// --socket, -o, --help, which every command takes.
[[nodiscard]] std::span<const Option> common_options();
/// The same without those that the command has itself, with other choices.
[[nodiscard]] std::vector<Option> common_options(const Command& command);

[[nodiscard]] std::string help_text();
[[nodiscard]] std::string help_text(const Command& command);
/// shell: bash, zsh or fish; empty for another.
[[nodiscard]] std::string completion(const std::string& shell);
/// roff; command null: fairctl(1) itself.
[[nodiscard]] std::string manual(const Command* command);
/// The same as one page of Markdown, docs/reference/fairctl.md.
[[nodiscard]] std::string reference();

/// Checks words against the definitions and runs the command.
int run(const std::vector<std::string>& words);

/// Asks the daemon; prints what is wrong and gives the exit code where that fails.
struct Asked {
  int code = kDone;
  std::string body;
};
[[nodiscard]] Asked ask(const Arguments& arguments, const std::string& path, bool post = false);
/// For a URL's query.
[[nodiscard]] std::string encoded(const std::string& value);
/// Says in words of the user why the daemon cannot be reached, and what to do.
int explain(const Arguments& arguments, const Error& error);

// The commands' bodies, by file.
int run_status(const Arguments& arguments);
int run_services(const Arguments& arguments);
int run_backends(const Arguments& arguments);
int run_workloads(const Arguments& arguments);
int run_policy(const Arguments& arguments);
int run_maps(const Arguments& arguments);
int run_flows(const Arguments& arguments);
int run_top(const Arguments& arguments);
int run_graph(const Arguments& arguments);
int run_why(const Arguments& arguments);
int run_check(const Arguments& arguments);
int run_convert(const Arguments& arguments);
int run_uninstall(const Arguments& arguments);
int run_help(const Arguments& arguments);
int run_completion(const Arguments& arguments);
int run_manual(const Arguments& arguments);

int run_gateway_status(const Arguments& arguments);
int run_gateway_routes(const Arguments& arguments);
int run_gateway_backends(const Arguments& arguments);
int run_gateway_filters(const Arguments& arguments);
int run_gateway_top(const Arguments& arguments);
int run_gateway_why(const Arguments& arguments);
int run_gateway_log_level(const Arguments& arguments);
int run_gateway_config(const Arguments& arguments);
int run_gateway_purge(const Arguments& arguments);

}  // namespace fairlead::ctl
