// SPDX-License-Identifier: Apache-2.0
#include "fairlead/route/rewrite.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>

#include "fairlead/route/choice.hpp"

namespace fairlead::route {
namespace {

using model::PathModifier;
using Type = model::PathModifier::Type;

// HTTPPathModifier.replacePrefixMatch, its table; then what the table leaves open.
TEST(Rewrite, PrefixIsReplaced) {
  struct {
    std::string_view path, prefix;
    std::string replacement;
    std::string_view modified;
  } const rows[] = {
      {"/foo/bar", "/foo", "/xyz", "/xyz/bar"},
      {"/foo/bar", "/foo", "/xyz/", "/xyz/bar"},
      {"/foo/bar", "/foo", "/xyz", "/xyz/bar"},
      {"/foo", "/foo", "/xyz", "/xyz"},
      {"/foo/", "/foo", "/xyz", "/xyz/"},
      {"/foo/bar", "/foo", "", "/bar"},
      {"/foo/", "/foo", "", "/"},
      {"/foo", "/foo", "", "/"},
      {"/foo/", "/foo", "/", "/"},
      {"/foo", "/foo", "/", "/"},
      {"/foo/bar", "/foo", "/", "/bar"},
      {"/foobar", "/foo", "/xyz", "/xyz/bar"},
      {"/foobar", "/foo", "/", "/bar"},
      {"/bar", "", "/xyz", "/xyz/bar"},
      {"/", "", "/xyz", "/xyz/"},
      {"/foo/bar", "/foo", "xyz", "/xyz/bar"},
      {"/foo", "/foo", "/xyz/", "/xyz"},
      {"/foo/", "/foo/", "/xyz", "/xyz/"},
      {"/foo/", "/foo/", "/", "/"},
      {"/", "/", "/xyz", "/xyz"},
      {"/", "/", "/xyz/", "/xyz/"},
      {"/foo../bar", "/foo", "/xyz", "/xyz/bar"},
      {"/foo./bar", "/foo", "/xyz", "/xyz/bar"},
      {"/foo..", "/foo", "/xyz", "/xyz"},
      {"/foo.", "/foo", "/", "/"},
      {"/foo.../bar", "/foo", "/xyz", "/xyz/.../bar"},
      {"/foo..bar", "/foo", "/xyz", "/xyz/..bar"},
      {"/foo/..bar", "/foo", "/xyz", "/xyz/..bar"},
  };
  for (const auto& row : rows) {
    Arena arena;
    const PathModifier modifier{Type::kReplacePrefixMatch, row.replacement};
    EXPECT_EQ(modified_path(modifier, row.path, row.prefix, arena), row.modified) << row.path << " " << row.replacement;
  }
}

TEST(Rewrite, FullPathIsReplaced) {
  Arena arena;
  EXPECT_EQ(modified_path({Type::kReplaceFullPath, "/one"}, "/a/b", "/a", arena), "/one");
  EXPECT_EQ(modified_path({Type::kReplaceFullPath, "one"}, "/a/b", "/a", arena), "/one");
  EXPECT_EQ(modified_path({Type::kReplaceFullPath, ""}, "/a/b", "/a", arena), "/");
}

TEST(Rewrite, QueryOfAFullPathComesBeforeTheRequests) {
  Arena arena;
  const model::UrlRewrite filter{{}, PathModifier{Type::kReplaceFullPath, "/one?a=b"}};
  const auto sent = [&](std::string_view asked) {
    http::RequestHead head;
    head.target = asked;
    Target target;
    EXPECT_EQ(parse_target(head.target, {}, arena, target), PathError::kNone);
    rewrite(&filter, target, "/", head, arena);
    return head.target;
  };
  EXPECT_EQ(sent("/x"), "/one?a=b");
  EXPECT_EQ(sent("/x?"), "/one?a=b");
  EXPECT_EQ(sent("/x?c=d"), "/one?a=b&c=d");
}

TEST(Rewrite, HeadGetsTheNormalPathAndTheQueryAsSent) {
  Arena arena;
  http::RequestHead head;
  head.authority = "a.com:80";
  head.target = "/x/../foo/bar?q=%41";
  Target target;
  ASSERT_EQ(parse_target(head.target, {}, arena, target), PathError::kNone);
  auto copy = head;
  rewrite(nullptr, target, "/foo", copy, arena);
  EXPECT_EQ(copy.target, "/foo/bar?q=%41");
  EXPECT_EQ(copy.authority, "a.com:80");
  const model::UrlRewrite filter{"b.com", PathModifier{Type::kReplacePrefixMatch, "/new"}};
  rewrite(&filter, target, "/foo", head, arena);
  EXPECT_EQ(head.target, "/new/bar?q=%41");
  EXPECT_EQ(head.authority, "b.com");
}

TEST(Rewrite, UnchangedTargetIsNotCopied) {
  Arena arena;
  http::RequestHead head;
  head.target = "/foo/bar?q";
  Target target;
  ASSERT_EQ(parse_target(head.target, {}, arena, target), PathError::kNone);
  rewrite(nullptr, target, "/foo", head, arena);
  EXPECT_EQ(head.target, "/foo/bar?q");
  EXPECT_EQ(arena.bytes(), 0u);
}

/// What policies have put in place of path or query.
TEST(Rewrite, ChangedTargetsGoOut) {
  Arena arena;
  http::RequestHead head;
  head.target = "/foo/bar?q";
  Target target;
  ASSERT_EQ(parse_target(head.target, {}, arena, target), PathError::kNone);
  target.query = "r";
  rewrite(nullptr, target, "/foo", head, arena);
  EXPECT_EQ(head.target, "/foo/bar?r");
  target.has_query = false;
  rewrite(nullptr, target, "/foo", head, arena);
  EXPECT_EQ(head.target, "/foo/bar");
  target.path = "/v2";
  const model::UrlRewrite filter{{}, PathModifier{Type::kReplacePrefixMatch, "/new"}};
  rewrite(&filter, target, "/foo", head, arena);
  EXPECT_EQ(head.target, "/v2") << "no prefix of it is what matched";
}

// HTTPRequestRedirectFilter.port, .scheme, .hostname, .path, .statusCode.
TEST(Redirect, LocationFollowsTheRulesOfSchemeAndPort) {
  using Scheme = model::RequestRedirect::Scheme;
  struct {
    std::string_view scheme, authority;
    std::uint16_t listener_port;
    Scheme to_scheme;
    std::string to_host;
    std::uint16_t to_port;
    std::string_view location;
  } const rows[] = {
      {"http", "a.com", 80, Scheme::kUnset, "", 0, "http://a.com/p?q"},
      {"http", "a.com:8080", 8080, Scheme::kUnset, "", 0, "http://a.com:8080/p?q"},
      {"http", "a.com:999", 8080, Scheme::kUnset, "", 0, "http://a.com:8080/p?q"},
      {"http", "a.com:8080", 8080, Scheme::kHttps, "", 0, "https://a.com/p?q"},
      {"https", "a.com:8443", 8443, Scheme::kHttp, "", 0, "http://a.com/p?q"},
      {"https", "a.com", 443, Scheme::kUnset, "", 0, "https://a.com/p?q"},
      {"https", "a.com:8443", 8443, Scheme::kUnset, "", 0, "https://a.com:8443/p?q"},
      {"http", "a.com", 80, Scheme::kUnset, "", 8443, "http://a.com:8443/p?q"},
      {"http", "a.com", 80, Scheme::kHttps, "", 8443, "https://a.com:8443/p?q"},
      {"http", "a.com", 80, Scheme::kHttps, "", 80, "https://a.com:80/p?q"},
      {"http", "a.com", 8080, Scheme::kHttp, "", 80, "http://a.com/p?q"},
      {"http", "a.com", 8080, Scheme::kUnset, "", 80, "http://a.com/p?q"},
      {"http", "a.com:80", 80, Scheme::kUnset, "b.com", 0, "http://b.com/p?q"},
      {"http", "[::1]:80", 80, Scheme::kHttps, "", 8443, "https://[::1]:8443/p?q"},
      {"http", "[::1]", 80, Scheme::kUnset, "", 0, "http://[::1]/p?q"},
      {"http", "", 80, Scheme::kHttps, "", 0, "/p?q"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.location);
    Arena arena;
    http::RequestHead head;
    head.scheme = row.scheme;
    head.authority = row.authority;
    const model::RequestRedirect filter{row.to_scheme, row.to_host, {}, row.to_port, 301};
    const auto answer = redirect(filter, {{"/p", "q", true}, "", row.listener_port}, head, arena);
    EXPECT_EQ(answer.status, 301);
    EXPECT_EQ(answer.body, http::Body::kLength);
    EXPECT_EQ(answer.content_length, 0u);
    ASSERT_EQ(answer.fields.size(), 1u);
    EXPECT_EQ(answer.fields[0].name, "location");
    EXPECT_EQ(answer.fields[0].value, row.location);
  }
}

TEST(Redirect, PathIsModified) {
  Arena arena;
  http::RequestHead head;
  head.scheme = "http";
  head.authority = "a.com";
  model::RequestRedirect filter;
  filter.path = PathModifier{Type::kReplacePrefixMatch, "/new"};
  const auto answer = redirect(filter, {{"/old/x", "", false}, "/old", 80}, head, arena);
  EXPECT_EQ(answer.status, 302);
  EXPECT_EQ(answer.fields[0].value, "http://a.com/new/x");
  filter.path = PathModifier{Type::kReplaceFullPath, "/one?a=b#/c"};
  EXPECT_EQ(redirect(filter, {{"/x", "d", true}, "/", 80}, head, arena).fields[0].value, "http://a.com/one?a=b&d#/c");
  filter.path = PathModifier{Type::kReplaceFullPath, "/#/c"};
  EXPECT_EQ(redirect(filter, {{"/x", "d", true}, "/", 80}, head, arena).fields[0].value, "http://a.com/?d#/c");
}

std::string text_of(const http::Fields& fields) {
  std::string text;
  for (const auto& field : fields) text.append(field.name).append("=").append(field.value).append(" ");
  return text;
}

// HTTPHeaderFilter.set, .add, .remove.
TEST(Modify, SetsAddsAndRemoves) {
  struct {
    http::Fields fields;
    model::HeaderModifier modifier;
    std::string_view result;
  } const rows[] = {
      {{{"my-header", "foo"}}, {{{"my-header", "bar"}}, {}, {}}, "my-header=bar "},
      {{}, {{{"my-header", "bar"}}, {}, {}}, "my-header=bar "},
      {{{"a", "1"}, {"b", "2"}, {"a", "3"}}, {{{"a", "x"}}, {}, {}}, "a=x b=2 "},
      {{{"my-header", "foo"}}, {{}, {{"my-header", "bar,baz"}}, {}}, "my-header=foo my-header=bar,baz "},
      {{{"a", "1"}, {"b", "2"}, {"a", "3"}}, {{}, {}, {"a", "c"}}, "b=2 "},
      {{{"x", "1"}},
       {{{"content-length", "0"}, {":path", "/"}}, {{"transfer-encoding", "chunked"}}, {"connection"}},
       "x=1 "},
  };
  for (const auto& row : rows) {
    auto fields = row.fields;
    modify(row.modifier, fields);
    EXPECT_EQ(text_of(fields), row.result);
  }
  http::RequestHead head;
  head.authority = "a.com";
  const model::HeaderModifier host{{{"host", "b.com"}}, {}, {"host"}};  // outlives the head, as a filter does
  modify(host, head);
  EXPECT_EQ(head.authority, "b.com");
  EXPECT_TRUE(head.fields.empty());
}

struct Weighted {
  std::uint32_t weight;
};

TEST(Choice, FollowsWeights) {
  std::mt19937_64 random(1);
  const std::array<Weighted, 4> backends{{{1}, {0}, {3}, {6}}};
  std::array<int, 4> counts{};
  constexpr int kTurns = 100000;
  for (int i = 0; i < kTurns; ++i) ++counts[*pick_weighted(backends, random())];
  EXPECT_EQ(counts[1], 0);
  EXPECT_NEAR(counts[0], kTurns / 10, kTurns / 100);
  EXPECT_NEAR(counts[2], kTurns * 3 / 10, kTurns / 100);
  EXPECT_NEAR(counts[3], kTurns * 6 / 10, kTurns / 100);
  EXPECT_EQ(pick_weighted(backends, 0), 0u);
  EXPECT_EQ(pick_weighted(backends, ~std::uint64_t{0}), 3u);
  EXPECT_EQ(pick_weighted(std::array<Weighted, 2>{{{0}, {0}}}, 7), std::nullopt);
  EXPECT_EQ(pick_weighted(std::array<Weighted, 0>{}, 7), std::nullopt);
  EXPECT_EQ(pick_weighted(std::array<Weighted, 3>{{{0}, {1000000}, {0}}}, 7), 1u);
  const std::array<Weighted, 2> large{{{0xffffffff}, {0xffffffff}}};
  EXPECT_EQ(pick_weighted(large, ~std::uint64_t{0}), 1u);
}

TEST(Choice, FollowsFractions) {
  std::mt19937_64 random(2);
  struct {
    std::uint32_t numerator, denominator;
    double share;
  } const rows[] = {{0, 100, 0}, {100, 100, 1}, {42, 100, 0.42}, {1, 3, 1.0 / 3}, {5, 4, 1}, {1, 1, 1}};
  constexpr int kTurns = 100000;
  for (const auto& row : rows) {
    int count = 0;
    for (int i = 0; i < kTurns; ++i)
      if (in_fraction(row.numerator, row.denominator, random())) ++count;
    EXPECT_NEAR(count, row.share * kTurns, row.share == 0 || row.share == 1 ? 0 : kTurns / 100) << row.numerator;
  }
}

}  // namespace
}  // namespace fairlead::route
