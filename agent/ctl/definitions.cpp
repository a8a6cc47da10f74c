// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string_view>

#include "agent/ctl/command.hpp"
#include "fairlead/abi/names.h"

namespace fairlead::ctl {
namespace {

constexpr Option kInterval = {"--interval", 'i', "SECONDS", "how long to measure rates (default 1)", nullptr};
constexpr Option kService = {"--service", 0, "NAME", "only this service: NAME or NAMESPACE/NAME", nullptr};
constexpr Option kNamespace = {"--namespace", 'n', "NAME", "only this namespace", nullptr};
constexpr Option kPinDir = {"--pin-dir", 0, "PATH", "directory in bpffs (default " FL_PIN_DIR ")", nullptr};
constexpr Option kRunDir = {"--run-dir", 0, "PATH",
                            "directory of the agent's lock and kept configuration (default /run/fairlead)", nullptr};

const std::vector<Option> kFlowOptions = {
    {"--follow", 'f', nullptr, "go on with what comes, until interrupted", nullptr},
    {"--last", 0, "N", "so many of the last flows (default 50; with -f 0)", nullptr},
    {"--from", 0, "NAME", "source: workload, NAMESPACE/WORKLOAD or address", nullptr},
    {"--to", 0, "NAME", "destination: workload, NAMESPACE/WORKLOAD or address", nullptr},
    kService,
    kNamespace,
    {"--type", 0, "TYPE", "only this type", "open close fail deny audit eject"},
    {"--reason", 0, "REASON", "only this reason, such as policy or no_backend",
     "none no_backend over_limit policy policy_missing refused timeout unreachable reset endpoint_gone policy_changed "
     "aborted other"},
    {"--protocol", 0, "tcp|udp", "only this protocol", "tcp udp"},
    {"--reporter", 0, "END",
     "whose reports (default: the caller's, and the called one's where the caller is elsewhere)",
     "source destination any"},
    {"--failed", 0, nullptr, "only what failed or was denied", nullptr},
};

const std::vector<Command> kCommands = {
    {"status",
     "what is on and off, and why",
     "Shows the agent's version, the features that are on or off and why, what the kernel lacks, "
     "the faults of the configuration, and every counter of drops and fallbacks that is not zero.",
     {},
     {},
     {{"fairctl status", "the whole state"},
      {"fairctl status -o json | jq .diagnostics", "the configuration's faults for a script"}},
     run_status},
    {"services",
     "services in force",
     "One line for each port of a service: the addresses that it is reached by, how it is balanced, how many "
     "endpoints are ready, and what was counted.",
     {kNamespace},
     {},
     {{"fairctl services -n shop", "the services of one namespace"}},
     run_services},
    {"backends",
     "endpoints of services, and how connections are spread over them",
     "One line for each endpoint of a service: its workload, "
     "whether it is ready, terminating or ejected, the connections that it has and had, and how many failed; as its "
     "callers on this node saw it the mean time to connect, bytes in and out, and failures by reason. As JSON also "
     "connections closed, redirected bytes, and connects by time: bucket i counts those below 2^(2i+5) us, the last "
     "one all others.",
     {kService, kNamespace},
     {},
     {{"fairctl backends --service web", "how the connections to web are spread"}},
     run_backends},
    {"workloads",
     "addresses with their workloads and policies",
     "One line for each address that is known: the pod or node, its workload, "
     "whether policies restrict it and whether it is redirected. Link-local addresses are left out but for --all.",
     {kNamespace, {"--all", 'a', nullptr, "link-local addresses too", nullptr}},
     {},
     {{"fairctl workloads -n shop", "the pods of one namespace"}},
     run_workloads},
    {"policy",
     "policies, and whom they select",
     "One line for each NetworkPolicy and AuthorizationPolicy: which workloads it selects, and "
     "whether it is in force. Policies that could not be taken as written close what they select.",
     {kNamespace},
     {},
     {{"fairctl policy", "all policies"}},
     run_policy},
    {"flows",
     "connections that ended, failed or were refused",
     "Shows the last flows, or follows them with -f. Filters are joined by and.",
     kFlowOptions,
     {},
     {{"fairctl flows -f --failed", "follow what goes wrong"},
      {"fairctl flows --from shop/web --to redis -o json", "JSON lines of one pair"},
      {"fairctl flows --reason policy --last 500", "what policies refused"}},
     run_flows},
    {"top",
     "the busiest pairs, live",
     "Rates of each pair of workloads, refreshed until q or Ctrl-C. The keys b, c, f and t sort by bytes, "
     "connections, failures and totals.",
     {kInterval,
      {"--once", '1', nullptr, "print one table and end", nullptr},
      {"--sort", 's', "COLUMN", "what to sort by (default bytes)", "bytes connections failures total"},
      {"--limit", 0, "N", "so many lines (default: as many as fit)", nullptr}},
     {},
     {{"fairctl top", "live"}, {"fairctl top --once --sort failures", "one table, worst first"}},
     run_top},
    {"graph",
     "who calls whom",
     "The graph of workloads and services: connections and bytes per second measured now, sums since the start, "
     "failures by reason.",
     {kInterval, {"--format", 'F', "FORMAT", "text (default), dot or svg", "text dot svg"}, kNamespace},
     {},
     {{"fairctl graph", "as text"},
      {"fairctl graph -F svg >graph.svg", "as a picture"},
      {"fairctl graph -F dot | dot -Tpng >graph.png", "laid out by Graphviz"}},
     run_graph},
    {"why",
     "what would happen to a connection, and why",
     "Asks the kernel's own code and tables what a connect would be answered now: the "
     "service, the candidates with their state, the one chosen, the policy rule that decides, and whether the "
     "connection would be "
     "redirected. Nothing is changed by asking. Choices by chance differ from call to call.",
     {{"--from", 0, "WORKLOAD",
       "the caller: NAMESPACE/NAME of a pod or workload, or an address (default: the node itself)", nullptr},
      {"--protocol", 0, "tcp|udp", "protocol (default tcp)", "tcp udp"}},
     {{"ADDRESS:PORT", "where it would connect to; or a service by NAME:PORT, NAMESPACE/NAME:PORT or its name in DNS",
       true}},
     {{"fairctl why --from default/shop 10.96.0.10:80", "a pod's connect to a service"},
      {"fairctl why --from shop web:80", "the same by names"},
      {"fairctl why --protocol udp [2001:db8::53]:53", "the node's datagram"}},
     run_why},
    {"maps",
     "the kernel's maps: how full, how large",
     "One line for each map: elements, capacity, memory.",
     {},
     {},
     {{"fairctl maps", "all maps"}},
     run_maps},
    {"check",
     "validate a configuration without an agent",
     "Reads a directory or file as an agent with the settings it has by default would, and prints what it would refuse "
     "or "
     "not serve. The exit code is 1 where something would be refused. fairlead-agent --settings FILE check PATH goes "
     "by "
     "other settings.",
     {},
     {{"PATH", "directory or file", true}},
     {{"fairctl check /etc/fairlead/config", "before it is put in force"}},
     run_check},
    {"convert",
     "another gateway's configuration as Gateway API objects",
     "Prints Kong's declarative file as the objects and policies that fairlead-gateway serves it by, and says on "
     "standard "
     "error what is not served as Kong does. Where something is, nothing is printed and the exit code is 1.",
     {{"--allow-partial", 0, nullptr, "leave out what cannot be served as Kong does", nullptr}},
     {{"FORMAT", "kong", true}, {"PATH", "its file, YAML or JSON", true}},
     {{"fairctl convert kong kong.yaml >objects.yaml", "move to objects"},
      {"fairctl convert --allow-partial kong kong.yaml >objects.yaml", "the same without what is named"}},
     run_convert},
    {"uninstall",
     "remove every program, map and pin of an agent that has ended",
     "Detaches the programs that an agent left in place and removes "
     "their pins and its socket. Connections go on to the endpoints that they have. Refused while an agent runs.",
     {kPinDir, kRunDir},
     {},
     {{"fairctl uninstall", "leave nothing behind"}},
     run_uninstall},
    gateway_command(),
    {"help",
     "the help of a command",
     "Shows what --help shows.",
     {},
     {{"COMMAND", "the command; none: fairctl itself", false}},
     {{"fairctl help top", "the same as fairctl top --help"}},
     run_help},
    {"completion",
     "shell completion",
     "Prints the completion script of a shell.",
     {},
     {{"SHELL", "bash, zsh or fish", true}},
     {{"fairctl completion bash >/etc/bash_completion.d/fairctl", "install it"}},
     run_completion},
    {"manual",
     "manual pages",
     "Prints a manual page in roff, or all of this as Markdown.",
     {{"--markdown", 0, nullptr, "the reference as Markdown", nullptr}},
     {{"COMMAND", "the command; none: fairctl itself", false}},
     {{"fairctl manual top | man -l -", "read a page"}},
     run_manual},
};

constexpr Option kCommon[] = {
    {"--socket", 0, "PATH",
     "the daemon's socket (default /run/fairlead/agent.sock; of gateway: /run/fairlead/gateway.sock)", nullptr},
    {"--output", 'o', "FORMAT", "text (default) or json", "text json"},
    {"--help", 'h', nullptr, "this help", nullptr},
    {"--version", 'V', nullptr, "the version of fairctl", nullptr},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }
std::span<const Option> common_options() { return kCommon; }

std::vector<Option> common_options(const Command& command) {
  std::vector<Option> out;
  for (const auto& option : kCommon)
    if (std::ranges::none_of(command.options,
                             [&](const Option& own) { return std::string_view(own.name) == option.name; }))
      out.push_back(option);
  return out;
}

}  // namespace fairlead::ctl
