// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "fairlead/change/gzip.hpp"
#include "fairlead/model/request_change.hpp"
#include "tests/unit/filter/change_request.hpp"

namespace fairlead::filter {
namespace {

using model::ChangeKind;

FilterPtr made(const model::Transform& settings) {
  ChangeContext context;
  auto all = context.get();
  return make_transform(settings, all);
}

model::Transform json_change(ChangeKind kind, std::string path, std::string value) {
  model::Transform out;
  out.request.body.json = {{kind, std::move(path), std::move(value)}};
  return out;
}

TEST(Transform, ChangesTheHead) {
  model::Transform settings;
  settings.request.method = "POST";
  settings.request.path = "/v2/{{ request.header.user }}";
  settings.request.headers = {{ChangeKind::kRemove, "secret", {}},
                              {ChangeKind::kRename, "old", "new"},
                              {ChangeKind::kReplace, "absent", "x"},
                              {ChangeKind::kSet, "who", "{{ request.header.secret }}"},
                              {ChangeKind::kSet, "none", "{{ request.header.nothing }}"},
                              {ChangeKind::kAdd, "user", "other"},
                              {ChangeKind::kAppend, "user", "second"}};
  settings.request.query = {{ChangeKind::kRemove, "token", {}},
                            {ChangeKind::kRename, "q", "search"},
                            {ChangeKind::kSet, "lang", "{{ request.header.old }}"},
                            {ChangeKind::kSet, "was", "{{ request.query.token }}"}};
  ChangeRequest request("GET", "/v1/x", "q=a%20b&token=t&z");
  request.with("user", "a/b").with("secret", "s\r\nx: y").with("old", "de&x=1");
  EXPECT_EQ(made(settings)->on_request(request), Verdict::kContinue);
  EXPECT_EQ(request.head().method_text, "POST");
  EXPECT_EQ(request.head().method, http::Method::kPost);
  EXPECT_EQ(request.target().path, "/v2/a%2Fb");
  EXPECT_EQ(request.target().query, "search=a%20b&z&lang=de%26x%3D1&was=t");
  EXPECT_EQ(request.field("secret"), "-");
  EXPECT_EQ(request.field("old"), "-");
  EXPECT_EQ(request.field("new"), "de&x=1");
  EXPECT_EQ(request.field("absent"), "-");
  EXPECT_EQ(request.field("none"), "-");
  EXPECT_EQ(request.field("who"), "s  x: y");
  EXPECT_EQ(std::ranges::count(request.head().fields, "user", &http::Field::name), 2);
}

TEST(Transform, RefusesAPathThatAValueWouldTurn) {
  model::Transform settings;
  settings.request.path = "/users/{{ request.query.id }}";
  for (const char* query : {"id=..", "id=%2e%2e", "id=../admin", "id=", "x=1", "id=..%5Cx"}) {
    ChangeRequest request("GET", "/", query);
    EXPECT_EQ(made(settings)->on_request(request), Verdict::kAnswered) << query;
    EXPECT_EQ(request.said->status, 400) << query;
  }
}

TEST(Transform, ChangesJsonOfRequests) {
  struct Row {
    ChangeKind kind;
    const char* path;
    const char* value;
    const char* before;
    const char* after;
  };
  constexpr Row kRows[] = {
      {ChangeKind::kSet, "a.b", R"("{{ request.header.x }}")", R"({"n":12345678901234567890123,"d":0.10,"h":1e400})",
       R"({"n":12345678901234567890123,"d":0.10,"h":1e400,"a":{"b":"va\"l"}})"},
      {ChangeKind::kSet, "copy", "{{ request.body.n }}", R"({"n":1e400})", R"({"n":1e400,"copy":1e400})"},
      {ChangeKind::kAdd, "n", "2", R"({"n":1})", R"({"n":1})"},
      {ChangeKind::kAppend, "l", R"({"u":"\u00e9"})", R"({"l":[1]})", "{\"l\":[1,{\"u\":\"\xc3\xa9\"}]}"},
      {ChangeKind::kRemove, "password", "", R"({"password":"p","u":1})", R"({"u":1})"},
      {ChangeKind::kRename, "a", "b.c", R"({"a":[1]})", R"({"b":{"c":[1]}})"},
      {ChangeKind::kReplace, "a", "null", R"({"b":1})", R"({"b":1})"},
  };
  for (const auto& row : kRows) {
    ChangeRequest request("POST");
    request.with_body(std::string_view(row.before).size()).with("x", "va\"l").with("digest", "sha-256=x");
    const auto filter = made(json_change(row.kind, row.path, row.value));
    ASSERT_EQ(filter->on_request(request), Verdict::kNeedBody);
    std::string body = row.before;
    ASSERT_EQ(filter->on_request_body(request, body), Verdict::kContinue) << row.path;
    EXPECT_EQ(body, row.after);
    EXPECT_EQ(request.field("digest"), "-");
  }
}

TEST(Transform, MakesWholeBodiesOfTemplates) {
  model::Transform settings;
  settings.request.body.map = R"({"user":{"id":{{ request.body.id }},"by":"{{ client.ip }}"}})";
  ChangeRequest request("POST");
  request.with_body(8);
  const auto filter = made(settings);
  ASSERT_EQ(filter->on_request(request), Verdict::kNeedBody);
  std::string body = R"({"id":"\",\"admin\":true"})";
  ASSERT_EQ(filter->on_request_body(request, body), Verdict::kContinue);
  EXPECT_EQ(body, R"({"user":{"id":"\",\"admin\":true","by":"192.0.2.1"}})");
}

TEST(Transform, LeavesWhatIsNoJson) {
  ChangeRequest request("POST");
  request.with_body(5, "text/plain");
  EXPECT_EQ(made(json_change(ChangeKind::kSet, "a", "1"))->on_request(request), Verdict::kContinue);
  ChangeRequest bodiless("GET");
  EXPECT_EQ(made(json_change(ChangeKind::kSet, "a", "1"))->on_request(bodiless), Verdict::kContinue);
}

TEST(Transform, RefusesHostileRequestBodies) {
  std::string bomb;
  ASSERT_TRUE(change::gzip("\"" + std::string(5'000'000, 'a') + "\"", bomb));
  struct Row {
    std::string body;
    const char* coding;
    std::uint16_t status;
  };
  const Row rows[] = {{"{\"a\":1,\"a\":2}", "", 400},
                      {std::string(100, '[') + std::string(100, ']'), "", 400},
                      {"{", "", 400},
                      {"no gzip", "gzip", 400},
                      {"{}", "compress", 415},
                      {"{}", "gzip, gzip", 415},
                      {bomb, "gzip", 413}};
  for (const auto& row : rows) {
    ChangeRequest request("POST");
    request.with_body(row.body.size());
    if (*row.coding != '\0') request.with("content-encoding", row.coding);
    const auto filter = made(json_change(ChangeKind::kSet, "b", "1"));
    ASSERT_EQ(filter->on_request(request), Verdict::kNeedBody);
    auto body = row.body;
    EXPECT_EQ(filter->on_request_body(request, body), Verdict::kAnswered);
    ASSERT_TRUE(request.said);
    EXPECT_EQ(request.said->status, row.status) << row.coding << request.said->body;
    EXPECT_EQ(request.said->fields["content-type"], "application/problem+json");
  }
  model::Transform growing = json_change(ChangeKind::kSet, "b", R"("{{ request.body.a }}{{ request.body.a }}")");
  growing.max_body_bytes = 1000;
  ChangeRequest request("POST");
  request.with_body(700);
  std::string body = R"({"a":")" + std::string(690, 'a') + "\"}";
  EXPECT_EQ(made(growing)->on_request_body(request, body), Verdict::kAnswered);
  EXPECT_EQ(request.said->status, 413);
}

TEST(Transform, ExpandsRequests) {
  ChangeRequest request("POST");
  std::string body;
  ASSERT_TRUE(change::gzip(R"({"a":1})", body));
  request.with_body(body.size()).with("content-encoding", "GZIP");
  const auto filter = made(json_change(ChangeKind::kSet, "b", "2"));
  ASSERT_EQ(filter->on_request(request), Verdict::kNeedBody);
  ASSERT_EQ(filter->on_request_body(request, body), Verdict::kContinue);
  EXPECT_EQ(body, R"({"a":1,"b":2})");
  EXPECT_EQ(request.field("content-encoding"), "-");
}

struct Passed {
  std::string body;
  bool broken = false;
};

/// Gives the text in pieces.
Passed pass(BodyFilter& filter, std::string_view text, std::size_t piece) {
  Passed out;
  for (std::size_t at = 0; at < text.size() || at == 0; at += piece) {
    const auto got = filter.on_data(text.substr(at, piece), at + piece >= text.size());
    if (!got) return {out.body, true};
    out.body += *got;
  }
  return out;
}

http::ResponseHead json_head(std::size_t length) {
  http::ResponseHead head;
  head.body = http::Body::kLength;
  head.content_length = length;
  head.fields = {{"content-type", "application/json; charset=utf-8"}, {"etag", "\"a\""}};
  return head;
}

TEST(Transform, ChangesResponses) {
  model::Transform settings;
  settings.response.status = {{404, 200}};
  settings.response.headers = {{ChangeKind::kSet, "x-was", "{{ response.status }} {{ response.header.etag }}"}};
  settings.response.body.json = {{ChangeKind::kRemove, "secret", {}},
                                 {ChangeKind::kSet, "status", "{{ response.status | number }}"}};
  const std::string text = R"({"secret":1,"n":0.10})";
  for (const std::size_t piece : {1U, 7U, 100U}) {
    ChangeRequest request;
    request.with("accept-encoding", "gzip, br, deflate").with("range", "bytes=0-1");
    const auto filter = made(settings);
    EXPECT_EQ(filter->on_request(request), Verdict::kContinue);
    EXPECT_EQ(request.field("accept-encoding"), "gzip, br");
    EXPECT_EQ(request.field("range"), "-");
    auto head = json_head(text.size());
    head.status = 404;
    EXPECT_EQ(filter->on_response(request, head), Verdict::kContinue);
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.body, http::Body::kStream);
    EXPECT_EQ(http::find(head.fields, "x-was")->value, "404 W/\"a\"");
    EXPECT_EQ(http::find(head.fields, "etag")->value, "W/\"a\"");
    ASSERT_NE(request.body, nullptr);
    EXPECT_EQ(pass(*request.body, text, piece).body, R"({"n":0.10,"status":404})");
  }
}

TEST(Transform, KeepsTheCodingOfResponses) {
  model::Transform settings;
  settings.response.body.json = {{ChangeKind::kSet, "b", "2"}};
  std::string packed, plain;
  ASSERT_TRUE(change::gzip(R"({"a":1})", packed));
  ChangeRequest request;
  auto head = json_head(packed.size());
  head.fields.push_back({"content-encoding", "gzip"});
  const auto filter = made(settings);
  EXPECT_EQ(filter->on_response(request, head), Verdict::kContinue);
  const auto out = pass(*request.body, packed, 10);
  EXPECT_EQ(change::expand(out.body, {}, plain), change::Expanded::kWhole);
  EXPECT_EQ(plain, R"({"a":1,"b":2})");
}

/// What cannot be changed passes as it is, or fails, as it is set.
TEST(Transform, PassesOrFailsOtherResponses) {
  std::string bomb;
  ASSERT_TRUE(change::gzip("\"" + std::string(2'000'000, 'a') + "\"", bomb));
  struct Row {
    std::string text;
    const char* coding;
  };
  const Row rows[] = {
      {"no JSON", ""}, {"{\"a\":1,\"a\":2}", ""}, {bomb, "gzip"}, {"no gzip", "gzip"}, {std::string(2000, ' '), ""}};
  for (const bool fail : {false, true})
    for (const auto& row : rows) {
      model::Transform settings;
      settings.max_body_bytes = row.text.size() == 2000 ? 1000 : 100'000;
      settings.response.body.json = {{ChangeKind::kSet, "b", "2"}};
      settings.response.fail = fail;
      ChangeRequest request;
      auto head = json_head(0);
      head.body = http::Body::kStream;
      if (*row.coding != '\0') head.fields.push_back({"content-encoding", row.coding});
      const auto filter = made(settings);
      ASSERT_EQ(filter->on_response(request, head), Verdict::kContinue);
      const auto out = pass(*request.body, row.text, 600);
      EXPECT_EQ(out.broken, fail) << row.text.substr(0, 20);
      EXPECT_TRUE(fail || out.body == row.text) << row.text.substr(0, 20);
    }
}

TEST(Transform, SaysAtTheHeadWhatItKnowsThere) {
  for (const bool fail : {false, true}) {
    model::Transform settings;
    settings.max_body_bytes = 10;
    settings.response.body.json = {{ChangeKind::kSet, "b", "2"}};
    settings.response.fail = fail;
    const auto filter = made(settings);
    ChangeRequest large, coded;
    auto head = json_head(11);
    EXPECT_EQ(filter->on_response(large, head), fail ? Verdict::kAnswered : Verdict::kContinue);
    EXPECT_EQ(large.said ? large.said->status : 0, fail ? 502 : 0);
    EXPECT_EQ(head.content_length, 11U);
    for (const char* coding : {"compress", "deflate", "gzip, br"}) {
      coded.said.reset();
      head = json_head(5);
      head.fields.push_back({"content-encoding", coding});
      EXPECT_EQ(filter->on_response(coded, head), fail ? Verdict::kAnswered : Verdict::kContinue) << coding;
      EXPECT_EQ(coded.body, nullptr);
    }
  }
}

TEST(Transform, TouchesNoOtherBodies) {
  model::Transform settings;
  settings.response.body.json = {{ChangeKind::kSet, "b", "2"}};
  const auto filter = made(settings);
  for (const int which : {0, 1, 2}) {
    ChangeRequest request;
    auto head = json_head(5);
    if (which == 0) head.fields[0].value = "text/html";
    if (which == 1) head.status = 206;
    if (which == 2) {
      head.body = http::Body::kNone;
      head.has_length = true;
    }
    EXPECT_EQ(filter->on_response(request, head), Verdict::kContinue);
    EXPECT_EQ(request.body, nullptr);
    EXPECT_FALSE(which == 2 && head.has_length) << "the length of what a GET would get is not known";
  }
}

}  // namespace
}  // namespace fairlead::filter
