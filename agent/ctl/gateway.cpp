// SPDX-License-Identifier: Apache-2.0
// fairctl gateway status, routes, backends, log-level, config, purge.
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/ctl/answer.hpp"
#include "agent/ctl/command.hpp"
#include "agent/ctl/gateway_text.hpp"
#include "agent/ctl/out.hpp"

namespace fairlead::ctl {
namespace {

using Json = nlohmann::ordered_json;

/// Conditions that are bad news where they are true.
bool is_warning(const std::string& type) {
  return type == "Conflicted" || type == "PartiallyInvalid" || type == "OverlappingTLSConfig" ||
         type == "InsecureFrontendValidationMode";
}

const Json* find_condition(const Json& conditions, const char* type) {
  for (const auto& one : conditions)
    if (text(one.at("type")) == type) return &one;
  return nullptr;
}

Cell state_cell(const Json& conditions, const char* type) {
  const auto* found = find_condition(conditions, type);
  if (found == nullptr) return {"-", Colour::kDim};
  const bool good = text(found->at("status")) == "True";
  return {good ? "yes" : text(found->at("reason")), good ? Colour::kGreen : Colour::kRed};
}

/// What is wrong, in words.
std::string troubles_of(const Json& conditions) {
  std::string out;
  for (const auto& one : conditions) {
    const bool bad = (text(one.at("status")) == "True") == is_warning(text(one.at("type")));
    const auto message = text(one.at("message"));
    if (bad && out.find(message) == std::string::npos) out += (out.empty() ? "" : "; ") + message;
  }
  return out;
}

void add_status(Table& table, const std::string& object, const std::string& part, const Json& conditions,
                const std::string& routes) {
  table.row({{object},
             {part},
             state_cell(conditions, "Accepted"),
             state_cell(conditions, "Programmed"),
             state_cell(conditions, "ResolvedRefs"),
             {routes},
             {troubles_of(conditions)}});
}

std::string name_of(const Json& item) {
  const auto& metadata = item.at("metadata");
  return text(item.at("kind")) + " " + (metadata.contains("namespace") ? text(metadata.at("namespace")) + "/" : "") +
         text(metadata.at("name"));
}

std::string ref_text(const Json& ref) {
  return text(ref.at("kind")) + " " + text(ref.at("name")) +
         (ref.contains("sectionName") ? ":" + text(ref.at("sectionName")) : "") +
         (ref.contains("port") ? ":" + ref.at("port").dump() : "");
}

void add_object(Table& table, const Json& item) {
  const auto object = name_of(item);
  const auto& status = item.at("status");
  if (status.empty()) {
    table.row({{object}, {"not ours", Colour::kDim}, {"-"}, {"-"}, {"-"}, {}, {}});
    return;
  }
  if (status.contains("conditions")) add_status(table, object, "", status.at("conditions"), "");
  for (const auto& listener : status.value("listeners", Json::array()))
    add_status(table, object, "listener " + text(listener.at("name")), listener.at("conditions"),
               listener.at("attachedRoutes").dump());
  for (const char* list : {"parents", "ancestors"})
    for (const auto& parent : status.value(list, Json::array())) {
      const auto& ref = parent.at(parent.contains("parentRef") ? "parentRef" : "ancestorRef");
      add_status(table, object, "at " + ref_text(ref), parent.at("conditions"), "");
    }
}

/// Of each Redis: whether its limits are exact now, and what its clients have met.
void print_redis(const Json& all) {
  Table table;
  table.column("REDIS");
  for (const char* title : {"USE", "MODE"}) table.column(title);
  for (const char* title : {"CONNECTIONS", "RECONNECTS", "COMMANDS", "FAILED", "MS", "LEASES"})
    table.column(title, Table::Align::kRight);
  table.column("WHY");
  for (const auto& one : all) {
    const auto away = one.at("inFallback").get<std::uint64_t>(), clients = one.at("clients").get<std::uint64_t>();
    const auto failed = one.at("timeouts").get<std::uint64_t>() + one.at("notConnected").get<std::uint64_t>() +
                        one.at("errors").get<std::uint64_t>();
    const Cell mode = away == 0
                          ? Cell{"exact", Colour::kGreen}
                          : Cell{"fallback " + std::to_string(away) + "/" + std::to_string(clients), Colour::kRed};
    table.row({{text(one.at("redis"))},
               {text(one.at("use"))},
               mode,
               {one.at("connections").dump()},
               {one.at("reconnects").dump()},
               {one.at("commands").dump()},
               {std::to_string(failed)},
               {one.contains("roundTripMs") ? one.at("roundTripMs").dump().substr(0, 5) : "-"},
               {one.at("leases").dump()},
               {one.contains("failure") ? text(one.at("failure")) : ""}});
  }
  if (!table.empty()) std::cout << "\n" << table.text();
}

void print_status(const Json& json) {
  for (const auto& note : json.at("notes")) std::cout << paint(text(note), Colour::kYellow) << "\n";
  Table table;
  for (const char* title : {"OBJECT", "PART", "ACCEPTED", "PROGRAMMED", "RESOLVED"}) table.column(title);
  table.column("ROUTES", Table::Align::kRight);
  table.column("WHY");
  for (const auto& item : json.at("items")) add_object(table, item);
  std::cout << (table.empty() ? "no objects\n" : table.text());
  print_redis(json.value("redis", Json::array()));
}

std::string hosts_text(const Json& hosts) {
  std::string out;
  for (const auto& host : hosts) out += (out.empty() ? "" : ",") + text(host);
  return out.empty() ? "*" : out;
}

void print_routes(const Json& json) {
  Table table;
  for (const char* title : {"LISTENER", "ROUTE", "RULE", "HOSTS", "MATCHES", "FILTERS", "TO"}) table.column(title);
  for (const auto& listener : json.at("listeners"))
    for (const auto& route : listener.at("routes")) {
      std::size_t number = 0;
      for (const auto& rule : route.at("rules")) {
        std::string matches;
        for (const auto& match : rule.at("matches")) matches += (matches.empty() ? "" : " or ") + match_text(match);
        table.row({{text(listener.at("name"))},
                   {text(route.at("route"))},
                   {std::to_string(number++)},
                   {hosts_text(route.at("hosts"))},
                   {matches},
                   {filters_text(rule.at("filters"))},
                   {backends_text(rule.at("backends"))}});
      }
    }
  std::cout << (table.empty() ? "no routes\n" : table.text());
}

void print_backends(const Json& json) {
  Table table;
  for (const char* title : {"CLUSTER", "BACKEND", "STATE"}) table.column(title);
  for (const char* title : {"WEIGHT", "ACTIVE", "REQUESTS", "5XX", "FAILED", "EJECTED"})
    table.column(title, Table::Align::kRight);
  for (const auto& cluster : json.at("clusters")) {
    if (cluster.at("backends").empty())
      table.row({{text(cluster.at("name"))}, {"-"}, {"no endpoints", Colour::kYellow}, {}, {}, {}, {}, {}, {}});
    for (const auto& backend : cluster.at("backends")) {
      const auto state = text(backend.at("state"));
      const auto number = [&](const char* name) { return backend.at(name).dump(); };
      table.row({{text(cluster.at("name"))},
                 {text(backend.at("address"))},
                 {state, state == "available" ? Colour::kGreen : Colour::kYellow},
                 {number("weight")},
                 {number("active")},
                 {number("requests")},
                 {number("responses5xx")},
                 {number("failures")},
                 {number("ejections")}});
    }
  }
  std::cout << (table.empty() ? "no backends\n" : table.text());
}

int print_difference(const Arguments& arguments) {
  if (arguments.positionals.size() < 2) {
    std::cerr << "fairctl: gateway config diff: found no PATH, expected a directory or file of objects\n";
    return kUsage;
  }
  std::error_code error;
  const auto path = std::filesystem::absolute(arguments.positionals[1], error).string();
  const auto asked = ask(arguments, "/v1/gateway/config/diff?path=" + encoded(path));
  if (asked.code != kDone) return asked.code;
  const auto json = Json::parse(asked.body);
  const int code = json.at("changes").empty() ? kDone : kFailed;
  if (arguments.json) {
    std::cout << json.dump(2) << "\n";
    return code;
  }
  for (const auto& note : json.at("notes")) std::cout << paint("# " + text(note), Colour::kYellow) << "\n";
  for (const auto& change : json.at("changes")) {
    std::cout << paint(text(change.at("what")), Colour::kBold) << "\n";
    if (change.contains("before")) std::cout << paint("- " + change.at("before").dump(), Colour::kRed) << "\n";
    if (change.contains("after")) std::cout << paint("+ " + change.at("after").dump(), Colour::kGreen) << "\n";
  }
  if (json.at("changes").empty()) std::cout << "no differences\n";
  return code;
}

}  // namespace

int run_gateway_status(const Arguments& arguments) {
  if (arguments.get("output") != "yaml") return show_answer(arguments, "/v1/gateway/status?format=json", print_status);
  const auto asked = ask(arguments, "/v1/gateway/status");
  if (asked.code == kDone) std::cout << asked.body;
  return asked.code;
}

int run_gateway_routes(const Arguments& arguments) {
  return show_answer(arguments, "/v1/gateway/routes", print_routes);
}
int run_gateway_backends(const Arguments& arguments) {
  return show_answer(arguments, "/v1/gateway/backends", print_backends);
}

int run_gateway_log_level(const Arguments& arguments) {
  const bool set = !arguments.positionals.empty();
  const auto query = set ? "?level=" + encoded(arguments.positionals[0]) : std::string();
  const auto asked = ask(arguments, "/v1/gateway/log-level" + query, set);
  if (asked.code != kDone) return asked.code;
  const auto json = Json::parse(asked.body);
  std::cout << (arguments.json ? json.dump(2) : text(json.at("level"))) << "\n";
  return kDone;
}

int run_gateway_purge(const Arguments& arguments) {
  const auto& what = arguments.positionals[0];
  if (what != "url" && what != "prefix" && what != "tag") {
    std::cerr << "fairctl: gateway purge: found " << what << ", expected url, prefix or tag\n";
    return kUsage;
  }
  const auto asked = ask(arguments, "/v1/gateway/purge?" + what + "=" + encoded(arguments.positionals[1]), true);
  if (asked.code != kDone) return asked.code;
  const auto json = Json::parse(asked.body);
  std::cout << (arguments.json ? json.dump(2) : json.at("purged").dump()) << "\n";
  return kDone;
}

int run_gateway_config(const Arguments& arguments) {
  if (arguments.positionals[0] == "diff") return print_difference(arguments);
  if (arguments.positionals[0] == "dump")
    return show_answer(arguments, "/v1/gateway/config", [](const Json& json) { std::cout << json.dump(2) << "\n"; });
  std::cerr << "fairctl: gateway config: found " << arguments.positionals[0] << ", expected dump or diff\n";
  return kUsage;
}

}  // namespace fairlead::ctl
