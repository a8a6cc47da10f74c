// SPDX-License-Identifier: Apache-2.0
#include "fairlead/route/authority.hpp"

#include <gtest/gtest.h>

#include <string>

namespace fairlead::route {
namespace {

TEST(Authority, IsParsed) {
  using enum AuthorityError;
  using enum HostKind;
  const std::string longest = std::string(63, 'a') + "." + std::string(191, 'b');
  struct {
    std::string text, host;
    std::uint16_t port = 0;
    HostKind kind = kName;
    AuthorityError error = kNone;
  } const rows[] = {
      {"example.com", "example.com"},
      {"Example.COM", "example.com"},                       // RFC 3986 6.2.2.1
      {"example.com:8080", "example.com", 8080},
      {"example.com:", "example.com"},                      // RFC 3986 3.2.3: an empty port is the default
      {"example.com.", "example.com"},                      // the root's dot, RFC 1034 3.1
      {"example.com.:80", "example.com", 80},
      {"xn--bcher-kva.example", "xn--bcher-kva.example"},   // IDNA is left as it is
      {"a_b.example", "a_b.example"},                       // reg-name, RFC 3986 3.2.2
      {"localhost", "localhost"},
      {"10.0.0.1", "10.0.0.1", 0, kIpv4},
      {"10.0.0.1:65535", "10.0.0.1", 65535, kIpv4},
      {"10.0.0.256", "10.0.0.256"},
      {"[::1]", "::1", 0, kIpv6},
      {"[2001:DB8::1]:443", "2001:db8::1", 443, kIpv6},
      {longest, longest},
      {"", "", 0, kName, kEmpty},                           // RFC 9110 4.2.1
      {":80", "", 0, kName, kEmpty},
      {"[]", "", 0, kName, kAddress},
      {"[::1", "", 0, kName, kAddress},
      {"[::1]x", "", 0, kName, kAddress},
      {"[10.0.0.1]", "", 0, kName, kAddress},
      {"[fe80::1%25eth0]", "", 0, kName, kAddress},         // zones mean nothing to another host, RFC 6874 3
      {"[v1.a]", "", 0, kName, kAddress},
      {"::1", "", 0, kName, kEmpty},
      {"user@example.com", "", 0, kName, kUserinfo},        // RFC 9110 4.2.4
      {"user:pass@example.com", "", 0, kName, kUserinfo},
      {"a:80@b", "", 0, kName, kUserinfo},
      {"a b", "", 0, kName, kCharacter},
      {"a/b", "", 0, kName, kCharacter},
      {"a?b", "", 0, kName, kCharacter},
      {"a#b", "", 0, kName, kCharacter},
      {"a\\b", "", 0, kName, kCharacter},
      {"a%41", "", 0, kName, kCharacter},
      {"b\xc3\xbc"
       "cher.example",
       "", 0, kName, kCharacter},
      {std::string("a\0b", 3), "", 0, kName, kCharacter},
      {".", "", 0, kName, kLabel},
      {".example.com", "", 0, kName, kLabel},
      {"a..b", "", 0, kName, kLabel},
      {"a..", "", 0, kName, kLabel},
      {longest + "c", "", 0, kName, kTooLong},
      {"a:65536", "", 0, kName, kPort},
      {"a:0", "", 0, kName, kPort},
      {"a:-1", "", 0, kName, kPort},
      {"a:8a", "", 0, kName, kPort},
      {"a:80:80", "", 0, kName, kPort},
      {"a:99999999999999999999", "", 0, kName, kPort},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.text);
    Arena arena;
    Authority authority;
    const auto error = parse_authority(row.text, arena, authority);
    ASSERT_EQ(name_of(error), name_of(row.error));
    if (error != kNone) continue;
    EXPECT_EQ(authority.host, row.host);
    EXPECT_EQ(authority.port, row.port);
    EXPECT_EQ(authority.kind, row.kind);
  }
}

TEST(Authority, LowerCaseIsNotCopied) {
  const std::string text = "example.com:80";
  Arena arena;
  Authority authority;
  ASSERT_EQ(parse_authority(text, arena, authority), AuthorityError::kNone);
  EXPECT_EQ(authority.host.data(), text.data());
  EXPECT_EQ(arena.bytes(), 0u);
}

// Gateway API, HTTPRouteSpec.hostnames and Listener.hostname.
TEST(Host, PatternsMatch) {
  struct {
    std::string_view pattern, host;
    bool matches;
  } const rows[] = {{"", "a.example", true},
                    {"test.example.com", "test.example.com", true},
                    {"test.example.com", "a.test.example.com", false},
                    {"*.example.com", "test.example.com", true},
                    {"*.example.com", "foo.test.example.com", true},
                    {"*.example.com", "example.com", false},
                    {"*.example.com", ".example.com", false},
                    {"*.example.com", "badexample.com", false},
                    {"*.com", "example.com", true}};
  for (const auto& row : rows)
    EXPECT_EQ(host_matches(row.pattern, row.host), row.matches) << row.pattern << " " << row.host;
}

TEST(Host, PatternsIntersect) {
  struct {
    std::string_view a, b;
    std::optional<std::string_view> both;
  } const rows[] = {{"", "", ""},
                    {"", "*.a.com", "*.a.com"},
                    {"a.com", "a.com", "a.com"},
                    {"a.com", "b.com", std::nullopt},
                    {"*.com", "a.com", "a.com"},
                    {"*.a.com", "a.com", std::nullopt},
                    {"*.a.com", "*.com", "*.a.com"},
                    {"*.a.com", "*.b.com", std::nullopt},
                    {"*.a.com", "*.xa.com", std::nullopt},
                    {"*.a.com", "x.y.a.com", "x.y.a.com"}};
  for (const auto& row : rows) {
    EXPECT_EQ(host_intersection(row.a, row.b), row.both) << row.a << " " << row.b;
    EXPECT_EQ(host_intersection(row.b, row.a), row.both) << row.b << " " << row.a;
  }
}

TEST(Host, NamesAreChecked) {
  for (const auto* good : {"a", "a.b", "a-b.c", "*.a", "1a.b"}) EXPECT_TRUE(is_hostname(good, true)) << good;
  for (const auto* bad :
       {"", "*", "*.", "a*.b", "A.b", "a..b", "a.", "-a", "a-", "a_b", "10.0.0.1", "::1", "*.*.a", "a/b"})
    EXPECT_FALSE(is_hostname(bad, true)) << bad;
  EXPECT_FALSE(is_hostname("*.a", false));
}

}  // namespace
}  // namespace fairlead::route
