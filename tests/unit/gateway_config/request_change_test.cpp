// SPDX-License-Identifier: Apache-2.0
// What the sections fault, validation, transform, answer and aggregate of a RequestPolicy take and refuse.
#include "fairlead/model/request_change.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "fairlead/config/directory.hpp"
#include "fairlead/model/request_aggregate.hpp"
#include "unit/gateway_config/gateway_fixture.hpp"

namespace fairlead::config {
namespace {

using namespace std::chrono_literals;
using model::ChangeKind;

#define CALL "name: a, backendRef: {name: s, port: 80}, path: /a"
constexpr BadSection kBadChange[] = {
    // fault
    {"fault: {}}", "spec.fault.delay", "nothing", "a delay, or an abort"},
    {"fault: {rate: 1}}", "spec.fault.rate", "an unknown field", "delay, abort, when"},
    {"fault: {delay: {percent: 10}}}", "spec.fault.delay.duration", "nothing", "a duration"},
    {"fault: {delay: {percent: 101, duration: 1s}}}", "spec.fault.delay.percent", "101", "0 to 100"},
    {"fault: {delay: {percent: -1, duration: 1s}}}", "spec.fault.delay.percent", "-1", "0 to 100"},
    {"fault: {delay: {percent: nan, duration: 1s}}}", "spec.fault.delay.percent", "\"nan\"", "0 to 100"},
    {"fault: {delay: {percent: 10%, duration: 1s}}}", "spec.fault.delay.percent", "\"10%\"", "0 to 100"},
    {"fault: {delay: {percent: 1, duration: 6m}}}", "spec.fault.delay.duration", "\"6m\"", "at most 5m"},
    {"fault: {abort: {percent: 1}}}", "spec.fault.abort.status", "nothing", "a grpcStatus"},
    {"fault: {abort: {percent: 1, status: 600}}}", "spec.fault.abort.status", "600", "200 to 599"},
    {"fault: {abort: {percent: 1, status: 500, grpcStatus: 1}}}", "spec.fault.abort.grpcStatus", "1", "not both"},
    {"fault: {abort: {percent: 1, grpcStatus: 17}}}", "spec.fault.abort.grpcStatus", "17", "0 to 16"},
    {"fault: {abort: {percent: 1, status: 500}, when: {headers: []}}}", "spec.fault.when.headers", "a list",
     "at least 1"},
    // answer
    {"answer: {status: 99}}", "spec.answer.status", "99", "200 to 599"},
    {"answer: {text: a}}", "spec.answer.text", "an unknown field", "status, detail, trigger, headers, body"},
    {"answer: {body: \"{{ a }}\"}}", "spec.answer.body", "\"{{ a }}\"", "\"a\" is no value"},
    {"answer: {body: a, json: {}}}", "spec.answer.json", "a mapping", "not both"},
    {"answer: {json: {}, contentType: text/plain}}", "spec.answer.contentType", "\"text/plain\"",
     "a content type of JSON"},
    {"answer: {body: \"{\", contentType: application/json}}", "spec.answer.body", "\"{\"", "no JSON"},
    {"answer: {status: 204, body: a}}", "spec.answer.body", "\"a\"", "no body"},
    {"answer: {body: \"{{ response.status }}\"}}", "spec.answer.body", "\"{{ response.status }}\"",
     "there is no response"},
    {"answer: {headers: [{name: content-length, value: a}]}}", "spec.answer.headers[0].name", "\"content-length\"",
     "frames no message"},
    {"answer: {headers: [{name: a}]}}", "spec.answer.headers[0].value", "nothing", "a template"},
    {"answer: {headers: [{name: a, value: \"b\\r\\nc: d\"}]}}", "spec.answer.headers[0].value", nullptr, "no control"},
    {"answer: {maintenance: {}, status: 500}}", "spec.answer.maintenance", "a mapping", "not both"},
    {"answer: {maintenance: {allow: {addresses: [a]}}}}", "spec.answer.maintenance.allow.addresses[0]", "\"a\"", ""},
    {"answer: {maintenance: {allow: {header: {name: a}}}}}", "spec.answer.maintenance.allow.header.value", "nothing",
     ""},
    // validation
    {"validation: {}}", "spec.validation.body", "nothing", "a body, or openapi"},
    {"validation: {body: {}}}", "spec.validation.body.schema", "nothing", "a JSON Schema"},
    {"validation: {body: {schema: {type: text}}}}", "spec.validation.body.schema", "a mapping",
     "at /type: expected null"},
    {"validation: {body: {schema: {pattern: \"(?!a)\"}}}}", "spec.validation.body.schema", "a mapping", "RE2"},
    {"validation: {body: {schema: {$ref: \"https://a.example/b\"}}}}", "spec.validation.body.schema", "a mapping",
     "within the document"},
    {"validation: {body: {schema: {minimum: 0x10}}}}", "spec.validation.body.schema.minimum", "0x10",
     "as JSON writes it"},
    {"validation: {body: {schema: {}, contentTypes: [json]}}}", "spec.validation.body.contentTypes[0]", "\"json\"",
     "application/json"},
    {"validation: {openapi: {document: {}}}}", "spec.validation.openapi.document", "a mapping", "openapi: 3.0.x"},
    {"validation: {openapi: {document: \"a: [\"}}}", "spec.validation.openapi.document", "\"a: [\"", "YAML or JSON"},
    {"validation: {openapi: {}}}", "spec.validation.openapi.document", "nothing", "OpenAPI"},
    {"validation: {openapi: {document: {openapi: 3.1.0, paths: {}}, configMap: {name: a}}}}",
     "spec.validation.openapi.document", "a mapping", "not both"},
    {"validation: {openapi: {configMap: {key: a}}}}", "spec.validation.openapi.configMap.name", "nothing",
     "a ConfigMap"},
    {"validation: {openapi: {document: {openapi: 3.1.0, paths: {}}, basePath: /a/}}}",
     "spec.validation.openapi.basePath", "\"/a/\"", "without / at its end"},
    {"validation: {body: {schema: {}}, maxDepth: 257}}", "spec.validation.maxDepth", "257", "1 to 256"},
    // transform
    {"transform: []}", "spec.transform", "a list", "a mapping"},
    {"transform: {maxBodyBytes: 0}}", "spec.transform.maxBodyBytes", "0", "1 to"},
    {"transform: {request: {path: a}}}", "spec.transform.request.path", "\"a\"", "begins with /"},
    {"transform: {request: {path: \"/a/../{{ uuid }}\"}}}", "spec.transform.request.path", nullptr, "without . and .."},
    {"transform: {request: {method: CONNECT}}}", "spec.transform.request.method", "\"CONNECT\"", "not CONNECT"},
    {"transform: {request: {headers: {set: {a: b}}}}}", "spec.transform.request.headers.set", "a mapping", "a list"},
    {"transform: {request: {headers: {remove: [host]}}}}", "spec.transform.request.headers.remove[0]", "\"host\"",
     "frames no message"},
    {"transform: {request: {headers: {rename: [{from: a, to: connection}]}}}}",
     "spec.transform.request.headers.rename[0].to", "\"connection\"", "belongs to no connection"},
    {"transform: {request: {headers: {set: [{name: a, value: \"{{ response.status }}\"}]}}}}", "spec.transform.request",
     "a mapping", "no response yet"},
    {"transform: {request: {body: {json: {set: [{path: a..b, value: 1}]}}}}}",
     "spec.transform.request.body.json.set[0].path", "\"a..b\"", "a place in JSON"},
    {"transform: {request: {body: {json: {set: [{path: a, value: \"{{ b }}\"}]}}}}}",
     "spec.transform.request.body.json.set[0].value", "\"{{ b }}\"", "is no value"},
    {"transform: {request: {body: {json: {map: {\"{{ uuid }}\": 1}}}}}}", "spec.transform.request.body.json.map",
     "a mapping", "a member's name without values"},
    {"transform: {request: {body: {json: {map: {}}, template: a}}}}", "spec.transform.request.body.template", "\"a\"",
     "no JSON"},
    {"transform: {request: {body: {contentType: text/plain}}}}", "spec.transform.request.body.template", "nothing",
     "as there is a contentType"},
    {"transform: {response: {status: [{from: 404, to: 204}]}}}", "spec.transform.response.status[0]", "a mapping",
     "both have a body"},
    {"transform: {response: {status: [{from: 100, to: 200}]}}}", "spec.transform.response.status[0].from", "100",
     "200 to"},
    {"transform: {response: {onFailure: Drop}}}", "spec.transform.response.onFailure", "\"Drop\"", "Pass or Fail"},
    {"transform: {response: {headers: {set: [{name: a, value: \"{{ response.body.x }}\"}]}}}}",
     "spec.transform.response", "a mapping", "it comes later"},
    {"transform: {response: {body: {json: {set: [{path: a, value: \"{{ request.body.x }}\"}]}}}}}",
     "spec.transform.response", "a mapping", "its body is gone"},
    // aggregate
    {"aggregate: {stream: true, calls: [{" CALL "}]}}", "spec.aggregate.stream", "true", "all calls are required"},
    {"aggregate: {stream: true, mode: FirstOf, partial: Partial, calls: [{" CALL "}]}}", "spec.aggregate.stream",
     "true", "false with mode FirstOf"},
    {"aggregate: {stream: true, merge: Flat, partial: Partial, calls: [{" CALL "}]}}", "spec.aggregate.stream", "true",
     "false with merge Flat"},
    {"aggregate: {stream: true, partial: Partial, calls: [{" CALL ", group: g}, {name: b, backendRef: {name: s, port: "
     "80}, path: /a, group: g}]}}",
     "spec.aggregate.calls[1]", "a mapping", "\"g\" is one"},
    {"aggregate: {}}", "spec.aggregate.calls", "nothing", "a list of calls"},
    {"aggregate: {calls: []}}", "spec.aggregate.calls", "a list", "at least 1"},
    {"aggregate: {calls: [{backendRef: {name: s, port: 80}, path: /a}]}}", "spec.aggregate.calls[0].name", "nothing",
     "a name"},
    {"aggregate: {calls: [{name: a.b, backendRef: {name: s, port: 80}, path: /a}]}}", "spec.aggregate.calls[0].name",
     "\"a.b\"", "letters, digits"},
    {"aggregate: {calls: [{name: a, path: /a}]}}", "spec.aggregate.calls[0].backendRef", "nothing", "a Service"},
    {"aggregate: {calls: [{name: a, backendRef: {name: s}, path: /a}]}}", "spec.aggregate.calls[0].backendRef.port",
     "nothing", "a port"},
    {"aggregate: {calls: [{name: a, backendRef: {name: s, port: 80}, path: a}]}}", "spec.aggregate.calls[0].path",
     "\"a\"", "begins with /"},
    {"aggregate: {calls: [{" CALL ", timeout: 0s}]}}", "spec.aggregate.calls[0].timeout", "\"0s\"", "1ms to 10m"},
    {"aggregate: {calls: [{" CALL ", dependsOn: [b]}]}}", "spec.aggregate.calls[0]", "a mapping", "\"b\" is not"},
    {"aggregate: {calls: [{" CALL ", dependsOn: [a]}]}}", "spec.aggregate.calls[0]", "a mapping", "\"a\" is not"},
    {"aggregate: {calls: [{" CALL ", headers: [{name: x, value: \"{{ calls.b.status }}\"}]}]}}",
     "spec.aggregate.calls[0]", "a mapping", "\"b\" is not"},
    {"aggregate: {calls: [{" CALL "}, {" CALL "}]}}", "spec.aggregate.calls[1].name", "\"a\"", "no other call"},
    {"aggregate: {calls: [{" CALL ", select: a b}]}}", "spec.aggregate.calls[0].select", "\"a b\"", "a place in JSON"},
    {"aggregate: {calls: [{" CALL ", json: \"{{ response.status }}\"}]}}", "spec.aggregate.calls[0]", "a mapping",
     "no response yet"},
    {"aggregate: {calls: [{" CALL ", forwardHeaders: [transfer-encoding]}]}}",
     "spec.aggregate.calls[0].forwardHeaders[0]", "\"transfer-encoding\"", "frames no message"},
    {"aggregate: {calls: [{" CALL "}], partial: true}}", "spec.aggregate.partial", "true", "Fail or Partial"},
    {"aggregate: {calls: [{" CALL "}], mode: FirstOf, merge: Deep}}", "spec.aggregate.merge", "\"Deep\"",
     "Object or Flat"},
};

TEST(RequestChangeInput, IsRefusedByFieldAndByWhatWasExpected) {
  EXPECT_GE(std::size(kBadChange), 60U);
  for (const auto& bad : kBadChange) {
    const auto parsed = parse_text(kToSections + bad.body + "\n", false, gateway_kinds());
    ASSERT_FALSE(parsed.diagnostics.empty()) << bad.body;
    const auto& first = parsed.diagnostics.front();
    EXPECT_EQ(first.severity, Severity::kError) << bad.body;
    EXPECT_EQ(first.line, 5U) << bad.body;
    EXPECT_EQ(first.field, bad.field) << first.text();
    EXPECT_TRUE(bad.found == nullptr || first.found == bad.found) << first.text();
    EXPECT_NE(first.expected.find(bad.expected), std::string::npos) << first.text();
    for (const auto& object : parsed.objects) EXPECT_FALSE(object.object) << bad.body;
  }
}

TEST(RequestChange, ReadsTransforms) {
  const auto settings = read_sections(R"(transform: {
    maxBodyBytes: 5000,
    request: {
      method: PUT, path: "/x/{{ uuid }}",
      headers: {append: [{name: C, value: c}], set: [{name: A, value: "{{ request.id }}"}], remove: [D], rename: [{from: E, to: F}]},
      query: {add: [{name: Q, value: v}]},
      body: {json: {set: [{path: "a.b", value: {s: "x {{ uuid }}", v: "{{ request.body.n }}", n: 1e400, t: true, z: null, "1": "1"}},
                          {path: c, value: null}],
                    remove: [/d/0]}}},
    response: {status: [{from: 404, to: 200}], onFailure: Fail, body: {template: "<p>", contentType: text/html}}})");
  ASSERT_TRUE(settings && settings->transform);
  const auto& t = *settings->transform;
  EXPECT_EQ(t.max_body_bytes, 5000U);
  EXPECT_EQ(t.request.method, "PUT");
  ASSERT_EQ(t.request.headers.size(), 4U);
  EXPECT_EQ(t.request.headers[0].kind, ChangeKind::kRemove);
  EXPECT_EQ(t.request.headers[0].name, "d");
  EXPECT_EQ(t.request.headers[1].kind, ChangeKind::kRename);
  EXPECT_EQ(t.request.headers[1].value, "f");
  EXPECT_EQ(t.request.headers[2].kind, ChangeKind::kSet);
  EXPECT_EQ(t.request.headers[3].kind, ChangeKind::kAppend);
  EXPECT_EQ(t.request.query[0].name, "Q");
  ASSERT_EQ(t.request.body.json.size(), 3U);
  EXPECT_EQ(t.request.body.json[0].kind, ChangeKind::kRemove);
  EXPECT_EQ(t.request.body.json[1].value,
            R"({"s":"x {{ uuid }}","v":{{ request.body.n }},"n":1e400,"t":true,"z":null,"1":"1"})");
  EXPECT_EQ(t.request.body.json[2].value, "null");
  EXPECT_TRUE(t.response.fail);
  EXPECT_EQ(t.response.body.text, "<p>");
}

TEST(RequestChange, ReadsAnswersAndFaults) {
  const auto settings =
      read_sections(R"(answer: {maintenance: {message: soon, retryAfter: 30s, allow: {addresses: [10.0.0.0/8]}}},
    fault: {delay: {percent: 0.5, duration: 10ms}, abort: {percent: 100, grpcStatus: 14}, when: {headers: [{name: X-A}]}})");
  ASSERT_TRUE(settings && settings->answer && settings->fault);
  EXPECT_TRUE(settings->answer->maintenance);
  EXPECT_EQ(settings->answer->retry_after, 30s);
  EXPECT_EQ(settings->answer->allow.addresses.size(), 1U);
  EXPECT_EQ(settings->fault->delay_share, 5000U);
  EXPECT_EQ(settings->fault->abort_share, 1'000'000U);
  EXPECT_EQ(settings->fault->grpc_status, 14);
  EXPECT_EQ(settings->fault->when[0].first, "x-a");
}

TEST(RequestChange, ReadsValidationInYamlOrText) {
  const auto settings =
      read_sections(R"(validation: {body: {schema: {type: object, required: [a], const: "1"}, required: false},
    openapi: {document: "{openapi: 3.1.0, paths: {/a: {get: {}}}}", basePath: /v1, unknownPath: Pass}})");
  ASSERT_TRUE(settings && settings->validation);
  EXPECT_EQ(settings->validation->schema, R"({"type":"object","required":["a"],"const":"1"})");
  EXPECT_EQ(settings->validation->openapi, R"({"openapi":"3.1.0","paths":{"/a":{"get":{}}}})");
  EXPECT_FALSE(settings->validation->body_required);
  EXPECT_TRUE(settings->validation->pass_unknown);
}

TEST(RequestChange, ReadsAggregates) {
  const auto settings =
      read_sections(R"(aggregate: {partial: Partial, merge: Flat, completeHeader: "", maxAnswerBytes: 7, calls: [
    {name: a, backendRef: {name: s, port: 80}, path: /a},
    {name: b, backendRef: {name: t, port: 81, namespace: n}, path: "/{{ calls.a.body.id }}", method: POST, timeout: 5ms, required: false,
     json: {x: "{{ calls.a.status }}"}, select: d, fields: [e], remove: [f], rename: [{from: g, to: h}], group: i}]})");
  ASSERT_TRUE(settings && settings->aggregate);
  const auto& a = *settings->aggregate;
  EXPECT_TRUE(a.partial);
  EXPECT_EQ(a.merge, model::Aggregate::Merge::kFlat);
  EXPECT_EQ(a.complete_header, "");
  EXPECT_EQ(a.calls[0].group, "a");
  EXPECT_EQ(a.calls[1].depends_on, std::vector<std::string>{"a"});
  EXPECT_EQ(a.calls[1].body, R"({"x":{{ calls.a.status }}})");
  EXPECT_EQ(a.calls[1].timeout, 5ms);
  EXPECT_FALSE(a.calls[1].required);
}

/// A file, as an operator sees it.
TEST(RequestChangeInput, NamesFileAndLine) {
  std::string pattern = testing::TempDir() + "fl-change-XXXXXX";
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  const auto file = std::filesystem::path(pattern) / "policy.yaml";
  std::ofstream(file) << kToSections << "answer: {body: \"{{ nothing }}\"}}\n";
  auto directory = Directory::open(pattern, gateway_kinds());
  ASSERT_TRUE(directory);
  const auto update = (*directory)->load();
  ASSERT_TRUE(update);
  ASSERT_EQ(update->diagnostics.size(), 1U);
  EXPECT_EQ(update->diagnostics[0].file, file.string());
  EXPECT_EQ(update->diagnostics[0].line, 5U);
  std::filesystem::remove_all(pattern);
}

using Schema = nlohmann::ordered_json;

/// The schemas beside the pages against the readers: the same fields, and each default and word is taken.
class SectionSchema {
 public:
  explicit SectionSchema(std::string section) : section_(std::move(section)) {}

  std::size_t check() {
    std::ifstream in(FL_REFERENCE "/request-policy/" + section_ + ".schema.json");
    walk(Schema::parse(in), {section_});
    return fields_;
  }

 private:
  /// `inner` at the end of a path; "x[]" is a list with one item.
  [[nodiscard]] static ParsedText parse(const std::vector<std::string>& path, const std::string& inner) {
    std::string open, close;
    for (const auto& key : path) {
      const bool list = key.ends_with("[]");
      open += "{\"" + key.substr(0, key.size() - (list ? 2 : 0)) + "\": " + (list ? "[" : "");
      close.insert(0, list ? "]}" : "}");
    }
    auto spec = open + inner + close;
    spec.insert(1, "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: a}], ");
    return parse_text(
        "apiVersion: fairlead.io/v1alpha1\nkind: RequestPolicy\nmetadata: {name: p}\nspec: " + spec + "\n", false,
        gateway_kinds());
  }

  static std::vector<std::string> sorted(const std::string& list) {
    std::vector<std::string> names;
    for (std::size_t from = 0; from < list.size();) {
      const auto end = std::min(list.find(", ", from), list.size());
      names.push_back(list.substr(from, end - from));
      from = end + 2;
    }
    std::ranges::sort(names);
    return names;
  }

  void walk(const Schema& schema, const std::vector<std::string>& path) {
    std::string known, found;
    for (const auto& [name, unused] : schema.at("properties").items()) known += (known.empty() ? "" : ", ") + name;
    for (const auto& remark : parse(path, R"({"zzz": 1})").diagnostics)
      if (remark.found == "an unknown field" && remark.field.ends_with("zzz")) found = remark.expected;
    ASSERT_TRUE(found.starts_with("one of ")) << section_ << ": " << path.back() << ": " << found;
    EXPECT_EQ(sorted(found.substr(7)), sorted(known)) << section_ << ": " << path.back();
    for (const auto& [name, one] : schema.at("properties").items()) {
      ++fields_;
      EXPECT_FALSE(one.value("description", "").empty()) << section_ << ": " << name;
      auto below = path;
      const bool objects = one.value("type", "") == "array" && one["items"].value("type", "") == "object";
      below.push_back(name + (objects ? "[]" : ""));
      if (one.value("type", "") == "object") walk(one, below);
      else if (objects) walk(one["items"], below);
      else check_values(one, below);
    }
  }

  static void check_values(const Schema& one, const std::vector<std::string>& path) {
    std::vector<Schema> values;
    if (one.contains("default")) values.push_back(one["default"]);
    if (one.contains("enum")) values.insert(values.end(), one["enum"].begin(), one["enum"].end());
    std::string name = "spec";
    for (const auto& key : path) name += "." + (key.ends_with("[]") ? key.substr(0, key.size() - 2) + "[0]" : key);
    for (const auto& value : values)
      for (const auto& remark : parse(path, value.dump()).diagnostics) EXPECT_NE(remark.field, name) << remark.text();
  }

  std::string section_;
  std::size_t fields_ = 0;
};

TEST(RequestChangeSchema, HasTheFieldsAndDefaultsOfTheReader) {
  std::size_t fields = 0;
  for (const char* section : {"transform", "validation", "answer", "fault", "aggregate"})
    fields += SectionSchema(section).check();
  EXPECT_GT(fields, 150U);
}

}  // namespace
}  // namespace fairlead::config
