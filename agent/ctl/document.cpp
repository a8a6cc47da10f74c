// SPDX-License-Identifier: Apache-2.0
// Help, manual pages and the reference: all from the definitions.
#include <algorithm>
#include <cctype>
#include <iostream>
#include <string_view>

#include "agent/ctl/command.hpp"
#include "agent/ctl/out.hpp"

namespace fairlead::ctl {
namespace {

constexpr const char* kManualDate = "2026-11-25";  // of the last change to the commands

constexpr const char* kExits[][2] = {
    {"0", "done"},
    {"1",
     "the daemon answered with an error, `check` or `convert` found faults, or `gateway config diff` found "
     "differences"},
    {"2", "the command line is wrong"},
    {"3", "nobody listens on the socket"},
    {"4", "no permission for the socket"},
};

std::string usage_of(const Command& command) {
  std::string usage = "fairctl " + command.full_name() + (command.actions.empty() ? "" : " ACTION") +
                      (command.options.empty() ? "" : " [OPTION...]");
  for (const auto& positional : command.positionals)
    usage += positional.required ? std::string(" ") + positional.name : std::string(" [") + positional.name + "]";
  return usage;
}

std::string option_text(const Option& option) {
  std::string text = option.letter != 0 ? std::string("-") + option.letter + ", " : "";
  text += option.name;
  if (option.argument != nullptr) text += std::string(" ") + option.argument;
  return text;
}

std::string options_table(std::span<const Option> options) {
  std::string text;
  for (const auto& option : options) {
    auto left = "  " + option_text(option);
    left.resize(std::max<std::size_t>(left.size() + 2, 28), ' ');
    text += left + option.help + "\n";
  }
  return text;
}

std::string actions_table(const Command& command) {
  std::string text;
  for (const auto& action : command.actions) {
    std::string left = std::string("  ") + action.name;
    left.resize(16, ' ');
    text += left + action.summary + "\n";
  }
  return text;
}

/// At most 100 columns.
std::string wrapped(std::string_view text, std::size_t most = 100) {
  std::string out;
  while (text.size() > most) {
    auto cut = text.rfind(' ', most);
    if (cut == std::string_view::npos) break;
    out.append(text.substr(0, cut)).append("\n");
    text.remove_prefix(cut + 1);
  }
  return out.append(text).append("\n");
}

/// One line of text.
std::string roff(std::string_view text) {
  std::string out;
  if (text.starts_with('.') || text.starts_with('\'')) out += "\\&";
  for (const char c : text) {
    if (c == '-') out += "\\-";
    else if (c == '\\') out += "\\e";
    else out += c;
  }
  return out;
}

/// Text of any length, filled by the formatter; input lines stay short.
std::string roff_text(std::string_view text) {
  std::string out;
  const auto lines = wrapped(text, 72);
  for (std::size_t at = 0, end = 0; at < lines.size(); at = end + 1) {
    end = lines.find('\n', at);
    out += roff(std::string_view(lines).substr(at, end - at)) + "\n";
  }
  return out;
}

std::string roff_options(std::span<const Option> options) {
  std::string text;
  for (const auto& option : options) text += ".TP\n.B " + roff(option_text(option)) + "\n" + roff_text(option.help);
  return text;
}

std::string roff_action(const Command& action) {
  std::string text = ".SS " + roff(usage_of(action)) + "\n" + roff_text(action.text);
  text += roff_options(action.options);
  for (const auto& example : action.examples)
    text += ".TP\n.B " + roff(example.command) + "\n" + roff_text(example.says);
  return text;
}

std::string roff_exits() {
  std::string text = ".SH EXIT STATUS\n";
  for (const auto& exit : kExits) text += std::string(".TP\n.B ") + exit[0] + "\n" + roff_text(exit[1]);
  return text;
}

std::string markdown_options(std::span<const Option> options) {
  std::string text = "| option | what |\n|---|---|\n";
  for (const auto& option : options) {
    std::string help = option.help;
    if (option.choices != nullptr) help += std::string("; one of: ") + option.choices;
    for (std::size_t at = help.find('|'); at != std::string::npos; at = help.find('|', at + 2)) help.insert(at, "\\");
    std::string left = option_text(option);
    for (std::size_t at = left.find('|'); at != std::string::npos; at = left.find('|', at + 2)) left.insert(at, "\\");
    text += "| `" + left + "` | " + help + " |\n";
  }
  return text;
}

std::string markdown(const Command& command) {
  std::string text = (command.group == nullptr ? "\n## " : "\n### ") + command.full_name() + "\n`" + usage_of(command) +
                     "`\n\n" + wrapped(command.text, 118);
  if (!command.options.empty()) text += "\n" + markdown_options(command.options);
  text += "\n```sh\n";
  for (const auto& example : command.examples) text += std::string(example.command) + "  # " + example.says + "\n";
  text += "```\n";
  for (const auto& action : command.actions) text += markdown(action);
  return text;
}

}  // namespace

std::string help_text() {
  std::string text =
      "fairctl: asks this node's fairlead-agent or fairlead-gateway, and shows the answers\n\nUsage: fairctl [--socket "
      "PATH] COMMAND "
      "[OPTION...]\n\n" +
      paint("Commands", Colour::kBold) + "\n";
  for (const auto& command : commands()) {
    std::string left = std::string("  ") + command.name;
    left.resize(16, ' ');
    text += left + command.summary + "\n";
  }
  text += "\n" + paint("Options of every command", Colour::kBold) + "\n" + options_table(common_options());
  text += "\n" + paint("Exit codes", Colour::kBold) + "\n";
  for (const auto& exit : kExits) text += std::string("  ") + exit[0] + "  " + exit[1] + "\n";
  return text + "\nfairctl COMMAND --help shows the options of a command, with examples.\n";
}

std::string help_text(const Command& command) {
  std::string text = "Usage: " + usage_of(command) + "\n\n" + wrapped(command.text) + "\n";
  for (const auto& positional : command.positionals)
    text += std::string("  ") + positional.name + "  " + positional.help + "\n\n";
  if (!command.actions.empty()) text += paint("Actions", Colour::kBold) + "\n" + actions_table(command) + "\n";
  if (!command.options.empty()) text += paint("Options", Colour::kBold) + "\n" + options_table(command.options) + "\n";
  text += paint("Options of every command", Colour::kBold) + "\n" + options_table(common_options(command)) + "\n" +
          paint("Examples", Colour::kBold) + "\n";
  for (const auto& example : command.examples)
    text += std::string("  ") + example.command + "\n      " + example.says + "\n";
  return text;
}

std::string manual(const Command* command) {
  const std::string page = command == nullptr ? "fairctl" : std::string("fairctl-") + command->name;
  std::string title = page;
  std::ranges::transform(title, title.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  std::string text =
      ".TH " + title + " 1 " + kManualDate + " \"fairlead " FAIRLEAD_VERSION "\" fairlead\n.SH NAME\n" + roff(page) +
      " \\- " + roff(command == nullptr ? "ask this node's fairlead-agent or fairlead-gateway" : command->summary) +
      "\n.SH SYNOPSIS\n.B " +
      roff(command == nullptr ? "fairctl [--socket PATH] COMMAND [OPTION...]" : usage_of(*command)) +
      "\n.SH DESCRIPTION\n";
  if (command == nullptr) {
    text += "Asks a daemon over its unix socket, and shows the answer.\n.SH COMMANDS\n";
    for (const auto& known : commands())
      text += std::string(".TP\n.BR fairctl\\-") + known.name + " (1)\n" + roff_text(known.summary);
  } else {
    text += roff_text(command->text);
    if (!command->actions.empty()) text += ".SH ACTIONS\n";
    for (const auto& action : command->actions) text += roff_action(action);
  }
  text += ".SH OPTIONS\n";
  if (command != nullptr) text += roff_options(command->options);
  text += roff_options(common_options()) + roff_exits();
  if (command == nullptr) return text;
  text += ".SH EXAMPLES\n";
  for (const auto& example : command->examples)
    text += ".TP\n.B " + roff(example.command) + "\n" + roff_text(example.says);
  return text + ".SH SEE ALSO\n.BR fairctl (1)\n";
}

std::string reference() {
  std::string text =
      "# fairctl\nMade by `fairctl manual --markdown`; a test compares.\n\n`fairctl [--socket PATH] COMMAND "
      "[OPTION...]` asks this "
      "node's agent or gateway over its unix socket.\n\nOptions of every command:\n\n" +
      markdown_options(common_options()) + "\n| exit code | meaning |\n|---|---|\n";
  for (const auto& exit : kExits) text += std::string("| ") + exit[0] + " | " + exit[1] + " |\n";
  for (const auto& command : commands()) text += markdown(command);
  return text;
}

int run_help(const Arguments& arguments) {
  if (arguments.positionals.empty()) {
    std::cout << help_text();
    return kDone;
  }
  for (const auto& command : commands()) {
    if (arguments.positionals[0] != command.name) continue;
    std::cout << help_text(command);
    return kDone;
  }
  std::cerr << "fairctl: help: there is no command " << arguments.positionals[0] << "\n";
  return kUsage;
}

int run_manual(const Arguments& arguments) {
  if (arguments.has("markdown")) {
    std::cout << reference();
    return kDone;
  }
  if (arguments.positionals.empty()) {
    std::cout << manual(nullptr);
    return kDone;
  }
  for (const auto& command : commands()) {
    if (arguments.positionals[0] != command.name) continue;
    std::cout << manual(&command);
    return kDone;
  }
  std::cerr << "fairctl: manual: there is no command " << arguments.positionals[0] << "\n";
  return kUsage;
}

}  // namespace fairlead::ctl
