// SPDX-License-Identifier: Apache-2.0
// The commands that show one list of the agent's.
#include <cmath>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "agent/ctl/answer.hpp"
#include "agent/ctl/command.hpp"
#include "agent/ctl/out.hpp"

namespace fairlead::ctl {
namespace {

using Json = nlohmann::ordered_json;
using Align = Table::Align;

using Keep = bool (*)(const Arguments& arguments, const Json& item);

/// Asks for a list, keeps what the options ask for, and prints that as JSON or hands it to `print`.
int show(const Arguments& arguments, const std::string& list, Keep keep, int (*print)(const Json& json)) {
  const auto asked = ask(arguments, "/v1/" + list);
  if (asked.code != kDone) return asked.code;
  auto json = Json::parse(asked.body);
  if (keep != nullptr) {
    const auto key = list == "policy" ? "policies" : list;
    Json kept = Json::array();
    for (auto& item : json.at(key))
      if (keep(arguments, item)) kept.push_back(std::move(item));
    json[key] = std::move(kept);
  }
  if (arguments.json) {
    std::cout << json.dump(2) << "\n";
    return kDone;
  }
  return print(json);
}

std::string number(const Json& value) { return count_text(value.get<double>()); }
Cell failures(const Json& value) { return {number(value), value.get<double>() > 0 ? Colour::kRed : Colour::kDim}; }

/// NAME or NAMESPACE/NAME against "namespace/name".
bool names(const std::string& wanted, const std::string& full) {
  if (wanted.empty() || wanted == full) return true;
  const auto slash = full.find('/');
  return slash != std::string::npos && full.substr(slash + 1) == wanted;
}

bool in_namespace(const Arguments& arguments, const Json& item) {
  return !arguments.has("namespace") || arguments.get("namespace") == text(item.at("namespace"));
}

bool is_of_service(const Arguments& arguments, const Json& backend) {
  const auto service = text(backend.at("service"));
  return names(arguments.get("service"), service) &&
         (!arguments.has("namespace") || service.starts_with(arguments.get("namespace") + "/"));
}

/// A node has an address on every device of its pods: the routable ones tell enough.
bool is_wanted_workload(const Arguments& arguments, const Json& workload) {
  return in_namespace(arguments, workload) &&
         (arguments.has("all") || !text(workload.at("address")).starts_with("fe80:"));
}

int print_or_say(const Table& table, const char* nothing) {
  if (table.empty()) std::cout << nothing << "\n";
  else std::cout << table.text();
  return kDone;
}

void print_features(const Json& json) {
  Table table;
  for (const char* title : {"FEATURE", "STATE", "WHY"}) table.column(title);
  for (const auto& feature : json.at("features")) {
    const bool on = feature.at("on").get<bool>();
    table.row({{text(feature.at("name"))},
               {on ? "on" : "off", on ? Colour::kGreen : Colour::kYellow},
               {text(feature.at("detail"))}});
  }
  std::cout << "\n" << table.text();
}

void print_lacks(const Json& json) {
  Table table;
  for (const char* title : {"KERNEL LACKS", "INSTEAD", "BECAUSE"}) table.column(title);
  for (const auto& lack : json.at("kernel_lacks"))
    table.row({{text(lack.at("program")), Colour::kYellow}, {text(lack.at("instead"))}, {text(lack.at("reason"))}});
  if (!table.empty()) std::cout << "\n" << table.text();
}

void print_counters(const Json& json) {
  Table table;
  table.column("COUNTER");
  table.column("VALUE", Align::kRight);
  table.column("WHAT");
  for (const auto& counter : json.at("counters"))
    if (counter.at("value").get<std::uint64_t>() != 0)
      table.row({{text(counter.at("name"))}, {number(counter.at("value"))}, {text(counter.at("what")), Colour::kDim}});
  if (!table.empty()) std::cout << "\n" << table.text();
}

void print_diagnostics(const Json& diagnostics) {
  std::size_t errors = 0;
  for (const auto& diagnostic : diagnostics) errors += text(diagnostic.at("severity")) == "error";
  if (diagnostics.empty()) return;
  std::cout << "\n"
            << paint("CONFIGURATION", Colour::kBold) << "  " << errors << " refused, " << diagnostics.size() - errors
            << " warnings\n";
  for (const auto& diagnostic : diagnostics)
    std::cout << paint(text(diagnostic.at("text")),
                       text(diagnostic.at("severity")) == "error" ? Colour::kRed : Colour::kYellow)
              << "\n";
}

int print_status(const Json& json) {
  const auto& cgroup = json.at("cgroup");
  std::cout << "fairlead-agent " << text(json.at("version")) << " on " << text(json.at("node")) << ", up "
            << seconds_text(json.at("uptime_seconds").get<std::uint64_t>()) << "\n"
            << "configuration  " << text(json.at("config")) << ": " << json.at("services") << " service ports, "
            << json.at("workloads") << " workload addresses\n"
            << "cgroup         " << text(cgroup.at("path"))
            << (cgroup.at("root").get<bool>() ? " (all of the node)" : " (only below it)") << "\n"
            << "pins           " << text(json.at("pin_dir")) << (json.at("adopted").get<bool>() ? " (adopted)" : "")
            << "\n";
  if (!cgroup.at("root_namespace").get<bool>())
    std::cout << paint("this cgroup namespace is not the root: processes outside of it are not served\n", Colour::kRed);
  print_features(json);
  print_lacks(json);
  print_counters(json);
  print_diagnostics(json.at("diagnostics"));
  return kDone;
}

std::string frontends(const Json& list) {
  constexpr std::size_t kMost = 4;
  std::string all;
  for (std::size_t i = 0; i < list.size() && i < kMost; ++i) all += (i == 0 ? "" : ", ") + text(list[i].at("address"));
  if (list.size() > kMost) all += " +" + std::to_string(list.size() - kMost);
  return all.empty() ? "-" : all;
}

int print_services(const Json& json) {
  Table table;
  for (const char* title : {"NAMESPACE", "SERVICE", "PORT", "ADDRESSES", "BALANCING"}) table.column(title);
  for (const char* title : {"READY", "ACTIVE", "CONNECTIONS", "NO BACKEND", "OVER LIMIT"})
    table.column(title, Align::kRight);
  for (const auto& service : json.at("services")) {
    const auto ready = service.at("ready").get<unsigned>();
    const auto endpoints = service.at("endpoints").get<unsigned>();
    std::string balancing = text(service.at("algorithm"));
    if (service.value("local_only", false)) balancing += ", this node only";
    if (service.at("affinity_seconds").get<unsigned>() != 0) balancing += ", affinity";
    if (service.at("outlier_detection").get<bool>()) balancing += ", ejection";
    table.row({{text(service.at("namespace"))},
               {text(service.at("name"))},
               {service.at("port").dump() + "/" + text(service.at("protocol"))},
               {frontends(service.at("frontends"))},
               {balancing},
               {std::to_string(ready) + "/" + std::to_string(endpoints), ready == 0          ? Colour::kRed
                                                                         : ready < endpoints ? Colour::kYellow
                                                                                             : Colour::kGreen},
               {number(service.at("active"))},
               {number(service.at("connections"))},
               failures(service.at("no_backend")),
               failures(service.at("over_limit"))});
  }
  return print_or_say(table, "no services");
}

Colour condition_colour(const std::string& condition) {
  if (condition == "ready") return Colour::kGreen;
  return condition == "ejected" || condition == "gone" ? Colour::kRed : Colour::kYellow;
}

std::string reasons_text(const Json& failed) {
  std::string all;
  for (const auto& [reason, count] : failed.items())
    all += (all.empty() ? "" : ", ") + count_text(count.get<double>()) + " " + reason;
  return all.empty() ? "-" : all;
}

/// The mean over the connects that became connections.
std::string connect_text(const Json& backend) {
  double count = 0;
  for (const auto& bucket : backend.at("connect_us_buckets")) count += bucket.get<double>();
  return count > 0 ? micros_text(backend.at("connect_us_sum").get<double>() / count) : "-";
}

int print_backends(const Json& json) {
  Table table;
  for (const char* title : {"SERVICE", "PORT", "BACKEND", "WORKLOAD", "STATE"}) table.column(title);
  for (const char* title : {"ACTIVE", "CONNECTIONS", "SHARE", "FAILED", "RESET", "RTT", "CONNECT", "IN", "OUT"})
    table.column(title, Align::kRight);
  table.column("FAILED BY");
  std::map<std::string, double> totals;
  const auto key = [](const Json& backend) {
    return text(backend.at("service")) + backend.at("service_port").dump() + text(backend.at("protocol"));
  };
  for (const auto& backend : json.at("backends")) totals[key(backend)] += backend.at("connections").get<double>();
  for (const auto& backend : json.at("backends")) {
    const double connections = backend.at("connections").get<double>();
    const double total = totals[key(backend)];
    const auto rtt = backend.at("rtt_us").get<double>();
    const auto condition = text(backend.at("condition"));
    table.row({{text(backend.at("service"))},
               {backend.at("service_port").dump() + "/" + text(backend.at("protocol"))},
               {text(backend.at("address"))},
               {text(backend.at("workload"))},
               {condition, condition_colour(condition)},
               {number(backend.at("active"))},
               {count_text(connections)},
               {total > 0 ? count_text(std::round(100 * connections / total)) + "%" : "-"},
               failures(backend.at("connect_failures")),
               failures(backend.at("resets")),
               {rtt > 0 ? micros_text(rtt) : "-"},
               {connect_text(backend)},
               {bytes_text(backend.at("request_bytes").get<double>())},
               {bytes_text(backend.at("response_bytes").get<double>())},
               {reasons_text(backend.at("failed"))}});
  }
  return print_or_say(table, "no endpoints");
}

std::string joined(const Json& list) {
  std::string all;
  for (const auto& item : list) all += (all.empty() ? "" : ", ") + text(item);
  return all.empty() ? "-" : all;
}

int print_workloads(const Json& json) {
  Table table;
  for (const char* title : {"NAMESPACE", "WORKLOAD", "KIND", "POD", "ADDRESS", "HERE", "REDIRECT", "POLICIES"})
    table.column(title);
  for (const auto& workload : json.at("workloads")) {
    const bool closed = workload.at("closed").get<bool>();
    const auto policies = joined(workload.at("policies"));
    table.row({{text(workload.at("namespace"))},
               {text(workload.at("workload"))},
               {text(workload.at("kind"))},
               {workload.value("pod", "")},
               {text(workload.at("address"))},
               {workload.at("local").get<bool>() ? "yes" : "-"},
               {workload.at("redirect").get<bool>() ? "yes" : "-"},
               {closed ? "CLOSED by " + policies : policies, closed ? Colour::kRed : Colour::kNone}});
  }
  return print_or_say(table, "no workloads");
}

int print_policy(const Json& json) {
  Table table;
  for (const char* title : {"NAMESPACE", "POLICY", "KIND", "DIRECTION", "STATE", "SELECTS"}) table.column(title);
  for (const auto& policy : json.at("policies")) {
    const auto state = text(policy.at("state"));
    table.row({{text(policy.at("namespace"))},
               {text(policy.at("name"))},
               {text(policy.at("kind"))},
               {text(policy.at("direction"))},
               {state, state == "in force" ? Colour::kGreen : Colour::kRed},
               {joined(policy.at("selects"))}});
  }
  return print_or_say(table, "no policies");
}

int print_maps(const Json& json) {
  Table table;
  for (const char* title : {"MAP", "TYPE"}) table.column(title);
  for (const char* title : {"ELEMENTS", "CAPACITY", "FULL", "MEMORY"}) table.column(title, Align::kRight);
  double sum = 0;
  for (const auto& map : json.at("maps")) {
    const double capacity = map.at("capacity").get<double>();
    const double share = capacity > 0 ? map.at("entries").get<double>() / capacity : 0;
    const bool counted = text(map.at("type")).find("hash") != std::string::npos || text(map.at("type")) == "lpm_trie";
    table.row({{text(map.at("name"))},
               {text(map.at("type"))},
               {counted ? number(map.at("entries")) : "-"},
               {text(map.at("type")) == "ringbuf" ? bytes_text(capacity)
                : capacity > 0                    ? count_text(capacity)
                                                  : "-"},
               {counted ? count_text(std::round(share * 100)) + "%" : "-",
                counted && share > 0.9 ? Colour::kRed : Colour::kNone},
               {bytes_text(map.at("bytes").get<double>())}});
    sum += map.at("bytes").get<double>();
  }
  if (!table.empty()) table.row({{"all"}, {""}, {""}, {""}, {""}, {bytes_text(sum)}});
  return print_or_say(table, "no maps");
}

}  // namespace

int run_status(const Arguments& arguments) { return show(arguments, "status", nullptr, print_status); }
int run_services(const Arguments& arguments) { return show(arguments, "services", in_namespace, print_services); }
int run_backends(const Arguments& arguments) { return show(arguments, "backends", is_of_service, print_backends); }
int run_workloads(const Arguments& arguments) {
  return show(arguments, "workloads", is_wanted_workload, print_workloads);
}
int run_policy(const Arguments& arguments) { return show(arguments, "policy", in_namespace, print_policy); }
int run_maps(const Arguments& arguments) { return show(arguments, "maps", nullptr, print_maps); }

}  // namespace fairlead::ctl
