// SPDX-License-Identifier: Apache-2.0
// Sections rateLimits and concurrency, without a proxy.
#include <gtest/gtest.h>

#include "consumers.hpp"
#include "fairlead/limit/clocks.hpp"
#include "fairlead/model/request_limits.hpp"
#include "fake_request.hpp"

namespace fairlead::filter {
namespace {

using Type = model::LimitKeyPart::Type;

model::RateLimit hourly(std::string name, std::uint64_t requests, std::vector<model::LimitKeyPart> key = {{}}) {
  model::RateLimit out;
  out.name = std::move(name);
  out.algorithm = model::RateLimit::Algorithm::kFixedWindow;
  out.requests = requests;
  out.period = model::RateLimit::Period::kMonth;  // no boundary passes in a test, but for one a month
  out.per = std::chrono::hours(720);
  out.key = std::move(key);
  return out;
}

struct Limits {
  explicit Limits(const model::RateLimits& settings) {
    auto context = fake.get();
    filter = make_rate_limits(settings, context);
  }
  Verdict ask(FakeRequest& request) const { return filter->on_request(request); }
  Verdict ask(FakeRequest&& request) const { return filter->on_request(request); }
  /// How many of `tries` pass.
  template <class Make>
  int passes(int tries, Make&& make) const {
    int out = 0;
    for (int i = 0; i < tries; ++i) out += ask(make(i)) == Verdict::kContinue;
    return out;
  }
  FakeContext fake;
  FilterPtr filter;
};

TEST(RateLimits, RefuseWithProblemDetailsAndFields) {
  model::RateLimits settings{.limits = {hourly("monthly", 2)}};
  settings.headers = 15;
  const Limits limits(settings);
  FakeRequest first;
  EXPECT_EQ(limits.ask(first), Verdict::kContinue);
  http::ResponseHead head;
  head.fields.push_back({"x-ratelimit-limit", "of the backend"});
  EXPECT_EQ(limits.filter->on_response(first, head), Verdict::kContinue);
  EXPECT_EQ(http::find(head.fields, "ratelimit-policy")->value, "\"monthly\";q=2;w=2592000");
  EXPECT_TRUE(http::find(head.fields, "ratelimit")->value.starts_with("\"monthly\";r=1;t="));
  EXPECT_EQ(http::find(head.fields, "x-ratelimit-limit")->value, "2");
  EXPECT_EQ(http::find(head.fields, "x-ratelimit-remaining")->value, "1");
  EXPECT_EQ(http::find(head.fields, "x-ratelimit-limit-month")->value, "2");
  EXPECT_EQ(http::find(head.fields, "x-ratelimit-remaining-month")->value, "1");
  EXPECT_EQ(http::find(head.fields, "retry-after"), nullptr);

  EXPECT_EQ(limits.ask(FakeRequest()), Verdict::kContinue);
  FakeRequest third;
  EXPECT_EQ(limits.ask(third), Verdict::kAnswered);
  ASSERT_TRUE(third.said());
  EXPECT_EQ(third.said()->status, 429);
  EXPECT_EQ(third.said()->field("content-type"), "application/problem+json");
  EXPECT_GT(std::stoi(third.said()->field("retry-after")), 0);
  EXPECT_TRUE(third.said()->field("ratelimit").starts_with("\"monthly\";r=0;t="));
  EXPECT_EQ(
      third.said()->body,
      "{\"type\":\"https://iana.org/assignments/http-problem-types#quota-exceeded\",\"title\":\"Too Many Requests\","
      "\"status\":429,\"detail\":\"The limit monthly is reached.\",\"request_id\":\"id-1\","
      "\"violated-policies\":[\"monthly\"]}\n");
  EXPECT_EQ(third.said()->flag, telemetry::ResponseFlag::kRateLimited);
}

/// Of two with as much left the longer is told.
TEST(RateLimits, TellOfTheTightestInThreeFields) {
  using Period = model::RateLimit::Period;
  const auto limit = [](const char* name, std::uint64_t requests, Period period, int seconds) {
    auto out = hourly(name, requests);
    out.algorithm = model::RateLimit::Algorithm::kFixedWindow;
    out.period = period;
    out.per = std::chrono::seconds(seconds);
    return out;
  };
  model::RateLimits settings{.limits = {limit("d", 4, Period::kDay, 86'400), limit("h", 3, Period::kHour, 3600),
                                        limit("m", 3, Period::kMinute, 60)}};
  settings.headers = model::RateLimits::kThreeFields;
  const Limits limits(settings);
  const auto left_of_hour = [] { return 3600 - limit::unix_us() / 1'000'000 % 3600; };
  for (const char* left : {"2", "1", "0"}) {
    FakeRequest request;
    const auto before = left_of_hour();
    ASSERT_EQ(limits.ask(request), Verdict::kContinue);
    const auto after = left_of_hour();
    http::ResponseHead head;
    head.fields.push_back({"ratelimit-limit", "of the backend"});
    EXPECT_EQ(limits.filter->on_response(request, head), Verdict::kContinue);
    EXPECT_EQ(head.fields.size(), 3U);
    EXPECT_EQ(http::find(head.fields, "ratelimit-limit")->value, "3");
    EXPECT_EQ(http::find(head.fields, "ratelimit-remaining")->value, left);
    const auto reset = std::stoi(std::string(http::find(head.fields, "ratelimit-reset")->value));
    EXPECT_TRUE(reset == before || reset == after) << reset << " and not " << before;
  }
  FakeRequest refused;
  ASSERT_EQ(limits.ask(refused), Verdict::kAnswered);
  EXPECT_EQ(refused.said()->field("ratelimit-remaining"), "0");
  EXPECT_EQ(refused.said()->field("retry-after"), "");
}

TEST(RateLimits, TakeTheWordsOfTheSettings) {
  model::RateLimits settings{.limits = {hourly("a", 1)}, .headers = 0};
  settings.refusal = {
      .status = 420, .body = "{\"message\":\"API rate limit exceeded\"}", .content_type = "application/json"};
  const Limits limits(settings);
  FakeRequest first, second;
  EXPECT_EQ(limits.ask(first), Verdict::kContinue);
  EXPECT_EQ(first.state(), nullptr) << "nothing is kept where nothing is told";
  EXPECT_EQ(limits.ask(second), Verdict::kAnswered);
  EXPECT_EQ(second.said()->status, 420);
  EXPECT_EQ(second.said()->body, "{\"message\":\"API rate limit exceeded\"}");
  ASSERT_EQ(second.said()->fields.size(), 1U);
  EXPECT_EQ(second.said()->field("content-type"), "application/json");
}

struct KeyRow {
  const char* what;
  model::LimitKeyPart part;
  void (*one)(FakeRequest&);
  void (*other)(FakeRequest&);
  bool same = false;
};

const auto kAlice = make_consumer("alice", {"gold", "staff"});
const auto kBob = make_consumer("bob");

TEST(RateLimits, TellClientsApart) {
  const KeyRow rows[] = {
      {"consumer",
       {.type = Type::kConsumer},
       [](FakeRequest& r) { r.identity().consumer = kAlice.get(); },
       [](FakeRequest& r) { r.identity().consumer = kBob.get(); }},
      {"one consumer, two credentials",
       {.type = Type::kConsumer},
       [](FakeRequest& r) { r.identity().consumer = kAlice.get(), r.identity().credential = "a"; },
       [](FakeRequest& r) { r.identity().consumer = kAlice.get(), r.identity().credential = "b"; },
       true},
      {"credential",
       {.type = Type::kCredential},
       [](FakeRequest& r) { r.identity().credential = "a"; },
       [](FakeRequest& r) { r.identity().credential = "b"; }},
      {"header",
       {.type = Type::kHeader, .name = "x-tenant"},
       [](FakeRequest& r) { r.with("x-tenant", "a"); },
       [](FakeRequest& r) { r.with("x-tenant", "b"); }},
      {"header twice",
       {.type = Type::kHeader, .name = "x-tenant"},
       [](FakeRequest& r) { r.with("x-tenant", "a"); },
       [](FakeRequest& r) { r.with("x-tenant", "a").with("x-tenant", "b"); }},
      {"another header",
       {.type = Type::kHeader, .name = "x-tenant"},
       [](FakeRequest& r) { r.with("x-tenant", "a"); },
       [](FakeRequest& r) { r.with("x-tenant", "a").with("x-other", "b"); },
       true},
      {"query",
       {.type = Type::kQuery, .name = "k"},
       [](FakeRequest& r) { r.target().query = "k=a"; },
       [](FakeRequest& r) { r.target().query = "k=b"; }},
      {"query, encoded otherwise",
       {.type = Type::kQuery, .name = "k"},
       [](FakeRequest& r) { r.target().query = "k=a"; },
       [](FakeRequest& r) { r.target().query = "x=1&k=%61"; },
       true},
      {"cookie",
       {.type = Type::kCookie, .name = "sid"},
       [](FakeRequest& r) { r.with("cookie", "a=1; sid=x"); },
       [](FakeRequest& r) { r.with("cookie", "a=1; sid=y"); }},
      {"cookie, others changed",
       {.type = Type::kCookie, .name = "sid"},
       [](FakeRequest& r) { r.with("cookie", "a=1; sid=x"); },
       [](FakeRequest& r) { r.with("cookie", "sid=x ; xsid=3"); },
       true},
      {"claim",
       {.type = Type::kClaim, .name = "org.id"},
       [](FakeRequest& r) { r.identity().claims = R"({"org":{"id":1}})"; },
       [](FakeRequest& r) { r.identity().claims = R"({"org":{"id":2}})"; }},
      {"claim with a dot",
       {.type = Type::kClaim, .name = "a.b"},
       [](FakeRequest& r) { r.identity().claims = R"({"a.b":"x"})"; },
       [](FakeRequest& r) { r.identity().claims = R"({"a.b":"y","a":{"b":"x"}})"; }},
      {"claims that are no JSON",
       {.type = Type::kClaim, .name = "a"},
       [](FakeRequest& r) { r.identity().claims = "{\"a\":"; },
       [](FakeRequest& r) { r.identity().claims = "[1]"; },
       true},
      {"path",
       {.type = Type::kPath},
       [](FakeRequest& r) { r.target().path = "/a"; },
       [](FakeRequest& r) { r.target().path = "/b"; }},
      {"route",
       {.type = Type::kRoute},
       [](FakeRequest& r) { r.target().path = "/a"; },
       [](FakeRequest& r) { r.target().path = "/b"; },
       true},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    const Limits limits({.limits = {hourly("a", 1, {row.part})}});
    FakeRequest first, second, again;
    row.one(first);
    row.other(second);
    row.one(again);
    EXPECT_EQ(limits.ask(first), Verdict::kContinue);
    EXPECT_EQ(limits.ask(second), row.same ? Verdict::kAnswered : Verdict::kContinue);
    EXPECT_EQ(limits.ask(again), Verdict::kAnswered);
  }
}

TEST(RateLimits, MaskAddressesByPrefix) {
  const Limits limits({.limits = {hourly("a", 1, {{.type = Type::kClientIp, .v4_prefix = 24, .v6_prefix = 48}})}});
  EXPECT_EQ(limits.ask(FakeRequest("/", "192.0.2.1")), Verdict::kContinue);
  EXPECT_EQ(limits.ask(FakeRequest("/", "192.0.2.200")), Verdict::kAnswered);
  EXPECT_EQ(limits.ask(FakeRequest("/", "192.0.3.1")), Verdict::kContinue);
  EXPECT_EQ(limits.ask(FakeRequest("/", "2001:db8:1:1::1")), Verdict::kContinue);
  EXPECT_EQ(limits.ask(FakeRequest("/", "2001:db8:1:2::1")), Verdict::kAnswered);
}

TEST(RateLimits, SayWhatAMissingPartMeans) {
  auto limit = hourly("a", 1, {{.type = Type::kHeader, .name = "x-tenant"}});
  const Limits by_address({.limits = {limit}});
  EXPECT_EQ(by_address.ask(FakeRequest("/", "192.0.2.1")), Verdict::kContinue);
  EXPECT_EQ(by_address.ask(FakeRequest("/", "192.0.2.2")), Verdict::kContinue);
  EXPECT_EQ(by_address.ask(FakeRequest("/", "192.0.2.1")), Verdict::kAnswered);
  limit.missing = model::LimitMissing::kShared;
  const Limits shared({.limits = {limit}});
  EXPECT_EQ(shared.ask(FakeRequest("/", "192.0.2.1")), Verdict::kContinue);
  EXPECT_EQ(shared.ask(FakeRequest("/", "192.0.2.2")), Verdict::kAnswered);
  limit.missing = model::LimitMissing::kSkip;
  const Limits skipped({.limits = {limit}});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(skipped.ask(FakeRequest()), Verdict::kContinue);
}

/// A client that sends what another key is made of gets no part of it, nor a way around its own.
TEST(RateLimits, ResistKeysThatAreMadeToMeet) {
  const std::vector<model::LimitKeyPart> key = {{.type = Type::kHeader, .name = "a"},
                                                {.type = Type::kHeader, .name = "b"}};
  const Limits limits({.limits = {hourly("a", 1, key)}});
  EXPECT_EQ(limits.ask(FakeRequest().with("a", "x").with("b", "yz")), Verdict::kContinue);
  EXPECT_EQ(limits.ask(FakeRequest().with("a", "xy").with("b", "z")), Verdict::kContinue);
  EXPECT_EQ(limits.ask(FakeRequest().with("a", "x,y").with("b", "z")), Verdict::kContinue);
  EXPECT_EQ(limits.ask(FakeRequest().with("a", "x").with("b", "yz")), Verdict::kAnswered);
  EXPECT_EQ(limits.ask(FakeRequest().with("a", "x").with("b", "ydz")), Verdict::kContinue);
  EXPECT_EQ(limits.ask(FakeRequest().with("a", "xdy").with("b", "z")), Verdict::kContinue) << "'d' marks a header";
  const std::string large(100'000, 'k');
  EXPECT_EQ(limits.ask(FakeRequest().with("a", large).with("b", "1")), Verdict::kContinue);
  EXPECT_EQ(limits.ask(FakeRequest().with("a", large).with("b", "2")), Verdict::kContinue);
  EXPECT_EQ(limits.ask(FakeRequest().with("a", large).with("b", "1")), Verdict::kAnswered);
}

TEST(RateLimits, HaveOtherNumbersForGroups) {
  auto limit = hourly("a", 1);
  limit.tiers = {{.group = "gold", .requests = 5}, {.group = "staff", .requests = 9}};
  const Limits limits({.limits = {limit}});
  const auto of = [](const auth::ConsumerPtr& who) {
    return [&who](int) {
      FakeRequest request;
      request.identity().consumer = who.get();
      return request;
    };
  };
  EXPECT_EQ(limits.passes(20, of(kAlice)), 5) << "the first tier of a group that she has";
  EXPECT_EQ(limits.passes(20, of(kBob)), 1);
}

TEST(RateLimits, CountCosts) {
  auto limit = hourly("a", 10);
  limit.cost = 2;
  limit.cost_header = "x-cost";
  struct Row {
    const char* cost;
    int passes;  ///< of 20
  };
  for (const auto& row : {Row{"1", 10}, Row{"5", 2}, Row{"0", 20}, Row{"11", 0}, Row{"", 5}, Row{"-1", 5},
                          Row{"1.5", 5}, Row{"0x1", 5}, Row{"99999999999999999999999", 0}, Row{"1, 1", 5}}) {
    const Limits limits({.limits = {limit}});
    EXPECT_EQ(limits.passes(20, [&](int) { return FakeRequest().with("x-cost", row.cost); }), row.passes) << row.cost;
  }
}

TEST(RateLimits, ConcernWhatTheySay) {
  auto limit = hourly("a", 1);
  limit.when = {.methods = {"POST"}, .paths = {"/api"}};
  const Limits limits({.limits = {limit}});
  EXPECT_EQ(limits.passes(3, [](int) { return FakeRequest("/api/x"); }), 3);
  const auto post = [](std::string_view path) {
    FakeRequest out(path);
    out.head().method_text = "POST";
    return out;
  };
  EXPECT_EQ(limits.passes(3, [&](int) { return post("/apix"); }), 3);
  EXPECT_EQ(limits.passes(3, [&](int) { return post("/api/x"); }), 1);
}

TEST(RateLimits, TakeFromAllOrNone) {
  const Limits limits({.limits = {hourly("client", 100), hourly("all", 3, {{.type = Type::kRoute}})}});
  EXPECT_EQ(limits.passes(10, [](int) { return FakeRequest(); }), 3);
  FakeRequest refused;
  EXPECT_EQ(limits.ask(refused), Verdict::kAnswered);
  EXPECT_NE(refused.said()->field("ratelimit").find("\"client\";r=97;"), std::string::npos)
      << refused.said()->field("ratelimit");
  EXPECT_NE(refused.said()->body.find("The limit all is reached."), std::string::npos);
}

TEST(RateLimits, GoOnAfterAChangeOfTheConfiguration) {
  FakeContext fake;
  const auto make = [&](std::uint64_t requests) {
    auto context = fake.get();
    return make_rate_limits({.limits = {hourly("a", requests)}}, context);
  };
  const auto passes = [](const FilterPtr& filter) {
    int out = 0;
    for (int i = 0; i < 20; ++i) {
      FakeRequest request;
      out += filter->on_request(request) == Verdict::kContinue;
    }
    return out;
  };
  auto filter = make(5);
  EXPECT_EQ(passes(filter), 5);
  filter = make(8);
  EXPECT_EQ(passes(filter), 3) << "what was taken before still counts";
}

TEST(Concurrency, HoldsPlacesUntilRequestsEnd) {
  FakeContext fake;
  auto context = fake.get();
  model::Concurrency settings{.most = 2, .key = {{}}};
  settings.tiers = {{.group = "gold", .requests = 3}};
  auto filter = make_concurrency(settings, context);
  FakeRequest a, b, c, other("/", "192.0.2.2");
  EXPECT_EQ(filter->on_request(a), Verdict::kContinue);
  EXPECT_EQ(filter->on_request(b), Verdict::kContinue);
  EXPECT_EQ(filter->on_request(c), Verdict::kAnswered);
  EXPECT_EQ(c.said()->status, 503);
  EXPECT_NE(c.said()->body.find("Service Unavailable"), std::string::npos);
  EXPECT_EQ(filter->on_request(other), Verdict::kContinue);
  auto again = fake.get();
  filter = make_concurrency(settings, again);  // the configuration changes with requests under way
  FakeRequest d;
  EXPECT_EQ(filter->on_request(d), Verdict::kAnswered);
  a.end();
  FakeRequest e;
  EXPECT_EQ(filter->on_request(e), Verdict::kContinue);
  FakeRequest gold[4];
  int passes = 0;
  for (auto& request : gold) {
    request.identity().consumer = kAlice.get();
    passes += filter->on_request(request) == Verdict::kContinue;
  }
  EXPECT_EQ(passes, 3);
}

}  // namespace
}  // namespace fairlead::filter
