// SPDX-License-Identifier: Apache-2.0
#include "fairlead/change/json.hpp"

#include <gtest/gtest.h>

namespace fairlead::change {
namespace {

std::string rewritten(std::string_view text) {
  Json json;
  if (!json.parse(text)) return std::string("! ").append(json.error().what);
  std::string out;
  json.write(json.root(), out);
  return out;
}

TEST(Json, KeepsWhatItReads) {
  for (const char* text :
       {"null", "true", "0", "-0", "1e400", "12345678901234567890123", "0.10", "1E+2", "-0.0", "\"\"", "[]", "{}",
        R"({"a":[1,{"b":null}],"c":"d"})", "\"\xc3\xa9\xf0\x9f\x98\x80\"", R"("a\"b\\c\n\u0001")"})
    EXPECT_EQ(rewritten(text), text);
  EXPECT_EQ(rewritten(" { \"a\" : [ 1 , 2 ] }\r\n"), R"({"a":[1,2]})");
  EXPECT_EQ(rewritten(R"("\u00e9\ud83d\ude00\/")"), "\"\xc3\xa9\xf0\x9f\x98\x80/\"");
}

TEST(Json, RefusesWhatParsersDisagreeOn) {
  constexpr std::pair<const char*, const char*> kBad[] = {
      {"", "no value"},
      {" ", "no value"},
      {"{\"a\":1,\"a\":2}", "a name twice in one mapping"},
      {R"({"a":1,"\u0061":2})", "a name twice in one mapping"},
      {"{\"a\":1,}", "a comma behind the last item"},
      {"[1,]", "a comma behind the last item"},
      {"[,1]", "no value of JSON"},
      {"[1 2]", "no comma between items"},
      {"[1", "a list or mapping without an end"},
      {"[1]]", "something behind the document"},
      {"1 2", "something behind the document"},
      {"{a:1}", "a member without a name in quotes"},
      {"{\"a\" 1}", "a name without a colon"},
      {"01", "something behind the document"},
      {"+1", "no value of JSON"},
      {".5", "no value of JSON"},
      {"1.", "no value of JSON"},
      {"1e", "no value of JSON"},
      {"-", "no value of JSON"},
      {"NaN", "no value of JSON"},
      {"Infinity", "no value of JSON"},
      {"nul", "no value of JSON"},
      {"'a'", "no value of JSON"},
      {"/**/1", "no value of JSON"},
      {"\xef\xbb\xbf{}", "no value of JSON"},
      {"\"a", "a string without an end"},
      {"\"a\nb\"", "a control character in a string"},
      {"\"\\x41\"", "an escape that JSON does not have"},
      {"\"\\u12\"", "\\u without four digits"},
      {"\"\\ud800\"", "half of a surrogate pair"},
      {"\"\\ud800\\u0041\"", "half of a surrogate pair"},
      {"\"\\udc00\"", "half of a surrogate pair"},
      {"\"\xff\"", "a string that is no UTF-8"},
      {"\"\xc0\x80\"", "a string that is no UTF-8"},
      {"\"\xed\xa0\x80\"", "a string that is no UTF-8"},
  };
  for (const auto& [text, why] : kBad) EXPECT_EQ(rewritten(text), std::string("! ") + why) << text;
}

TEST(Json, BoundsDepthAndCount) {
  Json json;
  EXPECT_TRUE(json.parse(std::string(1000, '1')));
  EXPECT_FALSE(json.parse(std::string(1001, '1')));
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(json.parse(nested(64)));
  EXPECT_FALSE(json.parse(nested(65)));
  EXPECT_EQ(json.error().what, "nested too deeply");
  EXPECT_EQ(json.error().offset, 64U);
  EXPECT_FALSE(json.parse(std::string(1'000'000, '[')));
  EXPECT_FALSE(json.parse(std::string(1'000'000, '{')));
  std::string many = "[0";
  for (int i = 0; i < 100; ++i) many += ",0";
  EXPECT_FALSE(json.parse(many + "]", {.depth = 4, .nodes = 101}));
  EXPECT_EQ(json.error().what, "too many values");
  EXPECT_TRUE(json.parse(many + "]", {.depth = 4, .nodes = 102}));
}

TEST(JsonNumber, ComparesExactly) {
  struct Row {
    const char* a;
    const char* b;
    int order;
  };
  constexpr Row kRows[] = {{"1", "1.0", 0},
                           {"1", "10e-1", 0},
                           {"1e400", "1e399", 1},
                           {"-1e400", "1", -1},
                           {"0", "-0.0", 0},
                           {"0.1", "0.10", 0},
                           {"0.1", "0.100000000000000000001", -1},
                           {"12345678901234567890123", "12345678901234567890124", -1},
                           {"-2", "-1", -1},
                           {"9", "10", -1},
                           {"0e999999999999999999999", "0", 0},
                           {"1e99999999999999999999999", "1", 1},
                           {"1e-99999999999999999999999", "1", -1}};
  for (const auto& row : kRows) {
    EXPECT_EQ(compare_numbers(row.a, row.b), row.order) << row.a << " " << row.b;
    EXPECT_EQ(compare_numbers(row.b, row.a), -row.order) << row.a << " " << row.b;
  }
  EXPECT_TRUE(is_integer("1.0"));
  EXPECT_TRUE(is_integer("1e400"));
  EXPECT_TRUE(is_integer("0.5e1"));
  EXPECT_FALSE(is_integer("1.5"));
  EXPECT_FALSE(is_integer("1e-1"));
  EXPECT_TRUE(is_multiple("0.3", "0.1"));
  EXPECT_TRUE(is_multiple("12345678901234567890123000", "1000"));
  EXPECT_FALSE(is_multiple("12345678901234567890123", "2"));
  EXPECT_TRUE(is_multiple("1e999999999999", "32"));
  EXPECT_FALSE(is_multiple("1e999999999999", "3"));
  EXPECT_FALSE(is_multiple("0.00751", "0.01"));
}

TEST(JsonPath, Reads) {
  for (const char* good : {"", "a", "a.b", "a[0].b", "[1]", "a[\"x.y\"]", "/a/0", "/a~1b/~0", "/"})
    EXPECT_TRUE(parse_json_path(good)) << good;
  for (const char* bad :
       {".", "a.", ".a", "a..b", "a[", "a[x]", "a[-1]", "a[01]", "a b", "a]", "a[0]b", "/~2", "a[9999999]", "a.\xea"})
    EXPECT_FALSE(parse_json_path(bad)) << bad;
}

struct Edit {
  const char* before;
  JsonEdit how;
  const char* path;
  const char* value;
  const char* after;  ///< null: refused, and nothing changes
};

TEST(JsonEdit, ChangesOnePlace) {
  using enum JsonEdit;
  constexpr Edit kRows[] = {
      {"{}", kSet, "a.b.c", "1", R"({"a":{"b":{"c":1}}})"},
      {"{}", kSet, "a[0]", "1", R"({"a":[1]})"},
      {"{}", kSet, "a[1]", "1", nullptr},
      {R"({"a":1,"b":2})", kSet, "a", "\"x\"", R"({"a":"x","b":2})"},
      {R"({"a":1})", kSet, "a.b", "2", nullptr},
      {R"({"a":1})", kAdd, "a", "2", R"({"a":1})"},
      {R"({"a":1})", kAdd, "b", "2", R"({"a":1,"b":2})"},
      {R"({"a":1})", kReplace, "b", "2", nullptr},
      {R"({"a":1})", kReplace, "a", "2", R"({"a":2})"},
      {R"({"a":[1]})", kAppend, "a", "2", R"({"a":[1,2]})"},
      {R"({"a":1})", kAppend, "a", "2", R"({"a":[1,2]})"},
      {R"({})", kAppend, "a", "2", R"({"a":[2]})"},
      {R"({"a":[1,2,3]})", kSet, "a[1]", "9", R"({"a":[1,9,3]})"},
      {R"({"a":[1,2,3]})", kSet, "/a/2", "9", R"({"a":[1,2,9]})"},
      {R"({"a":[1]})", kSet, "a[1]", "9", R"({"a":[1,9]})"},
      {R"({"a":[1]})", kSet, "a[2]", "9", nullptr},
      {R"([1])", kSet, "", "{\"n\":1e400}", R"({"n":1e400})"},
      {R"({"0":1})", kSet, "/0", "2", R"({"0":2})"},
      {R"({"a":1})", kSet, "a\xc3\xa9", "2", "{\"a\":1,\"a\xc3\xa9\":2}"},
  };
  for (const auto& row : kRows) {
    Json json, other;
    ASSERT_TRUE(json.parse(row.before));
    ASSERT_TRUE(other.parse(row.value));
    const auto path = parse_json_path(row.path);
    ASSERT_TRUE(path);
    EXPECT_EQ(edit(json, *path, row.how, json.copy(other, other.root())), row.after != nullptr) << row.path;
    std::string out;
    json.write(json.root(), out);
    EXPECT_EQ(out, row.after != nullptr ? row.after : row.before) << row.path;
  }
}

TEST(JsonEdit, RemovesAndRenames) {
  struct Row {
    const char* before;
    const char* from;
    const char* to;  ///< null: removed
    const char* after;
    bool done;
  };
  constexpr Row kRows[] = {
      {R"({"a":1,"b":2,"c":3})", "b", nullptr, R"({"a":1,"c":3})", true},
      {R"({"a":1})", "a", nullptr, "{}", true},
      {R"([1,2,3])", "[2]", nullptr, "[1,2]", true},
      {R"({"a":1})", "b", nullptr, R"({"a":1})", false},
      {R"({"a":1})", "", nullptr, R"({"a":1})", false},
      {R"({"a":{"x":[1]},"b":2})", "a", "c.d", R"({"b":2,"c":{"d":{"x":[1]}}})", true},
      {R"({"a":1,"b":2})", "a", "b", R"({"b":1})", true},
      {R"({"a":1})", "a", "a", R"({"a":1})", true},
      {R"({"a":{"a":1}})", "a.a", "a", R"({"a":1})", true},
      {R"({"a":{"b":1}})", "a", "a.c", R"({"a":{"b":1}})", false},
      {R"({"a":1,"b":2})", "a", "b.c", R"({"a":1,"b":2})", false},
  };
  for (const auto& row : kRows) {
    Json json;
    ASSERT_TRUE(json.parse(row.before));
    const auto from = *parse_json_path(row.from);
    EXPECT_EQ(row.to == nullptr ? remove(json, from) : rename(json, from, *parse_json_path(row.to)), row.done)
        << row.before;
    std::string out;
    json.write(json.root(), out);
    EXPECT_EQ(out, row.after);
  }
}

}  // namespace
}  // namespace fairlead::change
