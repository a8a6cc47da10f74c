// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/json.hpp"

#include <gtest/gtest.h>

namespace fairlead::auth {
namespace {

TEST(Json, RefusesWhatTwoReadersCouldTakeDifferently) {
  const std::string deep_good = std::string(32, '[') + std::string(32, ']');
  const std::string deep_bad = std::string(34, '[') + std::string(34, ']');
  const std::string bomb = "[" + std::string(20002, '1').replace(1, 1, ",") + "]";
  const std::pair<std::string, bool> rows[] = {
      {"{}", true},
      {" [1, -0.5e+3, true, false, null, \"a\"] ", true},
      {deep_good, true},
      {"\"\\u00e9\\ud83d\\ude00\\n\"", true},
      {"", false},
      {"{} {}", false},
      {"{\"a\":1,\"a\":1}", false},
      {"{\"a\":1,\"\\u0061\":2}", false},
      {"[{\"b\":1,\"b\":1}]", false},
      {"{\"a\":1,}", false},
      {"[1,]", false},
      {"{a:1}", false},
      {"{'a':1}", false},
      {"[01]", false},
      {"[+1]", false},
      {"[.5]", false},
      {"[1.]", false},
      {"[1e]", false},
      {"[NaN]", false},
      {"[nul]", false},
      {"\"\t\"", false},
      {"\"\\x41\"", false},
      {"\"\\ud800\"", false},
      {"\"\\udc00\"", false},
      {"\"\\u12\"", false},
      {"\"\xff\"", false},
      {"\"\xc0\x80\"", false},
      {"\"\xed\xa0\x80\"", false},
      {"\"a", false},
      {"{\"a\" 1}", false},
      {"/* */ 1", false},
      {"\xef\xbb\xbf{}", false},
      {std::string("{}\0", 3), false},
      {deep_bad, false},
  };
  for (const auto& [text, good] : rows) EXPECT_EQ(Json::parse(text).has_value(), good) << text;
  std::string many = "[1";
  for (int i = 0; i < 10000; ++i) many += ",1";
  EXPECT_FALSE(Json::parse(many + "]"));
}

TEST(Json, FindsMembersByPath) {
  const auto json = Json::parse(R"({"a":{"b":{"c":"x\ty"}},"https://a.example/roles":["r"],"n":12.5,"a.b":"whole"})");
  ASSERT_TRUE(json);
  EXPECT_EQ(json->find("a.b.c")->text, "x\ty");
  EXPECT_EQ(json->find("a.b")->text, "whole");
  EXPECT_EQ(json->first(*json->find("https://a.example/roles"))->text, "r");
  EXPECT_EQ(json->find("a.x"), nullptr);
  EXPECT_EQ(json->find("n.x"), nullptr);
  EXPECT_EQ(numeric_date(*json->find("n")), 12);
  EXPECT_FALSE(numeric_date(*json->find("a.b")));
}

TEST(Json, DatesStayWithinBounds) {
  for (const auto& [text, value] : {std::pair<const char*, std::int64_t>{"1e300", 9'000'000'000'000'000},
                                    {"-1e300", -9'000'000'000'000'000},
                                    {"1700000000.9", 1'700'000'000}}) {
    const auto json = Json::parse(text);
    EXPECT_EQ(numeric_date(json->root()), value) << text;
  }
  EXPECT_FALSE(numeric_date(Json::parse("1e999")->root()));
}

}  // namespace
}  // namespace fairlead::auth
