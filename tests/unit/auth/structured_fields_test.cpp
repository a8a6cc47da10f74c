// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/structured_fields.hpp"

#include <gtest/gtest.h>

namespace fairlead::auth::structured {
namespace {

TEST(StructuredFields, WritesWhatItReadsInTheCanonicalForm) {
  const std::pair<std::string, std::string> kItems[] = {
      {"42", "42"},
      {"-0", "0"},
      {"007", "7"},
      {"-999999999999999", "-999999999999999"},
      {"4.5", "4.5"},
      {"4.50", "4.5"},
      {"-0.500", "-0.5"},
      {"1.0", "1.0"},
      {"  2  ", "2"},
      {R"("a \"b\" \\ c")", R"("a \"b\" \\ c")"},
      {"foo123/456", "foo123/456"},
      {"*a:b", "*a:b"},
      {":cHJldGVuZA==:", ":cHJldGVuZA==:"},
      {"::", "::"},
      {"?1", "?1"},
      {"?0;a", "?0;a"},
      {"abc;a=1;b;c=?1;a=2", "abc;a=2;b;c"},
      {"1; a=tok;  b=\"x\"", "1;a=tok;b=\"x\""},
  };
  for (const auto& [text, wanted] : kItems) {
    const auto item = parse_item(text);
    ASSERT_TRUE(item) << text;
    EXPECT_EQ(serialize(*item), wanted) << text;
  }
  const std::pair<std::string, std::string> kDictionaries[] = {
      {"", ""},
      {"a=1,b=2", "a=1, b=2"},
      {"a=1 \t, \t b;x=y, c=?0", "a=1, b;x=y, c=?0"},
      {"a=?1;z", "a;z"},
      {"a=1, b=2, a=(x \"y\");q", "a=(x \"y\");q, b=2"},
      {"a=( 1   2 )", "a=(1 2)"},
      {"a=()", "a=()"},
      {"sig1=(\"@method\";req \"x\");created=1", "sig1=(\"@method\";req \"x\");created=1"},
  };
  for (const auto& [text, wanted] : kDictionaries) {
    const auto dictionary = parse_dictionary(text);
    ASSERT_TRUE(dictionary) << text;
    EXPECT_EQ(serialize(*dictionary), wanted) << text;
  }
  const auto list = parse_list("a;x, (b c);y=1,  \"d\"");
  ASSERT_TRUE(list);
  EXPECT_EQ(serialize(*list), "a;x, (b c);y=1, \"d\"");
  EXPECT_TRUE(parse_list("")->empty());
}

TEST(StructuredFields, RefusesWhatBreaksTheGrammar) {
  for (const auto* bad : {"",
                          " ",
                          "a b",
                          "1 2",
                          "-",
                          "1.",
                          "1.2345",
                          "1234567890123456",
                          "1234567890123.1",
                          "\"a",
                          "\"\\a\"",
                          "\"\t\"",
                          "\"\x7f\"",
                          ":a:",
                          ":YQ=:",
                          ":YQ",
                          ":YR==:",
                          "?2",
                          "?",
                          "1;",
                          "1;A",
                          "1;a=",
                          "\tx",
                          "é",
                          "(a)",
                          "a,b",
                          "--1",
                          "+1",
                          "@x",
                          "=",
                          "1;a =2"})
    EXPECT_FALSE(parse_item(bad)) << bad;
  for (const auto* bad : {"a=1,", ",a=1", "a=1,,b=2", "a=1 b=2", "A=1", "a=", "a=(1", "a=(1,2)", "a=(1\t2)", "a=1;",
                          "1", "a=(\"x\"\"y\")", "a==1", "a=1\n", "a=((1))"})
    EXPECT_FALSE(parse_dictionary(bad)) << bad;
  for (const auto* bad : {"a,", ",", "a;", "(a", "a)"}) EXPECT_FALSE(parse_list(bad)) << bad;
}

// Section 3: as many as every parser has to take.
TEST(StructuredFields, TakesWhatIsLarge) {
  std::string list = "a;b", dictionary = "a0=1", inner = "(0", parameters = "a;b0=1";
  for (int i = 1; i < 1024; ++i) {
    list += ", a;b";
    dictionary += ", a" + std::to_string(i) + "=1";
    if (i >= 256) continue;
    inner += " " + std::to_string(i);
    parameters += ";b" + std::to_string(i) + "=1";
  }
  EXPECT_TRUE(parse_list(list) && parse_list(list)->size() == 1024);
  const auto many = parse_dictionary(dictionary + ", a7=2, a9, a7=3");
  ASSERT_TRUE(many && many->size() == 1024);
  EXPECT_EQ((*many)[7].first, "a7");
  EXPECT_EQ(serialize((*many)[7].second), "3");
  EXPECT_EQ(serialize((*many)[9].second), "?1");
  EXPECT_EQ((*many)[1023].first, "a1023");
  EXPECT_TRUE(parse_list(inner + ")"));
  const auto item = parse_item(parameters);
  EXPECT_TRUE(item && item->parameters.size() == 256);
}

TEST(StructuredFields, TakesABoundedNumberOfParts) {
  std::string text = "a";
  for (std::size_t i = 0; i + 1 < kMostParts; ++i) text += ",a";
  EXPECT_TRUE(parse_list(text));
  EXPECT_FALSE(parse_list(text + ",a"));
  std::string parameters = "a";
  for (std::size_t i = 0; i < kMostParts; ++i) parameters += ";a";
  EXPECT_FALSE(parse_item(parameters));
}

}  // namespace
}  // namespace fairlead::auth::structured
