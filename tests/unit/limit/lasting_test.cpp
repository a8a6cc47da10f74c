// SPDX-License-Identifier: Apache-2.0
// Counts that outlive a process: as a text, and from one.
#include "fairlead/limit/lasting.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "fairlead/limit/key.hpp"
#include "unit/limit/times.hpp"

namespace fairlead::limit {
namespace {

constexpr std::int64_t kHour = 3'600'000'000;

Rule hourly(std::uint64_t requests = 100) {
  Rule rule{.algorithm = Algorithm::kFixedWindow, .requests = requests, .per_us = kHour};
  rule.settle();
  return rule;
}

std::uint64_t left(const Rule& rule, const std::shared_ptr<Counts>& counts, std::uint64_t hash,
                   std::int64_t now = kNow) {
  Item item{.rule = &rule, .counts = counts.get(), .hash = hash, .cost = 0};
  take_all({&item, 1}, now);
  return item.level.remaining;
}

void take_some(const Rule& rule, const std::shared_ptr<Counts>& counts, std::uint64_t hash, std::uint64_t cost) {
  Item item{.rule = &rule, .counts = counts.get(), .hash = hash, .cost = cost};
  ASSERT_TRUE(take_all({&item, 1}, kNow));
}

std::shared_ptr<Counts> make_counts() { return std::make_shared<Counts>(Algorithm::kFixedWindow); }

TEST(LastingCounts, AreThoseOfWindowsOfAMinuteOrMore) {
  auto rule = hourly();
  EXPECT_TRUE(lasts(rule));
  rule.per_us = 59'999'999;
  EXPECT_FALSE(lasts(rule));
  rule = hourly();
  rule.algorithm = Algorithm::kTokenBucket;
  EXPECT_FALSE(lasts(rule));
}

TEST(LastingCounts, GoOnInAnotherProcess) {
  const auto rule = hourly();
  LastingCounts before, after;
  before.enable();
  after.enable();
  const auto counts = make_counts();
  before.keep("a", rule, counts, kNow);
  take_some(rule, counts, 1, 30);
  take_some(rule, counts, 2, 1);
  const auto text = before.encode(kNow);

  const auto standing = make_counts(), later = make_counts();
  after.keep("a", rule, standing, kNow);
  take_some(rule, standing, 1, 5);
  ASSERT_TRUE(after.load(text, kNow));
  EXPECT_EQ(left(rule, standing, 1), 65U) << "both are counted";
  EXPECT_EQ(left(rule, standing, 2), 99U);
  EXPECT_EQ(left(rule, standing, 3), 100U);

  LastingCounts third;
  third.enable();
  ASSERT_TRUE(third.load(text, kNow));
  EXPECT_EQ(third.encode(kNow), text) << "what is not claimed is kept";
  third.keep("a", rule, later, kNow);
  EXPECT_EQ(left(rule, later, 1), 70U);
  third.keep("a", rule, later, kNow);
  EXPECT_EQ(left(rule, later, 1), 70U) << "once";
}

TEST(LastingCounts, EndWithTheirWindow) {
  const auto rule = hourly();
  LastingCounts before, after;
  before.enable();
  after.enable();
  const auto counts = make_counts(), next = make_counts();
  before.keep("a", rule, counts, kNow);
  take_some(rule, counts, 1, 30);
  const auto text = before.encode(kNow);
  EXPECT_LT(before.encode(kNow + kHour).size(), text.size()) << "the next window has nothing of it";
  ASSERT_TRUE(after.load(text, kNow + kHour));
  after.keep("a", rule, next, kNow + kHour);
  EXPECT_EQ(left(rule, next, 1, kNow + kHour), 100U);
}

TEST(LastingCounts, RefuseEveryTextThatIsNotWhole) {
  const auto rule = hourly();
  LastingCounts before, after;
  before.enable();
  const auto counts = make_counts();
  before.keep("a", rule, counts, kNow);
  take_some(rule, counts, 1, 30);
  const auto text = before.encode(kNow);
  for (std::size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(after.load(text.substr(0, size), kNow)) << size;
  for (std::size_t at = 0; at < text.size(); ++at) {
    auto changed = text;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_FALSE(after.load(changed, kNow)) << at;
  }
  EXPECT_FALSE(after.load(text + "x", kNow));
  EXPECT_TRUE(after.load(text, kNow));
}

TEST(LastingCounts, AreCopiedWhileOthersCountAndTheTableGrows) {
  const auto rule = hourly(1'000'000'000);
  LastingCounts all;
  all.enable();
  const auto counts = make_counts();
  all.keep("a", rule, counts, kNow);
  std::atomic<bool> stop = false;
  std::thread counting([&] {
    for (std::uint64_t i = 1; i <= 200'000 && !stop; ++i) {
      const auto hash = i * 0x9e3779b97f4a7c15;
      Item item{.rule = &rule, .counts = counts.get(), .hash = hash, .cost = 1};
      take_all({&item, 1}, kNow);
    }
  });
  for (int round = 0; round < 10; ++round) {
    LastingCounts other;
    other.enable();
    ASSERT_TRUE(other.load(all.encode(kNow), kNow));
    const auto read = make_counts();
    other.keep("a", rule, read, kNow);
    EXPECT_GE(left(rule, read, 0x9e3779b97f4a7c15), 999'999'999U) << "never counted twice";
  }
  stop = true;
  counting.join();
}

TEST(Owing, GoesToOneWholeLimitAndComesBack) {
  for (const auto algorithm : {Algorithm::kTokenBucket, Algorithm::kFixedWindow, Algorithm::kSlidingWindow}) {
    Rule rule{.algorithm = algorithm, .requests = 10, .burst = 10, .per_us = kHour};
    rule.settle();
    Counts counts(algorithm);
    Item item{.rule = &rule, .counts = &counts, .hash = 1, .cost = 4};
    charge(item, kNow);
    EXPECT_EQ(item.level.remaining, 6U);
    item.cost = kMostCost;
    charge(item, kNow);
    EXPECT_EQ(item.level.remaining, 0U);
    item.cost = 1;
    EXPECT_FALSE(take_all({&item, 1}, kNow));
    charge(item, kNow);
    if (algorithm == Algorithm::kTokenBucket) {
      EXPECT_FALSE(take_all({&item, 1}, kNow + kHour));
      EXPECT_TRUE(take_all({&item, 1}, kNow + kHour + kHour / 10));
    } else {
      EXPECT_TRUE(take_all({&item, 1}, kNow + kHour + kHour / 8));
    }
  }
}

}  // namespace
}  // namespace fairlead::limit
