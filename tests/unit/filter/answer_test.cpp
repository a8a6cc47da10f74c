// SPDX-License-Identifier: Apache-2.0
// Sections answer and fault.
#include <gtest/gtest.h>

#include "fairlead/model/request_change.hpp"
#include "tests/unit/filter/change_request.hpp"

namespace fairlead::filter {
namespace {

FilterPtr made(const model::FixedAnswer& settings) {
  ChangeContext context;
  auto all = context.get();
  return make_answer(settings, all);
}
FilterPtr made(const model::Fault& settings) {
  ChangeContext context;
  auto all = context.get();
  return make_fault(settings, all);
}

constexpr std::uint64_t kLater = 10'000'000'000;  // ms

TEST(Answer, RendersForItsContentType) {
  struct Row {
    const char* type;
    const char* body;
    const char* expected;
  };
  constexpr Row kRows[] = {
      {"text/plain", "hello {{ request.header.x }}", "hello <b>\"&"},
      {"text/html; charset=utf-8", "<p>{{ request.header.x }}</p>", "<p>&lt;b&gt;&quot;&amp;</p>"},
      {"application/json", R"({"x":"{{ request.header.x }}","y":{{ request.header.x }}})",
       R"({"x":"<b>\"&","y":"<b>\"&"})"},
      {"image/svg+xml", "<t>{{ request.header.x }}</t>", "<t>&lt;b&gt;&quot;&amp;</t>"},
  };
  for (const auto& row : kRows) {
    model::FixedAnswer settings;
    settings.status = 201;
    settings.headers = {{"location", "/made/{{ request.header.x }}"}, {"none", "{{ request.header.nothing }}"}};
    settings.body = row.body;
    settings.content_type = row.type;
    settings.has_body = true;
    ChangeRequest request;
    request.with("x", "<b>\"&");
    EXPECT_EQ(made(settings)->on_request(request), Verdict::kAnswered);
    ASSERT_TRUE(request.said);
    EXPECT_EQ(request.said->status, 201);
    EXPECT_EQ(request.said->body, row.expected);
    EXPECT_EQ(request.said->fields["content-type"], row.type);
    EXPECT_EQ(request.said->fields["location"], "/made/<b>\"&");
    EXPECT_FALSE(request.said->fields.contains("none"));
    EXPECT_FALSE(request.said->flagged);
  }
}

TEST(Answer, UsesTheRequestsBody) {
  model::FixedAnswer settings;
  settings.body = R"({"you said":{{ request.body.a }}})";
  settings.content_type = "application/json";
  settings.has_body = true;
  ChangeRequest request("POST");
  request.with_body(9);
  const auto filter = made(settings);
  ASSERT_EQ(filter->on_request(request), Verdict::kNeedBody);
  std::string body = R"({"a":0.10})";
  EXPECT_EQ(filter->on_request_body(request, body), Verdict::kAnswered);
  EXPECT_EQ(request.said->body, R"({"you said":0.10})");
}

TEST(Answer, WaitsItsDelayAndNoRequestThatHasGone) {
  model::FixedAnswer settings;
  settings.has_body = true;
  settings.body = "late";
  settings.content_type = "text/plain";
  settings.delay = std::chrono::seconds(1);
  const auto filter = made(settings);
  ChangeRequest waits, goes;
  EXPECT_EQ(filter->on_request(waits), Verdict::kWait);
  EXPECT_FALSE(waits.said);
  waits.reactor().timers().advance(kLater);
  ASSERT_TRUE(waits.said);
  EXPECT_EQ(waits.said->body, "late");
  EXPECT_EQ(filter->on_request(goes), Verdict::kWait);
  goes.end();
  goes.reactor().timers().advance(kLater);
  EXPECT_FALSE(goes.said);
}

TEST(Answer, SpeaksInProblemDetailsWithoutABody) {
  model::FixedAnswer settings;
  settings.status = 410;
  ChangeRequest request;
  EXPECT_EQ(made(settings)->on_request(request), Verdict::kAnswered);
  EXPECT_EQ(request.said->fields["content-type"], "application/problem+json");
  EXPECT_NE(request.said->body.find(R"("title":"Gone","status":410)"), std::string::npos);
}

TEST(Answer, LetsSomeThroughAMaintenance) {
  model::FixedAnswer settings;
  settings.maintenance = true;
  settings.body = "back at \"noon\", {{ request.host }}";
  settings.retry_after = std::chrono::milliseconds(90'001);
  settings.allow.addresses = {*Cidr::parse("198.51.100.0/24")};
  settings.allow.header = "x-pass";
  settings.allow.value = "word";
  const auto filter = made(settings);
  ChangeRequest out, in, wrong;
  EXPECT_EQ(filter->on_request(out), Verdict::kAnswered);
  EXPECT_EQ(out.said->status, 503);
  EXPECT_EQ(out.said->fields["retry-after"], "91");
  EXPECT_NE(out.said->body.find(R"("detail":"back at \"noon\", a.example")"), std::string::npos) << out.said->body;
  in.with("x-pass", "word");
  EXPECT_EQ(filter->on_request(in), Verdict::kContinue);
  wrong.with("x-pass", "wor");
  EXPECT_EQ(filter->on_request(wrong), Verdict::kAnswered);
  settings.allow.addresses = {*Cidr::parse("192.0.2.0/24")};
  ChangeRequest near;
  EXPECT_EQ(made(settings)->on_request(near), Verdict::kContinue);
}

TEST(Fault, AbortsItsShare) {
  model::Fault settings;
  settings.abort_share = 250'000;
  settings.abort_status = 503;
  const auto filter = made(settings);
  ChangeRequest request;
  int aborted = 0;
  constexpr int kTimes = 4000;
  for (int i = 0; i < kTimes; ++i) {
    request.said.reset();
    if (filter->on_request(request) == Verdict::kAnswered) ++aborted;
    else EXPECT_FALSE(request.said);
  }
  EXPECT_GT(aborted, 850);  // 1000, and five times the deviation of 27
  EXPECT_LT(aborted, 1150);
  settings.abort_share = 1'000'000;
  ChangeRequest all;
  EXPECT_EQ(made(settings)->on_request(all), Verdict::kAnswered);
  EXPECT_EQ(all.said->status, 503);
  EXPECT_EQ(all.said->flag, telemetry::ResponseFlag::kFaultInjected);
}

TEST(Fault, DelaysAndThenGoesOnOrAborts) {
  model::Fault settings;
  settings.delay_share = 1'000'000;
  settings.delay = std::chrono::seconds(2);
  ChangeRequest goes_on;
  const auto filter = made(settings);
  EXPECT_EQ(filter->on_request(goes_on), Verdict::kWait);
  EXPECT_EQ(goes_on.resumed, 0);
  goes_on.reactor().timers().advance(kLater);
  EXPECT_EQ(goes_on.resumed, 1);
  settings.abort_share = 1'000'000;
  settings.grpc_status = 14;
  ChangeRequest aborted;
  const auto both = made(settings);
  EXPECT_EQ(both->on_request(aborted), Verdict::kWait);
  aborted.reactor().timers().advance(kLater);
  ASSERT_TRUE(aborted.said);
  EXPECT_EQ(aborted.resumed, 0);
  EXPECT_EQ(aborted.said->status, 200);
  EXPECT_EQ(aborted.said->fields["grpc-status"], "14");
}

TEST(Fault, ConcernsOnlyWhatItIsFor) {
  model::Fault settings;
  settings.abort_share = 1'000'000;
  settings.abort_status = 500;
  settings.when = {{"x-test", "yes"}, {"x-any", ""}};
  const auto filter = made(settings);
  ChangeRequest none, one, both;
  EXPECT_EQ(filter->on_request(none), Verdict::kContinue);
  one.with("x-test", "yes");
  EXPECT_EQ(filter->on_request(one), Verdict::kContinue);
  both.with("x-test", "yes").with("x-any", "thing");
  EXPECT_EQ(filter->on_request(both), Verdict::kAnswered);
}

}  // namespace
}  // namespace fairlead::filter
