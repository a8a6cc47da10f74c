// SPDX-License-Identifier: Apache-2.0
// What a match costs at 1, 100, 5 000 and 50 000 routes, and what the tables cost. No root, no network.
#include <malloc.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <iterator>

#include "bench/cpu_time.hpp"
#include "bench/figures.hpp"
#include "fairlead/route/authority.hpp"
#include "fairlead/route/path.hpp"
#include "fairlead/route/router.hpp"

namespace {

using namespace fairlead;
using namespace fairlead::route;

/// A kind of table: the route with a number, and the request that it takes.
struct Kind {
  std::string name;
  std::function<Route(std::size_t)> route;
  std::function<void(std::size_t, http::RequestHead&, std::string& host, std::string& target, std::string& value)> ask;
  std::size_t most = 50000;
};

Route plain(std::size_t n, std::string host) {
  Route route;
  route.key = {"default", "route-" + std::to_string(n)};
  if (!host.empty()) route.hosts.push_back(std::move(host));
  route.rules.emplace_back().matches.emplace_back();
  return route;
}

std::vector<Kind> kinds() {
  const auto on_path = [](PathKind kind, std::string behind) {
    return [kind, behind](std::size_t n) {
      auto route = plain(n, "api.example.com");
      auto& match = route.rules[0].matches[0];
      match.path_kind = kind;
      match.path = "/services/s" + std::to_string(n) + behind;
      return route;
    };
  };
  const auto ask_path = [](std::string behind) {
    return [behind](std::size_t n, auto&, auto& host, auto& target, auto&) {
      host = "api.example.com";
      target = "/services/s" + std::to_string(n) + behind;
    };
  };
  return {
      {"prefix", on_path(PathKind::kPrefix, ""), ask_path("/items/42")},
      {"exact", on_path(PathKind::kExact, "/items"), ask_path("/items")},
      {"header on one path",
       [](std::size_t n) {
         auto route = plain(n, "api.example.com");
         route.rules[0].matches[0].headers.push_back({"x-tenant", "tenant-" + std::to_string(n), Compare::kExact, {}});
         return route;
       },
       [](std::size_t n, auto& head, auto& host, auto& target, auto& value) {
         host = "api.example.com";
         target = "/services/items/42";
         value = "tenant-" + std::to_string(n);
         head.fields.push_back({"x-tenant", value});
       }},
      {"host", [](std::size_t n) { return plain(n, "s" + std::to_string(n) + ".example.com"); },
       [](std::size_t n, auto&, auto& host, auto& target, auto&) {
         host = "s" + std::to_string(n) + ".example.com";
         target = "/services/items/42";
       }},
      {"wildcard host", [](std::size_t n) { return plain(n, "*.s" + std::to_string(n) + ".example.com"); },
       [](std::size_t n, auto&, auto& host, auto& target, auto&) {
         host = "www.s" + std::to_string(n) + ".example.com";
         target = "/services/items/42";
       }},
      {"regex", on_path(PathKind::kRegex, "/[0-9]+"), ask_path("/42"), 5000},
  };
}

std::vector<Route> make(const Kind& kind, std::size_t count) {
  std::vector<Route> routes;
  for (std::size_t n = 0; n < count; ++n) routes.push_back(kind.route(n));
  return routes;
}

/// Nanoseconds per match of the last route, the normal forms of host and target with it.
double match_cost(const Kind& kind, const Router& router, std::size_t last) {
  http::RequestHead head;
  std::string host, target, value;
  head.method_text = "GET";
  head.fields = {
      {"user-agent", "bench/1.0"}, {"accept", "*/*"}, {"accept-encoding", "gzip"}, {"x-request-id", "0123456789"}};
  kind.ask(last, head, host, target, value);
  Arena arena;
  constexpr std::size_t kTurns = 200000;
  std::vector<double> rounds;
  for (int round = 0; round < 15; ++round) {
    std::size_t good = 0;
    rounds.push_back(bench::nanoseconds_of([&] {
                       for (std::size_t i = 0; i < kTurns; ++i) {
                         Authority authority;
                         Target normal;
                         if (parse_authority(host, arena, authority) != AuthorityError::kNone ||
                             parse_target(target, {}, arena, normal) != PathError::kNone)
                           continue;
                         const auto match = router.match({authority.host, normal.path, normal.query, &head});
                         if (match) ++good;
                         // What the next turn reads must be read again.
                         asm volatile("" ::: "memory");
                       }
                     }) /
                     kTurns);
    if (good != kTurns) {
      std::fprintf(stderr, "%s: %zu of %zu matched\n", kind.name.c_str(), good, kTurns);
      std::exit(1);
    }
  }
  return *std::ranges::min_element(rounds);
}

std::size_t heap() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

void measure(bench::Figures& figures, const Kind& kind, std::size_t count, double& one) {
  auto routes = make(kind, count);
  const auto before = heap();
  std::vector<RoutePtr> ready;
  ready.reserve(count);
  const double prepare_ns = bench::nanoseconds_of([&] {
    for (const auto& route : routes) {
      auto done = prepare(route);
      if (!done) std::exit(1);
      ready.push_back(std::move(*done));
    }
  });
  std::shared_ptr<const Router> router;
  std::vector<double> builds;
  for (int i = 0; i < 5; ++i) builds.push_back(bench::nanoseconds_of([&] { router = Router::build(ready); }));
  const auto bytes = heap() - before;
  // One route is changed, the others stay.
  const std::vector added{*prepare(routes.back())};
  const auto removed = std::span(ready).last(1);
  std::shared_ptr<const Router> next;
  std::vector<double> changes;
  for (int i = 0; i < 5; ++i) changes.push_back(bench::nanoseconds_of([&] { next = router->changed(removed, added); }));
  const double change_ns = bench::median(changes);
  const double cost = match_cost(kind, *next, count - 1);
  if (count == 1) one = cost;
  const auto name = kind.name + ", " + std::to_string(count) + (count == 1 ? " route: " : " routes: ");
  figures.add(name + "match", cost, "ns");
  if (count == 1) return;
  figures.add(name + "match against one route", cost / one, "x");
  const bool large = count == 5000;
  figures.add(name + "prepare and build", (prepare_ns + bench::median(builds)) / 1e6, "ms", large ? 20 : -1);
  figures.add(name + "one change", change_ns / 1e6, "ms");
  figures.add(name + "memory per route", static_cast<double>(bytes) / static_cast<double>(count), "B",
              large ? 2048 : -1);
}

}  // namespace

int main(int argc, char** argv) {
  bench::Figures figures(argc > 1 && std::strcmp(argv[1], "--json") == 0);
  for (const auto& kind : kinds()) {
    double one = 0;
    for (const std::size_t count : {1u, 100u, 5000u, 50000u})
      if (count <= kind.most) measure(figures, kind, count, one);
  }
  return 0;
}
