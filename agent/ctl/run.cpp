// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <iostream>
#include <memory>
#include <sstream>

#include "agent/ctl/command.hpp"

namespace fairlead::ctl {
namespace {

constexpr const char* kAgentSocket = "/run/fairlead/agent.sock";
constexpr const char* kGatewaySocket = "/run/fairlead/gateway.sock";

/// `--last,-l` as CLI11 wants it.
std::string names_of(const Option& option) {
  std::string names = option.name;
  if (option.letter != 0) names = std::string("-") + option.letter + "," + names;
  return names;
}

std::vector<std::string> choices_of(const Option& option) {
  std::istringstream words(option.choices == nullptr ? "" : option.choices);
  return {std::istream_iterator<std::string>(words), {}};
}

/// CLI11 keeps what is bound, so bound values live here until the command runs.
struct Parser {
  CLI::App app;
  Arguments arguments;
  std::string output = "text";
  bool help = false;
  bool version = false;
  const Command* chosen = nullptr;

  Parser() {
    app.set_help_flag();
    app.require_subcommand(0, 1);
    add_common(app, common_options());
    for (const auto& command : commands()) add(app, command);
  }

  void add_common(CLI::App& to, std::span<const Option> options) {
    for (const auto& option : options) {
      if (std::string_view(option.name) == "--help") to.add_flag_callback(names_of(option), [this] { help = true; });
      else if (std::string_view(option.name) == "--version")
        to.add_flag_callback(names_of(option), [this] { version = true; });
      else if (std::string_view(option.name) == "--socket") to.add_option(names_of(option), arguments.socket);
      else to.add_option(names_of(option), output)->check(CLI::IsMember(choices_of(option)));
    }
  }

  void add(CLI::App& to, const Command& command) {
    auto* sub = to.add_subcommand(command.name);
    sub->set_help_flag();
    add_common(*sub, common_options(command));
    sub->final_callback([this, &command] {
      if (chosen == nullptr) chosen = &command;  // an action comes before its command
    });
    for (const auto& action : command.actions) add(*sub, action);
    if (!command.actions.empty()) sub->require_subcommand(0, 1);
    for (const auto& option : command.options) {
      const std::string key = std::string(option.name).substr(2);
      if (option.argument == nullptr) {
        sub->add_flag_callback(names_of(option), [this, key] { arguments.options[key]; });
        continue;
      }
      if (option.repeatable) {
        sub->add_option_function<std::vector<std::string>>(names_of(option),
                                                           [this, key](const std::vector<std::string>& values) {
                                                             for (const auto& value : values)
                                                               arguments.options[key] += value + "\n";
                                                           })
            ->allow_extra_args(false);
        continue;
      }
      auto* added = sub->add_option_function<std::string>(
          names_of(option), [this, key](const std::string& value) { arguments.options[key] = value; });
      if (option.choices != nullptr) added->check(CLI::IsMember(choices_of(option)));
    }
    if (!command.positionals.empty())
      sub->add_option("words", arguments.positionals)->expected(0, static_cast<int>(command.positionals.size()));
  }
};

int usage(const std::string& what, const std::string& command) {
  std::cerr << "fairctl: " << (command.empty() ? "" : command + ": ") << what << "\nTry: fairctl "
            << (command.empty() ? "" : command + " ") << "--help\n";
  return kUsage;
}

/// The first word that is neither an option nor its value.
std::string command_word(const std::vector<std::string>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--socket" || words[i] == "-o" || words[i] == "--output") ++i;
    else if (!words[i].starts_with('-')) return words[i];
  }
  return {};
}

/// The command with the longest common beginning, where that says enough; for words that were mistyped.
std::string nearest(const std::string& word) {
  std::string best;
  std::size_t most = 1;
  for (const auto& command : commands()) {
    const std::string_view name = command.name;
    const auto same = static_cast<std::size_t>(std::mismatch(word.begin(), word.end(), name.begin(), name.end()).first -
                                               word.begin());
    if (same > most) {
      most = same;
      best = command.name;
    }
  }
  return best;
}

int wrong(const std::vector<std::string>& words, const std::string& what) {
  const auto word = command_word(words);
  const bool known = std::ranges::any_of(commands(), [&](const Command& command) { return word == command.name; });
  if (known || word.empty()) return usage(what, word);
  const auto meant = nearest(word);
  return usage("there is no command " + word + (meant.empty() ? "" : "; is " + meant + " meant?"), "");
}

/// For which connect() has the same answer as for a socket that nobody listens on.
bool is_plain_file(const Error& error, const std::string& path) {
  std::error_code ignored;
  return error.code == ECONNREFUSED && std::filesystem::exists(path, ignored) &&
         !std::filesystem::is_socket(path, ignored);
}

}  // namespace

int explain(const Arguments& arguments, const Error& error) {
  const auto& socket = arguments.socket;
  const std::string daemon = arguments.gateway ? "gateway" : "agent";
  switch (is_plain_file(error, socket) ? ENOTSOCK : error.code) {
    case ENOENT:
      std::cerr << "fairctl: no " << daemon << " runs: there is no socket " << socket << "\nStart fairlead-" << daemon
                << ", or name the socket that it was started with: --socket PATH\n";
      return kUnreachable;
    case ECONNREFUSED:
      std::cerr << "fairctl: no " << daemon << " runs: " << socket << " is there, but nobody listens on it (it was "
                << "killed)\n"
                << (arguments.gateway ? "" : "Its programs stay in force. ") << "Start fairlead-" << daemon
                << " again.\n";
      return kUnreachable;
    case EACCES:
    case EPERM:
      std::cerr << "fairctl: no permission for " << socket << ": only its owner may ask the " << daemon
                << ". Run fairctl as " << (arguments.gateway ? "the gateway's user" : "root") << ".\n";
      return kForbidden;
    case ENOTSOCK:
    case ENOTDIR:
    case ENAMETOOLONG:
      std::cerr << "fairctl: " << (error.code == ENAMETOOLONG ? error.message : socket + " is no socket")
                << ": give the path of the " << daemon << "'s with --socket PATH\n";
      return kUnreachable;
    default: std::cerr << "fairctl: " << error.message << "\n"; return kFailed;
  }
}

std::string encoded(const std::string& value) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '.' || c == '-' || c == '_') out += c;
    else ((out += '%') += kDigits[byte >> 4]) += kDigits[byte & 15];
  }
  return out;
}

Asked ask(const Arguments& arguments, const std::string& path, bool post) {
  const admin::Client client(arguments.socket);
  auto body = post ? client.post(path) : client.get(path);
  if (!body) return {.code = explain(arguments, body.error()), .body = {}};
  return {.code = kDone, .body = std::move(*body)};
}

int run(const std::vector<std::string>& words) {
  Parser parser;
  try {
    parser.app.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // CLI11 takes them last first
  } catch (const CLI::ParseError& error) {
    if (!parser.help) return wrong(words, error.what());
  }
  if (parser.version) {
    std::cout << "fairctl " << FAIRLEAD_VERSION << "\n";
    return kDone;
  }
  if (parser.help || parser.chosen == nullptr || parser.chosen->run == nullptr) {
    (parser.help ? std::cout : std::cerr) << (parser.chosen == nullptr ? help_text() : help_text(*parser.chosen));
    return parser.help ? kDone : kUsage;
  }
  auto& arguments = parser.arguments;
  const auto& positionals = parser.chosen->positionals;
  for (std::size_t i = arguments.positionals.size(); i < positionals.size(); ++i)
    if (positionals[i].required)
      return usage(std::string("found no ") + positionals[i].name + ", expected " + positionals[i].help,
                   parser.chosen->full_name());
  arguments.json = arguments.get("output", parser.output) == "json";
  arguments.gateway = parser.chosen->group != nullptr;
  if (arguments.socket.empty()) arguments.socket = arguments.gateway ? kGatewaySocket : kAgentSocket;
  return parser.chosen->run(arguments);
}

}  // namespace fairlead::ctl
