// SPDX-License-Identifier: Apache-2.0
// Section responseLimits: what responses say that they have used.
#include <gtest/gtest.h>

#include "fairlead/model/request_limits.hpp"
#include "tests/unit/filter/change_request.hpp"
#include "tests/unit/filter/fake_request.hpp"

namespace fairlead::filter {
namespace {

using Period = model::RateLimit::Period;

model::RateLimit used(const std::string& name, std::uint64_t requests, Period period, std::chrono::seconds per) {
  model::RateLimit out{.name = name + ":" + std::to_string(static_cast<int>(period)),
                       .algorithm = model::RateLimit::Algorithm::kFixedWindow,
                       .requests = requests,
                       .period = period,
                       .per = per};
  out.cost = 0;
  out.key.push_back({.type = model::LimitKeyPart::Type::kRoute});
  out.response = {.header = "x-used", .json = {}, .entry = name};
  return out;
}

/// Images: 5 a month and 3 in 30 days by another window's length; rows: 100 a month.
model::ResponseLimits settings(bool refuse_requests) {
  using std::chrono::hours;
  model::ResponseLimits out{.header = "x-used", .refuse_requests = refuse_requests};
  out.limits.limits = {used("Images", 5, Period::kMonth, hours(720)), used("Images", 3, Period::kDay, hours(24)),
                       used("rows", 100, Period::kMonth, hours(720))};
  out.limits.headers = model::RateLimits::kPerPeriod;
  return out;
}

struct Used {
  explicit Used(const model::ResponseLimits& from) {
    auto all = context.get();
    filter = make_response_limits(from, all);
  }
  /// "status images-left-for-the-backend images-left-for-the-client", of a response that says this.
  std::string ask(std::string_view says) {
    FakeRequest request;
    request.with("x-ratelimit-remaining-images", "of the client");
    if (filter->on_request(request) != Verdict::kContinue) return std::to_string(request.said()->status);
    std::string out;
    for (const auto& field : request.head().fields)
      if (field.name == "x-ratelimit-remaining-images") out += " " + std::string(field.value);
    http::ResponseHead head;
    head.fields.push_back({"x-used", says});
    head.fields.push_back({"x-ratelimit-limit-images-day", "of the backend"});
    if (filter->on_response(request, head) == Verdict::kAnswered)
      return std::to_string(request.said()->status) + out + " " +
             request.said()->field("x-ratelimit-remaining-images-day") + request.said()->body;
    EXPECT_EQ(http::find(head.fields, "x-used"), nullptr);
    EXPECT_EQ(http::find(head.fields, "x-ratelimit-limit-images-day")->value, "3");
    return "200" + out + " " + std::string(http::find(head.fields, "x-ratelimit-remaining-images-day")->value);
  }
  ChangeContext context;
  FilterPtr filter;
};

TEST(ResponseLimits, RefuseResponsesThatUseWhatIsUsedUp) {
  Used used(settings(false));
  EXPECT_EQ(used.ask("images=1, Images=-1, Images = x, Images=1=1, Images"), "200 3 3") << "nothing of it counts";
  EXPECT_EQ(used.ask("rows=1,Images=1 , Images= 2,"), "200 3 1") << "the last of a name";
  EXPECT_EQ(used.ask("Images=2"), "200 1 0") << "passed by the last that found some";
  EXPECT_EQ(used.ask("rows=1"), "200 0 0") << "what uses something else";
  EXPECT_EQ(used.ask("rows=1, Images=1"), "429 0 0");
  EXPECT_EQ(used.ask(""), "200 0 0");
}

TEST(ResponseLimits, RefuseRequestsOnceOneIsUsedUp) {
  Used used(settings(true));
  EXPECT_EQ(used.ask("Images=2"), "200 3 1");
  EXPECT_EQ(used.ask("Images=2"), "200 1 0");
  EXPECT_EQ(used.ask("rows=1"), "429");
}

TEST(ResponseLimits, TellClientsOnlyWhereTheyAreToBeTold) {
  auto quiet = settings(false);
  quiet.tells = false;
  Used used(quiet);
  FakeRequest request;
  ASSERT_EQ(used.filter->on_request(request), Verdict::kContinue);
  http::ResponseHead head;
  head.fields.push_back({"x-used", "rows=1"});
  EXPECT_EQ(used.filter->on_response(request, head), Verdict::kContinue);
  EXPECT_TRUE(head.fields.empty());
}

}  // namespace
}  // namespace fairlead::filter
