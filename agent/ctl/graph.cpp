// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iostream>

#include "agent/ctl/out.hpp"
#include "agent/ctl/pairs.hpp"

namespace fairlead::ctl {
namespace {

/// One caller's use of a service, and what it was given.
struct Use {
  Edge sum;
  std::vector<const Edge*> given;
};

std::string reasons_of(const Edge& edge) {
  std::string text;
  for (const auto& [reason, count] : edge.reasons)
    text += (text.empty() ? "" : ", ") + count_text(count) + " " + reason;
  return text;
}

std::string numbers_of(const Edge& edge) {
  std::string text = count_text(edge.opened) + (edge.opened == 1 ? " conn, " : " conns, ") + bytes_text(edge.bytes);
  if (edge.redirected > 0) text += " (" + bytes_text(edge.redirected) + " redirected)";
  if (edge.opened_rate > 0 || edge.bytes_rate > 0)
    text +=
        paint("  now " + count_text(edge.opened_rate) + "/s, " + bytes_text(edge.bytes_rate) + "/s", Colour::kGreen);
  if (edge.failed > 0) text += paint("  failed: " + reasons_of(edge), Colour::kRed);
  return text;
}

using Uses = std::map<std::string, Use>;  // by service, or by destination where there is none

std::map<std::string, Uses> uses_of(const std::vector<Edge>& edges) {
  std::map<std::string, Uses> callers;
  for (const auto& edge : edges) {
    auto& use = callers[edge.source][asked_of(edge)];
    add(use.sum, edge);
    if (!edge.service.empty()) use.given.push_back(&edge);
  }
  return callers;
}

void print_use(const std::string& target, const Use& use, bool last) {
  std::cout << (last ? "└─ " : "├─ ") << paint(target, Colour::kBold) << "  " << numbers_of(use.sum) << "\n";
  for (std::size_t i = 0; i < use.given.size(); ++i) {
    const auto& edge = *use.given[i];
    if (edge.destination == "unknown" && edge.opened == 0) continue;  // refused before a backend was chosen
    std::cout << (last ? "   " : "│  ") << (i + 1 == use.given.size() ? "└─ " : "├─ ") << edge.destination << "  "
              << numbers_of(edge) << "\n";
  }
}

void print_text(const std::vector<Edge>& edges) {
  const auto callers = uses_of(edges);
  if (callers.empty()) std::cout << "no connections yet\n";
  for (const auto& [caller, uses] : callers) {
    std::cout << paint(caller, Colour::kBold) << "\n";
    std::size_t left = uses.size();
    for (const auto& [target, use] : uses) print_use(target, use, --left == 0);
  }
}

bool in_namespace(const Edge& edge, const std::string& ns) {
  const auto begins = [&](const std::string& name) { return name.starts_with(ns + "/"); };
  return begins(edge.source) || begins(edge.destination) || begins(edge.service);
}

}  // namespace

int run_graph(const Arguments& arguments) {
  auto measured = measure(arguments);
  if (measured.code != kDone) return measured.code;
  auto& edges = measured.edges;
  if (arguments.has("namespace"))
    std::erase_if(edges, [&](const Edge& edge) { return !in_namespace(edge, arguments.get("namespace")); });
  const auto format = arguments.get("format", "text");
  if (arguments.json) std::cout << json_of(edges) << "\n";
  else if (format == "dot") std::cout << graph_dot(edges);
  else if (format == "svg") std::cout << graph_svg(edges);
  else print_text(edges);
  return kDone;
}

}  // namespace fairlead::ctl
