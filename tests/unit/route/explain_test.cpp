// SPDX-License-Identifier: Apache-2.0
#include "fairlead/route/explain.hpp"

#include "routes.hpp"

namespace fairlead::route {
namespace {

std::string line(const Verdict& verdict) {
  auto text = verdict.route->key.text() + "/" + std::to_string(verdict.rule);
  if (verdict.won) return text + " won";
  return text + (verdict.met ? " met, " : " unmet, ") + verdict.field + ": " + verdict.found + " | " + verdict.expected;
}

RouteMatch at(PathKind kind, std::string path) {
  RouteMatch match;
  match.path_kind = kind;
  match.path = std::move(path);
  return match;
}

TEST(Explain, SaysWhichFieldMadeEachCandidateLose) {
  auto put = at(PathKind::kPrefix, "/a");
  put.method = "PUT";
  auto header = at(PathKind::kPrefix, "/a");
  header.headers = {{"x-version", "2", Compare::kExact, {}}};
  auto query = at(PathKind::kPrefix, "/a");
  query.queries = {{"q", "[0-9]", Compare::kRegex, {}}};
  Route mine{.key = key_of("n/mine"), .created = 5, .hosts = {"a.com"}, .rules = {}, .data = {}};
  mine.rules = {{{at(PathKind::kPrefix, "/a/b")}},  {{at(PathKind::kPrefix, "/a")}},  {{put}}, {{header}}, {{query}},
                {{at(PathKind::kExact, "/other")}}, {{at(PathKind::kPrefix, "/a/b")}}};
  Route young{.key = key_of("n/young"),
              .created = 6,
              .hosts = {"a.com"},
              .rules = {{{at(PathKind::kPrefix, "/a/b")}}},
              .data = {}};
  Route wild{.key = key_of("n/wild"),
             .created = 1,
             .hosts = {"*.com"},
             .rules = {{{at(PathKind::kExact, "/a/b")}}},
             .data = {}};
  Route far{.key = key_of("n/far"),
            .created = 1,
            .hosts = {"b.com"},
            .rules = {{{at(PathKind::kExact, "/a/b")}}},
            .data = {}};
  Route grpc{.key = key_of("n/grpc"), .created = 9, .grpc = true, .hosts = {"a.com"}, .rules = {{}}, .data = {}};
  const auto router = router_of({mine, young, wild, far, grpc});
  Asked asked("GET", "a.com", "/a/b?q=x", {{"x-version", "1"}});
  std::vector<std::string> lines;
  const auto verdicts = explain(*router, asked.request);
  for (const auto& verdict : verdicts) lines.push_back(line(verdict));
  const std::vector<std::string> expected = {
      "n/mine/0 won",
      "n/mine/6 met, order of rules: rules[0].matches[0] | rules[6].matches[0]",
      "n/young/0 met, age: 5 | 6",
      "n/mine/1 met, path length: 4 | 2",
      "n/wild/0 met, hostname: a.com | *.com",
      "n/mine/4 unmet, query q: x | expression [0-9]",
      "n/mine/3 unmet, header x-version: 1 | 2",
      "n/mine/2 unmet, method: GET | PUT",
      "n/grpc/0 unmet, content-type: none | a POST of application/grpc",
      "n/mine/5 unmet, path: /a/b | exactly /other",
      "n/far/0 unmet, host: a.com | b.com",
  };
  EXPECT_EQ(lines, expected);
  EXPECT_EQ(taken(router->match(asked.request)), "n/mine/0.0");
  EXPECT_EQ(explain(*router, asked.request, 3).size(), 3u);
}

TEST(Explain, SaysWhatTheRoutesAskFor) {
  const auto of = [](std::string key, std::shared_ptr<const Narrowed> narrowed) {
    return Route{.key = key_of(key), .hosts = {"a.com"}, .rules = {{}}, .data = {}, .narrowed = std::move(narrowed)};
  };
  const auto router = router_of({of("n/a", std::make_shared<const Narrowed>("a.com", "")),
                                 of("n/b", std::make_shared<const Narrowed>("a.com", "*.com")), of("n/c", nullptr)});
  Asked asked("GET", "a.com", "/");
  std::vector<std::string> lines;
  for (const auto& verdict : explain(*router, asked.request)) lines.push_back(line(verdict));
  EXPECT_EQ(lines, (std::vector<std::string>{"n/c/0 won", "n/b/0 met, hostname in the route: a.com | *.com",
                                             "n/a/0 met, hostname in the route: a.com | every host"}));
}

TEST(Explain, WithoutAWinnerNobodyHasWon) {
  const auto router =
      router_of({Route{.key = key_of("n/a"), .hosts = {}, .rules = {{{at(PathKind::kExact, "/x")}}}, .data = {}}});
  Asked asked("GET", "a.com", "/y");
  const auto verdicts = explain(*router, asked.request);
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_FALSE(verdicts[0].won);
  EXPECT_EQ(verdicts[0].field, "path");
}

}  // namespace
}  // namespace fairlead::route
