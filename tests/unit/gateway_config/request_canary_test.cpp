// SPDX-License-Identifier: Apache-2.0
// What the section `canary` of a RequestPolicy takes and refuses.
#include "fairlead/model/request_canary.hpp"

#include <gtest/gtest.h>

#include "fairlead/model/objects.hpp"
#include "gateway/dataplane/config/parse.hpp"

namespace fairlead::config {
namespace {

using namespace std::chrono_literals;

constexpr const char* kRouteRef = "{group: gateway.networking.k8s.io, kind: HTTPRoute, name: a}";
constexpr const char* kTo = "canary: {backendRef: {name: b, port: 80}, ";

ParsedText parse(const std::string& body, const std::string& target = kRouteRef) {
  return parse_text("apiVersion: fairlead.io/v1alpha1\nkind: RequestPolicy\nmetadata: {name: p}\nspec: {targetRefs: [" +
                        target + "],\n  " + body + "}\n",
                    false, gateway_kinds());
}

TEST(RequestCanarySection, NamesLineFieldFoundAndExpected) {
  struct {
    const char* body;  ///< behind kTo
    const char* field;
    const char* found;
    const char* expected;  ///< a part of it
  } const rows[] = {
      {"}", "spec.canary.share", "nothing", "always or share"},
      {"never: {groups: [a]}}", "spec.canary.share", "nothing", "always or share"},
      {"weight: 1, always: {groups: [a]}}", "spec.canary.weight", "an unknown field",
       "backendRef, always, never, share"},
      {"always: {}}", "spec.canary.always.headers", "nothing", "headers, cookies, consumers or groups"},
      {"always: {headers: []}}", "spec.canary.always.headers", "a list", "at least 1"},
      {"always: {headers: [{value: a}]}}", "spec.canary.always.headers[0].name", "nothing", "a name"},
      {"always: {headers: [{name: 'a b'}]}}", "spec.canary.always.headers[0].name", "\"a b\"", ""},
      {"always: {cookies: [{name: 'a=b'}]}}", "spec.canary.always.cookies[0].name", "\"a=b\"", "a cookie's name"},
      {"always: {cookies: [{name: a, value: 'b;c'}]}}", "spec.canary.always.cookies[0].value", "\"b;c\"",
       "a cookie's value"},
      {"always: {consumers: ['']}}", "spec.canary.always.consumers[0]", "\"\"", ""},
      {"share: {percent: 5}}", "spec.canary.share.by", "nothing", "Consumer, Cookie, ClientIP or Header"},
      {"share: {by: Cookie}}", "spec.canary.share.percent", "nothing", "0 to 100"},
      {"share: {percent: 101, by: Cookie}}", "spec.canary.share.percent", "101", "0 to 100"},
      {"share: {percent: -1, by: Cookie}}", "spec.canary.share.percent", "-1", "0 to 100"},
      {"share: {percent: 5, by: Query}}", "spec.canary.share.by", "\"Query\"", "Consumer"},
      {"share: {percent: 5, by: Header}}", "spec.canary.share.name", "nothing", "a header's name"},
      {"share: {percent: 5, by: ClientIP, name: a}}", "spec.canary.share.name", "\"a\"", "Cookie or Header"},
      {"share: {percent: 5, by: Cookie, name: 'a;b'}}", "spec.canary.share.name", "\"a;b\"", "a cookie's name"},
      {"share: {percent: 5, by: Header, name: a, maxAge: 1h}}", "spec.canary.share.maxAge", "\"1h\"", "Cookie"},
      {"share: {percent: 5, by: Cookie, maxAge: 1500ms}}", "spec.canary.share.maxAge", "\"1500ms\"", "whole seconds"},
      {"share: {percent: 5, by: Cookie, salt: ''}}", "spec.canary.share.salt", "\"\"", ""},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.body);
    const auto parsed = parse(std::string(kTo) + row.body);
    ASSERT_FALSE(parsed.diagnostics.empty());
    const auto& first = parsed.diagnostics[0];
    EXPECT_EQ(first.severity, Severity::kError);
    EXPECT_EQ(first.line, 5U) << first.text();
    EXPECT_EQ(first.field, row.field) << first.text();
    EXPECT_EQ(first.found, row.found) << first.text();
    EXPECT_NE(first.expected.find(row.expected), std::string::npos) << first.text();
  }
}

TEST(RequestCanarySection, IsOfRoutesOnly) {
  const auto body = std::string(kTo) + "always: {groups: [a]}}";
  for (const auto* target :
       {"{group: gateway.networking.k8s.io, kind: Gateway, name: a}", "{group: \"\", kind: Service, name: a}",
        "{group: fairlead.io, kind: Consumer, name: a}"}) {
    const auto parsed = parse(body, target);
    ASSERT_EQ(parsed.diagnostics.size(), 1U) << target;
    EXPECT_EQ(parsed.diagnostics[0].field, "spec.canary");
    EXPECT_NE(parsed.diagnostics[0].expected.find("HTTPRoutes and GRPCRoutes"), std::string::npos);
  }
  EXPECT_TRUE(parse(body, "{group: gateway.networking.k8s.io, kind: GRPCRoute, name: a}").diagnostics.empty());
}

TEST(RequestCanarySection, HasEveryField) {
  const auto parsed = parse(std::string(kTo) + R"(always: {headers: [{name: X-A, value: b}, {name: x-c}],
    cookies: [{name: D, value: e}], consumers: [g, f], groups: [i, h]}, never: {groups: [j]},
    share: {percent: 12.5, by: Header, name: X-User, salt: s}})");
  for (const auto& remark : parsed.diagnostics) ADD_FAILURE() << remark.text();
  ASSERT_EQ(parsed.objects.size(), 1U);
  const auto& canary = *std::get<model::RequestPolicy>(*parsed.objects[0].object).settings->canary;
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(canary.backend.ref.name, "b");
  EXPECT_EQ(canary.always.headers, (Pairs{{"x-a", "b"}, {"x-c", ""}}));
  EXPECT_EQ(canary.always.cookies, (Pairs{{"D", "e"}}));
  EXPECT_EQ(canary.always.consumers, (std::vector<std::string>{"f", "g"}));
  EXPECT_EQ(canary.always.groups, (std::vector<std::string>{"h", "i"}));
  EXPECT_EQ(canary.never.groups, (std::vector<std::string>{"j"}));
  EXPECT_EQ(canary.share.share, 125'000U);
  EXPECT_EQ(canary.share.by, model::CanaryShare::By::kHeader);
  EXPECT_EQ(canary.share.name, "x-user");
  EXPECT_EQ(canary.share.salt, "s");
  const auto cookie = parse(std::string(kTo) + "share: {percent: 5, by: Cookie}}");
  ASSERT_EQ(cookie.objects.size(), 1U);
  const auto& share = std::get<model::RequestPolicy>(*cookie.objects[0].object).settings->canary->share;
  EXPECT_EQ(share.name, "fairlead-canary");
  EXPECT_EQ(share.max_age, 720h);
}

}  // namespace
}  // namespace fairlead::config
