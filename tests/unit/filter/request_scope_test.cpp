// SPDX-License-Identifier: Apache-2.0
// The values that templates have of a request.
#include "gateway/dataplane/filter/request_scope.hpp"

#include <gtest/gtest.h>

#include "tests/unit/filter/change_request.hpp"
#include "tests/unit/filter/consumers.hpp"

namespace fairlead::filter {
namespace {

std::string rendered(Request& request, std::string_view text) {
  PlainScope scope(request);
  std::string out;
  EXPECT_EQ(compiled(text, change::Place::kText).render(scope, 1000, out), change::RenderError::kNone);
  return out;
}

TEST(RequestScope, HasTheValuesOfTheRequest) {
  const auto consumer = make_consumer("ann", {"a", "b"}, "4711");
  ChangeRequest request("PUT", "/a/b", "q=x%20y+z&q=2&e");
  request.with("cookie", "a=1;\tb=2=3").with("x-many", "1").with("x-many", "2").with("cookie", "c=4");
  request.identity().consumer = consumer.get();
  request.identity().claims = R"({"sub":"s","realm":{"roles":["r",12345678901234567890123]}})";
  constexpr std::pair<const char*, const char*> kRows[] = {
      {"{{ request.method }} {{ request.path }} {{ request.host }} {{ request.scheme }}", "PUT /a/b a.example http"},
      {"{{ request.query }}", "q=x%20y+z&q=2&e"},
      {"{{ request.query.q }}|{{ request.query.e }}|{{ request.query.none | default \"-\" }}", "x y z||-"},
      {"{{ request.cookie.a }}{{ request.cookie.b }}{{ request.cookie.c }}", "12=34"},
      {"{{ request.header.X-Many }}", "1, 2"},
      {"{{ request.header.cookie }}", "a=1;\tb=2=3; c=4"},
      {"{{ request.id }}", "id-1"},
      {"{{ consumer.name }} {{ consumer.customId }} {{ consumer.groups }}", R"(ann 4711 ["a","b"])"},
      {"{{ consumer.groups | join \" \" }}", "a b"},
      {"{{ claims.sub }} {{ claims.realm.roles[1] }}", "s 12345678901234567890123"},
      {"{{ client.ip }}", "192.0.2.1"},
      {"{{ route.name }} {{ route.rule }}", "HTTPRoute default/web 0"},
      {"{{ response.status | default \"none\" }}{{ response.header.a }}{{ calls.a.status }}", "none"},
  };
  for (const auto& [text, expected] : kRows) EXPECT_EQ(rendered(request, text), expected) << text;
}

TEST(RequestScope, HasNothingOfWhoIsNotKnown) {
  ChangeRequest request;
  EXPECT_EQ(rendered(request, "{{ consumer.name }}{{ consumer.groups }}{{ claims.sub }}"), "");
  request.identity().claims = "{no JSON";
  EXPECT_EQ(rendered(request, "{{ claims.sub | default \"nobody\" }}"), "nobody");
}

TEST(RequestScope, MakesIdsAndTimes) {
  ChangeRequest request;
  const auto one = rendered(request, "{{ uuid }}"), other = rendered(request, "{{ uuid }}");
  ASSERT_EQ(one.size(), 36U);
  EXPECT_NE(one, other);
  EXPECT_EQ(one[14], '4');
  EXPECT_NE(std::string_view("89ab").find(one[19]), std::string_view::npos);
  for (const std::size_t dash : {8U, 13U, 18U, 23U}) EXPECT_EQ(one[dash], '-');
  const auto now = rendered(request, "{{ now }}");
  ASSERT_EQ(now.size(), 20U);
  EXPECT_EQ(now[10], 'T');
  EXPECT_EQ(now.back(), 'Z');
}

}  // namespace
}  // namespace fairlead::filter
