// SPDX-License-Identifier: Apache-2.0
// Each algorithm against a model that keeps every request, over random sequences.
#include "fairlead/limit/rule.hpp"

#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <random>

#include "unit/limit/times.hpp"

namespace fairlead::limit {
namespace {

__extension__ using Wide = __int128;

struct Taken {
  std::int64_t at_us;
  std::uint64_t cost;
};

/// A cell with its rule.
struct One {
  explicit One(Rule made) : rule(std::move(made)) { rule.settle(); }
  Level ask(std::int64_t now_us, std::uint64_t cost = 1) {
    const Cell cell(words.data(), cell_words(rule.algorithm));
    auto level = judge(rule, cell, now_us, cost);
    if (level.allowed) take(rule, cell, cost, level);
    return level;
  }
  [[nodiscard]] std::uint32_t use(std::int64_t now_us) {
    return fullness(rule, Cell(words.data(), cell_words(rule.algorithm)), now_us);
  }
  Rule rule;
  std::array<std::uint64_t, kMostCellWords> words{};
};

/// What is allowed by replaying all that was taken, in wide integers: `burst` tokens of `per` units, refilled by
/// `requests` units a microsecond.
class BucketModel {
 public:
  explicit BucketModel(const Rule& rule) : rule_(rule) {}
  bool ask(std::int64_t now_us, std::uint64_t cost) {
    const auto now = now_us / rule_.unit_us;
    const auto per = static_cast<Wide>(rule_.per_us / rule_.unit_us);
    Wide used = 0;
    std::int64_t last = 0;
    for (const auto& one : taken_) {
      const auto at = one.at_us / rule_.unit_us;
      used = std::max<Wide>(0, used - static_cast<Wide>(at - last) * rule_.requests) + per * one.cost;
      last = at;
    }
    used = std::max<Wide>(0, used - static_cast<Wide>(now - last) * rule_.requests);
    if (used + per * cost > per * rule_.burst) return false;
    taken_.push_back({now_us, cost});
    return true;
  }

 private:
  const Rule& rule_;
  std::deque<Taken> taken_;
};

class WindowModel {
 public:
  explicit WindowModel(const Rule& rule) : rule_(rule) {}
  bool ask(std::int64_t now_us, std::uint64_t cost) {
    std::uint64_t used = 0;
    for (const auto& one : taken_)
      if (one.at_us / rule_.per_us == now_us / rule_.per_us) used += one.cost;
    if (used + cost > rule_.requests) return false;
    taken_.push_back({now_us, cost});
    return true;
  }

 private:
  const Rule& rule_;
  std::deque<Taken> taken_;
};

class SlidingModel {
 public:
  explicit SlidingModel(const Rule& rule) : rule_(rule) {}
  bool ask(std::int64_t now_us, std::uint64_t cost) {
    const auto slice = (rule_.per_us + 15) / 16;
    std::uint64_t used = 0;
    for (const auto& one : taken_)
      if (now_us / slice - one.at_us / slice <= 16) used += one.cost;
    if (used + cost > rule_.requests) return false;
    taken_.push_back({now_us, cost});
    std::uint64_t in_span = 0;  // the promise itself: never more in any span of `per`
    for (const auto& one : taken_)
      if (now_us - one.at_us < rule_.per_us) in_span += one.cost;
    EXPECT_LE(in_span, rule_.requests);
    return true;
  }

 private:
  const Rule& rule_;
  std::deque<Taken> taken_;
};

template <class Model>
void compare(const Rule& made, std::uint32_t seed, int steps) {
  std::mt19937_64 random(seed);
  One one(made);
  Model model(one.rule);
  auto now = kNow;
  int allowed = 0;
  for (int i = 0; i < steps; ++i) {
    const auto mean = static_cast<std::uint64_t>(one.rule.per_us) / one.rule.requests;
    const auto kind = random() % 8;
    if (kind == 0) now += static_cast<std::int64_t>(random() % (static_cast<std::uint64_t>(one.rule.per_us) + 1));
    else if (kind < 6) now += static_cast<std::int64_t>(random() % (mean + 2));
    const auto cost = kind == 7 ? random() % (one.rule.most() + 2) : 1;
    const auto level = one.ask(now, cost);
    ASSERT_EQ(level.allowed, model.ask(now, cost)) << "step " << i << ", seed " << seed;
    allowed += level.allowed;
    if (level.allowed || level.retry_us < 0) continue;
    // What is refused is refused until retry_us, and no longer.
    auto copy = one;
    EXPECT_TRUE(copy.ask(now + level.retry_us, cost).allowed) << "step " << i;
    copy = one;
    if (level.retry_us <= one.rule.unit_us) continue;
    EXPECT_FALSE(copy.ask(now + level.retry_us - one.rule.unit_us, cost).allowed) << "step " << i;
  }
  EXPECT_GT(allowed, 0);
  EXPECT_LT(allowed, steps);
}

TEST(Rules, FollowTheirModels) {
  struct Row {
    std::uint64_t requests, burst;
    std::int64_t per_us;
  };
  constexpr Row kRows[] = {
      {1, 1, kSecond}, {3, 3, kSecond}, {7, 20, kSecond}, {100, 1, 60 * kSecond}, {1000, 500, 3600 * kSecond},
      {5, 5, 250'000}};
  std::uint32_t seed = 1;
  for (const auto& row : kRows) {
    Rule rule{.requests = row.requests, .burst = row.burst, .per_us = row.per_us};
    rule.algorithm = Algorithm::kTokenBucket;
    compare<BucketModel>(rule, ++seed, 1500);
    rule.algorithm = Algorithm::kFixedWindow;
    compare<WindowModel>(rule, ++seed, 1500);
    rule.algorithm = Algorithm::kSlidingWindow;
    compare<SlidingModel>(rule, ++seed, 1500);
  }
}

TEST(Rules, RefillABucketWithoutDrift) {
  One one({.requests = 3, .burst = 1});  // one each 333333.3 microseconds
  int allowed = 0;
  for (std::int64_t us = 0; us < 1000 * kSecond; us += 1000) allowed += one.ask(kNow + us).allowed;
  EXPECT_GE(allowed, 2990);  // a token waits for the next question, up to 1 ms of 333
  EXPECT_LE(allowed, 3000);
  One exact({.requests = 3, .burst = 3});
  std::uint64_t total = 0;
  for (int second = 0; second < 1000; ++second)
    for (int i = 0; i < 5; ++i) total += exact.ask(kNow + second * kSecond).allowed;
  EXPECT_EQ(total, 3000U);
}

TEST(Rules, StayExactWhereLimitsAreLarge) {
  One one({.requests = kMostRequests, .burst = kMostRequests, .per_us = 86400 * kSecond});
  EXPECT_LE(one.rule.per_units, (std::uint64_t{1} << 53) / kMostRequests);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(one.ask(kNow, kMostCost).allowed);
  EXPECT_FALSE(one.ask(kNow).allowed);
  EXPECT_EQ(one.ask(kNow, 0).remaining, 0U);
}

TEST(Rules, SayWhatRemains) {
  One bucket({.requests = 10, .burst = 5});
  auto level = bucket.ask(kNow, 2);
  EXPECT_EQ(level.limit, 5U);
  EXPECT_EQ(level.remaining, 3U);
  EXPECT_EQ(level.reset_us, 200'000);
  level = bucket.ask(kNow, 4);
  EXPECT_FALSE(level.allowed);
  EXPECT_EQ(level.remaining, 3U);
  EXPECT_EQ(level.retry_us, 100'000);
  EXPECT_EQ(bucket.ask(kNow, 6).retry_us, -1) << "a cost above the burst never passes";

  One window({.algorithm = Algorithm::kFixedWindow, .requests = 2, .per_us = 60 * kSecond});
  level = window.ask(kNow, 2);
  EXPECT_EQ(level.remaining, 0U);
  EXPECT_EQ((kNow + level.reset_us) % (60 * kSecond), 0);
  EXPECT_EQ(window.ask(kNow).retry_us, level.reset_us);
}

TEST(Rules, ForgetNothingThatCounts) {
  for (const auto algorithm : {Algorithm::kTokenBucket, Algorithm::kFixedWindow, Algorithm::kSlidingWindow}) {
    One one({.algorithm = algorithm, .requests = 4, .burst = 4});
    EXPECT_EQ(one.use(kNow), 0U);
    one.ask(kNow);
    const auto little = one.use(kNow);
    EXPECT_GT(little, 0U);
    one.ask(kNow, 2);
    EXPECT_GT(one.use(kNow), little);
    one.ask(kNow);
    EXPECT_EQ(one.use(kNow), kFull);
    EXPECT_EQ(one.use(kNow + 3 * kSecond), 0U);
  }
}

/// Workers read the clock at times of their own: one that is a little behind must not open a new window.
TEST(Rules, SurviveClocksThatGoBack) {
  const auto begin = kNow / kSecond * kSecond;
  One window({.algorithm = Algorithm::kFixedWindow, .requests = 2});
  EXPECT_TRUE(window.ask(begin, 2).allowed);
  EXPECT_FALSE(window.ask(begin - 1).allowed) << "counted in the window that has begun";
  EXPECT_FALSE(window.ask(begin + 1).allowed);
  EXPECT_TRUE(window.ask(begin + kSecond).allowed);

  for (const auto algorithm : {Algorithm::kTokenBucket, Algorithm::kFixedWindow, Algorithm::kSlidingWindow}) {
    One one({.algorithm = algorithm, .requests = 2, .burst = 2});
    EXPECT_TRUE(one.ask(begin, 2).allowed);
    EXPECT_FALSE(one.ask(begin - 1000).allowed);
    const auto back = begin - 3600 * kSecond;  // somebody has set the clock
    EXPECT_FALSE(one.ask(back).allowed);
    EXPECT_TRUE(one.ask(back + 2 * kSecond).allowed) << static_cast<int>(algorithm);
  }
}

TEST(Rules, CountCalendarDays) {
  auto zone = Zone::find("+02:00");
  ASSERT_TRUE(zone);
  One one({.algorithm = Algorithm::kFixedWindow, .calendar = Calendar::kDay, .requests = 1, .zone = *zone});
  const std::int64_t midnight = 20'000 * std::int64_t{86400} - 7200;  // local
  EXPECT_TRUE(one.ask(midnight * kSecond).allowed);
  const auto refused = one.ask((midnight + 86399) * kSecond);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.retry_us, kSecond);
  EXPECT_TRUE(one.ask((midnight + 86400) * kSecond).allowed);
}

}  // namespace
}  // namespace fairlead::limit
