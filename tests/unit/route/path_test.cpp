// SPDX-License-Identifier: Apache-2.0
#include "fairlead/route/path.hpp"

#include <gtest/gtest.h>

#include <random>
#include <span>
#include <string>

#include "fairlead/route/query.hpp"

namespace fairlead::route {
namespace {

struct TargetRow {
  std::string_view target;
  std::string_view path;
  PathError error = PathError::kNone;
  std::string_view why = {};
};

void expect_rows(std::span<const TargetRow> rows, const PathOptions& options) {
  for (const auto& row : rows) {
    SCOPED_TRACE(std::string(row.target) + "  " + std::string(row.why));
    Arena arena;
    Target target;
    const auto error = parse_target(row.target, options, arena, target);
    EXPECT_EQ(name_of(error), name_of(row.error));
    if (error != PathError::kNone || row.error != PathError::kNone) continue;
    EXPECT_EQ(target.path, row.path);
    Target again;
    EXPECT_EQ(parse_target(target.path, options, arena, again), PathError::kNone);
    EXPECT_EQ(again.path, target.path) << "not a fixed point";
  }
}

TEST(Path, IsMadeNormal) {
  using enum PathError;
  constexpr TargetRow kRows[] = {
      {"/", "/"},
      {"*", "*", kNone, "RFC 9112 3.2.4"},
      {"/a/b/c", "/a/b/c"},
      {"/a.b/c..d/..e/.f", "/a.b/c..d/..e/.f", kNone, "dots inside of a segment"},
      {"/%7euser", "/~user", kNone, "RFC 3986 6.2.2.2"},
      {"/%7Euser", "/~user", kNone, "RFC 3986 6.2.2.2"},
      {"/%41%5a%61%7a%30%39%2d%2e%5f%7e", "/AZaz09-._~", kNone, "RFC 3986 2.3"},
      {"/a%c3%a9%3a", "/a%C3%A9%3A", kNone, "RFC 3986 6.2.2.1"},
      {"/a%20b", "/a%20b"},
      {"/a%25%34%31", "/a%2541", kNone, "decoded once only, RFC 3986 2.4"},
      {"/a%2541", "/a%2541", kNone, "RFC 3986 2.4"},
      {"/a%2fb%5cc", "/a%2Fb%5Cc", kNone, "kept"},
      {"/!$&'()*+,;=:@", "/!$&'()*+,;=:@", kNone, "RFC 3986 3.3, pchar"},
      {"/a/./b", "/a/b", kNone, "RFC 3986 5.2.4"},
      {"/a/../b", "/b", kNone, "RFC 3986 5.2.4"},
      {"/a/b/c/./../../g", "/a/g", kNone, "RFC 3986 5.2.4, its example"},
      {"/a/b/..", "/a/", kNone, "RFC 3986 5.2.4"},
      {"/a/b/.", "/a/b/", kNone, "RFC 3986 5.2.4"},
      {"/.", "/"},
      {"/..", "/"},
      {"/../../x", "/x", kNone, "above the root, RFC 3986 5.4.2"},
      {"/a/%2e%2E/b", "/b", kNone, "RFC 3986 6.2.2.3 after 6.2.2.2"},
      {"/a/.%2e/b", "/b"},
      {"/%2e", "/"},
      {"/a/..b/c", "/a/..b/c"},
      {"/a/...", "/a/..."},
      {"//", "/"},
      {"//a///b//", "/a/b/"},
      {"/a//../b", "/b", kNone, "merged first, so that '..' takes 'a'"},
      {"/a/;x=..;/b", "/a/;x=..;/b", kNone, "parameters are part of a segment"},
      {"/0123456789abcdef0123456789abcdef/../x", "/x", kNone, "behind two blocks"},
      {"/0123456789abcde//x", "/0123456789abcde/x", kNone, "slashes at the border of two blocks"},
      {"/0123456789abcde/.", "/0123456789abcde/", kNone, "the same with a dot"},
      {"", "", kNotAbsolute},
      {"a/b", "", kNotAbsolute},
      {"*a", "", kNotAbsolute},
      {"?a", "", kNotAbsolute},
      {"http://a/b", "", kNotAbsolute},
      {"/%", "", kTriplet, "RFC 3986 2.1"},
      {"/%4", "", kTriplet},
      {"/%4g", "", kTriplet},
      {"/%g4", "", kTriplet},
      {"/%u0041", "", kTriplet},
      {"/a%?b", "", kTriplet},
      {"/%00", "", kNul},
      {"/a b", "", kControl},
      {"/a\tb", "", kControl},
      {"/a\rb", "", kControl},
      {"/a\nb", "", kControl},
      {"/a\x7f", "", kControl},
      {"/\xc3\xa9", "", kNonAscii},
      {"/a#b", "", kFragment},
      {"/a?b#c", "", kFragment},
      {"/a?b c", "", kControl},
      {"/a?\xff", "", kNonAscii},
      {"/a\\b", "", kBackslash},
      {"/a\"", "", kCharacter},
      {"/<", "", kCharacter},
      {"/>", "", kCharacter},
      {"/[", "", kCharacter},
      {"/]", "", kCharacter},
      {"/^", "", kCharacter},
      {"/`", "", kCharacter},
      {"/{", "", kCharacter},
      {"/|", "", kCharacter},
      {"/}", "", kCharacter},
      {"/0123456789abcdef0123456789abcdef{", "", kCharacter, "behind two blocks"},
      {"/0123456789abcdef[123456789abcdef", "", kCharacter, "in a block"},
  };
  expect_rows(kRows, {});
}

TEST(Path, OptionsSayWhatBecomesOfSlashes) {
  using enum PathError;
  constexpr TargetRow kRefused[] = {{"/a%2Fb", "", kEncodedSlash}, {"/a%5cb", "", kEncodedSlash}, {"/a%2e", "/a."}};
  expect_rows(kRefused, {.encoded_slashes = EncodedSlashes::kRefuse});
  constexpr TargetRow kDecoded[] = {{"/a%2Fb%5Cc", "/a/b/c"}, {"/a%2f..%2fb", "/b"}, {"/a%252Fb", "/a%252Fb"}};
  expect_rows(kDecoded, {.encoded_slashes = EncodedSlashes::kDecode});
  constexpr TargetRow kBackslashes[] = {{"/a\\b", "/a/b"}, {"/a\\..\\b", "/b"}};
  expect_rows(kBackslashes, {.backslashes = Backslashes::kSlash});
  constexpr TargetRow kKept[] = {
      {"//a//b", "//a//b"}, {"/a//../b", "/a/b"}, {"//", "//"}, {"/a/../", "/"}, {"/a//.", "/a//"}};
  expect_rows(kKept, {.merge_slashes = false});
  constexpr TargetRow kEncoded[] = {{"/a[0]{x}|\"", "/a%5B0%5D%7Bx%7D%7C%22"}, {"/a b", "", kControl}};
  expect_rows(kEncoded, {.other_characters = OtherCharacters::kEncode});
}

TEST(Path, QueryStaysAsItIs) {
  Arena arena;
  Target target;
  ASSERT_EQ(parse_target("/a/../b?x=%41/../[1]|\\&&?%", {}, arena, target), PathError::kNone);
  EXPECT_EQ(target.path, "/b");
  EXPECT_EQ(target.query, "x=%41/../[1]|\\&&?%");
  EXPECT_TRUE(target.has_query);
  ASSERT_EQ(parse_target("/a?", {}, arena, target), PathError::kNone);
  EXPECT_TRUE(target.has_query);
  EXPECT_TRUE(target.query.empty());
  ASSERT_EQ(parse_target("/a", {}, arena, target), PathError::kNone);
  EXPECT_FALSE(target.has_query);
}

TEST(Path, NormalPathIsNotCopied) {
  Arena arena;
  Target target;
  const std::string text = "/users/0123456789/orders/a.b/c~d/index.html?x=//..";
  ASSERT_EQ(parse_target(text, {}, arena, target), PathError::kNone);
  EXPECT_EQ(target.path.data(), text.data());
  EXPECT_EQ(arena.bytes(), 0u);
}

// The vectorised look and the slow way must agree: a text behind "/%41" always takes the slow way.
TEST(Path, FastAndSlowWayAgree) {
  std::mt19937 random(1);
  constexpr std::string_view kParts[] = {
      "/", ".", "..", "a", "bc", "%41", "%", "[", "{", "|", "\\", "~", "0123456789abcdef"};
  for (int i = 0; i < 200000; ++i) {
    std::string text = "/";
    for (auto n = random() % 12; n > 0; --n) text += kParts[random() % std::size(kParts)];
    Arena arena;
    Target fast, slow;
    const std::string other = "/%41" + text;
    const auto error = parse_target(text, {}, arena, fast);
    ASSERT_EQ(name_of(error), name_of(parse_target(other, {}, arena, slow))) << text;
    // ".." may take the "A" in front with it.
    if (error == PathError::kNone && text.find("..") == std::string::npos) {
      ASSERT_EQ(fast.path, slow.path.substr(2)) << text;
    }
  }
}

TEST(Path, PrefixIsComparedByElements) {
  struct {
    std::string_view path, prefix;
    bool matches;
  } const rows[] = {{"/abc", "/abc", true},    {"/abc/", "/abc", true}, {"/abc/def", "/abc", true},
                    {"/abcd", "/abc", false},  {"/abc", "/abc/", true}, {"/abc/def", "/abc/", true},
                    {"/abcd", "/abc/", false}, {"/ab", "/abc", false},  {"/x", "/", true},
                    {"/", "/", true},          {"/ABC", "/abc", false}, {"/a/b", "/a/b/c", false}};
  for (const auto& row : rows)
    EXPECT_EQ(has_path_prefix(row.path, row.prefix), row.matches) << row.path << " " << row.prefix;
}

TEST(Query, FirstValueIsFoundDecoded) {
  struct {
    std::string_view query, name, text;
    bool found;
  } const rows[] = {{"a=1", "a", "1", true},     {"a=1&a=2", "a", "1", true},   {"b=0&a=1", "a", "1", true},
                    {"a", "a", "", true},        {"a=", "a", "", true},         {"", "a", "", false},
                    {"aa=1", "a", "", false},    {"A=1", "a", "", false},       {"%61=%31", "a", "1", true},
                    {"a=x+y", "a", "x y", true}, {"a=x%2By", "a", "x+y", true}, {"a=%zz%4", "a", "%zz%4", true},
                    {"a=b=c", "a", "b=c", true}, {"&&a=1", "a", "1", true},     {"a;b=1", "b", "", false},
                    {"a+b=1", "a b", "1", true}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.query);
    const auto encoded = find_query(row.query, row.name);
    ASSERT_EQ(encoded.has_value(), row.found);
    if (!encoded) continue;
    std::string text;
    decode_query(*encoded, text);
    EXPECT_EQ(text, row.text);
    EXPECT_TRUE(query_equals(*encoded, row.text));
    EXPECT_FALSE(query_equals(*encoded, std::string(row.text) + "x"));
  }
}

}  // namespace
}  // namespace fairlead::route
