// SPDX-License-Identifier: Apache-2.0
// Shell completion: from the definitions, as help is.
#include <iostream>
#include <set>
#include <string_view>

#include "agent/ctl/command.hpp"

namespace fairlead::ctl {
namespace {

constexpr const char* kShells = "bash zsh fish";

std::string command_names() {
  std::string names;
  for (const auto& command : commands()) names += std::string(names.empty() ? "" : " ") + command.name;
  return names;
}

bool is_path(const char* argument) { return argument != nullptr && std::string_view(argument) == "PATH"; }

/// What may stand in the place of an argument; empty: anything.
std::string words_of(const Positional& positional) {
  const std::string_view name = positional.name;
  if (name == "SHELL") return kShells;
  if (name == "FORMAT") return "kong";
  if (name == "LEVEL") return "trace debug info warn err";
  if (name == "METHOD") return "GET HEAD POST PUT PATCH DELETE OPTIONS";
  if (name == "dump|diff") return "dump diff";
  return name == "COMMAND" ? command_names() : "";
}

std::string both_names(const Option& option, const char* between) {
  return std::string(option.name) + (option.letter == 0 ? "" : between + std::string("-") + option.letter);
}

std::string option_words(const Command& command) {
  std::string words;
  const auto common = common_options(command);
  for (const auto options : {std::span<const Option>(command.options), std::span<const Option>(common)})
    for (const auto& option : options) words += (words.empty() ? "" : " ") + both_names(option, " ");
  return words;
}

/// Options that take a value, of whichever command, as a pattern of case; paths: only those that name files.
std::string valued_pattern(bool paths) {
  std::set<std::string> names;
  const auto add = [&](const Option& option) {
    if (option.argument != nullptr && (!paths || is_path(option.argument))) names.insert(both_names(option, "|"));
  };
  for (const auto& option : common_options()) add(option);
  if (paths)
    for (const auto& command : commands())
      for (const auto& option : command.options) add(option);
  std::string pattern;
  for (const auto& name : names) pattern += (pattern.empty() ? "" : "|") + name;
  return pattern;
}

std::string reply(const std::string& words) { return "COMPREPLY=($(compgen -W \"" + words + "\" -- \"$word\"))"; }

/// An option may stand there too.
std::string unless_option(const std::string& reply) { return "[[ $word == -* ]] || { " + reply + "; return; }"; }

std::string action_names(const Command& command) {
  std::string names;
  for (const auto& action : command.actions) names += std::string(names.empty() ? "" : " ") + action.name;
  return names;
}

/// The command as the script calls it: an action is "gateway-why".
std::string bash_name(const Command& command) {
  return (command.group == nullptr ? "" : std::string(command.group) + "-") + command.name;
}

std::string bash_command(const Command& command) {
  const std::string name = bash_name(command);
  const std::string before = name + ":" + command.name;
  std::string text;
  for (const auto& action : command.actions) text += bash_command(action);
  if (!command.actions.empty()) text += "    " + before + ") " + unless_option(reply(action_names(command))) + " ;;\n";
  for (const auto& option : command.options)
    if (option.choices != nullptr)
      text += "    " + name + ":" + both_names(option, ("|" + name + ":").c_str()) + ") " + reply(option.choices) +
              "; return ;;\n";
  for (const auto& positional : command.positionals) {
    const auto words = words_of(positional);
    const bool first = &positional == &command.positionals.front();
    if (!words.empty() && first) text += "    " + before + ") " + unless_option(reply(words)) + " ;;\n";
    else if (is_path(positional.name))
      text += "    " + (first ? before : name + ":*") +
              ") compopt -o filenames; COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n";
  }
  return text;
}

/// Commands that have actions, as a pattern of case.
std::string grouped_names() {
  std::string names;
  for (const auto& command : commands())
    if (!command.actions.empty()) names += std::string(names.empty() ? "" : "|") + command.name;
  return names;
}

std::string bash_completion() {
  std::string text =
      "# bash completion for fairctl, made by `fairctl completion bash`\n_fairctl() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= i\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n    case ${COMP_WORDS[i]} in\n      " +
      valued_pattern(false) +
      ") ((i++)) ;;\n      -*) ;;\n      *) command=${command:+$command-}${COMP_WORDS[i]}\n         case $command in " +
      grouped_names() + ") ;; *) break ;; esac ;;\n    esac\n  done\n" + "  case $before in " + valued_pattern(true) +
      ") compopt -o filenames; COMPREPLY=($(compgen -f -- \"$word\")); return ;; esac\n  case $command:$before in\n";
  std::string options;
  for (const auto& command : commands()) {
    text += bash_command(command);
    for (const auto& action : command.actions)
      options += "    " + bash_name(action) + ") " + reply(option_words(action)) + " ;;\n";
    options += std::string("    ") + command.name + ") " +
               reply((command.actions.empty() ? "" : action_names(command) + " ") + option_words(command)) + " ;;\n";
  }
  text += "    *:--output|*:-o) " + reply("text json") + "; return ;;\n";
  return text + "  esac\n  case $command in\n    '') " +
         reply(command_names() + " --socket --output -o --help --version") + " ;;\n" + options +
         "  esac\n}\ncomplete -F _fairctl fairctl\n";
}

/// zsh and fish quote with ' alone.
std::string in_quotes(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += "'\\''";
    else out += c;
  }
  return out + "'";
}

/// One argument of zsh's _arguments: `(--sort -s)`{--sort=,-s+}`[help]:COLUMN:(words)`.
std::string zsh_option(const Option& option) {
  const std::string letter = option.letter == 0 ? "" : std::string("-") + option.letter;
  const bool valued = option.argument != nullptr;
  std::string spec = std::string("[") + option.help + "]";
  if (valued)
    spec += std::string(":") + option.argument + ":" +
            (is_path(option.argument)    ? "_files"
             : option.choices == nullptr ? ""
                                         : std::string("(") + option.choices + ")");
  const std::string name = std::string(option.name) + (valued ? "=" : "");
  if (letter.empty()) return " " + in_quotes(name + spec);
  return " " + in_quotes(std::string("(") + option.name + " " + letter + ")") + "{" + name + "," + letter +
         (valued ? "+" : "") + "}" + in_quotes(spec);
}

std::string zsh_positional(const Positional& positional, std::size_t number) {
  const auto words = words_of(positional);
  const std::string action = is_path(positional.name) ? "_files" : words.empty() ? "" : "(" + words + ")";
  return " " + in_quotes(std::to_string(number) + ":" + (is_path(positional.name) ? "path" : "word") + ":" + action);
}

/// `why) _arguments ... ;;`
std::string zsh_case(const Command& command) {
  std::string text = std::string("    ") + command.name + ") _arguments" +
                     (command.actions.empty() ? "" : " -C -A " + in_quotes("-*"));
  for (const auto& option : command.options) text += zsh_option(option);
  for (std::size_t i = 0; i < command.positionals.size(); ++i) text += zsh_positional(command.positionals[i], i + 1);
  for (const auto& option : common_options(command)) text += zsh_option(option);
  if (command.actions.empty()) return text + " ;;\n";
  text += " " + in_quotes("1:action:(" + action_names(command) + ")") + " '*::argument:->action'\n" +
          "      case $state in action) case $line[1] in\n";
  for (const auto& action : command.actions) text += "  " + zsh_case(action);
  return text + "      esac ;; esac ;;\n";
}

std::string zsh_completion() {
  std::string text =
      "#compdef fairctl\n# zsh completion, made by `fairctl completion zsh`\n_fairctl() {\n  local -a names\n"
      "  local state line context curcontext=$curcontext\n  typeset -A opt_args\n  names=(\n";
  std::string cases;
  std::string common;
  for (const auto& option : common_options()) common += zsh_option(option);
  for (const auto& command : commands()) {
    text += "    " + in_quotes(std::string(command.name) + ":" + command.summary) + "\n";
    cases += zsh_case(command);
  }
  // After the command, _arguments sees only what follows it: `*::` takes the words before away.
  return text + "  )\n  _arguments -C -A '-*'" + common +
         " '1:command:->command' '*::argument:->argument'\n  case $state in\n" +
         "    command) _describe command names; return ;;\n    argument) ;;\n    *) return ;;\n  esac\n  case $line[1] "
         "in\n" +
         cases + "  esac\n}\n_fairctl \"$@\"\n";
}

std::string fish_option(const Option& option) {
  std::string text = std::string(" -l ") + (option.name + 2);
  if (option.letter != 0) text += std::string(" -s ") + option.letter;
  if (is_path(option.argument)) text += " -r -F";
  else if (option.argument != nullptr) text += " -x";
  if (option.choices != nullptr) text += " -a " + in_quotes(option.choices);
  return text + " -d " + in_quotes(option.help) + "\n";
}

/// Options and words of a command whose condition is `here`.
std::string fish_rows(const Command& command, const std::string& condition) {
  const std::string here = "complete -c fairctl -n '" + condition + "'";
  std::string text;
  for (const auto& option : command.options) text += here + fish_option(option);
  for (const auto& positional : command.positionals) {
    const auto words = words_of(positional);
    if (is_path(positional.name)) text += here + " -F\n";
    else if (!words.empty()) text += here + " -a " + in_quotes(words) + "\n";
  }
  const std::string none = condition + "; and not __fish_seen_subcommand_from " + action_names(command);
  for (const auto& action : command.actions) {
    text += "complete -c fairctl -n '" + none + "' -a " + action.name + " -d " + in_quotes(action.summary) + "\n";
    text += fish_rows(action, condition + "; and __fish_seen_subcommand_from " + action.name);
  }
  return text;
}

std::string fish_completion() {
  std::string text =
      "# fish completion, made by `fairctl completion fish`\nfunction __fairctl_none\n"
      "  not __fish_seen_subcommand_from " +
      command_names() + "\nend\ncomplete -c fairctl -f\n";
  for (const auto& option : common_options()) text += "complete -c fairctl" + fish_option(option);
  for (const auto& command : commands()) {
    const std::string name = command.name;
    text += "complete -c fairctl -n __fairctl_none -a " + name + " -d " + in_quotes(command.summary) + "\n";
    // An action may have the name of a command.
    const bool grouped = !command.actions.empty();
    text += fish_rows(command, (grouped ? "" : "not __fish_seen_subcommand_from gateway; and ") +
                                   ("__fish_seen_subcommand_from " + name));
  }
  return text;
}

}  // namespace

std::string completion(const std::string& shell) {
  if (shell == "bash") return bash_completion();
  if (shell == "zsh") return zsh_completion();
  return shell == "fish" ? fish_completion() : "";
}

int run_completion(const Arguments& arguments) {
  const auto text = completion(arguments.positionals[0]);
  if (text.empty()) {
    std::cerr << "fairctl: completion: found " << arguments.positionals[0] << ", expected bash, zsh or fish\n";
    return kUsage;
  }
  std::cout << text;
  return kDone;
}

}  // namespace fairlead::ctl
