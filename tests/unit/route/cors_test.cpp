// SPDX-License-Identifier: Apache-2.0
#include "fairlead/route/cors.hpp"

#include <gtest/gtest.h>

#include <string>

namespace fairlead::route {
namespace {

// HTTPCORSFilter.allowOrigins.
TEST(Cors, OriginsMatch) {
  struct {
    std::string_view pattern, origin;
    bool matches;
  } const rows[] = {
      {"*", "https://a.com", true},
      {"*", "null", true},
      {"https://a.com", "https://a.com", true},
      {"https://a.com", "https://a.com:443", true},  // the scheme's port
      {"https://a.com:443", "https://a.com", true},
      {"http://a.com:80", "http://a.com", true},
      {"https://a.com", "http://a.com", false},
      {"https://a.com", "https://a.com:8443", false},
      {"https://A.com", "https://a.com", true},
      {"https://a.com", "https://a.com.evil.com", false},
      {"https://a.com", "https://xa.com", false},
      {"https://a.com", "null", false},
      {"https://a.com", "", false},
      {"https://*.bar.com", "https://www.bar.com", true},
      {"https://*.bar.com", "https://xpto.www.bar.com", true},  // any number of labels
      {"https://*.bar.com", "https://bar.com", false},
      {"https://*.bar.com", "https://foobar.com", false},
      {"https://*.bar.com", "https://www.bar.com:8443", false},
      {"https://*.bar.com:8443", "https://www.bar.com:8443", true},
      {"https://*", "https://anything.example", true},  // a wildcard by itself: all hosts
      {"https://*", "http://anything.example", false},
      {"https://*:8443", "https://[::1]:8443", true},
  };
  for (const auto& row : rows)
    EXPECT_EQ(origin_matches(row.pattern, row.origin), row.matches) << row.pattern << " " << row.origin;
}

std::string text_of(const http::ResponseHead& head) {
  std::string text = std::to_string(head.status);
  for (const auto& [name, value] : head.fields) {
    auto shown = name;
    if (shown.starts_with("access-control-")) shown.remove_prefix(15);
    text.append(" ").append(shown).append("=").append(value);
  }
  return text;
}

http::RequestHead preflight(std::string_view origin, std::string_view method, std::string_view headers = {}) {
  http::RequestHead head;
  head.method = http::Method::kOptions;
  head.fields = {{"origin", origin}, {"access-control-request-method", method}};
  if (!headers.empty()) head.fields.push_back({"access-control-request-headers", headers});
  return head;
}

TEST(Cors, PreflightsAreAnswered) {
  const model::Cors listed{{"https://www.foo.com", "https://*.bar.com"},
                           {"GET", "OPTIONS"},
                           {"x-header-1", "x-header-2"},
                           {"x-header-3", "x-header-4"},
                           true,
                           3600};
  const model::Cors wild{{"*"}, {"*"}, {"*"}, {"*"}, false, 5};
  const model::Cors wild_credentials{{"*"}, {"*"}, {"*"}, {"*", "x-a"}, true, 5};
  struct {
    const model::Cors& cors;
    http::RequestHead head;
    std::string_view answer;
  } const rows[] = {
      {listed, preflight("https://www.bar.com", "GET", "x-header-1"),
       "204 vary=origin allow-origin=https://www.bar.com allow-credentials=true allow-methods=GET, OPTIONS "
       "allow-headers=x-header-1, x-header-2 expose-headers=x-header-3, x-header-4 max-age=3600"},
      {listed, preflight("https://foobar.com", "GET"), "403 vary=origin"},
      {wild, preflight("https://a.com", "PUT", "x-1"),
       "204 allow-origin=* allow-methods=* allow-headers=* expose-headers=* max-age=5"},
      {wild_credentials, preflight("https://a.com", "PUT", "x-1, x-2"),
       "204 vary=origin allow-origin=https://a.com allow-credentials=true allow-methods=PUT allow-headers=x-1, x-2 "
       "expose-headers=x-a max-age=5"},
      {wild_credentials, preflight("https://a.com", "PUT"),
       "204 vary=origin allow-origin=https://a.com allow-credentials=true allow-methods=PUT expose-headers=x-a "
       "max-age=5"},
  };
  for (const auto& row : rows) {
    Arena arena;
    ASSERT_TRUE(is_preflight(row.head));
    EXPECT_EQ(text_of(answer_preflight(row.cors, row.head, arena)), row.answer);
  }
}

TEST(Cors, OtherRequestsAreNoPreflights) {
  auto head = preflight("https://a.com", "GET");
  head.method = http::Method::kGet;
  EXPECT_FALSE(is_preflight(head));
  head = preflight("", "GET");
  EXPECT_FALSE(is_preflight(head));
  head = preflight("https://a.com", "");
  EXPECT_FALSE(is_preflight(head));
}

TEST(Cors, ResponsesSayWhoMayReadThem) {
  const model::Cors listed{{"https://a.com"}, {}, {}, {"x-a", "x-b"}, true, 5};
  const model::Cors wild{{"*"}, {}, {}, {"*"}, false, 5};
  struct {
    const model::Cors& cors;
    std::string_view origin, response;
  } const rows[] = {
      {listed, "https://a.com",
       "200 x=1 vary=origin allow-origin=https://a.com allow-credentials=true expose-headers=x-a, x-b"},
      {listed, "https://b.com", "200 x=1 vary=origin"},
      {listed, "", "200 x=1 vary=origin"},
      {wild, "https://b.com", "200 x=1 allow-origin=* expose-headers=*"},
      {wild, "", "200 x=1"},
  };
  for (const auto& row : rows) {
    Arena arena;
    http::RequestHead request;
    if (!row.origin.empty()) request.fields.push_back({"origin", row.origin});
    http::ResponseHead response;
    response.fields = {{"access-control-allow-origin", "https://backend.example"}, {"x", "1"}};
    apply_cors(row.cors, request, response, arena);
    EXPECT_EQ(text_of(response), row.response);
  }
}

}  // namespace
}  // namespace fairlead::route
