// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/admin/target.hpp"
#include "agent/ctl/answer.hpp"
#include "agent/ctl/command.hpp"
#include "agent/ctl/out.hpp"

namespace fairlead::ctl {
namespace {

using Json = nlohmann::ordered_json;

void print_candidates(const Json& service) {
  Table table;
  for (const char* title : {"", "CANDIDATE", "WORKLOAD"}) table.column(title);
  for (const char* title : {"LEVEL", "WEIGHT", "ACTIVE"}) table.column(title, Table::Align::kRight);
  table.column("STATE");
  for (const auto& candidate : service.at("candidates")) {
    const bool usable = candidate.at("usable").get<bool>();
    const bool chosen = candidate.at("chosen").get<bool>();
    const auto number = [&](const char* name) {
      return candidate.contains(name) ? candidate.at(name).dump() : std::string("-");
    };
    table.row({{chosen ? "->" : "", Colour::kGreen},
               {text(candidate.at("address")), chosen ? Colour::kGreen : Colour::kNone},
               {text(candidate.at("workload"))},
               {number("level")},
               {number("weight")},
               {number("active")},
               {usable ? "usable" : text(candidate.at("why_not")), usable ? Colour::kGreen : Colour::kYellow}});
  }
  std::cout << "\n" << (table.empty() ? "  no endpoints\n" : table.text()) << "\n";
}

void print_service(const Json& json) {
  const auto& service = json.at("service");
  if (!json.value("balancing", true)) return say("service", "balancing is off: the address is left as it is");
  if (service.is_null()) {
    std::string others;
    for (const auto& other : json.at("others_at_address")) others += (others.empty() ? "" : ", ") + text(other);
    say("service", "none has this address and port: it is left as it is");
    if (!others.empty()) say("", paint("the address is of " + others, Colour::kYellow));
    return;
  }
  say("service", text(service.at("namespace")) + "/" + text(service.at("name")));
  print_candidates(service);
  for (const auto& remark : service.at("remarks")) say("balancing", text(remark));
}

void say_policy(const Json& policy) {
  if (policy.at("allowed").get<bool>()) {
    say("policy", paint("allowed", Colour::kGreen) + ": " + text(policy.at("why")) +
                      (policy.contains("audited") ? ", audited" : ""));
    return;
  }
  say("policy", paint("denied", Colour::kRed) + " (" + text(policy.at("side")) + "): " + text(policy.at("why")));
}

void print(const Json& json) {
  const auto address = text(json.at("from_address"));
  say("from", text(json.at("from")) + (address == "::" ? "" : " (" + address + ")"));
  if (!json.at("known").get<bool>() && text(json.at("from")) != "this node")
    say("", paint("no workload of the configuration has this address", Colour::kYellow));
  else if (!json.at("seen").get<bool>())
    say("", paint("its network namespace has not connected yet: affinity and hashing are unknown", Colour::kYellow));
  say("asks for", text(json.at("asked")) + "/" + text(json.at("protocol")));
  print_service(json);
  if (json.contains("policy")) say_policy(json.at("policy"));
  if (json.contains("redirection")) {
    const auto& redirection = json.at("redirection");
    say("redirection", (redirection.at("possible").get<bool>() ? "possible: " : "no: ") + text(redirection.at("why")));
  }
  const auto result = text(json.at("result"));
  say("result", paint(result, result.starts_with("refused") ? Colour::kRed : Colour::kGreen) +
                    (json.contains("workload") ? " (" + text(json.at("workload")) + ")" : ""));
}

}  // namespace

int run_why(const Arguments& arguments) {
  if (const auto target = admin::read_target(arguments.positionals[0]); !target) {
    std::cerr << "fairctl: why: " << target.error().message << "\n";
    return kUsage;
  }
  const auto path = "/v1/why?to=" + encoded(arguments.positionals[0]) + "&from=" + encoded(arguments.get("from")) +
                    "&protocol=" + arguments.get("protocol", "tcp");
  return show_answer(arguments, path, print);
}

}  // namespace fairlead::ctl
