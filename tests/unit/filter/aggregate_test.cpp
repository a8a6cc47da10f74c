// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "fairlead/change/gzip.hpp"
#include "fairlead/model/request_aggregate.hpp"
#include "tests/unit/filter/change_request.hpp"

namespace fairlead::filter {
namespace {

model::AggregateCall call_to(std::string name, std::string path = "/") {
  model::AggregateCall out;
  out.name = out.group = out.backend.ref.name = std::move(name);
  out.path = std::move(path);
  return out;
}

FilterPtr made(const model::Aggregate& settings) {
  ChangeContext context;
  auto all = context.get();
  auto out = make_aggregate(settings, all);
  EXPECT_TRUE(context.faults.empty());
  return out;
}

model::Aggregate two_calls() {
  model::Aggregate out;
  out.calls = {call_to("a"), call_to("bb")};
  return out;
}

TEST(Aggregate, AsksAllAtOnceAndPutsAnswersTogether) {
  const auto filter = made(two_calls());
  ChangeRequest request;
  EXPECT_EQ(filter->on_request(request), Verdict::kWait);
  ASSERT_EQ(request.asked.size(), 2U);
  EXPECT_EQ(request.asked[1]->cluster, 2U);
  EXPECT_EQ(request.asked[0]->fields["x-request-id"], "id-1");
  request.reply(1, R"({"n":12345678901234567890123,"d":0.10})");
  EXPECT_FALSE(request.said);
  request.reply(0, R"(["\u00e9",1e400])");
  ASSERT_TRUE(request.said);
  EXPECT_EQ(request.said->status, 200);
  EXPECT_EQ(request.said->body, "{\"a\":[\"\xc3\xa9\",1e400],\"bb\":{\"n\":12345678901234567890123,\"d\":0.10}}");
  EXPECT_EQ(request.said->fields["content-type"], "application/json");
  EXPECT_EQ(request.said->fields["x-complete"], "true");
}

model::Aggregate streamed() {
  auto out = two_calls();
  out.calls.push_back(call_to("ccc"));
  out.stream = out.partial = true;
  return out;
}

TEST(Aggregate, StreamsWhatStandsInOrder) {
  const auto filter = made(streamed());
  ChangeRequest request;
  EXPECT_EQ(filter->on_request(request), Verdict::kWait);
  request.reply(1, "2");
  EXPECT_FALSE(request.said);  // the first call is still under way
  request.reply(0, "{\"x\":1}");
  ASSERT_TRUE(request.said);
  EXPECT_EQ(request.said->status, 200);
  EXPECT_EQ(request.said->body, "{\"a\":{\"x\":1},\"bb\":2");
  EXPECT_EQ(request.said->fields["content-type"], "application/json");
  EXPECT_EQ(request.said->fields["trailer"], "x-complete");
  EXPECT_FALSE(request.said->fields.contains("x-complete"));
  EXPECT_FALSE(request.whole);
  request.reply(2, "[]");
  EXPECT_TRUE(request.whole);
  EXPECT_EQ(request.said->body, "{\"a\":{\"x\":1},\"bb\":2,\"ccc\":[]}");
  EXPECT_EQ(request.trailers["x-complete"], "true");
}

TEST(Aggregate, LeavesOutWhatFailsInAStream) {
  for (const std::size_t bad : {0UL, 1UL, 2UL}) {
    const auto filter = made(streamed());
    ChangeRequest request;
    EXPECT_EQ(filter->on_request(request), Verdict::kWait);
    for (std::size_t i = 0; i < 3; ++i) request.reply(i, std::to_string(i), i == bad ? 500 : 200);
    ASSERT_TRUE(request.said);
    EXPECT_TRUE(request.whole);
    constexpr const char* kBodies[] = {R"({"bb":1,"ccc":2})", R"({"a":0,"ccc":2})", R"({"a":0,"bb":1})"};
    EXPECT_EQ(request.said->body, kBodies[bad]);
    EXPECT_EQ(request.trailers["x-complete"], "false");
  }
  const auto filter = made(streamed());
  ChangeRequest request;
  EXPECT_EQ(filter->on_request(request), Verdict::kWait);
  for (std::size_t i = 0; i < 3; ++i) request.reply(i, "", 500);
  ASSERT_TRUE(request.said);
  EXPECT_EQ(request.said->status, 502);
}

TEST(Aggregate, StreamsOnlyWhatNoRequiredCallCanFail) {
  auto settings = streamed();
  settings.partial = false;
  settings.calls[2].required = false;
  settings.complete_header.clear();
  {
    const auto filter = made(settings);
    ChangeRequest request;
    EXPECT_EQ(filter->on_request(request), Verdict::kWait);
    request.reply(0, "1");
    EXPECT_FALSE(request.said);
    request.reply(1, "", 500);
    ASSERT_TRUE(request.said);
    EXPECT_EQ(request.said->status, 502);
  }
  const auto filter = made(settings);
  ChangeRequest request;
  EXPECT_EQ(filter->on_request(request), Verdict::kWait);
  request.reply(0, "1");
  request.reply(1, "2");
  ASSERT_TRUE(request.said);
  EXPECT_EQ(request.said->body, R"({"a":1,"bb":2)");
  EXPECT_FALSE(request.said->fields.contains("trailer"));
  request.reply(2, "", 500);
  EXPECT_EQ(request.said->body, R"({"a":1,"bb":2})");
  EXPECT_TRUE(request.whole);
  EXPECT_TRUE(request.trailers.empty());
}

TEST(Aggregate, AnswersHeadAsAWhole) {
  const auto filter = made(streamed());
  ChangeRequest request("HEAD");
  EXPECT_EQ(filter->on_request(request), Verdict::kWait);
  request.reply(0, "1");
  request.reply(1, "2");
  EXPECT_FALSE(request.said);
  request.reply(2, "3");
  ASSERT_TRUE(request.said);
  EXPECT_EQ(request.said->fields["x-complete"], "true");
}

TEST(Aggregate, CarriesValuesOver) {
  auto settings = two_calls();
  auto& second = settings.calls[1];
  second.depends_on = {"a"};
  second.path = "/of/{{ calls.a.body.id }}/{{ request.query.x }}";
  second.query = {{"q", "{{ calls.a.body.text }}"}, {"none", "{{ calls.a.body.nothing }}"}};
  second.headers = {{"x-id", "{{ calls.a.body.id }} {{ calls.a.status }}"}, {"accept", "text/plain"}};
  second.forward_headers = {"authorization", "absent"};
  second.body = R"({"id":{{ calls.a.body.id }},"from":"{{ request.body.who }}"})";
  second.method = "POST";
  second.timeout = std::chrono::milliseconds(77);
  const auto filter = made(settings);
  ChangeRequest request("POST", "/", "x=a%2Fb");
  request.with_body(10).with("authorization", "Bearer t");
  ASSERT_EQ(filter->on_request(request), Verdict::kNeedBody);
  std::string body = R"({"who":"\"me"})";
  EXPECT_EQ(filter->on_request_body(request, body), Verdict::kWait);
  ASSERT_EQ(request.asked.size(), 1U);
  request.reply(0, R"({"id":12345678901234567890123,"text":"a&b=c"})", 201);
  ASSERT_EQ(request.asked.size(), 2U);
  auto& asked = *request.asked[1];
  EXPECT_EQ(asked.method, "POST");
  EXPECT_EQ(asked.authority, "a.example");
  EXPECT_EQ(asked.target, "/of/12345678901234567890123/a%2Fb?q=a%26b%3Dc");
  EXPECT_EQ(asked.body, R"({"id":12345678901234567890123,"from":"\"me"})");
  EXPECT_EQ(asked.fields["x-id"], "12345678901234567890123 201");
  EXPECT_EQ(asked.fields["accept"], "text/plain");
  EXPECT_EQ(asked.fields["authorization"], "Bearer t");
  EXPECT_EQ(asked.timeout, std::chrono::milliseconds(77));
  EXPECT_FALSE(asked.fields.contains("absent"));
}

TEST(Aggregate, MakesNoCallOfAnAnswerThatWouldTurnItsPath) {
  auto settings = two_calls();
  settings.calls[1].depends_on = {"a"};
  settings.calls[1].path = "/of/{{ calls.a.body.id }}";
  for (const char* id : {"\"..\"", "\"\"", "null", "\"../x\""}) {
    const auto filter = made(settings);
    ChangeRequest request;
    EXPECT_EQ(filter->on_request(request), Verdict::kWait);
    request.reply(0, std::string("{\"id\":") + id + "}");
    EXPECT_EQ(request.asked.size(), 1U) << id;
    ASSERT_TRUE(request.said) << id;
    EXPECT_EQ(request.said->status, 502);
  }
}

struct Shape {
  const char* select;
  std::vector<std::string> fields, remove;
  std::vector<std::pair<std::string, std::string>> rename;
  const char* answer;
  const char* expected;
};

TEST(Aggregate, TakesWhatIsAskedFor) {
  const Shape rows[] = {
      {"data.items[1]", {}, {}, {}, R"({"data":{"items":[1,{"x":2}]}})", R"({"a":{"x":2}})"},
      {"/data/items", {}, {}, {}, R"({"data":{"items":[]}})", R"({"a":[]})"},
      {"",
       {"id", "sub.b"},
       {},
       {},
       R"({"id":1,"secret":2,"sub":{"a":1,"b":0.10}})",
       R"({"a":{"id":1,"sub":{"b":0.10}}})"},
      {"",
       {},
       {"secret", "sub.a"},
       {},
       R"({"id":1,"secret":2,"sub":{"a":1,"b":2}})",
       R"({"a":{"id":1,"sub":{"b":2}}})"},
      {"l",
       {"id"},
       {},
       {{"id", "key"}},
       R"({"l":[{"id":1,"x":2},3,{"id":4},{}]})",
       R"({"a":[{"key":1},3,{"key":4},{}]})"},
      {"", {}, {}, {{"a", "b.c"}}, R"({"a":1})", R"({"a":{"b":{"c":1}}})"},
  };
  for (const auto& row : rows) {
    model::Aggregate settings;
    settings.calls = {call_to("a")};
    auto& call = settings.calls[0];
    call.select = row.select;
    call.fields = row.fields;
    call.remove = row.remove;
    call.rename = row.rename;
    const auto filter = made(settings);
    ChangeRequest request;
    EXPECT_EQ(filter->on_request(request), Verdict::kWait);
    request.reply(0, row.answer);
    ASSERT_TRUE(request.said);
    EXPECT_EQ(request.said->body, row.expected);
  }
}

TEST(Aggregate, LaysMembersSideBySide) {
  auto settings = two_calls();
  settings.merge = model::Aggregate::Merge::kFlat;
  const auto filter = made(settings);
  ChangeRequest request;
  EXPECT_EQ(filter->on_request(request), Verdict::kWait);
  request.reply(1, R"({"y":2,"z":3})");
  request.reply(0, R"({"x":1,"y":1})");
  EXPECT_EQ(request.said->body, R"({"x":1,"y":2,"z":3})");
}

/// What is no good answer, and what becomes of it.
TEST(Aggregate, FailsOrIsPartial) {
  std::string bomb;
  ASSERT_TRUE(change::gzip("\"" + std::string(2'000'000, 'a') + "\"", bomb));
  struct Bad {
    std::string text;
    std::uint16_t status;
    const char* coding;
  };
  const Bad bad[] = {{"{}", 500, ""},
                     {"{}", 304, ""},
                     {"<a/>", 200, ""},
                     {"{\"a\":1,\"a\":2}", 200, ""},
                     {std::string(100, '['), 200, ""},
                     {bomb, 200, "gzip"},
                     {"{}", 200, "br"}};
  for (const auto& one : bad)
    for (const int mode : {0, 1, 2}) {
      auto settings = two_calls();
      settings.partial = mode == 1;
      settings.calls[1].required = mode != 2;
      const auto filter = made(settings);
      ChangeRequest request;
      EXPECT_EQ(filter->on_request(request), Verdict::kWait);
      http::Fields fields;
      if (*one.coding != '\0') fields.push_back({"content-encoding", one.coding});
      request.reply(1, one.text, one.status, fields);
      if (mode == 0) {
        ASSERT_TRUE(request.said) << "at once";
        EXPECT_EQ(request.said->status, 502);
        EXPECT_TRUE(request.asked[0]->given_up);
        continue;
      }
      EXPECT_FALSE(request.said);
      request.reply(0, "1");
      EXPECT_EQ(request.said->body, R"({"a":1})") << one.text.substr(0, 20);
      EXPECT_EQ(request.said->fields["x-complete"], "false");
    }
}

TEST(Aggregate, SaysWhatWasLate) {
  const auto filter = made(two_calls());
  ChangeRequest request;
  EXPECT_EQ(filter->on_request(request), Verdict::kWait);
  request.asked[0]->handler->on_call_failure("no answer in time");
  EXPECT_EQ(request.said->status, 504);
  EXPECT_NE(request.said->body.find("call a took too long"), std::string::npos);
  EXPECT_TRUE(request.asked[1]->given_up);
}

TEST(Aggregate, AnswersWhereNothingCanBegin) {
  for (const bool partial : {false, true}) {
    auto settings = two_calls();
    settings.partial = partial;
    const auto filter = made(settings);
    ChangeRequest request;
    request.refuses = true;
    EXPECT_EQ(filter->on_request(request), Verdict::kAnswered);
    EXPECT_EQ(request.said->status, 502);
  }
}

TEST(Aggregate, TakesTheFirstGoodAnswer) {
  auto settings = two_calls();
  settings.mode = model::Aggregate::Mode::kFirstOf;
  settings.calls.push_back(call_to("ccc"));
  const auto filter = made(settings);
  ChangeRequest request, none;
  EXPECT_EQ(filter->on_request(request), Verdict::kWait);
  request.reply(0, "{}", 500);
  request.asked[2]->handler->on_call_failure("Connection refused");
  EXPECT_FALSE(request.said);
  request.reply(1, R"({"x":1})");
  EXPECT_EQ(request.said->body, R"({"x":1})");
  EXPECT_EQ(filter->on_request(none), Verdict::kWait);
  for (const std::size_t i : {0U, 1U, 2U}) none.reply(i, "{}", 503);
  EXPECT_EQ(none.said->status, 502);
}

TEST(Aggregate, GivesUpWithTheRequest) {
  const auto filter = made(two_calls());
  ChangeRequest request;
  EXPECT_EQ(filter->on_request(request), Verdict::kWait);
  request.end();
  EXPECT_TRUE(request.asked[0]->given_up);
  EXPECT_TRUE(request.asked[1]->given_up);
}

TEST(Aggregate, NamesServicesThatAreNotThere) {
  model::Aggregate settings;
  settings.calls = {call_to("nowhere")};
  ChangeContext context;
  auto all = context.get();
  EXPECT_EQ(make_aggregate(settings, all), nullptr);
  ASSERT_EQ(context.faults.size(), 1U);
  EXPECT_NE(context.faults[0].find("no Service nowhere"), std::string::npos);
}

}  // namespace
}  // namespace fairlead::filter
