// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/ejection.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace fairlead::upstream {
namespace {

constexpr Outcome answered(std::uint16_t status, std::uint64_t latency_ns = 1000) {
  return {.status = status, .latency_ns = latency_ns};
}
constexpr Outcome failed(Failure failure) { return {.failure = failure}; }

std::optional<EjectionCause> feed(const Ejector& ejector, EjectionState& state, const Outcome& outcome, int times) {
  std::optional<EjectionCause> cause;
  for (int i = 0; i < times; ++i) {
    EXPECT_FALSE(cause) << "before the last";
    cause = ejector.observe(state, outcome);
  }
  return cause;
}

TEST(EjectorTest, EachRunOfFailuresHasItsLimit) {
  struct Row {
    const char* name;
    EjectionSpec spec;
    Outcome outcome;
    int times;
    EjectionCause cause;
  };
  const Row rows[] = {
      {"5xx", {.consecutive_5xx = 5}, answered(500), 5, EjectionCause::kConsecutive5xx},
      {"5xx by 503", {.consecutive_5xx = 5}, answered(503), 5, EjectionCause::kConsecutive5xx},
      {"gateway", {.consecutive_gateway_errors = 3}, answered(502), 3, EjectionCause::kGatewayErrors},
      {"connect", {.consecutive_local_failures = 4}, failed(Failure::kConnect), 4, EjectionCause::kLocalFailures},
      {"time-out", {.consecutive_local_failures = 2}, failed(Failure::kTimeout), 2, EjectionCause::kLocalFailures},
      {"merged",
       {.consecutive_5xx = 3, .consecutive_local_failures = 0, .split_local_failures = false},
       failed(Failure::kReset),
       3,
       EjectionCause::kConsecutive5xx},
      {"merged gateway",
       {.consecutive_5xx = 0,
        .consecutive_gateway_errors = 2,
        .consecutive_local_failures = 0,
        .split_local_failures = false},
       failed(Failure::kConnect),
       2,
       EjectionCause::kGatewayErrors},
  };
  for (const auto& row : rows) {
    EjectionState state;
    EXPECT_EQ(feed(Ejector(row.spec), state, row.outcome, row.times), row.cause) << row.name;
  }
}

TEST(EjectorTest, AGoodAnswerEndsARunAndSomeOutcomesSayNothing) {
  const Ejector ejector({.consecutive_5xx = 3, .consecutive_local_failures = 3});
  EjectionState state;
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(feed(ejector, state, answered(500), 2));
    EXPECT_FALSE(ejector.observe(state, answered(404)));
  }
  for (const auto failure : {Failure::kCancelled, Failure::kPool, Failure::kReusedClosed, Failure::kRefused})
    for (int i = 0; i < 20; ++i) EXPECT_FALSE(ejector.observe(state, failed(failure))) << static_cast<int>(failure);
  EXPECT_FALSE(feed(ejector, state, failed(Failure::kConnect), 2));
  EXPECT_FALSE(ejector.observe(state, answered(200)));
  EXPECT_FALSE(feed(ejector, state, failed(Failure::kConnect), 2));
}

TEST(EjectorTest, ARunOfSeveralThreadsReachesItsLimitOnceForEachSoMany) {
  constexpr int kThreads = 4;
  constexpr int kTimes = 50'000;
  const Ejector ejector({.consecutive_5xx = 5});
  EjectionState state;
  std::atomic<int> reached = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i)
      threads.emplace_back([&] {
        for (int k = 0; k < kTimes; ++k) reached += ejector.observe(state, answered(500)).has_value() ? 1 : 0;
      });
  }
  EXPECT_EQ(reached, kThreads * kTimes / 5);
  EXPECT_EQ(state.consecutive_5xx, 0u);
}

TEST(EjectorTest, StatusesThatAreNamedTakeThePlaceOf5xx) {
  const Ejector ejector({.consecutive_5xx = 2, .failure_statuses = {429, 503}});
  EjectionState state;
  EXPECT_EQ(feed(ejector, state, answered(429), 2), EjectionCause::kConsecutive5xx);
  EXPECT_FALSE(ejector.observe(state, answered(503)));
  EXPECT_FALSE(ejector.observe(state, answered(500))) << "counts neither way";
  EXPECT_EQ(ejector.observe(state, answered(503)), EjectionCause::kConsecutive5xx);
  EXPECT_FALSE(ejector.observe(state, answered(503)));
  EXPECT_FALSE(ejector.observe(state, answered(404)));
  EXPECT_FALSE(ejector.observe(state, answered(429))) << "a good answer ended the run";
}

TEST(EjectorTest, GatewayErrorsAreARunOfTheirOwn) {
  const Ejector ejector({.consecutive_5xx = 0, .consecutive_gateway_errors = 3});
  EjectionState state;
  EXPECT_FALSE(feed(ejector, state, answered(503), 2));
  EXPECT_FALSE(ejector.observe(state, answered(500)));  // an error, but of another kind
  EXPECT_FALSE(feed(ejector, state, answered(503), 2));
  EXPECT_EQ(ejector.observe(state, answered(504)), EjectionCause::kGatewayErrors);
}

TEST(EjectorTest, ObeysTheGreatestShare) {
  struct Row {
    std::uint32_t percent, ejected, total;
    bool allowed;
  };
  const Row rows[] = {{10, 0, 100, true}, {10, 9, 100, true}, {10, 10, 100, false}, {10, 0, 3, true},
                      {10, 1, 3, false},  {50, 1, 4, true},   {50, 2, 4, false},    {100, 3, 4, true},
                      {100, 4, 4, false}, {0, 0, 10, false},  {10, 0, 1, false},    {100, 0, 1, true}};
  for (const auto& row : rows)
    EXPECT_EQ(Ejector({.max_percent = row.percent}).allows(row.ejected, row.total), row.allowed)
        << row.percent << " % " << row.ejected << " of " << row.total;
}

TEST(EjectorTest, TimesGrowAndShrinkAndBackendsReturn) {
  const Ejector ejector({.base_time = milliseconds(1000), .max_time = milliseconds(2500)});
  Random random(1);
  EjectionState state;
  const std::uint64_t lasts[] = {1000, 2000, 2500, 2500};
  std::uint64_t now = 10'000;
  for (const auto last : lasts) {
    ejector.eject(state, now, random);
    EXPECT_EQ(state.until_ms, now + last);
    EXPECT_FALSE(ejector.release(state, now + last - 1));
    EXPECT_TRUE(ejector.release(state, now + last));
    EXPECT_FALSE(ejector.release(state, now + last)) << "only once";
    now += last;
    EXPECT_EQ(state.returned_ms, now);
  }
  EjectionState* states[] = {&state};
  EXPECT_EQ(state.times, 4u);
  EXPECT_TRUE(ejector.judge(states).empty());  // an interval without one
  EXPECT_EQ(state.times, 3u);
}

TEST(EjectorTest, JitterSpreadsReturns) {
  const Ejector ejector({.base_time = milliseconds(1000), .max_jitter = milliseconds(500)});
  Random random(2);
  std::uint64_t least = UINT64_MAX;
  std::uint64_t greatest = 0;
  for (int i = 0; i < 1000; ++i) {
    EjectionState state;
    ejector.eject(state, 0, random);
    least = std::min(least, state.until_ms.load());
    greatest = std::max(greatest, state.until_ms.load());
  }
  EXPECT_GE(least, 1000u);
  EXPECT_LT(least, 1020u);
  EXPECT_LT(greatest, 1500u);
  EXPECT_GT(greatest, 1480u);
}

/// Ten backends; `bad` of them fail `failures` of 200.
struct Ten {
  explicit Ten(std::uint32_t failures, std::uint64_t latency_ns = 1000) {
    for (std::uint32_t i = 0; i < 10; ++i) {
      states[i].requests = 200;
      states[i].failures = i == 3 ? failures : 2;
      states[i].latency_ns = 200 * (i == 3 ? latency_ns : 1000 + i);
      all.push_back(&states[i]);
    }
  }
  EjectionState states[10];
  std::vector<EjectionState*> all;
};

TEST(EjectorTest, StatisticsFindTheOutlier) {
  const EjectionSpec rate{.success_rate_deviations = 1900};
  const EjectionSpec percent{.failure_percent = 30};
  const EjectionSpec latency{.latency_percent = 300};
  struct Row {
    const char* name;
    EjectionSpec spec;
    Ten ten;
    std::optional<EjectionCause> cause;
  };
  Row rows[] = {
      {"rate", rate, Ten(50), EjectionCause::kSuccessRate},
      {"rate, all alike", rate, Ten(2), std::nullopt},
      {"percent", percent, Ten(60), EjectionCause::kFailurePercent},
      {"percent, below", percent, Ten(59), std::nullopt},
      {"latency", latency, Ten(2, 3500), EjectionCause::kLatency},
      {"latency, below", latency, Ten(2, 2900), std::nullopt},
  };
  for (auto& row : rows) {
    const auto verdicts = Ejector(row.spec).judge(row.ten.all);
    ASSERT_EQ(verdicts.size(), row.cause ? 1u : 0u) << row.name;
    if (row.cause) {
      EXPECT_EQ(verdicts[0].index, 3u) << row.name;
      EXPECT_EQ(verdicts[0].cause, *row.cause) << row.name;
    }
    EXPECT_EQ(row.ten.states[0].requests, 0u) << "the interval begins anew";
  }
}

TEST(EjectorTest, StatisticsNeedEnoughHostsAndRequests) {
  const EjectionSpec rate{.success_rate_deviations = 1900, .success_rate_hosts = 11};
  const EjectionSpec percent{.failure_percent = 30, .failure_percent_requests = 201};
  for (const auto& spec : {rate, percent}) {
    Ten ten(200);
    EXPECT_TRUE(Ejector(spec).judge(ten.all).empty());
  }
  Ten ten(200);
  ten.states[3].until_ms = 1;  // out already
  EXPECT_TRUE(Ejector({.failure_percent = 30}).judge(ten.all).empty());
}

}  // namespace
}  // namespace fairlead::upstream
