// SPDX-License-Identifier: Apache-2.0
// What the quick reader takes it reads as libfyaml does; what it does not take it leaves alone. quick_fuzz compares
// more.
#include "gateway/dataplane/config/quick_reader.hpp"

#include <gtest/gtest.h>

#include <string>

#include "support/trees.hpp"

namespace fairlead::config {
namespace {

struct Case {
  const char* name;
  std::string text;
  bool json = false;
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.text; }

std::string deep(std::size_t levels, bool json) {
  std::string text;
  for (std::size_t level = 0; level < levels; ++level) text += json ? "[" : std::string(level, ' ') + "a:\n";
  return json ? text + std::string(levels, ']') : text + std::string(levels, ' ') + "b: c\n";
}

class Taken : public testing::TestWithParam<Case> {};

TEST_P(Taken, IsReadAsByLibfyaml) {
  const auto& [name, text, json] = GetParam();
  Tree quick;
  ASSERT_TRUE(read_quick(text, json, quick));
  Tree thorough;
  TreeReader reader(text, json, false);
  ASSERT_EQ(reader.next(thorough), TreeReader::Outcome::kDocument) << reader.error().message;
  EXPECT_EQ(test::difference(quick, Tree::root(), thorough, Tree::root()), std::nullopt);
  Tree rest;
  EXPECT_EQ(reader.next(rest), TreeReader::Outcome::kEnd);
}

const Case kTaken[] = {
    {"Mapping", "a: b\nc: d\n"},
    {"WithoutLastLineEnd", "a: b"},
    {"Nested", "a:\n  b:\n    c: 1\n  d: 2\ne: 3\n"},
    {"SequenceInMapping", "a:\n  - b\n  - c\nd: e\n"},
    {"SequenceAtTheIndentOfItsKey", "a:\n- b\n- c\nd: e\n"},
    {"MappingsInSequence", "- a: b\n  c: d\n- a: e\n"},
    {"SequencesInSequence", "- - a\n  - b\n-   - c\n"},
    {"ItemBehindItsDash", "-\n  a: b\n-\n  - c\n"},
    {"Separator", "---\na: b\n"},
    {"CommentsAndBlankLines", "# one\n\na: b # two\n  # three\nc: # four\n  d: e\n\n# five"},
    {"BlanksAtTheEnd", "a: b  \nc:   \n"},
    {"Nulls", "a:\nb: null\nc: ~\nd: \"null\"\n"},
    {"Quotes", "a: \"b: c # d\"\ne: 'f \\ g'\n\"443\": \"\"\n"},
    {"Escapes", "a: \"b\\\"c\\\\d\\/e\\nf\\tg\"\n"},
    {"EscapesInKeys", "- \"a\\\"b\": c\n"},
    {"Flow", "a: {b: c, d: [e, 'f', \"g\"], h: {}, i: []}\n"},
    {"FlowOfAWholeDocument", "{a: b, c: [1, 2]}\n"},
    {"FlowInSequence", "- {a: b}\n- [c]\n- x y\n"},
    {"ColonsAndHashesWithin", "a: http://b:80/#c\nd: 10:20\ne: {f: g:h}\n"},
    {"Numbers", "a: -1\nb: 0x10\nc: 1e3\nd: .5\ne: [-1]\n"},
    {"AnnotationsOfKubernetes", "metadata:\n  annotations:\n    a.b/c-d_e: f\n"},
    {"ListItem", "  - apiVersion: v1\n    kind: Service\n"},
    {"ManyKeys", "a: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\ng: 1\nh: 1\ni: 1\nj: 1\nk: 1\nl: 1\nm: 1\nn: 1\n"},
    {"Depth", deep(50, false)},
    {"JsonObject", R"({"a": "b", "c": [1, -2.5e3, true, false, null], "d": {}, "e": []})", true},
    {"JsonOfManyLines", "\n{\n\t\"a\" : {\r\n    \"b\": \"c\\n\\\"d\\\"\"\n  }\n}\n", true},
    {"JsonNull", "{\"a\":\n  null}", true},
    {"JsonDepth", deep(50, true), true},
};
INSTANTIATE_TEST_SUITE_P(QuickReader, Taken, testing::ValuesIn(kTaken), [](const auto& one) { return one.param.name; });

class Left : public testing::TestWithParam<Case> {};

TEST_P(Left, IsForLibfyaml) {
  const auto& [name, text, json] = GetParam();
  Tree quick;
  EXPECT_FALSE(read_quick(text, json, quick));
  EXPECT_TRUE(quick.empty());
}

const Case kLeft[] = {
    {"Nothing", ""},
    {"OnlyAComment", "# a\n"},
    {"AScalar", "a\n"},
    {"TwoDocuments", "a: b\n---\nc: d\n"},
    {"EndOfDocument", "a: b\n...\n"},
    {"BehindTheSeparator", "--- {a: b}\n"},
    {"Anchor", "a: &b c\n"},
    {"Alias", "a: *b\n"},
    {"Tag", "a: !!str 1\n"},
    {"MergeKey", "<<: {a: b}\n"},
    {"Literal", "a: |\n  b\n"},
    {"Folded", "a: >\n  b\n"},
    {"ScalarOfTwoLines", "a: b\n  c\n"},
    {"ScalarOnTheNextLine", "a:\n  b\n"},
    {"QuotesOverLines", "a: \"b\n  c\"\n"},
    {"FlowOverLines", "a: [b,\n  c]\n"},
    {"QuoteInQuotes", "a: 'it''s'\n"},
    {"OtherEscape", "a: \"\\u00e4\"\n"},
    {"NotAscii", "a: \xc3\xa4\n"},
    {"NotAsciiInComment", "a: b # \xc3\xa4\n"},
    {"Tab", "a:\tb\n"},
    {"WindowsLineEnd", "a: b\r\n"},
    {"ByteOrderMark",
     "\xef\xbb\xbf"
     "a: b\n"},
    {"ComplexKey", "? a\n: b\n"},
    {"KeyWithBlank", "a b: c\n"},
    {"KeyTwice", "a: b\na: c\n"},
    {"KeyTwiceOfMany", "a: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\ng: 1\nh: 1\ni: 1\nj: 1\nk: 1\nl: 1\nm: 1\na: 1\n"},
    {"KeyTwiceInFlow", "a: {b: c, b: d}\n"},
    {"LongKey", std::string(1200, 'a') + ": b\n"},
    {"EmptyItem", "- a\n-\n"},
    {"PairInSequence", "[a: b]\n"},
    {"KeyWithoutValue", "{a, b}\n"},
    {"CommaAtTheEnd", "[a, b,]\n"},
    {"OpenFlow", "a: {b: c\n"},
    {"BehindFlow", "a: {b: c} d\n"},
    {"BehindQuotes", "a: \"b\" c\n"},
    {"ColonInScalar", "a: b: c\n"},
    {"IndentBetween", "a:\n    b: c\n  d: e\n"},
    {"ItemsAndKeys", "- a\nb: c\n"},
    {"KeysAndItems", "a: b\n- c\n"},
    {"Directive", "%YAML 1.2\n---\na: b\n"},
    {"Depth", deep(70, false)},
    {"JsonDepth", deep(70, true), true},
    {"JsonScalar", "\"a\"\t", true},  // libfyaml takes no tab there
    {"JsonTwice", "{\"a\": 1}\n{\"b\": 2}\n", true},
    {"JsonKeyTwice", R"({"a": 1, "a": 2})", true},
    {"JsonWithoutQuotes", "{a: 1}", true},
    {"JsonSingleQuotes", "{'a': 1}", true},
    {"JsonLeadingZero", "[01]", true},
    {"JsonPoint", "[1.]", true},
    {"JsonSign", "[+1]", true},
    {"JsonExponent", "[1e]", true},
    {"JsonWord", "[yes]", true},
    {"JsonUnicode", R"(["\u0041"])", true},
    {"JsonCommaAtTheEnd", "[1,]", true},
    {"JsonComment", "{} # a", true},
    {"JsonOpen", "{\"a\": [1", true},
};
INSTANTIATE_TEST_SUITE_P(QuickReader, Left, testing::ValuesIn(kLeft), [](const auto& one) { return one.param.name; });

/// The reader of trees goes on by itself where the quick one cannot.
TEST(QuickReader, LeavesNoTraceOfWhatItLeft) {
  Tree tree;
  TreeReader reader("a: b\nc: |\n  d\n", false);
  ASSERT_EQ(reader.next(tree), TreeReader::Outcome::kDocument);
  Tree thorough;
  TreeReader other("a: b\nc: |\n  d\n", false, false);
  ASSERT_EQ(other.next(thorough), TreeReader::Outcome::kDocument);
  EXPECT_EQ(test::difference(tree, Tree::root(), thorough, Tree::root()), std::nullopt);
  EXPECT_EQ(reader.next(tree), TreeReader::Outcome::kEnd);
}

TEST(QuickReader, EndsBehindTheDocument) {
  Tree tree;
  TreeReader reader("a: b\n", false);
  ASSERT_EQ(reader.next(tree), TreeReader::Outcome::kDocument);
  EXPECT_EQ(reader.next(tree), TreeReader::Outcome::kEnd);
  EXPECT_EQ(reader.next(tree), TreeReader::Outcome::kEnd);
}

}  // namespace
}  // namespace fairlead::config
