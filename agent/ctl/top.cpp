// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>

#include "agent/ctl/out.hpp"
#include "agent/ctl/pairs.hpp"
#include "agent/ctl/screen.hpp"

namespace fairlead::ctl {
namespace {

constexpr std::size_t kTitle = 11;  // "fairctl top"

double rank(const Edge& edge, const std::string& column) {
  if (column == "connections") return edge.opened_rate;
  if (column == "failures") return edge.failed_rate * 1e9 + edge.failed;
  if (column == "total") return edge.opened;
  return edge.bytes_rate;
}

void sort(std::vector<Edge>& edges, const std::string& column) {
  std::stable_sort(edges.begin(), edges.end(), [&](const Edge& a, const Edge& b) {
    const double x = rank(a, column);
    const double y = rank(b, column);
    return x != y ? x > y : a.opened + a.failed > b.opened + b.failed;
  });
}

std::string reasons_of(const Edge& edge) {
  std::string text;
  for (const auto& [reason, count] : edge.reasons) text += (text.empty() ? " " : ", ") + reason;
  return text;
}

std::string table_of(std::vector<Edge> edges, const std::string& column, std::size_t most) {
  sort(edges, column);
  Table table;
  for (const char* title : {"CALLER", "SERVICE", "CALLED"}) table.column(title);
  for (const char* title : {"CONN/S", "BYTES/S", "OPEN", "CONNS", "BYTES", "REDIRECTED", "RTT"})
    table.column(title, Table::Align::kRight);
  table.column("FAILED");
  for (const auto& edge : edges) {
    if (most-- == 0) break;
    const double share = edge.bytes > 0 ? 100 * edge.redirected / edge.bytes : 0;
    table.row({{edge.source},
               {edge.service.empty() ? "-" : asked_of(edge)},
               {edge.service.empty() ? edge.destination + ":" + edge.port : edge.destination},
               {count_text(edge.opened_rate), edge.opened_rate > 0 ? Colour::kGreen : Colour::kDim},
               {bytes_text(edge.bytes_rate), edge.bytes_rate > 0 ? Colour::kGreen : Colour::kDim},
               {count_text(edge.open())},
               {count_text(edge.opened)},
               {bytes_text(edge.bytes)},
               {edge.redirected > 0 ? count_text(std::round(share)) + "%" : "-"},
               {edge.rtt_us > 0 ? micros_text(edge.rtt_us) : "-"},
               {edge.failed > 0 ? count_text(edge.failed) + reasons_of(edge) : "0",
                edge.failed > 0 ? Colour::kRed : Colour::kDim}});
  }
  return table.empty() ? "no connections yet\n" : table.text();
}

int live(const Arguments& arguments, std::string column, double seconds) {
  auto asked = ask(arguments, "/v1/pairs");
  if (asked.code != kDone) return asked.code;
  auto before = sample_of(asked.body);
  {
    const Screen screen;
    std::vector<Edge> edges = with_rates(before, before);
    while (true) {
      choose_width(Screen::columns());
      std::cout << "\033[H\033[2J" << paint("fairctl top", Colour::kBold)
                << cut("  by " + column + "  (b c f t: sort, q: end)", Screen::columns() - kTitle) << "\n\n"
                << table_of(edges, column, Screen::lines()) << std::flush;
      const char key = key_within(std::max(seconds, 0.1));
      if (key == 'q' || key == '\x03') return kDone;  // Ctrl-C comes as a key: the screen is to be given back
      const auto chosen = std::string_view("bcft").find(key);
      if (key != 0 && chosen != std::string_view::npos) {
        constexpr const char* kColumns[] = {"bytes", "connections", "failures", "total"};
        column = kColumns[chosen];
        continue;
      }
      const auto body = admin::Client(arguments.socket).get("/v1/pairs");
      if (!body) break;
      auto now = sample_of(*body);
      edges = with_rates(before, now);
      before = std::move(now);
    }
  }
  std::cerr << "fairctl: the agent has ended\n";
  return kUnreachable;
}

}  // namespace

int run_top(const Arguments& arguments) {
  const double seconds = interval_of(arguments);
  if (seconds < 0) return kUsage;
  const auto column = arguments.get("sort", "bytes");
  const auto limit = arguments.get("limit", "1000000");
  if (limit.find_first_not_of("0123456789") != std::string::npos || limit.empty() || limit.size() > 9 || limit == "0") {
    std::cerr << "fairctl: top: --limit: found " << limit << ", expected a number from 1\n";
    return kUsage;
  }
  if (!arguments.has("once") && !arguments.json && ::isatty(STDOUT_FILENO) == 1 && ::isatty(STDIN_FILENO) == 1)
    return live(arguments, column, seconds);
  auto measured = measure(arguments);
  if (measured.code != kDone) return measured.code;
  sort(measured.edges, column);
  const std::size_t most = std::stoul(limit);
  if (measured.edges.size() > most) measured.edges.resize(most);
  std::cout << (arguments.json ? json_of(measured.edges) + "\n" : table_of(measured.edges, column, most));
  return kDone;
}

}  // namespace fairlead::ctl
