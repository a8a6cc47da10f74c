// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/ctl/answer.hpp"
#include "agent/ctl/command.hpp"
#include "agent/ctl/gateway_text.hpp"
#include "agent/ctl/out.hpp"

namespace fairlead::ctl {
namespace {

using Json = nlohmann::ordered_json;

std::string fields_text(const Json& match, const char* list, const char* before) {
  std::string out;
  for (const auto& field : match.value(list, Json::array()))
    out += std::string(" ") + before + text(field.at("name")) + (text(field.at("type")) == "Exact" ? "=" : "~") +
           text(field.at("value"));
  return out;
}

std::string place_of(const Json& verdict) {
  return text(verdict.at("route")) + " rules[" + verdict.at("rule").dump() + "].matches[" + verdict.at("match").dump() +
         "]";
}

void print_candidates(const Json& candidates) {
  Table table;
  for (const char* title : {"", "CANDIDATE", "HOST", "ASKS FOR", "LOST BY", "FOUND", "EXPECTED"}) table.column(title);
  for (const auto& one : candidates) {
    const auto result = text(one.at("result"));
    const bool won = result == "taken";
    const auto host = text(one.at("host"));
    const auto said = [&](const char* name) { return won ? std::string() : text(one.at(name)); };
    table.row({{won ? "->" : "", Colour::kGreen},
               {place_of(one), won ? Colour::kGreen : Colour::kNone},
               {host.empty() ? "*" : host},
               {match_text(one.at("asks"))},
               {said("field"), result == "beaten" ? Colour::kYellow : Colour::kNone},
               {said("found")},
               {said("expected")}});
  }
  std::cout << "\n" << (table.empty() ? "  no routes\n" : table.text());
}

/// "authentication passes: consumer alice; by RequestPolicy default/keys (rule)".
std::string policy_text(const Json& policy) {
  const auto verdict = text(policy.at("verdict"));
  auto said = verdict + (policy.contains("status") ? " " + policy.at("status").dump() : "");
  if (policy.contains("why")) said += ": " + text(policy.at("why"));
  const auto colour = verdict == "passes"    ? Colour::kGreen
                      : verdict == "answers" ? Colour::kRed
                      : verdict == "depends" ? Colour::kYellow
                                             : Colour::kDim;
  return text(policy.at("filter")) + " " + paint(said, colour) + "; by " + text(policy.at("policy")) + " (" +
         text(policy.at("level")) + ")";
}

void print_target(const Json& json) {
  const auto host = text(json.at("host"));
  say("route", paint(place_of(json), Colour::kGreen) + (host.empty() ? "" : " for " + host));
  if (const auto filters = filters_text(json.at("filters")); !filters.empty()) say("filters", filters);
  for (const auto& one : json.value("policies", Json::array())) say("policy", policy_text(one));
  for (const auto& backend : json.at("backends")) {
    std::string endpoints;
    for (const auto& endpoint : backend.at("endpoints"))
      endpoints += " " + text(endpoint.at("address")) + (endpoint.at("ready").get<bool>() ? "" : " (not ready)");
    const char* nobody = backend.at("cluster").is_null() ? "" : ", no endpoints: 503";
    say("backend", backends_text(Json::array({backend})) + (endpoints.empty() ? nobody : ":" + endpoints));
  }
  if (json.contains("canary"))
    say("canary", json.at("canary").is_null() ? "no valid backend: its requests get 500" : text(json.at("canary")));
  for (const auto& [name, title] : {std::pair("requestTimeoutMs", "time limit"), {"backendTimeoutMs", "of each try"}})
    if (json.contains(name)) say(title, json.at(name).dump() + " ms");
}

void print(const Json& json) {
  const auto& request = json.at("request");
  const auto query = text(request.at("query"));
  say("request", text(request.at("method")) + " " + text(request.at("host")) + text(request.at("path")) +
                     (query.empty() ? "" : "?" + query));
  std::string addresses;
  for (const auto& address : json.at("listener").at("addresses")) addresses += " " + text(address);
  say("listener", text(json.at("listener").at("name")) + addresses);
  if (json.contains("route")) print_target(json);
  const bool failed = json.at("status").is_number() && json.at("status").get<int>() >= 400;
  say("result", paint(text(json.at("result")), failed ? Colour::kRed : Colour::kGreen));
  print_candidates(json.at("candidates"));
}

}  // namespace

std::string match_text(const Json& match) {
  const auto type = text(match.at("path").at("type"));
  auto path = text(match.at("path").at("value"));
  if (type == "PathPrefix") path += path.ends_with('/') ? "*" : "/*";
  if (type == "RegularExpression") path.insert(0, "~");
  if (match.contains("grpc") && match.at("grpc").is_object())
    path = "gRPC " + text(match.at("grpc").at("service")) + "/" + text(match.at("grpc").at("method"));
  return (match.contains("method") ? text(match.at("method")) + " " : "") + path + fields_text(match, "headers", "") +
         fields_text(match, "query", "?");
}

std::string filters_text(const Json& filters) {
  std::string out;
  for (const auto& filter : filters) out += (out.empty() ? "" : ", ") + text(filter.at("type"));
  return out;
}

std::string backends_text(const Json& backends) {
  double total = 0;
  for (const auto& backend : backends) total += backend.at("weight").get<double>();
  std::string out;
  for (const auto& backend : backends) {
    const bool valid = backend.at("cluster").is_string();
    out += (out.empty() ? "" : ", ") + (valid ? text(backend.at("cluster")) : std::string("(invalid: 500)"));
    if (backends.size() > 1 && total > 0)
      out += " " + std::to_string(static_cast<int>(100 * backend.at("weight").get<double>() / total + 0.5)) + "%";
  }
  return out;
}

int run_gateway_why(const Arguments& arguments) {
  const auto path = "/v1/gateway/why?method=" + encoded(arguments.positionals[0]) +
                    "&url=" + encoded(arguments.positionals[1]) + "&headers=" + encoded(arguments.get("header")) +
                    "&client=" + encoded(arguments.get("client"));
  return show_answer(arguments, path, print);
}

}  // namespace fairlead::ctl
