// SPDX-License-Identifier: Apache-2.0
#include "fairlead/cache/control.hpp"

#include <gtest/gtest.h>

#include <string>

namespace fairlead::cache {
namespace {

/// What was understood, in one line.
std::string text_of(const Control& c) {
  std::string out;
  const auto add = [&](std::string_view text) { out.append(out.empty() ? "" : " ").append(text); };
  const auto time = [&](std::string_view name, const std::optional<std::uint32_t>& value) {
    if (value) add(std::string(name) + "=" + std::to_string(*value));
  };
  const auto flag = [&](std::string_view name, bool value) {
    if (value) add(name);
  };
  time("max-age", c.max_age);
  time("s-maxage", c.s_maxage);
  time("swr", c.stale_while_revalidate);
  time("sie", c.stale_if_error);
  time("min-fresh", c.min_fresh);
  time("max-stale", c.max_stale);
  flag("no-store", c.no_store);
  flag("no-cache", c.no_cache);
  flag("no-transform", c.no_transform);
  flag("only-if-cached", c.only_if_cached);
  flag("public", c.is_public);
  flag("private", c.is_private);
  flag("must-revalidate", c.must_revalidate);
  flag("proxy-revalidate", c.proxy_revalidate);
  flag("must-understand", c.must_understand);
  flag("immutable", c.immutable);
  if (!c.no_cache_fields.empty()) add("no-cache:" + std::string(c.no_cache_fields));
  if (!c.private_fields.empty()) add("private:" + std::string(c.private_fields));
  return out;
}

TEST(CacheControl, IsParsed) {
  struct {
    const char* value;
    const char* expected;
  } const rows[] = {
      {"", ""},
      {",, ,", ""},
      {"max-age=60", "max-age=60"},
      {"MAX-AGE=60", "max-age=60"},                       // names are case-insensitive
      {" max-age = 60 ", "max-age=60"},                   // bad white space, as others take it
      {"max-age=\"60\"", "max-age=60"},                   // RFC 9111 5.2: both forms
      {"max-age", "max-age=0"},
      {"max-age=", "max-age=0"},
      {"max-age=abc", "max-age=0"},                       // 4.2.1: invalid is stale
      {"max-age=-1", "max-age=0"},
      {"max-age=1.5", "max-age=0"},
      {"max-age=0x10", "max-age=0"},
      {"max-age=60s", "max-age=0"},
      {"max-age='60'", "max-age=0"},
      {"max-age=2147483648", "max-age=2147483648"},       // 1.2.2
      {"max-age=99999999999999999999999", "max-age=2147483648"},
      {"max-age=100, max-age=1", "max-age=1"},            // the shorter one
      {"max-age=1, max-age=100", "max-age=1"},
      {"s-maxage=5, max-age=10", "max-age=10 s-maxage=5"},
      {"xmax-age=60", ""},
      {"max-age-=60", ""},
      {"no-store", "no-store"},
      {"no-store=1", "no-store"},                         // an argument that is not defined changes nothing
      {"foo=\"no-store\"", ""},                           // within quotes it is no directive
      {"foo=\"a, no-store\", max-age=3", "max-age=3"},
      {"foo=\"a\\\", no-store\", max-age=3", "max-age=3"},
      {"foo=\"a, no-store", "no-store"},                  // a quote that is not closed hides nothing
      {"no-cache", "no-cache"},
      {"no-cache=\"set-cookie\"", "no-cache:set-cookie"},
      {"no-cache=\"a, b\", no-cache", "no-cache no-cache:a, b"},
      {"no-cache=set-cookie", "no-cache"},                // without quotes: the stricter reading
      {"no-cache=\"\"", "no-cache"},
      {"private", "private"},
      {"private=\"x-user\"", "private:x-user"},
      {"private=\"x-user", "private"},
      {"private=\"a\", private=\"b\"", "private private:a"},
      {"public, must-revalidate, proxy-revalidate, must-understand, no-transform, immutable",
       "no-transform public must-revalidate proxy-revalidate must-understand immutable"},
      {"stale-while-revalidate=10, stale-if-error=20", "swr=10 sie=20"},
      {"max-stale", "max-stale=2147483648"},
      {"max-stale=5", "max-stale=5"},
      {"max-stale=x", "max-stale=0"},
      {"min-fresh=5, min-fresh=9", "min-fresh=9"},
      {"min-fresh=x", "min-fresh=2147483648"},
      {"only-if-cached", "only-if-cached"},
      {"max-age=1;no-store", "max-age=0"},                // a semicolon separates nothing
  };
  for (const auto& row : rows) {
    Control control;
    parse_cache_control(row.value, control);
    EXPECT_EQ(text_of(control), row.expected) << row.value;
  }
}

/// Quotes and escapes that would have each member look at all that follows.
TEST(CacheControl, LooksAtEachByteAFewTimesOnly) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "\"\\\",";
  std::size_t members = 0;
  std::string_view list = text, member;
  while (next_member(list, member)) ++members;
  EXPECT_GT(members, 199'000U);
  Control control;
  parse_cache_control("private=\"a, " + std::string(300, 'a') + "\", max-age=1", control);
  EXPECT_TRUE(control.is_private && control.max_age == 1U);
}

TEST(CacheControl, TakesAllLinesAndPragmaOnlyWithoutThem) {
  EXPECT_EQ(text_of(control_of({{"cache-control", "public"}, {"x", "y"}, {"cache-control", "max-age=1"}}, false)),
            "max-age=1 public");
  EXPECT_EQ(text_of(control_of({{"pragma", "No-Cache"}}, true)), "no-cache");
  EXPECT_EQ(text_of(control_of({{"pragma", "no-cache"}, {"cache-control", "max-age=1"}}, true)), "max-age=1");
  EXPECT_EQ(text_of(control_of({{"pragma", "no-cache"}}, false)), "");  // RFC 9111 5.4: of requests only
}

}  // namespace
}  // namespace fairlead::cache
