// SPDX-License-Identifier: Apache-2.0
#include "fairlead/route/compile.hpp"

#include "routes.hpp"

namespace fairlead::route {
namespace {

template <class Object>
Object named(std::string name, std::int64_t created = 0) {
  Object object;
  object.metadata.ns = "infra";
  object.metadata.name = std::move(name);
  object.metadata.created = created;
  return object;
}

TEST(Compile, HttpRoutesKeepTheirRules) {
  auto object = named<model::HttpRoute>("web", 7);
  object.hostnames = {"a.example.com", "b.other.com", "*.com"};
  model::HttpMatch match;
  match.path = {"/x", model::PathMatchType::kExact};
  match.method = model::HttpMethod::kPatch;
  match.headers = {{model::ValueMatchType::kExact, "v", "1"}};
  match.query = {{model::ValueMatchType::kRegularExpression, "q", "[0-9]"}};
  object.rules.resize(2);
  object.rules[0].matches = {match};
  object.rules[1].matches = {model::HttpMatch{}};
  const auto data = std::make_shared<const int>(42);
  const auto made = compile(object, "*.example.com", data);
  ASSERT_TRUE(made) << made.error().message;
  const auto& route = **made;
  EXPECT_EQ(route.key.text(), "infra/web");
  EXPECT_EQ(route.created, 7);
  EXPECT_EQ(route.data, data);
  EXPECT_EQ(route.hosts, (std::vector<std::string>{"*.example.com", "a.example.com"}));
  const auto router = Router::build(std::vector{*made});
  Asked full("PATCH", "a.example.com", "/x?q=1", {{"v", "1"}});
  EXPECT_EQ(taken(router->match(full.request)), "infra/web/0.0");
  Asked other("GET", "z.example.com", "/x");
  EXPECT_EQ(taken(router->match(other.request)), "infra/web/1.0");
  Asked outside("GET", "b.other.com", "/x");
  EXPECT_EQ(taken(router->match(outside.request)), "none");
}

TEST(Compile, HostNamesComeFromTheListenerWhereTheRouteHasNone) {
  auto object = named<model::HttpRoute>("web");
  object.rules.resize(1);
  EXPECT_EQ((*compile(object, "a.com"))->hosts, std::vector<std::string>{"a.com"});
  EXPECT_TRUE((*compile(object, ""))->hosts.empty());
  object.hostnames = {"b.com"};
  const auto none = compile(object, "a.com");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message, "hostnames: found none that the listener's \"a.com\" matches");
  object.rules[0].matches.resize(1);
  object.rules[0].matches[0].path = {"(", model::PathMatchType::kRegularExpression};
  EXPECT_EQ(compile(object, "").error().message,
            "rules[0].matches[0]: path: found \"(\", expected a regular expression as RE2 reads them");
}

TEST(Compile, RoutesKnowWhatTheyAskForWhereTheListenerNarrowsThem) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{}, ""}, {{"*.com"}, "*.com"}, {{"*.com", "*.x.com", "b.com"}, "*.x.com"}, {{"a.x.com", "*.com"}, "a.x.com"}};
  auto object = named<model::HttpRoute>("web");
  object.rules.resize(1);
  for (const auto& [hostnames, want] : cases) {
    object.hostnames = hostnames;
    const auto made = compile(object, "a.x.com");
    ASSERT_TRUE(made) << want;
    EXPECT_EQ(asked_for(**made, "a.x.com"), want);
  }
  object.hostnames = {"*.com", "b.x.com"};
  const auto wide = compile(object, "*.x.com");
  ASSERT_TRUE(wide);
  EXPECT_EQ(asked_for(**wide, "*.x.com"), "*.com");
  EXPECT_EQ(asked_for(**wide, "b.x.com"), "b.x.com");
}

TEST(Compile, GrpcRoutesMatchServicesAndMethods) {
  auto object = named<model::GrpcRoute>("rpc");
  object.rules.resize(2);
  object.rules[0].matches.resize(1);
  object.rules[0].matches[0].method = {model::ValueMatchType::kExact, "a.B", "Get"};
  const auto made = compile(object, "");
  ASSERT_TRUE(made) << made.error().message;
  const auto router = Router::build(std::vector{*made});
  Asked get("POST", "x", "/a.B/Get", {{"content-type", "application/grpc"}});
  EXPECT_EQ(taken(router->match(get.request)), "infra/rpc/0.0");
  Asked put("POST", "x", "/a.B/Put", {{"content-type", "application/grpc"}});
  EXPECT_EQ(taken(router->match(put.request)), "infra/rpc/1.0");
}

TEST(Compile, TlsRoutesMatchServerNames) {
  auto exact = named<model::TlsRoute>("exact");
  exact.hostnames = {"a.com"};
  exact.rules.resize(1);
  auto wild = named<model::TlsRoute>("wild");
  wild.hostnames = {"*.com"};
  wild.rules.resize(1);
  const auto router = Router::build(std::vector{*compile(wild, ""), *compile(exact, "")});
  EXPECT_EQ(taken(router->match({"a.com", "/", "", nullptr})), "infra/exact/0.0");
  EXPECT_EQ(taken(router->match({"b.com", "/", "", nullptr})), "infra/wild/0.0");
  EXPECT_EQ(taken(router->match({"a.org", "/", "", nullptr})), "none");
}

}  // namespace
}  // namespace fairlead::route
