// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/retry.hpp"

#include <gtest/gtest.h>

#include "fairlead/upstream/extra_tries.hpp"
#include "fairlead/upstream/retry_budget.hpp"

namespace fairlead::upstream {
namespace {

using enum http::Method;

TEST(FailureOfTest, TellsWhatAResetMeans) {
  struct Row {
    http::Reset why;
    bool reused, answered, multiplexed;
    Failure expected;
  };
  using enum http::Reset;
  const Row rows[] = {
      {kConnect, false, false, false, Failure::kConnect},
      {kClosed, false, false, false, Failure::kReset},
      {kClosed, true, false, false, Failure::kReusedClosed},
      {kClosed, true, true, false, Failure::kResetInResponse},
      {kClosed, true, false, true, Failure::kReset},
      {kReset, true, false, false, Failure::kReset},  // the connection stands: no time-out of it was met
      {kReset, true, true, false, Failure::kResetInResponse},
      {kRefused, true, false, true, Failure::kRefused},
      {kRefused, true, false, false, Failure::kRefused},  // nothing of it was written
      {kRefused, false, true, true, Failure::kResetInResponse},
      {kProtocol, false, false, false, Failure::kProtocol},
      {kTooLarge, false, false, false, Failure::kProtocol},
      {kTimeout, true, false, false, Failure::kTimeout},
      {kCancelled, true, false, false, Failure::kCancelled},
      {kInternal, true, false, false, Failure::kCancelled},
  };
  for (const auto& row : rows)
    EXPECT_EQ(failure_of(row.why, row.reused, row.answered, row.multiplexed), row.expected)
        << static_cast<int>(row.why) << row.reused << row.answered << row.multiplexed;
}

TEST(RetryTest, DecidesAsTheTableSays) {
  constexpr std::uint32_t kAll = 0xffffffff;
  struct Row {
    const char* name;
    std::uint32_t on;
    http::Method method;
    Outcome outcome;
    RetryVerdict expected;
  };
  const auto failed = [](Failure failure) { return Outcome{.failure = failure}; };
  const auto answered = [](std::uint16_t status) { return Outcome{.status = status}; };
  using enum RetryVerdict;
  const Row rows[] = {
      {"refused connect, POST", kRetryConnectFailure, kPost, failed(Failure::kConnect), kRetry},
      {"refused stream, POST", kRetryRefused, kPost, failed(Failure::kRefused), kRetry},
      {"no room, POST", kRetryConnectFailure, kPost, failed(Failure::kPool), kRetry},
      {"reused closed, GET", kRetryReused, kGet, failed(Failure::kReusedClosed), kRetry},
      {"reused closed, POST", kRetryReused, kPost, failed(Failure::kReusedClosed), kUnsafe},
      {"reset, PUT", kRetryReset, kPut, failed(Failure::kReset), kRetry},
      {"reset, PATCH", kRetryReset, kPatch, failed(Failure::kReset), kUnsafe},
      {"reset, not asked", kRetryConnectFailure, kGet, failed(Failure::kReset), kNotAsked},
      {"time-out", kRetryPerTryTimeout, kGet, failed(Failure::kTimeout), kRetry},
      {"time-out, not asked", kRetryReset, kGet, failed(Failure::kTimeout), kNotAsked},
      {"500", kRetry5xx, kGet, answered(500), kRetry},
      {"500, POST", kRetry5xx, kPost, answered(500), kUnsafe},
      {"500 by gateway-error", kRetryGatewayError, kGet, answered(500), kNotAsked},
      {"503 by gateway-error", kRetryGatewayError, kDelete, answered(503), kRetry},
      {"504, unknown method", kRetryGatewayError, kOther, answered(504), kUnsafe},
      {"429 by code", kRetryStatusCodes, kGet, answered(429), kRetry},
      {"409 by code", kRetryStatusCodes, kGet, answered(409), kNotAsked},
      {"200", kAll, kGet, answered(200), kNotAsked},
      {"reset in response", kAll, kGet, failed(Failure::kResetInResponse), kNotAsked},
      {"cancelled", kAll, kGet, failed(Failure::kCancelled), kNotAsked},
  };
  for (const auto& row : rows) {
    const RetrySpec spec{.on = row.on, .attempts = 2, .status_codes = {429}};
    EXPECT_EQ(decide_retry(spec, {.method = row.method, .outcome = row.outcome}), row.expected) << row.name;
  }
}

TEST(RetryTest, OtherReasonsNotTo) {
  const RetrySpec spec{.on = kRetry5xx, .attempts = 2};
  const Try base{.method = kGet, .outcome = {.status = 503}};
  auto tried = base;
  tried.retries = 1;
  EXPECT_EQ(decide_retry(spec, tried), RetryVerdict::kRetry);
  tried.retries = 2;
  EXPECT_EQ(decide_retry(spec, tried), RetryVerdict::kExhausted);
  tried = base;
  tried.replayable = false;
  EXPECT_EQ(decide_retry(spec, tried), RetryVerdict::kNotReplayable);
  tried = base;
  tried.response_started = true;
  EXPECT_EQ(decide_retry(spec, tried), RetryVerdict::kStarted);
  tried = base;
  tried.has_attempt_left = false;
  EXPECT_EQ(decide_retry(spec, tried), RetryVerdict::kNoTime);
  tried = base;
  tried.method = kPost;
  auto bold = spec;
  bold.unsafe_methods = true;
  EXPECT_EQ(decide_retry(bold, tried), RetryVerdict::kRetry);
  EXPECT_EQ(decide_retry({.attempts = 0}, {.outcome = {.failure = Failure::kConnect}}), RetryVerdict::kExhausted);
}

TEST(RetryTest, GrpcCodesAreAskedForByName) {
  struct Row {
    std::uint32_t on, code;
    RetryVerdict expected;
  };
  const Row rows[] = {
      {kRetryGrpcUnavailable, 14, RetryVerdict::kRetry}, {kRetryGrpcUnavailable, 13, RetryVerdict::kNotAsked},
      {kRetryGrpcCancelled, 1, RetryVerdict::kRetry},    {kRetryGrpcDeadline, 4, RetryVerdict::kRetry},
      {kRetryGrpcExhausted, 8, RetryVerdict::kRetry},    {kRetryGrpcInternal, 13, RetryVerdict::kRetry},
      {kRetryGrpcInternal, 0, RetryVerdict::kNotAsked}};
  for (const auto& row : rows)
    EXPECT_EQ(decide_retry({.on = row.on}, {.method = kPost, .grpc_status = row.code, .outcome = {.status = 200}}),
              row.expected)
        << row.code;
}

TEST(RetryTest, BodiesAreWorthKeepingWhereTheyMayBeSentTwice) {
  EXPECT_TRUE(may_repeat({}, kPut));
  EXPECT_FALSE(may_repeat({}, kPost));
  EXPECT_TRUE(may_repeat({.unsafe_methods = true}, kPost));
  EXPECT_TRUE(may_repeat({.on = kRetryGrpcInternal}, kPost));
  EXPECT_FALSE(may_repeat({.attempts = 0}, kPut));
}

TEST(RetryTest, BackoffHasFullJitterUnderADoublingCap) {
  RetrySpec spec;
  Random random(4);
  const std::int64_t caps[] = {25, 50, 100, 200, 250, 250};
  for (std::uint32_t retry = 0; retry < std::size(caps); ++retry) {
    double sum = 0;
    std::int64_t greatest = 0;
    constexpr int kDraws = 20'000;
    for (int i = 0; i < kDraws; ++i) {
      const auto wait = retry_backoff(spec, retry, random).count();
      ASSERT_GE(wait, 0);
      ASSERT_LT(wait, caps[retry]);
      greatest = std::max(greatest, wait);
      sum += static_cast<double>(wait);
    }
    EXPECT_EQ(greatest, caps[retry] - 1);
    // Uniform whole numbers below the cap; the mean's deviation is cap / sqrt(12 * draws): five of them.
    EXPECT_NEAR(sum / kDraws, static_cast<double>(caps[retry] - 1) / 2, 5 * static_cast<double>(caps[retry]) / 489);
  }
  EXPECT_LT(retry_backoff(spec, 4'000'000'000u, random).count(), 250);
  spec.backoff_least = std::chrono::milliseconds(1000);
  for (std::uint32_t retry = 0; retry < 8; ++retry) {
    EXPECT_GE(retry_backoff(spec, retry, random).count(), 1000);
    EXPECT_LT(retry_backoff(spec, retry, random).count(), 1250);
  }
}

TEST(RetryBudgetTest, AllowsAShareOfActiveRequestsAndAFloor) {
  RetryBudget budget({.percent = 20, .least_concurrency = 3});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(budget.try_retry(1, 0)) << i;
  EXPECT_FALSE(budget.try_retry(1, 0));
  EXPECT_FALSE(budget.try_retry(19, 0));
  EXPECT_TRUE(budget.try_retry(20, 0));
  EXPECT_FALSE(budget.try_retry(20, 0));
  budget.on_retry_end();
  EXPECT_TRUE(budget.try_retry(20, 0));
}

TEST(RetryBudgetTest, TheWindowHoldsRetriesToAShareOfRequests) {
  RetryBudget budget({.percent = 100,
                      .least_concurrency = 1000,
                      .window_percent = 10,
                      .least_per_second = 0,
                      .window = milliseconds(10000)});
  EXPECT_FALSE(budget.try_retry(0, 0));
  for (int i = 0; i < 100; ++i) budget.on_request(100);
  EXPECT_EQ(budget.balance(100), 10);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(budget.try_retry(0, 200));
  EXPECT_FALSE(budget.try_retry(0, 9'900));
  EXPECT_FALSE(budget.try_retry(0, 10'100));  // requests and retries have left the window together
  EXPECT_EQ(budget.balance(100'000), 0);
  RetryBudget floor(
      {.least_concurrency = 1000, .window_percent = 10, .least_per_second = 1, .window = milliseconds(10000)});
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(floor.try_retry(0, 0));
  EXPECT_FALSE(floor.try_retry(0, 0));
}

TEST(RetryBudgetTest, IsNeverOverdrawn) {
  const RetryBudgetSpec spec{
      .percent = 25, .least_concurrency = 2, .window_percent = 20, .least_per_second = 1, .window = milliseconds(1000)};
  RetryBudget budget(spec);
  Random random(8);
  std::uint32_t active = 0;
  std::uint32_t retries = 0;
  std::uint64_t now = 0;
  for (int step = 0; step < 200'000; ++step, now += random.below(3)) {
    switch (random.below(4)) {
      case 0:
        ++active;
        budget.on_request(now);
        break;
      case 1:
        if (active > 0) --active;
        break;
      case 2:
        if (budget.try_retry(active, now)) {
          ++retries;
          ASSERT_LE(retries, std::max(active * 25 / 100, 2u));
          ASSERT_GE(budget.balance(now), 0);
        }
        break;
      default:
        if (retries > 0) {
          --retries;
          budget.on_retry_end();
        }
    }
    ASSERT_EQ(budget.active_retries(), retries);
  }
}

TEST(ExtraTriesTest, OnlyWhatMayBeRepeatedIsHedged) {
  const HedgeSpec spec{.delay = milliseconds(20), .max_extra = 2};
  EXPECT_EQ(hedge_after(spec, kGet, true, 0), milliseconds(20));
  EXPECT_EQ(hedge_after(spec, kGet, true, 1), milliseconds(40));
  EXPECT_EQ(hedge_after(spec, kGet, true, 2), std::nullopt);
  EXPECT_EQ(hedge_after(spec, kPost, true, 0), std::nullopt);
  EXPECT_EQ(hedge_after(spec, kGet, false, 0), std::nullopt);
  EXPECT_EQ(hedge_after(HedgeSpec{}, kGet, true, 0), std::nullopt);
}

}  // namespace
}  // namespace fairlead::upstream
