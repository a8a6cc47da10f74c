// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string_view>
#include <thread>

#include "agent/ctl/command.hpp"
#include "agent/ctl/out.hpp"
#include "fairlead/base/printable.hpp"

namespace fairlead::ctl {
namespace {

using Json = nlohmann::ordered_json;

std::string member(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found == json.end() || !found->is_string() ? "" : printable(found->get<std::string>());
}

std::string end_name(const Json& flow, const char* end) {
  const auto& json = flow.at(end);
  if (json.is_null()) return "?";
  const auto workload = member(json, "workload");
  if (workload.empty()) return member(json, "address").empty() ? "?" : member(json, "address");
  const auto ns = member(json, "namespace");
  return ns.empty() ? workload : ns + "/" + workload;
}

bool matches_end(const Json& end, const std::string& wanted) {
  if (wanted.empty()) return true;
  if (end.is_null()) return false;
  const auto workload = member(end, "workload");
  return wanted == member(end, "address") ||
         (!workload.empty() && (wanted == workload || wanted == member(end, "namespace") + "/" + workload));
}

bool matches_service(const Json& flow, const std::string& wanted) {
  if (wanted.empty()) return true;
  const auto service = flow.find("service");
  if (service == flow.end()) return false;
  const auto name = member(*service, "name");
  return wanted == name || wanted == member(*service, "namespace") + "/" + name;
}

bool in_namespace(const Json& flow, const std::string& wanted) {
  if (wanted.empty()) return true;
  for (const char* part : {"source", "destination", "service"}) {
    const auto found = flow.find(part);
    if (found != flow.end() && found->is_object() && member(*found, "namespace") == wanted) return true;
  }
  return false;
}

/// Both ends of a connection within the node report it: the called one's report is left out unless asked for.
bool wanted_report(const Json& flow, const std::string& wanted) {
  const auto reporter = member(flow, "reporter");
  if (!wanted.empty()) return wanted == "any" || wanted == reporter;
  const auto type = member(flow, "type");
  const auto& source = flow.at("source");
  const bool both = type == "open" || type == "close" || type == "audit";
  const bool twice = both && source.is_object() && source.contains("local");
  return reporter == "source" || !twice;
}

bool wanted(const Arguments& arguments, const Json& flow) {
  const auto is = [&](const char* name) { return !arguments.has(name) || arguments.get(name) == member(flow, name); };
  if (arguments.has("failed") && member(flow, "reason") == "none") return false;
  return wanted_report(flow, arguments.get("reporter")) && is("type") && is("reason") && is("protocol") &&
         matches_end(flow.at("source"), arguments.get("from")) &&
         matches_end(flow.at("destination"), arguments.get("to")) && matches_service(flow, arguments.get("service")) &&
         in_namespace(flow, arguments.get("namespace"));
}

std::string target(const Json& flow) {
  std::string text = end_name(flow, "destination");
  const auto service = flow.find("service");
  if (service == flow.end()) {
    const auto& destination = flow.at("destination");
    if (destination.is_object() && destination.contains("port")) text += ":" + destination.at("port").dump();
    return text;
  }
  const auto name = member(*service, "name");
  std::string asked = name.empty() ? member(*service, "address") : member(*service, "namespace") + "/" + name;
  if (service->contains("port")) asked += ":" + service->at("port").dump();
  return text == "?" ? asked : asked + " (" + text + ")";
}

std::string amounts(const Json& flow) {
  if (!flow.contains("request_bytes")) return "";
  std::string text = bytes_text(flow.at("request_bytes").get<double>()) + " > < " +
                     bytes_text(flow.at("response_bytes").get<double>());
  if (flow.at("redirected_bytes").get<double>() > 0)
    text += ", " + bytes_text(flow.at("redirected_bytes").get<double>()) + " redirected";
  if (flow.at("retransmissions").get<int>() > 0) text += ", " + flow.at("retransmissions").dump() + " sent again";
  return text;
}

/// 12:34:56.789 close tcp  default/a -> default/web:80 (default/web-1)  1.2 KiB > < 3 B  4.5 ms
std::string line_of(const Json& flow) {
  const auto reason = member(flow, "reason");
  const bool good = reason == "none";
  char head[64];
  std::snprintf(head, sizeof head, "%s %-5s %s  ", member(flow, "time").substr(11, 12).c_str(),
                member(flow, "type").c_str(), member(flow, "protocol").c_str());
  std::string text = paint(head, Colour::kDim) + end_name(flow, "source") + " -> " + target(flow);
  if (!good) text += "  " + paint(reason, Colour::kRed);
  if (const auto rule = member(flow, "rule"); !rule.empty() && (!good || member(flow, "type") != "close"))
    text += paint(" by " + rule, Colour::kYellow);
  if (const auto moved = amounts(flow); !moved.empty()) text += "  " + moved;
  if (flow.contains("duration_us") && member(flow, "type") == "close")
    text += "  " + micros_text(flow.at("duration_us").get<double>());
  if (const auto program = member(flow, "program"); !program.empty())
    text += paint("  " + program + "[" + flow.at("pid").dump() + "]", Colour::kDim);
  return text;
}

void print(const Arguments& arguments, const Json& flow) {
  if (!wanted(arguments, flow)) return;
  std::cout << (arguments.json ? flow.dump() : line_of(flow)) << "\n";
}

/// Who reads a pipe may go while nothing flows: then this ends as it would at the next line.
void end_with_the_reader() {
  std::thread([] {
    pollfd output{.fd = STDOUT_FILENO, .events = 0, .revents = 0};
    while (::poll(&output, 1, -1) < 0 && errno == EINTR) {
    }
    if ((output.revents & POLLERR) != 0) std::raise(SIGPIPE);
  }).detach();
}

int follow(const Arguments& arguments) {
  std::cout.flush();
  end_with_the_reader();
  std::string rest;
  const auto followed = admin::Client(arguments.socket).follow("/v1/flows/follow", [&](std::string_view piece) {
    rest += piece;
    for (auto end = rest.find('\n'); end != std::string::npos; end = rest.find('\n')) {
      print(arguments, Json::parse(rest.substr(0, end)));
      rest.erase(0, end + 1);
    }
    std::cout.flush();
    return static_cast<bool>(std::cout);
  });
  if (!followed) return explain(arguments, followed.error());
  std::cerr << "fairctl: the agent has ended\n";
  return kUnreachable;
}

}  // namespace

int run_flows(const Arguments& arguments) {
  const auto last = arguments.get("last", arguments.has("follow") ? "0" : "50");
  if (last.find_first_not_of("0123456789") != std::string::npos || last.empty() || last.size() > 9) {
    std::cerr << "fairctl: flows: --last: found " << last << ", expected a number\n";
    return kUsage;
  }
  if (last != "0") {
    // More than are shown, as filters take some away.
    const auto asked = ask(arguments, "/v1/flows");
    if (asked.code != kDone) return asked.code;
    const auto json = Json::parse(asked.body);
    std::vector<const Json*> fitting;
    for (const auto& flow : json.at("flows"))
      if (wanted(arguments, flow)) fitting.push_back(&flow);
    const std::size_t most = std::stoul(last);
    for (std::size_t i = fitting.size() > most ? fitting.size() - most : 0; i < fitting.size(); ++i)
      print(arguments, *fitting[i]);
    if (fitting.empty() && !arguments.json && !arguments.has("follow"))
      std::cout << (json.at("on").get<bool>() ? "no flows that fit\n" : "the agent records no flows: --flows off\n");
  }
  return arguments.has("follow") ? follow(arguments) : kDone;
}

}  // namespace fairlead::ctl
