// SPDX-License-Identifier: Apache-2.0
#include "fairlead/change/schema.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace fairlead::change {
namespace {

/// Whether `value` conforms; nothing where the schema does not compile.
std::optional<bool> conforms(std::string_view schema, std::string_view value, SchemaReport* report = nullptr,
                             SchemaDialect dialect = SchemaDialect::kBySchema) {
  Json document, instance;
  if (!document.parse(schema) || !instance.parse(value)) return std::nullopt;
  SchemaSet set(document, dialect);
  const auto index = set.add(document.root());
  if (!index) {
    if (report != nullptr) report->problems.push_back({"", index.error().message});
    return std::nullopt;
  }
  return set.validate(*index, instance, instance.root(), report);
}

std::string contents(const std::filesystem::path& file) {
  std::ostringstream out;
  out << std::ifstream(file).rdbuf();
  return out.str();
}

/// Debian's copy of the official suite. What it holds of remote references cannot be: nothing is loaded over the net.
TEST(SchemaSuite, AgreesWithDraft7) {
  constexpr std::string_view kRemote[] = {"refRemote.json", "definitions.json"};
  constexpr std::string_view kGroups[] = {"remote ref, containing refs itself",
                                          "validate definition against metaschema"};
  std::size_t checked = 0;
  for (const auto& entry : std::filesystem::directory_iterator(FL_SCHEMA_SUITE "/draft7")) {
    if (entry.path().extension() != ".json" ||
        std::ranges::find(kRemote, entry.path().filename().string()) != std::end(kRemote))
      continue;
    for (const auto& group : nlohmann::json::parse(contents(entry.path()))) {
      if (std::ranges::find(kGroups, group["description"].get<std::string>()) != std::end(kGroups)) continue;
      for (const auto& test : group["tests"]) {
        ++checked;
        SchemaReport report;
        const auto found = conforms(group["schema"].dump(), test["data"].dump(), &report, SchemaDialect::kDraft7);
        EXPECT_EQ(found, std::optional(test["valid"].get<bool>()))
            << entry.path().filename() << ": " << group["description"] << ": " << test["description"] << " "
            << (report.problems.empty() ? "" : report.problems[0].what);
      }
    }
  }
  EXPECT_GT(checked, 400U);
}

struct SchemaRow {
  const char* schema;
  const char* good;
  const char* bad;
  const char* where;
  const char* what;
};

TEST(Schema, SaysWhatIsWrongAndWhere) {
  constexpr SchemaRow kRows[] = {
      {R"({"type":"object","required":["a"]})", R"({"a":1})", "{}", "", "lacks a"},
      {R"({"properties":{"a":{"type":["string","null"]}}})", R"({"a":null})", R"({"a":1})", "/a",
       "expected null or a string, found a number"},
      {R"({"items":{"minimum":1}})", "[1,2]", "[1,0]", "/1", "expected at least 1"},
      {R"({"maximum":12345678901234567890123})", "12345678901234567890123", "12345678901234567890124", "",
       "expected at most 12345678901234567890123"},
      {R"({"type":"integer"})", "1.0", "1.5", "", "expected an integer, found a number"},
      {R"({"additionalProperties":false,"properties":{"a~/b":{}}})", R"({"a~/b":1})", R"({"c/~":1})", "/c~1~0",
       "no member of this name is allowed"},
      {R"({"enum":[1,"a",{"b":[1]}]})", R"({"b":[1.0]})", "2", "", "expected one of the 3 values"},
      {R"({"pattern":"^a+$"})", "\"aa\"", "\"ab\"", "", "expected a string that matches ^a+$"},
      {R"({"uniqueItems":true})", "[1,2,{\"a\":1}]", "[{\"a\":1,\"b\":2},{\"b\":2.0,\"a\":1}]", "",
       "items that differ"},
      {R"({"format":"date-time"})", "\"2026-02-28T23:59:60.5+01:00\"", "\"2026-02-29T00:00:00Z\"", "", "of the format"},
      {R"({"format":"uuid"})", "\"01234567-89ab-CDEF-0123-456789abcdef\"", "\"01234567\"", "", "of the format"},
      {R"({"format":"ipv4"})", "\"10.0.0.1\"", "\"10.0.0\"", "", "of the format"},
      {R"({"format":"int64"})", "9223372036854775807", "9223372036854775808", "", "an integer of 64 bits"},
      // 2020-12
      {R"({"prefixItems":[{"type":"string"}],"items":false})", "[\"a\"]", "[\"a\",1]", "/1", "nothing may stand here"},
      {R"({"$defs":{"n":{"$anchor":"num","type":"number"}},"$ref":"#num","minimum":3})", "3", "2", "", "at least 3"},
      {R"({"contains":{"const":1},"minContains":2,"maxContains":3})", "[1,1]", "[1]", "", "at least 2 items"},
      {R"({"dependentRequired":{"a":["b"]}})", R"({"a":1,"b":1})", R"({"a":1})", "", "lacks b"},
      {R"({"dependentSchemas":{"a":{"required":["c"]}}})", R"({"b":1})", R"({"a":1})", "", "lacks c"},
      {R"({"allOf":[{"properties":{"a":true}}],"unevaluatedProperties":false})", R"({"a":1})", R"({"a":1,"b":2})", "/b",
       "nothing may stand here"},
      {R"({"anyOf":[{"properties":{"a":{"const":1}},"required":["a"]},{"properties":{"b":true},"required":["b"]}],
           "unevaluatedProperties":false})",
       R"({"a":1})", R"({"a":2,"b":1})", "/a", "nothing may stand here"},
      {R"({"prefixItems":[true],"unevaluatedItems":{"type":"null"}})", "[1,null]", "[1,2]", "/1", "expected null"},
      {R"({"if":{"properties":{"k":{"const":"a"}}},"then":{"required":["a"]},"else":{"required":["b"]}})",
       R"({"k":"a","a":1})", R"({"k":"b"})", "", "lacks b"},
      {R"({"$id":"https://a.example/root","$defs":{"x":{"$id":"x","type":"null"}},"properties":{"a":{"$ref":"x"}}})",
       R"({"a":null})", R"({"a":1})", "/a", "expected null"},
      {R"({"$id":"https://a.example/a/b","$defs":{"x":{"$id":"../c/x","$ref":"./d/../y"},"y":{"$id":"/c/y","type":"null"}},
           "$ref":"https://a.example/c/x"})",
       "null", "1", "", "expected null"},
      {R"({"$id":"https://a.example/strict","$ref":"tree","$dynamicAnchor":"n","unevaluatedProperties":false,"$defs":{
           "t":{"$id":"tree","$dynamicAnchor":"n","properties":{"a":true,"in":{"$dynamicRef":"#n"}}}}})",
       R"({"in":{"a":1}})", R"({"in":{"b":1}})", "/in/b", "nothing may stand here"},
      {R"({"$id":"https://a.example/plain","$ref":"tree","$defs":{"n":{"$anchor":"n","type":"null"},
           "t":{"$id":"tree","properties":{"in":{"$dynamicRef":"#n"}},"$defs":{"n":{"$dynamicAnchor":"n","type":"string"}}}}})",
       R"({"in":"a"})", R"({"in":null})", "/in", "expected a string"},
      {R"({"properties":{"default":{"$ref":"#/$defs/s"}},"$defs":{"s":{"type":"string"}}})", R"({"default":"a"})",
       R"({"default":1})", "/default", "expected a string"},
  };
  for (const auto& row : kRows) {
    SchemaReport report;
    EXPECT_EQ(conforms(row.schema, row.good, &report), true) << row.schema;
    EXPECT_EQ(conforms(row.schema, row.bad, &report), false) << row.schema;
    ASSERT_FALSE(report.problems.empty()) << row.schema;
    EXPECT_EQ(report.problems[0].where, row.where) << row.schema;
    EXPECT_NE(report.problems[0].what.find(row.what), std::string::npos) << report.problems[0].what;
  }
}

TEST(Schema, RefusesSchemasThatItCannotHoldTo) {
  constexpr std::pair<const char*, const char*> kBad[] = {
      {"1", "at the root: expected a schema"},
      {R"({"type":"text"})", "at /type: expected null, boolean"},
      {R"({"properties":[]})", "at /properties: expected a mapping of schemas"},
      {R"({"properties":{"a":3}})", "at /properties/a: expected a schema"},
      {R"({"allOf":{}})", "at /allOf: expected a list"},
      {R"({"minimum":"1"})", "at /minimum: expected a number"},
      {R"({"multipleOf":0})", "at /multipleOf: expected a number above 0"},
      {R"({"minLength":-1})", "at /minLength: expected a whole number"},
      {R"({"minLength":1.5})", "at /minLength: expected a whole number"},
      {R"({"maxItems":1e30})", "at /maxItems: expected a number of at most 18 digits"},
      {R"x({"pattern":"(?=a)"})x", "at /pattern: expected an expression that RE2 takes"},
      {R"({"patternProperties":{"(":true}})", "at /patternProperties/(: expected an expression"},
      {R"({"required":"a"})", "at /required: expected a list"},
      {R"({"required":[1]})", "at /required/0: expected a name"},
      {R"({"enum":1})", "at /enum: expected a list"},
      {R"({"$ref":"https://elsewhere.example/s"})", "within the document, found https://elsewhere.example/s"},
      {R"({"$ref":"#/no/where"})", "within the document, found #/no/where"},
      {R"({"items":{"anyOf":[true,{"not":7}]}})", "at /items/anyOf/1/not: expected a schema"},
  };
  for (const auto& [schema, why] : kBad) {
    SchemaReport report;
    EXPECT_EQ(conforms(schema, "1", &report), std::nullopt) << schema;
    ASSERT_FALSE(report.problems.empty()) << schema;
    EXPECT_NE(report.problems[0].what.find(why), std::string::npos) << report.problems[0].what;
  }
}

TEST(Schema, EndsOnWhateverItIsGiven) {
  SchemaReport report;
  // Each level tries both branches of the next: 2^40 without a bound.
  std::string doubling = R"({"$defs":{"d0":false)";
  for (int i = 1; i <= 40; ++i) {
    const auto below = R"({"$ref":"#/$defs/d)" + std::to_string(i - 1) + "\"}";
    doubling += ",\"d" + std::to_string(i) + R"(":{"anyOf":[)" + below + "," + below + "]}";
  }
  doubling += R"(},"$ref":"#/$defs/d40"})";
  EXPECT_EQ(conforms(doubling, "1", &report), false);
  EXPECT_EQ(report.problems[0].what, "too much to check");
  // A classic for engines that go back.
  EXPECT_EQ(conforms(R"x({"pattern":"^(a+)+$"})x", "\"" + std::string(50'000, 'a') + "!\""), false);
  // 20 000 items that differ, and a list of equal hashes is no quadratic work for nothing.
  std::string items = "[0";
  for (int i = 1; i < 20'000; ++i) items += "," + std::to_string(i);
  EXPECT_EQ(conforms(R"({"uniqueItems":true})", items + "]"), true);
}

TEST(Schema, FollowsReferencesThatLeadToEachOther) {
  constexpr auto kPets = R"({"$ref":"#/definitions/Pet","definitions":{
    "Pet":{"type":"object","required":["kind"],"oneOf":[{"$ref":"#/definitions/Cat"},{"$ref":"#/definitions/Dog"}]},
    "Cat":{"allOf":[{"$ref":"#/definitions/Pet"},{"required":["lives"],"properties":{"lives":{"type":"integer"}}}]},
    "Dog":{"allOf":[{"$ref":"#/definitions/Pet"},{"required":["tricks"],"properties":{"tricks":{"type":"array"},
           "friend":{"$ref":"#/definitions/Pet"}}}]}}})";
  for (const auto* good : {R"({"kind":"Cat","lives":9})", R"({"kind":"Dog","tricks":[]})",
                           R"({"kind":"Dog","tricks":[],"friend":{"kind":"Cat","lives":1}})"})
    EXPECT_EQ(conforms(kPets, good), true) << good;
  for (const auto* bad : {R"({"kind":"Cat"})", R"({"lives":9})", R"({"kind":"Cat","lives":"nine"})",
                          R"({"kind":"Dog","tricks":[],"friend":{"kind":"Cat"}})"})
    EXPECT_EQ(conforms(kPets, bad), false) << bad;
  SchemaReport report;
  EXPECT_EQ(conforms(R"({"$ref":"#"})", "1", &report), std::nullopt);
  EXPECT_EQ(report.problems[0].what, "at the root: expected a $ref that does not lead back to itself");
  EXPECT_EQ(
      conforms(
          R"({"$ref":"#/definitions/a","definitions":{"a":{"$ref":"#/definitions/b"},"b":{"$ref":"#/definitions/a"}}})",
          "1"),
      std::nullopt);
}

TEST(Schema, BoundsItsReport) {
  SchemaReport report{.most = 3};
  EXPECT_EQ(conforms(R"({"items":{"type":"string"}})", "[1,2,3,4,5]", &report), false);
  EXPECT_EQ(report.problems.size(), 3U);
  EXPECT_TRUE(report.more);
}

TEST(Schema, KnowsOpenApi30) {
  constexpr auto kDialect = SchemaDialect::kOpenApi30;
  constexpr auto kSchema = R"({"type":"number","nullable":true,"minimum":1,"exclusiveMinimum":true})";
  EXPECT_EQ(conforms(kSchema, "null", nullptr, kDialect), true);
  EXPECT_EQ(conforms(kSchema, "1", nullptr, kDialect), false);
  EXPECT_EQ(conforms(kSchema, "1.1", nullptr, kDialect), true);
  for (const auto* schema :
       {R"({"oneOf":[{"type":"string"},{"type":"integer"}],"nullable":true})",
        R"({"type":"string","enum":["a"],"nullable":true})",
        R"({"allOf":[{"$ref":"#/definitions/a"}],"nullable":true,"definitions":{"a":{"type":"object"}}})"}) {
    EXPECT_EQ(conforms(schema, "null", nullptr, kDialect), true) << schema;
    EXPECT_EQ(conforms(schema, "false", nullptr, kDialect), false) << schema;
    EXPECT_EQ(conforms(schema, "null"), false) << schema;
  }
}

}  // namespace
}  // namespace fairlead::change
