// SPDX-License-Identifier: Apache-2.0
// The router against the same rules told in the plainest way: look at every match of every route, keep the best.
#include <re2/re2.h>

#include <random>
#include <tuple>

#include "fairlead/route/authority.hpp"
#include "fairlead/route/query.hpp"
#include "routes.hpp"

namespace fairlead::route {
namespace {

using Random = std::mt19937;

std::string pick(Random& random, std::initializer_list<std::string_view> from) {
  return std::string(from.begin()[random() % from.size()]);
}

std::string some_path(Random& random, bool config) {
  std::string path;
  for (auto n = random() % 4; n > 0; --n)
    path += "/" + pick(random, {"a", "b", "ab", "eightlen", "nine-long", "sixteen-letters-", "c.D", "Get", "1"});
  if (path.empty() || random() % 6 == 0) path += "/";
  if (!config && random() % 40 == 0) path += "/x/y/z";
  return path;
}

std::vector<FieldMatch> some_fields(Random& random) {
  std::vector<FieldMatch> fields;
  if (random() % 3 != 0) return fields;
  for (auto n = random() % 3 + 1; n > 0; --n) {
    FieldMatch field{pick(random, {"v", "W", "tenant"}), pick(random, {"1", "2", "3", "a b"}), Compare::kExact, {}};
    if (random() % 4 == 0) {
      field.compare = Compare::kRegex;
      field.value = pick(random, {"[12]", ".*", "a.b", "3|4"});
    }
    fields.push_back(std::move(field));
  }
  return fields;
}

RouteMatch some_match(Random& random, bool grpc) {
  RouteMatch match;
  match.headers = some_fields(random);
  if (grpc) {
    if (random() % 8 == 0) return match;
    GrpcMatch of;
    if (random() % 3 != 0) of.service = pick(random, {"a", "ab", "c.D"});
    if (of.service.empty() || random() % 2 == 0) of.method = pick(random, {"Get", "b", "1"});
    if (random() % 4 == 0) {
      of.compare = Compare::kRegex;
      if (!of.service.empty()) of.service = pick(random, {"a.?", "c\\..*", ".*"});
      if (!of.method.empty()) of.method = pick(random, {"G.*", "[b1]", ".+"});
    }
    match.grpc = std::make_shared<const GrpcMatch>(std::move(of));
    return match;
  }
  match.path = some_path(random, true);
  const auto kind = random() % 8;
  match.path_kind = kind < 3 ? PathKind::kExact : PathKind::kPrefix;
  if (kind == 7) {
    match.path_kind = PathKind::kRegex;
    match.path = pick(random, {"/a/.*", "/a/b/?.*", "/(a|b)/.*", "/.*", "/ab/[a-z]+", "(/a)?/b", "/[^/]+/Get",
                               "/eightlen/nine-long(/.*)?"});
  }
  if (random() % 4 == 0) match.method = pick(random, {"GET", "PUT", "POST"});
  match.queries = some_fields(random);
  return match;
}

std::vector<RoutePtr> some_routes(Random& random) {
  std::vector<RoutePtr> routes;
  // Now and then many on few paths, so that keys are used.
  const auto count = random() % 10 == 0 ? 60 : random() % 12;
  for (std::size_t i = 0; i < count; ++i) {
    Route route;
    route.key = {pick(random, {"n", "m", "ns"}), std::to_string(random() % 1000)};
    route.created = static_cast<std::int64_t>(random() % 3);
    route.grpc = random() % 5 == 0;
    for (auto n = random() % 3; n > 0; --n)
      route.hosts.push_back(pick(random, {"a.com", "b.a.com", "*.com", "*.a.com", "*.b.a.com", "c.b.a.com", "x.org"}));
    const auto asked = pick(random, {"", "*.com", "*.a.com", "*.b.a.com"});
    if (!route.hosts.empty() && asked != route.hosts[0] && host_intersection(asked, route.hosts[0]) == route.hosts[0])
      route.narrowed = std::make_shared<const Narrowed>(route.hosts[0], asked);
    for (auto n = random() % 3 + 1; n > 0; --n) {
      RouteRule rule;
      for (auto m = random() % 3; m > 0; --m) rule.matches.push_back(some_match(random, route.grpc));
      route.rules.push_back(std::move(rule));
    }
    routes.push_back(prepared(std::move(route)));
  }
  return routes;
}

bool full(const std::string& pattern, std::string_view text, const Regex& regex) {
  EXPECT_NE(regex, nullptr) << pattern;
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *regex);
}

bool naive_header(const FieldMatch& field, const http::RequestHead& head) {
  std::string joined;
  bool found = false;
  for (const auto& [name, value] : head.fields) {
    if (name != field.name) continue;
    joined += (found ? ", " : "") + std::string(value);
    found = true;
  }
  return found && (field.compare == Compare::kExact ? joined == field.value : full(field.value, joined, field.regex));
}

bool naive_query(const FieldMatch& field, std::string_view query) {
  const auto encoded = find_query(query, field.name);
  if (!encoded) return false;
  std::string text;
  decode_query(*encoded, text);
  return field.compare == Compare::kExact ? text == field.value : full(field.value, text, field.regex);
}

bool naive_path(const RouteMatch& match, std::string_view path) {
  switch (match.path_kind) {
    case PathKind::kExact: return path == match.path;
    case PathKind::kPrefix: return has_path_prefix(path, match.path);
    case PathKind::kRegex: return full(match.path, path, match.path_regex->regex);
    case PathKind::kGrpcMethod: {
      const auto second = path.find('/', 1);
      return second != std::string_view::npos && path.substr(second + 1) == match.path;
    }
  }
  return false;
}

bool naive_met(const Route& route, const RouteMatch& match, const Request& request) {
  const auto& head = *request.head;
  if (route.grpc && (head.method != http::Method::kPost || !http::find(head.fields, "content-type"))) return false;
  if (!naive_path(match, request.path) || (!match.method.empty() && match.method != head.method_text)) return false;
  return std::ranges::all_of(match.headers, [&](const auto& field) { return naive_header(field, head); }) &&
         std::ranges::all_of(match.queries, [&](const auto& field) { return naive_query(field, request.query); });
}

/// The order of precedence as one tuple: the smallest wins.
auto naive_order(const Route& route, std::string_view host, const RouteMatch& match, std::size_t rule,
                 std::size_t index) {
  const auto fewer = [](std::size_t n) { return -static_cast<std::int64_t>(n); };
  const auto special = [&](std::string_view name) {
    return std::pair(name.empty() ? 2 : name.starts_with('*') ? 1 : 0, fewer(name.size()));
  };
  return std::tuple(special(host), special(asked_for(route, host)), match.rank,
                    match.rank == Rank::kRegex ? fewer(match.depth) : 0, fewer(match.path.size()), match.method.empty(),
                    fewer(match.headers.size()), fewer(match.queries.size()), route.created, route.key.text(), rule,
                    index);
}

std::string naive(const std::vector<RoutePtr>& routes, const Request& request) {
  using Key = decltype(naive_order(*routes[0], "", routes[0]->rules[0].matches[0], 0, 0));
  std::optional<Key> best;
  std::string name = "none";
  for (const auto& route : routes) {
    auto hosts = route->hosts;
    if (hosts.empty()) hosts.emplace_back();
    for (const auto& host : hosts) {
      if (!host_matches(host, request.host)) continue;
      for (std::size_t i = 0; i < route->rules.size(); ++i)
        for (std::size_t j = 0; j < route->rules[i].matches.size(); ++j) {
          const auto& match = route->rules[i].matches[j];
          if (!naive_met(*route, match, request)) continue;
          const auto key = naive_order(*route, host, match, i, j);
          if (best && *best <= key) continue;
          best = key;
          name = taken({route.get(), static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(j), {}});
        }
    }
  }
  return name;
}

TEST(Differential, RouterAgreesWithEveryMatchLookedAt) {
#ifdef FAIRLEAD_SANITIZED
  constexpr int kTables = 400;  // slow there, and the same code
#else
  constexpr int kTables = 4000;  // a million pairs of a table and a request
#endif
  constexpr int kRequests = 250;
  Random random(20);
  std::size_t matched = 0, requests = 0;
  for (int table = 0; table < kTables; ++table) {
    const auto routes = some_routes(random);
    // Half of them come about by changes: some routes there first, of which some go.
    const auto half = std::span(routes).first(routes.size() / 2);
    auto others = some_routes(random);
    others.insert(others.end(), half.begin(), half.end());
    const auto router = random() % 2 == 0
                            ? Router::build(routes)
                            : Router::build(others)->changed(std::span(others).first(others.size() - half.size()),
                                                             std::span(routes).subspan(half.size()));
    for (int i = 0; i < kRequests; ++i) {
      http::Fields fields;
      for (auto n = random() % 4; n > 0; --n) {
        static constexpr std::string_view kNames[] = {"v", "w", "tenant"}, kValues[] = {"1", "2", "3", "a b"};
        fields.push_back({kNames[random() % 3], kValues[random() % 4]});
      }
      if (random() % 3 == 0) fields.push_back({"content-type", "application/grpc"});
      auto target = some_path(random, false);
      if (random() % 2 == 0) target += pick(random, {"?v=1", "?W=2&v=3", "?tenant=a+b&v=%31", "?v=1&v=2", "?W"});
      const auto method = pick(random, {"GET", "PUT", "POST", "POST"});
      const auto host = pick(random, {"a.com", "b.a.com", "c.b.a.com", "d.c.b.a.com", "x.org", "y.com", "nowhere", ""});
      Asked asked(method, host, target, fields);
      const auto expected = naive(routes, asked.request);
      ASSERT_EQ(taken(router->match(asked.request)), expected)
          << "table " << table << " request " << i << " " << target;
      if (expected != "none") ++matched;
      ++requests;
    }
  }
  EXPECT_EQ(requests, std::size_t{kTables} * kRequests);
  EXPECT_GT(matched, requests / 4);
}

}  // namespace
}  // namespace fairlead::route
