// SPDX-License-Identifier: Apache-2.0
// Rows say which sentence of Gateway API's HTTPRoute and GRPCRoute (v1) they are about.
#include "fairlead/route/router.hpp"

#include "routes.hpp"

namespace fairlead::route {
namespace {

struct Case {
  std::string_view method, host, target;
  http::Fields fields;
  std::string_view expected;
};

void expect_cases(const Router& router, std::initializer_list<Case> cases) {
  for (const auto& row : cases) {
    Asked asked(row.method, row.host, row.target, row.fields);
    EXPECT_EQ(taken(router.match(asked.request)), row.expected) << row.method << " " << row.host << " " << row.target;
  }
}

FieldMatch exact(std::string name, std::string value) {
  return {std::move(name), std::move(value), Compare::kExact, {}};
}
FieldMatch expression(std::string name, std::string value) {
  return {std::move(name), std::move(value), Compare::kRegex, {}};
}

/// One rule with one match.
RouteRule rule(PathKind kind, std::string path, std::string method = {}, std::vector<FieldMatch> headers = {},
               std::vector<FieldMatch> queries = {}) {
  RouteMatch match;
  match.path_kind = kind;
  match.path = std::move(path);
  match.method = std::move(method);
  match.headers = std::move(headers);
  match.queries = std::move(queries);
  return {{std::move(match)}};
}
RouteRule prefix(std::string path) { return rule(PathKind::kPrefix, std::move(path)); }

Route route(std::string key, std::vector<std::string> hosts, std::vector<RouteRule> rules, std::int64_t created = 0) {
  Route made;
  made.key = key_of(key);
  made.created = created;
  made.hosts = std::move(hosts);
  made.rules = std::move(rules);
  return made;
}

TEST(Router, ServerNamesAreNoFields) {
  const auto router = router_of(
      {route("n/a", {}, {rule(PathKind::kPrefix, "/", "", {expression(std::string(kServerName), "|a\\.example")})}),
       route("n/b", {}, {rule(PathKind::kPrefix, "/", "", {exact(std::string(kServerName), "b.example")})})});
  Asked asked("GET", "x", "/", {{kServerName, "b.example"}});
  const auto with = [&](std::optional<std::string_view> name) {
    asked.request.server_name = name;
    return std::string(taken(router->match(asked.request)));
  };
  EXPECT_EQ(with("a.example"), "n/a/0.0");
  EXPECT_EQ(with("b.example"), "n/b/0.0");
  EXPECT_EQ(with("c.example"), "none");
  EXPECT_EQ(with(std::nullopt), "none");
  EXPECT_EQ(with(""), "n/a/0.0") << "no TLS";
}

TEST(Router, EmptyMatchesNothing) {
  expect_cases(*router_of({}), {{"GET", "a.com", "/", {}, "none"}});
  expect_cases(Router{}, {{"GET", "a.com", "/", {}, "none"}});
}

TEST(Router, PathsMatchByKind) {
  const auto router = router_of({route(
      "n/a", {},
      {rule(PathKind::kExact, "/abc"), prefix("/pre/"), prefix("/pre/deep/er"), rule(PathKind::kRegex, "/users/[0-9]+"),
       rule(PathKind::kRegex, ".*\\.png"), rule(PathKind::kExact, "/slash/"), rule(PathKind::kExact, "/caf%c3%a9")})});
  expect_cases(*router, {
                            {"GET", "x", "/abc", {}, "n/a/0.0"},
                            {"GET", "x", "/abc/", {}, "none"},  // PathMatchExact: not /abc/, /Abc, /abcd
                            {"GET", "x", "/Abc", {}, "none"},
                            {"GET", "x", "/abcd", {}, "none"},
                            {"GET", "x", "/%61bc", {}, "n/a/0.0"},
                            {"GET", "x", "/pre", {}, "n/a/1.0"},  // PathMatchPathPrefix: element by element
                            {"GET", "x", "/pre/", {}, "n/a/1.0"},
                            {"GET", "x", "/pre/x", {}, "n/a/1.0"},
                            {"GET", "x", "/prefix", {}, "none"},
                            {"GET", "x", "/pre/deep", {}, "n/a/1.0"},
                            {"GET", "x", "/pre/deep/er", {}, "n/a/2.0"},
                            {"GET", "x", "/pre/deep/er/y", {}, "n/a/2.0"},
                            {"GET", "x", "/pre/deep/erx", {}, "n/a/1.0"},
                            {"GET", "x", "/users/17", {}, "n/a/3.0"},  // the whole path
                            {"GET", "x", "/users/17/x", {}, "none"},
                            {"GET", "x", "/x/users/17", {}, "none"},
                            {"GET", "x", "/users/a.png", {}, "n/a/4.0"},
                            {"GET", "x", "/pre/a.png", {}, "n/a/4.0"},  // expressions before prefixes
                            {"GET", "x", "/slash/", {}, "n/a/5.0"},
                            {"GET", "x", "/slash", {}, "none"},
                            {"GET", "x", "/caf%C3%A9", {}, "n/a/6.0"},
                            {"OPTIONS", "x", "*", {}, "none"},
                        });
}

TEST(Router, MoreSpecialHostsComeFirst) {
  const auto router = router_of({
      route("n/any", {}, {prefix("/")}),
      route("n/com", {"*.com"}, {prefix("/"), rule(PathKind::kExact, "/exact")}),
      route("n/wild", {"*.example.com"}, {prefix("/long/prefix"), prefix("/w")}),
      route("n/exact", {"a.example.com"}, {prefix("/e")}),
  });
  expect_cases(*router, {
                            {"GET", "a.example.com", "/e", {}, "n/exact/0.0"},
                            {"GET", "a.example.com", "/w", {}, "n/wild/1.0"},  // falls to the next: no rule matched
                            {"GET", "a.example.com", "/long/prefix", {}, "n/wild/0.0"},
                            {"GET", "a.example.com", "/", {}, "n/com/0.0"},
                            {"GET", "b.example.com", "/e", {}, "n/com/0.0"},
                            {"GET", "x.y.example.com", "/w", {}, "n/wild/1.0"},  // a suffix match
                            {"GET", "example.com", "/w", {}, "n/com/0.0"},       // but not example.com
                            {"GET", "EXAMPLE.com.:80", "/exact", {}, "n/com/1.0"},
                            {"GET", "com", "/", {}, "n/any/0.0"},
                            {"GET", "10.0.0.1", "/", {}, "n/any/0.0"},
                            {"GET", "", "/", {}, "n/any/0.0"},
                        });
}

TEST(Router, OfRoutesThatAreNarrowedToOneNameTheMoreSpecialComesFirst) {
  const auto narrowed = [](Route made, std::string asked) {
    made.narrowed = std::make_shared<const Narrowed>(made.hosts[0], std::move(asked));
    return prepared(std::move(made));
  };
  const std::vector<std::string> host = {"a.x.com"};
  const auto any = narrowed(route("n/any", host, {rule(PathKind::kExact, "/any/deep"), prefix("/")}, 1), "");
  const auto com = narrowed(route("n/com", host, {rule(PathKind::kExact, "/x/y"), prefix("/any")}, 2), "*.com");
  const auto x = narrowed(route("n/x", host, {prefix("/x"), prefix("/own/deep")}, 3), "*.x.com");
  const auto own = prepared(route("n/own", host, {prefix("/own")}, 4));
  const auto router = Router::build(std::vector{any, com, x, own});
  expect_cases(*router, {{"GET", "a.x.com", "/own/deep", {}, "n/own/0.0"},
                         {"GET", "a.x.com", "/x/y", {}, "n/x/0.0"},
                         {"GET", "a.x.com", "/any/deep", {}, "n/com/1.0"},
                         {"GET", "a.x.com", "/", {}, "n/any/1.0"},
                         {"GET", "b.x.com", "/", {}, "none"}});
  const auto less = router->changed(std::vector{own, com}, {});
  expect_cases(*less,
               {{"GET", "a.x.com", "/own/deep", {}, "n/x/1.0"}, {"GET", "a.x.com", "/any/deep", {}, "n/any/0.0"}});
  EXPECT_LT(less->bytes(), router->bytes());
}

TEST(Router, PrecedenceOfMatches) {
  const auto router = router_of({
      route("n/paths", {}, {prefix("/"), prefix("/a"), prefix("/a/b"), rule(PathKind::kExact, "/a/b")}),
      route("n/method", {},
            {rule(PathKind::kPrefix, "/m", {}, {exact("v", "1"), exact("w", "1")}),
             rule(PathKind::kPrefix, "/m", "GET")}),
      route("n/headers", {},
            {rule(PathKind::kPrefix, "/h", {}, {exact("v", "1")}, {exact("q", "1"), exact("r", "1")}),
             rule(PathKind::kPrefix, "/h", {}, {exact("v", "1"), exact("w", "1")})}),
      route("n/queries", {},
            {rule(PathKind::kPrefix, "/q", {}, {}, {exact("q", "1")}),
             rule(PathKind::kPrefix, "/q", {}, {}, {exact("q", "1"), exact("r", "1")})}),
  });
  const http::Fields both{{"v", "1"}, {"w", "1"}};
  expect_cases(*router, {
                            {"GET", "x", "/a/b", {}, "n/paths/3.0"},    // "Exact" path match
                            {"GET", "x", "/a/b/c", {}, "n/paths/2.0"},  // largest number of characters
                            {"GET", "x", "/a/c", {}, "n/paths/1.0"},
                            {"GET", "x", "/b", {}, "n/paths/0.0"},
                            {"GET", "x", "/m", both, "n/method/1.0"},  // method match
                            {"POST", "x", "/m", both, "n/method/0.0"},
                            {"GET", "x", "/h?q=1&r=1", both, "n/headers/1.0"},  // largest number of header matches
                            {"GET", "x", "/h?q=1&r=1", {{"v", "1"}}, "n/headers/0.0"},
                            {"GET", "x", "/q?q=1&r=1", {}, "n/queries/1.0"},  // largest number of query param matches
                            {"GET", "x", "/q?q=1", {}, "n/queries/0.0"},
                            {"GET", "x", "/q", {}, "n/paths/0.0"},
                        });
}

TEST(Router, TiesGoToTheOlderThenTheFirstByNameThenTheFirstRule) {
  expect_cases(*router_of({route("n/a", {}, {prefix("/")}, 2), route("n/b", {}, {prefix("/")}, 1)}),
               {{"GET", "x", "/", {}, "n/b/0.0"}});
  expect_cases(*router_of({route("n/b", {}, {prefix("/")}, 1), route("n/a", {}, {prefix("/")}, 1)}),
               {{"GET", "x", "/", {}, "n/a/0.0"}});
  expect_cases(*router_of({route("n/b", {}, {prefix("/")}), route("m/c", {}, {prefix("/")})}),
               {{"GET", "x", "/", {}, "m/c/0.0"}});
  expect_cases(*router_of({route("n/a", {}, {prefix("/x"), prefix("/"), prefix("/")})}),
               {{"GET", "x", "/", {}, "n/a/1.0"}});
  // Age counts for less than the match does.
  expect_cases(*router_of({route("n/old", {}, {prefix("/a")}, 1), route("n/new", {}, {prefix("/a/b")}, 2)}),
               {{"GET", "x", "/a/b", {}, "n/new/0.0"}});
}

TEST(Router, HeadersMatch) {
  const auto router =
      router_of({route("n/a", {},
                       {rule(PathKind::kPrefix, "/", {}, {exact("Version", "one"), exact("version", "ignored")}),
                        rule(PathKind::kPrefix, "/", {}, {expression("version", "v[0-9]+")}),
                        rule(PathKind::kPrefix, "/", {}, {exact("host", "h:80")}),
                        rule(PathKind::kPrefix, "/len", {}, {exact("Content-Length", "12")}),
                        rule(PathKind::kPrefix, "/", {}, {exact("list", "a, b")})})});
  expect_cases(*router,
               {
                   {"GET", "x", "/", {{"version", "one"}}, "n/a/0.0"},  // names in any case; the first entry counts
                   {"GET", "x", "/", {{"version", "One"}}, "none"},  // values are case-sensitive
                   {"GET", "x", "/", {{"version", "v17"}}, "n/a/1.0"},
                   {"GET", "x", "/", {{"version", "xv17"}}, "none"},  // the whole value
                   {"GET", "x", "/", {}, "none"},
                   {"GET", "h:80", "/", {}, "n/a/2.0"},
                   {"GET", "x", "/", {{"list", "a"}, {"list", "b"}}, "n/a/4.0"},  // RFC 9110 5.3
                   {"GET", "x", "/", {{"list", "b"}, {"list", "a"}}, "none"},
                   {"GET", "x", "/", {{"version", "one"}, {"version", "one"}}, "none"},
               });
  Asked asked("POST", "x", "/len");
  asked.head.body = http::Body::kLength;
  asked.head.content_length = 12;
  EXPECT_EQ(taken(router->match(asked.request)), "n/a/3.0");
}

TEST(Router, QueriesMatch) {
  const auto router = router_of({route("n/a", {},
                                       {rule(PathKind::kPrefix, "/", {}, {}, {exact("animal", "a whale")}),
                                        rule(PathKind::kPrefix, "/", {}, {}, {expression("n", "[0-9]+")})})});
  expect_cases(*router, {
                            {"GET", "x", "/?animal=a+whale", {}, "n/a/0.0"},
                            {"GET", "x", "/?animal=a%20whale", {}, "n/a/0.0"},
                            {"GET", "x", "/?animal=a+whale&animal=b", {}, "n/a/0.0"},  // the first value
                            {"GET", "x", "/?animal=b&animal=a+whale", {}, "none"},
                            {"GET", "x", "/?Animal=a+whale", {}, "none"},  // names are case-sensitive
                            {"GET", "x", "/?n=%317", {}, "n/a/1.0"},
                            {"GET", "x", "/?n=x", {}, "none"},
                            {"GET", "x", "/", {}, "none"},
                        });
}

TEST(Router, ManyRulesOnOnePathAreFoundByKey) {
  std::vector<RouteRule> rules;
  for (int i = 0; i < 100; ++i) {
    const auto n = std::to_string(i);
    rules.push_back(rule(PathKind::kPrefix, "/", {}, {exact("tenant", n)}));
    rules.push_back(rule(PathKind::kPrefix, "/", {}, {}, {exact("tenant", n)}));
    rules.push_back(rule(PathKind::kPrefix, "/", "PUT", {exact("tenant", n)}));
  }
  rules.push_back(rule(PathKind::kPrefix, "/", {}, {expression("tenant", "x.*")}));
  const auto router = router_of({route("n/a", {}, std::move(rules))});
  expect_cases(*router, {
                            {"GET", "x", "/", {{"tenant", "42"}}, "n/a/126.0"},
                            {"PUT", "x", "/", {{"tenant", "42"}}, "n/a/128.0"},
                            {"GET", "x", "/?tenant=42", {}, "n/a/127.0"},
                            {"GET", "x", "/?tenant=%34%32", {{"tenant", "7"}}, "n/a/21.0"},
                            {"GET", "x", "/", {{"tenant", "xy"}}, "n/a/300.0"},
                            {"GET", "x", "/", {{"tenant", "100"}}, "none"},
                        });
}

TEST(Router, ExpressionsWithMoreLiteralElementsComeFirst) {
  const auto router =
      router_of({route("n/a", {},
                       {rule(PathKind::kRegex, "/.*very-long-expression.*|/.*"), rule(PathKind::kRegex, "/a/.*"),
                        rule(PathKind::kRegex, "/a/b/.*"), rule(PathKind::kRegex, "/a/[a-z]+"),
                        rule(PathKind::kRegex, "(?i)/CASE/.*"), rule(PathKind::kRegex, "/x/1|/y/2")})});
  expect_cases(*router, {
                            {"GET", "x", "/a/b/c", {}, "n/a/2.0"},
                            {"GET", "x", "/a/b", {}, "n/a/3.0"},  // as many elements: the longer one
                            {"GET", "x", "/a/1", {}, "n/a/1.0"},
                            {"GET", "x", "/b", {}, "n/a/0.0"},
                            {"GET", "x", "/case/1", {}, "n/a/0.0"},  // none has a literal element: the longer one
                            {"GET", "x", "/y/2", {}, "n/a/0.0"},
                        });
}

TEST(Router, CapturesAreTheExpressionsGroups) {
  const auto router = router_of({route("n/a", {}, {rule(PathKind::kRegex, "/u/([^/]+)/(?P<rest>.*)"), prefix("/p")})});
  Asked asked("GET", "x", "/u/me/a/b");
  const auto match = router->match(asked.request);
  std::string_view groups[8];
  ASSERT_EQ(captures(match, asked.request.path, groups), 3u);
  EXPECT_EQ(groups[0], "/u/me/a/b");
  EXPECT_EQ(groups[1], "me");
  EXPECT_EQ(groups[2], "a/b");
  EXPECT_EQ(capture(match, asked.request.path, "rest"), "a/b");
  EXPECT_EQ(capture(match, asked.request.path, "1"), "me");
  for (const auto* name : {"other", "3", "99999999999999999999", ""})
    EXPECT_EQ(capture(match, asked.request.path, name), std::nullopt) << name;
  Asked plain("GET", "x", "/p/q");
  const auto other = router->match(plain.request);
  EXPECT_EQ(captures(other, plain.request.path, groups), 0u);
  EXPECT_EQ(other.prefix(), "/p");
  EXPECT_EQ(captures(Match{}, "/", groups), 0u);
}

TEST(Router, AnExpressionThatBeginsWithAGroupHasItAsPrefix) {
  const auto router = router_of(
      {route("n/a", {}, {rule(PathKind::kRegex, "(/u/[0-9]+).*"), prefix("/p"), rule(PathKind::kRegex, "(?:/v).*")})});
  for (const auto& [path, expected] : {std::pair{"/u/12/a", "/u/12"}, {"/u/1", "/u/1"}, {"/p/q", "/p"}, {"/v/w", ""}}) {
    Asked asked("GET", "x", path);
    const auto match = router->match(asked.request);
    ASSERT_TRUE(match) << path;
    EXPECT_EQ(match.prefix(asked.request.path), expected) << path;
  }
}

RouteRule grpc(std::string service, std::string method, Compare compare = Compare::kExact,
               std::vector<FieldMatch> headers = {}) {
  RouteMatch match;
  match.grpc = std::make_shared<const GrpcMatch>(std::move(service), std::move(method), compare);
  match.headers = std::move(headers);
  return {{std::move(match)}};
}

TEST(Router, GrpcServicesAndMethods) {
  auto made = route(
      "n/g", {"g.com"},
      {grpc("", "Get"), grpc("a.B", ""), grpc("a.B", "Get"), grpc("a.B", "Get", Compare::kExact, {exact("v", "2")}),
       grpc("c.*", "", Compare::kRegex), grpc("c.D", "S.*", Compare::kRegex), grpc("", "List.+", Compare::kRegex)});
  made.grpc = true;
  auto all = route("n/all", {"all.com"}, {{}});
  all.grpc = true;
  const auto router = router_of({made, all});
  const http::Fields type{{"content-type", "application/grpc+proto"}};
  expect_cases(*router,
               {
                   {"POST", "g.com", "/a.B/Get", type, "n/g/2.0"},  // service and method
                   {"POST", "g.com", "/a.B/Get", {{"content-type", "application/grpc"}, {"v", "2"}}, "n/g/3.0"},
                   {"POST", "g.com", "/a.B/Put", type, "n/g/1.0"},  // characters in a matching service
                   {"POST", "g.com", "/x.Y/Get", type, "n/g/0.0"},
                   {"POST", "g.com", "/c.D/Set", type, "n/g/5.0"},
                   {"POST", "g.com", "/c.D/Get", type, "n/g/4.0"},  // the service before the method
                   {"POST", "g.com", "/x.Y/ListAll", type, "n/g/6.0"},
                   {"POST", "g.com", "/x.Y/Nope", type, "none"},
                   {"POST", "g.com", "/a.B/Get/More", type, "n/g/1.0"},
                   {"POST", "g.com", "/Get", type, "none"},
                   {"GET", "g.com", "/a.B/Get", type, "none"},
                   {"POST", "g.com", "/a.B/Get", {{"content-type", "application/grpc-web"}}, "none"},
                   {"POST", "g.com", "/a.B/Get", {}, "none"},
                   {"POST", "all.com", "/any/thing", type, "n/all/0.0"},  // no matches: every gRPC request
                   {"POST", "all.com", "/any/thing", {}, "none"},
               });
}

TEST(Router, ErrorsSayWhere) {
  const auto message = [](Route made) {
    auto done = prepare(std::move(made));
    return done ? std::string("none") : done.error().message;
  };
  EXPECT_EQ(message(route("n/a", {"A.com"}, {})), "hostnames[0]: found \"A.com\", expected a host name in lower case");
  EXPECT_EQ(
      message(route("n/a", {}, {prefix("/"), prefix("x")})),
      "rules[1].matches[0]: path: found \"x\" (not_absolute), expected a path that begins with '/' and has no query");
  EXPECT_EQ(
      message(route("n/a", {}, {prefix("/a?b")})),
      "rules[0].matches[0]: path: found \"/a?b\" (no path), expected a path that begins with '/' and has no query");
  EXPECT_EQ(message(route("n/a", {}, {rule(PathKind::kRegex, "(")})),
            "rules[0].matches[0]: path: found \"(\", expected a regular expression as RE2 reads them");
  EXPECT_EQ(message(route("n/a", {}, {rule(PathKind::kRegex, "a)(b")})),
            "rules[0].matches[0]: path: found \"a)(b\", expected a regular expression as RE2 reads them");
  EXPECT_EQ(message(route("n/a", {}, {rule(PathKind::kPrefix, "/", {}, {expression("a", "[")})})),
            "rules[0].matches[0]: headers[0].value: found \"[\", expected a regular expression as RE2 reads them");
  EXPECT_EQ(message(route("n/a", {}, {rule(PathKind::kPrefix, "/", {}, {}, {exact("", "x")})})),
            "rules[0].matches[0]: queryParams[0].name: found nothing, expected a name");
  std::string deep;
  for (int i = 0; i < 65; ++i) deep += "/a";
  EXPECT_EQ(message(route("n/a", {}, {prefix(deep)})),
            "rules[0].matches[0]: path: found a prefix of 65 elements, expected at most 64");
  EXPECT_EQ(message(route("n/a", {}, {grpc("", "")})),
            "rules[0].matches[0]: method: found neither service nor method, expected one of them");
  EXPECT_EQ(message(route("n/a", {}, {grpc("a/b", "")})),
            "rules[0].matches[0]: method: found \"a/b\" and \"\", expected names without '/'");
}

TEST(Router, DeepPrefixesMatch) {
  std::string deepest;
  for (int i = 0; i < 64; ++i) deepest += "/a";
  const auto router = router_of({route("n/a", {}, {prefix(deepest), prefix("/a")})});
  expect_cases(*router, {{"GET", "x", deepest + "/b/c", {}, "n/a/0.0"},
                         {"GET", "x", deepest, {}, "n/a/0.0"},
                         {"GET", "x", deepest.substr(2), {}, "n/a/1.0"}});
}

TEST(Router, UnchangedHostsAreShared) {
  const auto a = prepared(route("n/a", {"a.com", "*.b.com"}, {prefix("/")}));
  const auto c = prepared(route("n/c", {"c.com"}, {prefix("/")}));
  const auto before = Router::build(std::vector{a, c});
  const auto d = prepared(route("n/d", {"c.com"}, {prefix("/d")}));
  const auto after = before->changed({}, std::vector{d});
  std::size_t shared = 0;
  for (const auto& host : after->host_routers())
    for (const auto& other : before->host_routers())
      if (host == other) ++shared;
  EXPECT_EQ(after->hosts(), 3u);
  EXPECT_EQ(shared, 2u);
  expect_cases(*after, {{"GET", "c.com", "/d", {}, "n/d/0.0"}, {"GET", "x.b.com", "/d", {}, "n/a/0.0"}});
  expect_cases(*before, {{"GET", "c.com", "/d", {}, "n/c/0.0"}});
}

TEST(Router, ChangesAddAndRemoveHosts) {
  const auto any = prepared(route("n/any", {}, {prefix("/")}));
  const auto a = prepared(route("n/a", {"a.com"}, {prefix("/")}));
  const auto other = prepared(route("n/other", {"*.b.com", "a.com"}, {prefix("/x")}));
  const auto first = Router::build(std::vector{a});
  const auto second = first->changed(std::vector{a}, std::vector{any, other});
  expect_cases(*second, {{"GET", "a.com", "/", {}, "n/any/0.0"},
                         {"GET", "a.com", "/x", {}, "n/other/0.0"},
                         {"GET", "y.b.com", "/x", {}, "n/other/0.0"}});
  const auto third = second->changed(std::vector{any, other}, std::vector{a});
  EXPECT_EQ(third->hosts(), 1u);
  expect_cases(*third, {{"GET", "a.com", "/x", {}, "n/a/0.0"}, {"GET", "y.b.com", "/x", {}, "none"}});
  const auto fourth = third->changed({}, std::vector{any});
  expect_cases(*fourth, {{"GET", "y.b.com", "/x", {}, "n/any/0.0"}});
  const auto younger = prepared(route("n/younger", {}, {prefix("/")}));
  expect_cases(*fourth->changed(std::vector{any}, std::vector{younger}), {{"GET", "y", "/x", {}, "n/younger/0.0"}});
  EXPECT_EQ(fourth->changed(std::vector{any, a}, {})->hosts(), 0u);
}

}  // namespace
}  // namespace fairlead::route
