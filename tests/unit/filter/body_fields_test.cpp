// SPDX-License-Identifier: Apache-2.0
// The fields of bodies of all kinds: what is read of them, and what a change leaves as it was.
#include "gateway/dataplane/filter/body_fields.hpp"

#include <gtest/gtest.h>

namespace fairlead::filter {
namespace {

constexpr const char* kJson = "application/json; charset=utf-8";
constexpr const char* kForm = "application/x-www-form-urlencoded";
constexpr const char* kParts = "multipart/form-data; charset=utf-8; boundary=\"B 1\"";

http::Fields of(const char* type) { return {{"content-type", type}}; }

std::string part(const std::string& name, const std::string& value) {
  return "--B 1\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n";
}

/// All changes, one after the other.
std::string changed(const char* type, const std::string& body) {
  BodyFields fields(of(type), body);
  EXPECT_TRUE(fields.good());
  EXPECT_TRUE(fields.remove("gone"));
  EXPECT_FALSE(fields.remove("gone"));
  EXPECT_TRUE(fields.rename("old", "new"));
  EXPECT_FALSE(fields.rename("old", "new"));
  fields.set("is", "a\"&=b");
  fields.append("more", "2");
  EXPECT_TRUE(fields.has("new"));
  EXPECT_EQ(fields.value("is"), "a\"&=b");
  return fields.text();
}

TEST(BodyFields, ChangeWhatTheyAreToldAlone) {
  EXPECT_EQ(changed(kJson, R"({"gone":1,"old":[0.10],"is":null,"more":"1","kept":1e400})"),
            R"({"is":"a\"&=b","more":["1","2"],"kept":1e400,"new":[0.10]})");
  EXPECT_EQ(changed(kForm, "gone=1&old=%26&is=1&is=2&more=1&kept=a+%62&flag&gone"),
            "new=%26&is=a%22%26%3Db&more=1&kept=a+%62&flag&more=2");
  EXPECT_EQ(changed(kParts,
                    part("gone", "1") + part("old", "x\r\n--B") + part("is", "1") + part("more", "1") + "--B 1--\r\n"),
            part("new", "x\r\n--B") + part("is", "a\"&=b") + part("more", "1") + part("more", "2") + "--B 1--\r\n");
}

TEST(BodyFields, OfAnEmptyBodyThereAreNone) {
  for (const auto* type : {kJson, kForm, kParts}) {
    BodyFields fields(of(type), "");
    EXPECT_TRUE(fields.good()) << type;
    EXPECT_FALSE(fields.has("a"));
    fields.set("a", "1");
    EXPECT_EQ(fields.value("a"), "1");
  }
}

TEST(BodyFields, WhatCannotBeReadIsNoGood) {
  for (const auto& [type, body] : {std::pair(kJson, "{"),
                                   {kJson, "[1]"},
                                   {kJson, R"({"a":1,"a":2})"},
                                   {"text/plain", "a=1"},
                                   {"multipart/form-data", "--\r\n\r\n"}}) {
    const BodyFields fields(of(type), body);
    EXPECT_FALSE(fields.good()) << type << body;
    EXPECT_EQ(fields.value("a"), std::nullopt);
  }
  EXPECT_FALSE(BodyFields::reads({}));
  EXPECT_FALSE(BodyFields::reads(of("text/plain")));
}

TEST(BodyFields, NamesOfPartsAreNotThoseWithinQuotes) {
  const BodyFields fields(of(kParts),
                          "--B 1\r\nContent-Disposition: form-data; filename=\"x; name=b \\\"; name=c\"; "
                          "name=a\r\n\r\n1\r\n--B 1--");
  EXPECT_EQ(fields.value("a"), "1");
  EXPECT_FALSE(fields.has("b") || fields.has("c"));
}

TEST(BodyFields, PartsThatAreCutOffAreNotThere) {
  for (const std::string body :
       {"--B 1", "--B 1\r\n", "--B 1\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1", "x--B 1--"}) {
    const BodyFields fields(of(kParts), body);
    EXPECT_FALSE(fields.has("a")) << body;
  }
  BodyFields quoted(of(kParts), "");
  quoted.set("a\"\r\nb", "1");
  EXPECT_EQ(quoted.text(), "--B 1\r\nContent-Disposition: form-data; name=\"a%22b\"\r\n\r\n1\r\n--B 1--\r\n");
}

}  // namespace
}  // namespace fairlead::filter
