// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <span>

#include "fairlead/change/gzip.hpp"
#include "fairlead/model/request_change.hpp"
#include "tests/unit/filter/change_request.hpp"

namespace fairlead::filter {
namespace {

FilterPtr made(const model::Validation& settings) {
  ChangeContext context;
  auto all = context.get();
  auto out = make_validation(settings, all);
  EXPECT_TRUE(context.faults.empty()) << context.faults.front();
  return out;
}

/// The answer's status, 0 where it goes on; `body` with the type where it is given.
std::uint16_t status_of(const Filter& filter, ChangeRequest& request, std::string body = {},
                        std::string_view type = "application/json") {
  if (!body.empty()) request.with_body(body.size(), type);
  auto verdict = filter.on_request(request);
  const auto before = body;
  if (verdict == Verdict::kNeedBody) verdict = filter.on_request_body(request, body);
  EXPECT_EQ(body, before) << "what is checked is not changed";
  EXPECT_EQ(verdict == Verdict::kAnswered, request.said.has_value());
  return request.said ? request.said->status : 0;
}

model::Validation with_schema() {
  model::Validation out;
  out.schema = R"({"type":"object","required":["id"],"properties":{"id":{"type":"integer","minimum":1}}})";
  return out;
}

TEST(Validation, HoldsBodiesToASchema) {
  const auto filter = made(with_schema());
  struct Row {
    const char* method;
    const char* type;
    const char* body;
    std::uint16_t status;
    const char* says;
  };
  constexpr Row kRows[] = {
      {"POST", "application/json", R"({"id":1})", 0, ""},
      {"POST", "Application/JSON ; charset=utf-8", R"({"id":12345678901234567890123})", 0, ""},
      {"POST", "application/json", R"({"id":0})", 400, R"({"pointer":"/id","detail":"expected at least 1"})"},
      {"POST", "application/json", "{}", 400, R"({"pointer":"","detail":"lacks id"})"},
      {"POST", "application/json", R"({"id":1,"id":"x"})", 400, "a name twice in one mapping at byte"},
      {"POST", "application/json", R"({"id":1}x)", 400, "something behind the document"},
      {"POST", "text/plain", R"({"id":1})", 415, "content type"},
      {"POST", "application/json-patch", R"({"id":1})", 415, "content type"},
      {"POST", "", "", 400, "a body is missing"},
      {"GET", "", "", 0, ""},
      {"DELETE", "application/json", "{}", 400, "lacks id"},
  };
  for (const auto& row : kRows) {
    ChangeRequest request(row.method);
    EXPECT_EQ(status_of(*filter, request, row.body, row.type), row.status) << row.body << row.type;
    if (row.status == 0) continue;
    ASSERT_TRUE(request.said);
    EXPECT_NE(request.said->body.find(row.says), std::string::npos) << request.said->body;
  }
}

TEST(Validation, BoundsWhatItReads) {
  auto settings = with_schema();
  settings.max_depth = 3;
  settings.max_problems = 2;
  settings.max_body_bytes = 10'000;
  settings.schema = R"({"items":{"type":"string"}})";
  const auto filter = made(settings);
  ChangeRequest deep("POST"), many("POST"), packed("POST");
  EXPECT_EQ(status_of(*filter, deep, "[[[[]]]]"), 400);
  EXPECT_EQ(status_of(*filter, many, "[1,2,3,4]"), 400);
  EXPECT_NE(many.said->body.find(R"("pointer":"/1")"), std::string::npos);
  EXPECT_EQ(many.said->body.find(R"("pointer":"/2")"), std::string::npos);
  EXPECT_NE(many.said->body.find(R"("more_errors":true)"), std::string::npos);
  std::string bomb;
  ASSERT_TRUE(change::gzip("\"" + std::string(1'000'000, 'a') + "\"", bomb));
  packed.with("content-encoding", "gzip");
  EXPECT_EQ(status_of(*filter, packed, bomb), 413);
}

constexpr auto kApi = R"({
  "openapi": "3.0.3",
  "info": {"title": "t", "version": "1"},
  "paths": {
    "/users": {
      "get": {"parameters": [
        {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}},
        {"name": "sort", "in": "query", "required": true, "schema": {"enum": ["up", "down"]}},
        {"name": "tag", "in": "query", "schema": {"type": "array", "items": {"type": "integer"}, "maxItems": 2}},
        {"name": "ids", "in": "query", "explode": false, "schema": {"type": "array", "items": {"type": "integer"}}},
        {"name": "X-Flag", "in": "header", "schema": {"type": "boolean"}},
        {"name": "session", "in": "cookie", "schema": {"type": "string", "pattern": "^[a-z]+$"}},
        {"name": "filter", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}}]},
      "post": {"requestBody": {"$ref": "#/components/requestBodies/user"}}},
    "/users/me": {"get": {}},
    "/users/{id}": {
      "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}],
      "get": {}, "delete": {"requestBody": {"content": {"application/json": {}}}}},
    "/users/{name}": {"patch": {}},
    "/caf%c3%a9 ü/{x}": {"get": {}},
    "/files/{name}.{ext}": {"get": {"parameters": [
        {"name": "name", "in": "path", "required": true, "schema": {"maxLength": 3}},
        {"name": "ext", "in": "path", "required": true, "schema": {"enum": ["txt"]}}]}}},
  "components": {
    "requestBodies": {"user": {"required": true, "content": {
      "application/json": {"schema": {"$ref": "#/components/schemas/User"}}, "image/*": {}}}},
    "schemas": {"Key": {"type": "integer", "readOnly": true}, "User": {"type": "object", "required": ["name", "id", "key"], "properties": {
      "id": {"type": "integer", "readOnly": true}, "key": {"$ref": "#/components/schemas/Key"}, "name": {"type": "string", "nullable": true}, "friends": {"type": "array", "items": {"$ref": "#/components/schemas/User"}}}}}}
})";

struct ApiRow {
  const char* method;
  const char* path;
  const char* query;
  std::uint16_t status;
  const char* says;
  const char* body = "";
  const char* type = "application/json";
};

void expect_rows(const Filter& filter, std::span<const ApiRow> rows) {
  for (const auto& row : rows) {
    ChangeRequest request(row.method, row.path, row.query);
    const auto status = status_of(filter, request, row.body, row.type);
    const std::string said = request.said ? std::string(request.said->body) : "";
    EXPECT_EQ(status, row.status) << row.method << " " << row.path << "?" << row.query << " " << row.body << " "
                                  << said;
    if (row.status == 0) continue;
    EXPECT_TRUE(request.said);
    EXPECT_NE(said.find(row.says), std::string::npos) << said;
  }
}

TEST(Validation, HoldsRequestsToOpenApi) {
  model::Validation settings;
  settings.openapi = kApi;
  settings.base_path = "/api";
  const auto filter = made(settings);
  constexpr ApiRow kRows[] = {
      {"GET", "/api/users", "sort=up&limit=100", 0, ""},
      {"GET", "/api/users", "sort=up&limit=101", 400, R"({"parameter":"query.limit","detail":"expected at most 100"})"},
      {"GET", "/api/users", "sort=up&limit=x", 400, "expected an integer, found a string"},
      {"GET", "/api/users", "sort=up&limit=1&limit=2", 400, "expected it once"},
      {"GET", "/api/users", "", 400, R"({"parameter":"query.sort","detail":"is missing"})"},
      {"GET", "/api/caf%C3%A9%20%C3%BC/1", "", 0, ""},
      {"GET", "/api/users", "sort=%75p", 0, ""},
      {"GET", "/api/users", "sort=left", 400, "one of the 2 values"},
      {"GET", "/api/users", "sort=up&tag=1&tag=2", 0, ""},
      {"GET", "/api/users", "sort=up&tag=1&tag=b", 400, R"("parameter":"query.tag/1")"},
      {"GET", "/api/users", "sort=up&tag=1&tag=2&tag=3", 400, "at most 2 items"},
      {"GET", "/api/users", "sort=up&ids=1,2,3", 0, ""},
      {"GET", "/api/users", "sort=up&ids=1,x", 400, R"("parameter":"query.ids/1")"},
      {"GET", "/api/users", "sort=up&filter=%7B%7D", 0, ""},
      {"GET", "/api/users", "sort=up&filter=%7B", 400, "expected JSON"},
      {"GET", "/api/users", "sort=up&filter=[]", 400, "expected a mapping"},
      {"GET", "/api/users", "sort=%ff", 400, "expected UTF-8"},
      {"HEAD", "/api/users", "sort=up", 0, ""},
      {"PUT", "/api/users", "", 405, "does not have this method"},
      {"GET", "/api/users/me", "", 0, ""},
      {"GET", "/api/users/42", "", 0, ""},
      {"GET", "/api/users/x", "", 400, R"("parameter":"path.id")"},
      {"PATCH", "/api/users/x", "", 0, ""},  // the same path by another name
      {"PATCH", "/api/users/me", "", 405, "does not have this method"},
      {"PUT", "/api/users/x", "", 405, "does not have this method"},
      {"GET", "/api/users/4/2", "", 404, "no such path"},
      {"GET", "/api/users/", "", 404, "no such path"},
      {"GET", "/apiusers", "", 404, "no such path"},
      {"GET", "/users", "sort=up", 404, "no such path"},
      {"GET", "/api/files/abc.txt", "", 0, ""},
      {"GET", "/api/files/abcd.txt", "", 400, R"("parameter":"path.name")"},
      {"GET", "/api/files/a.pdf", "", 400, R"("parameter":"path.ext")"},
      {"POST", "/api/users", "", 400, "a body is missing"},
      {"POST", "/api/users", "", 0, "", R"({"name":null})"},
      {"POST", "/api/users", "", 400, R"({"pointer":"/friends/0","detail":"lacks name"})",
       R"({"name":"a","friends":[{}]})"},
      {"POST", "/api/users", "", 415, "content type", "<a/>", "application/xml"},
      {"POST", "/api/users", "", 0, "", "png", "image/png"},
      {"DELETE", "/api/users/1", "", 0, "", "no JSON, and no schema"},
  };
  expect_rows(*filter, kRows);
}

TEST(Validation, ReadsParametersByTheTypesThatSchemasAllow) {
  constexpr auto kDocument = R"({
    "openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/": {"get": {"parameters": [
      {"name": "some", "in": "query", "schema": {"anyOf": [{"type": "integer"}, {"type": "boolean"}]}},
      {"name": "none", "in": "query", "schema": {"anyOf": [{"type": "integer", "maximum": 9}, {"type": "null"}]}},
      {"name": "word", "in": "query", "schema": {"oneOf": [{"type": "integer", "maximum": 9}, {"type": "string", "minLength": 3}]}},
      {"name": "list", "in": "query", "schema": {"allOf": [{"$ref": "#/components/schemas/List"}]}},
      {"name": "maybe", "in": "query", "schema": {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]}},
      {"name": "one", "in": "query", "schema": {"enum": [1, "b"]}},
      {"name": "pipe", "in": "query", "style": "pipeDelimited", "schema": {"type": "array", "items": {"type": "integer"}}},
      {"name": "space", "in": "query", "style": "spaceDelimited", "schema": {"type": "array", "items": {"type": "integer"}}},
      {"name": "comma", "in": "query", "explode": false, "schema": {"$ref": "#/components/schemas/Point"}},
      {"name": "X-Point", "in": "header", "schema": {"$ref": "#/components/schemas/Point"}},
      {"name": "X-Pairs", "in": "header", "explode": true, "schema": {"$ref": "#/components/schemas/Point"}}]}},
      "/deep": {"get": {"parameters": [
        {"name": "f", "in": "query", "required": true, "style": "deepObject", "schema": {"$ref": "#/components/schemas/Point"}}]}},
      "/spread": {"get": {"parameters": [
        {"name": "f", "in": "query", "required": true, "schema": {"$ref": "#/components/schemas/Point"}}]}},
      "/spare": {"get": {"parameters": [
        {"name": "f", "in": "query", "schema": {"$ref": "#/components/schemas/Point"}}]}}},
    "components": {"schemas": {
      "List": {"type": "array", "items": {"type": "integer"}, "maxItems": 2},
      "Point": {"type": "object", "required": ["x"], "additionalProperties": false, "properties": {
        "x": {"type": "integer"}, "on": {"type": "boolean"}, "tags": {"type": "array", "items": {"type": "integer"}}}}}}
  })";
  model::Validation settings;
  settings.openapi = kDocument;
  const auto filter = made(settings);
  constexpr ApiRow kRows[] = {
      {"GET", "/", "some=1", 0, ""},
      {"GET", "/", "some=true", 0, ""},
      {"GET", "/", "some=x", 400, R"("parameter":"query.some")"},
      {"GET", "/", "some=1&some=2", 400, "expected it once"},
      {"GET", "/", "none=1", 0, ""},
      {"GET", "/", "none=", 0, ""},
      {"GET", "/", "none=10", 400, R"("parameter":"query.none")"},
      {"GET", "/", "word=10", 400, R"("parameter":"query.word")"},
      {"GET", "/", "word=100", 0, ""},
      {"GET", "/", "word=9", 0, ""},
      {"GET", "/", "list=1&list=2", 0, ""},
      {"GET", "/", "list=1", 0, ""},
      {"GET", "/", "list=1&list=2&list=3", 400, "at most 2 items"},
      {"GET", "/", "list=x", 400, R"("parameter":"query.list/0")"},
      {"GET", "/", "maybe=1&maybe=2", 0, ""},
      {"GET", "/", "maybe=", 0, ""},
      {"GET", "/", "maybe=x", 400, R"("parameter":"query.maybe)"},
      {"GET", "/", "one=1", 0, ""},
      {"GET", "/", "one=b", 0, ""},
      {"GET", "/", "one=2", 400, "one of the 2 values"},
      {"GET", "/", "pipe=1%7C2", 0, ""},
      {"GET", "/", "pipe=1%7Cx", 400, R"("parameter":"query.pipe/1")"},
      {"GET", "/", "space=1%202", 0, ""},
      {"GET", "/", "space=1+x", 400, R"("parameter":"query.space/1")"},
      {"GET", "/", "comma=x,1,on,true", 0, ""},
      {"GET", "/", "comma=on,true", 400, "lacks x"},
      {"GET", "/", "comma=x", 400, R"("parameter":"query.comma/x")"},
      {"GET", "/deep", "f[x]=1&f%5Bon%5D=false&f[tags]=1&f[tags]=2", 0, ""},
      {"GET", "/deep", "f[x]=a", 400, R"("parameter":"query.f/x","detail":"expected an integer)"},
      {"GET", "/deep", "f[x]=1&f[x]=2", 400, R"("parameter":"query.f/x","detail":"expected an integer, found a list)"},
      {"GET", "/deep", "f[on]=true", 400, "lacks x"},
      {"GET", "/deep", "f[x]=1&f[y]=2", 400, R"("parameter":"query.f)"},
      {"GET", "/deep", "", 400, R"({"parameter":"query.f","detail":"is missing"})"},
      {"GET", "/deep", "f=1", 400, R"("parameter":"query.f")"},
      {"GET", "/deep", "f[x]=%ff", 400, "expected UTF-8"},
      {"GET", "/spread", "x=1&on=true&other=a&tags=7", 0, ""},
      {"GET", "/spread", "x=a", 400, R"("parameter":"query.f/x")"},
      {"GET", "/spread", "on=true", 400, "lacks x"},
      {"GET", "/spread", "", 400, "lacks x"},
      {"GET", "/spare", "", 0, ""},
      {"GET", "/spare", "on=true", 400, "lacks x"},
  };
  expect_rows(*filter, kRows);
  for (const auto& [name, value, status] : {std::tuple("x-point", "x,1", 0),
                                            {"x-point", "x,a", 400},
                                            {"x-pairs", "x=1,on=true", 0},
                                            {"x-pairs", "x=1, on=true", 0},
                                            {"x-pairs", "x=a", 400}}) {
    ChangeRequest request("GET", "/");
    request.with(name, value);
    EXPECT_EQ(status_of(*filter, request), status) << name << ": " << value;
  }
  std::string many = "f[x]=1";
  for (int i = 0; i < 1001; ++i) many += "&f[m" + std::to_string(i) + "]=1";
  ChangeRequest request("GET", "/deep", many);
  EXPECT_EQ(status_of(*filter, request), 400);
  EXPECT_NE(request.said->body.find("too many members"), std::string::npos);
}

TEST(Validation, ReadsThePathInEachStyle) {
  model::Validation settings;
  settings.openapi = R"({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {
    "/l/{v}": {"get": {"parameters": [{"name": "v", "in": "path", "required": true, "style": "label", "schema": {"type": "array", "items": {"type": "integer"}, "maxItems": 2}}]}},
    "/le/{v}": {"get": {"parameters": [{"name": "v", "in": "path", "required": true, "style": "label", "explode": true, "schema": {"$ref": "#/components/schemas/Point"}}]}},
    "/lo/{v}": {"get": {"parameters": [{"name": "v", "in": "path", "required": true, "style": "label", "schema": {"$ref": "#/components/schemas/Point"}}]}},
    "/lt/{v}": {"get": {"parameters": [{"name": "v", "in": "path", "required": true, "style": "label", "schema": {"type": "string", "pattern": "^a[.]b$"}}]}},
    "/m/{v}": {"get": {"parameters": [{"name": "v", "in": "path", "required": true, "style": "matrix", "schema": {"type": "array", "items": {"type": "integer"}, "maxItems": 2}}]}},
    "/me/{v}": {"get": {"parameters": [{"name": "v", "in": "path", "required": true, "style": "matrix", "explode": true, "schema": {"type": "array", "items": {"type": "integer"}, "maxItems": 2}}]}},
    "/mo/{v}": {"get": {"parameters": [{"name": "v", "in": "path", "required": true, "style": "matrix", "explode": true, "schema": {"$ref": "#/components/schemas/Point"}}]}},
    "/mp/{v}": {"get": {"parameters": [{"name": "v", "in": "path", "required": true, "style": "matrix", "schema": {"$ref": "#/components/schemas/Point"}}]}},
    "/mt/{v}": {"get": {"parameters": [{"name": "v", "in": "path", "required": true, "style": "matrix", "schema": {"type": "string", "maxLength": 1}}]}}},
    "components": {"schemas": {"Point": {"type": "object", "required": ["x"], "additionalProperties": false,
      "properties": {"x": {"type": "integer"}, "on": {"type": "boolean"}}}}}})";
  const auto filter = made(settings);
  constexpr ApiRow kRows[] = {
      {"GET", "/l/.1,2", "", 0, ""},
      {"GET", "/l/.1.2", "", 0, ""},
      {"GET", "/l/.1", "", 0, ""},
      {"GET", "/l/.1,2,3", "", 400, "at most 2 items"},
      {"GET", "/l/.1.x", "", 400, R"("parameter":"path.v/1")"},
      {"GET", "/l/1,2", "", 400, R"({"parameter":"path.v","detail":"is missing"})"},
      {"GET", "/le/.x=1.on=true", "", 0, ""},
      {"GET", "/le/.x=a", "", 400, R"("parameter":"path.v/x")"},
      {"GET", "/lo/.x,1,on,true", "", 0, ""},
      {"GET", "/lo/.x.1.on.true", "", 0, ""},
      {"GET", "/lo/.on.true", "", 400, "lacks x"},
      {"GET", "/lt/.a.b", "", 0, ""},
      {"GET", "/lt/.a.c", "", 400, R"("parameter":"path.v")"},
      {"GET", "/m/;v=1,2", "", 0, ""},
      {"GET", "/m/;v=1,x", "", 400, R"("parameter":"path.v/1")"},
      {"GET", "/m/;w=1,2", "", 400, "is missing"},
      {"GET", "/m/1,2", "", 400, "is missing"},
      {"GET", "/me/;v=1;v=2", "", 0, ""},
      {"GET", "/me/;v=1;v=2;v=3", "", 400, "at most 2 items"},
      {"GET", "/me/;v=1;w=2", "", 400, "is missing"},
      {"GET", "/mo/;x=1;on=true", "", 0, ""},
      {"GET", "/mo/;x=1;y=2", "", 400, R"("parameter":"path.v)"},
      {"GET", "/mp/;v=x,1,on,true", "", 0, ""},
      {"GET", "/mp/;v=x,a", "", 400, R"("parameter":"path.v/x")"},
      {"GET", "/mt/;v", "", 0, ""},
      {"GET", "/mt/;v=a", "", 0, ""},
      {"GET", "/mt/;v=ab", "", 400, "path.v"},
  };
  expect_rows(*filter, kRows);
}

TEST(Validation, HoldsFormsToTheirSchema) {
  model::Validation settings;
  settings.openapi = R"({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/": {"post": {
    "requestBody": {"required": true, "content": {"application/x-www-form-urlencoded": {"schema": {
      "type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}, "y": {"type": "string"},
      "l": {"type": "array", "items": {"type": "boolean"}}}}}}}}}}})";
  const auto filter = made(settings);
  constexpr auto kForm = "application/x-www-form-urlencoded";
  constexpr ApiRow kRows[] = {
      {"POST", "/", "", 0, "", "x=1&y=2&l=true&l=false&other=z", kForm},
      {"POST", "/", "", 400, "lacks x", "y=1", kForm},
      {"POST", "/", "", 400, R"("pointer":"/x")", "x=a", kForm},
      {"POST", "/", "", 400, R"("pointer":"/x")", "x=1&x=2", kForm},
      {"POST", "/", "", 400, R"("pointer":"/l/1")", "x=1&l=true&l=2", kForm},
      {"POST", "/", "", 400, "a form in UTF-8", "x=1&y=%ff", kForm},
      {"POST", "/", "", 415, "content type", R"({"x":1})", "application/json"},
      {"POST", "/", "", 400, "a body is missing"},
  };
  expect_rows(*filter, kRows);
}

TEST(Validation, LooksAtHeadersAndCookies) {
  model::Validation settings;
  settings.openapi = kApi;
  const auto filter = made(settings);
  const auto status = [&](std::string_view name, std::string_view value) {
    ChangeRequest request("GET", "/users", "sort=up");
    request.with(name, value);
    return status_of(*filter, request);
  };
  EXPECT_EQ(status("x-flag", "true"), 0);
  EXPECT_EQ(status("x-flag", "yes"), 400);
  EXPECT_EQ(status("cookie", "a=1; session=abc"), 0);
  EXPECT_EQ(status("cookie", "a=1; session=ABC"), 400);
  EXPECT_EQ(status("cookie", "a=1;\tsession=ABC"), 400);
}

TEST(Validation, TellsWhatAPathAllows) {
  model::Validation settings;
  settings.openapi = kApi;
  ChangeRequest put("PUT", "/users"), odd("GET", "/odd"), passed("GET", "/odd"), method("PUT", "/users");
  EXPECT_EQ(status_of(*made(settings), put), 405);
  EXPECT_EQ(put.said->fields["allow"], "GET, POST");
  EXPECT_EQ(status_of(*made(settings), odd), 404);
  settings.pass_unknown = true;
  EXPECT_EQ(status_of(*made(settings), passed), 0);
  EXPECT_EQ(status_of(*made(settings), method), 0);
}

TEST(Validation, ServesNothingThatDoesNotCompile) {
  for (
      const char* text :
      {"{", "{}", R"({"openapi":"2.0","paths":{}})", R"({"openapi":"3.1.0"})",
       R"({"openapi":"3.1.0","paths":{"a":{}}})", R"({"openapi":"3.1.0","paths":{"/{a":{}}})",
       R"({"openapi":"3.1.0","paths":{"/{a}{b}":{}}})",
       R"({"openapi":"3.1.0","paths":{"/":{"get":{"parameters":[{"name":"a","in":"body"}]}}}})",
       R"({"openapi":"3.1.0","paths":{"/":{"get":{"parameters":[{"name":"a","in":"path"}]}}}})",
       R"({"openapi":"3.1.0","paths":{"/":{"$ref":"other.yaml#/x"}}})",
       R"({"openapi":"3.1.0","paths":{"/":{"post":{"requestBody":{"content":{"application/json":{"schema":{"type":"x"}}}}}}}})"}) {
    model::Validation settings;
    settings.openapi = text;
    ChangeContext context;
    auto all = context.get();
    EXPECT_EQ(make_validation(settings, all), nullptr) << text;
    EXPECT_EQ(context.faults.size(), 1U) << text;
  }
}

TEST(Validation, ReadsOpenApiOutOfAConfigMap) {
  model::Validation settings;
  settings.openapi_config_map = "api";
  settings.openapi_key = "openapi.json";
  ChangeContext context;
  context.maps["api"].data = {{"openapi.json", kApi}};
  auto all = context.get();
  const auto filter = make_validation(settings, all);
  ASSERT_NE(filter, nullptr);
  ChangeRequest odd("GET", "/odd");
  EXPECT_EQ(status_of(*filter, odd), 404);
  settings.openapi_key = "other";
  EXPECT_EQ(make_validation(settings, all), nullptr);
  ASSERT_EQ(context.faults.size(), 1U);
  EXPECT_NE(context.faults[0].find("no ConfigMap api with a key other"), std::string::npos);
}

}  // namespace
}  // namespace fairlead::filter
